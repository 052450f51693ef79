/* SPDX-License-Identifier: MIT */
/*
 * Kernels for bytes: every variant against plain loops in 64-bit
 * integers or in double, every tail; what lies beyond is watched.  Whole products
 * on one and three threads.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/i8_product.h"
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

/* Bytes, a quarter of them at the ends of both ranges. */
static uint8_t *bytes(size_t n)
{
	static const uint8_t ends[] = {0, 0x7f, 0x80, 0xff};
	uint8_t *x = aligned_alloc(64, (n + 64) / 64 * 64);
	ck_assert(x != NULL);
	for (size_t i = 0; i < n; i++) {
		uint32_t r = bits();
		x[i] = r % 4 ? (uint8_t)(r >> 4) : ends[r >> 4 & 3];
	}
	return x;
}

static int64_t value(uint8_t x, bool is_signed)
{
	return is_signed ? (int8_t)x : x;
}

#define LIST(kind)                                                                                 \
	static const struct {                                                                      \
		enum rt_cpu_level level;                                                           \
		const char *name;                                                                  \
		const struct rt_##kind *variant;                                                   \
	} kind##_list[]
#define KERNEL(level, symbol) {level, #symbol, &symbol},
LIST(i8_gemm) = {
#include "runtime/kernels/i8_gemm.def"
};
LIST(i8_row) = {
#include "runtime/kernels/i8_row.def"
};
LIST(i8_dwconv) = {
#include "runtime/kernels/i8_dwconv.def"
};
#undef KERNEL
#define COUNT(list) (int)(sizeof(list) / sizeof *(list))

/* ---- tiles ---------------------------------------------------------------------------------- */

static void try_tile(int row, size_t m, size_t k, bool narrow, bool a_signed)
{
	const struct rt_i8_gemm *v = i8_gemm_list[row].variant;
	const size_t width = narrow ? v->nr / 2 : v->nr, lda = k + 3, groups = (k + 3) / 4;
	/* A ends where its last row does: nothing is read beyond it */
	const size_t a_bytes = k ? (m - 1) * lda + k : 1;
	uint8_t *a = malloc(a_bytes), *from = bytes(a_bytes), *w = bytes(groups * 4 * width + 64);
	int32_t *c = malloc(m * v->nr * sizeof *c);
	ck_assert(a && c);
	memcpy(a, from, a_bytes);
	v->tile(&(struct rt_i8_tile){.m = m,
				     .k = k,
				     .a = a,
				     .lda = lda,
				     .a_signed = a_signed,
				     .narrow = narrow,
				     .w = w,
				     .prefetch = w,
				     .c = c});
	for (size_t r = 0; r < m; r++)
		for (size_t j = 0; j < width; j++) {
			int64_t sum = 0;
			for (size_t i = 0; i < k; i++)
				sum += value(a[r * lda + i], a_signed) *
				       value(w[i / 4 * width * 4 + j * 4 + i % 4], !a_signed);
			ck_assert_msg(
			    c[r * v->nr + j] == sum,
			    "%s %zux%zu narrow %d signed %d: %d instead of %lld at %zu,%zu",
			    i8_gemm_list[row].name, m, k, narrow, a_signed, c[r * v->nr + j],
			    (long long)sum, r, j);
		}
	free(a), free(from), free(w), free(c);
}

START_TEST(tiles)
{
	static const size_t ks[] = {0, 1, 2, 3, 4, 5, 31, 64, 67, 128};
	const struct rt_i8_gemm *v = i8_gemm_list[_i].variant;
	if (!rt_cpu_has(i8_gemm_list[_i].level))
		return;
	ck_assert(v->nr <= 64 && v->nr * v->mr <= 24 * 64 && v->nr * v->mr1 <= 24 * 64);
	for (int s = 0; s < 4; s++)
		for (size_t m = 1; m <= (s & 1 ? v->mr1 : v->mr); m++)
			for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
				try_tile(_i, m, ks[k], s & 1, s & 2);
	for (size_t n = 0; n < 200; n += 7)
		for (int s = 0; s < 2; s++) {
			uint8_t *x = bytes(n + 1);
			int64_t sum = 0;
			for (size_t i = 0; i < n; i++)
				sum += value(x[i], s);
			ck_assert_int_eq(v->sum(n, x, s), sum);
			free(x);
		}
}
END_TEST

/* ---- rows ----------------------------------------------------------------------------------- */

enum { N_MAX = 70 };

static uint8_t to_byte(double x, double lo, double hi, int zero)
{
	return (uint8_t)((int)nearbyint(fmin(hi, fmax(lo, x))) + zero);
}

