/* SPDX-License-Identifier: MIT */
/*
 * bytes-scalar.h — words for int32 lanes and for bytes, beside those of
 * vec-scalar.h; the place where each is explained.
 *
 *	vi                V int32
 *	vi_load_n(p, n)   the first 1 ≤ n ≤ V lanes from memory, the others 0
 *	vi_floats(x)      each lane as the nearest float
 *	vi_nearest(x)     each lane as the nearest integer, ties to even; |x| < 2³¹; of NaN only
 *that the low byte is 0 vi_from_u8(p)     V bytes, zero-extended; vi_from_i8 sign-extended
 *	vi_to_bytes(p, x) the low byte of each lane to V bytes
 *	vi_pair_to_bytes(p, x, y, zero, least, is_signed)
 *	                  where VI_PAIR is defined: 2·V bytes, lanes of x, then of y, each + zero,
 *	                  not below least, saturated; there are also
 *	vi_halves(p, q)   V/2 lanes from each; v_halves: of floats
 *	vi_two(a, b)      V/2 times each
 */
#ifndef LARDER_RUNTIME_KERNELS_BYTES_SCALAR_H
#define LARDER_RUNTIME_KERNELS_BYTES_SCALAR_H

#include "runtime/kernels/vec-scalar.h"

typedef int32_t vi;

static inline vi vi_load(const int32_t *p)
{
	return *p;
}
static inline vi vi_load_n(const int32_t *p, size_t n)
{
	(void)n;
	return *p;
}
static inline void vi_store(int32_t *p, vi x)
{
	*p = x;
}
static inline vi vi_set1(int32_t x)
{
	return x;
}
static inline vi vi_add(vi a, vi b)
{
	return (int32_t)((uint32_t)a + (uint32_t)b);
}
static inline vi vi_mul(vi a, vi b)
{
	return (int32_t)((uint32_t)a * (uint32_t)b);
}
static inline v vi_floats(vi x)
{
	return (float)x;
}
static inline vi vi_nearest(v x)
{
	return x != x ? 0 : (int32_t)rintf(x);
}
static inline vi vi_from_u8(const uint8_t *p)
{
	return *p;
}
static inline vi vi_from_i8(const uint8_t *p)
{
	return (int8_t)*p;
}
static inline void vi_to_bytes(uint8_t *p, vi x)
{
	*p = (uint8_t)x;
}

#endif
