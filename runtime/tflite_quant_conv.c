/* SPDX-License-Identifier: MIT */
/*
 * tflite_quant_conv.c — products of quantised tensors: convolutions and fully
 * connected layers on bytes with sums scaled as the reference kernels do, and
 * products of real numbers by byte weights, quantised row by row.  Called by
 * tflite_conv.c.
 *
 * All of them are one operator of the larder domain, channels last, with the
 * scales as fixed-point multipliers (fixed.h).
 */
#include <config.h>

#include <string.h>

#include "runtime/fixed.h"
#include "runtime/tflite_quant.h"

/* One multiplier per channel of the output, or one for all. */
static void set_multipliers(struct rt_tflite_op *o, const struct rt_tflite_tensor *x,
			    const struct rt_tflite_tensor *w, const struct rt_tflite_tensor *y,
			    bool from_float)
{
	int64_t *mults = rt_lower_alloc(o->l, sizeof(*mults) * (size_t)w->scales * 2);
	int64_t *shifts = mults + w->scales;
	int32_t mult;
	int shift;
	double m;

	if (mults == NULL)
		return;
	for (int i = 0; i < w->scales; i++) {
		if (from_float && w->scales == 1)
			m = (double)(x->scale[0] * w->scale[i]) / (double)y->scale[0];
		else
			m = (double)x->scale[0] * (double)w->scale[i] / (double)y->scale[0];
		rt_fixed_split(m, &mult, &shift);
		mults[i] = mult, shifts[i] = shift;
	}
	rt_lower_set_ints(o->l, "mult", w->scales, mults);
	rt_lower_set_ints(o->l, "shift", w->scales, shifts);
}

static bool fits(struct rt_tflite_op *o, const struct rt_tflite_tensor *x,
		 const struct rt_tflite_tensor *w, const struct rt_tflite_tensor *bias,
		 int channels)
{
	const struct rt_tflite_tensor *y = rt_tflite_out(o, 0);
	const enum rt_dtype b =
	    x->dtype == RT_I16 && bias != NULL && bias->dtype == RT_I64 ? RT_I64 : RT_I32;

	if (!rt_tflite_quant_scalar(o, x) || !rt_tflite_quant_scalar(o, y))
		return false;
	if (!rt_tflite_is_quantised(w) || w->dtype == RT_I16 ||
	    (w->scales != 1 && w->scales != channels) || (bias != NULL && bias->dtype != b)) {
		rt_tflite_refuse(o, "not with weights or a bias of that type or these scales");
		return false;
	}
	for (int i = 0; i < w->scales; i++) {
		if (!(w->scale[i] >= 0) || (w->scales > 1 && w->zero[i] != 0)) {
			rt_tflite_refuse(o, "not with such scales of the weights");
			return false;
		}
	}
	return true;
}

static void set_result(struct rt_tflite_op *o, const struct rt_tflite_tensor *y, int activation)
{
	int64_t b[2];

	rt_tflite_quant_bounds(y, activation, b);
	rt_lower_set_string(o->l, "to",
			    y->dtype == RT_U8    ? "uint8"
			    : y->dtype == RT_I8  ? "int8"
			    : y->dtype == RT_I16 ? "int16"
						 : "int32");
	rt_lower_set_int(o->l, "y_zero", y->zero[0]);
	rt_lower_set_int(o->l, "lo", b[0]);
	rt_lower_set_int(o->l, "hi", b[1]);
}

/* x, w, zero point of x, zero point of w, bias. */
static int product(struct rt_tflite_op *o, const struct rt_tflite_tensor *xt,
		   const struct rt_tflite_tensor *wt, int x, int w, int bias)
{
	int in[5] = {x, w, RT_NO_VALUE, RT_NO_VALUE, bias};

	if (xt->dtype != RT_I16) {
		in[2] = rt_lower_scalar(o->l, xt->dtype, (double)xt->zero[0]);
		in[3] = rt_lower_scalar(o->l, wt->dtype, (double)wt->zero[0]);
	}
	return rt_lower_node(o->l, RT_LARDER, xt->dtype == RT_I16 ? "QuantConv16" : "QuantConv", 5,
			     in, 1);
}

int rt_tflite_quant_product(struct rt_tflite_op *o, const struct rt_tflite_product *p, int x, int w)
{
	const struct rt_tflite_tensor *xt = rt_tflite_in(o, p->x), *wt = rt_tflite_in(o, p->w);
	int v;

	if (!fits(o, xt, wt, rt_tflite_in(o, p->bias), p->channels))
		return RT_NO_VALUE;
	v = product(o, xt, wt, x, w, rt_tflite_value(o, p->bias));
	rt_lower_set_string(o->l, "auto_pad", p->same ? "SAME_UPPER" : "VALID");
	rt_lower_set_ints(o->l, "strides", 2, p->strides);
	rt_lower_set_ints(o->l, "dilations", 2, p->dilations);
	rt_lower_set_int(o->l, "group", p->group);
	rt_lower_set_int(o->l, "channels_last", 1);
	set_multipliers(o, xt, wt, rt_tflite_out(o, 0), p->from_float);
	set_result(o, rt_tflite_out(o, 0), p->activation);
	return v;
}

/* TRANSPOSE_CONV: shape, weights [out, h, w, in], image, bias. */
bool rt_tflite_quant_transposed(struct rt_tflite_op *o, const int64_t stride[2],
				const int64_t pads[2], const int64_t size[2], int activation)
{
	const struct rt_tflite_tensor *xt = rt_tflite_in(o, 2), *wt = rt_tflite_in(o, 1);
	int in[3], v;

	if (!fits(o, xt, wt, rt_tflite_in(o, 3), (int)wt->shape.dims[0]))
		return false;
	in[0] = rt_tflite_value(o, 2), in[1] = rt_tflite_value(o, 1), in[2] = rt_tflite_value(o, 3);
	v = rt_lower_node(o->l, RT_LARDER, "QuantConvTranspose", 3, in, 1);
	rt_lower_set_ints(o->l, "strides", 2, stride);
	rt_lower_set_ints(o->l, "pads", 2, pads);
	rt_lower_set_ints(o->l, "size", 2, size);
	rt_lower_set_ints(o->l, "zeros", 2, (int64_t[]){xt->zero[0], wt->zero[0]});
	set_multipliers(o, xt, wt, rt_tflite_out(o, 0), false);
	set_result(o, rt_tflite_out(o, 0), activation);
	rt_tflite_give(o, 0, v);
	return true;
}

/* x becomes bytes with a scale per row; sums of products times both scales are the result. */
int rt_tflite_quant_hybrid(struct rt_tflite_op *o, int x, int w)
{
	struct rt_lower *l = o->l;
	const struct rt_tflite_tensor *wt = rt_tflite_in(o, w);
	const struct rt_tensor scales = {RT_F32, rt_shape_of(1, (int64_t)wt->scales),
					 (void *)(uintptr_t)wt->scale};
	const int rows = rt_lower_node(l, RT_LARDER, "QuantizeRows", 1, &x, 2);
	int scale, sums, turned;

	turned = rt_lower_transpose(l, rt_tflite_value(o, w), 2, (int64_t[]){1, 0});
	sums = rt_lower_op2(l, "MatMulInteger", rows, turned);
	scale = rt_lower_op2(l, "Mul", rows + 1, rt_lower_constant(l, "", &scales));
	return rt_lower_op2(l, "Mul", rt_lower_cast(l, sums, RT_F32), scale);
}