START_TEST(rows_of_bytes)
{
	const struct rt_i8_row *v = i8_row_list[_i].variant;
	if (!rt_cpu_has(i8_row_list[_i].level))
		return;
	for (size_t n = 0; n <= N_MAX; n++) {
		const bool is_signed = n % 2;
		const int zero = is_signed ? -7 : 120;
		const float bounds[] = {(float)((is_signed ? -128 : 0) - zero),
					(float)((is_signed ? 127 : 255) - zero)};
		const struct rt_i8_pair p = {.a_scale = 0.031f,
					     .b_scale = 0.007f,
					     .y_scale = n % 3 ? 0.02f : 0.0005f,
					     .a_zero = 9,
					     .b_zero = 100,
					     .y_zero = zero,
					     .is_signed = is_signed,
					     .lo = bounds[0],
					     .hi = bounds[1]};
		uint8_t *a = bytes(n + 1), *b = bytes(n + 1), y[N_MAX + 1];
		float x[N_MAX + 1], f[N_MAX + 1];
		int32_t sums[N_MAX + 1];
		for (size_t i = 0; i < n; i++)
			x[i] = i % 5 ? number() * 200 : (float)((int)(bits() % 300) - 150) * 0.25f;
		y[n] = 77, f[n] = 77, sums[n] = 77;
		v->quantise(n, x, 0.5f, zero, bounds, y);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(y[i], to_byte((double)(x[i] / 0.5f), (double)bounds[0],
						       (double)bounds[1], zero));
		v->reals(n, a, is_signed, 0.37f, zero, f);
		for (size_t i = 0; i < n; i++)
			ck_assert(f[i] == (float)(value(a[i], is_signed) - zero) * 0.37f);
		for (int op = 0; op < 2; op++) {
			op ? v->mul(&p, n, a, b, y) : v->add(&p, n, a, b, y);
			for (size_t i = 0; i < n; i++) {
				float s = (float)(value(a[i], is_signed) - 9) * 0.031f;
				float t = (float)(value(b[i], is_signed) - 100) * 0.007f;
				float both = op ? s * t : s + t;
				ck_assert_int_eq(y[i], to_byte((double)(both / p.y_scale),
							       (double)p.lo, (double)p.hi, zero));
			}
		}
		v->sum_rows(n ? 1 : 0, n, a, n, is_signed, sums);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(sums[i], value(a[i], is_signed));
		ck_assert(y[n] == 77 && f[n] == 77.0f && sums[n] == 77);
		free(a), free(b);
	}
}
END_TEST

/* All three ends of a sum, with and without sums of rows, bias and residual. */
static void try_finish(const struct rt_i8_row *v, size_t n, unsigned parts)
{
	enum { M = 7, LD = N_MAX + 5 };
	int32_t sum[M * LD], add[N_MAX], mul[N_MAX], row[M], i32[M * LD];
	float scale[N_MAX], bias[N_MAX], residual[M * LD], f32[M * LD];
	uint8_t i8[M * LD], tight[M * N_MAX + 1];
	const bool is_signed = parts & 8;
	const int zero = is_signed ? 3 : 128;
	struct rt_i8_finish f = {.m = M,
				 .n = n,
				 .sum = sum,
				 .ld_sum = LD,
				 .add = add,
				 .row = parts & 1 ? row : NULL,
				 .row_mul = mul,
				 .scale = scale,
				 .bias = parts & 2 ? bias : NULL,
				 .residual = parts & 4 ? residual : NULL,
				 .ld_residual = LD,
				 .lo = -90,
				 .hi = 100,
				 .zero = zero,
				 .ldy = LD};
	for (size_t i = 0; i < M * LD; i++) {
		sum[i] = (int32_t)bits() - (1 << 23), residual[i] = number();
		i32[i] = 5, f32[i] = 5, i8[i] = 5;
	}
	for (size_t i = 0; i < n; i++) {
		add[i] = (int32_t)bits() - (1 << 23), mul[i] = (int32_t)(bits() % 511) - 255;
		scale[i] = fabsf(number()) * 2e-5f, bias[i] = number() * 10;
	}
	for (size_t i = 0; i < M; i++)
		row[i] = (int32_t)(bits() % 100000);
	f.y = i32, v->to_i32(&f);
	f.y = f32, v->to_f32(&f);
	f.y = i8, v->to_i8(&f);
	tight[M * n] = 5;
	f.y = tight, f.ldy = n, v->to_i8(&f);
	ck_assert(tight[M * n] == 5);
	for (size_t i = 0; i < M; i++)
		ck_assert_mem_eq(tight + i * n, i8 + i * LD, n);
	for (size_t i = 0; i < M * LD; i++) {
		const size_t r = i / LD, c = i % LD;
		if (c >= n) {
			ck_assert(i32[i] == 5 && f32[i] == 5.0f && i8[i] == 5);
			continue;
		}
		int64_t s = (int64_t)sum[i] + add[c] + (parts & 1 ? (int64_t)row[r] * mul[c] : 0);
		double real = (double)s * (double)scale[c] + (parts & 2 ? (double)bias[c] : 0) +
			      (parts & 4 ? (double)residual[i] : 0);
		ck_assert_int_eq(i32[i], s);
		ck_assert_double_eq_tol((double)f32[i], fmin(100, fmax(-90, real)), 1e-4);
		ck_assert_int_eq(i8[i], to_byte((double)((float)s * scale[c]), -90, 100, zero));
	}
}

