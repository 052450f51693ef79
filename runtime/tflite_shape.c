/* SPDX-License-Identifier: MIT */
/*
 * tflite_shape.c — operators that say where elements are and change none: shapes,
 * transposes, concatenation, cutting, tiles, blocks.  Called through tflite.def.
 */
#include <config.h>

#include <string.h>

#include "runtime/tflite_quant.h"

static int shape_input(struct rt_tflite_op *o, int k)
{
	return rt_tflite_i64(o, rt_tflite_value(o, k));
}

/* Complex numbers keep their last dimension: to the shape that the output says it has. */
static bool reshaped_complex(struct rt_tflite_op *o)
{
	const struct rt_tflite_tensor *y = rt_tflite_out(o, 0);
	int open = 0;

	if (!rt_tflite_in(o, 0)->is_complex || !y->is_complex)
		return false;
	for (int i = 0; i < y->shape.rank; i++)
		open += y->shape.dims[i] < 0;
	if (y->shape.rank < 0 || open > 1)
		rt_tflite_refuse(o, "not of complex numbers to an unknown shape");
	else
		rt_tflite_give(
		    o, 0,
		    rt_lower_reshape(o->l, rt_tflite_value(o, 0), y->shape.rank, y->shape.dims));
	return true;
}

/* DENSIFY: sparse constants have been made dense. */
void rt_tflite_lower_same(struct rt_tflite_op *o)
{
	if (rt_tflite_expects(o, 1))
		rt_tflite_give(o, 0, rt_lower_op1(o->l, "Identity", rt_tflite_value(o, 0)));
}

/* The new shape is input 1, or an option in old files. */
void rt_tflite_lower_reshape(struct rt_tflite_op *o)
{
	int64_t dims[RT_RANK_MAX];
	int count, v;

	if (!rt_tflite_expects(o, 1) || reshaped_complex(o))
		return;
	if (rt_tflite_in(o, 1) != NULL) {
		v = rt_lower_op2(o->l, "Reshape", rt_tflite_value(o, 0), shape_input(o, 1));
		rt_lower_set_int(o->l, "allowzero", 1);
	} else {
		count = rt_tflite_opt_ints(o, 0, RT_RANK_MAX, dims);
		v = rt_lower_reshape(o->l, rt_tflite_value(o, 0), count < 0 ? 0 : count, dims);
	}
	rt_tflite_give(o, 0, v);
}

void rt_tflite_lower_squeeze(struct rt_tflite_op *o)
{
	int64_t axes[RT_RANK_MAX];
	int count, x;

	if (!rt_tflite_expects(o, 1) || reshaped_complex(o))
		return;
	x = rt_tflite_value(o, 0);
	count = rt_tflite_opt_ints(o, 0, RT_RANK_MAX, axes);
	rt_tflite_give(o, 0,
		       count > 0 ? rt_lower_squeeze(o->l, x, count, axes)
				 : rt_lower_op1(o->l, "Squeeze", x));
}

void rt_tflite_lower_expand_dims(struct rt_tflite_op *o)
{
	int64_t axis;

	if (!rt_tflite_expects(o, 2) || reshaped_complex(o))
		return;
	if (rt_tflite_ints(o, 1, 1, &axis) == 1)
		rt_tflite_give(o, 0, rt_lower_unsqueeze(o->l, rt_tflite_value(o, 0), 1, &axis));
	else
		rt_tflite_refuse(o, "not with a computed axis");
}

void rt_tflite_lower_transpose(struct rt_tflite_op *o)
{
	int64_t perm[RT_RANK_MAX];
	int count;

	if (!rt_tflite_expects(o, 2))
		return;
	count = rt_tflite_ints(o, 1, RT_RANK_MAX, perm);
	if (count < 0) {
		rt_tflite_refuse(o, "not with a computed order");
		return;
	}
	for (int i = 0; i < count; i++)
		perm[i] += perm[i] < 0 ? count : 0;
	rt_tflite_give(o, 0, rt_lower_transpose(o->l, rt_tflite_value(o, 0), count, perm));
}

/* ---- together and apart ---------------------------------------------------------------------- */

#define PARTS_MAX 1024

/* Input ${k} with the numbers of the output, which quantised parts may not have. */
static int part(struct rt_tflite_op *o, int k)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, k), *y = rt_tflite_out(o, 0);
	const int v = rt_tflite_value(o, k);

	if (!rt_tflite_is_quantised(t) || !rt_tflite_is_quantised(y) ||
	    rt_tflite_same_numbers(t, y))
		return v;
	return rt_tflite_quant_rescale(o, v, t, y);
}

