/* SPDX-License-Identifier: MIT */
/*
 * pool_nhwc.c — larder.MaxPool, larder.AveragePool and larder.GlobalAveragePool
 * on channels-last float32 tensors [N][H][W][C] or [N][W][C]; made by
 * pass_layout.c.  The attributes are those of the ONNX operators.
 *
 * As in conv_depthwise.c the work is cut into rows of output, and a row into
 * runs of pixels that see the same window.
 */
#include <config.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/spatial.h"

#define ROWS_MAX 64 /* of a window that the kernel sees at a time */

struct pool {
	const struct rt_kernels *kernels;
	bool is_max, include_pad;
};

struct shape_state {
	struct rt_spatial s;
	int64_t batch, channels;
};

static int bind(struct rt_bind *b, bool is_max)
{
	struct pool *p = b->state;
	p->kernels = b->kernels;
	p->is_max = is_max;
	p->include_pad = rt_node_int(b->node, "count_include_pad", 0) != 0;
	return RT_OK;
}

static int max_bind(struct rt_bind *b, struct rt_error *err)
{
	(void)err;
	return bind(b, true);
}

static int average_bind(struct rt_bind *b, struct rt_error *err)
{
	(void)err;
	return bind(b, false);
}

static int pool_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	struct shape_state *st = rt_infer_alloc(f, sizeof *st);
	int rank = x->rank - 2, status;
	if (!st)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if (rank < 1 || rank > 2)
		return rt_error_set(err, RT_INPUT, "input of rank %d", x->rank);
	if ((status = rt_spatial_infer(f->node, rank, x->dims + 1, NULL, &st->s, err)))
		return status;
	if (st->s.kernel[1] > ROWS_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "a window of %lld rows",
				    (long long)st->s.kernel[1]);
	st->batch = x->dims[0];
	st->channels = x->dims[x->rank - 1];
	f->out[0].shape = *x;
	for (int d = 0; d < rank; d++)
		f->out[0].shape.dims[1 + d] = st->s.out[3 - rank + d];
	f->shape_state = st;
	return RT_OK;
}

struct job {
	const struct pool *p;
	const struct shape_state *st;
	const float *x;
	float *y;
};

/* Positions of a window along ${axis} that count: those inside, or over the pads too. */
static int64_t counted(const struct job *j, int axis, int64_t o, int64_t inside)
{
	const struct rt_spatial *s = &j->st->s;
	int64_t room, taps;
	if (!j->p->include_pad)
		return inside;
	room = s->in[axis] + s->begin[axis] + s->end[axis] - o * s->stride[axis];
	taps = room <= 0 ? 0 : (room - 1) / s->dilation[axis] + 1;
	return taps < s->kernel[axis] ? taps : s->kernel[axis];
}

/* Output pixels ${from} … of a row; ${rows}: the rows of their windows, [n]. */
static void pixels_run(const struct job *j, const float *const *rows, int64_t n, int64_t high,
		       float *y, int64_t from, int64_t pixels)
{
	const struct rt_spatial *s = &j->st->s;
	const int64_t c = j->st->channels;
	const float *in[ROWS_MAX];
	int64_t first, count, at;
	struct rt_window win = {
	    .channels = (size_t)c,
	    .pixels = (size_t)pixels,
	    .in = in,
	    .in_tap = (size_t)(s->dilation[2] * c),
	    .in_step = (size_t)(s->stride[2] * c),
	    .y = y + from * c,
	    .y_step = (size_t)c,
	};
	rt_spatial_taps(s, 2, from, &first, &count);
	at = from * s->stride[2] - s->begin[2] + first * s->dilation[2];
	win.cols = (size_t)count;
	win.rows = count > 0 ? (size_t)n : 0;
	for (int64_t r = 0; r < n; r++)
		in[r] = count > 0 ? rows[r] + at * c : NULL;
	if (j->p->is_max)
		j->p->kernels->f32_pool->max(&win);
	else
		j->p->kernels->f32_pool->sum(&win,
					     1.0f / (float)(high * counted(j, 2, from, count)));
}

