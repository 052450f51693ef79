/* SPDX-License-Identifier: MIT */
/*
 * tfjs_op_sets.c — operators of graph models on sets and counts: what is there
 * once, what is not there, where something belongs, how often; segments; and
 * tensors that are made from nothing.  Called by tfjs_graph.c through
 * tfjs_ops.def.
 */
#include <config.h>

#include <string.h>

#include "runtime/tfjs_op.h"

static int last_number(struct rt_lower *l, const char *op, int x, int64_t axis)
{
	int y = rt_lower_op2(l, op, x, rt_lower_i64(l, axis));

	rt_lower_set_int(l, "keepdims", 0);
	return y;
}

static int along(struct rt_lower *l, int count, const int *in, int64_t axis)
{
	int y = rt_lower_opn(l, "Concat", count, in);

	rt_lower_set_int(l, "axis", axis);
	return y;
}

static int zeros(struct rt_lower *l, enum rt_dtype t, int shape)
{
	return rt_lower_op2(l, "Expand", rt_lower_scalar(l, t, 0), shape);
}

/* ---- sets ------------------------------------------------------------------------------------ */

/* Unique(x) and UniqueV2(x, axis): in the order in which they come. */
void rt_tfjs_op_unique(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int64_t axis[RT_RANK_MAX];
	int x = rt_tfjs_op_in(c, 0), count = c->in_count > 1 ? 0 : -1, y;

	if (count == 0)
		count = rt_tfjs_op_numbers(c, 1, RT_RANK_MAX, axis);
	if (count > 1 || (count < 0 && c->in_count > 1)) {
		rt_tfjs_op_missing(c, "along axes that are computed, or several");
		return;
	}
	y = rt_lower_node(l, RT_ONNX, "Unique", 1, &x, 3);
	rt_lower_set_int(l, "sorted", 0);
	if (count == 1)
		rt_lower_set_int(l, "axis", axis[0]);
	rt_tfjs_op_give(c, y);
	rt_tfjs_op_give(c, y == RT_NO_VALUE ? y : rt_lower_cast(l, y + 2, RT_I32));
}

/* ListDiff(x, y): what is in x and not in y, and where. */
void rt_tfjs_op_list_diff(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int x = rt_tfjs_op_in(c, 0), there;

	there = rt_lower_op2(l, "Equal", rt_lower_unsqueeze(l, x, 1, (int64_t[]){1}),
			     rt_lower_unsqueeze(l, rt_tfjs_op_in(c, 1), 1, (int64_t[]){0}));
	there = last_number(l, "ReduceSum", rt_lower_cast(l, there, RT_F32), 1);
	there = rt_lower_op1(l, "NonZero", rt_lower_op2(l, "Less", there, rt_lower_f32(l, 0.5f)));
	there = rt_lower_reshape(l, there, 1, (int64_t[]){-1});
	rt_tfjs_op_give(c, rt_lower_op2(l, "Gather", x, there));
	rt_tfjs_op_give(c, rt_lower_cast(l, there, RT_I32));
}

/* LowerBound and UpperBound(sorted [n, a], values [n, b]): how many are less, or not greater. */
void rt_tfjs_op_bound(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int sorted = rt_lower_unsqueeze(l, rt_tfjs_op_in(c, 0), 1, (int64_t[]){1});
	int values = rt_lower_unsqueeze(l, rt_tfjs_op_in(c, 1), 1, (int64_t[]){2});
	int y = rt_lower_cast(l, rt_lower_op2(l, c->to, sorted, values), RT_F32);

	rt_tfjs_op_give(c, rt_lower_cast(l, last_number(l, "ReduceSum", y, 2), RT_I32));
}

/* (Dense)Bincount(x, size, weights): weights of no elements are all 1. */
void rt_tfjs_op_bincount(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	const struct rt_tensor *none = rt_lower_tensor(l, rt_tfjs_op_in(c, 2));
	bool binary = rt_tfjs_op_bool(c, "binary_output", false);
	enum rt_dtype to = rt_tfjs_op_dtype(c, "T");
	int size = rt_tfjs_op_i64(c, 1, 1), x = rt_lower_cast(l, rt_tfjs_op_in(c, 0), RT_I64);
	float off_on[2] = {0, 1};
	struct rt_tensor t = {RT_F32, rt_shape_of(1, (int64_t)2), off_on};
	int y = rt_lower_op3(l, "OneHot", x, size, rt_lower_copy(l, &t));

	if (none == NULL || rt_tensor_elems(none) > 0) {
		int w = rt_lower_cast(l, rt_tfjs_op_in(c, 2), RT_F32);

		if (binary) {
			rt_tfjs_op_missing(c, "with weights and a binary output");
			return;
		}
		y = rt_lower_op2(l, "Mul", y, rt_lower_unsqueeze(l, w, 1, (int64_t[]){-1}));
	}
	y = last_number(l, binary ? "ReduceMax" : "ReduceSum", y, -2);
	rt_tfjs_op_give(c, rt_lower_cast(l, y, to == RT_NONE ? RT_F32 : to));
}