static bool parts(struct rt_tflite_op *o)
{
	if (!rt_tflite_expects(o, 1))
		return false;
	if (o->in_count > PARTS_MAX || o->out_count > PARTS_MAX) {
		rt_tflite_refuse(o, "more than 1024 parts");
		return false;
	}
	return true;
}

void rt_tflite_lower_concat(struct rt_tflite_op *o)
{
	int in[PARTS_MAX], v;

	if (!parts(o))
		return;
	for (int k = 0; k < o->in_count; k++)
		in[k] = part(o, k);
	v = rt_lower_opn(o->l, "Concat", o->in_count, in);
	rt_lower_set_int(o->l, "axis", rt_tflite_opt_int(o, 0, 0));
	if (!rt_tflite_is_quantised(rt_tflite_in(o, 0)))
		v = rt_tflite_activate(o, v, rt_tflite_opt_byte(o, 1, 0));
	rt_tflite_give(o, 0, v);
}

void rt_tflite_lower_pack(struct rt_tflite_op *o)
{
	const int64_t axis = rt_tflite_opt_int(o, 1, 0);
	int in[PARTS_MAX], v;

	if (!parts(o))
		return;
	for (int k = 0; k < o->in_count; k++)
		in[k] = rt_lower_unsqueeze(o->l, part(o, k), 1, &axis);
	v = rt_lower_opn(o->l, "Concat", o->in_count, in);
	rt_lower_set_int(o->l, "axis", axis);
	rt_tflite_give(o, 0, v);
}

void rt_tflite_lower_unpack(struct rt_tflite_op *o)
{
	const int64_t axis = rt_tflite_opt_int(o, 1, 0);
	int x, first;

	if (!parts(o))
		return;
	x = rt_tflite_value(o, 0);
	if (o->out_count == 1) {
		rt_tflite_give(o, 0, rt_lower_squeeze(o->l, x, 1, &axis));
		return;
	}
	first = rt_lower_node(o->l, RT_ONNX, "Split", 1, &x, o->out_count);
	rt_lower_set_int(o->l, "axis", axis);
	rt_lower_set_int(o->l, "num_outputs", o->out_count);
	for (int k = 0; k < o->out_count; k++)
		rt_tflite_give(o, k, rt_lower_squeeze(o->l, first + k, 1, &axis));
}

/* SPLIT: the axis, then the tensor. */
void rt_tflite_lower_split(struct rt_tflite_op *o)
{
	int64_t axis;
	int x, first;

	if (!parts(o) || !rt_tflite_expects(o, 2))
		return;
	if (rt_tflite_ints(o, 0, 1, &axis) != 1) {
		rt_tflite_refuse(o, "not with a computed axis");
		return;
	}
	x = rt_tflite_value(o, 1);
	if (o->out_count == 1) {
		rt_tflite_give(o, 0, rt_lower_op1(o->l, "Identity", x));
		return;
	}
	first = rt_lower_node(o->l, RT_ONNX, "Split", 1, &x, o->out_count);
	rt_lower_set_int(o->l, "axis", axis);
	rt_lower_set_int(o->l, "num_outputs", o->out_count);
	for (int k = 0; k < o->out_count; k++)
		rt_tflite_give(o, k, first + k);
}

/* SPLIT_V: the tensor, sizes of which one may be −1 for the rest, the axis. */
void rt_tflite_lower_split_v(struct rt_tflite_op *o)
{
	int64_t sizes[PARTS_MAX], axis, rest, *open = NULL;
	int in[2], count, first, at;

	if (!parts(o) || !rt_tflite_expects(o, 3))
		return;
	count = rt_tflite_ints(o, 1, PARTS_MAX, sizes);
	if (count != o->out_count || rt_tflite_ints(o, 2, 1, &axis) != 1) {
		rt_tflite_refuse(o, "not with computed sizes or axis");
		return;
	}
	at = rt_tflite_axis(axis, rt_tflite_rank(o, 0));
	rest = at >= 0 ? rt_tflite_in(o, 0)->shape.dims[at] : -1;
	for (int k = 0; k < count; k++) {
		if (sizes[k] < 0)
			open = &sizes[k];
		else
			rest -= sizes[k];
	}
	if (open != NULL && rest < 0) {
		rt_tflite_refuse(o, "not with the rest of an unknown size");
		return;
	}
	if (open != NULL)
		*open = rest;
	in[0] = rt_tflite_value(o, 0);
	in[1] = rt_lower_i64s(o->l, count, sizes);
	first = rt_lower_node(o->l, RT_ONNX, "Split", 2, in, count);
	rt_lower_set_int(o->l, "axis", axis);
	for (int k = 0; k < count; k++)
		rt_tflite_give(o, k, first + k);
}

