/* SPDX-License-Identifier: MIT */
/*
 * vec-neon.h — the vector vocabulary on AArch64 Advanced SIMD, four lanes.  Included by *-neon.c
 * only, before the
 * *.body.h that is written in it.  Meaning of each word: vec-scalar.h.
 */
#ifndef LARDER_RUNTIME_KERNELS_VEC_NEON_H
#define LARDER_RUNTIME_KERNELS_VEC_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <string.h>

#define V 4
typedef float32x4_t v;
typedef uint32x4_t vm;

static inline v v_load(const float *p)
{
	return vld1q_f32(p);
}
static inline v v_load_n(const float *p, size_t n)
{
	float lanes[4] = {0, 0, 0, 0};
	memcpy(lanes, p, n * sizeof *p);
	return vld1q_f32(lanes);
}
static inline void v_store(float *p, v x)
{
	vst1q_f32(p, x);
}
static inline void v_store_n(float *p, v x, size_t n)
{
	float lanes[4];
	vst1q_f32(lanes, x);
	memcpy(p, lanes, n * sizeof *p);
}
/* A macro: gcc takes a function that does no more for one without effects, and drops it. */
#define v_prefetch(p) __builtin_prefetch(p, 0, 2)
static inline v v_set1(float x)
{
	return vdupq_n_f32(x);
}
static inline v v_add(v a, v b)
{
	return vaddq_f32(a, b);
}
static inline v v_sub(v a, v b)
{
	return vsubq_f32(a, b);
}
static inline v v_mul(v a, v b)
{
	return vmulq_f32(a, b);
}
static inline v v_div(v a, v b)
{
	return vdivq_f32(a, b);
}
static inline v v_fma(v a, v b, v c)
{
	return vfmaq_f32(c, a, b);
}
static inline v v_fnma(v a, v b, v c)
{
	return vfmsq_f32(c, a, b);
}
static inline v v_max(v bound, v x)
{
	return vmaxq_f32(bound, x);
}
static inline v v_min(v bound, v x)
{
	return vminq_f32(bound, x);
}
static inline v v_abs(v x)
{
	return vabsq_f32(x);
}
static inline v v_neg(v x)
{
	return vnegq_f32(x);
}
static inline v v_sqrt(v x)
{
	return vsqrtq_f32(x);
}
static inline v v_floor(v x)
{
	return vrndmq_f32(x);
}
static inline v v_ceil(v x)
{
	return vrndpq_f32(x);
}
static inline v v_round(v x)
{
	return vrndnq_f32(x);
}
static inline vm v_lt(v a, v b)
{
	return vcltq_f32(a, b);
}
static inline vm v_isnan(v x)
{
	return vmvnq_u32(vceqq_f32(x, x));
}
static inline v v_select(vm m, v a, v b)
{
	return vbslq_f32(m, a, b);
}
static inline v v_copysign(v magnitude, v sign)
{
	return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
}
static inline v v_ldexp(v x, v n)
{
	int32x4_t i = vcvtnq_s32_f32(n), half = vshrq_n_s32(i, 1), bias = vdupq_n_s32(127);
	int32x4_t rest = vsubq_s32(i, half);
	half = vshlq_n_s32(vaddq_s32(half, bias), 23);
	rest = vshlq_n_s32(vaddq_s32(rest, bias), 23);
	x = vmulq_f32(x, vreinterpretq_f32_s32(half));
	return vmulq_f32(x, vreinterpretq_f32_s32(rest));
}
static inline v v_exponent(v x, v *mantissa)
{
	int32x4_t bits = vreinterpretq_s32_f32(x);
	int32x4_t e = vshrq_n_s32(vsubq_s32(bits, vdupq_n_s32(0x3f400000)), 23);
	*mantissa = vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32(e, 23)));
	return vcvtq_f32_s32(e);
}
static inline float v_hsum(v x)
{
	return vaddvq_f32(x);
}
static inline float v_hmax(v x)
{
	return vmaxvq_f32(x);
}
static inline float v_hmin(v x)
{
	return vminvq_f32(x);
}

#endif
