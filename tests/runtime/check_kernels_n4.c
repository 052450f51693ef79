/* SPDX-License-Identifier: MIT */
/*
 * Kernels for weights of four bits: every variant against plain loops in double,
 * every number of rows, blocks that are there in part.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "tests/runtime/suites.h"

static uint32_t state = 1;

static uint32_t bits(void)
{
	state = state * 1103515245u + 12345u;
	return state >> 8;
}

static float number(void)
{
	return (float)bits() * 0x1p-23f - 1.0f;
}

static uint8_t *bytes(size_t n)
{
	uint8_t *x = aligned_alloc(64, (n + 64) / 64 * 64);
	ck_assert(x != NULL);
	for (size_t i = 0; i < n; i++)
		x[i] = (uint8_t)bits();
	return x;
}

#define LIST(kind)                                                                                 \
	static const struct {                                                                      \
		enum rt_cpu_level level;                                                           \
		const char *name;                                                                  \
		const struct rt_##kind *variant;                                                   \
	} kind##_list[]
#define KERNEL(level, symbol) {level, #symbol, &symbol},
LIST(n4_dot) = {
#include "runtime/kernels/n4_dot.def"
};
LIST(n4_gemm) = {
#include "runtime/kernels/n4_gemm.def"
};
#undef KERNEL
#define COUNT(list) (int)(sizeof(list) / sizeof *(list))

static int half_of(const uint8_t *q, size_t i)
{
	return i % 2 ? q[i / 2] >> 4 : q[i / 2] & 15;
}

static void try_half_bytes(int row, size_t block, size_t blocks, size_t k, bool zeros)
{
	enum { N = 3 };
	const struct rt_n4_dot *v = n4_dot_list[row].variant;
	const size_t m = v->mr, wide = blocks * block, w_bytes = N * wide / 2;
	const size_t ldx = (wide + v->chunk - 1) / v->chunk * v->chunk;
	float *x = malloc(m * k * sizeof *x), *to = aligned_alloc(64, m * ldx * sizeof *to);
	float *scale = malloc(N * blocks * sizeof *scale), bias[N] = {0.5f, -1, 2}, y[8 * N];
	uint8_t *w = malloc(w_bytes), *from = bytes(w_bytes), *zero = bytes(N * blocks);
	ck_assert(x && to && scale && w && m <= 8);
	memcpy(w, from, w_bytes);
	for (size_t i = 0; i < m * k; i++)
		x[i] = number();
	for (size_t i = 0; i < N * blocks; i++)
		scale[i] = number();
	memset(to, 0, m * ldx * sizeof *to);
	for (size_t i = 0; i < m; i++)
		v->prepare(k, x + i * k, to + i * ldx);
	for (size_t have = 1; have <= m; have++) {
		v->run(&(struct rt_n4_rows){.m = have,
					    .n = N,
					    .blocks = blocks,
					    .block = block,
					    .x = to,
					    .ldx = ldx,
					    .w = w,
					    .scale = scale,
					    .zero4 = zeros ? zero : NULL,
					    .bias = zeros ? bias : NULL,
					    .y = y,
					    .ldy = N});
		for (size_t i = 0; i < have * N; i++) {
			const size_t r = i / N, j = i % N;
			double sum = zeros ? (double)bias[j] : 0;
			for (size_t p = 0; p < k; p++) {
				const size_t b = p / block;
				int z = zeros ? half_of(zero + j * ((blocks + 1) / 2), b) : 8;
				sum += (double)scale[j * blocks + b] * (double)x[r * k + p] *
				       (half_of(w + j * wide / 2, p) - z);
			}
			ck_assert_msg(fabs(sum - (double)y[i]) < 2e-4,
				      "%s block %zu of %zu, k %zu, %zu rows: %g instead of %g",
				      n4_dot_list[row].name, block, blocks, k, have, (double)y[i],
				      sum);
		}
	}
	free(x), free(to), free(scale), free(w), free(from), free(zero);
}

START_TEST(half_bytes)
{
	static const size_t blocks[] = {16, 32, 64, 128, 256};
	const struct rt_n4_dot *v = n4_dot_list[_i].variant;
	uint8_t q[128];
	float to[256];
	if (!rt_cpu_has(n4_dot_list[_i].level))
		return;
	for (size_t i = 0; i < 5; i++)
		for (size_t n = 1; n <= 9; n += 1 + i % 2)
			for (int zeros = 0; zeros < 2; zeros++) {
				try_half_bytes(_i, blocks[i], n, n * blocks[i], zeros);
				try_half_bytes(_i, blocks[i], n, n * blocks[i] - 5, zeros);
			}
	for (size_t i = 0; i < sizeof q; i++)
		q[i] = (uint8_t)bits();
	v->unpack(256, q, 0.125f, 7.5f, to);
	for (size_t i = 0; i < 256; i++)
		ck_assert(to[i] == ((float)half_of(q, i) - 7.5f) * 0.125f);
}
END_TEST

/* Panels of 16 columns by integers of 2 or 3 bytes; ${k} of X are there. */
static void try_panel(int row, size_t block, size_t blocks, size_t k, int parts, bool zeros)
{
	enum { N = 11 };
	const struct rt_n4_gemm *v = n4_gemm_list[row].variant;
	const size_t m = v->mr[parts], wide = blocks * block, each = block * (size_t)parts;
	uint8_t *w = bytes(wide * 8);
	int8_t *to = malloc(m * blocks * each);
	float *x = malloc(m * k * sizeof *x), *x_scale = malloc(m * blocks * sizeof *x_scale);
	float *scale = aligned_alloc(64, blocks * 64), *zero = aligned_alloc(64, blocks * 64);
	float y[8 * N + 1], bias[N];
	struct rt_n4_sums *sums = malloc(m * blocks * sizeof *sums);
	ck_assert(to && x && x_scale && scale && zero && sums && m <= 8);
	for (size_t i = 0; i < m * k; i++)
		x[i] = number();
	for (size_t i = 0; i < blocks * 16; i++)
		scale[i] = number(), zero[i] = (float)(bits() % 16);
	for (size_t i = 0; i < N; i++)
		bias[i] = number();
	for (size_t r = 0; r < m; r++)
		for (size_t b = 0; b < blocks; b++)
			v->prepare(block, parts, k - b * block < block ? k - b * block : block,
				   x + r * k + b * block, to + (r * blocks + b) * each,
				   x_scale + r * blocks + b, sums + r * blocks + b);
	for (size_t have = 1; have <= m; have++) {
		y[have * N] = 5;
		v->tile(&(struct rt_n4_tile){.m = have,
					     .n = N,
					     .blocks = blocks,
					     .block = block,
					     .parts = parts,
					     .x = to,
					     .x_scale = x_scale,
					     .x_sum = sums,
					     .ldx = blocks * each,
					     .w = w,
					     .scale = scale,
					     .zero = zeros ? zero : NULL,
					     .bias = bias,
					     .y = y,
					     .ldy = N});
		ck_assert(y[have * N] == 5.0f);
		for (size_t i = 0; i < have * N; i++) {
			const size_t r = i / N, c = i % N;
			double sum = (double)bias[c], size = 1;
			for (size_t p = 0; p < k; p++) {
				const size_t b = p / block;
				const int q = half_of(w + p / 8 * 64 + c * 4, p % 8);
				const double z = zeros ? (double)zero[b * 16 + c] : 8;
				const double one =
				    (double)scale[b * 16 + c] * (double)x[r * k + p] * (q - z);
				sum += one;
				size += fabs(one);
			}
			ck_assert_msg(fabs(sum - (double)y[i]) < size * (parts == 2 ? 4e-5 : 1e-6),
				      "%s block %zu of %zu, k %zu, %zu rows, %d bytes: %g, not %g",
				      n4_gemm_list[row].name, block, blocks, k, have, parts,
				      (double)y[i], sum);
		}
	}
	free(w), free(to), free(x), free(x_scale), free(scale), free(zero), free(sums);
}

