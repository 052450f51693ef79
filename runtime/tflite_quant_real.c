/* SPDX-License-Identifier: MIT */
/*
 * tflite_quant_real.c — operators on quantised tensors that larder has no integer
 * form of: what their numbers stand for goes through the float form, and the
 * result is quantised once.  The reference kernels round that result as well, to
 * within a step.  Called by tflite_*.c where they have nothing better.
 *
 * The operator is lowered a second time with tensors of its own, which are float32.
 */
#include <config.h>

#include "runtime/tflite_quant.h"

enum { CONV_2D = 3, DEPTHWISE_CONV_2D = 4, FULLY_CONNECTED = 9, TRANSPOSE_CONV = 67 };

/* Where the weights of operators with a bias are, the operand and the bias; −1: it has none. */
struct places {
	int x, w, bias;
};

static struct places places_of(const struct rt_tflite_op *o)
{
	switch (o->row != NULL ? o->row->code : -1) {
	case CONV_2D:
	case DEPTHWISE_CONV_2D:
	case FULLY_CONNECTED:
		return (struct places){0, 1, 2};
	case TRANSPOSE_CONV:
		return (struct places){2, 1, 3};
	default:
		return (struct places){-1, -1, -1};
	}
}

/* A bias counts in products of the operands' scales, whatever its own tensor says. */
static int real_bias(struct rt_tflite_op *o, const struct places *p)
{
	const struct rt_tflite_tensor *x = rt_tflite_in(o, p->x), *w = rt_tflite_in(o, p->w);
	struct rt_tensor s = {RT_F32, rt_shape_of(1, (int64_t)w->scales), NULL};
	const int v = rt_lower_cast(o->l, rt_tflite_value(o, p->bias), RT_F32);
	float *to;

	s.data = to = rt_lower_alloc(o->l, (size_t)w->scales * sizeof(float));
	for (int i = 0; i < w->scales && to != NULL; i++)
		to[i] = x->scale[0] * w->scale[i];
	if (to == NULL)
		return RT_NO_VALUE;
	return rt_lower_op2(o->l, "Mul", v, rt_lower_constant(o->l, "", &s));
}

/* Input ${k} as a tensor of real numbers; what is not quantised stays as it is. */
static void shadow_input(struct rt_tflite_op *o, int k, const struct places *p,
			 struct rt_tflite_tensor *to)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, k);

	*to = *t;
	to->value = rt_tflite_value(o, k);
	if (k == p->bias && !rt_tflite_is_quantised(t) && t->dtype != RT_F32)
		to->value = real_bias(o, p);
	else if (rt_tflite_is_quantised(t))
		to->value = rt_tflite_quant_dequantize(o, to->value, t);
	else
		return;
	to->dtype = RT_F32;
	to->type = RT_TFLITE_F32;
	to->scales = 0;
	to->is_constant = false;
}

static void shadow_output(const struct rt_tflite_tensor *t, struct rt_tflite_tensor *to)
{
	*to = *t;
	to->value = RT_NO_VALUE;
	if (!rt_tflite_is_quantised(t))
		return;
	to->dtype = RT_F32;
	to->type = RT_TFLITE_F32;
	to->scales = 0;
}

static bool one_scale(const struct rt_tflite_op *o)
{
	const struct places p = places_of(o);

	for (int k = 0; k < o->in_count; k++) {
		const struct rt_tflite_tensor *t = rt_tflite_in(o, k);

		if (rt_tflite_is_quantised(t) && t->scales != 1 && k != p.w)
			return false;
	}
	if (p.w >= 0 && rt_tflite_in(o, p.bias) != NULL &&
	    (!rt_tflite_is_quantised(rt_tflite_in(o, p.x)) ||
	     !rt_tflite_is_quantised(rt_tflite_in(o, p.w))))
		return false;
	for (int k = 0; k < o->out_count; k++) {
		const struct rt_tflite_tensor *t = rt_tflite_out(o, k);

		if (rt_tflite_is_quantised(t) && (t->scales != 1 || !(t->scale[0] > 0)))
			return false;
	}
	return true;
}

int rt_tflite_quant_as_wide(struct rt_tflite_op *o, int v)
{
	return rt_tflite_in(o, 0)->dtype == RT_I16 ? rt_lower_cast(o->l, v, RT_F32) : v;
}

int rt_tflite_quant_as_narrow(struct rt_tflite_op *o, int v)
{
	return rt_tflite_in(o, 0)->dtype == RT_I16 ? rt_lower_cast(o->l, v, RT_I16) : v;
}

void rt_tflite_quant_as_real(struct rt_tflite_op *o)
{
	const struct places p = places_of(o);
	struct rt_tflite_scope scope = *o->s;
	struct rt_tflite_op shadow = *o;
	int *index = rt_lower_alloc(o->l, (size_t)(o->in_count + o->out_count) * sizeof(*index));
	const int count = o->in_count + o->out_count;

	if (!one_scale(o) || o->row == NULL) {
		rt_tflite_refuse(o, "not without one scale and zero point for each tensor");
		return;
	}
	scope.tensors = rt_lower_alloc(o->l, (size_t)count * sizeof(*scope.tensors));
	scope.tensor_count = count;
	if (index == NULL || scope.tensors == NULL)
		return;
	for (int k = 0; k < o->in_count; k++) {
		index[k] = rt_tflite_in(o, k) != NULL ? k : -1;
		if (index[k] >= 0)
			shadow_input(o, k, &p, &scope.tensors[k]);
	}
	for (int k = 0; k < o->out_count; k++) {
		const int to = o->in_count + k;

		index[to] = rt_tflite_out(o, k) != NULL ? to : -1;
		if (index[to] >= 0)
			shadow_output(rt_tflite_out(o, k), &scope.tensors[to]);
	}
	shadow.s = &scope;
	shadow.in = index;
	shadow.out = index + o->in_count;
	o->row->lower(&shadow);
	for (int k = 0; k < o->out_count && rt_tflite_ok(o->r); k++) {
		const struct rt_tflite_tensor *t = rt_tflite_out(o, k);
		int v = t != NULL ? scope.tensors[o->in_count + k].value : RT_NO_VALUE;

		if (v != RT_NO_VALUE && rt_tflite_is_quantised(t))
			v = rt_tflite_quant_quantize(o, v, t);
		rt_tflite_give(o, k, v);
	}
}