static void one_row(const struct job *j, int64_t n, int64_t oh)
{
	const struct rt_spatial *s = &j->st->s;
	const int64_t c = j->st->channels;
	float *y = j->y + (n * s->out[1] + oh) * s->out[2] * c;
	const float *rows[ROWS_MAX];
	int64_t first, count, inside, end, high;
	rt_spatial_taps(s, 1, oh, &first, &count);
	for (int64_t r = 0; r < count; r++) {
		int64_t h = oh * s->stride[1] - s->begin[1] + (first + r) * s->dilation[1];
		rows[r] = j->x + (n * s->in[1] + h) * s->in[2] * c;
	}
	high = counted(j, 1, oh, count);
	rt_spatial_inside(s, 2, &inside, &end);
	for (int64_t o = 0; o < s->out[2];) {
		int64_t pixels = o == inside && inside < end ? end - o : 1;
		pixels_run(j, rows, count, high, y, o, pixels);
		o += pixels;
	}
}

static void row_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const int64_t height = j->st->s.out[1];
	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++)
		one_row(j, i / height, i % height);
}

static void pool_run(const struct rt_run *r)
{
	const struct shape_state *st = r->shape_state;
	const struct rt_spatial *s = &st->s;
	struct job j = {.p = r->state, .st = st, .x = r->in[0].data, .y = r->out[0].data};
	const int64_t work = s->out[2] * st->channels * s->kernel[1] * s->kernel[2];
	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)(st->batch * s->out[1]),
			    (size_t)(100000 / (work + 1) + 1), row_range, &j);
}

const struct rt_op rt_op_max_pool_nhwc = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct pool),
    .bind = max_bind,
    .infer = pool_infer,
    .run = pool_run,
};
const struct rt_op rt_op_average_pool_nhwc = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct pool),
    .bind = average_bind,
    .infer = pool_infer,
    .run = pool_run,
};

/* ---- global average: one window, the whole plane as a single row --------------------------------
 */

static int global_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	if (x->rank < 3)
		return rt_error_set(err, RT_INPUT, "input of rank %d", x->rank);
	f->out[0].shape = *x;
	for (int d = 1; d < x->rank - 1; d++)
		f->out[0].shape.dims[d] = 1;
	return RT_OK;
}

struct plane {
	const struct rt_kernels *kernels;
	size_t pixels, channels;
	const float *x;
	float *y;
};

/* Channels in groups of 64 of all planes: item i is group i % groups of plane i / groups. */
static void plane_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct plane *p = arg;
	const size_t groups = (p->channels + 63) / 64;
	(void)thread;
	for (size_t i = begin; i < end; i++) {
		const size_t n = i / groups, c = i % groups * 64;
		const float *in = p->x + n * p->pixels * p->channels + c;
		const struct rt_window win = {
		    .channels = p->channels - c < 64 ? p->channels - c : 64,
		    .pixels = 1,
		    .rows = 1,
		    .cols = p->pixels,
		    .in = &in,
		    .in_tap = p->channels,
		    .in_step = p->channels,
		    .y = p->y + n * p->channels + c,
		    .y_step = p->channels,
		};
		p->kernels->f32_pool->sum(&win, 1.0f / (float)p->pixels);
	}
}

static void global_run(const struct rt_run *r)
{
	const struct pool *pool = r->state;
	const struct rt_shape *x = &r->in[0].shape;
	struct plane p = {
	    .kernels = pool->kernels, .pixels = 1, .x = r->in[0].data, .y = r->out[0].data};
	p.channels = (size_t)x->dims[x->rank - 1];
	for (int d = 1; d < x->rank - 1; d++)
		p.pixels *= (size_t)x->dims[d];
	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)x->dims[0] * ((p.channels + 63) / 64),
			    1 + 2000 / (p.pixels + 1), plane_range, &p);
}

const struct rt_op rt_op_global_average_pool_nhwc = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct pool),
    .bind = average_bind,
    .infer = global_infer,
    .run = global_run,
};
