/* SPDX-License-Identifier: MIT */
/*
 * selftest_bytes.c — as selftest.c, for the kernels of quantised numbers.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/kernels/selftest.h"

#define N 71 /* no multiple of any vector */

static void fill_bytes(size_t n, uint32_t seed, uint8_t *x)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245u + 12345u;
		x[i] = (uint8_t)(seed >> 17);
	}
	/* the extremes of both signs, side by side, which is where sums of 16 bits end */
	for (size_t i = 0; i + 4 < n && i < 4; i++)
		x[i] = i % 2 ? 0x80 : 0xff;
}

static bool finishes(const struct rt_i8_row *ref, const struct rt_i8_row *got, bool rows)
{
	enum { M = 3, LD = N + 2 };
	int32_t sum[M * LD], add[N], mul[N], row[M] = {3, -70000, 12}, want[M * LD], have[M * LD];
	uint8_t bytes[M * LD * 4];
	float scale[N], bias[N];
	struct rt_i8_finish f = {.m = M,
				 .n = N,
				 .sum = sum,
				 .ld_sum = LD,
				 .add = add,
				 .row = rows ? row : NULL,
				 .row_mul = mul,
				 .scale = scale,
				 .bias = bias,
				 .lo = -119,
				 .hi = 130,
				 .zero = 119,
				 .ldy = LD};
	fill_bytes(sizeof bytes, 21, bytes);
	for (size_t i = 0; i < M * LD; i++)
		sum[i] = (int32_t)(bytes[i] * 4000u) - bytes[i + 7] * 1000;
	for (size_t i = 0; i < N; i++)
		add[i] = bytes[i + 9] - 100, mul[i] = (int32_t)bytes[i + 11] - 128;
	rt_selftest_fill(N, 22, scale);
	rt_selftest_fill(N, 23, bias);
	for (size_t i = 0; i < N; i++)
		scale[i] = fabsf(scale[i]) * 1e-3f;
	memset(want, 1, sizeof want);
	memset(have, 1, sizeof have);
	f.y = want, ref->to_i32(&f);
	f.y = have, got->to_i32(&f);
	if (!rt_selftest_same(want, have, sizeof want))
		return false;
	memset(want, 0, sizeof want);
	memset(have, 0, sizeof have);
	f.y = want, ref->to_f32(&f);
	f.y = have, got->to_f32(&f);
	if (!rt_selftest_near(M * LD, (float *)(void *)want, (float *)(void *)have, 1))
		return false;
	f.y = want, ref->to_i8(&f);
	f.y = have, got->to_i8(&f);
	return rt_selftest_same(want, have, sizeof want);
}

bool rt_selftest_i8_row(const struct rt_i8_row *ref, const struct rt_i8_row *got)
{
	static const float bounds[] = {-100, 155};
	const struct rt_i8_pair p = {.a_scale = 0.25f,
				     .b_scale = 0.375f,
				     .y_scale = 0.5f,
				     .a_zero = 17,
				     .b_zero = -3,
				     .y_zero = 5,
				     .is_signed = true,
				     .lo = -133,
				     .hi = 122};
	uint8_t a[N], b[N], bytes[2][N + 1] = {{0}};
	float x[N], reals[2][N + 1] = {{0}};
	int32_t sums[2][N + 1] = {{0}};
	const struct rt_i8_row *of[2] = {ref, got};
	rt_selftest_fill(N, 24, x);
	fill_bytes(N, 25, a);
	fill_bytes(N, 26, b);
	for (int s = 0; s < 2; s++) {
		for (int i = 0; i < 2; i++) {
			of[i]->quantise(N, x, 0.03f, 100, bounds, bytes[i]);
			of[i]->reals(N, a, s, 0.02f, 11, reals[i]);
			of[i]->sum_rows(2, N / 2, a, N / 2, s, sums[i]);
		}
		if (!rt_selftest_same(bytes[0], bytes[1], N + 1) ||
		    !rt_selftest_same(reals[0], reals[1], sizeof *reals) ||
		    !rt_selftest_same(sums[0], sums[1], sizeof *sums))
			return false;
		for (int i = 0; i < 2; i++)
			s ? of[i]->add(&p, N, a, b, bytes[i]) : of[i]->mul(&p, N, a, b, bytes[i]);
		if (!rt_selftest_same(bytes[0], bytes[1], N + 1))
			return false;
	}
	return finishes(ref, got, false) && finishes(ref, got, true);
}

