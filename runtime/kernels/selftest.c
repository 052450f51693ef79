/* SPDX-License-Identifier: MIT */
/*
 * selftest.c — fixed inputs for every kind of kernel.  Called by kernels.c
 * while it fills the table of a CPU level; must stay quick (well under a
 * millisecond for all kinds together) and allocates nothing.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/kernels/selftest.h"

#define N 71 /* no multiple of any vector */

void rt_selftest_fill(size_t n, uint32_t seed, float *x)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245u + 12345u;
		x[i] = (float)((int32_t)(seed >> 8) - (1 << 23)) * 0x1p-21f;
	}
}

bool rt_selftest_near(size_t n, const float *ref, const float *got, float scale)
{
	for (size_t i = 0; i < n; i++) {
		if (ref[i] != ref[i] && got[i] != got[i])
			continue;
		if (!(fabsf(ref[i] - got[i]) <= 2e-6f * (fabsf(ref[i]) + scale)))
			return false;
	}
	return true;
}

bool rt_selftest_same(const void *ref, const void *got, size_t bytes)
{
	return memcmp(ref, got, bytes) == 0;
}

bool rt_selftest_f32_unary(const struct rt_f32_unary *ref, const struct rt_f32_unary *got)
{
	const struct rt_unary_params p = {0.75f, 1.25f};
	float x[N], want[N + 1], have[N + 1];
	rt_selftest_fill(N, 1, x);
	for (int op = 0; op < RT_UNARY_COUNT; op++) {
		want[N] = have[N] = 7;
		ref->fn[op](N, x, want, &p);
		got->fn[op](N, x, have, &p);
		if (!rt_selftest_near(N + 1, want, have, 0.25f))
			return false;
	}
	return true;
}

bool rt_selftest_f32_binary(const struct rt_f32_binary *ref, const struct rt_f32_binary *got)
{
	float a[N], b[N], want[N + 1], have[N + 1];
	rt_selftest_fill(N, 2, a);
	rt_selftest_fill(N, 3, b);
	want[N] = have[N] = 7;
	for (int op = 0; op < RT_BINARY_COUNT; op++) {
		ref->vv[op](N, a, b, want);
		got->vv[op](N, a, b, have);
		if (!rt_selftest_near(N + 1, want, have, 0))
			return false;
		ref->vs[op](N, a, b, want);
		got->vs[op](N, a, b, have);
		if (!rt_selftest_near(N + 1, want, have, 0))
			return false;
		ref->sv[op](N, a, b, want);
		got->sv[op](N, a, b, have);
		if (!rt_selftest_near(N + 1, want, have, 0))
			return false;
	}
	ref->muladd(N, a, b, a, want);
	got->muladd(N, a, b, a, have);
	return rt_selftest_near(N + 1, want, have, 1);
}

bool rt_selftest_f32_row(const struct rt_f32_row *ref, const struct rt_f32_row *got)
{
	float x[N], s[N], b[N], want[N + 1], have[N + 1];
	rt_selftest_fill(N, 4, x);
	rt_selftest_fill(N, 5, s);
	rt_selftest_fill(N, 6, b);
	want[N] = have[N] = 7;
	for (int op = 0; op < RT_REDUCE_COUNT; op++) {
		want[op] = ref->reduce[op](N, x);
		have[op] = got->reduce[op](N, x);
	}
	if (!rt_selftest_near(RT_REDUCE_COUNT, want, have, 16))
		return false;
	b[0] = ref->exp_sum(N, x, 0.5f, want);
	b[1] = got->exp_sum(N, x, 0.5f, have);
	if (!rt_selftest_near(N + 1, want, have, 1) || !rt_selftest_near(1, b, b + 1, (float)N))
		return false;
	ref->softmax(N, x, want);
	got->softmax(N, x, have);
	if (!rt_selftest_near(N + 1, want, have, 0))
		return false;
	ref->log_softmax(N, x, want);
	got->log_softmax(N, x, have);
	if (!rt_selftest_near(N + 1, want, have, 0))
		return false;
	ref->layer_norm(N, x, s, b, 1e-5f, want);
	got->layer_norm(N, x, s, b, 1e-5f, have);
	if (!rt_selftest_near(N + 1, want, have, 4))
		return false;
	ref->rms_norm(N, x, s, 1e-5f, want);
	got->rms_norm(N, x, s, 1e-5f, have);
	return rt_selftest_near(N + 1, want, have, 0.25f);
}

bool rt_selftest_f16_convert(const struct rt_f16_convert *ref, const struct rt_f16_convert *got)
{
	/* Each power of two there is, with a tie, and the infinities. */
	uint16_t h[2 * N] = {0}, back[2][N + 1] = {{0}};
	float x[N], want[2 * N], have[2 * N];
	for (size_t i = 0; i < 64; i++)
		h[i] = (uint16_t)(i << 10 | (i < 63 && i != 31 ? i * 7 & 1023 : 0));
	ref->to_f32(2 * N - 1, h, want);
	got->to_f32(2 * N - 1, h, have);
	if (!rt_selftest_same(want, have, (2 * N - 1) * sizeof *want))
		return false;
	for (size_t i = 0; i < N; i++)
		x[i] = ldexpf(1.0f + (float)(2 * i + 1) * 0x1p-11f, (int)i - 30);
	ref->from_f32(N, x, back[0]);
	got->from_f32(N, x, back[1]);
	return rt_selftest_same(back[0], back[1], sizeof back[0]);
}

