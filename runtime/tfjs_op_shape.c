/* SPDX-License-Identifier: MIT */
/*
 * tfjs_op_shape.c — operators of graph models that move elements: shapes, slices,
 * pieces, gathers.  Called by tfjs_graph.c through tfjs_ops.def.  Shapes are
 * int32 there and int64 in ONNX.
 */
#include <config.h>

#include <string.h>
#include <strings.h>

#include "runtime/tfjs_op.h"

/* ---- shapes ---------------------------------------------------------------------------------- */

void rt_tfjs_op_shape_n(struct rt_tfjs_op *c)
{
	for (int i = 0; i < c->in_count; i++)
		rt_tfjs_op_give(c, rt_lower_cast(c->l, rt_tfjs_op_shape(c, c->in[i]), RT_I32));
}

/* Shape and Size. */
void rt_tfjs_op_extent(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(
	    c, rt_lower_cast(c->l, rt_lower_op1(c->l, c->to, rt_tfjs_op_in(c, 0)), RT_I32));
}

void rt_tfjs_op_rank(struct rt_tfjs_op *c)
{
	int rank = rt_lower_op1(c->l, "Size", rt_tfjs_op_shape(c, rt_tfjs_op_in(c, 0)));

	rt_tfjs_op_give(c, rt_lower_cast(c->l, rank, RT_I32));
}

void rt_tfjs_op_reshape(struct rt_tfjs_op *c)
{
	int64_t dims[RT_RANK_MAX];
	int rank = rt_tfjs_op_numbers(c, 1, RT_RANK_MAX, dims);
	int y = rt_lower_op2(c->l, "Reshape", rt_tfjs_op_in(c, 0), rt_tfjs_op_i64(c, 1, 1));
	bool rest = false; /* a 0 is a size, but beside a −1 ONNX cannot say so */

	for (int i = 0; i < rank; i++)
		rest = rest || dims[i] == -1;
	if (rank >= 0 && !rest)
		rt_lower_set_int(c->l, "allowzero", 1);
	rt_tfjs_op_give(c, y);
}

void rt_tfjs_op_squeeze(struct rt_tfjs_op *c)
{
	int64_t axes[RT_RANK_MAX];
	int count = rt_tfjs_op_ints(c, "squeeze_dims", RT_RANK_MAX, axes);

	if (count == 0)
		count = rt_tfjs_op_ints(c, "axis", RT_RANK_MAX, axes);
	rt_tfjs_op_give(c, count > 0 ? rt_lower_squeeze(c->l, rt_tfjs_op_in(c, 0), count, axes)
				     : rt_lower_op1(c->l, "Squeeze", rt_tfjs_op_in(c, 0)));
}

void rt_tfjs_op_expand_dims(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(
	    c, rt_lower_op2(c->l, "Unsqueeze", rt_tfjs_op_in(c, 0), rt_tfjs_op_i64(c, 1, 1)));
}

void rt_tfjs_op_transpose(struct rt_tfjs_op *c)
{
	int64_t perm[RT_RANK_MAX];
	int rank = rt_tfjs_op_numbers(c, 1, RT_RANK_MAX, perm);

	if (c->in_count == 1)
		rt_tfjs_op_give(c, rt_lower_op1(c->l, "Transpose", c->in[0]));
	else if (rank < 0)
		rt_tfjs_op_missing(c, "a permutation that is computed");
	else
		rt_tfjs_op_give(c, rt_lower_transpose(c->l, c->in[0], rank, perm));
}

/* ---- together and apart ---------------------------------------------------------------------- */

static int concat(struct rt_tfjs_op *c, int count, const int *in, int64_t axis)
{
	int y = count == 1 ? in[0] : rt_lower_opn(c->l, "Concat", count, in);

	if (count != 1)
		rt_lower_set_int(c->l, "axis", axis);
	return y;
}

void rt_tfjs_op_pack(struct rt_tfjs_op *c)
{
	int64_t axis = rt_tfjs_op_int(c, "axis", 0);

	if (c->in_count < 1) {
		rt_tfjs_op_missing(c, "of nothing");
		return;
	}
	for (int i = 0; i < c->in_count; i++)
		c->in[i] = rt_lower_unsqueeze(c->l, c->in[i], 1, &axis);
	rt_tfjs_op_give(c, concat(c, c->in_count, c->in, axis));
}

