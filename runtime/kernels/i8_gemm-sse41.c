/* SPDX-License-Identifier: MIT */
/* i8_gemm-sse41.c — tiles of 3 × 8 sums of products of bytes on SSE4.1; see i8_gemm.body.h. */
#include <config.h>

#ifdef RT_HAVE_SSE41
#include <smmintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define VARIANT rt_i8_gemm__sse41
#define W 2
#define MR2 3
#define MR1 6
#define TILES2(F) F(1) F(2) F(3)
#define TILES1(F) TILES2(F) F(4) F(5) F(6)
typedef __m128i s16;
typedef __m128i s32;

static inline s16 s16_from(const uint8_t *p, bool is_signed)
{
	const __m128i x = _mm_loadl_epi64((const __m128i *)(const void *)p);
	return is_signed ? _mm_cvtepi8_epi16(x) : _mm_cvtepu8_epi16(x);
}
static inline s16 s16_four(uint32_t x, bool is_signed)
{
	const __m128i all = _mm_set1_epi32((int32_t)x);
	return is_signed ? _mm_cvtepi8_epi16(all) : _mm_cvtepu8_epi16(all);
}
static inline s32 s32_dot(s32 s, s16 a, s16 b)
{
	return _mm_add_epi32(s, _mm_madd_epi16(a, b));
}
static inline s32 s32_zero(void)
{
	return _mm_setzero_si128();
}
static inline void s32_columns(int32_t *to, s32 x, s32 y)
{
	_mm_storeu_si128((__m128i *)(void *)to, _mm_hadd_epi32(x, y));
}

#include "runtime/kernels/i8_gemm.body.h"
#endif
