/* SPDX-License-Identifier: MIT */
/*
 * kernels.c — how fast the heavy kernels are, beside what the machine can do.
 *
 *	tests/bench/kernels [--cpu-level L] [--threads N] [--seconds S]
 *
 * Per shape one line: GFLOP/s (the best of many repeats: other work on the
 * machine only ever makes it slower) and percent of the FMA peak measured in the
 * same run (products of bytes: GOP/s, and percent of that peak too, so that 400 is
 * what VNNI can).  Run by hand; no test depends on it.
 */
#include <config.h>

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/kernels/gemm.h"
#include "runtime/kernels/i8_product.h"

static double seconds = 0.3;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static float *floats(size_t n)
{
	float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
	if (!x)
		abort();
	for (size_t i = 0; i < n; i++)
		x[i] = (float)(i % 17) * 0.125f - 1;
	return x;
}

/* ---- the peak: independent multiply-adds on registers ---------------------------------------- */

#define EACH(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
#define ZERO(j) vec a##j = {0};
#define HOLD(j) __asm__ volatile("" : : REG(a##j));
#define PEAK(name, lanes, ...)                                                                     \
	__VA_ARGS__ static double name(void)                                                       \
	{                                                                                          \
		typedef float vec __attribute__((vector_size((lanes)*4)));                         \
		vec x = {0};                                                                       \
		double best = 0, begin = now();                                                    \
		EACH(ZERO)                                                                         \
		while (now() - begin < seconds) {                                                  \
			double t = now();                                                          \
			for (int i = 0; i < 20000; i++) {                                          \
				EACH(STEP)                                                         \
			}                                                                          \
			best = fmax(best, 2.0 * (lanes)*12 * 20000 / (now() - t));                 \
		}                                                                                  \
		EACH(HOLD)                                                                         \
		return best * 1e-9;                                                                \
	}

#if defined(__x86_64__)
#define REG "v"
#define STEP(j) __asm__ volatile("mulps %1, %0\n\taddps %1, %0" : "+x"(a##j) : "x"(x));
PEAK(peak_sse41, 4, )
#undef STEP
#define STEP(j) __asm__ volatile("vfmadd231ps %1, %1, %0" : "+v"(a##j) : "v"(x));
PEAK(peak_avx2, 8, __attribute__((target("avx2,fma"))))
PEAK(peak_avx512, 16, __attribute__((target("avx512f,fma"))))
#elif defined(__aarch64__)
#define REG "w"
#define STEP(j) __asm__ volatile("fmla %0.4s, %1.4s, %1.4s" : "+w"(a##j) : "w"(x));
PEAK(peak_neon, 4, )
#endif

static double peak(enum rt_cpu_level level)
{
	switch (level) {
#if defined(__x86_64__)
	case RT_CPU_SSE41:
		return peak_sse41();
	case RT_CPU_AVX2:
		return peak_avx2();
	case RT_CPU_AVX512:
	case RT_CPU_AVX512VNNI:
	case RT_CPU_AMX:
		return peak_avx512();
#elif defined(__aarch64__)
	case RT_CPU_NEON:
		return peak_neon();
#endif
	default:
		return 0;
	}
}

/* ---- what is measured -------------------------------------------------------------------------
 */

static void line(const char *what, const char *shape, double flop, double best, double top)
{
	printf("%-10s %-28s %9.3f ms %8.2f GFLOP/s %5.1f %%\n", what, shape, best * 1e3,
	       flop / best * 1e-9, top > 0 ? 100 * flop / best * 1e-9 / top : 0);
}

static void bench_gemm(const struct rt_kernels *k, struct rt_team *team, double top, size_t m,
		       size_t n, size_t depth)
{
	float *a = floats(m * depth), *b = floats(n * depth), *c = floats(m * n);
	float *bias = floats(n), *w = floats(rt_gemm_pack_elems(k, n, depth)), *scratch;
	struct rt_gemm g = {.kernels = k,
			    .m = m,
			    .n = n,
			    .k = depth,
			    .batch = 1,
			    .a = a,
			    .lda = depth,
			    .w = w,
			    .c = c,
			    .ldc = n,
			    .epilogue = {.bias = bias, .lo = 0, .hi = INFINITY}};
	double best = 1e9, begin = now(), packing = now();
	char shape[64];
	rt_gemm_pack(k, n, depth, b, n, 1, 0, rt_gemm_panels(k, n), w);
	scratch = floats(rt_gemm_scratch_bytes(&g, rt_team_threads(team)) / sizeof *scratch);
	packing = now() - packing;
	for (int i = 0; i < 3 || now() - begin < seconds; i++) {
		double t = now();
		rt_gemm_run(&g, team, scratch);
		best = fmin(best, now() - t);
	}
	snprintf(shape, sizeof shape, "%zux%zux%zu", m, n, depth);
	line("gemm", shape, 2.0 * (double)(m * n * depth), best, top);
	free(a), free(b), free(c), free(bias), free(w), free(scratch);
}

