/* SPDX-License-Identifier: MIT */
/*
 * vec-sse41.h — the vector vocabulary on SSE4.1, four lanes.  Included by *-sse41.c only, before
 * the
 * *.body.h that is written in it.  Meaning of each word: vec-scalar.h.
 */
#ifndef LARDER_RUNTIME_KERNELS_VEC_SSE41_H
#define LARDER_RUNTIME_KERNELS_VEC_SSE41_H

#include <smmintrin.h>
#include <stddef.h>
#include <string.h>

#define V 4
typedef __m128 v;
typedef __m128 vm;

static inline v v_load(const float *p)
{
	return _mm_loadu_ps(p);
}
static inline v v_load_n(const float *p, size_t n)
{
	switch (n) {
	case 1:
		return _mm_load_ss(p);
	case 2:
		return _mm_setr_ps(p[0], p[1], 0, 0);
	case 3:
		return _mm_setr_ps(p[0], p[1], p[2], 0);
	default:
		return _mm_loadu_ps(p);
	}
}
static inline void v_store(float *p, v x)
{
	_mm_storeu_ps(p, x);
}
static inline void v_store_n(float *p, v x, size_t n)
{
	if (n >= 4) {
		_mm_storeu_ps(p, x);
		return;
	}
	if (n >= 2) {
		memcpy(p, &x, 2 * sizeof *p);
		x = _mm_movehl_ps(x, x);
		p += 2;
	}
	if (n & 1)
		_mm_store_ss(p, x);
}
/* A macro: gcc takes a function that does no more for one without effects, and drops it. */
#define v_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
static inline v v_set1(float x)
{
	return _mm_set1_ps(x);
}
static inline v v_add(v a, v b)
{
	return _mm_add_ps(a, b);
}
static inline v v_sub(v a, v b)
{
	return _mm_sub_ps(a, b);
}
static inline v v_mul(v a, v b)
{
	return _mm_mul_ps(a, b);
}
static inline v v_div(v a, v b)
{
	return _mm_div_ps(a, b);
}
static inline v v_fma(v a, v b, v c)
{
	return _mm_add_ps(_mm_mul_ps(a, b), c);
}
static inline v v_fnma(v a, v b, v c)
{
	return _mm_sub_ps(c, _mm_mul_ps(a, b));
}
static inline v v_max(v bound, v x)
{
	return _mm_max_ps(bound, x);
}
static inline v v_min(v bound, v x)
{
	return _mm_min_ps(bound, x);
}
static inline v v_abs(v x)
{
	return _mm_andnot_ps(_mm_set1_ps(-0.0f), x);
}
static inline v v_neg(v x)
{
	return _mm_xor_ps(_mm_set1_ps(-0.0f), x);
}
static inline v v_sqrt(v x)
{
	return _mm_sqrt_ps(x);
}
static inline v v_floor(v x)
{
	return _mm_floor_ps(x);
}
static inline v v_ceil(v x)
{
	return _mm_ceil_ps(x);
}
static inline v v_round(v x)
{
	return _mm_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vm v_lt(v a, v b)
{
	return _mm_cmplt_ps(a, b);
}
static inline vm v_isnan(v x)
{
	return _mm_cmpunord_ps(x, x);
}
static inline v v_select(vm m, v a, v b)
{
	return _mm_blendv_ps(b, a, m);
}
static inline v v_copysign(v magnitude, v sign)
{
	v bit = _mm_set1_ps(-0.0f);
	return _mm_or_ps(_mm_andnot_ps(bit, magnitude), _mm_and_ps(bit, sign));
}
static inline v v_ldexp(v x, v n)
{
	__m128i i = _mm_cvtps_epi32(n), half = _mm_srai_epi32(i, 1), bias = _mm_set1_epi32(127);
	__m128i rest = _mm_sub_epi32(i, half);
	half = _mm_slli_epi32(_mm_add_epi32(half, bias), 23);
	rest = _mm_slli_epi32(_mm_add_epi32(rest, bias), 23);
	return _mm_mul_ps(_mm_mul_ps(x, _mm_castsi128_ps(half)), _mm_castsi128_ps(rest));
}
static inline v v_exponent(v x, v *mantissa)
{
	__m128i bits = _mm_castps_si128(x);
	__m128i e = _mm_srai_epi32(_mm_sub_epi32(bits, _mm_set1_epi32(0x3f400000)), 23);
	*mantissa = _mm_castsi128_ps(_mm_sub_epi32(bits, _mm_slli_epi32(e, 23)));
	return _mm_cvtepi32_ps(e);
}
static inline float v_hsum(v x)
{
	x = _mm_add_ps(x, _mm_movehl_ps(x, x));
	return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}
static inline float v_hmax(v x)
{
	x = _mm_max_ps(x, _mm_movehl_ps(x, x));
	return _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps(x, x, 1)));
}
static inline float v_hmin(v x)
{
	x = _mm_min_ps(x, _mm_movehl_ps(x, x));
	return _mm_cvtss_f32(_mm_min_ss(x, _mm_shuffle_ps(x, x, 1)));
}

#endif
