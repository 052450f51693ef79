/* SPDX-License-Identifier: MIT */
/*
 * grid_sample.c — GridSample: out[n, c, p..] = X[n, c] at the place grid[n, p..]
 * says (−1..1 from edge to edge), nearest, linear or cubic.  The neighbours of a
 * point and their weights are found once and used for every channel.
 *
 * Opset changes that matter: 16 has 4-D input and the modes bilinear and
 * bicubic; 20 any number of spatial axes, linear and cubic.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

#define SPACE_MAX 3 /* spatial axes */
#define TAPS_MAX 64 /* 4 per axis */

enum mode { NEAREST, LINEAR, CUBIC };
enum padding { ZEROS, BORDER, REFLECTION };

struct sample {
	enum mode mode;
	enum padding padding;
	bool corners;
};

struct plan {
	int space;
	int64_t dims[SPACE_MAX], steps[SPACE_MAX]; /* of the input's spatial axes */
	int64_t batch, channels, pixels;           /* pixels of a channel of the input */
	int64_t points;                            /* of the output per batch */
};

static int sample_bind(struct rt_bind *b, struct rt_error *err)
{
	struct sample *s = b->state;
	const struct rt_node *n = b->node;

	if (rt_node_string_is(n, "mode", "nearest", "linear"))
		s->mode = NEAREST;
	else if (rt_node_string_is(n, "mode", "cubic", "linear") ||
		 rt_node_string_is(n, "mode", "bicubic", "linear"))
		s->mode = CUBIC;
	else if (rt_node_string_is(n, "mode", "linear", "linear") ||
		 rt_node_string_is(n, "mode", "bilinear", "linear"))
		s->mode = LINEAR;
	else
		return rt_error_set(err, RT_MALFORMED, "unknown mode");
	if (rt_node_string_is(n, "padding_mode", "border", "zeros"))
		s->padding = BORDER;
	else if (rt_node_string_is(n, "padding_mode", "reflection", "zeros"))
		s->padding = REFLECTION;
	else if (!rt_node_string_is(n, "padding_mode", "zeros", "zeros"))
		return rt_error_set(err, RT_MALFORMED, "unknown padding_mode");
	s->corners = rt_node_int(n, "align_corners", 0) != 0;
	return RT_OK;
}