static int split(struct rt_tfjs_op *c, int x, int64_t axis, int64_t count)
{
	int y;

	if (count < 1 || count > RT_TFJS_ARGS_MAX)
		return rt_lower_fail(c->l, RT_MALFORMED, "%s into %lld parts", c->op,
				     (long long)count);
	y = rt_lower_node(c->l, RT_ONNX, "Split", 1, &x, (int)count);
	rt_lower_set_int(c->l, "axis", axis);
	rt_lower_set_int(c->l, "num_outputs", count);
	return y;
}

void rt_tfjs_op_unpack(struct rt_tfjs_op *c)
{
	int64_t axis = rt_tfjs_op_int(c, "axis", 0), count = rt_tfjs_op_int(c, "num", -1);
	int x = rt_tfjs_op_in(c, 0), y;

	if (count < 0)
		count = rt_lower_dim(c->l, x, (int)axis);
	if (count == 0)
		return;
	y = split(c, x, axis, count);
	for (int i = 0; i < (int)count && c->l->status == RT_OK; i++)
		rt_tfjs_op_give(c, rt_lower_squeeze(c->l, y + i, 1, &axis));
}

void rt_tfjs_op_concat(struct rt_tfjs_op *c)
{
	bool last = c->to[0] == 'l';
	int64_t axis;

	if (c->in_count < 2 || !rt_tfjs_op_number(c, last ? c->in_count - 1 : 0, &axis)) {
		rt_tfjs_op_missing(c, "an axis that is computed");
		return;
	}
	rt_tfjs_op_give(c, concat(c, c->in_count - 1, c->in + (last ? 0 : 1), axis));
}

void rt_tfjs_op_split(struct rt_tfjs_op *c)
{
	int64_t axis, count = rt_tfjs_op_int(c, "num_split", 1);
	int y;

	if (!rt_tfjs_op_number(c, 0, &axis)) {
		rt_tfjs_op_missing(c, "an axis that is computed");
		return;
	}
	y = split(c, rt_tfjs_op_in(c, 1), axis, count);
	for (int i = 0; i < (int)count && c->l->status == RT_OK; i++)
		rt_tfjs_op_give(c, y + i);
}

/* One of the sizes may be −1: what is left.  Slices say that without knowing the whole. */
void rt_tfjs_op_split_v(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int64_t sizes[RT_TFJS_ARGS_MAX], axis, at = 0;
	int count = rt_tfjs_op_numbers(c, 1, RT_TFJS_ARGS_MAX, sizes), rest = -1;

	if (count < 0 || !rt_tfjs_op_number(c, 2, &axis)) {
		rt_tfjs_op_missing(c, "sizes or an axis that are computed");
		return;
	}
	for (int i = 0; i < count; i++) {
		if (sizes[i] < 0)
			rest = i;
		else if (sizes[i] > INT32_MAX)
			sizes[i] = INT32_MAX;
	}
	for (int i = 0, k; i < count; i++) { /* after the rest: counted from the end */
		int64_t from, to, after = 0;

		for (k = i + 1; k < count; k++)
			after += sizes[k] > 0 ? sizes[k] : 0;
		from = rest >= 0 && i > rest ? -(after + sizes[i]) : at;
		to = (rest >= 0 && i >= rest) ? (after == 0 ? INT64_MAX : -after) : at + sizes[i];
		if (sizes[i] == 0)
			from = to = 0;
		rt_tfjs_op_give(c,
				rt_lower_opn(l, "Slice", 4,
					     (int[]){rt_tfjs_op_in(c, 0), rt_lower_i64(l, from),
						     rt_lower_i64(l, to), rt_lower_i64(l, axis)}));
		at += sizes[i] > 0 ? sizes[i] : 0;
	}
}

/* ---- slices ---------------------------------------------------------------------------------- */

