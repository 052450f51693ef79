/* SPDX-License-Identifier: MIT */
/*
 * sequence_tensor.c — between tensors and sequences: SplitToSequence,
 * ConcatFromSequence (ai.onnx 11).
 */
#include <config.h>

#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/axes.h"
#include "runtime/ops/carry.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

static int no_room(struct rt_error *err)
{
	return rt_error_set(err, RT_BUDGET, "no memory left for the parts");
}

/* ---- SplitToSequence ------------------------------------------------------------------------- */

static int split_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	(void)err;
	out[0] = rt_dtype_in(RT_SEQ, g->values[n->in[0]].dtype);
	return RT_OK;
}

/* How the axis is cut. */
struct cut {
	const struct rt_tensor *list; /* sizes, or NULL */
	int64_t part, count;          /* equal parts otherwise; the last one may be smaller */
	bool squeeze;
};

static int64_t entry(const struct rt_tensor *t, int64_t i)
{
	return t->dtype == RT_I32 ? ((const int32_t *)t->data)[i] : ((const int64_t *)t->data)[i];
}

static int read_cut(const struct rt_eval *e, int64_t dim, struct cut *c, struct rt_error *err)
{
	const struct rt_tensor *split = e->run.in_count > 1 ? &e->run.in[1] : NULL;
	int64_t sum = 0;

	*c = (struct cut){.part = 1, .count = dim};
	if (split == NULL || split->dtype == RT_NONE) {
		c->squeeze = rt_node_int(e->run.node, "keepdims", 1) == 0;
		return RT_OK;
	}
	if ((split->dtype != RT_I64 && split->dtype != RT_I32) || split->shape.rank > 1)
		return rt_error_set(err, RT_INPUT, "split is not a list of integers");
	if (split->shape.rank == 0) {
		c->part = entry(split, 0);
		if (c->part < 1)
			return rt_error_set(err, RT_INPUT, "parts of size %lld",
					    (long long)c->part);
		c->count = dim / c->part + (dim % c->part != 0);
		return RT_OK;
	}
	c->list = split;
	c->count = split->shape.dims[0];
	for (int64_t i = 0; i < c->count; i++) {
		if (entry(split, i) < 0 || __builtin_add_overflow(sum, entry(split, i), &sum))
			return rt_error_set(err, RT_INPUT, "part %lld is of size %lld",
					    (long long)i, (long long)entry(split, i));
	}
	if (sum != dim)
		return rt_error_set(err, RT_INPUT, "%lld parts of %lld in all, for an axis of %lld",
				    (long long)c->count, (long long)sum, (long long)dim);
	return RT_OK;
}

/* Item ${k} of ${l}: ${size} of ${t} along ${axis} from ${at} on. */
static bool cut_out(struct rt_eval *e, struct rt_list *l, int64_t k, const struct rt_tensor *t,
		    int axis, int64_t at, int64_t size, bool squeeze)
{
	size_t bytes = rt_move_size(t->dtype), step;
	struct rt_shape shape = t->shape;
	int64_t outer, inner;
	const char *from;
	char *to;

	rt_walk_around(&t->shape, axis, &outer, &inner);
	shape.dims[axis] = size;
	if (squeeze) {
		shape.rank--;
		for (int d = axis; d < shape.rank; d++)
			shape.dims[d] = t->shape.dims[d + 1];
	}
	step = (size_t)(size * inner) * bytes;
	if (t->dtype == RT_STR && outer > 0) {
		/* Through a packed copy, so that the item owns the bytes of its strings. */
		struct rt_tensor part = {t->dtype, shape, NULL};
		struct rt_str *all = rt_memory_take(e->memory, (size_t)outer * step, 64);

		part.data = all;
		for (int64_t o = 0; all != NULL && o < outer && step > 0; o++)
			memcpy((char *)all + (size_t)o * step,
			       (const char *)t->data +
				   (size_t)((o * t->shape.dims[axis] + at) * inner) * bytes,
			       step);
		return all != NULL && rt_eval_item_copy(e, l, k, &part);
	}
	to = rt_eval_item(e, l, k, t->dtype, &shape);
	for (int64_t o = 0; to != NULL && o < outer && step > 0; o++) {
		from = (const char *)t->data +
		       (size_t)((o * t->shape.dims[axis] + at) * inner) * bytes;
		memcpy(to + (size_t)o * step, from, step);
	}
	return to != NULL;
}

