/* SPDX-License-Identifier: MIT */
/* bytes-avx2.h — words for int32 lanes and for bytes on AVX2; see bytes-scalar.h. */
#ifndef LARDER_RUNTIME_KERNELS_BYTES_AVX2_H
#define LARDER_RUNTIME_KERNELS_BYTES_AVX2_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "runtime/kernels/vec-avx2.h"

typedef __m256i vi;

static inline vi vi_load(const int32_t *p)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
static inline vi vi_load_n(const int32_t *p, size_t n)
{
	return _mm256_maskload_epi32(p, v_lanes(n));
}
static inline void vi_store(int32_t *p, vi x)
{
	_mm256_storeu_si256((__m256i *)(void *)p, x);
}
static inline vi vi_set1(int32_t x)
{
	return _mm256_set1_epi32(x);
}
static inline vi vi_add(vi a, vi b)
{
	return _mm256_add_epi32(a, b);
}
static inline vi vi_mul(vi a, vi b)
{
	return _mm256_mullo_epi32(a, b);
}
static inline v vi_floats(vi x)
{
	return _mm256_cvtepi32_ps(x);
}
static inline vi vi_nearest(v x)
{
	return _mm256_cvtps_epi32(
	    _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline vi vi_from_u8(const uint8_t *p)
{
	return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
static inline vi vi_from_i8(const uint8_t *p)
{
	return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
static inline void vi_to_bytes(uint8_t *p, vi x)
{
	const __m256i low = _mm256_shuffle_epi8(
	    x, _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4,
				8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
	_mm_storel_epi64(
	    (__m128i *)(void *)p,
	    _mm_unpacklo_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
}

static inline vi vi_halves(const int32_t *p, const int32_t *q)
{
	return _mm256_inserti128_si256(
	    _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p)),
	    _mm_loadu_si128((const __m128i *)(const void *)q), 1);
}
static inline v v_halves(const float *p, const float *q)
{
	return _mm256_castsi256_ps(
	    vi_halves((const int32_t *)(const void *)p, (const int32_t *)(const void *)q));
}
static inline vi vi_two(int32_t a, int32_t b)
{
	return _mm256_inserti128_si256(_mm256_set1_epi32(a), _mm_set1_epi32(b), 1);
}

#define VI_PAIR
static inline void vi_pair_to_bytes(uint8_t *p, vi x, vi y, int32_t zero, int32_t least,
				    const bool is_signed)
{
	__m256i both = _mm256_packs_epi32(x, y);
	both = _mm256_adds_epi16(both, _mm256_set1_epi16((int16_t)zero));
	both = _mm256_max_epi16(both, _mm256_set1_epi16((int16_t)least));
	both = is_signed ? _mm256_packs_epi16(both, both) : _mm256_packus_epi16(both, both);
	both = _mm256_permutevar8x32_epi32(both, _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5));
	_mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(both));
}

#endif