void rt_tfjs_op_slice(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int64_t begin[RT_RANK_MAX], size[RT_RANK_MAX];
	int n = rt_tfjs_op_numbers(c, 1, RT_RANK_MAX, begin), from, to;
	int m = rt_tfjs_op_numbers(c, 2, RT_RANK_MAX, size);

	from = rt_tfjs_op_i64(c, 1, 1);
	if (n >= 0 && n == m) {
		for (int i = 0; i < n; i++)
			size[i] = size[i] < 0 ? INT64_MAX : begin[i] + size[i];
		to = rt_lower_i64s(l, n, size);
	} else {
		int wanted = rt_tfjs_op_i64(c, 2, 1), all;

		all = rt_lower_op2(l, "Less", wanted, rt_lower_scalar(l, RT_I64, 0));
		to = rt_lower_op3(l, "Where", all, rt_lower_i64(l, INT64_MAX),
				  rt_lower_op2(l, "Add", from, wanted));
	}
	rt_tfjs_op_give(c, rt_lower_op3(l, "Slice", rt_tfjs_op_in(c, 0), from, to));
}

/* StridedSlice, taken apart: slices by axis, axes that go, axes that come. */
struct strided {
	int specs;
	int64_t begin[16], end[16], step[16];
	bool known;       /* begin and end are numbers */
	int64_t axis[16]; /* of the input; from the end past an ellipsis */
	bool sliced[16], gone[16];
	int64_t fresh[16];
	int fresh_count;
};

static int bits(int64_t mask, int i)
{
	return (int)(mask >> i & 1);
}

/* Which spec is for which axis: past an ellipsis they count from the end. */
static bool read_strided(struct rt_tfjs_op *c, struct strided *s)
{
	int64_t ellipsis = rt_tfjs_op_int(c, "ellipsis_mask", 0);
	int64_t fresh = rt_tfjs_op_int(c, "new_axis_mask", 0);
	int64_t gone = rt_tfjs_op_int(c, "shrink_axis_mask", 0);
	int n = rt_tfjs_op_numbers(c, 1, 16, s->begin), m = rt_tfjs_op_numbers(c, 2, 16, s->end);
	int axes_after = 0, out_after = 0, axis = 0, out = 0, at = -1;

	s->specs = rt_tfjs_op_numbers(c, 3, 16, s->step);
	s->known = n == s->specs && m == s->specs;
	if (s->specs < 0)
		return false;
	for (int i = 0; i < s->specs; i++) {
		if (bits(ellipsis, i)) {
			at = i;
			continue;
		}
		axes_after += at >= 0 && !bits(fresh, i);
		out_after += at >= 0 && (bits(fresh, i) || !bits(gone, i));
	}
	for (int i = 0; i < s->specs; i++) {
		if (i == at) {
			axis = -axes_after;
			out = -out_after;
			continue;
		}
		if (bits(fresh, i)) {
			s->fresh[s->fresh_count++] = out++;
			continue;
		}
		s->axis[i] = axis++;
		s->gone[i] = bits(gone, i) != 0;
		s->sliced[i] = !s->gone[i];
		out += !s->gone[i];
	}
	return true;
}

/* Element ${i} of begin or end, int64[1]. */
static int bound(struct rt_tfjs_op *c, const struct strided *s, int input, int i)
{
	int all;

	if (s->known)
		return rt_lower_i64(c->l, input == 1 ? s->begin[i] : s->end[i]);
	all = rt_tfjs_op_i64(c, input, 1);
	return rt_lower_op3(c->l, "Slice", all, rt_lower_i64(c->l, i), rt_lower_i64(c->l, i + 1));
}

static int slice_axes(struct rt_tfjs_op *c, const struct strided *s, int x)
{
	int64_t no_begin = rt_tfjs_op_int(c, "begin_mask", 0);
	int64_t no_end = rt_tfjs_op_int(c, "end_mask", 0), axes[16], steps[16];
	int from[16], to[16], n = 0;
	struct rt_lower *l = c->l;

	for (int i = 0; i < s->specs; i++) {
		bool down = s->step[i] < 0, first = bits(no_begin, i), last = bits(no_end, i);

		if (!s->sliced[i] || (first && last && s->step[i] == 1) ||
		    (s->known && s->step[i] == 1 && last && s->begin[i] == 0))
			continue;
		from[n] = first ? rt_lower_i64(l, down ? INT64_MAX : 0) : bound(c, s, 1, i);
		to[n] = last ? rt_lower_i64(l, down ? INT64_MIN : INT64_MAX) : bound(c, s, 2, i);
		axes[n] = s->axis[i];
		steps[n++] = s->step[i];
	}
	if (n == 0)
		return x;
	return rt_lower_opn(l, "Slice", 5,
			    (int[]){x, concat(c, n, from, 0), concat(c, n, to, 0),
				    rt_lower_i64s(l, n, axes), rt_lower_i64s(l, n, steps)});
}

