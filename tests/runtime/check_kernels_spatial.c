/* SPDX-License-Identifier: MIT */
/*
 * Depthwise convolution and pooling: every variant that this machine can run,
 * over windows, strides and channel counts around the vector widths, against
 * plain loops in double.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "tests/runtime/suites.h"

#define CANARY 12345.0f

enum { CHANNELS = 70, PIXELS = 9, TAPS = 5, WIDTH = PIXELS * 2 + TAPS * 2, GAP = 3 };

static float x[TAPS][WIDTH * CHANNELS], w[TAPS * TAPS * CHANNELS], bias[CHANNELS];
static float y[PIXELS * (CHANNELS + GAP) + 1];

static void fill(float *to, size_t n)
{
	static uint32_t state = 1;
	for (size_t i = 0; i < n; i++) {
		state = state * 1103515245u + 12345u;
		to[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
	}
}

struct shape {
	size_t channels, pixels, rows, cols, stride, dilation;
};

/* Shape number ${i}; false when there are no more. */
static bool shape_at(size_t i, struct shape *s)
{
	static const size_t channels[] = {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 69};
	static const size_t pixels[] = {1, 2, 3, 4, 5, 7, 9};
	static const size_t windows[][2] = {{3, 3}, {1, 1}, {2, 3}, {3, 2}, {5, 5}, {0, 0}, {1, 3}};
	*s = (struct shape){.channels = channels[i % 15],
			    .pixels = pixels[i / 15 % 7],
			    .rows = windows[i / 105 % 7][0],
			    .cols = windows[i / 105 % 7][1],
			    .stride = 1 + i / 735 % 2,
			    .dilation = 1 + i / 1470 % 2};
	return i < 2940;
}

static void window(const struct shape *s, const float **in, struct rt_window *win)
{
	for (size_t r = 0; r < s->rows; r++)
		in[r] = x[r];
	*win = (struct rt_window){.channels = s->channels,
				  .pixels = s->pixels,
				  .rows = s->rows,
				  .cols = s->cols,
				  .in = in,
				  .in_tap = s->dilation * s->channels,
				  .in_step = s->stride * s->channels,
				  .y = y,
				  .y_step = s->channels + GAP};
	for (size_t i = 0; i < sizeof y / sizeof *y; i++)
		y[i] = CANARY;
}

static double tap(const struct shape *s, size_t p, size_t c, size_t r, size_t q)
{
	return (double)x[r][(q * s->dilation + p * s->stride) * s->channels + c];
}

/* Nothing but pixels × channels was written. */
static void check_gaps(const struct shape *s)
{
	for (size_t i = 0; i < sizeof y / sizeof *y; i++)
		if (i / (s->channels + GAP) >= s->pixels || i % (s->channels + GAP) >= s->channels)
			ck_assert(y[i] == CANARY);
}

static const struct {
	enum rt_cpu_level level;
	const char *name;
	const struct rt_f32_dwconv *variant;
} dwconvs[] = {
#define KERNEL(level, symbol) {level, #symbol, &symbol},
#include "runtime/kernels/f32_dwconv.def"
#undef KERNEL
};

START_TEST(depthwise)
{
	const float *in[TAPS];
	struct rt_window win;
	struct shape s;
	if (!rt_cpu_has(dwconvs[_i].level))
		return;
	fill(x[0], sizeof x / sizeof(float));
	fill(w, sizeof w / sizeof *w);
	fill(bias, CHANNELS);
	for (size_t i = 0; shape_at(i, &s); i++) {
		const float lo = i % 3 ? -INFINITY : -0.5f, hi = i % 3 ? INFINITY : 0.75f;
		window(&s, in, &win);
		dwconvs[_i].variant->run(&win, w, TAPS * s.channels, s.channels,
					 i % 2 ? bias : NULL, lo, hi);
		for (size_t k = 0; k < s.pixels * s.channels; k++) {
			size_t p = k / s.channels, c = k % s.channels;
			double want = i % 2 ? (double)bias[c] : 0;
			for (size_t t = 0; t < s.rows * s.cols; t++)
				want +=
				    tap(&s, p, c, t / s.cols, t % s.cols) *
				    (double)w[(t / s.cols * TAPS + t % s.cols) * s.channels + c];
			want = fmin((double)hi, fmax((double)lo, want));
			ck_assert_msg(fabs(want - (double)y[p * win.y_step + c]) < 1e-5,
				      "%s shape %zu: %g instead of %g", dwconvs[_i].name, i,
				      (double)y[p * win.y_step + c], want);
		}
		check_gaps(&s);
	}
}
END_TEST

