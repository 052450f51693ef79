/* SPDX-License-Identifier: MIT */
/*
 * vec-avx2.h — the vector vocabulary on AVX2 with FMA, eight lanes.  Included by *-avx2.c only,
 * before the
 * *.body.h that is written in it.  Meaning of each word: vec-scalar.h.
 */
#ifndef LARDER_RUNTIME_KERNELS_VEC_AVX2_H
#define LARDER_RUNTIME_KERNELS_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define V 8
typedef __m256 v;
typedef __m256 vm;

/* v_lanes(n): all bits of the first n lanes. */
static inline __m256i v_lanes(size_t n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n),
				  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline v v_load(const float *p)
{
	return _mm256_loadu_ps(p);
}
static inline v v_load_n(const float *p, size_t n)
{
	return _mm256_maskload_ps(p, v_lanes(n));
}
static inline void v_store(float *p, v x)
{
	_mm256_storeu_ps(p, x);
}
static inline void v_store_n(float *p, v x, size_t n)
{
	_mm256_maskstore_ps(p, v_lanes(n), x);
}
/* A macro: gcc takes a function that does no more for one without effects, and drops it. */
#define v_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
static inline v v_set1(float x)
{
	return _mm256_set1_ps(x);
}
static inline v v_add(v a, v b)
{
	return _mm256_add_ps(a, b);
}
static inline v v_sub(v a, v b)
{
	return _mm256_sub_ps(a, b);
}
static inline v v_mul(v a, v b)
{
	return _mm256_mul_ps(a, b);
}
static inline v v_div(v a, v b)
{
	return _mm256_div_ps(a, b);
}
static inline v v_fma(v a, v b, v c)
{
	return _mm256_fmadd_ps(a, b, c);
}
static inline v v_fnma(v a, v b, v c)
{
	return _mm256_fnmadd_ps(a, b, c);
}
static inline v v_max(v bound, v x)
{
	return _mm256_max_ps(bound, x);
}
static inline v v_min(v bound, v x)
{
	return _mm256_min_ps(bound, x);
}
static inline v v_abs(v x)
{
	return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
static inline v v_neg(v x)
{
	return _mm256_xor_ps(_mm256_set1_ps(-0.0f), x);
}
static inline v v_sqrt(v x)
{
	return _mm256_sqrt_ps(x);
}
static inline v v_floor(v x)
{
	return _mm256_floor_ps(x);
}
static inline v v_ceil(v x)
{
	return _mm256_ceil_ps(x);
}
static inline v v_round(v x)
{
	return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vm v_lt(v a, v b)
{
	return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
static inline vm v_isnan(v x)
{
	return _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
}
static inline v v_select(vm m, v a, v b)
{
	return _mm256_blendv_ps(b, a, m);
}
static inline v v_copysign(v magnitude, v sign)
{
	v bit = _mm256_set1_ps(-0.0f);
	return _mm256_or_ps(_mm256_andnot_ps(bit, magnitude), _mm256_and_ps(bit, sign));
}
static inline v v_ldexp(v x, v n)
{
	__m256i i = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(i, 1);
	__m256i rest = _mm256_sub_epi32(i, half), bias = _mm256_set1_epi32(127);
	half = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
	rest = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
	x = _mm256_mul_ps(x, _mm256_castsi256_ps(half));
	return _mm256_mul_ps(x, _mm256_castsi256_ps(rest));
}
static inline v v_exponent(v x, v *mantissa)
{
	__m256i bits = _mm256_castps_si256(x);
	__m256i e = _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_set1_epi32(0x3f400000)), 23);
	*mantissa = _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(e, 23)));
	return _mm256_cvtepi32_ps(e);
}
static inline float v_hsum(v x)
{
	__m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
	y = _mm_add_ps(y, _mm_movehl_ps(y, y));
	return _mm_cvtss_f32(_mm_add_ss(y, _mm_shuffle_ps(y, y, 1)));
}
static inline float v_hmax(v x)
{
	__m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
	y = _mm_max_ps(y, _mm_movehl_ps(y, y));
	return _mm_cvtss_f32(_mm_max_ss(y, _mm_shuffle_ps(y, y, 1)));
}
static inline float v_hmin(v x)
{
	__m128 y = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
	y = _mm_min_ps(y, _mm_movehl_ps(y, y));
	return _mm_cvtss_f32(_mm_min_ss(y, _mm_shuffle_ps(y, y, 1)));
}

#endif