static int sample_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape, *grid = &f->in[1].shape;
	struct plan *p = rt_infer_alloc(f, sizeof(*p));
	struct rt_shape out = *grid;
	char text[2][80];
	int64_t elems;
	int space = x->rank - 2;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	if (space < 1 || space > SPACE_MAX || grid->rank != x->rank ||
	    grid->dims[grid->rank - 1] != space || grid->dims[0] != x->dims[0])
		return rt_error_set(err, RT_INPUT, "input of shape %s and grid of shape %s",
				    rt_shape_text(x, text[0], sizeof(text[0])),
				    rt_shape_text(grid, text[1], sizeof(text[1])));
	if (!rt_convert_is_float(f->in[1].dtype))
		return rt_error_set(err, RT_UNSUPPORTED, "a grid of %s",
				    rt_dtype_name(f->in[1].dtype));
	out.dims[1] = x->dims[1];
	for (int d = 0; d < space; d++)
		out.dims[2 + d] = grid->dims[1 + d];
	out.rank = x->rank;
	f->out[0].shape = out;
	if (!rt_shape_elems(&out, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	if (elems == 0)
		return RT_OK;
	if (rt_walk_is_empty(x))
		return rt_error_set(err, RT_INPUT, "the input is empty");
	*p = (struct plan){
	    .space = space, .batch = x->dims[0], .channels = x->dims[1], .pixels = 1, .points = 1};
	for (int d = space - 1; d >= 0; d--) {
		p->dims[d] = x->dims[2 + d];
		p->steps[d] = p->pixels;
		p->pixels *= p->dims[d];
		p->points *= out.dims[2 + d];
	}
	return RT_OK;
}

/* Fold ${x} back into low..high, as between two mirrors. */
static double reflected(double x, double low, double high)
{
	double range = high - low, over, times;

	if (range <= 0)
		return low;
	if (x >= low && x <= high)
		return x;
	over = x < low ? low - x : x - high;
	times = floor(over / range);
	over -= times * range;
	if ((x < low) == (fmod(times, 2) < 1))
		return low + over;
	return high - over;
}

/* The neighbours of coordinate ${x} of an axis; −1: outside, with zeros. */
static int neighbours(const struct sample *s, double x, int64_t dim, int64_t *at, double *w)
{
	double low = s->corners ? 0 : -0.5, high = low + (double)dim - (s->corners ? 1 : 0);
	const double a = -0.75;
	int count = s->mode == NEAREST ? 1 : s->mode == LINEAR ? 2 : 4;
	double base, t;

	x = s->corners ? (x + 1) / 2 * (double)(dim - 1) : ((x + 1) * (double)dim - 1) / 2;
	if (!(fabs(x) < 1e9))
		x = x > 0 ? 1e9 : -1e9;
	if (s->mode == NEAREST)
		x = nearbyint(x);
	if (s->padding == BORDER && s->mode != CUBIC) /* a cubic clamps each of its neighbours */
		x = fmin(fmax(x, 0), (double)(dim - 1));
	else if (s->padding == REFLECTION)
		x = reflected(x, low, high);
	base = s->mode == NEAREST ? x : floor(x);
	t = x - base;
	w[0] = 1;
	if (s->mode == LINEAR) {
		w[0] = 1 - t;
		w[1] = t;
	} else if (s->mode == CUBIC) {
		base -= 1;
		for (int k = 0; k < 4; k++) {
			double d = fabs(t + 1 - k);
			w[k] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1
				      : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
		}
	}
	for (int k = 0; k < count; k++) {
		double i = base + k;
		if (s->padding == BORDER)
			i = fmin(fmax(i, 0), (double)(dim - 1));
		else if (s->padding == REFLECTION)
			i = fmin(fmax(trunc(reflected(i, low, high)), 0), (double)(dim - 1));
		at[k] = i < 0 || i > (double)(dim - 1) ? -1 : (int64_t)i;
	}
	return count;
}

/* All neighbours of a point: the product of those of its axes. */
static int taps_of(const struct rt_run *r, int64_t point, int64_t *from, double *weights)
{
	const struct sample *s = r->state;
	const struct plan *p = r->shape_state;
	int count = 1;

	from[0] = 0;
	weights[0] = 1;
	for (int d = 0; d < p->space; d++) {
		/* the grid's last axis names the fastest input axis first */
		double x = rt_convert_get_f64(&r->in[1], point * p->space + p->space - 1 - d);
		int64_t at[4];
		double w[4];
		int n = neighbours(s, x, p->dims[d], at, w);

		for (int i = count * n - 1; i >= 0; i--) {
			int before = i / n, k = i % n;
			from[i] =
			    from[before] < 0 || at[k] < 0 ? -1 : from[before] + at[k] * p->steps[d];
			weights[i] = weights[before] * w[k];
		}
		count *= n;
	}
	return count;
}

static void sample_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct plan *p = r->shape_state;
	enum rt_dtype t = r->in[0].dtype;
	size_t size = rt_dtype_bits(t) / 8;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t from[TAPS_MAX], batch = i / p->points, point = i % p->points;
		double weights[TAPS_MAX];
		int taps = taps_of(r, i, from, weights);

		for (int64_t c = 0; c < p->channels; c++) {
			int64_t channel = batch * p->channels + c;
			int64_t to = channel * p->points + point;
			const char *in =
			    (const char *)r->in[0].data + channel * p->pixels * (int64_t)size;
			double sum = 0;

			if (taps == 1 && from[0] >= 0) { /* nearest: any type, exactly */
				memcpy((char *)r->out[0].data + to * (int64_t)size,
				       in + from[0] * (int64_t)size, size);
				continue;
			}
			for (int k = 0; k < taps; k++) {
				double x = 0;
				if (from[k] < 0)
					continue;
				if (t == RT_F32)
					x = (double)((const float *)(const void *)in)[from[k]];
				else
					rt_convert_to_f64(t, in, from[k], 1, &x);
				sum += weights[k] * x;
			}
			if (t == RT_F32)
				((float *)r->out[0].data)[to] = (float)sum;
			else
				rt_convert_from_f64(t, &sum, 1, r->out[0].data, to, true);
		}
	}
}

static void sample_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;

	if (p->batch > 0)
		rt_team_for(r->team, (size_t)(p->batch * p->points),
			    rt_walk_grain(32 + p->channels * 8), sample_range, &copy);
}

const struct rt_op rt_op_grid_sample = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct sample),
    .bind = sample_bind,
    .infer = sample_infer,
    .run = sample_run,
};