/* Shape number ${i} of rows of 3 × 3 taps, with all the edges; false when there are no more. */
static bool rows_at(size_t i, struct rt_dw_rows *d)
{
	static const size_t channels[] = {1, 3, 4, 7, 8, 15, 16, 17, 33};
	static float out[2 * 16 * 33 + 1];
	const size_t right = i / 18 % 2, kind = i / 36 % 3, missing = i / 108 % 5;
	*d = (struct rt_dw_rows){.channels = channels[i % 9],
				 .left = i / 9 % 2,
				 .count = 1 + (kind == 1),
				 .stride = 1 + (kind == 2),
				 .pixels = 1 + i / 540,
				 .bias = i % 4 ? bias : NULL,
				 .w = w,
				 .lo = i % 5 ? -INFINITY : -0.5f,
				 .hi = i % 5 ? INFINITY : 0.75f};
	d->width = (d->pixels - 1) * d->stride + 3 - d->left - right;
	for (size_t r = 0; r < d->count + 2; r++) /* none, the first, the last, both, all */
		d->in[r] = (r == 0 && missing % 2 == 1) || (r == d->count + 1 && missing > 1) ||
				   missing == 4
			       ? NULL
			       : x[r];
	d->y[0] = out;
	d->y[1] = out + d->pixels * d->channels;
	out[d->count * d->pixels * d->channels] = CANARY;
	return d->pixels <= 16;
}

static double row_pixel(const struct rt_dw_rows *d, size_t o, size_t p, size_t c)
{
	double sum = d->bias ? (double)d->bias[c] : 0;
	for (size_t t = 0; t < 9; t++) {
		const size_t column = p * d->stride + t % 3;
		if (d->in[o + t / 3] && column >= d->left && column < d->left + d->width)
			sum += (double)d->in[o + t / 3][(column - d->left) * d->channels + c] *
			       (double)w[t * d->channels + c];
	}
	return fmin((double)d->hi, fmax((double)d->lo, sum));
}

START_TEST(depthwise_rows)
{
	struct rt_dw_rows d;
	if (!rt_cpu_has(dwconvs[_i].level))
		return;
	fill(x[0], sizeof x / sizeof(float));
	fill(w, sizeof w / sizeof *w);
	fill(bias, CHANNELS);
	for (size_t i = 0; rows_at(i, &d); i++) {
		const size_t each = d.pixels * d.channels;
		dwconvs[_i].variant->rows(&d);
		for (size_t k = 0; k < d.count * each; k++) {
			const double want =
			    row_pixel(&d, k / each, k % each / d.channels, k % d.channels);
			ck_assert_msg(fabs(want - (double)d.y[0][k]) < 1e-5,
				      "%s shape %zu: %g instead of %g", dwconvs[_i].name, i,
				      (double)d.y[0][k], want);
		}
		ck_assert(d.y[0][d.count * each] == CANARY);
	}
}
END_TEST

static const struct {
	enum rt_cpu_level level;
	const char *name;
	const struct rt_f32_pool *variant;
} pools[] = {
#define KERNEL(level, symbol) {level, #symbol, &symbol},
#include "runtime/kernels/f32_pool.def"
#undef KERNEL
};

START_TEST(pooling)
{
	const float *in[TAPS];
	struct rt_window win;
	struct shape s;
	if (!rt_cpu_has(pools[_i].level))
		return;
	fill(x[0], sizeof x / sizeof(float));
	x[0][5] = x[1][100] = NAN;
	for (size_t i = 0; shape_at(i, &s); i++) {
		for (int max = 0; max < 2; max++) {
			window(&s, in, &win);
			if (max)
				pools[_i].variant->max(&win);
			else
				pools[_i].variant->sum(&win, 0.25f);
			for (size_t k = 0; k < s.pixels * s.channels; k++) {
				size_t p = k / s.channels, c = k % s.channels;
				double best = -INFINITY, sum = 0;
				float got = y[p * win.y_step + c];
				for (size_t t = 0; t < s.rows * s.cols; t++) {
					double v = tap(&s, p, c, t / s.cols, t % s.cols);
					best = best != best || v > best || v != v
						   ? best != best ? best : v
						   : best;
					sum += v;
				}
				if (max)
					ck_assert(best != best ? got != got : (double)got == best);
				else
					ck_assert(sum != sum ? got != got
							     : fabs(sum / 4 - (double)got) < 1e-5);
			}
			check_gaps(&s);
		}
	}
}
END_TEST