/* ---- more of the same ------------------------------------------------------------------------ */

void rt_tflite_lower_tile(struct rt_tflite_op *o)
{
	if (!rt_tflite_expects(o, 2))
		return;
	rt_tflite_give(o, 0,
		       rt_lower_op2(o->l, o->row->op, rt_tflite_value(o, 0), shape_input(o, 1)));
}

/* FILL: the shape, then the value. */
void rt_tflite_lower_fill(struct rt_tflite_op *o)
{
	if (!rt_tflite_expects(o, 2))
		return;
	rt_tflite_give(o, 0,
		       rt_lower_op2(o->l, "Expand", rt_tflite_value(o, 1), shape_input(o, 0)));
}

void rt_tflite_lower_range(struct rt_tflite_op *o)
{
	if (!rt_tflite_expects(o, 3))
		return;
	rt_tflite_give(o, 0,
		       rt_lower_op3(o->l, "Range", rt_tflite_value(o, 0), rt_tflite_value(o, 1),
				    rt_tflite_value(o, 2)));
}

void rt_tflite_lower_shape(struct rt_tflite_op *o)
{
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	v = rt_lower_op1(o->l, "Shape", rt_tflite_value(o, 0));
	if (strcmp(o->row->op, "rank") == 0)
		v = rt_lower_op1(o->l, "Size", v);
	rt_tflite_give(o, 0, rt_lower_cast(o->l, v, rt_tflite_out(o, 0)->dtype));
}

/* BROADCAST_ARGS: the shape that two shapes broadcast to. */
void rt_tflite_lower_broadcast_args(struct rt_tflite_op *o)
{
	int one, a, b, v;

	if (!rt_tflite_expects(o, 2))
		return;
	one = rt_lower_scalar(o->l, RT_BOOL, 0);
	a = rt_lower_op2(o->l, "Expand", one, shape_input(o, 0));
	b = rt_lower_op2(o->l, "Expand", one, shape_input(o, 1));
	v = rt_lower_op1(o->l, "Shape", rt_lower_op2(o->l, "Or", a, b));
	rt_tflite_give(o, 0, rt_lower_cast(o->l, v, rt_tflite_out(o, 0)->dtype));
}

/* ---- blocks ---------------------------------------------------------------------------------- */

void rt_tflite_lower_depth_space(struct rt_tflite_op *o)
{
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	v = rt_lower_op1(o->l, o->row->op, rt_lower_to_nchw(o->l, rt_tflite_value(o, 0), 4));
	rt_lower_set_int(o->l, "blocksize", rt_tflite_opt_int(o, 0, 0));
	rt_tflite_give(o, 0, rt_lower_to_nhwc(o->l, v, 4));
}

struct blocks {
	int count, rank; /* spatial dimensions; of the tensor */
	int64_t block[RT_RANK_MAX], ends[2 * RT_RANK_MAX];
	int64_t dims[RT_RANK_MAX]; /* of the tensor, −1 only for the batch */
};

static bool read_blocks(struct rt_tflite_op *o, struct blocks *b)
{
	const struct rt_tflite_tensor *t;

	if (!rt_tflite_expects(o, 3))
		return false;
	t = rt_tflite_in(o, 0);
	b->rank = t->shape.rank;
	b->count = rt_tflite_ints(o, 1, 3, b->block);
	if (b->count < 1 || rt_tflite_in(o, 2)->data.shape.rank != 2 ||
	    !rt_tflite_in(o, 2)->is_constant || rt_tflite_in(o, 2)->dtype != RT_I32 ||
	    rt_tensor_elems(&rt_tflite_in(o, 2)->data) != 2 * (int64_t)b->count ||
	    b->rank < b->count + 1 || b->rank + b->count > RT_RANK_MAX) {
		rt_tflite_refuse(o, "not with computed blocks or pads, or of that rank");
		return false;
	}
	for (int i = 0; i < 2 * b->count; i++)
		b->ends[i] = ((const int32_t *)rt_tflite_in(o, 2)->data.data)[i];
	for (int i = 0; i < b->rank; i++) {
		b->dims[i] = t->shape.dims[i];
		if (i > 0 && b->dims[i] < 0) {
			rt_tflite_refuse(o, "not where sizes of images are not known");
			return false;
		}
	}
	for (ptrdiff_t i = 0; i < b->count; i++) {
		if (b->block[i] < 1 || b->ends[2 * i] < 0 || b->ends[2 * i + 1] < 0) {
			rt_tflite_refuse(o, "not with such blocks or pads");
			return false;
		}
	}
	return true;
}