static int split_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_tensor *t = &e->run.in[0];
	int64_t at = 0, size, dim;
	struct rt_list *l;
	struct cut c;
	int axis,
	    status = rt_axes_one(rt_node_int(e->run.node, "axis", 0), t->shape.rank, &axis, err);

	if (status == RT_OK)
		status = read_cut(e, t->shape.dims[axis], &c, err);
	if (status != RT_OK)
		return status;
	dim = t->shape.dims[axis];
	l = rt_eval_list(e, 0, c.count);
	if (l == NULL)
		return no_room(err);
	for (int64_t k = 0; k < c.count; k++, at += size) {
		size = c.list != NULL ? entry(c.list, k) : c.part;
		if (size > dim - at)
			size = dim - at;
		if (!cut_out(e, l, k, t, axis, at, size, c.squeeze))
			return no_room(err);
	}
	return RT_OK;
}

const struct rt_op rt_op_split_to_sequence = {
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = split_type,
    .eval = split_eval,
};

/* ---- ConcatFromSequence ---------------------------------------------------------------------- */

static int concat_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	enum rt_dtype t = g->values[n->in[0]].dtype;

	out[0] = rt_dtype_item(t);
	if (out[0] == RT_NONE || rt_dtype_is_list(out[0]) || t != rt_dtype_in(RT_SEQ, out[0]))
		return rt_error_set(err, RT_UNSUPPORTED, "not for %s", rt_dtype_name(t));
	return RT_OK;
}

/* The shape of all of them along ${axis}. */
static int concat_shape(const struct rt_list *l, bool is_new, int axis, struct rt_shape *out,
			struct rt_error *err)
{
	const struct rt_shape *first = &l->items[0].shape;
	int64_t sum = 0;
	char text[2][80];

	*out = *first;
	for (int64_t k = 0; k < l->count; k++) {
		struct rt_shape s = l->items[k].shape;

		if (!is_new && s.rank == first->rank) {
			if (__builtin_add_overflow(sum, s.dims[axis], &sum))
				return no_room(err);
			s.dims[axis] = first->dims[axis];
		}
		if (!rt_shape_equal(&s, first))
			return rt_error_set(
			    err, RT_INPUT, "tensors of %s and %s cannot be joined",
			    rt_shape_text(first, text[0], sizeof(text[0])),
			    rt_shape_text(&l->items[k].shape, text[1], sizeof(text[1])));
	}
	if (!is_new) {
		out->dims[axis] = sum;
		return RT_OK;
	}
	for (int d = out->rank; d > axis; d--)
		out->dims[d] = out->dims[d - 1];
	out->dims[axis] = l->count;
	out->rank++;
	return RT_OK;
}

static int join(struct rt_eval *e, const struct rt_list *l, int axis, bool is_new,
		struct rt_error *err)
{
	size_t size = rt_move_size(l->items[0].dtype), at = 0, step, whole;
	const struct rt_shape *all = &e->out[0].shape;
	char *to = e->out[0].data;
	int64_t outer, inner;
	int status = RT_OK;

	rt_walk_around(all, axis, &outer, &inner);
	whole = (size_t)(all->dims[axis] * inner) * size;
	for (int64_t k = 0; k < l->count && status == RT_OK; k++, at += step) {
		struct rt_tensor item = l->items[k];

		step = (size_t)((is_new ? 1 : item.shape.dims[axis]) * inner) * size;
		if (item.dtype == RT_STR) {
			item.data = rt_memory_take(e->memory, rt_tensor_bytes(&item), 64);
			if (item.data == NULL)
				return no_room(err);
			status = rt_carry_copy(e, &l->items[k], item.data, err);
		}
		for (int64_t o = 0; o < outer && step > 0 && status == RT_OK; o++)
			memcpy(to + (size_t)o * whole + at,
			       (const char *)item.data + (size_t)o * step, step);
	}
	return status;
}

static int concat_eval(struct rt_eval *e, struct rt_error *err)
{
	bool is_new = rt_node_int(e->run.node, "new_axis", 0) != 0;
	const struct rt_list *l = e->run.in[0].data;
	struct rt_shape all;
	int axis, status;

	if (rt_node_attr(e->run.node, "axis") == NULL)
		return rt_error_set(err, RT_MALFORMED, "there is no axis");
	if (l->count == 0)
		return rt_error_set(err, RT_DATA, "there is nothing in the sequence");
	if (is_new && l->items[0].shape.rank == RT_RANK_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "more than %d dimensions", RT_RANK_MAX);
	status = rt_axes_one(rt_node_int(e->run.node, "axis", 0), l->items[0].shape.rank + is_new,
			     &axis, err);
	if (status == RT_OK)
		status = concat_shape(l, is_new, axis, &all, err);
	if (status != RT_OK)
		return status;
	if (rt_eval_output(e, 0, &all) == NULL)
		return no_room(err);
	return join(e, l, axis, is_new, err);
}

const struct rt_op rt_op_concat_from_sequence = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .takes_lists = true,
    .type = concat_type,
    .eval = concat_eval,
};
