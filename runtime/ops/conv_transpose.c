/* SPDX-License-Identifier: MIT */
/*
 * conv_transpose.c — ConvTranspose (ONNX opset 1, 11) on NCHW, one to three
 * spatial dims: every input element adds its multiple of the kernel to the
 * output, at stride times its place less the leading pad.
 *
 *	X [N][C][…], W [C][M/group][…], B [M]; Y [N][M][…]
 *
 * One output plane at a time, built from rows: for each input row and kernel row
 * that meet in an output row, each tap is a multiple of the input row.
 */
#include <config.h>

#include <inttypes.h>

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

static int conv_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct conv *c = f->state;
	const struct rt_shape *x = &f->in[0].shape, *w = &f->in[1].shape;
	const struct rt_shape *b = f->in_count > 2 && f->in[2].dtype ? &f->in[2].shape : NULL;
	struct shape_state *st = rt_infer_alloc(f, sizeof *st);
	int status, rank = x->rank - 2;
	char text[2][128];
	if (!st)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if ((status = rt_op_type_agree(f, 7, err)))
		return status;
	if (x->rank < 3 || w->rank != x->rank || w->dims[0] != x->dims[1] ||
	    x->dims[1] % c->group != 0)
		return rt_error_set(err, RT_INPUT, "input %s and weights %s in %" PRId64 " groups",
				    rt_shape_text(x, text[0], sizeof text[0]),
				    rt_shape_text(w, text[1], sizeof text[1]), c->group);
	if ((status = rt_spatial_transposed(f->node, rank, x->dims + 2, w->dims + 2, &st->s, err)))
		return status;
	st->batch = x->dims[0];
	st->in_channels = x->dims[1];
	st->group = c->group;
	if (__builtin_mul_overflow(w->dims[1], c->group, &st->out_channels))
		return rt_error_set(err, RT_INPUT, "too many channels");
	if (b && (b->rank != 1 || b->dims[0] != st->out_channels))
		return rt_error_set(err, RT_INPUT, "bias %s for %" PRId64 " channels",
				    rt_shape_text(b, text[0], sizeof text[0]), st->out_channels);
	f->out[0].shape = *x;
	f->out[0].shape.dims[1] = st->out_channels;
	for (int i = 0; i < rank; i++)
		f->out[0].shape.dims[2 + i] = st->s.out[3 - rank + i];
	f->shape_state = st;
	return RT_OK;
}

/* Output position of input ${i} and tap ${t} along ${d}; −1 when it is cut off. */
static int64_t meets(const struct rt_spatial *s, int d, int64_t i, int64_t t)
{
	int64_t o = i * s->stride[d] + t * s->dilation[d] - s->begin[d];
	return o >= 0 && o < s->out[d] ? o : -1;
}

#define REAL float
#define SUFFIXED(name) name##_f32
#include "runtime/ops/conv_transpose.body.h"
#undef REAL
#undef SUFFIXED
#define REAL double
#define SUFFIXED(name) name##_f64
#include "runtime/ops/conv_transpose.body.h"

static void conv_run(const struct rt_run *r)
{
	if (rt_tensor_elems(&r->out[0]) == 0)
		return;
	if (r->in[0].dtype == RT_F64)
		spread_f64(r);
	else
		spread_f32(r);
}

const struct rt_op rt_op_conv_transpose = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct conv),
    .bind = conv_bind,
    .infer = conv_infer,
    .run = conv_run,
};
