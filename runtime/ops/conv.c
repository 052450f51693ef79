/* SPDX-License-Identifier: MIT */
/*
 * conv.c — Conv (ONNX opset 1, 11, 22) on NCHW, one to three spatial dims:
 *
 *	Y[n][m] = B[m] + Σ_c X[n][c] ∗ W[m][c],  c over the channels of m's group
 *
 * The plain form, for what pass_layout.c leaves: weights that are no constants,
 * three dims.  One output plane is built from rows: each tap of the kernel adds
 * a multiple of an input row to an output row.  The fast form is conv_nhwc.c.
 */
#include <config.h>

#include <inttypes.h>
#include <string.h>

#include "runtime/op_type.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/spatial.h"

struct conv {
	int64_t group;
};

struct shape_state {
	struct rt_spatial s;
	int64_t batch, in_channels, out_channels, group;
};

static int conv_bind(struct rt_bind *b, struct rt_error *err)
{
	struct conv *c = b->state;
	c->group = rt_node_int(b->node, "group", 1);
	if (c->group < 1 || c->group > INT32_MAX)
		return rt_error_set(err, RT_MALFORMED, "group is %" PRId64, c->group);
	return RT_OK;
}

/* Checks that X, W and B go together. */
static int check_channels(const struct rt_infer *f, int64_t group, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape, *w = &f->in[1].shape;
	const struct rt_shape *b = f->in_count > 2 && f->in[2].dtype ? &f->in[2].shape : NULL;
	char text[2][128];
	int status = rt_op_type_agree(f, 7, err);
	if (status)
		return status;
	if (x->rank < 3 || x->rank > 2 + RT_SPATIAL_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "input of rank %d", x->rank);
	if (w->rank != x->rank || w->dims[0] % group != 0 || x->dims[1] % group != 0 ||
	    w->dims[1] != x->dims[1] / group)
		return rt_error_set(err, RT_INPUT, "input %s and weights %s in %" PRId64 " groups",
				    rt_shape_text(x, text[0], sizeof text[0]),
				    rt_shape_text(w, text[1], sizeof text[1]), group);
	if (b && (b->rank != 1 || b->dims[0] != w->dims[0]))
		return rt_error_set(err, RT_INPUT, "bias %s for %" PRId64 " channels",
				    rt_shape_text(b, text[0], sizeof text[0]), w->dims[0]);
	return RT_OK;
}

static int conv_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct conv *c = f->state;
	const struct rt_shape *x = &f->in[0].shape, *w = &f->in[1].shape;
	struct shape_state *st = rt_infer_alloc(f, sizeof *st);
	int status, rank = x->rank - 2;
	if (!st)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if ((status = check_channels(f, c->group, err)) ||
	    (status = rt_spatial_infer(f->node, rank, x->dims + 2, w->dims + 2, &st->s, err)))
		return status;
	st->batch = x->dims[0];
	st->in_channels = x->dims[1];
	st->out_channels = w->dims[0];
	st->group = c->group;
	f->out[0].shape = *x;
	f->out[0].shape.dims[1] = w->dims[0];
	for (int i = 0; i < rank; i++)
		f->out[0].shape.dims[2 + i] = st->s.out[3 - rank + i];
	f->shape_state = st;
	return RT_OK;
}

#define REAL float
#define SUFFIXED(name) name##_f32
#include "runtime/ops/conv.body.h"
#undef REAL
#undef SUFFIXED
#define REAL double
#define SUFFIXED(name) name##_f64
#include "runtime/ops/conv.body.h"

static void conv_run(const struct rt_run *r)
{
	if (rt_tensor_elems(&r->out[0]) == 0)
		return;
	if (r->in[0].dtype == RT_F64)
		convolve_f64(r);
	else
		convolve_f32(r);
}

const struct rt_op rt_op_conv = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct conv),
    .bind = conv_bind,
    .infer = conv_infer,
    .run = conv_run,
};
