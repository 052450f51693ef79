/* SPDX-License-Identifier: MIT */
/* n4_gemm-scalar.c — the reference for four-bit weights by products of bytes; see kernels.h. */
#include <config.h>

#include <math.h>

#include "runtime/kernels/kernels.h"

static const float most_of[] = {0, 0, 32512.0f, 8323072.0f};

static void prepare(size_t block, int parts, size_t n, const float *x, int8_t *to, float *scale,
		    struct rt_n4_sums *sum)
{
	const float limit = most_of[parts];
	float most = 0;
	int64_t all = 0;
	*sum = (struct rt_n4_sums){.all = 0};
	for (size_t i = 0; i < n; i++)
		most = fmaxf(most, fabsf(x[i]));
	const float by = most > 0 ? limit / most : 0;
	*scale = most * (1.0f / limit);
	for (size_t i = 0; i < block; i++) {
		const float y = i < n ? x[i] * by : 0;
		int32_t q = y != y ? 0 : (int32_t)rintf(fminf(fmaxf(y, -limit), limit));
		int8_t *at = to + i / 8 * 8 * (size_t)parts + i % 2 * 4 + i % 8 / 2;
		all += q;
		for (int p = 0; p < parts; p++, at += 8) {
			const int32_t low = ((q & 255) ^ 128) - 128;
			*at = (int8_t)low;
			sum->part[p] -= 8 * low;
			q = (q - low) / 256;
		}
	}
	sum->all = (float)all;
}

static float column(const struct rt_n4_tile *t, size_t r, size_t c)
{
	const size_t parts = (size_t)t->parts;
	float sum = t->bias ? t->bias[c] : 0;
	for (size_t b = 0; b < t->blocks; b++) {
		const struct rt_n4_sums *of = t->x_sum + r * t->blocks + b;
		const int8_t *x = t->x + r * t->ldx + b * t->block * parts;
		const uint8_t *w = t->w + b * t->block * 8 + c * 4;
		int64_t dot = 0;
		for (size_t i = 0; i < t->block; i++) {
			const uint8_t two = w[i / 8 * 64 + i % 8 / 2];
			const int q = i % 2 ? two >> 4 : two & 15;
			const int8_t *at = x + i / 8 * 8 * parts + i % 2 * 4 + i % 8 / 2;
			for (size_t p = parts; p-- > 0;)
				dot +=
				    ((int64_t)1 << (8 * p)) * (q - (t->zero ? 0 : 8)) * at[8 * p];
		}
		const float zero = t->zero ? t->zero[b * 16 + c] : 0;
		const float s = (float)dot - zero * of->all;
		sum += s * (t->scale[b * 16 + c] * t->x_scale[r * t->blocks + b]);
	}
	return sum;
}

static void tile(const struct rt_n4_tile *t)
{
	for (size_t r = 0; r < t->m; r++)
		for (size_t c = 0; c < t->n; c++)
			t->y[r * t->ldy + c] = column(t, r, c);
}

static void unpack(size_t k, size_t block, const uint8_t *w, const float *scale, const float *zero,
		   float *to, size_t ld)
{
	for (size_t i = 0; i < k; i++)
		for (size_t c = 0; c < 16; c++) {
			const size_t at = i / block * 16 + c;
			const uint8_t two = w[i / 8 * 64 + c * 4 + i % 8 / 2];
			const float q = (float)(i % 2 ? two >> 4 : two & 15);
			to[i * ld + c] = scale[at] * (q - (zero ? zero[at] : 8));
		}
}

const struct rt_n4_gemm rt_n4_gemm__scalar = {
    .mr = {0, 0, 4, 4}, .prepare = prepare, .tile = tile, .unpack = unpack};
