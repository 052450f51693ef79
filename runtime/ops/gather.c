/* SPDX-License-Identifier: MIT */
/*
 * gather.c — reading by index: Gather, GatherElements, GatherND.  Elements are
 * known by their size.
 *
 *	Gather            out[i.., j.., k..] = in[i.., index[j..], k..]
 *	GatherElements    out[.. j ..]       = in[.. index[.. j ..] ..]   along one axis
 *	GatherND          out[b.., j.., k..] = in[b.., index[b.., j..].., k..]
 *
 * Opset changes that matter: from 11 on indices may be negative (accepted in
 * every opset here); GatherND (12) has batch_dims.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/index.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

/* One plan for the three: blocks of ${run} elements. */
struct gather {
	int64_t outer; /* Gather: dims before the axis; GatherND: batches */
	int64_t count; /* blocks per outer */
	int64_t run;   /* elements of a block */
	int64_t dim;   /* Gather: of the axis */
	int width;     /* GatherND: indices of a block */
	int64_t dims[RT_RANK_MAX], steps[RT_RANK_MAX]; /* GatherND: of the indexed axes */
	int64_t batch; /* GatherND: elements of a batch of the input */
};

static int gather_bind(struct rt_bind *b, struct rt_error *err)
{
	return rt_index_check(b, 1, err);
}

static struct gather *gather_plan(struct rt_infer *f, struct rt_error *err)
{
	struct gather *g = rt_infer_alloc(f, sizeof(*g));

	f->shape_state = g;
	if (g == NULL)
		(void)rt_error_set(err, RT_MEMORY, "out of memory");
	return g;
}

/* ---- Gather ---------------------------------------------------------------------------------- */

static int gather_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape, *index = &f->in[1].shape;
	struct rt_shape *out = &f->out[0].shape;
	struct gather *g;
	int axis, status, rank = 0;

	status = rt_axes_one(rt_node_int(f->node, "axis", 0), in->rank, &axis, err);
	if (status != RT_OK)
		return status;
	if (in->rank - 1 + index->rank > RT_RANK_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "a tensor of rank %d; at most %d",
				    in->rank - 1 + index->rank, RT_RANK_MAX);
	g = gather_plan(f, err);
	if (g == NULL)
		return RT_MEMORY;
	for (int d = 0; d < axis; d++)
		out->dims[rank++] = in->dims[d];
	for (int d = 0; d < index->rank; d++)
		out->dims[rank++] = index->dims[d];
	for (int d = axis + 1; d < in->rank; d++)
		out->dims[rank++] = in->dims[d];
	out->rank = rank;
	if (!rt_shape_elems(out, &g->count))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	if (g->count == 0)
		return RT_OK;
	rt_walk_around(in, axis, &g->outer, &g->run);
	g->dim = in->dims[axis];
	if (g->outer == 0) /* something to read from nothing: every index is out of range */
		g->outer = g->run = 1;
	if (!rt_shape_elems(index, &g->count))
		g->count = 0;
	return RT_OK;
}

struct gathering {
	const struct rt_run *r;
	const struct gather *g;
	int64_t size; /* bytes of an element */
};

static void gather_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct gathering *a = arg;
	const struct gather *g = a->g;
	const struct rt_run *r = a->r;
	int64_t bytes = g->run * a->size;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		char *out = (char *)r->out[0].data + i * bytes;
		int64_t k;
		if (!rt_index_at(r, &r->in[1], i % g->count, g->dim, &k))
			return;
		memcpy(out, (const char *)r->in[0].data + (i / g->count * g->dim + k) * bytes,
		       (size_t)bytes);
	}
}

static void gather_run(const struct rt_run *r)
{
	const struct gather *g = r->shape_state;
	struct gathering a = {.r = r, .g = g, .size = (int64_t)rt_move_size(r->in[0].dtype)};

	if (g->count > 0 && g->outer > 0)
		rt_team_for(r->team, (size_t)(g->outer * g->count), rt_walk_grain(g->run),
			    gather_range, &a);
}

const struct rt_op rt_op_gather = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .unaligned_inputs = 1 << 0, /* copied as bytes */
    .bind = gather_bind,
    .infer = gather_infer,
    .run = gather_run,
};

/* ---- GatherElements -------------------------------------------------------------------------- */

struct elements {
	int axis;
	struct rt_walk walk; /* out and index in operand 0, the input without its axis in 1 */
	int64_t dim, step;   /* of the axis, in the input */
};

