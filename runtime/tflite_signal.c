/* SPDX-License-Identifier: MIT */
/*
 * tflite_signal.c — RFFT2D and complex numbers.  A complex tensor is a float32 one
 * with a last dimension of two more (tflite_tensor.c reads it so); only the
 * operators here, and those that but name its dimensions anew, take one
 * (tflite.c).  Called through tflite.def.
 */
#include <config.h>

#include "runtime/tflite_reader.h"

/* Along ${axis}, from the end, cut or filled up to ${length}. */
static int transform(struct rt_lower *l, int v, int64_t length, int64_t axis, bool half)
{
	v = rt_lower_op3(l, "DFT", v, rt_lower_scalar(l, RT_I64, (double)length),
			 rt_lower_scalar(l, RT_I64, (double)axis));
	rt_lower_set_int(l, "onesided", half);
	return v;
}

void rt_tflite_lower_rfft2d(struct rt_tflite_op *o)
{
	int64_t size[2];
	int v;

	if (!rt_tflite_expects(o, 2))
		return;
	if (rt_tflite_ints(o, 1, 2, size) != 2 || size[0] < 1 || size[1] < 1 ||
	    rt_tflite_rank(o, 0) < 2) {
		rt_tflite_refuse(o, "not to a computed size, or of a vector");
		return;
	}
	v = rt_lower_unsqueeze(o->l, rt_tflite_value(o, 0), 1, (int64_t[]){-1});
	v = transform(o->l, v, size[1], -2, true);
	rt_tflite_give(o, 0, transform(o->l, v, size[0], -3, false));
}

/* REAL and IMAG: one of the two. */
void rt_tflite_lower_part(struct rt_tflite_op *o)
{
	const bool imaginary = o->row->op[0] == 'i';
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	if (!rt_tflite_in(o, 0)->is_complex) {
		rt_tflite_refuse(o, "not of real numbers");
		return;
	}
	v = rt_lower_op2(o->l, "Gather", rt_tflite_value(o, 0),
			 rt_lower_scalar(o->l, RT_I64, imaginary));
	rt_lower_set_int(o->l, "axis", -1);
	rt_tflite_give(o, 0, v);
}

void rt_tflite_lower_complex_abs(struct rt_tflite_op *o)
{
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	if (!rt_tflite_in(o, 0)->is_complex) {
		rt_tflite_refuse(o, "not of real numbers");
		return;
	}
	v = rt_lower_op2(o->l, "ReduceL2", rt_tflite_value(o, 0), rt_lower_i64(o->l, -1));
	rt_lower_set_int(o->l, "keepdims", 0);
	rt_tflite_give(o, 0, v);
}
