/* SPDX-License-Identifier: MIT */
/*
 * tflite_quant_conv.c — products of quantised tensors: convolutions and fully
 * connected layers on bytes with sums scaled as the reference kernels do, and
 * products of real numbers by byte weights, quantised row by row.  Called by
 * tflite_conv.c.
 *
 * 8-bit sums are scaled by a float and rounded to nearest even, which is what
 * TensorFlow Lite does where XNNPACK runs them, as it does unless told otherwise; its plain
 * kernels scale in fixed point and differ by a step now and then.  16-bit ones are
 * in fixed point (fixed.h).
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

static int scale_constant(struct rt_tflite_op *o, const struct rt_tflite_tensor *t)
{
	struct rt_tensor s = {RT_F32, rt_shape_of(1, (int64_t)t->scales),
			      (void *)(uintptr_t)t->scale};

	if (t->scales == 1)
		s.shape.rank = 0;
	return rt_lower_constant(o->l, "", &s);
}

static int zero_constant(struct rt_tflite_op *o, const struct rt_tflite_tensor *t)
{
	return rt_lower_scalar(o->l, t->dtype, (double)t->zero[0]);
}

/* 8 bits: QLinearConv, whose sums are scaled by a float32 and rounded to nearest even. */
static int product_8(struct rt_tflite_op *o, const struct rt_tflite_product *p, int x, int w)
{
	const struct rt_tflite_tensor *xt = rt_tflite_in(o, p->x), *wt = rt_tflite_in(o, p->w);
	const struct rt_tflite_tensor *yt = rt_tflite_out(o, 0);
	const int in[9] = {x,
			   scale_constant(o, xt),
			   zero_constant(o, xt),
			   w,
			   scale_constant(o, wt),
			   zero_constant(o, wt),
			   scale_constant(o, yt),
			   zero_constant(o, yt),
			   rt_tflite_value(o, p->bias)};
	int64_t b[2];
	int v;

	if (yt->dtype != RT_I8 && yt->dtype != RT_U8) {
		rt_tflite_refuse(o, "not with a result of that type");
		return RT_NO_VALUE;
	}
	v = rt_lower_node(o->l, RT_MS, "QLinearConv", 9, in, 1);
	rt_tflite_quant_bounds(yt, p->activation, b);
	rt_lower_set_float(o->l, "q_lo", (float)(b[0] - yt->zero[0]));
	rt_lower_set_float(o->l, "q_hi", (float)(b[1] - yt->zero[0]));
	return v;
}

int rt_tflite_quant_product(struct rt_tflite_op *o, const struct rt_tflite_product *p, int x, int w)
{
	const struct rt_tflite_tensor *xt = rt_tflite_in(o, p->x), *wt = rt_tflite_in(o, p->w);
	int v;

	if (!fits(o, xt, wt, rt_tflite_in(o, p->bias), p->channels))
		return RT_NO_VALUE;
	if (xt->dtype == RT_I16) {
		const int in[3] = {x, w, rt_tflite_value(o, p->bias)};

		v = rt_lower_node(o->l, RT_LARDER, "QuantConv16", 3, in, 1);
		set_multipliers(o, xt, wt, rt_tflite_out(o, 0), p->from_float);
		set_result(o, rt_tflite_out(o, 0), p->activation);
	} else {
		v = product_8(o, p, x, w);
	}
	if (v == RT_NO_VALUE)
		return v;
	rt_lower_set_string(o->l, "auto_pad", p->same ? "SAME_UPPER" : "VALID");
	rt_lower_set_ints(o->l, "strides", 2, p->strides);
	rt_lower_set_ints(o->l, "dilations", 2, p->dilations);
	rt_lower_set_int(o->l, "group", p->group);
	rt_lower_set_int(o->l, "channels_last", 1);
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
	const int rows = rt_lower_node(l, RT_LARDER, "QuantizeRows", 1, &x, 2);
	int scale, sums, turned;

	turned = rt_lower_transpose(l, rt_tflite_value(o, w), 2, (int64_t[]){1, 0});
	sums = rt_lower_op2(l, "MatMulInteger", rows, turned);
	scale = rt_lower_op2(l, "Mul", rows + 1, scale_constant(o, rt_tflite_in(o, w)));
	return rt_lower_op2(l, "Mul", rt_lower_cast(l, sums, RT_F32), scale);
}

/* The same of images [N][H][W][C]: a scale for each. */
int rt_tflite_quant_hybrid_conv(struct rt_tflite_op *o, const struct rt_tflite_product *p, int x,
				int w)
{
	struct rt_lower *l = o->l;
	const int rows = rt_lower_node(l, RT_LARDER, "QuantizeRows", 1, &x, 2);
	int scale, sums, v;

	rt_lower_set_int(l, "images", 1);
	sums = rt_lower_op2(l, "ConvInteger", rows, w);
	rt_lower_set_string(l, "auto_pad", p->same ? "SAME_UPPER" : "VALID");
	rt_lower_set_ints(l, "strides", 2, p->strides);
	rt_lower_set_ints(l, "dilations", 2, p->dilations);
	rt_lower_set_int(l, "group", p->group);
	rt_lower_set_int(l, "channels_last", 1);
	scale = rt_lower_op2(l, "Mul", rows + 1, scale_constant(o, rt_tflite_in(o, p->w)));
	v = rt_lower_op2(l, "Mul", rt_lower_cast(l, sums, RT_F32), scale);
	if (rt_tflite_in(o, p->bias) != NULL)
		v = rt_lower_op2(l, "Add", v, rt_tflite_value(o, p->bias));
	return rt_tflite_activate(o, v, p->activation);
}
