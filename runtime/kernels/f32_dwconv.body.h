/* SPDX-License-Identifier: MIT */
/*
 * f32_dwconv.body.h — runs of depthwise convolution in the vector vocabulary.
 * Included by f32_dwconv-<isa>.c after its vec-<isa>.h, with VARIANT naming the
 * table to define.
 *
 * run: pixels are taken P at a time, channels a vector at a time within them: a line
 * of input is then read whole, and each weight serves P pixels.
 *
 * rows: P3 pixels of one or two rows of output at a time, each vector of input is
 * read once for all the taps that see it.  What lies beside the image is zeros.
 */
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/unroll.h"

#define P 4
#ifndef P3
#define P3 4 /* at most 7; accumulators are twice as many */
#endif

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

static void run(const struct rt_window *win, const float *w, size_t w_row, size_t w_tap,
		const float *bias, float lo, float hi)
{
	const struct dw d = {win, w, bias, w_row, w_tap, lo, hi};
	const size_t channels = win->channels;
	size_t p = 0, c;
	for (; p + P <= win->pixels; p += P) {
		for (c = 0; c + V <= channels; c += V)
			any(&d, p, P, c, V);
		if (c < channels)
			any(&d, p, P, c, channels - c);
	}
	for (; p < win->pixels; p++) {
		for (c = 0; c + V <= channels; c += V)
			any(&d, p, 1, c, V);
		if (c < channels)
			any(&d, p, 1, c, channels - c);
	}
}

/* Some pixels of a row of output: the columns of input that they see. */
struct span {
	size_t first;      /* pixel of output */
	size_t column;     /* of input, the first that there is */
	size_t lead, tail; /* columns that there are not, before and behind */
};

/* ${pixels} output pixels of ${rows} rows, channels ${c} … ${c} + n − 1, n ≤ V. */
static inline __attribute__((always_inline)) void square(const struct rt_dw_rows *d,
							 const struct span *s, size_t c, size_t n,
							 const size_t pixels, const size_t rows,
							 const size_t stride)
{
	const size_t columns = (pixels - 1) * stride + 3;
	const v bias = d->bias ? load_lanes(d->bias + c, n) : v_set1(0.0f);
	const v lo = v_set1(d->lo), hi = v_set1(d->hi);
	v acc[2][P3];
	UNROLL
	for (size_t p = 0; p < pixels; p++)
		acc[0][p] = acc[1][p] = bias;
	UNROLL
	for (size_t r = 0; r < rows + 2; r++) {
		const float *in = d->in[r];
		v w[2][3];
		if (!in)
			continue;
		in += s->column * d->channels + c;
		UNROLL
		for (size_t q = 0; q < 3; q++) {
			w[0][q] = w[1][q] = v_set1(0.0f);
			if (r < 3)
				w[0][q] = load_lanes(d->w + (r * 3 + q) * d->channels + c, n);
			if (rows == 2 && r > 0)
				w[1][q] = load_lanes(d->w + (r * 3 - 3 + q) * d->channels + c, n);
		}
		UNROLL
		for (size_t i = 0; i < columns; i++) {
			v x = v_set1(0.0f);
			if ((i > 0 || !s->lead) && (i + 1 < columns || !s->tail)) {
				x = load_lanes(in, n);
				in += d->channels;
			}
			UNROLL
			for (size_t q = 0; q < 3; q++) {
				const size_t p = (i - q) / stride;
				if (i < q || (i - q) % stride != 0 || p >= pixels)
					continue;
				if (r < 3)
					acc[0][p] = v_fma(x, w[0][q], acc[0][p]);
				if (rows == 2 && r > 0)
					acc[1][p] = v_fma(x, w[1][q], acc[1][p]);
			}
		}
	}
	UNROLL
	for (size_t o = 0; o < rows; o++) {
		UNROLL
		for (size_t p = 0; p < pixels; p++) {
			float *y = d->y[o] + (s->first + p) * d->channels + c;
			v x = v_min(hi, v_max(lo, acc[o][p]));
			if (n >= V)
				v_store(y, x);
			else
				v_store_n(y, x, n);
		}
	}
}

#define SQUARES(name, pixels, rows, stride)                                                        \
	static void name##_##pixels(const struct rt_dw_rows *d, const struct span *s)              \
	{                                                                                          \
		size_t c = 0;                                                                      \
		for (; c + V <= d->channels; c += V)                                               \
			square(d, s, c, V, pixels, rows, stride);                                  \
		if (c < d->channels)                                                               \
			square(d, s, c, d->channels - c, pixels, rows, stride);                    \
	}
#define PIXELS_4(F, ...) F(__VA_ARGS__, 1) F(__VA_ARGS__, 2) F(__VA_ARGS__, 3) F(__VA_ARGS__, 4)
#if P3 == 7
#define PIXELS(F, ...)                                                                             \
	PIXELS_4(F, __VA_ARGS__) F(__VA_ARGS__, 5) F(__VA_ARGS__, 6) F(__VA_ARGS__, 7)
#else
#define PIXELS(F, ...) PIXELS_4(F, __VA_ARGS__)
#endif
#define ONE(name, pixels) SQUARES(name, pixels, 1, 1)
#define TWO(name, pixels) SQUARES(name, pixels, 2, 1)
#define APART(name, pixels) SQUARES(name, pixels, 1, 2)
PIXELS(ONE, one)
PIXELS(TWO, two)
PIXELS(APART, apart)

static void rows(const struct rt_dw_rows *d)
{
#define ENTRY(name, pixels) name##_##pixels,
	static void (*const squares[3][P3])(const struct rt_dw_rows *, const struct span *) = {
	    {PIXELS(ENTRY, one)}, {PIXELS(ENTRY, two)}, {PIXELS(ENTRY, apart)}};
	const size_t tiles = (d->pixels + P3 - 1) / P3;
	const int which = d->stride == 2 ? 2 : (int)d->count - 1;
	for (size_t t = 0; t < tiles; t++) {
		const size_t first = d->pixels * t / tiles;
		const size_t pixels = d->pixels * (t + 1) / tiles - first;
		const size_t column = first * d->stride;                  /* with the pad */
		const size_t end = column + (pixels - 1) * d->stride + 3; /* too */
		const struct span s = {.first = first,
				       .column = column < d->left ? 0 : column - d->left,
				       .lead = column<d->left, .tail = end> d->left + d->width};
		squares[which][pixels - 1](d, &s);
	}
}

const struct rt_f32_dwconv VARIANT = {run, rows};
