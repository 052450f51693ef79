/* SPDX-License-Identifier: MIT */
/*
 * tflite_op.c — what every lowering function does with its operator: its tensors
 * as values, its options, its fused activation.  Called by tflite_<family>.c.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/op.h"
#include "runtime/tflite_reader.h"

#define SIDES_MAX 512 /* inputs or outputs of an operator that is refused, for its node */

static struct rt_tflite_tensor *tensor(const struct rt_tflite_op *o, const int *list, int count,
				       int k)
{
	return k < count && list[k] >= 0 ? &o->s->tensors[list[k]] : NULL;
}

const struct rt_tflite_tensor *rt_tflite_in(const struct rt_tflite_op *o, int k)
{
	return tensor(o, o->in, o->in_count, k);
}

const struct rt_tflite_tensor *rt_tflite_out(const struct rt_tflite_op *o, int k)
{
	return tensor(o, o->out, o->out_count, k);
}

/* A variable tensor begins as zeros, which of a quantised one is its zero point. */
static int variable_value(struct rt_tflite_op *o, struct rt_tflite_tensor *t)
{
	struct rt_tensor zeros = {t->dtype, t->shape, NULL};
	int64_t elems;
	size_t bytes;

	if (!rt_shape_elems(&t->shape, &elems) || !rt_shape_bytes(&t->shape, t->dtype, &bytes) ||
	    t->dtype == RT_STR)
		return rt_lower_fail(o->l, RT_MALFORMED,
				     "the variable tensor '%.100s' has no certain shape", t->name);
	zeros.data = rt_lower_alloc(o->l, bytes);
	if (zeros.data == NULL)
		return RT_NO_VALUE;
	if (t->scales > 0 && rt_dtype_bits(t->dtype) == 8)
		memset(zeros.data, (int)(t->zero[0] & 0xff), bytes);
	return rt_lower_constant(o->l, t->name, &zeros);
}

static int value_of(struct rt_tflite_op *o, struct rt_tflite_tensor *t)
{
	int64_t elems;

	if (t->value != RT_NO_VALUE)
		return t->value;
	if (t->is_constant)
		t->value = rt_lower_constant(o->l, t->name, &t->data);
	else if (t->is_variable && t->dtype != RT_NONE)
		t->value = variable_value(o, t);
	else if (rt_shape_elems(&t->shape, &elems) && elems == 0 && t->dtype != RT_NONE)
		t->value = rt_lower_constant(
		    o->l, t->name,
		    &(struct rt_tensor){t->dtype, t->shape, rt_lower_alloc(o->l, 8)});
	else
		(void)rt_lower_fail(o->l, RT_MALFORMED,
				    "tensor '%.100s' is read, and nothing before has made it",
				    t->name);
	return t->value;
}

int rt_tflite_value(struct rt_tflite_op *o, int k)
{
	struct rt_tflite_tensor *t = tensor(o, o->in, o->in_count, k);

	return t != NULL && rt_tflite_ok(o->r) ? value_of(o, t) : RT_NO_VALUE;
}

void rt_tflite_give(struct rt_tflite_op *o, int k, int v)
{
	struct rt_tflite_tensor *t = tensor(o, o->out, o->out_count, k);

	if (t == NULL || v == RT_NO_VALUE || !rt_tflite_ok(o->r))
		return; /* what was refused has its values */
	if (t->value != RT_NO_VALUE || t->is_constant) {
		(void)rt_lower_fail(o->l, RT_MALFORMED, "tensor '%.100s' is made twice", t->name);
		return;
	}
	t->value = v;
	if (v >= 0 && o->l->graph->values[v].producer >= 0)
		rt_lower_shape(o->l, v, &t->shape);
}

void rt_tflite_refuse(struct rt_tflite_op *o, const char *why)
{
	int in[SIDES_MAX], count = 0, first;

	for (int k = 0; k < o->in_count && count < SIDES_MAX; k++) {
		const struct rt_tflite_tensor *t = rt_tflite_in(o, k);

		if (t != NULL && t->dtype != RT_NONE)
			in[count++] = rt_tflite_value(o, k);
	}
	first = rt_lower_missing(o->l, o->name, why, count, in, o->out_count);
	for (int k = 0; k < o->out_count && first >= 0; k++) {
		struct rt_tflite_tensor *t = tensor(o, o->out, o->out_count, k);

		if (t != NULL && t->dtype != RT_NONE)
			o->l->graph->values[first + k].dtype = t->dtype;
		rt_tflite_give(o, k, first + k);
	}
}

