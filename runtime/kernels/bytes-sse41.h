/* SPDX-License-Identifier: MIT */
/* bytes-sse41.h — words for int32 lanes and for bytes on SSE4.1; see bytes-scalar.h. */
#ifndef LARDER_RUNTIME_KERNELS_BYTES_SSE41_H
#define LARDER_RUNTIME_KERNELS_BYTES_SSE41_H

#include <stdint.h>
#include <string.h>

#include "runtime/kernels/vec-sse41.h"

typedef __m128i vi;

static inline vi vi_load(const int32_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}
static inline vi vi_load_n(const int32_t *p, size_t n)
{
	int32_t lanes[4] = {0, 0, 0, 0};
	memcpy(lanes, p, n * sizeof *p);
	return _mm_loadu_si128((const __m128i *)(const void *)lanes);
}
static inline void vi_store(int32_t *p, vi x)
{
	_mm_storeu_si128((__m128i *)(void *)p, x);
}
static inline vi vi_set1(int32_t x)
{
	return _mm_set1_epi32(x);
}
static inline vi vi_add(vi a, vi b)
{
	return _mm_add_epi32(a, b);
}
static inline vi vi_mul(vi a, vi b)
{
	return _mm_mullo_epi32(a, b);
}
static inline v vi_floats(vi x)
{
	return _mm_cvtepi32_ps(x);
}
static inline vi vi_nearest(v x)
{
	return _mm_cvtps_epi32(_mm_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline __m128i vi_four_bytes(const uint8_t *p)
{
	int32_t four;
	memcpy(&four, p, sizeof four);
	return _mm_cvtsi32_si128(four);
}
static inline vi vi_from_u8(const uint8_t *p)
{
	return _mm_cvtepu8_epi32(vi_four_bytes(p));
}
static inline vi vi_from_i8(const uint8_t *p)
{
	return _mm_cvtepi8_epi32(vi_four_bytes(p));
}
static inline void vi_to_bytes(uint8_t *p, vi x)
{
	const int32_t four = _mm_cvtsi128_si32(_mm_shuffle_epi8(
	    x, _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1)));
	memcpy(p, &four, sizeof four);
}

#endif