/* Bytes with one zero point each, to bytes. */
static void bench_bytes(const struct rt_kernels *k, struct rt_team *team, double top, size_t m,
			size_t n, size_t depth)
{
	uint8_t *a = (uint8_t *)floats(m * depth / 4 + 1);
	uint8_t *b = (uint8_t *)floats(n * depth / 4 + 1), *y = (uint8_t *)floats(m * n / 4 + 1);
	uint8_t *w = (uint8_t *)floats(rt_i8_product_bytes(k, n, depth) / 4 + 16);
	int32_t *sums = (int32_t *)(void *)floats(n);
	struct rt_i8_product g = {
	    .kernels = k,
	    .m = m,
	    .n = n,
	    .k = depth,
	    .batch = 1,
	    .a = a,
	    .lda = depth,
	    .w = w,
	    .to = k->i8_row->to_i8,
	    .y_bytes = 1,
	    .finish = {.add = sums, .scale = floats(n), .lo = 0, .hi = 255, .y = y, .ldy = n}};
	const struct rt_i8_weights from = {
	    .b = b, .n = n, .k = depth, .row = n, .col = 1, .is_signed = true};
	void *scratch = floats(rt_i8_product_scratch(&g, rt_team_threads(team)) / 4 + 16);
	double best = 1e9, begin = now();
	char shape[64];
	rt_i8_product_pack(k, &from, 0, rt_i8_product_panels(k, n), w, sums);
	for (int i = 0; i < 3 || now() - begin < seconds; i++) {
		double t = now();
		rt_i8_product_run(&g, team, scratch);
		best = fmin(best, now() - t);
	}
	snprintf(shape, sizeof shape, "%zux%zux%zu", m, n, depth);
	line("bytes", shape, 2.0 * (double)(m * n * depth), best, top);
	free(a), free(b), free(y), free(w), free(sums), free(scratch);
	free((float *)(uintptr_t)g.finish.scale);
}

/* Weights of four bits, block 32, three bytes per element of A, one thread. */
static void bench_halves(const struct rt_kernels *k, double top, size_t m, size_t n, size_t depth)
{
	const struct rt_n4_gemm *kernel = k->n4_gemm;
	const size_t blocks = depth / 32, mr = kernel->mr[3], each = depth * 3;
	float *x = floats(m * depth), *scale = floats(blocks * n), *y = floats(m * n);
	float *x_scale = floats(m * blocks);
	struct rt_n4_sums *sums = (struct rt_n4_sums *)(void *)floats(m * blocks * 4);
	int8_t *to = (int8_t *)floats(m * each / 4);
	uint8_t *w = (uint8_t *)floats(n * depth / 8);
	double best = 1e9, begin = now();
	char shape[64];
	for (int i = 0; i < 3 || now() - begin < seconds; i++) {
		double t = now();
		for (size_t b = 0; b < m * blocks; b++)
			kernel->prepare(32, 3, 32, x + b * 32, to + b * 96, x_scale + b, sums + b);
		for (size_t p = 0; p < n / 16; p++)
			for (size_t r = 0; r < m; r += mr)
				kernel->tile(&(struct rt_n4_tile){.m = m - r < mr ? m - r : mr,
								  .n = 16,
								  .blocks = blocks,
								  .block = 32,
								  .parts = 3,
								  .x = to + r * each,
								  .x_scale = x_scale + r * blocks,
								  .x_sum = sums + r * blocks,
								  .ldx = each,
								  .w = w + p * depth * 8,
								  .scale = scale + p * blocks * 16,
								  .y = y + r * n + p * 16,
								  .ldy = n});
		best = fmin(best, now() - t);
	}
	snprintf(shape, sizeof shape, "%zux%zux%zu", m, n, depth);
	line("four bits", shape, 2.0 * (double)(m * n * depth), best, top);
	free(x), free(scale), free(y), free(x_scale), free(sums), free(to), free(w);
}

static void bench_dwconv(const struct rt_kernels *k, double top, size_t channels, size_t pixels,
			 size_t taps, size_t stride)
{
	size_t width = pixels * stride + taps;
	float *x = floats(taps * width * channels), *w = floats(taps * taps * channels);
	float *y = floats(pixels * channels);
	const float *rows[7];
	struct rt_window win = {.channels = channels,
				.pixels = pixels,
				.rows = taps,
				.cols = taps,
				.in = rows,
				.in_tap = channels,
				.in_step = stride * channels,
				.y = y,
				.y_step = channels};
	double best = 1e9, begin = now();
	char shape[64];
	for (size_t r = 0; r < taps; r++)
		rows[r] = x + r * width * channels;
	for (int i = 0; i < 3 || now() - begin < seconds; i++) {
		double t = now();
		for (int j = 0; j < 10; j++)
			k->f32_dwconv->run(&win, w, taps * channels, channels, w, 0, 6);
		best = fmin(best, (now() - t) / 10);
	}
	snprintf(shape, sizeof shape, "%zux%zu/%zu c%zu w%zu", taps, taps, stride, channels,
		 pixels);
	line("dwconv", shape, 2.0 * (double)(taps * taps * channels * pixels), best, top);
	free(x), free(w), free(y);
}

