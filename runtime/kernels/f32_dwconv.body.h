/* SPDX-License-Identifier: MIT */
/*
 * f32_dwconv.body.h — runs of depthwise convolution in the vector vocabulary.
 * Included by f32_dwconv-<isa>.c after its vec-<isa>.h, with VARIANT naming the
 * table to define.
 *
 * Pixels are taken P at a time, channels a vector at a time within them: a line
 * of input is then read whole, and each weight serves P pixels.  With three
 * columns and stride 1 neighbouring pixels share their inputs, which are read
 * once.
 */
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/unroll.h"

#define P 4

struct dw {
	const struct rt_window *win;
	const float *w, *bias;
	size_t w_row, w_tap;
	float lo, hi;
};

static inline __attribute__((always_inline)) v load_lanes(const float *p, size_t n)
{
	return n >= V ? v_load(p) : v_load_n(p, n);
}

static inline __attribute__((always_inline)) void put(const struct dw *d, float *y, v x, size_t n)
{
	x = v_min(v_set1(d->hi), v_max(v_set1(d->lo), x));
	if (n >= V)
		v_store(y, x);
	else
		v_store_n(y, x, n);
}

/* ${pixels} ≤ P output pixels from ${first}, channels ${c} … ${c} + n − 1, n ≤ V. */
static inline __attribute__((always_inline)) void any(const struct dw *d, size_t first,
						      const size_t pixels, size_t c, size_t n)
{
	const struct rt_window *win = d->win;
	v acc[P], bias = d->bias ? load_lanes(d->bias + c, n) : v_set1(0.0f);
	UNROLL
	for (size_t p = 0; p < pixels; p++)
		acc[p] = bias;
	for (size_t r = 0; r < win->rows; r++) {
		const float *in = win->in[r] + first * win->in_step + c;
		const float *w = d->w + r * d->w_row + c;
		for (size_t q = 0; q < win->cols; q++, in += win->in_tap, w += d->w_tap) {
			v x = load_lanes(w, n);
			UNROLL
			for (size_t p = 0; p < pixels; p++)
				acc[p] = v_fma(load_lanes(in + p * win->in_step, n), x, acc[p]);
		}
	}
	UNROLL
	for (size_t p = 0; p < pixels; p++)
		put(d, win->y + (first + p) * win->y_step + c, acc[p], n);
}

/* The same for P pixels, three columns, stride 1. */
static inline __attribute__((always_inline)) void three(const struct dw *d, size_t first, size_t c,
							size_t n)
{
	const struct rt_window *win = d->win;
	v acc[P], x[P + 2], bias = d->bias ? load_lanes(d->bias + c, n) : v_set1(0.0f);
	UNROLL
	for (size_t p = 0; p < P; p++)
		acc[p] = bias;
	for (size_t r = 0; r < win->rows; r++) {
		const float *in = win->in[r] + first * win->in_step + c;
		const float *w = d->w + r * d->w_row + c;
		v w0 = load_lanes(w, n), w1 = load_lanes(w + d->w_tap, n);
		v w2 = load_lanes(w + 2 * d->w_tap, n);
		UNROLL
		for (size_t p = 0; p < P + 2; p++)
			x[p] = load_lanes(in + p * win->in_step, n);
		UNROLL
		for (size_t p = 0; p < P; p++) {
			acc[p] = v_fma(x[p], w0, acc[p]);
			acc[p] = v_fma(x[p + 1], w1, acc[p]);
			acc[p] = v_fma(x[p + 2], w2, acc[p]);
		}
	}
	UNROLL
	for (size_t p = 0; p < P; p++)
		put(d, win->y + (first + p) * win->y_step + c, acc[p], n);
}

static void run(const struct rt_window *win, const float *w, size_t w_row, size_t w_tap,
		const float *bias, float lo, float hi)
{
	const struct dw d = {win, w, bias, w_row, w_tap, lo, hi};
	const size_t channels = win->channels;
	const bool shared = win->cols == 3 && win->in_step == win->in_tap;
	size_t p = 0, c;
	for (; p + P <= win->pixels; p += P) {
		c = 0;
		if (shared) {
			for (; c + V <= channels; c += V)
				three(&d, p, c, V);
			if (c < channels)
				three(&d, p, c, channels - c);
		} else {
			for (; c + V <= channels; c += V)
				any(&d, p, P, c, V);
			if (c < channels)
				any(&d, p, P, c, channels - c);
		}
	}
	for (; p < win->pixels; p++) {
		for (c = 0; c + V <= channels; c += V)
			any(&d, p, 1, c, V);
		if (c < channels)
			any(&d, p, 1, c, channels - c);
	}
}

const struct rt_f32_dwconv VARIANT = {run};
