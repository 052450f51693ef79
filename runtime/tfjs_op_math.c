/* SPDX-License-Identifier: MIT */
/*
 * tfjs_op_math.c — arithmetic of graph models: element by element, along axes,
 * products.  Called by tfjs_graph.c through tfjs_ops.def.
 *
 * Where TensorFlow and ONNX differ it says so at the function.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/tfjs_act.h"
#include "runtime/tfjs_op.h"

/* ---- one operand ----------------------------------------------------------------------------- */

void rt_tfjs_op_unary(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, rt_lower_op1(c->l, c->to, rt_tfjs_op_in(c, 0)));
}

/* A scalar of the type of ${x}. */
static int number(struct rt_tfjs_op *c, int x, double v)
{
	return rt_lower_scalar(c->l, rt_lower_dtype(c->l, x), v);
}

static int or_not_finite(struct rt_tfjs_op *c, int x)
{
	int inf = rt_lower_op1(c->l, "IsInf", x), nan = rt_lower_op1(c->l, "IsNaN", x);

	return rt_lower_op2(c->l, "Or", inf, nan);
}

void rt_tfjs_op_composed(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int x = rt_tfjs_op_in(c, 0), y = RT_NO_VALUE;

	if (strcmp(c->to, "square") == 0) {
		y = rt_lower_op2(l, "Mul", x, x);
	} else if (strcmp(c->to, "rsqrt") == 0) {
		y = rt_lower_op1(l, "Reciprocal", rt_lower_op1(l, "Sqrt", x));
	} else if (strcmp(c->to, "relu6") == 0) {
		y = rt_lower_clip(l, x, 0, 6);
	} else if (strcmp(c->to, "leaky") == 0) {
		y = rt_lower_op1(l, "LeakyRelu", x);
		rt_lower_set_float(l, "alpha", rt_tfjs_op_float(c, "alpha", 0.2f));
	} else if (strcmp(c->to, "log1p") == 0) {
		y = rt_lower_op1(l, "Log", rt_lower_op2(l, "Add", x, number(c, x, 1)));
	} else if (strcmp(c->to, "expm1") == 0) {
		y = rt_lower_op2(l, "Sub", rt_lower_op1(l, "Exp", x), number(c, x, 1));
	} else {
		y = rt_lower_op1(l, "Not", or_not_finite(c, x));
	}
	rt_tfjs_op_give(c, y);
}

void rt_tfjs_op_clip(struct rt_tfjs_op *c)
{
	/* Clip wants bounds without axes; these are scalars */
	rt_tfjs_op_give(c, rt_lower_op3(c->l, "Clip", rt_tfjs_op_in(c, 0), rt_tfjs_op_in(c, 1),
					rt_tfjs_op_in(c, 2)));
}

void rt_tfjs_op_cast(struct rt_tfjs_op *c)
{
	enum rt_dtype to = rt_tfjs_op_dtype(c, "DstT");

	if (to == RT_NONE)
		rt_tfjs_op_missing(c, "not to that type");
	else
		rt_tfjs_op_give(c, rt_lower_cast(c->l, rt_tfjs_op_in(c, 0), to));
}

/* ---- two operands ---------------------------------------------------------------------------- */

void rt_tfjs_op_binary(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, rt_lower_op2(c->l, c->to, rt_tfjs_op_in(c, 0), rt_tfjs_op_in(c, 1)));
}

static bool is_int(struct rt_tfjs_op *c, int x)
{
	return rt_lower_dtype(c->l, x) == RT_I32 || rt_lower_dtype(c->l, x) == RT_I64;
}

/* Division that rounds down: ONNX rounds integers to zero. */
static int floor_div(struct rt_tfjs_op *c, int a, int b)
{
	struct rt_lower *l = c->l;

	if (!is_int(c, a))
		return rt_lower_op1(l, "Floor", rt_lower_op2(l, "Div", a, b));
	return rt_lower_op2(l, "Div", rt_lower_op2(l, "Sub", a, rt_lower_op2(l, "Mod", a, b)), b);
}

/* The sign of the divisor; ONNX Mod has that for integers only. */
static int floor_mod(struct rt_tfjs_op *c, int a, int b)
{
	struct rt_lower *l = c->l;
	int r, zero, fits, other;

	r = rt_lower_op2(l, "Mod", a, b);
	if (is_int(c, a))
		return r;
	rt_lower_set_int(l, "fmod", 1);
	zero = number(c, a, 0);
	fits = rt_lower_op2(l, "Equal", rt_lower_op2(l, "Less", a, zero),
			    rt_lower_op2(l, "Less", b, zero));
	other = rt_lower_op2(l, "Mod", rt_lower_op2(l, "Add", r, b), b);
	rt_lower_set_int(l, "fmod", 1);
	return rt_lower_op3(l, "Where", fits, r, other);
}

