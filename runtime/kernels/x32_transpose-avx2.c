/* SPDX-License-Identifier: MIT */
/* x32_transpose-avx2.c — blocks of a transpose on AVX2; see x32_transpose.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define B 8
/* Rows r and r + 4, four columns of each, side by side. */
static inline __m256i load2(const uint32_t *x, size_t ldx)
{
	__m128i lo = _mm_loadu_si128((const void *)x);
	return _mm256_inserti128_si256(_mm256_castsi128_si256(lo),
				       _mm_loadu_si128((const void *)(x + 4 * ldx)), 1);
}
static inline void store(uint32_t *p, __m256i x)
{
	_mm256_storeu_si256((void *)p, x);
}
/* Four columns of eight rows. */
static inline void half(const uint32_t *x, size_t ldx, uint32_t *y, size_t ldy)
{
	__m256i a = load2(x, ldx), b = load2(x + ldx, ldx);
	__m256i c = load2(x + 2 * ldx, ldx), d = load2(x + 3 * ldx, ldx);
	__m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
	store(y, _mm256_unpacklo_epi64(ab, cd));
	store(y + ldy, _mm256_unpackhi_epi64(ab, cd));
	ab = _mm256_unpackhi_epi32(a, b), cd = _mm256_unpackhi_epi32(c, d);
	store(y + 2 * ldy, _mm256_unpacklo_epi64(ab, cd));
	store(y + 3 * ldy, _mm256_unpackhi_epi64(ab, cd));
}
static inline void block(const uint32_t *x, size_t ldx, uint32_t *y, size_t ldy)
{
	half(x, ldx, y, ldy);
	half(x + 4, ldx, y + 4 * ldy, ldy);
}

/* Four columns of three rows, as three rows of four: y[3·c + r] = x[r][c]. */
#define THREE 4
static inline void three(const uint32_t *x, size_t ldx, uint32_t *y)
{
	__m128 a = _mm_loadu_ps((const void *)x), b = _mm_loadu_ps((const void *)(x + ldx));
	__m128 c = _mm_loadu_ps((const void *)(x + 2 * ldx));
	__m128 lo = _mm_unpacklo_ps(a, b), hi = _mm_unpackhi_ps(a, b); /* a0 b0 a1 b1, … */
	a = _mm_shuffle_ps(c, lo, _MM_SHUFFLE(2, 2, 0, 0));            /* c0 c0 a1 a1 */
	_mm_storeu_ps((void *)y, _mm_shuffle_ps(lo, a, _MM_SHUFFLE(2, 0, 1, 0)));
	b = _mm_shuffle_ps(b, c, _MM_SHUFFLE(1, 1, 1, 1)); /* b1 b1 c1 c1 */
	_mm_storeu_ps((void *)(y + 4), _mm_shuffle_ps(b, hi, _MM_SHUFFLE(1, 0, 2, 0)));
	a = _mm_shuffle_ps(c, hi, _MM_SHUFFLE(2, 2, 2, 2)); /* c2 c2 a3 a3 */
	b = _mm_shuffle_ps(hi, c, _MM_SHUFFLE(3, 3, 3, 3)); /* b3 b3 c3 c3 */
	_mm_storeu_ps((void *)(y + 8), _mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)));
}

#define VARIANT rt_x32_transpose__avx2
#include "runtime/kernels/x32_transpose.body.h"
#endif
