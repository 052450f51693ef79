/* SPDX-License-Identifier: MIT */
/*
 * tflite_quant_row.c — quantised softmax, average pools, sums and means,
 * as nodes of the larder domain.  Called by tflite_reduce.c
 * and tflite_conv.c.
 */
#include <config.h>

#include "runtime/fixed.h"
#include "runtime/tflite_quant.h"

static const char *type_name(enum rt_dtype t)
{
	return t == RT_U8 ? "uint8" : t == RT_I8 ? "int8" : t == RT_I16 ? "int16" : "int32";
}

void rt_tflite_quant_softmax(struct rt_tflite_op *o, float beta)
{
	const struct rt_tflite_tensor *x = rt_tflite_in(o, 0), *y = rt_tflite_out(o, 0);
	int v = rt_tflite_value(o, 0);

	if (!rt_tflite_quant_scalar(o, x) || !rt_tflite_quant_scalar(o, y))
		return;
	v = rt_lower_node(o->l, RT_LARDER, "QuantSoftmax", 1, &v, 1);
	rt_lower_set_float(o->l, "x_scale", x->scale[0] * beta);
	rt_lower_set_float(o->l, "y_scale", y->scale[0]);
	rt_lower_set_int(o->l, "y_zero", y->zero[0]);
	rt_lower_set_string(o->l, "to", type_name(y->dtype));
	rt_tflite_give(o, 0, v);
}

/* The numbers of input and output are the same; sums are divided, half away from zero. */
void rt_tflite_quant_average(struct rt_tflite_op *o, const int64_t kernel[2],
			     const int64_t stride[2], bool same, int activation)
{
	const struct rt_tflite_tensor *y = rt_tflite_out(o, 0);
	int v = rt_tflite_value(o, 0);
	int64_t b[2];

	if (!rt_tflite_quant_scalar(o, rt_tflite_in(o, 0)) || !rt_tflite_quant_scalar(o, y))
		return;
	rt_tflite_quant_bounds(y, activation, b);
	v = rt_lower_node(o->l, RT_LARDER, "QuantAveragePool", 1, &v, 1);
	rt_lower_set_string(o->l, "auto_pad", same ? "SAME_UPPER" : "VALID");
	rt_lower_set_ints(o->l, "strides", 2, stride);
	rt_lower_set_ints(o->l, "kernel_shape", 2, kernel);
	rt_lower_set_int(o->l, "lo", b[0]);
	rt_lower_set_int(o->l, "hi", b[1]);
	rt_tflite_give(o, 0, v);
}

void rt_tflite_quant_reduce(struct rt_tflite_op *o, bool is_mean, bool keep)
{
	const struct rt_tflite_tensor *x = rt_tflite_in(o, 0), *y = rt_tflite_out(o, 0);
	int64_t axes[RT_RANK_MAX], limits[2];
	const int count = rt_tflite_ints(o, 1, RT_RANK_MAX, axes);
	int v = rt_tflite_value(o, 0);
	int32_t mult;
	int shift;

	if (!rt_tflite_quant_scalar(o, x) || !rt_tflite_quant_scalar(o, y))
		return;
	if (count < 0) {
		rt_tflite_refuse(o, "not with computed axes");
		return;
	}
	rt_tflite_quant_limits(y->dtype, limits);
	rt_fixed_split((double)x->scale[0] / (double)y->scale[0], &mult, &shift);
	v = rt_lower_node(o->l, RT_LARDER, "QuantReduce", 1, &v, 1);
	rt_lower_set_ints(o->l, "axes", count, axes);
	rt_lower_set_int(o->l, "keepdims", keep);
	rt_lower_set_int(o->l, "mean", is_mean);
	rt_lower_set_int(o->l, "mult", mult);
	rt_lower_set_int(o->l, "shift", shift);
	rt_lower_set_int(o->l, "x_zero", x->zero[0]);
	rt_lower_set_int(o->l, "y_zero", y->zero[0]);
	rt_lower_set_string(o->l, "to", type_name(y->dtype));
	rt_tflite_give(o, 0, v);
}