bool rt_tflite_expects(struct rt_tflite_op *o, int least)
{
	for (int k = 0; k < least; k++) {
		if (rt_tflite_in(o, k) == NULL) {
			(void)rt_lower_fail(o->l, RT_MALFORMED, "%s without its input %d", o->name,
					    k);
			return false;
		}
	}
	if (rt_tflite_out(o, 0) == NULL) {
		(void)rt_lower_fail(o->l, RT_MALFORMED, "%s without an output", o->name);
		return false;
	}
	return rt_tflite_ok(o->r);
}

/* ---- options --------------------------------------------------------------------------------- */

int rt_tflite_opt_int(struct rt_tflite_op *o, unsigned field, int otherwise)
{
	return (int)rt_flatbuf_int(&o->r->f, &o->options, field, 4, otherwise);
}

int rt_tflite_opt_byte(struct rt_tflite_op *o, unsigned field, int otherwise)
{
	return (int)rt_flatbuf_int(&o->r->f, &o->options, field, 1, otherwise);
}

float rt_tflite_opt_float(struct rt_tflite_op *o, unsigned field, float otherwise)
{
	return rt_flatbuf_float(&o->r->f, &o->options, field, otherwise);
}

int rt_tflite_opt_ints(struct rt_tflite_op *o, unsigned field, int max, int64_t *out)
{
	const struct rt_flatbuf_vector v = rt_flatbuf_vector(&o->r->f, &o->options, field, 4);

	if (v.at == 0 || v.count > (size_t)max)
		return -1;
	for (size_t i = 0; i < v.count; i++)
		out[i] = rt_flatbuf_int_at(&o->r->f, &v, i);
	return (int)v.count;
}

int rt_tflite_ints(struct rt_tflite_op *o, int k, int max, int64_t *out)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, k);
	int count;

	return t != NULL && t->is_constant && rt_op_ints(&t->data, out, max, &count) ? count : -1;
}

int rt_tflite_rank(const struct rt_tflite_op *o, int k)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, k);

	return t != NULL ? t->shape.rank : -1;
}

int rt_tflite_axis(int64_t axis, int rank)
{
	int out;

	return rt_op_axis(axis, rank, &out) ? out : -1;
}

/* ---- numbers --------------------------------------------------------------------------------- */

int rt_tflite_activate(struct rt_tflite_op *o, int v, int a)
{
	switch (a) {
	case RT_TFLITE_NONE:
		return v;
	case RT_TFLITE_RELU:
		return rt_lower_op1(o->l, "Relu", v);
	case RT_TFLITE_RELU_N1_TO_1:
		return rt_lower_clip(o->l, v, -1, 1);
	case RT_TFLITE_RELU6:
		return rt_lower_clip(o->l, v, 0, 6);
	case RT_TFLITE_TANH:
		return rt_lower_op1(o->l, "Tanh", v);
	default:
		return rt_lower_fail(o->l, RT_UNSUPPORTED, "fused activation %d of %s", a, o->name);
	}
}

bool rt_tflite_is_quantised(const struct rt_tflite_tensor *t)
{
	return t != NULL && t->scales > 0 &&
	       (t->dtype == RT_I8 || t->dtype == RT_U8 || t->dtype == RT_I16);
}

bool rt_tflite_same_numbers(const struct rt_tflite_tensor *a, const struct rt_tflite_tensor *b)
{
	if (a->dtype != b->dtype || a->scales != b->scales)
		return false;
	for (int i = 0; i < a->scales; i++)
		if (a->scale[i] != b->scale[i] || a->zero[i] != b->zero[i])
			return false;
	return true;
}

int rt_tflite_i64(struct rt_tflite_op *o, int v)
{
	return rt_lower_cast(o->l, v, RT_I64);
}