/* ---- segments -------------------------------------------------------------------------------- */

/* SparseSegmentSum and -Mean(x, indices, segments): the rows of a segment together. */
void rt_tfjs_op_segment(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int x = rt_tfjs_op_in(c, 0), segments = rt_tfjs_op_i64(c, 2, 1), tail, rows, where, y, n;

	tail = rt_lower_op3(l, "Slice", rt_tfjs_op_shape(c, x), rt_lower_i64(l, 1),
			    rt_lower_i64(l, INT64_MAX));
	rows = rt_lower_op3(l, "Slice", segments, rt_lower_i64(l, -1), rt_lower_i64(l, INT64_MAX));
	rows = rt_lower_op2(l, "Add", rows, rt_lower_i64(l, 1));
	where = rt_lower_unsqueeze(l, segments, 1, (int64_t[]){-1});
	y = rt_lower_op3(l, "ScatterND", zeros(l, RT_F32, along(l, 2, (int[]){rows, tail}, 0)),
			 where, rt_lower_op2(l, "Gather", x, rt_tfjs_op_in(c, 1)));
	rt_lower_set_string(l, "reduction", "add");
	if (c->to[0] == 'm') {
		int ones = rt_lower_op2(l, "Expand", rt_lower_f32(l, 1),
					rt_lower_op1(l, "Shape", segments));
		int dims =
		    rt_lower_op2(l, "Expand", rt_lower_i64(l, 1), rt_lower_op1(l, "Shape", tail));

		n = rt_lower_op3(l, "ScatterND", zeros(l, RT_F32, rows), where, ones);
		rt_lower_set_string(l, "reduction", "add");
		n = rt_lower_op2(l, "Max", n, rt_lower_f32(l, 1));
		dims = along(l, 2, (int[]){rt_lower_i64(l, -1), dims}, 0);
		y = rt_lower_op2(l, "Div", y, rt_lower_op2(l, "Reshape", n, dims));
	}
	rt_tfjs_op_give(c, y);
}

/* ---- sparse tensors -------------------------------------------------------------------------- */

/* Column ${i} of a matrix, or element of a vector, as [n]. */
static int column(struct rt_lower *l, int x, int64_t i, int64_t axis)
{
	int y = rt_lower_op2(l, "Gather", x, rt_lower_scalar(l, RT_I64, (double)i));

	rt_lower_set_int(l, "axis", axis);
	return y;
}

/*
 * SparseFillEmptyRows(indices, values, shape, default): rows without an element get
 * one in column 0.  Gives indices, values, which rows were empty, and where each
 * element went.
 */
