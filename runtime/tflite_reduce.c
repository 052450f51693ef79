/* SPDX-License-Identifier: MIT */
/*
 * tflite_reduce.c — over dimensions: sums and their like, the largest's index,
 * running sums, softmax, norms.  Called through tflite.def.
 */
#include <config.h>

#include <string.h>

#include "runtime/tflite_quant.h"

void rt_tflite_lower_reduce(struct rt_tflite_op *o)
{
	const bool keep = rt_tflite_opt_byte(o, 0, 0) != 0;
	const char *op = o->row->op;
	int v, axes;

	if (!rt_tflite_expects(o, 2))
		return;
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0)) && strcmp(op, "ReduceMax") != 0 &&
	    strcmp(op, "ReduceMin") != 0) {
		if (strcmp(op, "ReduceProd") == 0)
			rt_tflite_quant_as_real(o);
		else
			rt_tflite_quant_reduce(o, strcmp(op, "ReduceMean") == 0, keep);
		return;
	}
	axes = rt_lower_reshape(o->l, rt_tflite_i64(o, rt_tflite_value(o, 1)), 1, (int64_t[]){-1});
	v = rt_tflite_quant_as_wide(o, rt_tflite_value(o, 0));
	v = rt_lower_op2(o->l, op, v, axes);
	rt_lower_set_int(o->l, "keepdims", keep);
	rt_lower_set_int(o->l, "noop_with_empty_axes", 1);
	rt_tflite_give(o, 0, rt_tflite_quant_as_narrow(o, v));
}

void rt_tflite_lower_arg(struct rt_tflite_op *o)
{
	int64_t axis;
	int v;

	if (!rt_tflite_expects(o, 2))
		return;
	if (rt_tflite_ints(o, 1, 1, &axis) != 1) {
		rt_tflite_refuse(o, "not with a computed axis");
		return;
	}
	v = rt_lower_op1(o->l, o->row->op, rt_tflite_value(o, 0));
	rt_lower_set_int(o->l, "axis", axis);
	rt_lower_set_int(o->l, "keepdims", 0);
	rt_tflite_give(o, 0, rt_lower_cast(o->l, v, rt_tflite_out(o, 0)->dtype));
}

void rt_tflite_lower_cumsum(struct rt_tflite_op *o)
{
	int v;

	if (!rt_tflite_expects(o, 2))
		return;
	v = rt_lower_op2(o->l, "CumSum", rt_tflite_value(o, 0),
			 rt_lower_reshape(o->l, rt_tflite_value(o, 1), 0, NULL));
	rt_lower_set_int(o->l, "exclusive", rt_tflite_opt_byte(o, 0, 0) != 0);
	rt_lower_set_int(o->l, "reverse", rt_tflite_opt_byte(o, 1, 0) != 0);
	rt_tflite_give(o, 0, v);
}

void rt_tflite_lower_softmax(struct rt_tflite_op *o)
{
	const bool log = strcmp(o->row->op, "LogSoftmax") == 0;
	const float beta = log ? 1 : rt_tflite_opt_float(o, 0, 1);
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0))) {
		if (log)
			rt_tflite_quant_as_real(o);
		else
			rt_tflite_quant_softmax(o, beta);
		return;
	}
	v = rt_tflite_value(o, 0);
	if (beta != 1)
		v = rt_lower_op2(o->l, "Mul", v, rt_lower_f32(o->l, beta));
	v = rt_lower_op1(o->l, o->row->op, v);
	rt_lower_set_int(o->l, "axis", -1);
	rt_tflite_give(o, 0, v);
}

/* x / max(√Σx², 10⁻⁶) along the last dimension */
void rt_tflite_lower_l2_norm(struct rt_tflite_op *o)
{
	int x, norm;

	if (!rt_tflite_expects(o, 1))
		return;
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0))) {
		rt_tflite_quant_as_real(o);
		return;
	}
	x = rt_tflite_value(o, 0);
	norm = rt_lower_op2(o->l, "ReduceL2", x, rt_lower_i64(o->l, -1));
	norm = rt_lower_op2(o->l, "Max", norm, rt_lower_f32(o->l, 1e-6f));
	rt_tflite_give(o, 0, rt_lower_op2(o->l, "Div", x, norm));
}

/* LOCAL_RESPONSE_NORMALIZATION: ${radius} channels to either side; alpha is of each of them. */
void rt_tflite_lower_lrn(struct rt_tflite_op *o)
{
	const int radius = rt_tflite_opt_int(o, 0, 0);
	const int64_t size = 2 * (int64_t)radius + 1;
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	if (radius < 0 || rt_tflite_rank(o, 0) != 4) {
		rt_tflite_refuse(o, "not for that radius or rank");
		return;
	}
	v = rt_lower_op1(o->l, "LRN", rt_lower_to_nchw(o->l, rt_tflite_value(o, 0), 4));
	rt_lower_set_int(o->l, "size", size);
	rt_lower_set_float(o->l, "bias", rt_tflite_opt_float(o, 1, 0));
	rt_lower_set_float(o->l, "alpha", rt_tflite_opt_float(o, 2, 0) * (float)size);
	rt_lower_set_float(o->l, "beta", rt_tflite_opt_float(o, 3, 0));
	rt_tflite_give(o, 0, rt_lower_to_nhwc(o->l, v, 4));
}