static bool byte_tile(const struct rt_i8_gemm *g, size_t m, size_t k_all, bool narrow,
		      bool a_signed)
{
	enum { K = 128, ROWS = 32, WIDE = 64 };
	const size_t width = narrow ? g->nr / 2 : g->nr;
	uint8_t a[ROWS * K], w[K * WIDE];
	int32_t c[ROWS * WIDE] = {0};
	const struct rt_i8_tile t = {.m = m,
				     .k = k_all,
				     .a = a,
				     .lda = K,
				     .a_signed = a_signed,
				     .narrow = narrow,
				     .w = w,
				     .prefetch = w,
				     .c = c};
	fill_bytes(sizeof a, 27, a);
	fill_bytes(sizeof w, 28, w);
	g->tile(&t);
	for (size_t r = 0; r < m; r++)
		for (size_t j = 0; j < width; j++) {
			int32_t sum = 0;
			for (size_t k = 0; k < k_all; k++) {
				const uint8_t x = w[k / 4 * width * 4 + j * 4 + k % 4];
				sum +=
				    a_signed ? (int8_t)a[r * K + k] * x : a[r * K + k] * (int8_t)x;
			}
			if (sum != c[r * g->nr + j])
				return false;
		}
	return true;
}

bool rt_selftest_i8_gemm(const struct rt_i8_gemm *ref, const struct rt_i8_gemm *got)
{
	uint8_t x[N];
	fill_bytes(N, 29, x);
	if (got->nr > 64 || got->mr > 32 || got->mr1 > 32)
		return false;
	for (int s = 0; s < 2; s++)
		if (!byte_tile(got, got->mr, 11, false, s) || !byte_tile(got, 1, 11, false, s) ||
		    !byte_tile(got, got->mr1, 11, true, s) || !byte_tile(got, 2, 11, true, s) ||
		    !byte_tile(got, got->mr, 128, false, s) ||
		    !byte_tile(got, got->mr1 - 1, 64, true, s) ||
		    ref->sum(N, x, s) != got->sum(N, x, s))
			return false;
	return true;
}

bool rt_selftest_i8_dwconv(const struct rt_i8_dwconv *ref, const struct rt_i8_dwconv *got)
{
	enum { PIXELS = 2, TAPS = 9, MOST = 16 * 128 };
	_Alignas(64) int8_t packed[MOST];
	uint8_t x[64 + N], w[TAPS * N];
	const uint8_t *in[PIXELS * 3 + TAPS];
	int32_t sums[2][PIXELS * N];
	const struct rt_i8_dwconv *of[2] = {ref, got};
	fill_bytes(sizeof x, 30, x);
	fill_bytes(sizeof w, 31, w);
	for (size_t i = 0; i < PIXELS * 3 + TAPS; i++)
		in[i] = x + i * 7 % 64;
	for (int i = 0; i < 2; i++) {
		const struct rt_i8_window win = {.channels = N,
						 .pixels = PIXELS,
						 .taps = TAPS,
						 .step = 3,
						 .in = in,
						 .flip = 0x80,
						 .w = packed,
						 .sum = sums[i]};
		if (of[i]->pack_elems(N, TAPS) > MOST)
			return false;
		of[i]->pack(N, TAPS, (const int8_t *)w, packed);
		of[i]->run(&win);
	}
	return rt_selftest_same(sums[0], sums[1], sizeof *sums);
}

static bool n4_rows(const struct rt_n4_dot *ref, const struct rt_n4_dot *got, size_t block,
		    bool zeros)
{
	enum { K = 160, ROWS = 3, W_ROWS = 2, LD = 256 };
	_Alignas(64) float prepared[ROWS * LD];
	float x[ROWS * K], scale[W_ROWS * K / 16], y[2][ROWS * W_ROWS];
	uint8_t w[W_ROWS * 256], zero[W_ROWS * K / 16];
	const struct rt_n4_dot *of[2] = {ref, got};
	const size_t blocks = (K + block - 1) / block;
	rt_selftest_fill(ROWS * K, 32, x);
	rt_selftest_fill(sizeof scale / sizeof *scale, 33, scale);
	fill_bytes(sizeof w, 34, w);
	fill_bytes(sizeof zero, 35, zero);
	for (int i = 0; i < 2; i++) {
		const struct rt_n4_rows r = {.m = ROWS,
					     .n = W_ROWS,
					     .blocks = blocks,
					     .block = block,
					     .x = prepared,
					     .ldx = LD,
					     .w = w,
					     .scale = scale,
					     .zero4 = zeros ? zero : NULL,
					     .y = y[i],
					     .ldy = W_ROWS};
		if (LD % of[i]->chunk || of[i]->mr < ROWS)
			return false;
		memset(prepared, 0, sizeof prepared);
		for (size_t m = 0; m < ROWS; m++)
			of[i]->prepare(K, x + m * K, prepared + m * LD);
		of[i]->run(&r);
	}
	return rt_selftest_near(ROWS * W_ROWS, y[0], y[1], 20000);
}

