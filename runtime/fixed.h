/* SPDX-License-Identifier: MIT */
/*
 * fixed.h — fixed-point arithmetic as the reference kernels of TensorFlow Lite
 * have it (gemmlowp's names in brackets), bit for bit.  Used by tflite_quant*.c
 * and by operators of the larder domain; pure functions, any thread.
 *
 * A real multiplier is mult · 2^(shift − 31) with 2³⁰ ≤ mult < 2³¹, or 0.
 */
#ifndef LARDER_RUNTIME_FIXED_H
#define LARDER_RUNTIME_FIXED_H

#include <stdint.h>

/* rt_fixed_split(x, mult, shift): ${x} ≥ 0 as above; infinity: the largest, NaN: 0.
 * [QuantizeMultiplier] */
void rt_fixed_split(double x, int32_t *mult, int *shift);

/* a·b / 2³¹, rounded to nearest, halves up.  [SaturatingRoundingDoublingHighMul] */
static inline int32_t rt_fixed_high(int32_t a, int32_t b)
{
	const int64_t ab = (int64_t)a * b;

	if (a == INT32_MIN && b == INT32_MIN)
		return INT32_MAX;
	return (int32_t)((ab + (ab >= 0 ? (int64_t)1 << 30 : 1 - ((int64_t)1 << 30))) /
			 ((int64_t)1 << 31));
}

/* x / 2^n, rounded half away from zero; 0 ≤ n ≤ 31.  [RoundingDivideByPOT] */
static inline int32_t rt_fixed_halve(int32_t x, int n)
{
	const int32_t mask = (int32_t)(((int64_t)1 << n) - 1);

	/* cppcheck-suppress shiftNegativeLHS ; arithmetic, with every compiler there is */
	return (x >> n) + ((x & mask) > (mask >> 1) + (x < 0));
}

/* x · mult · 2^(shift − 31), rounded twice.  [MultiplyByQuantizedMultiplier] */
static inline int32_t rt_fixed_scale(int32_t x, int32_t mult, int shift)
{
	const int left = shift > 0 ? shift : 0;

	return rt_fixed_halve(rt_fixed_high((int32_t)((uint32_t)x << left), mult),
			      shift > 0 ? 0 : -shift);
}

/* The same of a sum of 48 bits, by the upper 16 bits of mult, rounded once. */
static inline int32_t rt_fixed_scale_long(int64_t x, int32_t mult, int shift)
{
	const int32_t m = mult < 0x7fff0000 ? (mult + (1 << 15)) >> 16 : 0x7fff;
	const int total = 15 - shift;

	if (total < 1) /* of scales that no real file has */
		return (int32_t)(((uint64_t)x * (uint64_t)m) << -total);
	return (int32_t)((int64_t)((uint64_t)x * (uint64_t)m + ((uint64_t)1 << (total - 1))) >>
			 total);
}

static inline int64_t rt_fixed_clamp(int64_t x, int64_t lo, int64_t hi)
{
	return x < lo ? lo : x > hi ? hi : x;
}

#endif