bool rt_selftest_x32_transpose(const struct rt_x32_transpose *ref,
			       const struct rt_x32_transpose *got)
{
	uint32_t x[19 * 21], want[21 * 20] = {0}, have[21 * 20] = {0};
	for (size_t i = 0; i < 19 * 21; i++)
		x[i] = (uint32_t)i * 2654435761u;
	ref->run(19, 21, x, 21, want, 20);
	got->run(19, 21, x, 21, have, 20);
	return rt_selftest_same(want, have, sizeof want);
}

/* Both variants pack W in their own width, so each is compared with a plain product. */
static bool gemm_tile(const struct rt_f32_gemm *g, size_t m, size_t n, size_t width)
{
	enum { K = 5, LD = 40, ROWS = 32 };
	float a[ROWS * K], w[K * LD], c[ROWS * LD], want[ROWS * LD], bias[LD];
	const struct rt_epilogue e = {.bias = bias, .lo = -8, .hi = 9};
	const struct rt_gemm_tile t = {.m = m,
				       .n = n,
				       .segments = 1,
				       .k = K,
				       .a = a,
				       .lda = K,
				       .w = w,
				       .prefetch = w,
				       .c = c,
				       .ldc = LD,
				       .accumulate = true,
				       .epilogue = &e};
	rt_selftest_fill(ROWS * K, 7, a);
	rt_selftest_fill(K * LD, 8, w);
	rt_selftest_fill(LD, 9, bias);
	rt_selftest_fill(ROWS * LD, 10, c);
	memcpy(want, c, sizeof want);
	for (size_t i = 0; i < m; i++) {
		for (size_t j = 0; j < n; j++) {
			double sum = (double)c[i * LD + j] + (double)bias[j];
			for (size_t k = 0; k < K; k++)
				sum += (double)a[i * K + k] * (double)w[k * width + j];
			want[i * LD + j] = (float)fmin(9, fmax(-8, sum));
		}
	}
	g->tile(&t);
	return rt_selftest_near(ROWS * LD, want, c, 16);
}

bool rt_selftest_f32_gemm(const struct rt_f32_gemm *ref, const struct rt_f32_gemm *got)
{
	(void)ref;
	if (got->nr > 40 || got->mr > 32 || got->mr1 > 32)
		return false;
	return gemm_tile(got, got->mr, got->nr, got->nr) &&
	       gemm_tile(got, 1, got->nr - 1, got->nr) &&
	       gemm_tile(got, got->mr1, 1, got->nr / 2) && gemm_tile(got, 2, 1, got->nr / 2);
}

bool rt_selftest_f32_split(const struct rt_f32_split *ref, const struct rt_f32_split *got)
{
	enum { M = 19, K = 37, PADDED = 64, LD = 96, LDC = 33, LARGEST = 3 * 2 * PADDED * 16 };
	_Alignas(64) uint16_t a[2][3 * (M + 15) * LD] = {{0}}, w[2][LARGEST] = {{0}};
	const struct rt_f32_split *of[2] = {ref, got};
	float from[PADDED * 32], bias[32], c[2][M * LDC];
	const struct rt_epilogue e = {.bias = bias, .lo = -60, .hi = 60};

	rt_selftest_fill(PADDED * 32, 13, from);
	rt_selftest_fill(32, 14, bias);
	for (int narrow = 0; narrow < 2; narrow++) {
		for (int i = 0; i < 2; i++) {
			const struct rt_split_tile t = {.m = M,
							.n = narrow ? 16 : 27,
							.k = K,
							.a = a[0],
							.lda = LD,
							.a_part = (M + 15) * LD,
							.w = w[0],
							.narrow = narrow,
							.prefetch = from,
							.c = c[i],
							.ldc = LDC,
							.accumulate = true,
							.epilogue = &e};
			from[5] = NAN;
			if (of[i]->rows(1, K, from, K, a[i], LD, LD) ||
			    of[i]->weights(K, narrow, from, w[i], from, 0))
				return false;
			from[5] = 0x1.fffffep0f;
			if (!of[i]->rows(M, K, from, K + 1, a[i], LD, (M + 15) * LD) ||
			    !of[i]->weights(K, narrow, from, w[i], from, 0))
				return false;
			rt_selftest_fill(M * LDC, 15, c[i]);
			if (i == 0 || (rt_selftest_same(a[0], a[1], sizeof *a) &&
				       rt_selftest_same(w[0], w[1], sizeof *w)))
				of[i]->tile(&t);
		}
		if (!rt_selftest_near(M * LDC, c[0], c[1], 64))
			return false;
	}
	return true;
}

