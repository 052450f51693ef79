/* SPDX-License-Identifier: MIT */
/*
 * Products of matrices: every tile that every variant has, and whole products
 * on one and three threads, against plain loops in double; what lies beyond a
 * tile is watched.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/gemm.h"
#include "tests/runtime/suites.h"

#define CANARY 12345.0f

static uint32_t state = 1;

static float number(void)
{
	state = state * 1103515245u + 12345u;
	return (float)(state >> 8) * 0x1p-23f - 1.0f;
}

static float *numbers(size_t n)
{
	float *x = malloc((n + 1) * sizeof *x);
	ck_assert(x != NULL);
	for (size_t i = 0; i < n; i++)
		x[i] = number();
	return x;
}

static const struct {
	enum rt_cpu_level level;
	const char *name;
	const struct rt_f32_gemm *variant;
} rows[] = {
#define KERNEL(level, symbol) {level, #symbol, &symbol},
#include "runtime/kernels/f32_gemm.def"
#undef KERNEL
};
#define ROWS (int)(sizeof rows / sizeof *rows)

/* ---- tiles ---------------------------------------------------------------------------------- */

enum { M_MAX = 40, N_MAX = 64, K_MAX = 19, LDA = K_MAX + 2, LDC = N_MAX + 3 };

/* One tile in a larger C, with or without each part of the epilogue. */
static void try_tile(int row, size_t m, size_t n, size_t k, unsigned parts)
{
	const struct rt_f32_gemm *v = rows[row].variant;
	const size_t width = n > v->nr / 2 ? v->nr : v->nr / 2;
	/* even K in two segments, with an element of A and a row of W between them */
	const size_t segments = k > 0 && k % 2 == 0 ? 2 : 1, part = k / segments;
	float *a = numbers(M_MAX * LDA), *w = numbers((K_MAX + 2) * N_MAX), *bias = numbers(N_MAX);
	float *residual = numbers((M_MAX + 1) * LDC), *c = numbers((M_MAX + 1) * LDC);
	float *before = malloc((M_MAX + 1) * LDC * sizeof *before);
	const struct rt_epilogue e = {
	    .bias = parts & 1 ? bias : NULL,
	    .residual = parts & 2 ? residual : NULL,
	    .ld_residual = LDC,
	    .lo = parts & 4 ? -0.25f : -INFINITY,
	    .hi = parts & 32 ? 0.5f : INFINITY,
	};
	const struct rt_gemm_tile t = {.m = m,
				       .n = n,
				       .segments = segments,
				       .k = part,
				       .a = a + 1,
				       .lda = LDA,
				       .w = w,
				       .a_skip = 1,
				       .w_skip = width,
				       .prefetch = w,
				       .c = c + 1,
				       .ldc = LDC,
				       .accumulate = parts & 8,
				       .epilogue = parts & 16 ? NULL : &e};
	memcpy(before, c, (M_MAX + 1) * LDC * sizeof *c);
	v->tile(&t);
	for (size_t i = 0; i < (M_MAX + 1) * LDC - 1; i++) {
		size_t r = i / LDC, q = i % LDC;
		double want = parts & 8 ? (double)before[i + 1] : 0;
		for (size_t p = 0; p < k && r < m && q < n; p++)
			want += (double)a[1 + r * LDA + p + p / part] *
				(double)w[(p + p / part) * width + q];
		if (t.epilogue && r < m && q < n) {
			want += e.bias ? (double)bias[q] : 0;
			want += e.residual ? (double)residual[i] : 0;
			want = fmin((double)e.hi, fmax((double)e.lo, want));
		}
		if (r < m && q < n)
			ck_assert_msg(fabs(want - (double)c[i + 1]) < 1e-5,
				      "%s %zux%zux%zu parts %u: %g instead of %g at %zu,%zu",
				      rows[row].name, m, n, k, parts, (double)c[i + 1], want, r, q);
		else
			ck_assert_msg(before[i + 1] == c[i + 1], "%s %zux%zux%zu wrote to %zu,%zu",
				      rows[row].name, m, n, k, r, q);
	}
	free(a), free(w), free(bias), free(residual), free(c), free(before);
}

START_TEST(tiles)
{
	static const size_t ks[] = {0, 1, 3, 4, 18, 19};
	const struct rt_f32_gemm *v = rows[_i].variant;
	unsigned parts = 0;
	if (!rt_cpu_has(rows[_i].level))
		return;
	ck_assert(v->nr <= N_MAX && v->mr <= M_MAX && v->mr1 <= M_MAX);
	for (size_t n = 1; n <= v->nr; n++) {
		size_t most = n > v->nr / 2 ? v->mr : v->mr1;
		for (size_t m = 1; m <= most; m++)
			try_tile(_i, m, n, ks[(m + n) % 6], parts++ % 64);
	}
	for (parts = 0; parts < 64; parts++)
		try_tile(_i, v->mr, v->nr, 7, parts);
}
END_TEST

START_TEST(nan_stays)
{
	const struct rt_f32_gemm *v = rows[_i].variant;
	struct rt_epilogue e = {.lo = 0};
	float a = NAN, w[N_MAX], c[N_MAX];
	const struct rt_gemm_tile t = {.m = 1,
				       .n = v->nr,
				       .segments = 1,
				       .k = 1,
				       .a = &a,
				       .lda = 1,
				       .w = w,
				       .prefetch = w,
				       .c = c,
				       .ldc = v->nr,
				       .epilogue = &e};
	if (!rt_cpu_has(rows[_i].level))
		return;
	for (size_t i = 0; i < N_MAX; i++)
		w[i] = 1;
	for (int bounded = 0; bounded < 2; bounded++) {
		e.hi = bounded ? 6 : INFINITY;
		v->tile(&t);
		for (size_t i = 0; i < v->nr; i++)
			ck_assert(c[i] != c[i]);
	}
}
END_TEST