void rt_tfjs_op_fill_rows(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int indices = rt_lower_cast(l, rt_tfjs_op_in(c, 0), RT_I64), values = rt_tfjs_op_in(c, 1);
	int row = rt_lower_unsqueeze(l, column(l, indices, 0, 1), 1, (int64_t[]){1});
	int count = rt_tfjs_op_shape(c, values), rows, ones, empty, fresh, width, order, all;

	rows = rt_lower_op3(l, "Slice", rt_tfjs_op_i64(c, 2, 1), rt_lower_i64(l, 0),
			    rt_lower_i64(l, 1));
	ones = rt_lower_op2(l, "Expand", rt_lower_f32(l, 1), count);
	empty = rt_lower_op3(l, "ScatterND", zeros(l, RT_F32, rows), row, ones);
	empty = rt_lower_op2(l, "Equal", empty, rt_lower_f32(l, 0));
	fresh = rt_lower_transpose(l, rt_lower_op1(l, "NonZero", empty), 2, (int64_t[]){1, 0});
	/* [new, 1] to [new, axes] */
	width = rt_lower_op3(l, "Slice", rt_tfjs_op_shape(c, indices), rt_lower_i64(l, 1),
			     rt_lower_i64(l, 2));
	width = rt_lower_op2(l, "Sub", width, rt_lower_i64(l, 1));
	width = along(l, 2, (int[]){rt_lower_i64s(l, 3, (int64_t[]){0, 0, 0}), width}, 0);
	indices = along(l, 2, (int[]){indices, rt_lower_op2(l, "Pad", fresh, width)}, 0);
	width = rt_lower_op3(l, "Slice", rt_tfjs_op_shape(c, fresh), rt_lower_i64(l, 0),
			     rt_lower_i64(l, 1));
	values =
	    along(l, 2, (int[]){values, rt_lower_op2(l, "Expand", rt_tfjs_op_in(c, 3), width)}, 0);
	/* by rows; of equal ones TopK has the earlier first */
	all = rt_tfjs_op_shape(c, values);
	order = rt_lower_node(l, RT_ONNX, "TopK", 2, (int[]){column(l, indices, 0, 1), all}, 2);
	rt_lower_set_int(l, "largest", 0);
	if (l->status < 0)
		return;
	order++;
	rt_tfjs_op_give(c, rt_lower_cast(l, rt_lower_op2(l, "Gather", indices, order), RT_I32));
	rt_tfjs_op_give(c, rt_lower_op2(l, "Gather", values, order));
	rt_tfjs_op_give(c, empty);
	all = rt_lower_op3(l, "Range", rt_lower_scalar(l, RT_I64, 0),
			   rt_lower_reshape(l, all, 0, NULL), rt_lower_scalar(l, RT_I64, 1));
	all =
	    rt_lower_op3(l, "ScatterND", all, rt_lower_unsqueeze(l, order, 1, (int64_t[]){1}), all);
	all = rt_lower_op3(l, "Slice", all, rt_lower_i64(l, 0), count);
	rt_tfjs_op_give(c, rt_lower_cast(l, all, RT_I32));
}

/* SparseReshape(indices, shape, new shape): shapes that are known. */
void rt_tfjs_op_sparse_reshape(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int64_t from[RT_RANK_MAX], to[RT_RANK_MAX], all = 1, known = 1, step = 1;
	int n = rt_tfjs_op_numbers(c, 1, RT_RANK_MAX, from), rest = -1, at, parts[RT_RANK_MAX];
	int m = rt_tfjs_op_numbers(c, 2, RT_RANK_MAX, to);
	int indices = rt_lower_cast(l, rt_tfjs_op_in(c, 0), RT_I64), flat = RT_NO_VALUE;

	for (int i = 0; i < n; i++)
		n = __builtin_mul_overflow(all, from[i], &all) || from[i] < 1 ? -1 : n;
	for (int i = 0; i < m; i++) {
		if (to[i] == -1 && rest < 0)
			rest = i;
		else if (to[i] < 1 || __builtin_mul_overflow(known, to[i], &known))
			m = -1;
	}
	if (n < 1 || m < 1 || (rest < 0 ? known != all : all % known != 0)) {
		rt_tfjs_op_missing(c, "of shapes that are computed or do not fit");
		return;
	}
	if (rest >= 0)
		to[rest] = all / known;
	for (int i = n - 1; i >= 0; i--) {
		at = rt_lower_op2(l, "Mul", column(l, indices, i, 1), rt_lower_i64(l, step));
		flat = flat == RT_NO_VALUE ? at : rt_lower_op2(l, "Add", flat, at);
		step *= from[i];
	}
	for (int i = m - 1; i >= 0; i--) {
		at = rt_lower_i64(l, to[i]);
		parts[i] =
		    rt_lower_unsqueeze(l, rt_lower_op2(l, "Mod", flat, at), 1, (int64_t[]){1});
		flat = rt_lower_op2(l, "Div", flat, at);
	}
	rt_tfjs_op_give(c, rt_lower_cast(l, along(l, m, parts, 1), RT_I32));
	rt_tfjs_op_give(c, rt_lower_cast(l, rt_lower_i64s(l, m, to), RT_I32));
}

/* ---- from nothing ---------------------------------------------------------------------------- */

void rt_tfjs_op_filled(struct rt_tfjs_op *c)
{
	enum rt_dtype t = rt_tfjs_op_dtype(c, "T");
	int v = rt_lower_scalar(c->l, t == RT_NONE ? RT_F32 : t, c->to[0] == '1' ? 1 : 0);

	rt_tfjs_op_give(c, rt_lower_op2(c->l, "Expand", v, rt_tfjs_op_i64(c, 0, 1)));
}