/* Whole rows of 3 × 3 taps, edges included, as larder.Conv runs them. */
static void bench_rows(const struct rt_kernels *k, double top, size_t channels, size_t width,
		       size_t stride)
{
	const size_t pixels = (width + stride - 1) / stride, count = stride == 1 ? 2 : 1;
	float *x = floats(4 * width * channels), *w = floats(9 * channels);
	float *y = floats(2 * pixels * channels);
	struct rt_dw_rows d = {.channels = channels,
			       .pixels = pixels,
			       .count = count,
			       .stride = stride,
			       .width = width,
			       .left = 1,
			       .w = w,
			       .bias = w,
			       .lo = 0,
			       .hi = 6,
			       .y = {y, y + pixels * channels}};
	double best = 1e9, begin = now();
	char shape[64];
	for (size_t r = 0; r < 4; r++)
		d.in[r] = x + r * width * channels;
	for (int i = 0; i < 3 || now() - begin < seconds; i++) {
		double t = now();
		for (int j = 0; j < 10; j++)
			k->f32_dwconv->rows(&d);
		best = fmin(best, (now() - t) / 10);
	}
	snprintf(shape, sizeof shape, "rows 3x3/%zu c%zu w%zu", stride, channels, width);
	line("dwconv", shape, 2.0 * (double)(9 * channels * pixels * count), best, top);
	free(x), free(w), free(y);
}

static void bench_unary(const struct rt_kernels *k)
{
	static const char *const names[] = {
#define UNARY(id, name, abs, rel) #name,
#include "runtime/kernels/unary.def"
#undef UNARY
	};
	const struct rt_unary_params p = {0.5f, 0.25f};
	float *x = floats(4096), *y = floats(4096);
	for (int op = 0; op < RT_UNARY_COUNT; op++) {
		double best = 1e9, begin = now();
		for (int i = 0; i < 3 || now() - begin < seconds / 10; i++) {
			double t = now();
			k->f32_unary->fn[op](4096, x, y, &p);
			best = fmin(best, now() - t);
		}
		printf("%-10s %-28s %9.3f us %8.2f elements/ns\n", "unary", names[op], best * 1e6,
		       4096 / best * 1e-9);
	}
	free(x), free(y);
}

static void bench_level(enum rt_cpu_level level, int threads)
{
	static const size_t gemms[][3] = {
	    {128, 3072, 768}, {128, 768, 3072}, {960, 196, 160}, {96, 3136, 24},  {196, 960, 160},
	    {3136, 96, 24},   {196, 512, 4608}, {49, 2048, 512}, {1, 1000, 1280}, {196, 1024, 256},
	    {12544, 16, 32},  {3136, 24, 72},   {784, 48, 96},   {128, 128, 64},  {1, 3072, 768},
	    {8, 768, 768},    {49, 1280, 320},
	};
	const struct rt_kernels *k = rt_kernels_select(level);
	struct rt_team *team = rt_team_new(threads);
	double top = peak(level) * threads;
	if (!team)
		abort();
	printf("-- %s, %d thread%s: peak %.1f GFLOP/s\n", rt_cpu_level_name(level), threads,
	       threads == 1 ? "" : "s", top);
	rt_team_enter(team);
	for (size_t i = 0; i < sizeof gemms / sizeof *gemms; i++)
		bench_gemm(k, team, top, gemms[i][0], gemms[i][1], gemms[i][2]);
	for (size_t i = 0; i < 10; i++)
		bench_bytes(k, team, top, gemms[i][0], gemms[i][1], gemms[i][2]);
	rt_team_leave(team);
	rt_team_free(team);
	for (size_t m = 1; m <= 128 && k->n4_gemm->is_fast; m *= m == 1 ? 8 : 16)
		bench_halves(k, peak(level), m, 2048, 2048);
	bench_dwconv(k, top, 32, 112, 3, 1);
	bench_dwconv(k, top, 96, 56, 3, 2);
	bench_dwconv(k, top, 384, 14, 3, 1);
	bench_dwconv(k, top, 960, 7, 3, 1);
	bench_dwconv(k, top, 240, 14, 5, 1);
	bench_rows(k, top, 32, 112, 1);
	bench_rows(k, top, 96, 112, 2);
	bench_rows(k, top, 384, 14, 1);
	bench_rows(k, top, 960, 7, 1);
	bench_unary(k);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"cpu-level", 1, NULL, 'c'}, {"threads", 1, NULL, 't'}, {"seconds", 1, NULL, 's'}, {0}};
	enum rt_cpu_level level = rt_cpu_best();
	int threads = 1, c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c' && !rt_cpu_level_parse(optarg, &level))
			return fprintf(stderr, "unknown level %s\n", optarg), 2;
		if (c == 't')
			threads = (int)strtol(optarg, NULL, 10);
		if (c == 's')
			seconds = strtod(optarg, NULL);
		if (c == '?' || threads < 1 || threads > 256 || !(seconds > 0))
			return 2;
	}
	if (!rt_cpu_has(level))
		return fprintf(stderr, "this machine has no %s\n", rt_cpu_level_name(level)), 2;
	bench_level(level, threads);
	return 0;
}
