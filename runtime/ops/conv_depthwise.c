/* SPDX-License-Identifier: MIT */
/*
 * conv_depthwise.c — the case of larder.Conv in which every channel is filtered
 * alone.  Called by conv_nhwc.c and conv_chain.c.
 *
 * The work is cut into rows of output.  Rows of 3 × 3 taps are the kernel's own.  In
 * others the pixels whose windows lie inside the input are one run of the kernel;
 * those at the left and right edge see fewer taps and are runs of one pixel each.
 * Rows of the window above or below the input are left out.
 */
#include <config.h>

#include "runtime/ops/conv_depthwise.h"

#define ROWS_MAX 32 /* of a window; taller kernels are refused */

int rt_conv_depthwise_pack(struct rt_bind *b, struct rt_conv *c, const float *w,
			   struct rt_error *err)
{
	const int64_t taps = c->kernel[0] * c->kernel[1], channels = c->out_channels;
	float *to = rt_bind_alloc(b, (size_t)(taps * channels) * sizeof *to);
	if (!to)
		return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
	if (c->kernel[0] > ROWS_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "a depthwise kernel of %lld rows",
				    (long long)c->kernel[0]);
	for (int64_t t = 0; t < taps; t++)
		for (int64_t i = 0; i < channels; i++)
			to[t * channels + i] = w[i * taps + t];
	c->w = to;
	return RT_OK;
}

/* One image. */
struct job {
	const struct rt_conv *c;
	const struct rt_spatial *s;
	const struct rt_conv_rows *x;
	const float *bias;
};

/* The rows of the window of an output row: pointers to their first pixel. */
struct band {
	int64_t first, count; /* taps of the kernel's height that are inside */
	const float *rows[ROWS_MAX];
};

static const float *row_at(const struct job *j, int64_t h)
{
	return j->x->data + h % j->x->count * j->s->in[2] * j->c->out_channels;
}

/* Output pixels ${from} … ${from} + ${pixels} − 1 of a row, which see ${count} taps from ${first}.
 */
static void pixels_run(const struct job *j, const struct band *band, float *y, int64_t from,
		       int64_t pixels, int64_t first, int64_t count)
{
	const struct rt_conv *c = j->c;
	const struct rt_spatial *s = j->s;
	const int64_t channels = c->out_channels;
	const int64_t at = from * s->stride[2] - s->begin[2] + first * s->dilation[2];
	const float *in[ROWS_MAX];
	const struct rt_window win = {
	    .channels = (size_t)channels,
	    .pixels = (size_t)pixels,
	    .rows = count > 0 ? (size_t)band->count : 0,
	    .cols = (size_t)count,
	    .in = in,
	    .in_tap = (size_t)(s->dilation[2] * channels),
	    .in_step = (size_t)(s->stride[2] * channels),
	    .y = y + from * channels,
	    .y_step = (size_t)channels,
	};
	for (int64_t r = 0; r < band->count; r++)
		in[r] = count > 0 ? band->rows[r] + at * channels : NULL;
	c->kernels->f32_dwconv->run(&win, c->w + (band->first * c->kernel[1] + first) * channels,
				    (size_t)(c->kernel[1] * channels), (size_t)channels, j->bias,
				    c->act.lo, c->act.hi);
}

static void one_row(const struct job *j, int64_t oh, float *y)
{
	const struct rt_spatial *s = j->s;
	struct band band;
	int64_t inside, end, first, count;
	rt_spatial_taps(s, 1, oh, &band.first, &band.count);
	for (int64_t r = 0; r < band.count; r++)
		band.rows[r] =
		    row_at(j, oh * s->stride[1] - s->begin[1] + (band.first + r) * s->dilation[1]);
	rt_spatial_inside(s, 2, &inside, &end);
	for (int64_t o = 0; o < s->out[2];) {
		if (o == inside && inside < end) {
			pixels_run(j, &band, y, o, end - o, 0, s->kernel[2]);
			o = end;
			continue;
		}
		rt_spatial_taps(s, 2, o, &first, &count);
		pixels_run(j, &band, y, o, 1, first, count);
		o++;
	}
}