/* LinSpace(start, stop, count); a single one is the start. */
void rt_tfjs_op_linspace(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int start = rt_lower_reshape(l, rt_tfjs_op_in(c, 0), 0, NULL);
	int stop = rt_lower_reshape(l, rt_tfjs_op_in(c, 1), 0, NULL);
	int count = rt_tfjs_op_i64(c, 2, 0), zero = rt_lower_scalar(l, RT_I64, 0);
	int one = rt_lower_scalar(l, RT_I64, 1), y, steps;

	y = rt_lower_cast(l, rt_lower_op3(l, "Range", zero, count, one), RT_F32);
	steps = rt_lower_op2(l, "Max", rt_lower_op2(l, "Sub", count, one), one);
	stop = rt_lower_op2(l, "Sub", stop, start);
	y = rt_lower_op2(l, "Mul", y,
			 rt_lower_op2(l, "Div", stop, rt_lower_cast(l, steps, RT_F32)));
	rt_tfjs_op_give(c, rt_lower_op2(l, "Add", y, start));
}

/* Numbers that are different in every run, unless there is a seed. */
static int random_like(struct rt_tfjs_op *c, const char *op)
{
	int64_t seed = rt_tfjs_op_int(c, "seed", 0);
	int y = rt_lower_op1(c->l, op, zeros(c->l, RT_F32, rt_tfjs_op_i64(c, 0, 1)));

	if (seed != 0)
		rt_lower_set_float(c->l, "seed", (float)seed);
	return y;
}

void rt_tfjs_op_random(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, random_like(c, c->to));
}

/* RandomUniformInt(shape, from, to) */
void rt_tfjs_op_random_int(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int from = rt_lower_cast(l, rt_tfjs_op_in(c, 1), RT_F32);
	int to = rt_lower_cast(l, rt_tfjs_op_in(c, 2), RT_F32);
	int y = random_like(c, "RandomUniformLike");

	y = rt_lower_op2(l, "Mul", y, rt_lower_op2(l, "Sub", to, from));
	y = rt_lower_op1(l, "Floor", rt_lower_op2(l, "Add", y, from));
	rt_tfjs_op_give(c, rt_lower_cast(l, y, RT_I32));
}

/* Multinomial(logits, count) */
void rt_tfjs_op_multinomial(struct rt_tfjs_op *c)
{
	int64_t count, seed = rt_tfjs_op_int(c, "seed", 0);
	int y;

	if (!rt_tfjs_op_number(c, 1, &count) || count < 1 || count > INT32_MAX) {
		rt_tfjs_op_missing(c, "as many as are computed");
		return;
	}
	y = rt_lower_op1(c->l, "Multinomial", rt_tfjs_op_in(c, 0));
	rt_lower_set_int(c->l, "sample_size", count);
	rt_lower_set_int(c->l, "dtype", 6); /* int32 */
	if (seed != 0)
		rt_lower_set_float(c->l, "seed", (float)seed);
	rt_tfjs_op_give(c, y);
}

/* ---- matrices and shapes --------------------------------------------------------------------- */

/* MatrixBandPart(x, lower, upper): diagonals beyond these are 0; −1: none is. */
void rt_tfjs_op_band(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int x = rt_tfjs_op_in(c, 0);
	int64_t sides[2];

	if (!rt_tfjs_op_number(c, 1, &sides[0]) || !rt_tfjs_op_number(c, 2, &sides[1])) {
		rt_tfjs_op_missing(c, "a band that is computed");
		return;
	}
	for (int upper = 0; upper < 2; upper++) {
		if (sides[upper] < 0)
			continue;
		x = rt_lower_op2(
		    l, "Trilu", x,
		    rt_lower_scalar(l, RT_I64, (double)(upper ? sides[1] : -sides[0])));
		rt_lower_set_int(l, "upper", !upper);
	}
	rt_tfjs_op_give(c, x);
}

/* BroadcastArgs(a, b): the shape that both broadcast to. */
void rt_tfjs_op_broadcast_args(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int in[2] = {rt_tfjs_op_i64(c, 0, 1), rt_tfjs_op_i64(c, 1, 1)};
	int one = rt_lower_i64(l, 1), count[2], most;

	for (int i = 0; i < 2; i++)
		count[i] = rt_lower_op1(l, "Shape", in[i]);
	most = rt_lower_op2(l, "Max", count[0], count[1]);
	for (int i = 0; i < 2; i++) {
		int more = rt_lower_op2(l, "Expand", one, rt_lower_op2(l, "Sub", most, count[i]));

		in[i] = along(l, 2, (int[]){more, in[i]}, 0);
	}
	most = rt_lower_op3(l, "Where", rt_lower_op2(l, "Equal", in[0], one), in[1], in[0]);
	rt_tfjs_op_give(c, rt_lower_cast(l, most, RT_I32));
}
