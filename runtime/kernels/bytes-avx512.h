/* SPDX-License-Identifier: MIT */
/* bytes-avx512.h — words for int32 lanes and for bytes on AVX-512; see bytes-scalar.h. */
#ifndef LARDER_RUNTIME_KERNELS_BYTES_AVX512_H
#define LARDER_RUNTIME_KERNELS_BYTES_AVX512_H

#include <stdint.h>
#include <string.h>

#include "runtime/kernels/vec-avx512.h"

typedef __m512i vi;

static inline vi vi_load(const int32_t *p)
{
	return _mm512_loadu_si512(p);
}
static inline void vi_store(int32_t *p, vi x)
{
	_mm512_storeu_si512(p, x);
}
static inline vi vi_set1(int32_t x)
{
	return _mm512_set1_epi32(x);
}
static inline vi vi_add(vi a, vi b)
{
	return _mm512_add_epi32(a, b);
}
static inline vi vi_mul(vi a, vi b)
{
	return _mm512_mullo_epi32(a, b);
}
static inline v vi_floats(vi x)
{
	return _mm512_cvtepi32_ps(x);
}
static inline vi vi_nearest(v x)
{
	return _mm512_cvt_roundps_epi32(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vi vi_from_u8(const uint8_t *p)
{
	return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
static inline vi vi_from_i8(const uint8_t *p)
{
	return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
static inline void vi_to_bytes(uint8_t *p, vi x)
{
	_mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(x));
}

#endif
