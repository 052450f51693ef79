/* SPDX-License-Identifier: MIT */
/*
 * tflite_math.c — element by element: functions of one and two operands,
 * comparisons, choices, casts.  Quantised operands go to tflite_quant_math.c.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/tflite_quant.h"

/* ---- one operand ----------------------------------------------------------------------------- */

void rt_tflite_lower_unary(struct rt_tflite_op *o)
{
	if (!rt_tflite_expects(o, 1))
		return;
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0)))
		rt_tflite_quant_unary(o);
	else
		rt_tflite_give(o, 0, rt_lower_op1(o->l, o->row->op, rt_tflite_value(o, 0)));
}

/* Functions that are several nodes, or one with an attribute. */
static int function(struct rt_tflite_op *o, int x)
{
	const char *op = o->row->op;
	const enum rt_dtype t = rt_tflite_in(o, 0)->dtype;
	int v;

	if (strcmp(op, "rsqrt") == 0)
		return rt_lower_op1(o->l, "Reciprocal", rt_lower_op1(o->l, "Sqrt", x));
	if (strcmp(op, "square") == 0)
		return rt_lower_op2(o->l, "Mul", x, x);
	if (strcmp(op, "relu6") == 0)
		return rt_lower_clip(o->l, x, 0, 6);
	if (strcmp(op, "relu_n1_to_1") == 0)
		return rt_lower_clip(o->l, x, -1, 1);
	if (strcmp(op, "relu_0_to_1") == 0)
		return rt_lower_clip(o->l, x, 0, 1);
	if (strcmp(op, "leaky_relu") == 0) {
		v = rt_lower_op1(o->l, "LeakyRelu", x);
		rt_lower_set_float(o->l, "alpha", rt_tflite_opt_float(o, 0, 0));
		return v;
	}
	if (strcmp(op, "gelu") == 0) {
		v = rt_lower_op1(o->l, "Gelu", x);
		if (rt_tflite_opt_byte(o, 0, 0) != 0)
			rt_lower_set_string(o->l, "approximate", "tanh");
		return v;
	}
	must(strcmp(op, "zeros_like") == 0);
	v = rt_lower_scalar(o->l, t, 0);
	return rt_lower_op2(o->l, "Expand", v, rt_lower_op1(o->l, "Shape", x));
}

void rt_tflite_lower_function(struct rt_tflite_op *o)
{
	if (!rt_tflite_expects(o, 1))
		return;
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0)) && strcmp(o->row->op, "zeros_like") != 0)
		rt_tflite_quant_unary(o);
	else
		rt_tflite_give(o, 0, function(o, rt_tflite_value(o, 0)));
}

void rt_tflite_lower_cast(struct rt_tflite_op *o)
{
	if (!rt_tflite_expects(o, 1))
		return;
	if (rt_tflite_out(o, 0)->dtype == RT_NONE || rt_tflite_in(o, 0)->dtype == RT_NONE) {
		rt_tflite_refuse(o, "not to or from that element type");
		return;
	}
	rt_tflite_give(o, 0,
		       rt_lower_cast(o->l, rt_tflite_value(o, 0), rt_tflite_out(o, 0)->dtype));
}

/* ---- two operands ---------------------------------------------------------------------------- */

/* The fused activation of ADD, SUB, MUL, DIV is field 0 of their options; others have none. */
static int activation(struct rt_tflite_op *o)
{
	static const int with[] = {0, 18, 41, 42}; /* ADD MUL SUB DIV */

	for (size_t i = 0; i < sizeof(with) / sizeof(*with); i++)
		if (o->row->code == with[i])
			return rt_tflite_opt_byte(o, 0, 0);
	return RT_TFLITE_NONE;
}

void rt_tflite_lower_binary(struct rt_tflite_op *o)
{
	int v;

	if (!rt_tflite_expects(o, 2))
		return;
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0))) {
		rt_tflite_quant_binary(o, activation(o));
		return;
	}
	v = rt_lower_op2(o->l, o->row->op, rt_tflite_value(o, 0), rt_tflite_value(o, 1));
	rt_tflite_give(o, 0, rt_tflite_activate(o, v, activation(o)));
}

void rt_tflite_lower_squared_difference(struct rt_tflite_op *o)
{
	int d;

	if (!rt_tflite_expects(o, 2))
		return;
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0))) {
		rt_tflite_quant_binary(o, RT_TFLITE_NONE);
		return;
	}
	d = rt_lower_op2(o->l, "Sub", rt_tflite_value(o, 0), rt_tflite_value(o, 1));
	rt_tflite_give(o, 0, rt_lower_op2(o->l, "Mul", d, d));
}

void rt_tflite_lower_add_n(struct rt_tflite_op *o)
{
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	v = rt_tflite_value(o, 0);
	for (int k = 1; k < o->in_count; k++)
		v = rt_lower_op2(o->l, "Add", v, rt_tflite_value(o, k));
	rt_tflite_give(o, 0, v);
}