static const struct {
	enum rt_cpu_level level;
	const char *name;
	const struct rt_f32_winograd *variant;
} winograds[] = {
#define KERNEL(level, symbol) {level, #symbol, &symbol},
#include "runtime/kernels/f32_winograd.def"
#undef KERNEL
};

/* U = G·w·Gᵀ for the points 0, 1, −1, 2, −2, ∞ (m = 4) or 0, 1, −1, ∞ (m = 2): values of the
 * polynomial of the taps over the product of the distances to the other points. */
static double weight_at(int m, int place, const double taps[3])
{
	static const double points[] = {0, 1, -1, 2, -2};
	double p = place <= m ? points[place] : 0, value, scale = 1;
	value = place == m + 1 ? taps[2] : taps[0] + p * (taps[1] + p * taps[2]);
	for (int i = 0; place <= m && i <= m; i++)
		if (i != place)
			scale *= points[place] - points[i];
	return m == 2 && place == 0 ? -value / scale : value / scale;
}

/* One square, one channel after the other: correlation of (m + 2)² numbers with 3 × 3 taps. */
START_TEST(squares)
{
	enum { C = 37 };
	const struct rt_f32_winograd *k = winograds[_i].variant;
	const float *in[36];
	float v[36 * C], out[16 * C + 1];
	if (!rt_cpu_has(winograds[_i].level))
		return;
	for (int m = 2; m <= 4; m += 2) {
		const int side = m + 2;
		double taps[9];
		fill(x[0], sizeof x / sizeof(float));
		fill(w, 9);
		for (int i = 0; i < 9; i++)
			taps[i] = (double)w[i];
		for (int i = 0; i < side * side; i++)
			in[i] = x[0] + i * C;
		k->input[m / 4](&(struct rt_winograd_in){C, in, v, C});
		for (int i = 0; i < side; i++) {
			for (int j = 0; j < side; j++) {
				double rows[3];
				for (int r = 0; r < 3; r++)
					rows[r] = weight_at(m, j, taps + r * 3);
				for (int c = 0; c < C; c++)
					v[(i * side + j) * C + c] *= (float)weight_at(m, i, rows);
			}
		}
		out[(m * m - 1) * C] = CANARY; /* the last pixel is not asked for */
		for (int part = 0; part < 2; part++)
			k->output[m / 4](
			    &(struct rt_winograd_out){.channels = C,
						      .rows = (size_t)(part ? m : m - 1),
						      .cols = (size_t)(part ? m - 1 : m),
						      .from = v,
						      .from_step = C,
						      .lo = -INFINITY,
						      .hi = INFINITY,
						      .y = out,
						      .y_row = (size_t)m * C,
						      .y_pixel = C});
		ck_assert(out[(m * m - 1) * C] == CANARY);
		for (int i = 0; i < (m * m - 1) * C; i++) {
			const int pixel = i / C, row = pixel / m, col = pixel % m;
			double want = 0;
			for (int t = 0; t < 9; t++)
				want +=
				    taps[t] *
				    (double)x[0][((row + t / 3) * side + col + t % 3) * C + i % C];
			ck_assert_msg(fabs(want - (double)out[i]) < 2e-5, "%s %d: %g not %g",
				      winograds[_i].name, m, (double)out[i], want);
		}
	}
}
END_TEST

Suite *check_runtime_kernels_spatial(void)
{
	Suite *s = suite_create("runtime_kernels_spatial");
	TCase *c = tcase_create("spatial");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, depthwise, 0, (int)(sizeof dwconvs / sizeof *dwconvs));
	tcase_add_loop_test(c, depthwise_rows, 0, (int)(sizeof dwconvs / sizeof *dwconvs));
	tcase_add_loop_test(c, pooling, 0, (int)(sizeof pools / sizeof *pools));
	tcase_add_loop_test(c, squares, 0, (int)(sizeof winograds / sizeof *winograds));
	suite_add_tcase(s, c);
	return s;
}