bool rt_selftest_n4_dot(const struct rt_n4_dot *ref, const struct rt_n4_dot *got)
{
	float want[48], have[48];
	uint8_t q[24];
	fill_bytes(sizeof q, 36, q);
	ref->unpack(48, q, 0.5f, 7, want);
	got->unpack(48, q, 0.5f, 7, have);
	return rt_selftest_same(want, have, sizeof want) && n4_rows(ref, got, 16, false) &&
	       n4_rows(ref, got, 32, true) && n4_rows(ref, got, 128, true);
}

bool rt_selftest_n4_gemm(const struct rt_n4_gemm *ref, const struct rt_n4_gemm *got)
{
	enum { BLOCK = 32, BLOCKS = 3, K = BLOCK * BLOCKS, ROWS = 8, COLUMNS = 13 };
	_Alignas(64) uint8_t w[K * 8];
	_Alignas(64) float scale[BLOCKS * 16];
	float x[ROWS * K], x_scale[2][ROWS * BLOCKS], y[2][ROWS * COLUMNS], panel[2][K * 16];
	struct rt_n4_sums x_sum[2][ROWS * BLOCKS];
	int8_t to[2][ROWS * K * 3] = {{0}};
	const struct rt_n4_gemm *of[2] = {ref, got};
	rt_selftest_fill(ROWS * K, 37, x);
	rt_selftest_fill(BLOCKS * 16, 38, scale);
	fill_bytes(sizeof w, 39, w);
	for (int zeros = 0; zeros < 2; zeros++) {
		for (int i = 0; i < 2; i++)
			of[i]->unpack(K - 3, BLOCK, w, scale, zeros ? scale : NULL, panel[i], 16);
		if (!rt_selftest_same(panel[0], panel[1], (K - 3) * 16 * sizeof(float)))
			return false;
	}
	for (int parts = 2; parts <= 3; parts++) {
		const size_t each = BLOCK * (size_t)parts, most = got->mr[parts];
		if (most > ROWS)
			return false;
		for (int i = 0; i < 2; i++)
			for (size_t b = 0; b < ROWS * BLOCKS; b++)
				of[i]->prepare(BLOCK, parts, b % BLOCKS ? BLOCK : 27, x + b * BLOCK,
					       to[i] + b * each, x_scale[i] + b, x_sum[i] + b);
		if (!rt_selftest_same(to[0], to[1], sizeof *to) ||
		    !rt_selftest_same(x_sum[0], x_sum[1], sizeof *x_sum))
			return false;
		for (size_t m = 0; m < 2 * most; m++)
			for (int i = 0; i < 2; i++) {
				/* one row at a time, or all of a tile */
				const size_t r = m < most ? m : 0,
					     rows = m < most || i == 0 ? 1 : most;
				const struct rt_n4_tile t = {.m = rows,
							     .n = COLUMNS,
							     .blocks = BLOCKS,
							     .block = BLOCK,
							     .parts = parts,
							     .x = to[i] + r * BLOCKS * each,
							     .x_scale = x_scale[i] + r * BLOCKS,
							     .x_sum = x_sum[i] + r * BLOCKS,
							     .ldx = BLOCKS * each,
							     .w = w,
							     .scale = scale,
							     .zero = m < most ? NULL : scale,
							     .bias = x,
							     .y = y[i] + r * COLUMNS,
							     .ldy = COLUMNS};
				of[i]->tile(&t);
			}
		if (!rt_selftest_near(COLUMNS, y[0], y[1], 20000))
			return false;
	}
	return true;
}