/* [N, s, C] → pad → [N, s/b, b, C] → [b, N, s/b, C] → [b·N, s/b, C] */
void rt_tflite_lower_space_to_batch(struct rt_tflite_op *o)
{
	struct blocks b;
	int64_t pads[2 * RT_RANK_MAX] = {0}, wide[RT_RANK_MAX], perm[RT_RANK_MAX], to[RT_RANK_MAX];
	const struct rt_tflite_tensor *t = rt_tflite_in(o, 0);
	int n = 0, v;

	if (!read_blocks(o, &b))
		return;
	wide[n++] = to[0] = -1;
	for (int i = 1; i < b.rank; i++) {
		to[i] = b.dims[i];
		if (i <= b.count) {
			pads[i] = b.ends[2 * i - 2];
			pads[b.rank + i] = b.ends[2 * i - 1];
			to[i] = (b.dims[i] + pads[i] + pads[b.rank + i]) / b.block[i - 1];
			wide[n++] = to[i];
			wide[n++] = b.block[i - 1];
		} else {
			wide[n++] = b.dims[i];
		}
	}
	n = 0;
	for (int i = 0; i < b.count; i++)
		perm[n++] = 2 + 2 * i;
	perm[n++] = 0;
	for (int i = 0; i < b.count; i++)
		perm[n++] = 1 + 2 * i;
	for (; n < b.rank + b.count; n++)
		perm[n] = n;
	v = rt_lower_op3(
	    o->l, "Pad", rt_tflite_value(o, 0), rt_lower_i64s(o->l, 2 * b.rank, pads),
	    rt_lower_scalar(o->l, t->dtype, rt_tflite_is_quantised(t) ? (double)t->zero[0] : 0));
	v = rt_lower_reshape(o->l, v, b.rank + b.count, wide);
	v = rt_lower_transpose(o->l, v, b.rank + b.count, perm);
	rt_tflite_give(o, 0, rt_lower_reshape(o->l, v, b.rank, to));
}

/* [b·N, s, C] → [b, N, s, C] → [N, s, b, C] → [N, s·b, C] → cut */
void rt_tflite_lower_batch_to_space(struct rt_tflite_op *o)
{
	struct blocks b;
	int64_t wide[RT_RANK_MAX], perm[RT_RANK_MAX], to[RT_RANK_MAX], begin[RT_RANK_MAX],
	    end[RT_RANK_MAX], axes[RT_RANK_MAX];
	int n = 0, v, in[4];

	if (!read_blocks(o, &b))
		return;
	for (int i = 0; i < b.count; i++)
		wide[n++] = b.block[i];
	wide[n++] = -1;
	for (int i = 1; i < b.rank; i++)
		wide[n++] = b.dims[i];
	n = 0;
	perm[n++] = b.count;
	for (int i = 0; i < b.count; i++) {
		perm[n++] = b.count + 1 + i;
		perm[n++] = i;
	}
	for (; n < b.rank + b.count; n++)
		perm[n] = n;
	to[0] = -1;
	for (int i = 1; i < b.rank; i++)
		to[i] = i <= b.count ? b.dims[i] * b.block[i - 1] : b.dims[i];
	v = rt_lower_reshape(o->l, rt_tflite_value(o, 0), b.rank + b.count, wide);
	v = rt_lower_transpose(o->l, v, b.rank + b.count, perm);
	v = rt_lower_reshape(o->l, v, b.rank, to);
	for (ptrdiff_t i = 0; i < b.count; i++) {
		axes[i] = i + 1;
		begin[i] = b.ends[2 * i];
		/* fanalyzer-suppress use-of-uninitialized-value: count < rank */
		/* NOLINTNEXTLINE(clang-analyzer-core*): count < rank */
		end[i] = to[i + 1] - b.ends[2 * i + 1];
	}
	in[0] = v;
	in[1] = rt_lower_i64s(o->l, b.count, begin);
	in[2] = rt_lower_i64s(o->l, b.count, end);
	in[3] = rt_lower_i64s(o->l, b.count, axes);
	rt_tflite_give(o, 0, rt_lower_opn(o->l, "Slice", 4, in));
}
