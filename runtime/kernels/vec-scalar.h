/* SPDX-License-Identifier: MIT */
/*
 * vec-scalar.h — the vector vocabulary on plain C, one lane wide: the
 * reference, and the place where each word is explained.
 *
 *	V                 lanes; v: V floats, vi: V int32, vm: V truth values
 *	v_load_n(p, n)    the first 1 ≤ n ≤ V lanes from memory, the others 0
 *	v_store_n(p,x,n)  the first n lanes to memory
 *	v_prefetch(p)     bring the line of p into the second cache
 *	v_fma(a, b, c)    a·b + c, rounded once where the hardware has it
 *	v_fnma(a, b, c)   c − a·b
 *	v_max(bound, x)   NaN in x stays NaN; v_min the same
 *	v_select(m,a,b)   m ? a : b
 *	v_ldexp(x, n)     x·2ⁿ for integral n, |n| ≤ 252
 *	v_exponent(x, m)  x = m·2ᵉ with m in [0.75, 1.5); returns e; x > 0, normal
 */
#ifndef LARDER_RUNTIME_KERNELS_VEC_SCALAR_H
#define LARDER_RUNTIME_KERNELS_VEC_SCALAR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define V 1
typedef float v;
typedef bool vm;

static inline v v_load(const float *p)
{
	return *p;
}
static inline v v_load_n(const float *p, size_t n)
{
	(void)n;
	return *p;
}
static inline void v_store(float *p, v x)
{
	*p = x;
}
static inline void v_store_n(float *p, v x, size_t n)
{
	(void)n;
	*p = x;
}
static inline void v_prefetch(const float *p)
{
	(void)p;
}
static inline v v_set1(float x)
{
	return x;
}
static inline v v_add(v a, v b)
{
	return a + b;
}
static inline v v_sub(v a, v b)
{
	return a - b;
}
static inline v v_mul(v a, v b)
{
	return a * b;
}
static inline v v_div(v a, v b)
{
	return a / b;
}
static inline v v_fma(v a, v b, v c)
{
	return a * b + c;
}
static inline v v_fnma(v a, v b, v c)
{
	return c - a * b;
}
static inline v v_max(v bound, v x)
{
	return x < bound ? bound : x;
}
static inline v v_min(v bound, v x)
{
	return x > bound ? bound : x;
}
static inline v v_abs(v x)
{
	return fabsf(x);
}
static inline v v_neg(v x)
{
	return -x;
}
static inline v v_sqrt(v x)
{
	return sqrtf(x);
}
static inline v v_floor(v x)
{
	return floorf(x);
}
static inline v v_ceil(v x)
{
	return ceilf(x);
}
static inline v v_round(v x)
{
	return rintf(x);
}
static inline vm v_lt(v a, v b)
{
	return a < b;
}
static inline vm v_isnan(v x)
{
	return x != x;
}
static inline v v_select(vm m, v a, v b)
{
	return m ? a : b;
}
static inline v v_copysign(v magnitude, v sign)
{
	return copysignf(magnitude, sign);
}
static inline v v_ldexp(v x, v n)
{
	/* In two steps, because 2ⁿ alone may overflow where the product does not. */
	int32_t i = n == n ? (int32_t)n : 0, half = i >> 1;
	uint32_t bits[2] = {(uint32_t)(half + 127) << 23, (uint32_t)(i - half + 127) << 23};
	float scale[2];
	memcpy(scale, bits, sizeof scale);
	return x * scale[0] * scale[1];
}
static inline v v_exponent(v x, v *mantissa)
{
	/* Subtracting the bits of 0.75 makes the exponent field change at 1.5·2ᵉ. */
	uint32_t bits, e;
	memcpy(&bits, &x, sizeof bits);
	e = (bits - 0x3f400000u) & 0xff800000u;
	bits -= e;
	memcpy(mantissa, &bits, sizeof bits);
	return (float)((int32_t)e >> 23);
}
static inline float v_hsum(v x)
{
	return x;
}
static inline float v_hmax(v x)
{
	return x;
}
static inline float v_hmin(v x)
{
	return x;
}

#endif