static bool is_real(enum rt_dtype t)
{
	return t == RT_F32 || t == RT_F64 || t == RT_F16 || t == RT_BF16;
}

/* Integers: the quotient towards zero, less one where the rest has another sign than y. */
static int floor_div(struct rt_tflite_op *o, int x, int y)
{
	struct rt_lower *l = o->l;
	const enum rt_dtype t = rt_tflite_in(o, 0)->dtype;
	int q = rt_lower_op2(l, "Div", x, y), rest;

	if (is_real(t))
		return rt_lower_op1(l, "Floor", q);
	/* x − floormod(x, y) is a multiple of y */
	rest = rt_lower_op2(l, "Mod", x, y);
	return rt_lower_op2(l, "Div", rt_lower_op2(l, "Sub", x, rest), y);
}

static int floor_mod(struct rt_tflite_op *o, int x, int y)
{
	struct rt_lower *l = o->l;
	const enum rt_dtype t = rt_tflite_in(o, 0)->dtype;
	int zero, m, other, some;

	m = rt_lower_op2(l, "Mod", x, y);
	if (!is_real(t))
		return m; /* the sign of y already */
	rt_lower_set_int(l, "fmod", 1);
	zero = rt_lower_scalar(l, t, 0);
	other = rt_lower_op2(l, "Xor", rt_lower_op2(l, "Less", y, zero),
			     rt_lower_op2(l, "Less", m, zero));
	some = rt_lower_op1(l, "Not", rt_lower_op2(l, "Equal", m, zero));
	return rt_lower_op3(l, "Where", rt_lower_op2(l, "And", other, some),
			    rt_lower_op2(l, "Add", m, y), m);
}

void rt_tflite_lower_floor(struct rt_tflite_op *o)
{
	int x, y;

	if (!rt_tflite_expects(o, 2))
		return;
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0))) {
		rt_tflite_refuse(o, "not for quantised tensors");
		return;
	}
	x = rt_tflite_value(o, 0), y = rt_tflite_value(o, 1);
	rt_tflite_give(o, 0,
		       strcmp(o->row->op, "div") == 0 ? floor_div(o, x, y) : floor_mod(o, x, y));
}

/* ---- comparisons and choices ----------------------------------------------------------------- */

void rt_tflite_lower_compare(struct rt_tflite_op *o)
{
	const bool not = strcmp(o->row->op, "not_equal") == 0;
	int a, b, v;

	if (!rt_tflite_expects(o, 2))
		return;
	a = rt_tflite_quant_comparable(o, 0);
	b = rt_tflite_quant_comparable(o, 1);
	v = rt_lower_op2(o->l, not ? "Equal" : o->row->op, a, b);
	rt_tflite_give(o, 0, not ? rt_lower_op1(o->l, "Not", v) : v);
}

/* SELECT: a condition of rank 1 chooses along the first dimension; SELECT_V2 broadcasts. */
void rt_tflite_lower_select(struct rt_tflite_op *o)
{
	const int rank = rt_tflite_rank(o, 1);
	int64_t axes[RT_RANK_MAX];
	int c;

	if (!rt_tflite_expects(o, 3))
		return;
	c = rt_tflite_value(o, 0);
	if (strcmp(o->row->op, "first") == 0 && rt_tflite_rank(o, 0) == 1 && rank > 1) {
		for (int i = 1; i < rank; i++)
			axes[i - 1] = i;
		c = rt_lower_unsqueeze(o->l, c, rank - 1, axes);
	}
	rt_tflite_give(
	    o, 0, rt_lower_op3(o->l, "Where", c, rt_tflite_value(o, 1), rt_tflite_value(o, 2)));
}

/* atan(y / x) with the quadrant of (x, y); at x = 0 half a turn to the side of y. */
void rt_tflite_lower_atan2(struct rt_tflite_op *o)
{
	struct rt_lower *l = o->l;
	int y, x, zero, base, side, turn;
	enum rt_dtype t;

	if (!rt_tflite_expects(o, 2))
		return;
	y = rt_tflite_value(o, 0), x = rt_tflite_value(o, 1);
	t = rt_tflite_in(o, 0)->dtype;
	zero = rt_lower_scalar(l, t, 0);
	base = rt_lower_op1(l, "Atan", rt_lower_op2(l, "Div", y, x));
	base = rt_lower_op3(l, "Where",
			    rt_lower_op2(l, "And", rt_lower_op2(l, "Equal", y, zero),
					 rt_lower_op2(l, "Equal", x, zero)),
			    zero, base);
	side = rt_lower_op3(l, "Where", rt_lower_op2(l, "Less", y, zero),
			    rt_lower_scalar(l, t, -M_PI), rt_lower_scalar(l, t, M_PI));
	turn = rt_lower_op3(l, "Where", rt_lower_op2(l, "Less", x, zero), side, zero);
	rt_tflite_give(o, 0, rt_lower_op2(l, "Add", base, turn));
}
