/* SPDX-License-Identifier: MIT */
/*
 * scatter.c — writing by index, into a copy of the data: ScatterElements (and
 * Scatter, its first name), ScatterND, TensorScatter.
 *
 *	ScatterElements  out[.. index[.. j ..] ..] = updates[.. j ..]   along one axis
 *	ScatterND        out[index[j..].., k..]    = updates[j.., k..]
 *	TensorScatter    out[.. (write_indices[b] + j) ..] = update[b .. j ..], a KV cache
 *
 * Opset changes that matter: `reduction` add and mul (16), min and max (18):
 * duplicates of an index are combined in order.  Without reduction the last of
 * duplicates wins.  One thread: order is the result.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/binary.h"
#include "runtime/ops/index.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

struct scatter {
	struct rt_elementwise_2 reduce;
	bool reduces;
	enum rt_dtype dtype;
};

static int scatter_bind(struct rt_bind *b, struct rt_error *err)
{
	static const char *const names[4][2] = {
	    {"add", "Add"}, {"mul", "Mul"}, {"min", "Min"}, {"max", "Max"}};
	struct scatter *s = b->state;

	s->dtype = rt_elementwise_bound(b, 0);
	if (rt_elementwise_bound(b, 2) != s->dtype)
		return rt_error_set(err, RT_MALFORMED, "the data are %s, but the updates are %s",
				    rt_dtype_name(s->dtype),
				    rt_dtype_name(rt_elementwise_bound(b, 2)));
	for (int i = 0; i < 4; i++) {
		if (!rt_node_string_is(b->node, "reduction", names[i][0], "none"))
			continue;
		s->reduces = true;
		if (!rt_binary_choose(&s->reduce, names[i][1], s->dtype, b->kernels))
			return rt_error_set(err, RT_UNSUPPORTED, "reduction of %s",
					    rt_dtype_name(s->dtype));
	}
	if (!s->reduces && !rt_node_string_is(b->node, "reduction", "none", "none"))
		return rt_error_set(err, RT_MALFORMED, "unknown reduction");
	return rt_index_check(b, 1, err);
}

static void copy_data(const struct rt_run *r)
{
	size_t bytes = rt_tensor_bytes(&r->in[0]);

	if (bytes > 0 && r->out[0].data != r->in[0].data)
		memcpy(r->out[0].data, r->in[0].data, bytes);
}

/* ${n} contiguous elements of updates go to ${to}. */
static void put(const struct scatter *s, char *to, const char *from, int64_t n)
{
	if (!s->reduces) {
		memcpy(to, from, (size_t)n * rt_move_size(s->dtype));
	} else if (!s->reduce.half) {
		s->reduce.fn((size_t)n, to, 1, from, 1, to);
	} else {
		for (int64_t i = 0; i < n; i++) {
			float a, b;
			rt_convert_to_f32(s->dtype, to, i, 1, &a);
			rt_convert_to_f32(s->dtype, from, i, 1, &b);
			s->reduce.fn(1, &a, 1, &b, 1, &a);
			rt_convert_from_f32(s->dtype, &a, 1, to, i);
		}
	}
}

/* ---- ScatterElements ------------------------------------------------------------------------- */

struct elements {
	struct rt_walk walk; /* 0: updates and indices, 1: output without its axis */
	int64_t dim, step;
};

static int elements_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape, *index = &f->in[1].shape;
	int64_t strides[2][RT_WALK_RANK] = {{0}}, dense[RT_RANK_MAX];
	struct elements *e = rt_infer_alloc(f, sizeof(*e));
	int axis, status;

	if (e == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = e;
	status = rt_axes_one(rt_node_int(f->node, "axis", 0), in->rank, &axis, err);
	if (status != RT_OK)
		return status;
	if (index->rank != in->rank || !rt_shape_equal(index, &f->in[2].shape))
		return rt_error_set(err, RT_INPUT,
				    "indices and updates differ in shape, or in rank "
				    "from the data");
	rt_walk_strides(in, dense);
	rt_walk_strides(index, strides[0]);
	for (int d = 0; d < in->rank; d++) {
		if (d != axis && index->dims[d] > in->dims[d])
			return rt_error_set(err, RT_INPUT,
					    "indices of size %lld on axis %d, where data have %lld",
					    (long long)index->dims[d], d, (long long)in->dims[d]);
		strides[1][d] = d == axis ? 0 : dense[d];
	}
	e->dim = in->dims[axis];
	e->step = dense[axis];
	rt_walk_strided(&e->walk, 2, in->rank, index->dims,
			(const int64_t(*)[RT_WALK_RANK])strides);
	f->out[0].shape = *in;
	return RT_OK;
}