void rt_tfjs_op_strided(struct rt_tfjs_op *c)
{
	struct strided s = {.specs = 0};
	struct rt_lower *l = c->l;
	int x = rt_tfjs_op_in(c, 0);

	if (c->in_count < 4 || !read_strided(c, &s)) {
		rt_tfjs_op_missing(c, "strides that are computed");
		return;
	}
	x = slice_axes(c, &s, x);
	/* Axes that go: those counted from the front last to first, the others first to last, so
	 * that each is still where it was. */
	for (int pass = 0; pass < 2; pass++) {
		for (int k = 0; k < s.specs; k++) {
			int i = pass == 0 ? s.specs - 1 - k : k;

			if (!s.gone[i] || (s.axis[i] >= 0) != (pass == 0))
				continue;
			x = rt_lower_op2(l, "Gather", x,
					 rt_lower_reshape(l, bound(c, &s, 1, i), 0, NULL));
			rt_lower_set_int(l, "axis", s.axis[i]);
		}
	}
	if (s.fresh_count > 0)
		x = rt_lower_unsqueeze(l, x, s.fresh_count, s.fresh);
	rt_tfjs_op_give(c, x);
}

void rt_tfjs_op_reverse(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int64_t axes[RT_RANK_MAX], ones[RT_RANK_MAX], ends[RT_RANK_MAX];
	const struct rt_tensor *flags = rt_lower_tensor(l, rt_tfjs_op_in(c, 1));
	int n = rt_tfjs_op_numbers(c, 1, RT_RANK_MAX, axes);

	if (c->to[0] == 'f' && flags != NULL && flags->dtype == RT_BOOL &&
	    rt_tensor_elems(flags) <= RT_RANK_MAX) { /* one for each axis */
		n = 0;
		for (int i = 0; i < rt_tensor_elems(flags); i++) {
			if (((const uint8_t *)flags->data)[i])
				axes[n++] = i;
		}
	}
	if (n < 0) {
		rt_tfjs_op_missing(c, "axes that are computed");
		return;
	}
	for (int i = 0; i < n; i++) {
		ones[i] = -1;
		ends[i] = INT64_MIN;
	}
	rt_tfjs_op_give(c,
			rt_lower_opn(l, "Slice", 5,
				     (int[]){rt_tfjs_op_in(c, 0), rt_lower_i64s(l, n, ones),
					     rt_lower_i64s(l, n, ends), rt_lower_i64s(l, n, axes),
					     rt_lower_i64s(l, n, ones)}));
}

void rt_tfjs_op_reverse_sequence(struct rt_tfjs_op *c)
{
	int y = rt_lower_op2(c->l, "ReverseSequence", rt_tfjs_op_in(c, 0), rt_tfjs_op_i64(c, 1, 1));

	rt_lower_set_int(c->l, "time_axis", rt_tfjs_op_int(c, "seq_dim", 0));
	rt_lower_set_int(c->l, "batch_axis", rt_tfjs_op_int(c, "batch_dim", 0));
	rt_tfjs_op_give(c, y);
}

/* ---- more of the same ------------------------------------------------------------------------ */

void rt_tfjs_op_tile(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c,
			rt_lower_op2(c->l, "Tile", rt_tfjs_op_in(c, 0), rt_tfjs_op_i64(c, 1, 1)));
}

/* [[before, after], …] to [before…, after…] */
static int pads(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	const struct rt_tensor *t = rt_lower_tensor(l, rt_tfjs_op_in(c, 1));
	int64_t all[2 * RT_RANK_MAX];
	int v;

	if (t != NULL && t->dtype == RT_I32 && t->shape.rank == 2 && t->shape.dims[1] == 2 &&
	    t->shape.dims[0] <= RT_RANK_MAX) {
		int rank = (int)t->shape.dims[0];

		for (int i = 0; i < 2 * rank; i++)
			all[i / 2 + (i % 2) * rank] = ((const int32_t *)t->data)[i];
		return rt_lower_i64s(l, 2 * rank, all);
	}
	v = rt_lower_cast(l, rt_tfjs_op_in(c, 1), RT_I64);
	v = rt_lower_transpose(l, v, 2, (int64_t[]){1, 0});
	return rt_lower_reshape(l, v, 1, (int64_t[]){-1});
}

