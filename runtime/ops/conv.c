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

struct job {
	const struct shape_state *st;
	const float *x, *w, *bias;
	float *y;
};

/* One input row times the kernel row w[kernel width], added to one output row. */
static void add_row(const struct rt_spatial *s, const float *x, const float *w, float *y)
{
	const int64_t step = s->stride[2];
	for (int64_t t = 0; t < s->kernel[2]; t++) {
		/* the output positions for which this tap is inside: 0 ≤ o·step + at < in */
		int64_t at = t * s->dilation[2] - s->begin[2];
		int64_t first = at < 0 ? (-at + step - 1) / step : 0;
		int64_t end = at < s->in[2] ? (s->in[2] - 1 - at) / step + 1 : 0;
		const float k = w[t];
		if (end > s->out[2])
			end = s->out[2];
		for (int64_t o = first; o < end; o++)
			y[o] += k * x[o * step + at];
	}
}

/* Output plane ${y} of one channel += one input plane ∗ one kernel. */
static void add_plane(const struct rt_spatial *s, const float *x, const float *w, float *y)
{
	for (int64_t od = 0; od < s->out[0]; od++) {
		int64_t d0, dn;
		rt_spatial_taps(s, 0, od, &d0, &dn);
		for (int64_t oh = 0; oh < s->out[1]; oh++, y += s->out[2]) {
			int64_t h0, hn;
			rt_spatial_taps(s, 1, oh, &h0, &hn);
			for (int64_t i = 0; i < dn * hn; i++) {
				int64_t kd = d0 + i / hn, kh = h0 + i % hn;
				int64_t d = od * s->stride[0] - s->begin[0] + kd * s->dilation[0];
				int64_t h = oh * s->stride[1] - s->begin[1] + kh * s->dilation[1];
				add_row(s, x + (d * s->in[1] + h) * s->in[2],
					w + (kd * s->kernel[1] + kh) * s->kernel[2], y);
			}
		}
	}
}

/* Output planes ${begin} … ${end} − 1 of batch · out_channels. */
static void planes(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct shape_state *st = j->st;
	const struct rt_spatial *s = &st->s;
	const int64_t in_plane = s->in[0] * s->in[1] * s->in[2];
	const int64_t out_plane = s->out[0] * s->out[1] * s->out[2];
	const int64_t kernel = s->kernel[0] * s->kernel[1] * s->kernel[2];
	const int64_t per_group = st->in_channels / st->group;
	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t n = i / st->out_channels, m = i % st->out_channels;
		int64_t group = m / (st->out_channels / st->group);
		const float *x = j->x + (n * st->in_channels + group * per_group) * in_plane;
		float *y = j->y + i * out_plane;
		for (int64_t k = 0; k < out_plane; k++)
			y[k] = j->bias ? j->bias[m] : 0.0f;
		for (int64_t c = 0; c < per_group; c++)
			add_plane(s, x + c * in_plane, j->w + (m * per_group + c) * kernel, y);
	}
}

static void conv_run(const struct rt_run *r)
{
	const struct shape_state *st = r->shape_state;
	struct job j = {.st = st, .x = r->in[0].data, .w = r->in[1].data, .y = r->out[0].data};
	if (r->in_count > 2)
		j.bias = r->in[2].data;
	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)(st->batch * st->out_channels), 1, planes, &j);
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