static void elements_run(const struct rt_run *r)
{
	const struct elements *e = r->shape_state;
	const struct rt_walk *w = &e->walk;
	int64_t size = (int64_t)rt_move_size(r->in[0].dtype), index[RT_WALK_RANK] = {0};
	int64_t from = 0, to = 0;

	copy_data(r);
	for (int64_t run = 0; run < w->outer; run++) {
		for (int64_t i = 0; i < w->inner; i++) {
			int64_t k, at = from + i * w->inner_strides[0];
			if (!rt_index_at(r, &r->in[1], at, e->dim, &k))
				return;
			put(r->state,
			    (char *)r->out[0].data +
				(to + i * w->inner_strides[1] + k * e->step) * size,
			    (const char *)r->in[2].data + at * size, 1);
		}
		for (int d = w->rank - 1; d >= 0; d--) {
			from += w->strides[0][d];
			to += w->strides[1][d];
			if (++index[d] < w->dims[d])
				break;
			from -= w->dims[d] * w->strides[0][d];
			to -= w->dims[d] * w->strides[1][d];
			index[d] = 0;
		}
	}
}

const struct rt_op rt_op_scatter_elements = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct scatter),
    .bind = scatter_bind,
    .infer = elements_infer,
    .run = elements_run,
};

/* ---- ScatterND ------------------------------------------------------------------------------- */

struct nd {
	int64_t count, run; /* blocks, elements of one */
	int width;
	int64_t dims[RT_RANK_MAX], steps[RT_RANK_MAX];
};

static int nd_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape, *index = &f->in[1].shape;
	struct rt_shape want = {.rank = 0};
	struct nd *n = rt_infer_alloc(f, sizeof(*n));
	int64_t width = index->rank > 0 ? index->dims[index->rank - 1] : 0;
	char text[2][80];
	int64_t elems;

	if (n == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = n;
	if (width < 1 || width > in->rank || index->rank - 1 + in->rank - (int)width > RT_RANK_MAX)
		return rt_error_set(err, RT_INPUT, "indices of shape %s for data of rank %d",
				    rt_shape_text(index, text[0], sizeof(text[0])), in->rank);
	for (int d = 0; d < index->rank - 1; d++)
		want.dims[want.rank++] = index->dims[d];
	for (int d = (int)width; d < in->rank; d++)
		want.dims[want.rank++] = in->dims[d];
	if (!rt_shape_equal(&want, &f->in[2].shape))
		return rt_error_set(err, RT_INPUT, "updates of shape %s; %s was expected",
				    rt_shape_text(&f->in[2].shape, text[0], sizeof(text[0])),
				    rt_shape_text(&want, text[1], sizeof(text[1])));
	f->out[0].shape = *in;
	if (!rt_shape_elems(&want, &elems) || elems == 0)
		return RT_OK;
	n->width = (int)width;
	n->run = 1;
	for (int d = (int)width; d < in->rank; d++)
		n->run *= in->dims[d];
	n->count = elems / n->run;
	elems = rt_walk_is_empty(in) ? 0 : n->run;
	for (int d = n->width - 1; d >= 0; d--) {
		n->dims[d] = in->dims[d];
		n->steps[d] = elems;
		elems *= in->dims[d];
	}
	return RT_OK;
}