void rt_tfjs_op_pad(struct rt_tfjs_op *c)
{
	int value = rt_tfjs_op_in(c, 2);

	if (value == RT_NO_VALUE)
		rt_tfjs_op_give(c, rt_lower_op2(c->l, "Pad", rt_tfjs_op_in(c, 0), pads(c)));
	else
		rt_tfjs_op_give(c, rt_lower_op3(c->l, "Pad", rt_tfjs_op_in(c, 0), pads(c), value));
}

/* ${x} along ${axis} from its end to its start, or the part of it that is asked for. */
static int backwards(struct rt_lower *l, int x, int64_t axis, int64_t from, int64_t to)
{
	return rt_lower_opn(l, "Slice", 5,
			    (int[]){x, rt_lower_i64(l, from), rt_lower_i64(l, to),
				    rt_lower_i64(l, axis), rt_lower_i64(l, -1)});
}

/* SYMMETRIC repeats the border too, which no mode of ONNX does: mirrored pieces on both sides. */
static void symmetric(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	const struct rt_tensor *t = rt_lower_tensor(l, rt_tfjs_op_in(c, 1));
	int x = rt_tfjs_op_in(c, 0);

	if (t == NULL || t->dtype != RT_I32 || t->shape.rank != 2 || t->shape.dims[1] != 2) {
		rt_tfjs_op_missing(c, "SYMMETRIC by pads that are computed");
		return;
	}
	for (int axis = 0; axis < t->shape.dims[0] && l->status == RT_OK; axis++) {
		const int32_t *pads = (const int32_t *)t->data + (ptrdiff_t)2 * axis;
		int32_t before = pads[0];
		int32_t after = pads[1];
		int parts[3], n = 0;

		if (before > 0)
			parts[n++] = backwards(l, x, axis, before - 1, INT64_MIN);
		parts[n++] = x;
		if (after > 0)
			parts[n++] = backwards(l, x, axis, -1, -(int64_t)after - 1);
		x = concat(c, n, parts, axis);
	}
	rt_tfjs_op_give(c, x);
}

void rt_tfjs_op_mirror_pad(struct rt_tfjs_op *c)
{
	char mode[RT_TFJS_TEXT_MAX];

	rt_tfjs_op_text(c, "mode", mode);
	if (strcasecmp(mode, "SYMMETRIC") == 0) {
		symmetric(c);
		return;
	}
	rt_tfjs_op_give(c, rt_lower_op2(c->l, "Pad", rt_tfjs_op_in(c, 0), pads(c)));
	rt_lower_set_string(c->l, "mode", "reflect");
}

void rt_tfjs_op_broadcast(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c,
			rt_lower_op2(c->l, "Expand", rt_tfjs_op_in(c, 0), rt_tfjs_op_i64(c, 1, 1)));
}

void rt_tfjs_op_fill(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c,
			rt_lower_op2(c->l, "Expand", rt_tfjs_op_in(c, 1), rt_tfjs_op_i64(c, 0, 1)));
}

void rt_tfjs_op_like(struct rt_tfjs_op *c)
{
	int x = rt_tfjs_op_in(c, 0), shape = rt_tfjs_op_shape(c, x);
	int value = rt_lower_scalar(c->l, rt_lower_dtype(c->l, x), c->to[0] == '1' ? 1 : 0);

	rt_tfjs_op_give(c, rt_lower_op2(c->l, "Expand", value, shape));
}

void rt_tfjs_op_range(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, rt_lower_op3(c->l, "Range", rt_tfjs_op_in(c, 0), rt_tfjs_op_in(c, 1),
					rt_tfjs_op_in(c, 2)));
}

/* OneHot(indices, depth, on, off); an index below 0 counts from the end in ONNX, here it is none.
 */