START_TEST(sums_become_results)
{
	if (!rt_cpu_has(i8_row_list[_i].level))
		return;
	for (size_t n = 1; n <= N_MAX; n++)
		try_finish(i8_row_list[_i].variant, n, (unsigned)n % 16);
}
END_TEST

/* ---- depthwise ------------------------------------------------------------------------------- */

START_TEST(depthwise_of_bytes)
{
	static const size_t channel_counts[] = {1, 3, 15, 16, 17, 63, 64, 65, 80, 144};
	const struct rt_i8_dwconv *v = i8_dwconv_list[_i].variant;
	if (!rt_cpu_has(i8_dwconv_list[_i].level))
		return;
	for (size_t i = 0; i < sizeof channel_counts / sizeof *channel_counts; i++)
		for (size_t taps = 1; taps <= 25; taps += i % 2 ? 4 : 3) {
			const size_t channels = channel_counts[i], pixels = 3, step = 2;
			const size_t count = (pixels - 1) * step + taps;
			const uint8_t flip = (uint8_t)(taps % 2 * 0x80);
			const uint8_t *in[40];
			uint8_t *w = bytes(taps * channels), *each[40];
			const size_t packed_bytes = (v->pack_elems(channels, taps) + 63) / 64 * 64;
			int8_t *packed = aligned_alloc(64, packed_bytes);
			int32_t *sum = malloc((pixels * channels + 1) * sizeof *sum);
			ck_assert(packed && sum && count <= 40);
			for (size_t t = 0; t < count; t++) {
				/* a block of its own, so that reading past it is seen */
				uint8_t *from = bytes(channels);
				each[t] = malloc(channels);
				ck_assert(each[t] != NULL);
				in[t] = memcpy(each[t], from, channels);
				free(from);
			}
			v->pack(channels, taps, (const int8_t *)w, packed);
			sum[pixels * channels] = 99;
			v->run(&(struct rt_i8_window){.channels = channels,
						      .pixels = pixels,
						      .taps = taps,
						      .step = step,
						      .in = in,
						      .flip = flip,
						      .w = packed,
						      .sum = sum});
			for (size_t p = 0; p < pixels; p++)
				for (size_t c = 0; c < channels; c++) {
					int64_t want = 0;
					for (size_t t = 0; t < taps; t++)
						want +=
						    (int64_t)(uint8_t)(in[p * step + t][c] ^ flip) *
						    (int8_t)w[t * channels + c];
					ck_assert_msg(sum[p * channels + c] == want,
						      "%s: %zu channels, %zu taps: %d instead of "
						      "%lld at %zu,%zu",
						      i8_dwconv_list[_i].name, channels, taps,
						      sum[p * channels + c], (long long)want, p, c);
				}
			ck_assert_int_eq(sum[pixels * channels], 99);
			for (size_t t = 0; t < count; t++)
				free(each[t]);
			free(w), free(packed), free(sum);
		}
}
END_TEST

/* ---- whole products -------------------------------------------------------------------------- */

static void rows_of(const void *arg, size_t item, size_t first, size_t count, uint8_t *to,
		    size_t ld)
{
	const struct rt_i8_product *g = arg;
	for (size_t i = 0; i < count; i++)
		memcpy(to + i * ld, (const uint8_t *)g->a + item * g->a_step + (first + i) * g->lda,
		       g->k);
}

