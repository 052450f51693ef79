/* SPDX-License-Identifier: MIT */
/*
 * vec-avx512.h — the vector vocabulary on AVX-512 (F, BW, DQ, VL), sixteen lanes.  Included by
 * *-avx512.c only, before the
 * *.body.h that is written in it.  Meaning of each word: vec-scalar.h.
 */
#ifndef LARDER_RUNTIME_KERNELS_VEC_AVX512_H
#define LARDER_RUNTIME_KERNELS_VEC_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define V 16
typedef __m512 v;
typedef __mmask16 vm;

/* v_lanes(n): the first n lanes, n ≤ 16. */
static inline __mmask16 v_lanes(size_t n)
{
	return (__mmask16)((1u << n) - 1);
}
static inline v v_load(const float *p)
{
	return _mm512_loadu_ps(p);
}
static inline v v_load_n(const float *p, size_t n)
{
	return _mm512_maskz_loadu_ps(v_lanes(n), p);
}
static inline void v_store(float *p, v x)
{
	_mm512_storeu_ps(p, x);
}
static inline void v_store_n(float *p, v x, size_t n)
{
	_mm512_mask_storeu_ps(p, v_lanes(n), x);
}
/* A macro: gcc takes a function that does no more for one without effects, and drops it. */
#define v_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
static inline v v_set1(float x)
{
	return _mm512_set1_ps(x);
}
static inline v v_add(v a, v b)
{
	return _mm512_add_ps(a, b);
}
static inline v v_sub(v a, v b)
{
	return _mm512_sub_ps(a, b);
}
static inline v v_mul(v a, v b)
{
	return _mm512_mul_ps(a, b);
}
static inline v v_div(v a, v b)
{
	return _mm512_div_ps(a, b);
}
static inline v v_fma(v a, v b, v c)
{
	return _mm512_fmadd_ps(a, b, c);
}
static inline v v_fnma(v a, v b, v c)
{
	return _mm512_fnmadd_ps(a, b, c);
}
static inline v v_max(v bound, v x)
{
	return _mm512_max_ps(bound, x);
}
static inline v v_min(v bound, v x)
{
	return _mm512_min_ps(bound, x);
}
static inline v v_abs(v x)
{
	return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x);
}
static inline v v_neg(v x)
{
	return _mm512_xor_ps(_mm512_set1_ps(-0.0f), x);
}
static inline v v_sqrt(v x)
{
	return _mm512_sqrt_ps(x);
}
static inline v v_floor(v x)
{
	return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline v v_ceil(v x)
{
	return _mm512_roundscale_ps(x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}
static inline v v_round(v x)
{
	return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vm v_lt(v a, v b)
{
	return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
static inline vm v_isnan(v x)
{
	return _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
}
static inline v v_select(vm m, v a, v b)
{
	return _mm512_mask_blend_ps(m, b, a);
}
static inline v v_copysign(v magnitude, v sign)
{
	v bit = _mm512_set1_ps(-0.0f);
	return _mm512_or_ps(_mm512_andnot_ps(bit, magnitude), _mm512_and_ps(bit, sign));
}
static inline v v_ldexp(v x, v n)
{
	return _mm512_scalef_ps(x, n);
}
static inline v v_exponent(v x, v *mantissa)
{
	__m512i bits = _mm512_castps_si512(x);
	__m512i e = _mm512_srai_epi32(_mm512_sub_epi32(bits, _mm512_set1_epi32(0x3f400000)), 23);
	*mantissa = _mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32(e, 23)));
	return _mm512_cvtepi32_ps(e);
}
static inline float v_hsum(v x)
{
	return _mm512_reduce_add_ps(x);
}
static inline float v_hmax(v x)
{
	return _mm512_reduce_max_ps(x);
}
static inline float v_hmin(v x)
{
	return _mm512_reduce_min_ps(x);
}

#endif