void rt_tfjs_op_one_hot(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int64_t zero = 0;
	int depth = rt_tfjs_op_i64(c, 1, 1), indices = rt_tfjs_op_in(c, 0), values[2], none;

	values[0] = rt_lower_unsqueeze(l, rt_tfjs_op_in(c, 3), 1, &zero);
	values[1] = rt_lower_unsqueeze(l, rt_tfjs_op_in(c, 2), 1, &zero);
	indices = rt_lower_cast(l, indices, RT_I64);
	none = rt_lower_op2(l, "Less", indices, rt_lower_scalar(l, RT_I64, 0));
	indices = rt_lower_op3(l, "Where", none, depth, indices);
	rt_tfjs_op_give(c, rt_lower_op3(l, "OneHot", indices, depth, concat(c, 2, values, 0)));
	rt_lower_set_int(l, "axis", rt_tfjs_op_int(c, "axis", -1));
}

/* ---- by index -------------------------------------------------------------------------------- */

void rt_tfjs_op_gather(struct rt_tfjs_op *c)
{
	int64_t axis = 0, batch = rt_tfjs_op_int(c, "batch_dims", 0);
	int indices;

	if (c->in_count > 2 && !rt_tfjs_op_number(c, 2, &axis)) {
		rt_tfjs_op_missing(c, "an axis that is computed");
		return;
	}
	if (batch != 0) { /* the element of each row */
		if (axis != batch || batch < 0) {
			rt_tfjs_op_missing(c, "with batch_dims and another axis");
			return;
		}
		indices = rt_lower_cast(c->l, rt_tfjs_op_in(c, 1), RT_I64);
		indices = rt_lower_unsqueeze(c->l, indices, 1, (int64_t[]){-1});
		rt_tfjs_op_give(c, rt_lower_op2(c->l, "GatherND", rt_tfjs_op_in(c, 0), indices));
		rt_lower_set_int(c->l, "batch_dims", batch);
		return;
	}
	rt_tfjs_op_give(c, rt_lower_op2(c->l, "Gather", rt_tfjs_op_in(c, 0), rt_tfjs_op_in(c, 1)));
	rt_lower_set_int(c->l, "axis", axis);
}

void rt_tfjs_op_gather_nd(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, rt_lower_op2(c->l, "GatherND", rt_tfjs_op_in(c, 0),
					rt_lower_cast(c->l, rt_tfjs_op_in(c, 1), RT_I64)));
}

/* ScatterNd(indices, updates, shape): sums into zeros. */
void rt_tfjs_op_scatter_nd(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int updates = rt_tfjs_op_in(c, 1);
	int zeros = rt_lower_op2(l, "Expand", rt_lower_scalar(l, rt_lower_dtype(l, updates), 0),
				 rt_tfjs_op_i64(c, 2, 1));

	rt_tfjs_op_give(c, rt_lower_op3(l, "ScatterND", zeros,
					rt_lower_cast(l, rt_tfjs_op_in(c, 0), RT_I64), updates));
	rt_lower_set_string(l, "reduction", "add");
}

void rt_tfjs_op_scatter(struct rt_tfjs_op *c)
{
	rt_tfjs_op_give(c, rt_lower_op3(c->l, "ScatterND", rt_tfjs_op_in(c, 0),
					rt_lower_cast(c->l, rt_tfjs_op_in(c, 1), RT_I64),
					rt_tfjs_op_in(c, 2)));
}

/* SparseToDense(indices, shape, values, default) */
void rt_tfjs_op_sparse(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int values = rt_tfjs_op_in(c, 2), otherwise = rt_tfjs_op_in(c, 3), dense;
	int indices = rt_lower_cast(l, rt_tfjs_op_in(c, 0), RT_I64);

	if (otherwise == RT_NO_VALUE)
		otherwise = rt_lower_scalar(l, rt_lower_dtype(l, values), 0);
	dense = rt_lower_op2(l, "Expand", otherwise, rt_tfjs_op_i64(c, 1, 1));
	if (rt_lower_rank(l, rt_tfjs_op_in(c, 0)) == 1)
		indices = rt_lower_unsqueeze(l, indices, 1, (int64_t[]){1});
	rt_tfjs_op_give(c, rt_lower_op3(l, "ScatterND", dense, indices, values));
}

void rt_tfjs_op_where(struct rt_tfjs_op *c)
{
	int y = rt_lower_op1(c->l, "NonZero", rt_tfjs_op_in(c, 0));

	y = rt_lower_transpose(c->l, y, 2, (int64_t[]){1, 0});
	rt_tfjs_op_give(c, rt_lower_cast(c->l, y, RT_I32));
}
