/* SPDX-License-Identifier: MIT */
/*
 * tflite_quant_conv.c — products of quantised tensors: convolutions and fully
 * connected layers on bytes with sums scaled as the reference kernels do, and
 * products of real numbers by byte weights, quantised row by row.  Called by
 * tflite_conv.c.
 *
 * 8-bit sums are scaled by a float and rounded to nearest even, which is what
 * TensorFlow Lite does where XNNPACK runs them, as it does unless told otherwise; its plain
 * kernels scale in fixed point and differ by a step now and then.
 */
#include <config.h>

#include <string.h>

#include "runtime/tflite_quant.h"

static bool fits(struct rt_tflite_op *o, const struct rt_tflite_tensor *x,
		 const struct rt_tflite_tensor *w, const struct rt_tflite_tensor *bias,
		 int channels)
{
	const struct rt_tflite_tensor *y = rt_tflite_out(o, 0);

	if (!rt_tflite_quant_scalar(o, x) || !rt_tflite_quant_scalar(o, y))
		return false;
	if (!rt_tflite_is_quantised(w) || w->dtype == RT_I16 ||
	    (w->scales != 1 && w->scales != channels) || (bias != NULL && bias->dtype != RT_I32)) {
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

	v = rt_lower_node(o->l, RT_MS, "QLinearConv", 9, in, 1);
	rt_tflite_quant_bounds(yt, p->activation, b);
	rt_lower_set_float(o->l, "q_lo", (float)(b[0] - yt->zero[0]));
	rt_lower_set_float(o->l, "q_hi", (float)(b[1] - yt->zero[0]));
	return v;
}

static bool is_byte(const struct rt_tflite_tensor *t)
{
	return rt_tflite_is_quantised(t) && (t->dtype == RT_I8 || t->dtype == RT_U8);
}

bool rt_tflite_quant_is_product(const struct rt_tflite_op *o)
{
	return is_byte(rt_tflite_in(o, 0)) && is_byte(rt_tflite_in(o, 1)) &&
	       is_byte(rt_tflite_out(o, 0));
}

int rt_tflite_quant_product(struct rt_tflite_op *o, const struct rt_tflite_product *p, int x, int w)
{
	const struct rt_tflite_tensor *xt = rt_tflite_in(o, p->x), *wt = rt_tflite_in(o, p->w);
	int v;

	if (!fits(o, xt, wt, rt_tflite_in(o, p->bias), p->channels))
		return RT_NO_VALUE;
	v = product_8(o, p, x, w);
	if (v == RT_NO_VALUE)
		return v;
	rt_lower_set_string(o->l, "auto_pad", p->same ? "SAME_UPPER" : "VALID");
	rt_lower_set_ints(o->l, "strides", 2, p->strides);
	rt_lower_set_ints(o->l, "dilations", 2, p->dilations);
	rt_lower_set_int(o->l, "group", p->group);
	rt_lower_set_int(o->l, "channels_last", 1);
	return v;
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
