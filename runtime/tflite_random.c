/* SPDX-License-Identifier: MIT */
/*
 * tflite_random.c — numbers from nothing, and numbers made coarser or read
 * another way: RANDOM_*, MULTINOMIAL, FAKE_QUANT, RIGHT_SHIFT, BITCAST.  Called
 * through tflite.def.
 */
#include <config.h>

#include <math.h>

#include "runtime/tflite_reader.h"

/* Seeds are a field of 64 bits each; none: another sequence every time. */
static void set_seed(struct rt_tflite_op *o)
{
	const int64_t seed = rt_flatbuf_int(&o->r->f, &o->options, 0, 8, 0);

	if (seed != 0)
		rt_lower_set_float(o->l, "seed", (float)seed);
}

/* RANDOM_UNIFORM and RANDOM_STANDARD_NORMAL: of a shape. */
void rt_tflite_lower_random(struct rt_tflite_op *o)
{
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	v = rt_lower_op2(o->l, "Expand", rt_lower_f32(o->l, 0),
			 rt_tflite_i64(o, rt_tflite_value(o, 0)));
	v = rt_lower_op1(o->l, o->row->op, v);
	set_seed(o);
	rt_tflite_give(o, 0, v);
}

/* MULTINOMIAL(logits [n, classes], how many) */
void rt_tflite_lower_multinomial(struct rt_tflite_op *o)
{
	int64_t count;
	int v;

	if (!rt_tflite_expects(o, 2))
		return;
	if (rt_tflite_ints(o, 1, 1, &count) != 1 || count < 1 || count > INT32_MAX) {
		rt_tflite_refuse(o, "not as many as are computed");
		return;
	}
	v = rt_lower_op1(o->l, "Multinomial", rt_tflite_value(o, 0));
	rt_lower_set_int(o->l, "sample_size", count);
	rt_lower_set_int(o->l, "dtype", 7); /* int64 */
	set_seed(o);
	rt_tflite_give(o, 0, rt_lower_cast(o->l, v, rt_tflite_out(o, 0)->dtype));
}

/* FAKE_QUANT: the nearest of 2^bits numbers between two bounds, which are moved so that 0 is one.
 */
void rt_tflite_lower_fake_quant(struct rt_tflite_op *o)
{
	const float least = rt_tflite_opt_float(o, 0, 0), most = rt_tflite_opt_float(o, 1, 0);
	const int bits = rt_tflite_opt_int(o, 2, 0);
	const bool narrow = rt_tflite_opt_byte(o, 3, 0) != 0;
	struct rt_lower *l = o->l;
	float from, to, scale, zero;
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	if (bits < 2 || bits > 16 || !(least <= 0) || !(most >= 0) || !isfinite(most - least) ||
	    !(most > least)) {
		rt_tflite_refuse(o, "not with these bounds or bits");
		return;
	}
	from = narrow ? 1 : 0;
	to = (float)((1 << bits) - 1);
	scale = (most - least) / (to - from);
	zero = roundf(fminf(to, fmaxf(from, from - least / scale)));
	v = rt_lower_clip(l, rt_tflite_value(o, 0), (double)((from - zero) * scale),
			  (double)((to - zero) * scale));
	v = rt_lower_op2(l, "Sub", v, rt_lower_f32(l, (from - zero) * scale));
	v = rt_lower_op2(l, "Mul", v, rt_lower_f32(l, 1 / scale));
	v = rt_lower_op1(l, "Floor", rt_lower_op2(l, "Add", v, rt_lower_f32(l, 0.5f)));
	v = rt_lower_op2(l, "Mul", v, rt_lower_f32(l, scale));
	rt_tflite_give(o, 0, rt_lower_op2(l, "Add", v, rt_lower_f32(l, (from - zero) * scale)));
}

/* RIGHT_SHIFT: ⌊x / 2ⁿ⌋, n being less than the bits of x. */
void rt_tflite_lower_right_shift(struct rt_tflite_op *o)
{
	struct rt_lower *l = o->l;
	enum rt_dtype t;
	int x, n, rest;

	if (!rt_tflite_expects(o, 2))
		return;
	t = rt_tflite_in(o, 0)->dtype;
	if (rt_dtype_bits(t) > 32) {
		rt_tflite_refuse(o, "not of 64 bits");
		return;
	}
	x = rt_lower_cast(l, rt_tflite_value(o, 0), RT_I64);
	n = rt_lower_clip(l, rt_lower_cast(l, rt_tflite_value(o, 1), RT_I64), 0,
			  (double)rt_dtype_bits(t) - 1);
	n = rt_lower_op2(l, "Pow", rt_lower_scalar(l, RT_I64, 2), n);
	rest = rt_lower_op2(l, "Mod", x, n); /* never negative */
	x = rt_lower_op2(l, "Div", rt_lower_op2(l, "Sub", x, rest), n);
	rt_tflite_give(o, 0, rt_lower_cast(l, x, t));
}

/* BITCAST to a type of as many bits. */
void rt_tflite_lower_bitcast(struct rt_tflite_op *o)
{
	enum rt_dtype from, to;
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	from = rt_tflite_in(o, 0)->dtype, to = rt_tflite_out(o, 0)->dtype;
	if (from == RT_NONE || to == RT_NONE || rt_dtype_bits(from) != rt_dtype_bits(to)) {
		rt_tflite_refuse(o, "not between types of different sizes");
		return;
	}
	if (from == to) {
		rt_tflite_give(o, 0, rt_lower_op1(o->l, "Identity", rt_tflite_value(o, 0)));
		return;
	}
	v = rt_lower_op1(o->l, "BitCast", rt_tflite_value(o, 0));
	rt_lower_set_type(o->l, "to", to);
	rt_tflite_give(o, 0, v);
}