/* A window of 3 × 3 taps, five pixels, 21 channels, stride 1 or 2. */
static void window(struct rt_window *win, const float **rows, const float *x, size_t stride,
		   float *y)
{
	for (size_t r = 0; r < 3; r++)
		rows[r] = x + r * 12 * 21;
	*win = (struct rt_window){.channels = 21,
				  .pixels = 5,
				  .rows = 3,
				  .cols = 3,
				  .in = rows,
				  .in_tap = 21,
				  .in_step = stride * 21,
				  .y = y,
				  .y_step = 21};
}

/* Nine pixels of input, 21 channels, the row above outside. */
static bool square_rows(const struct rt_f32_dwconv *ref, const struct rt_f32_dwconv *got,
			const float *x, const float *w, size_t stride, size_t count)
{
	float y[2][2 * 9 * 21 + 1];
	const size_t pixels = stride == 1 ? 9 : 5, each = pixels * 21;
	for (int i = 0; i < 2; i++) {
		const struct rt_dw_rows d = {.channels = 21,
					     .pixels = pixels,
					     .count = count,
					     .stride = stride,
					     .width = 9,
					     .left = 1,
					     .in = {NULL, x, x + 9 * 21, x + 18 * 21},
					     .w = w,
					     .bias = x,
					     .lo = -20,
					     .hi = INFINITY,
					     .y = {y[i], y[i] + each}};
		y[i][count * each] = 7;
		(i == 0 ? ref : got)->rows(&d);
	}
	return rt_selftest_near(count * each + 1, y[0], y[1], 32);
}

bool rt_selftest_f32_dwconv(const struct rt_f32_dwconv *ref, const struct rt_f32_dwconv *got)
{
	float x[3 * 12 * 21], w[9 * 21], want[5 * 21 + 1], have[5 * 21 + 1];
	const float *rows[3];
	struct rt_window win;
	rt_selftest_fill(3 * 12 * 21, 11, x);
	rt_selftest_fill(9 * 21, 12, w);
	want[5 * 21] = have[5 * 21] = 7;
	for (size_t stride = 1; stride <= 2; stride++) {
		window(&win, rows, x, stride, want);
		ref->run(&win, w, 3 * 21, 21, x, -20, INFINITY);
		win.y = have;
		got->run(&win, w, 3 * 21, 21, x, -20, INFINITY);
		if (!rt_selftest_near(5 * 21 + 1, want, have, 32))
			return false;
	}
	return square_rows(ref, got, x, w, 1, 2) && square_rows(ref, got, x, w, 2, 1);
}

bool rt_selftest_f32_pool(const struct rt_f32_pool *ref, const struct rt_f32_pool *got)
{
	float x[3 * 12 * 21], want[5 * 21 + 1], have[5 * 21 + 1];
	const float *rows[3];
	struct rt_window win;
	rt_selftest_fill(3 * 12 * 21, 13, x);
	want[5 * 21] = have[5 * 21] = 7;
	window(&win, rows, x, 2, want);
	ref->max(&win);
	win.y = have;
	got->max(&win);
	if (!rt_selftest_near(5 * 21 + 1, want, have, 0))
		return false;
	win.y = want;
	ref->sum(&win, 0.125f);
	win.y = have;
	got->sum(&win, 0.125f);
	return rt_selftest_near(5 * 21 + 1, want, have, 4);
}

/* Three of four rows and columns, 21 channels, residual and bounds. */
bool rt_selftest_f32_winograd(const struct rt_f32_winograd *ref, const struct rt_f32_winograd *got)
{
	const struct rt_f32_winograd *of[2] = {ref, got};
	float x[36 * 21], to[2][36 * 21 + 1], y[2][12 * 21 + 1];
	const float *in[36];
	rt_selftest_fill(36 * 21, 15, x);
	for (size_t i = 0; i < 36; i++)
		in[i] = x + i * 21;
	for (int m = 0; m < 2; m++) {
		memset(to, 0, sizeof to);
		memset(y, 0, sizeof y);
		for (int i = 0; i < 2; i++) {
			const size_t all = m ? 3 : 2;
			of[i]->input[m](&(struct rt_winograd_in){21, in, to[i], 21});
			of[i]->output[m](&(struct rt_winograd_out){.channels = 21,
								   .rows = all,
								   .cols = all,
								   .from = x,
								   .from_step = 21,
								   .bias = x + 50,
								   .residual = x + 90,
								   .residual_row = 84,
								   .residual_pixel = 21,
								   .lo = -20,
								   .hi = INFINITY,
								   .y = y[i],
								   .y_row = 84,
								   .y_pixel = 21});
		}
		if (!rt_selftest_near(36 * 21 + 1, to[0], to[1], 400) ||
		    !rt_selftest_near(12 * 21 + 1, y[0], y[1], 1000))
			return false;
	}
	return true;
}