/* A panel as floats, of which ${k} rows are wanted. */
static void try_unpack(int row, size_t block, size_t blocks, size_t k, bool zeros)
{
	enum { LD = 19 };
	const struct rt_n4_gemm *v = n4_gemm_list[row].variant;
	uint8_t *w = bytes(blocks * block * 8);
	float *scale = aligned_alloc(64, blocks * 64), *zero = aligned_alloc(64, blocks * 64);
	float *to = malloc((k + 1) * LD * sizeof *to);
	ck_assert(scale && zero && to);
	for (size_t i = 0; i < blocks * 16; i++)
		scale[i] = number(), zero[i] = number() * 8;
	for (size_t i = 0; i < (k + 1) * LD; i++)
		to[i] = 5;
	v->unpack(k, block, w, scale, zeros ? zero : NULL, to, LD);
	for (size_t i = 0; i < (k + 1) * LD; i++) {
		const size_t p = i / LD, c = i % LD, at = p / block * 16 + c;
		float want = 5;
		if (p < k && c < 16)
			want = scale[at] * ((float)half_of(w + p / 8 * 64 + c * 4, p % 8) -
					    (zeros ? zero[at] : 8));
		ck_assert_msg(to[i] == want, "%s block %zu, row %zu of %zu, column %zu",
			      n4_gemm_list[row].name, block, p, k, c);
	}
	free(w), free(scale), free(zero), free(to);
}

START_TEST(half_bytes_in_panels)
{
	static const size_t blocks[] = {16, 32, 64, 128, 256};
	if (!rt_cpu_has(n4_gemm_list[_i].level))
		return;
	for (size_t i = 0; i < 5; i++)
		for (size_t n = 1; n <= 4; n++)
			try_unpack(_i, blocks[i], n, n * blocks[i] - (n % 2 ? 5 : 0), n > 2);
	for (size_t i = 0; i < 5; i++)
		for (size_t n = 1; n <= 4; n++)
			for (int parts = 2; parts <= 3; parts++)
				for (int zeros = 0; zeros < 2; zeros++)
					try_panel(_i, blocks[i], n, n * blocks[i] - (zeros ? 5 : 0),
						  parts, n % 2);
}
END_TEST

Suite *check_runtime_kernels_n4(void)
{
	Suite *s = suite_create("runtime_kernels_n4");
	TCase *c = tcase_create("half bytes");

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, half_bytes, 0, COUNT(n4_dot_list));
	tcase_add_loop_test(c, half_bytes_in_panels, 0, COUNT(n4_gemm_list));
	suite_add_tcase(s, c);
	return s;
}
