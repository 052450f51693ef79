/* SPDX-License-Identifier: MIT */
/* i8_gemm-scalar.c — the reference for sums of products of bytes; kernels.h says what they are. */
#include <config.h>

#include "runtime/kernels/kernels.h"

enum { ROWS = 4, WIDTH = 8 };

static void tile(const struct rt_i8_tile *t)
{
	const size_t width = t->narrow ? WIDTH / 2 : WIDTH;
	for (size_t r = 0; r < t->m; r++) {
		const uint8_t *a = t->a + r * t->lda, *w = t->w;
		uint32_t sum[WIDTH] = {0};
		for (size_t k = 0; k < t->k; k++) {
			const int32_t x = t->a_signed ? (int8_t)a[k] : a[k];
			const uint8_t *of = w + k / 4 * width * 4 + k % 4;
			for (size_t j = 0; j < width; j++)
				sum[j] +=
				    (uint32_t)(x * (t->a_signed ? of[j * 4] : (int8_t)of[j * 4]));
		}
		for (size_t j = 0; j < width; j++)
			t->c[r * WIDTH + j] = (int32_t)sum[j];
	}
}

static int32_t sum(size_t k, const uint8_t *a, bool is_signed)
{
	uint32_t s = 0;
	for (size_t i = 0; i < k; i++) {
		const int32_t x = is_signed ? (int8_t)a[i] : a[i];
		s += (uint32_t)x;
	}
	return (int32_t)s;
}

const struct rt_i8_gemm rt_i8_gemm__scalar = {
    .mr = ROWS, .nr = WIDTH, .mr1 = ROWS, .tile = tile, .sum = sum};
