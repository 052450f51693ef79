/* SPDX-License-Identifier: MIT */
/* f16_convert-avx2.c — half precision to single and back with F16C. */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/kernels.h"

static void to_f32(size_t n, const uint16_t *x, float *y)
{
	uint16_t lanes[8] = {0};
	float wide[8];
	for (; n >= 8; n -= 8, x += 8, y += 8)
		_mm256_storeu_ps(y, _mm256_cvtph_ps(_mm_loadu_si128((const void *)x)));
	if (n == 0)
		return;
	memcpy(lanes, x, n * sizeof *x);
	_mm256_storeu_ps(wide, _mm256_cvtph_ps(_mm_loadu_si128((const void *)lanes)));
	memcpy(y, wide, n * sizeof *y);
}

static void from_f32(size_t n, const float *x, uint16_t *y)
{
	uint16_t lanes[8];
	float wide[8] = {0};
	for (; n >= 8; n -= 8, x += 8, y += 8)
		_mm_storeu_si128((void *)y, _mm256_cvtps_ph(_mm256_loadu_ps(x), 0));
	if (n == 0)
		return;
	memcpy(wide, x, n * sizeof *x);
	_mm_storeu_si128((void *)lanes, _mm256_cvtps_ph(_mm256_loadu_ps(wide), 0));
	memcpy(y, lanes, n * sizeof *y);
}

const struct rt_f16_convert rt_f16_convert__avx2 = {to_f32, from_f32};
#endif
