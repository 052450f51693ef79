/* SPDX-License-Identifier: MIT */
/* i8_gemm-avx2.c — tiles of 3 × 16 sums of products of bytes on AVX2; see i8_gemm.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define VARIANT rt_i8_gemm__avx2
#define W 4
#define MR2 3
#define MR1 6
#define TILES2(F) F(1) F(2) F(3)
#define TILES1(F) TILES2(F) F(4) F(5) F(6)
typedef __m256i s16;
typedef __m256i s32;

static inline s16 s16_from(const uint8_t *p, bool is_signed)
{
	const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
	return is_signed ? _mm256_cvtepi8_epi16(x) : _mm256_cvtepu8_epi16(x);
}
static inline s16 s16_four(uint32_t x, bool is_signed)
{
	const __m128i all = _mm_set1_epi32((int32_t)x);
	return is_signed ? _mm256_cvtepi8_epi16(all) : _mm256_cvtepu8_epi16(all);
}
static inline s32 s32_dot(s32 s, s16 a, s16 b)
{
	return _mm256_add_epi32(s, _mm256_madd_epi16(a, b));
}
static inline s32 s32_zero(void)
{
	return _mm256_setzero_si256();
}
static inline void s32_columns(int32_t *to, s32 x, s32 y)
{
	const __m256i both = _mm256_permute4x64_epi64(_mm256_hadd_epi32(x, y), 0xd8);
	_mm256_storeu_si256((__m256i *)(void *)to, both);
}

#include "runtime/kernels/i8_gemm.body.h"
#endif