/* 0 where the divisor is 0. */
static int div_no_nan(struct rt_tfjs_op *c, int a, int b)
{
	struct rt_lower *l = c->l;
	int zero = number(c, b, 0), none = rt_lower_op2(l, "Equal", b, zero);

	b = rt_lower_op3(l, "Where", none, number(c, b, 1), b);
	return rt_lower_op3(l, "Where", none, zero, rt_lower_op2(l, "Div", a, b));
}

/* The angle of (x, y): atan of the quotient, moved by the quadrant. */
static int atan2_of(struct rt_tfjs_op *c, int y, int x)
{
	static const double pi = 3.14159265358979323846;
	struct rt_lower *l = c->l;
	int zero = number(c, x, 0), none = rt_lower_op2(l, "Equal", x, zero);
	int below = rt_lower_op2(l, "Less", y, zero), safe, angle, left, up;

	safe = rt_lower_op3(l, "Where", none, number(c, x, 1), x);
	angle = rt_lower_op1(l, "Atan", rt_lower_op2(l, "Div", y, safe));
	left = rt_lower_op3(l, "Where", below, number(c, x, -pi), number(c, x, pi));
	left = rt_lower_op2(l, "Add", angle, left);
	up = rt_lower_op2(l, "Mul", rt_lower_op1(l, "Sign", y), number(c, x, pi / 2));
	angle = rt_lower_op3(l, "Where", rt_lower_op2(l, "Less", x, zero), left, angle);
	return rt_lower_op3(l, "Where", none, up, angle);
}

void rt_tfjs_op_pair(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int a = rt_tfjs_op_in(c, 0), b = rt_tfjs_op_in(c, 1), y;

	if (strcmp(c->to, "notequal") == 0) {
		y = rt_lower_op1(l, "Not", rt_lower_op2(l, "Equal", a, b));
	} else if (strcmp(c->to, "squareddifference") == 0) {
		y = rt_lower_op2(l, "Sub", a, b);
		y = rt_lower_op2(l, "Mul", y, y);
	} else if (strcmp(c->to, "div") == 0) {
		y = is_int(c, a) ? floor_div(c, a, b) : rt_lower_op2(l, "Div", a, b);
	} else if (strcmp(c->to, "divnonan") == 0) {
		y = div_no_nan(c, a, b);
	} else if (strcmp(c->to, "floordiv") == 0) {
		y = floor_div(c, a, b);
	} else if (strcmp(c->to, "floormod") == 0) {
		y = floor_mod(c, a, b);
	} else {
		y = atan2_of(c, a, b);
	}
	rt_tfjs_op_give(c, y);
}

void rt_tfjs_op_sum(struct rt_tfjs_op *c)
{
	int y = rt_tfjs_op_in(c, 0);

	for (int i = 1; i < c->in_count; i++)
		y = rt_lower_op2(c->l, "Add", y, c->in[i]);
	rt_tfjs_op_give(c, y);
}

void rt_tfjs_op_bias(struct rt_tfjs_op *c)
{
	char format[RT_TFJS_TEXT_MAX];
	int bias = rt_tfjs_op_in(c, 1);

	rt_tfjs_op_text(c, "data_format", format);
	if (strcmp(format, "NCHW") == 0) /* along axis 1, of rank 4 there */
		bias = rt_lower_reshape(c->l, bias, 4, (int64_t[]){1, -1, 1, 1});
	rt_tfjs_op_give(c, rt_lower_op2(c->l, "Add", rt_tfjs_op_in(c, 0), bias));
}

/* Select (1) takes whole rows by a vector of conditions. */
void rt_tfjs_op_select(struct rt_tfjs_op *c)
{
	int condition = rt_tfjs_op_in(c, 0), a = rt_tfjs_op_in(c, 1);

	if (c->to[0] == '1' && rt_lower_rank(c->l, condition) == 1 && rt_lower_rank(c->l, a) > 1) {
		int64_t dims[RT_RANK_MAX] = {-1};
		int rank = rt_lower_rank(c->l, a);

		for (int i = 1; i < rank; i++)
			dims[i] = 1;
		condition = rt_lower_reshape(c->l, condition, rank, dims);
	}
	rt_tfjs_op_give(c, rt_lower_op3(c->l, "Where", condition, a, rt_tfjs_op_in(c, 2)));
}

/* ---- along axes ------------------------------------------------------------------------------ */

