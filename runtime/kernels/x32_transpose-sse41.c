/* SPDX-License-Identifier: MIT */
/* x32_transpose-sse41.c — blocks of a transpose on SSE; see x32_transpose.body.h. */
#include <config.h>

#ifdef RT_HAVE_SSE41
#include <smmintrin.h>
#include <stddef.h>
#include <stdint.h>

#define B 4
static inline __m128i load(const uint32_t *p)
{
	return _mm_loadu_si128((const void *)p);
}
static inline void store(uint32_t *p, __m128i x)
{
	_mm_storeu_si128((void *)p, x);
}
static inline void block(const uint32_t *x, size_t ldx, uint32_t *y, size_t ldy)
{
	__m128i a = load(x), b = load(x + ldx), c = load(x + 2 * ldx), d = load(x + 3 * ldx);
	__m128i ab = _mm_unpacklo_epi32(a, b), cd = _mm_unpacklo_epi32(c, d);
	store(y, _mm_unpacklo_epi64(ab, cd));
	store(y + ldy, _mm_unpackhi_epi64(ab, cd));
	ab = _mm_unpackhi_epi32(a, b), cd = _mm_unpackhi_epi32(c, d);
	store(y + 2 * ldy, _mm_unpacklo_epi64(ab, cd));
	store(y + 3 * ldy, _mm_unpackhi_epi64(ab, cd));
}

#define VARIANT rt_x32_transpose__sse41
#include "runtime/kernels/x32_transpose.body.h"
#endif
