/* SPDX-License-Identifier: MIT */
/* i8_gemm-avx512.c — tiles of 6 × 32 sums of products of bytes on AVX-512; see i8_gemm.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX512
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define VARIANT rt_i8_gemm__avx512
#define W 8
#define MR2 6
#define MR1 12
#define TILES2(F) F(1) F(2) F(3) F(4) F(5) F(6)
#define TILES1(F) TILES2(F) F(7) F(8) F(9) F(10) F(11) F(12)
typedef __m512i s16;
typedef __m512i s32;

static inline s16 s16_from(const uint8_t *p, bool is_signed)
{
	const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p);
	return is_signed ? _mm512_cvtepi8_epi16(x) : _mm512_cvtepu8_epi16(x);
}
static inline s16 s16_four(uint32_t x, bool is_signed)
{
	const __m256i all = _mm256_set1_epi32((int32_t)x);
	return is_signed ? _mm512_cvtepi8_epi16(all) : _mm512_cvtepu8_epi16(all);
}
static inline s32 s32_dot(s32 s, s16 a, s16 b)
{
	return _mm512_add_epi32(s, _mm512_madd_epi16(a, b));
}
static inline s32 s32_zero(void)
{
	return _mm512_setzero_si512();
}
static inline void s32_columns(int32_t *to, s32 x, s32 y)
{
	const __m512i even =
	    _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
	const __m512i odd =
	    _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
	_mm512_storeu_si512(to, _mm512_add_epi32(_mm512_permutex2var_epi32(x, even, y),
						 _mm512_permutex2var_epi32(x, odd, y)));
}

#include "runtime/kernels/i8_gemm.body.h"
#endif
