/* SPDX-License-Identifier: MIT */
/*
 * onehot.c — OneHot: a new axis of `depth` where the index is on and the rest is
 * off; an index outside −depth..depth−1 is off everywhere.  ReverseSequence: the
 * first sequence_lens[b] steps of each batch in reverse order.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/index.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

struct plan {
	int64_t outer, dim, inner;
};

/* Output type is that of the values, input 2. */
static int one_hot_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			struct rt_error *err)
{
	if (n->in_count < 3 || n->in[2] < 0)
		return rt_error_set(err, RT_MALFORMED, "the values are missing");
	out[0] = g->values[n->in[2]].dtype;
	return RT_OK;
}

static int one_hot_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	struct plan *p = rt_infer_alloc(f, sizeof(*p));
	int64_t depth, one;
	int axis, status;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	if (!rt_shape_elems(&f->in[1].shape, &one) || one != 1 ||
	    !rt_convert_is_number(f->in[1].dtype))
		return rt_error_set(err, RT_INPUT, "depth is not one number");
	if (f->in[2].shape.rank != 1 || f->in[2].shape.dims[0] != 2)
		return rt_error_set(err, RT_INPUT, "values are not [off, on]");
	depth = rt_convert_get_i64(&f->in[1], 0);
	if (in->rank + 1 > RT_RANK_MAX || depth < 1)
		return rt_error_set(err, RT_INPUT, "depth %lld, rank %d", (long long)depth,
				    in->rank);
	status = rt_axes_one(rt_node_int(f->node, "axis", -1), in->rank + 1, &axis, err);
	if (status != RT_OK)
		return status;
	out->rank = in->rank + 1;
	for (int d = 0; d < out->rank; d++)
		out->dims[d] = d == axis ? depth : in->dims[d < axis ? d : d - 1];
	if (!rt_shape_elems(out, &one))
		return rt_error_set(err, RT_INPUT, "depth %lld is too large", (long long)depth);
	rt_walk_around(out, axis, &p->outer, &p->inner);
	p->dim = depth;
	return RT_OK;
}

static void one_hot_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	size_t size = rt_move_size(r->out[0].dtype);
	const char *values = r->in[2].data;
	int64_t n = rt_tensor_elems(&r->out[0]);
	char *out = r->out[0].data;

	for (int64_t i = 0; i < n; i++)
		memcpy(out + i * (int64_t)size, values, size);
	for (int64_t i = 0; i < p->outer * p->inner; i++) {
		double at = rt_convert_get_f64(&r->in[0], i);
		int64_t k = rt_convert_get_i64(&r->in[0], i);
		if (k < 0)
			k += p->dim;
		if (k < 0 || k >= p->dim || floor(at) < at)
			continue;
		memcpy(out +
			   ((i / p->inner * p->dim + k) * p->inner + i % p->inner) * (int64_t)size,
		       values + size, size);
	}
}

const struct rt_op rt_op_one_hot = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1,
    .type = one_hot_type,
    .infer = one_hot_infer,
    .run = one_hot_run,
};

/* ---- ReverseSequence ------------------------------------------------------------------------- */

struct reverse {
	int64_t batch, time, inner;
	int64_t batch_step, time_step; /* elements */
};

static int reverse_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	int64_t batch = rt_node_int(f->node, "batch_axis", 1),
		time = rt_node_int(f->node, "time_axis", 0);
	struct reverse *p = rt_infer_alloc(f, sizeof(*p));
	int64_t rest;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	if (in->rank < 2 || batch < 0 || batch > 1 || time != 1 - batch)
		return rt_error_set(err, RT_INPUT, "batch_axis %lld, time_axis %lld, rank %d",
				    (long long)batch, (long long)time, in->rank);
	if (f->in[1].dtype != RT_I64 || f->in[1].shape.rank != 1 ||
	    f->in[1].shape.dims[0] != in->dims[batch])
		return rt_error_set(err, RT_INPUT, "sequence_lens are not %lld int64",
				    (long long)in->dims[batch]);
	f->out[0].shape = *in;
	rt_walk_around(in, 1, &rest, &p->inner);
	if (rest == 0)
		return RT_OK;
	p->batch = in->dims[batch];
	p->time = in->dims[time];
	p->batch_step = batch == 0 ? in->dims[1] * p->inner : p->inner;
	p->time_step = time == 0 ? in->dims[1] * p->inner : p->inner;
	return RT_OK;
}

static void reverse_run(const struct rt_run *r)
{
	const struct reverse *p = r->shape_state;
	int64_t size = (int64_t)rt_move_size(r->in[0].dtype);

	for (int64_t b = 0; b < p->batch; b++) {
		int64_t length = ((const int64_t *)r->in[1].data)[b];
		if (length < 0 || length > p->time) {
			rt_run_fault(r, "sequence of length %lld of %lld steps", (long long)length,
				     (long long)p->time);
			return;
		}
		for (int64_t t = 0; t < p->time; t++) {
			int64_t from = t < length ? length - 1 - t : t;
			memcpy((char *)r->out[0].data +
				   (b * p->batch_step + t * p->time_step) * size,
			       (const char *)r->in[0].data +
				   (b * p->batch_step + from * p->time_step) * size,
			       (size_t)(p->inner * size));
		}
	}
}

const struct rt_op rt_op_reverse_sequence = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .infer = reverse_infer,
    .run = reverse_run,
};