/* Y = (A − za)·(B − zb), int32, for two products with weights of their own. */
static void try_product(enum rt_cpu_level level, struct rt_team *team, size_t m, size_t n, size_t k,
			unsigned parts)
{
	const struct rt_kernels *kernels = rt_kernels_select(level);
	const bool a_signed = parts & 1, b_signed = parts & 2, gather = parts & 4;
	const int32_t za = a_signed ? -3 : 130, zb = b_signed ? 5 : 121;
	const int32_t less = zb - rt_i8_product_offset(a_signed, b_signed);
	const size_t each = (rt_i8_product_bytes(kernels, n, k) + 63) / 64 * 64;
	uint8_t *a = bytes(2 * m * k + 1), *b = bytes(2 * n * k + 1);
	uint8_t *w = aligned_alloc(64, 2 * each + 64);
	int32_t *sums = malloc(2 * n * sizeof *sums), *add = malloc(2 * n * sizeof *add);
	int32_t *mul = malloc(2 * n * sizeof *mul), *y = malloc(2 * m * n * sizeof *y);
	struct rt_i8_product g = {.kernels = kernels,
				  .m = m,
				  .n = n,
				  .k = k,
				  .batch = 2,
				  .a = a,
				  .lda = k,
				  .a_signed = a_signed,
				  .w = w,
				  .to = kernels->i8_row->to_i32,
				  .y_bytes = 4,
				  .finish = {.add = add, .row_mul = mul, .y = y, .ldy = n},
				  .a_step = m * k,
				  .w_step = each,
				  .y_step = m * n,
				  .column_step = n};
	const struct rt_i8_product in_memory = g;
	void *scratch;
	ck_assert(w && sums && add && mul && y);
	for (size_t i = 0; i < 2; i++)
		rt_i8_product_pack(kernels,
				   &(struct rt_i8_weights){.b = b + i * n * k,
							   .n = n,
							   .k = k,
							   .row = n,
							   .col = 1,
							   .is_signed = b_signed,
							   .a_signed = a_signed},
				   0, rt_i8_product_panels(kernels, n), w + i * each, sums + i * n);
	for (size_t i = 0; i < 2 * n; i++) {
		add[i] = (int32_t)k * za * less - za * sums[i];
		mul[i] = -less;
	}
	if (gather) {
		g.rows = rows_of;
		g.rows_arg = &in_memory;
		g.a = NULL;
	}
	scratch =
	    aligned_alloc(64, (rt_i8_product_scratch(&g, rt_team_threads(team)) + 64) / 64 * 64);
	ck_assert(scratch != NULL);
	rt_team_enter(team);
	rt_i8_product_run(&g, team, scratch);
	rt_team_leave(team);
	for (size_t i = 0; i < 2 * m * n; i++) {
		const size_t item = i / (m * n), r = i / n % m, c = i % n;
		int64_t sum = 0;
		for (size_t p = 0; p < k; p++)
			sum += (value(a[(item * m + r) * k + p], a_signed) - za) *
			       (value(b[(item * k + p) * n + c], b_signed) - zb);
		ck_assert_msg(y[i] == sum, "%s %zux%zux%zu parts %u: %d instead of %lld",
			      rt_cpu_level_name(level), m, n, k, parts, y[i], (long long)sum);
	}
	free(a), free(b), free(w), free(sums), free(add), free(mul), free(y), free(scratch);
}

START_TEST(products_of_bytes)
{
	static const size_t shapes[][3] = {{1, 1, 1},     {5, 33, 17},  {30, 70, 12},
					   {64, 16, 3},   {3, 200, 40}, {100, 130, 260},
					   {70, 200, 300}};
	const enum rt_cpu_level level = (enum rt_cpu_level)_i;
	if (!rt_cpu_has(level))
		return;
	for (int threads = 1; threads <= 3; threads += 2) {
		struct rt_team *team = rt_team_new(threads);
		ck_assert(team != NULL);
		for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
			for (unsigned parts = 0; parts < 8; parts++)
				try_product(level, team, shapes[i][0], shapes[i][1], shapes[i][2],
					    parts);
		rt_team_free(team);
	}
}
END_TEST

Suite *check_runtime_kernels_i8(void)
{
	Suite *s = suite_create("runtime_kernels_i8");
	TCase *c = tcase_create("bytes");

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, tiles, 0, COUNT(i8_gemm_list));
	tcase_add_loop_test(c, rows_of_bytes, 0, COUNT(i8_row_list));
	tcase_add_loop_test(c, sums_become_results, 0, COUNT(i8_row_list));
	tcase_add_loop_test(c, depthwise_of_bytes, 0, COUNT(i8_dwconv_list));
	tcase_add_loop_test(c, products_of_bytes, 0, RT_CPU_LEVEL_COUNT);
	suite_add_tcase(s, c);
	return s;
}
