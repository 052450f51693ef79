/* SPDX-License-Identifier: MIT */
/*
 * Products of floats by their bfloat16 parts: what parts are, tiles of every variant against
 * double, how large the error is beside that of plain float sums, and what is not finite.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/gemm.h"
#include "tests/runtime/suites.h"

static uint32_t state = 1;

static float number(void)
{
	state = state * 1103515245u + 12345u;
	return (float)(state >> 8) * 0x1p-23f - 1.0f;
}

static void *lines_of(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
	ck_assert(p != NULL);
	return p;
}

static float *numbers(size_t n)
{
	float *x = lines_of(n * sizeof *x);
	for (size_t i = 0; i < n; i++)
		x[i] = number();
	return x;
}

static const struct {
	enum rt_cpu_level level;
	const char *name;
	const struct rt_f32_split *variant;
} rows[] = {
#define KERNEL(level, symbol) {level, #symbol, &symbol},
#include "runtime/kernels/f32_split.def"
#undef KERNEL
};
#define ROWS (int)(sizeof rows / sizeof *rows)

static float value(uint16_t part)
{
	const uint32_t bits = (uint32_t)part << 16;
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

/* The three parts are the number, exactly, and behind K are zeros. */
START_TEST(parts)
{
	enum { M = 3, K = 45, LDA = 50, LD = 96, PART = M * LD };
	const struct rt_f32_split *v = rows[_i].variant;
	float *a = numbers(M * LDA);
	uint16_t *to = lines_of(3 * PART * sizeof *to);
	if (!rt_cpu_has(rows[_i].level))
		goto done;
	a[0] = 0x1.fffffep127f, a[1] = -0x1.234567p-90f, a[2] = -0.0f, a[3] = 1;
	ck_assert(v->rows(M, K, a, LDA, to, LD, PART));
	for (size_t i = 0; i < M; i++)
		for (size_t j = 0; j < 64; j++) {
			double sum = 0;
			for (size_t p = 0; p < 3; p++)
				sum += (double)value(to[p * PART + i * LD + j]);
			ck_assert_double_eq(sum, j < K ? (double)a[i * LDA + j] : 0);
		}
done:
	free(a), free(to);
}
END_TEST

/* One panel; returns the largest error beside double, of ours and of float sums in sequence. */
static void try_tile(int row, size_t m, size_t n, size_t k, unsigned how, double worst[2])
{
	const struct rt_f32_split *v = rows[row].variant;
	const bool narrow = n <= 16;
	const size_t width = narrow ? 16 : 32, padded = (k + 31) / 32 * 32, ldc = n + 3;
	const size_t ld = padded + 32, part = (m + 15) * ld;
	float *a = numbers(m * k + 1), *w = numbers(padded * width), *c = numbers(m * ldc + 1);
	float *bias = numbers(n), *residual = numbers(m * n), *before = numbers(m * ldc + 1);
	uint16_t *pa = lines_of(3 * part * 2), *pw = lines_of(3 * padded * width * 2);
	const struct rt_epilogue e = {.bias = bias,
				      .residual = how & 1 ? residual : NULL,
				      .ld_residual = n,
				      .lo = how & 4 ? -1 : -INFINITY,
				      .hi = how & 4 ? 2 : INFINITY};
	const struct rt_split_tile t = {.m = m,
					.n = n,
					.k = k,
					.a = pa,
					.lda = ld,
					.a_part = part,
					.w = pw,
					.narrow = narrow,
					.prefetch = w,
					.prefetch_lines = 5,
					.c = c,
					.ldc = ldc,
					.accumulate = how & 2,
					.epilogue = how & 8 ? NULL : &e};
	memset(pa, 0xff, 3 * part * 2); /* rows beyond M may hold anything */
	memcpy(before, c, (m * ldc + 1) * sizeof *c);
	ck_assert(v->rows(m, k, a, k, pa, ld, part));
	ck_assert(v->weights(k, narrow, w, pw, w, 3));
	v->tile(&t);
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < ldc; j++) {
			const float *old = before + i * ldc + j, got = c[i * ldc + j];
			double want = how & 2 ? (double)*old : 0;
			float plain = how & 2 ? *old : 0;
			if (j >= n) {
				ck_assert(got == *old);
				continue;
			}
			for (size_t p = 0; p < k; p++) {
				want += (double)a[i * k + p] * (double)w[p * width + j];
				plain = fmaf(a[i * k + p], w[p * width + j], plain);
			}
			worst[1] = fmax(worst[1], fabs((double)plain - want));
			if (t.epilogue) {
				want +=
				    (double)bias[j] + (how & 1 ? (double)residual[i * n + j] : 0);
				want = fmin((double)e.hi, fmax((double)e.lo, want));
			}
			worst[0] = fmax(worst[0], fabs((double)got - want));
			ck_assert_msg(fabs((double)got - want) < 2e-6 + 1e-7 * (double)k,
				      "%s %zux%zux%zu how %u: %g instead of %g at %zu,%zu",
				      rows[row].name, m, n, k, how, (double)got, want, i, j);
		}
	ck_assert(c[m * ldc] == before[m * ldc]);
	free(a), free(w), free(c), free(bias), free(residual), free(before), free(pa), free(pw);
}

