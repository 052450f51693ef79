/* SPDX-License-Identifier: MIT */
/*
 * concat.c — Concat and Split: blocks along one axis, a strided copy each.
 *
 * Opset changes that matter: Concat (11) takes a negative axis.  Split has the
 * sizes as an attribute before 13, as an input from then on; 18 adds
 * `num_outputs`, where the last part may be smaller.
 */
#include <config.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

/* ${outer} rows of ${run} elements between places of strides ${out_row} and ${in_row}. */
static void rows(struct rt_move *m, int64_t outer, int64_t run, int64_t out_row, int64_t in_row)
{
	const int64_t dims[2] = {outer, run};
	const int64_t strides[2][RT_WALK_RANK] = {{out_row, 1}, {in_row, 1}};

	rt_walk_strided(&m->walk, 2, 2, dims, strides);
}

static int concat_bind(struct rt_bind *b, struct rt_error *err)
{
	const struct rt_node *n = b->node;

	for (int i = 0; i < n->in_count; i++) {
		if (n->in[i] < 0)
			return rt_error_set(err, RT_MALFORMED, "input %d is left out", i);
		if (b->graph->values[n->in[i]].dtype != b->graph->values[n->in[0]].dtype)
			return rt_error_set(err, RT_MALFORMED, "inputs 0 and %d differ in type", i);
	}
	return RT_OK;
}

static int concat_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *first = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	int64_t total = 0, outer, inner, at = 0;
	struct rt_moves *m;
	char text[2][80];
	int axis, status;

	status = rt_axes_one(rt_node_int(f->node, "axis", 1), first->rank, &axis, err);
	if (status != RT_OK)
		return status;
	for (int i = 0; i < f->in_count; i++) {
		struct rt_shape s = f->in[i].shape;
		int64_t dim = s.rank == first->rank ? s.dims[axis] : 0;

		if (s.rank == first->rank)
			s.dims[axis] = first->dims[axis];
		if (!rt_shape_equal(&s, first))
			return rt_error_set(
			    err, RT_INPUT, "inputs 0 and %d of shapes %s and %s, on axis %d", i,
			    rt_shape_text(first, text[0], sizeof(text[0])),
			    rt_shape_text(&f->in[i].shape, text[1], sizeof(text[1])), axis);
		if (__builtin_add_overflow(total, dim, &total))
			return rt_error_set(err, RT_INPUT, "axis %d is too large", axis);
	}
	*out = *first;
	out->dims[axis] = total;
	if (!rt_shape_elems(out, &outer))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	rt_walk_around(out, axis, &outer, &inner);
	m = rt_move_plan(f, f->in_count, err);
	if (m == NULL)
		return RT_MEMORY;
	for (int i = 0; i < f->in_count; i++) {
		int64_t run = outer != 0 ? f->in[i].shape.dims[axis] * inner : 0;
		rows(&m->moves[i], outer, run, outer != 0 ? total * inner : 0, run);
		m->moves[i].in = i;
		m->moves[i].out_at = at;
		at += run;
	}
	return RT_OK;
}

const struct rt_op rt_op_concat = {
    .in_min = 1,
    .in_max = RT_VARIADIC,
    .out_min = 1,
    .out_max = 1,
    .bind = concat_bind,
    .infer = concat_infer,
    .run = rt_move_run,
};

/* Sizes of the parts of ${dim}: given, or equal ones. */
static int split_sizes(const struct rt_infer *f, int64_t dim, int64_t *sizes, struct rt_error *err)
{
	const struct rt_attr *attr = rt_node_attr(f->node, "split");
	int count = 0;
	int64_t parts = rt_node_int(f->node, "num_outputs", f->out_count), sum = 0;

	if (attr != NULL && attr->kind == RT_ATTR_INTS && attr->count <= RT_VARIADIC) {
		for (count = 0; count < (int)attr->count; count++)
			sizes[count] = attr->ints[count];
	} else if (f->in_count > 1 && f->in[1].dtype != RT_NONE) {
		if (!rt_op_ints(&f->in[1], sizes, RT_VARIADIC, &count))
			return rt_error_set(err, RT_INPUT, "split is not a list of integers");
	} else {
		int64_t part = parts > 0 ? dim / parts + (dim % parts != 0) : 0;
		if (parts != f->out_count)
			return rt_error_set(err, RT_MALFORMED,
					    "num_outputs is %lld, but there are %d",
					    (long long)parts, f->out_count);
		for (count = 0; count < f->out_count; count++) {
			int64_t left = dim - sum;
			sizes[count] = left < part ? left : part;
			sum += sizes[count];
		}
	}
	sum = 0;
	for (int i = 0; i < count; i++) {
		if (sizes[i] < 0 || __builtin_add_overflow(sum, sizes[i], &sum))
			return rt_error_set(err, RT_INPUT, "part %d is of size %lld", i,
					    (long long)sizes[i]);
	}
	if (count != f->out_count || sum != dim)
		return rt_error_set(err, RT_INPUT,
				    "%d parts of %lld in all, for %d outputs of an axis of %lld",
				    count, (long long)sum, f->out_count, (long long)dim);
	return RT_OK;
}

static int split_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	int64_t sizes[RT_VARIADIC], outer, inner, at = 0;
	struct rt_moves *m;
	int axis, status;

	if (f->out_count > RT_VARIADIC)
		return rt_error_set(err, RT_UNSUPPORTED, "%d outputs; at most %d", f->out_count,
				    RT_VARIADIC);
	status = rt_axes_one(rt_node_int(f->node, "axis", 0), in->rank, &axis, err);
	if (status == RT_OK)
		status = split_sizes(f, in->dims[axis], sizes, err);
	if (status != RT_OK)
		return status;
	m = rt_move_plan(f, f->out_count, err);
	if (m == NULL)
		return RT_MEMORY;
	rt_walk_around(in, axis, &outer, &inner);
	for (int i = 0; i < f->out_count; i++) {
		/* NOLINTNEXTLINE(clang-analyzer-core*): there are as many sizes as outputs */
		int64_t size = sizes[i], run = outer != 0 ? size * inner : 0;
		f->out[i].shape = *in;
		f->out[i].shape.dims[axis] = size;
		rows(&m->moves[i], outer, run, run, outer != 0 ? in->dims[axis] * inner : 0);
		m->moves[i].out = i;
		m->moves[i].in_at = at;
		at += run;
	}
	return RT_OK;
}

const struct rt_op rt_op_split = {
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = RT_VARIADIC,
    .value_inputs = 1u << 1,
    .infer = split_infer,
    .run = rt_move_run,
};
