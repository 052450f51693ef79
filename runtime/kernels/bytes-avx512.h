/* SPDX-License-Identifier: MIT */
/* bytes-avx512.h — words for int32 lanes and for bytes on AVX-512; see bytes-scalar.h. */
#ifndef LARDER_RUNTIME_KERNELS_BYTES_AVX512_H
#define LARDER_RUNTIME_KERNELS_BYTES_AVX512_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "runtime/kernels/vec-avx512.h"

typedef __m512i vi;

static inline vi vi_load(const int32_t *p)
{
	return _mm512_loadu_si512(p);
}
static inline vi vi_load_n(const int32_t *p, size_t n)
{
	return _mm512_maskz_loadu_epi32(v_lanes(n), p);
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

static inline vi vi_halves(const int32_t *p, const int32_t *q)
{
	return _mm512_inserti64x4(
	    _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)p)),
	    _mm256_loadu_si256((const __m256i *)(const void *)q), 1);
}
static inline v v_halves(const float *p, const float *q)
{
	return _mm512_castsi512_ps(
	    vi_halves((const int32_t *)(const void *)p, (const int32_t *)(const void *)q));
}
static inline vi vi_two(int32_t a, int32_t b)
{
	return _mm512_inserti64x4(_mm512_set1_epi32(a), _mm256_set1_epi32(b), 1);
}

#define VI_PAIR
static inline void vi_pair_to_bytes(uint8_t *p, vi x, vi y, int32_t zero, int32_t least,
				    const bool is_signed)
{
	const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 4, 8, 12, 1, 5, 9, 13);
	__m512i both = _mm512_packs_epi32(x, y);
	both = _mm512_adds_epi16(both, _mm512_set1_epi16((int16_t)zero));
	both = _mm512_max_epi16(both, _mm512_set1_epi16((int16_t)least));
	both = is_signed ? _mm512_packs_epi16(both, both) : _mm512_packus_epi16(both, both);
	_mm256_storeu_si256((__m256i *)(void *)p,
			    _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, both)));
}

#endif