START_TEST(tiles)
{
	static const size_t ks[] = {1, 2, 31, 32, 33, 64, 97};
	double worst[2] = {0, 0};
	unsigned how = 0;
	if (!rt_cpu_has(rows[_i].level))
		return;
	for (size_t m = 1; m <= 70; m += m < 36 ? 1 : 11)
		for (size_t n = 1; n <= 32; n += 5, how++)
			try_tile(_i, m, n, ks[how % 7], how % 16, worst);
	for (how = 0; how < 16; how++) {
		try_tile(_i, 49, 32, 40, how, worst);
		try_tile(_i, 20, 16, 40, how, worst);
	}
}
END_TEST

START_TEST(errors_of_float)
{
	double worst[2] = {0, 0};
	if (!rt_cpu_has(rows[_i].level))
		return;
	state = 1; /* the scalar sums are not better than others, with all numbers */
	try_tile(_i, 40, 32, 2000, 8, worst);
	ck_assert_msg(worst[0] < worst[1], "%s: %g, float sums %g", rows[_i].name, worst[0],
		      worst[1]);
}
END_TEST

START_TEST(not_finite)
{
	enum { M = 2, K = 70, LD = 96 };
	static const float bad[] = {INFINITY, -INFINITY, NAN};
	const struct rt_f32_split *v = rows[_i].variant;
	float *x = numbers(96 * 32);
	uint16_t *to = lines_of(3 * 96 * 32 * sizeof *to);
	for (size_t at = 0; at < M * K && rt_cpu_has(rows[_i].level); at += 3) {
		const float old = x[at];
		x[at] = bad[at % 3];
		ck_assert(!v->rows(M, K, x, K, to, LD, M * LD));
		ck_assert(!v->weights(K, at % 2, x, to, x, 0));
		x[at] = old;
		ck_assert(v->rows(M, K, x, K, to, LD, M * LD));
		ck_assert(v->weights(K, at % 2, x, to, x, 0));
	}
	free(x), free(to);
}
END_TEST

/* Whole products with an infinity on either side are what plain sums give. */
START_TEST(products_not_finite)
{
	enum { M = 130, N = 70, K = 900 };
	const struct rt_kernels *kernels = rt_kernels_select((enum rt_cpu_level)_i);
	float *a = numbers(M * K), *b = numbers(K * N), *c = numbers(M * N);
	float *w = lines_of(rt_gemm_pack_elems(kernels, N, K) * sizeof *w), *scratch;
	const struct rt_gemm g = {.kernels = kernels,
				  .m = M,
				  .n = N,
				  .k = K,
				  .batch = 1,
				  .a = a,
				  .lda = K,
				  .w = w,
				  .c = c,
				  .ldc = N,
				  .epilogue = {.lo = -INFINITY, .hi = INFINITY}};
	if (!rt_cpu_has((enum rt_cpu_level)_i))
		goto done;
	scratch = lines_of(rt_gemm_scratch_bytes(&g, 1));
	a[7 * K + 3] = INFINITY;
	b[3 * N + 4] = 1;
	b[800 * N + 66] = NAN;
	rt_gemm_pack(kernels, N, K, b, N, 1, 0, rt_gemm_panels(kernels, N), w);
	rt_gemm_run_alone(&g, scratch);
	for (size_t i = 0; i < M; i++)
		for (size_t j = 0; j < N; j++) {
			const double sign = b[3 * N + j] > 0 ? 1 : -1;
			const float got = c[i * N + j];
			if (j == 66)
				ck_assert(isnan(got));
			else if (i == 7)
				ck_assert(isinf(got) && (double)got * sign > 0);
			else
				ck_assert(isfinite(got));
		}
	free(scratch);
done:
	free(a), free(b), free(c), free(w);
}
END_TEST

Suite *check_runtime_kernels_split(void)
{
	Suite *s = suite_create("runtime_kernels_split");
	TCase *c = tcase_create("split");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, parts, 0, ROWS);
	tcase_add_loop_test(c, tiles, 0, ROWS);
	tcase_add_loop_test(c, errors_of_float, 0, ROWS);
	tcase_add_loop_test(c, not_finite, 0, ROWS);
	tcase_add_loop_test(c, products_not_finite, 0, RT_CPU_LEVEL_COUNT);
	suite_add_tcase(s, c);
	return s;
}
