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

struct job {
	const struct shape_state *st;
	const float *x, *w, *bias;
	float *y;
};

/* Output row y[out] += input row x[in] spread by the kernel row w[kernel]. */
static void add_row(const struct rt_spatial *s, const float *x, const float *w, float *y)
{
	const int64_t step = s->stride[2];
	for (int64_t t = 0; t < s->kernel[2]; t++) {
		/* input positions whose output i·step + at is in the row */
		int64_t at = t * s->dilation[2] - s->begin[2];
		int64_t first = at < 0 ? (-at + step - 1) / step : 0;
		int64_t end = at < s->out[2] ? (s->out[2] - 1 - at) / step + 1 : 0;
		if (end > s->in[2])
			end = s->in[2];
		for (int64_t i = first; i < end; i++)
			y[i * step + at] += w[t] * x[i];
	}
}

/* Output position of input ${i} and tap ${t} along ${d}; −1 when it is cut off. */
static int64_t meets(const struct rt_spatial *s, int d, int64_t i, int64_t t)
{
	int64_t o = i * s->stride[d] + t * s->dilation[d] - s->begin[d];
	return o >= 0 && o < s->out[d] ? o : -1;
}

static void add_plane(const struct rt_spatial *s, const float *x, const float *w, float *y)
{
	const int64_t rows = s->in[0] * s->in[1], taps = s->kernel[0] * s->kernel[1];
	for (int64_t i = 0; i < rows; i++) {
		for (int64_t t = 0; t < taps; t++) {
			int64_t d = meets(s, 0, i / s->in[1], t / s->kernel[1]);
			int64_t h = meets(s, 1, i % s->in[1], t % s->kernel[1]);
			if (d >= 0 && h >= 0)
				add_row(s, x + i * s->in[2], w + t * s->kernel[2],
					y + (d * s->out[1] + h) * s->out[2]);
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
	const int64_t in_group = st->in_channels / st->group;
	const int64_t out_group = st->out_channels / st->group;
	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t n = i / st->out_channels, m = i % st->out_channels;
		float *y = j->y + i * out_plane;
		for (int64_t k = 0; k < out_plane; k++)
			y[k] = j->bias ? j->bias[m] : 0.0f;
		for (int64_t c = 0; c < in_group; c++) {
			int64_t channel = m / out_group * in_group + c;
			add_plane(s, j->x + (n * st->in_channels + channel) * in_plane,
				  j->w + (channel * out_group + m % out_group) * kernel, y);
		}
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