static void nd_run(const struct rt_run *r)
{
	const struct nd *n = r->shape_state;
	int64_t size = (int64_t)rt_move_size(r->in[0].dtype);

	copy_data(r);
	for (int64_t i = 0; i < n->count; i++) {
		int64_t to = 0;
		for (int d = 0; d < n->width; d++) {
			int64_t k;
			if (!rt_index_at(r, &r->in[1], i * n->width + d, n->dims[d], &k))
				return;
			to += k * n->steps[d];
		}
		put(r->state, (char *)r->out[0].data + to * size,
		    (const char *)r->in[2].data + i * n->run * size, n->run);
	}
}

const struct rt_op rt_op_scatter_nd = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct scatter),
    .bind = scatter_bind,
    .infer = nd_infer,
    .run = nd_run,
};

/* ---- TensorScatter --------------------------------------------------------------------------- */

struct cache {
	int64_t batch, outer, dim, count, inner; /* count: positions of the update */
	bool circular;
};

static int tensor_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *past = &f->in[0].shape, *update = &f->in[1].shape;
	struct cache *c = rt_infer_alloc(f, sizeof(*c));
	struct rt_shape same = *update;
	int axis, status;

	if (c == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = c;
	status = rt_axes_one(rt_node_int(f->node, "axis", -2), past->rank, &axis, err);
	if (status != RT_OK)
		return status;
	if (f->in[1].dtype != f->in[0].dtype)
		return rt_error_set(err, RT_INPUT, "the cache is %s, the update %s",
				    rt_dtype_name(f->in[0].dtype), rt_dtype_name(f->in[1].dtype));
	if (update->rank != past->rank || axis == 0)
		return rt_error_set(err, RT_INPUT,
				    "axis %d, an update of rank %d, a cache of rank %d", axis,
				    update->rank, past->rank);
	same.dims[axis] = past->dims[axis];
	if (!rt_shape_equal(&same, past))
		return rt_error_set(err, RT_INPUT,
				    "the update and the cache differ outside axis %d", axis);
	if (f->in_count > 2 && f->in[2].dtype != RT_NONE &&
	    (f->in[2].shape.rank != 1 || f->in[2].shape.dims[0] != past->dims[0] ||
	     (f->in[2].dtype != RT_I64 && f->in[2].dtype != RT_I32)))
		return rt_error_set(err, RT_INPUT, "write_indices are not %lld integers",
				    (long long)past->dims[0]);
	f->out[0].shape = *past;
	rt_walk_around(update, axis, &c->outer, &c->inner);
	if (c->outer == 0 || rt_walk_is_empty(past)) {
		c->outer = 0;
		return RT_OK;
	}
	c->batch = past->dims[0];
	c->outer /= c->batch;
	c->dim = past->dims[axis];
	c->count = update->dims[axis];
	c->circular = rt_node_string_is(f->node, "mode", "circular", "linear");
	return RT_OK;
}

static void tensor_run(const struct rt_run *r)
{
	const struct cache *c = r->shape_state;
	int64_t size = (int64_t)rt_move_size(r->in[0].dtype) * c->inner;
	bool given = r->in_count > 2 && r->in[2].data != NULL;

	copy_data(r);
	for (int64_t i = 0; i < (c->outer == 0 ? 0 : c->batch * c->outer); i++) {
		int64_t first = given ? rt_index_get(&r->in[2], i / c->outer) : 0;

		if (first < 0 || (!c->circular && first > c->dim - c->count)) {
			rt_run_fault(r, "position %lld of a cache of %lld", (long long)first,
				     (long long)c->dim);
			return;
		}
		for (int64_t j = 0; j < c->count; j++) {
			int64_t k = c->circular ? (first % c->dim + j) % c->dim : first + j;
			memcpy((char *)r->out[0].data + (i * c->dim + k) * size,
			       (const char *)r->in[1].data + (i * c->count + j) * size,
			       (size_t)size);
		}
	}
}

const struct rt_op rt_op_tensor_scatter = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .infer = tensor_infer,
    .run = tensor_run,
};