/* Can f32_dwconv make whole rows? */
static bool is_square(const struct rt_spatial *s)
{
	return s->kernel[1] == 3 && s->kernel[2] == 3 && s->dilation[1] == 1 &&
	       s->dilation[2] == 1 && s->stride[2] <= 2 && s->begin[2] <= 1 &&
	       (s->out[2] - 1) * s->stride[2] + 3 <= s->begin[2] + s->in[2] + 1;
}

/* Rows ${oh} … ${oh} + ${count} − 1, count ≤ 2, and 1 where strides are not. */
static void square_rows(const struct job *j, int64_t oh, int64_t count, float *y)
{
	const struct rt_spatial *s = j->s;
	const struct rt_conv *c = j->c;
	struct rt_dw_rows d = {.channels = (size_t)c->out_channels,
			       .pixels = (size_t)s->out[2],
			       .count = (size_t)count,
			       .stride = (size_t)s->stride[2],
			       .width = (size_t)s->in[2],
			       .left = (size_t)s->begin[2],
			       .w = c->w,
			       .bias = j->bias,
			       .lo = c->act.lo,
			       .hi = c->act.hi,
			       .y = {y, y + s->out[2] * c->out_channels}};
	for (int64_t r = 0; r < count + 2; r++) {
		const int64_t h = oh * s->stride[1] - s->begin[1] + r;
		d.in[r] = h >= 0 && h < s->in[1] ? row_at(j, h) : NULL;
	}
	c->kernels->f32_dwconv->rows(&d);
}

void rt_conv_depthwise_rows(const struct rt_conv *c, const struct rt_spatial *s,
			    const struct rt_conv_rows *x, const float *bias, int64_t first,
			    int64_t count, float *y)
{
	const struct job j = {c, s, x, bias};
	const int64_t row = s->out[2] * c->out_channels;
	const bool square = is_square(s), pairs = square && s->stride[1] == 1 && s->stride[2] == 1;
	for (int64_t i = 0, n; i < count; i += n) {
		n = pairs && i + 1 < count ? 2 : 1;
		if (square)
			square_rows(&j, first + i, n, y + i * row);
		else
			one_row(&j, first + i, y + i * row);
		if (c->act.fn)
			c->act.fn((size_t)(n * row), y + i * row, y + i * row, &c->act.params);
	}
}

struct all {
	const struct rt_conv *c;
	const struct rt_conv_shape *st;
	const float *x, *bias;
	float *y;
};

/* Rows of all images. */
static void rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct all *a = arg;
	const struct rt_spatial *s = &a->st->s;
	const int64_t channels = a->c->out_channels, last = (int64_t)end;
	(void)thread;
	for (int64_t i = (int64_t)begin, n; i < last; i += n) {
		const int64_t image = i / s->out[1], first = i % s->out[1];
		const struct rt_conv_rows x = {a->x + image * s->in[1] * s->in[2] * channels,
					       s->in[1]};
		n = last - i < s->out[1] - first ? last - i : s->out[1] - first;
		rt_conv_depthwise_rows(a->c, s, &x, a->bias, first, n,
				       a->y + i * s->out[2] * channels);
	}
}

void rt_conv_depthwise_run(const struct rt_run *r, const struct rt_conv *c,
			   const struct rt_conv_shape *st)
{
	struct all a = {.c = c, .st = st, .x = r->in[0].data, .y = r->out[0].data};
	const int64_t row_work = st->s.out[2] * c->out_channels * c->kernel[0] * c->kernel[1];
	size_t grain = row_work > 100000 ? 2 : (size_t)(100000 / (row_work + 1) + 1);
	if (r->in_count > 2)
		a.bias = r->in[2].data;
	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)(st->batch * st->s.out[1]), grain, rows, &a);
}