/* ---- whole products ----------------------------------------------------------------------------
 */

struct source {
	const float *a;
	size_t lda, step;
};

static void gather(const void *arg, size_t item, size_t first, size_t count, float *to, size_t ld)
{
	const struct source *s = arg;
	for (size_t i = 0; i < count; i++, to += ld)
		memcpy(to, s->a + item * s->step + (first + i) * s->lda, s->lda * sizeof *to);
}

/* A batch of products, by columns or rows of B in memory, A read in place or gathered, C one after
 * the other or side by side. */
static void try_product(enum rt_cpu_level level, struct rt_team *team, int threads, size_t batch,
			size_t m, size_t n, size_t k, unsigned how)
{
	const struct rt_kernels *kernels = rt_kernels_select(level);
	const size_t each = rt_gemm_pack_elems(kernels, n, k);
	float *a = numbers(batch * m * k), *b = numbers(batch * n * k);
	float *c = numbers(batch * m * n + 1), *bias = numbers(n), *scratch = NULL;
	float *packed = aligned_alloc(64, (batch * each * sizeof *packed + 127) / 64 * 64);
	const struct source source = {a, k, m * k};
	struct rt_gemm g = {.kernels = kernels,
			    .m = m,
			    .n = n,
			    .k = k,
			    .batch = batch,
			    .a = how & 1 ? NULL : a,
			    .lda = k,
			    .rows = gather,
			    .rows_arg = &source,
			    .w = packed,
			    .c = c,
			    .ldc = how & 8 ? batch * n : n,
			    .a_step = m * k,
			    .w_step = each,
			    .c_step = how & 8 ? n : m * n,
			    .epilogue = {.bias = bias, .lo = -INFINITY, .hi = INFINITY},
			    .activation = how & 4 ? kernels->f32_unary->fn[RT_UNARY_ABS] : NULL};
	const size_t row = how & 2 ? 1 : n, col = how & 2 ? k : 1;
	ck_assert(packed != NULL);
	for (size_t i = 0; i < batch; i++)
		rt_gemm_pack(kernels, n, k, b + i * n * k, row, col, 0, rt_gemm_panels(kernels, n),
			     packed + i * each);
	scratch = aligned_alloc(64, (rt_gemm_scratch_bytes(&g, threads) + 127) / 64 * 64);
	c[batch * m * n] = CANARY;
	rt_team_enter(team);
	rt_gemm_run(&g, team, scratch);
	rt_team_leave(team);
	for (size_t i = 0; i < batch * m * n; i++) {
		size_t item = i / (m * n), r = i / n % m, q = i % n;
		const float is = c[item * g.c_step + r * g.ldc + q];
		double want = (double)bias[q];
		for (size_t p = 0; p < k; p++)
			want += (double)a[item * m * k + r * k + p] *
				(double)b[item * n * k + p * row + q * col];
		if (how & 4)
			want = fabs(want);
		ck_assert_msg(fabs(want - (double)is) < 2e-5 + 1e-6 * (double)k,
			      "%s %zu of %zux%zux%zu how %u: %g instead of %g at %zu,%zu",
			      rt_cpu_level_name(level), batch, m, n, k, how, (double)is, want, r,
			      q);
	}
	ck_assert(c[batch * m * n] == CANARY);
	free(a), free(b), free(c), free(bias), free(packed), free(scratch);
}

START_TEST(products)
{
	static const size_t shapes[][4] = {
	    {1, 1, 1, 1},      {1, 0, 3, 3},      {1, 3, 0, 3},       {2, 3, 3, 0},
	    {0, 3, 3, 3},      {1, 1, 100, 77},   {1, 13, 31, 9},     {1, 14, 32, 16},
	    {1, 15, 33, 17},   {1, 28, 64, 5},    {3, 29, 65, 40},    {1, 100, 8, 9},
	    {1, 49, 17, 27},   {1, 40, 96, 1100}, {1, 200, 48, 64},   {12, 16, 24, 8},
	    {1, 2, 300, 64},   {2, 70, 70, 100},  {1, 130, 40, 1700}, {1, 700, 48, 64},
	    {1, 30, 160, 512}, {1, 600, 400, 64}, {4, 100, 34, 90},
	};
	const enum rt_cpu_level level = (enum rt_cpu_level)_i;
	struct rt_team *one = rt_team_new(1), *three = rt_team_new(3);
	if (rt_cpu_has(level)) {
		for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
			const size_t *s = shapes[i];
			for (unsigned how = 0; how < (s[0] > 1 ? 8 : 4); how++) {
				const unsigned side = how & 4 ? 8 : 0, all = (how & 3) | side;
				try_product(level, one, 1, s[0], s[1], s[2], s[3],
					    all | (i % 2 ? 4 : 0));
				try_product(level, three, 3, s[0], s[1], s[2], s[3],
					    all | (i % 2 ? 0 : 4));
			}
		}
	}
	rt_team_free(one);
	rt_team_free(three);
}
END_TEST

Suite *check_runtime_kernels_gemm(void)
{
	Suite *s = suite_create("runtime_kernels_gemm");
	TCase *c = tcase_create("gemm");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, tiles, 0, ROWS);
	tcase_add_loop_test(c, nan_stays, 0, ROWS);
	tcase_add_loop_test(c, products, 0, RT_CPU_LEVEL_COUNT);
	suite_add_tcase(s, c);
	return s;
}