static int reduce(struct rt_tfjs_op *c, int x)
{
	int y = rt_lower_op2(c->l, c->to, x, rt_tfjs_op_i64(c, 1, 1));

	rt_lower_set_int(c->l, "keepdims",
			 rt_tfjs_op_bool(c, "keep_dims", rt_tfjs_op_bool(c, "keepDims", false)));
	/* no axes: nothing is reduced */
	rt_lower_set_int(c->l, "noop_with_empty_axes", 1);
	return y;
}

void rt_tfjs_op_reduce(struct rt_tfjs_op *c)
{
	int x = rt_tfjs_op_in(c, 0);

	if (strcmp(c->to, "ReduceMean") == 0 && is_int(c, x)) /* as TensorFlow.js */
		x = rt_lower_cast(c->l, x, RT_F32);
	rt_tfjs_op_give(c, reduce(c, x));
}

void rt_tfjs_op_reduce_bool(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, reduce(c, rt_tfjs_op_in(c, 0)));
}

void rt_tfjs_op_arg(struct rt_tfjs_op *c)
{
	int64_t axis = 0;
	int y;

	if (c->in_count > 1 && !rt_tfjs_op_number(c, 1, &axis)) {
		rt_tfjs_op_missing(c, "an axis that is computed");
		return;
	}
	y = rt_lower_op1(c->l, c->to, rt_tfjs_op_in(c, 0));
	rt_lower_set_int(c->l, "axis", axis);
	rt_lower_set_int(c->l, "keepdims", 0);
	rt_tfjs_op_give(c, rt_lower_cast(c->l, y, RT_I32));
}

void rt_tfjs_op_cumulate(struct rt_tfjs_op *c)
{
	int y = rt_lower_op2(c->l, c->to, rt_tfjs_op_in(c, 0), rt_tfjs_op_i64(c, 1, 0));

	rt_lower_set_int(c->l, "exclusive", rt_tfjs_op_bool(c, "exclusive", false));
	rt_lower_set_int(c->l, "reverse", rt_tfjs_op_bool(c, "reverse", false));
	rt_tfjs_op_give(c, y);
}

void rt_tfjs_op_softmax(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, rt_lower_op1(c->l, c->to, rt_tfjs_op_in(c, 0)));
	rt_lower_set_int(c->l, "axis", -1);
}

void rt_tfjs_op_topk(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int k =
	    c->in_count > 1 ? rt_tfjs_op_i64(c, 1, 1) : rt_lower_i64(l, rt_tfjs_op_int(c, "k", 1));
	int y = rt_lower_node(l, RT_ONNX, "TopK", 2, (int[]){rt_tfjs_op_in(c, 0), k}, 2);

	rt_tfjs_op_give(c, y);
	rt_tfjs_op_give(c, y == RT_NO_VALUE ? y : rt_lower_cast(l, y + 1, RT_I32));
}

/* ---- products -------------------------------------------------------------------------------- */

/* Swap the last two axes of rank 2; of any rank where it is known. */
static int swapped(struct rt_tfjs_op *c, int x, int rank)
{
	int64_t perm[RT_RANK_MAX];

	for (int i = 0; i < rank; i++)
		perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
	return rt_lower_transpose(c->l, x, rank, perm);
}

void rt_tfjs_op_matmul(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	bool batch = c->to[0] == 'a';
	bool swap_a = rt_tfjs_op_bool(c, batch ? "adj_x" : "transpose_a", false);
	bool swap_b = rt_tfjs_op_bool(c, batch ? "adj_y" : "transpose_b", false);
	int a = rt_tfjs_op_in(c, 0), b = rt_tfjs_op_in(c, 1), y;
	int rank_a = batch ? rt_lower_rank(l, a) : 2, rank_b = batch ? rt_lower_rank(l, b) : 2;

	if (swap_a && rank_a >= 2)
		a = swapped(c, a, rank_a);
	if (swap_b && rank_b >= 2)
		b = swapped(c, b, rank_b);
	if ((swap_a && rank_a < 2) || (swap_b && rank_b < 2)) {
		y = rt_lower_node(l, RT_MS, "FusedMatMul", 2, (int[]){a, b}, 1);
		rt_lower_set_int(l, "transA", swap_a && rank_a < 2);
		rt_lower_set_int(l, "transB", swap_b && rank_b < 2);
	} else {
		y = rt_lower_op2(l, "MatMul", a, b);
	}
	rt_tfjs_act_fused(c, y, 0);
}

void rt_tfjs_op_einsum(struct rt_tfjs_op *c)
{
	char equation[RT_TFJS_TEXT_MAX];
	int y = rt_lower_opn(c->l, "Einsum", c->in_count, c->in);

	rt_tfjs_op_text(c, "equation", equation);
	rt_lower_set_string(c->l, "equation", equation);
	rt_tfjs_op_give(c, y);
}