static int elements_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape, *index = &f->in[1].shape;
	int64_t strides[2][RT_WALK_RANK] = {{0}}, dense[RT_RANK_MAX];
	struct elements *e;
	int axis, status;

	status = rt_axes_one(rt_node_int(f->node, "axis", 0), in->rank, &axis, err);
	if (status != RT_OK)
		return status;
	if (index->rank != in->rank)
		return rt_error_set(err, RT_INPUT, "indices of rank %d for data of rank %d",
				    index->rank, in->rank);
	e = rt_infer_alloc(f, sizeof(*e));
	if (e == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	rt_walk_strides(in, dense);
	rt_walk_strides(index, strides[0]);
	for (int d = 0; d < in->rank; d++) {
		if (d != axis && index->dims[d] > in->dims[d])
			return rt_error_set(err, RT_INPUT,
					    "indices of size %lld on axis %d, where data have %lld",
					    (long long)index->dims[d], d, (long long)in->dims[d]);
		strides[1][d] = d == axis ? 0 : dense[d];
	}
	*e = (struct elements){.axis = axis, .dim = in->dims[axis], .step = dense[axis]};
	rt_walk_strided(&e->walk, 2, in->rank, index->dims,
			(const int64_t(*)[RT_WALK_RANK])strides);
	f->shape_state = e;
	f->out[0].shape = *index;
	return RT_OK;
}

static void elements_part(void *arg, const int64_t *at, int64_t n)
{
	const struct rt_run *r = arg;
	const struct elements *e = r->shape_state;
	int64_t size = (int64_t)rt_move_size(r->in[0].dtype);
	char *out = (char *)r->out[0].data + at[0] * size;
	const char *in = (const char *)r->in[0].data + at[1] * size;

	for (int64_t i = 0; i < n; i++) {
		int64_t k;
		if (!rt_index_at(r, &r->in[1], at[0] + i, e->dim, &k))
			return;
		memcpy(out + i * size, in + (i * e->walk.inner_strides[1] + k * e->step) * size,
		       (size_t)size);
	}
}

static void elements_run(const struct rt_run *r)
{
	const struct elements *e = r->shape_state;
	struct rt_run copy = *r;

	rt_walk_each(&e->walk, r->team, elements_part, &copy);
}

const struct rt_op rt_op_gather_elements = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .bind = gather_bind,
    .infer = elements_infer,
    .run = elements_run,
};

/* ---- GatherND -------------------------------------------------------------------------------- */

static int nd_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape, *index = &f->in[1].shape;
	struct rt_shape *out = &f->out[0].shape;
	int64_t batch_dims = rt_node_int(f->node, "batch_dims", 0), step, elems;
	int64_t width = index->rank > 0 ? index->dims[index->rank - 1] : 0;
	int b = (int)batch_dims, rank = 0;
	struct gather *g;

	if (index->rank < 1 || batch_dims < 0 || batch_dims >= index->rank || width < 1 ||
	    b >= in->rank || width > in->rank - b)
		return rt_error_set(err, RT_INPUT,
				    "indices of rank %d ending in %lld, batch_dims %lld, for data "
				    "of rank %d",
				    index->rank, (long long)width, (long long)batch_dims, in->rank);
	if (index->rank - 1 + in->rank - b - (int)width > RT_RANK_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "the output has more than %d dimensions",
				    RT_RANK_MAX);
	g = gather_plan(f, err);
	if (g == NULL)
		return RT_MEMORY;
	g->outer = g->count = g->run = 1;
	for (int d = 0; d < b; d++) {
		if (in->dims[d] != index->dims[d])
			return rt_error_set(err, RT_INPUT, "batch dimension %d differs", d);
	}
	for (int d = 0; d < index->rank - 1; d++)
		out->dims[rank++] = index->dims[d];
	for (int d = b + (int)width; d < in->rank; d++)
		out->dims[rank++] = in->dims[d];
	out->rank = rank;
	if (!rt_shape_elems(out, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	if (elems == 0) {
		g->count = 0;
		return RT_OK;
	}
	for (int d = 0; d < index->rank - 1; d++)
		*(d < b ? &g->outer : &g->count) *= index->dims[d];
	for (int d = b + (int)width; d < in->rank; d++)
		g->run *= in->dims[d];
	g->width = (int)width;
	step = rt_walk_is_empty(in) ? 0 : g->run;
	for (int d = g->width - 1; d >= 0; d--) {
		g->dims[d] = in->dims[b + d];
		g->steps[d] = step;
		step *= g->dims[d];
	}
	g->batch = step;
	return RT_OK;
}

static void nd_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct gathering *a = arg;
	const struct gather *g = a->g;
	const struct rt_run *r = a->r;
	int64_t bytes = g->run * a->size;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t from = i / g->count * g->batch;
		for (int d = 0; d < g->width; d++) {
			int64_t k;
			if (!rt_index_at(r, &r->in[1], i * g->width + d, g->dims[d], &k))
				return;
			from += k * g->steps[d];
		}
		memcpy((char *)r->out[0].data + i * bytes,
		       (const char *)r->in[0].data + from * a->size, (size_t)bytes);
	}
}

static void nd_run(const struct rt_run *r)
{
	const struct gather *g = r->shape_state;
	struct gathering a = {.r = r, .g = g, .size = (int64_t)rt_move_size(r->in[0].dtype)};

	if (g->count > 0 && g->outer > 0)
		rt_team_for(r->team, (size_t)(g->outer * g->count), rt_walk_grain(g->run), nd_range,
			    &a);
}

const struct rt_op rt_op_gather_nd = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .bind = gather_bind,
    .infer = nd_infer,
    .run = nd_run,
};
