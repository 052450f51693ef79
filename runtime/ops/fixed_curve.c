/* SPDX-License-Identifier: MIT */
/*
 * fixed_curve.c — see fixed_curve.h.  Called by lite_lstm_byte.c.
 *
 * e^−a is a polynomial on [−1/4, 0) times a constant per bit of the rest; 1/(1 + e^−a)
 * and (1 − e)/(1 + e) are three steps of Newton's from 48/17 − 32/17·d.  The constants
 * are rounded to 16 bits, products to nearest: where these are off by a few of
 * 2⁻¹⁵, so is the reference (gemmlowp, "fixedpoint").
 */
#include <config.h>

#include <stdbool.h>

#include "runtime/fixed.h"
#include "runtime/ops/fixed_curve.h"

#define ONE INT16_MAX /* of 15 bits after the point */

static int16_t clamp(int32_t x)
{
	return (int16_t)rt_fixed_clamp(x, INT16_MIN, INT16_MAX);
}

static int16_t wrap(int32_t x)
{
	return (int16_t)(uint16_t)(uint32_t)x;
}

/* a·b / 2¹⁵, to nearest. */
static int16_t mul(int16_t a, int16_t b)
{
	const int32_t ab = a * b;

	if (a == INT16_MIN && b == INT16_MIN)
		return INT16_MAX;
	return (int16_t)((ab + (ab >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15));
}

/* (1 + a) / 2, halves away from zero. */
static int16_t half_of_one_plus(int16_t a)
{
	const int32_t sum = a + ONE;

	return (int16_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
}

/* e^a for a in [−1/4, 0), 15 bits after the point. */
static int16_t exp_quarter(int16_t a)
{
	const int16_t base = 28918, third = 10923; /* e^(−1/8), 1/3 */
	const int16_t x = wrap(a + (1 << 12));     /* from the middle, −1/8 */
	const int16_t x2 = mul(x, x), x3 = mul(x2, x), x4 = mul(x2, x2);
	const int16_t x4_4 = (int16_t)rt_fixed_halve(x4, 2);
	const int16_t rest = (int16_t)rt_fixed_halve(wrap(mul(wrap(x4_4 + x3), third) + x2), 1);

	return clamp(base + mul(base, wrap(x + rest)));
}

/* e^a for a ≤ 0 with ${whole} bits before the point. */
static int16_t exp_below(int16_t a, int whole)
{
	static const int16_t factors[] = {25520, 19875, 12055, 4435, 600, 11, 0}; /* e^−(2^k / 4) */
	const int fraction = 15 - whole;
	const int32_t quarter = 1 << (fraction - 2);
	const int32_t mod = (a & (quarter - 1)) - quarter, rest = mod - a;
	int16_t y = exp_quarter(clamp(mod * (1 << whole)));

	for (int k = 0; k < 7 && k - 2 < whole; k++)
		if ((rest & (1 << (fraction - 2 + k))) != 0)
			y = mul(y, factors[k]);
	if (whole > 5 && a < wrap(-(1 << (20 - whole))))
		y = 0;
	return a == 0 ? ONE : y;
}

/* 1 / ((1 + e) / 2) with two bits before the point. */
static int16_t twice_reciprocal(int16_t e)
{
	const int16_t d = half_of_one_plus(e);
	int16_t x = wrap(23130 + mul(d, -15420)); /* 48/17, 32/17 */

	for (int i = 0; i < 3; i++) {
		const int16_t left = wrap((1 << 13) - mul(d, x));

		x = wrap(x + clamp(mul(x, left) * 4));
	}
	return x;
}

int16_t rt_fixed_curve_sigmoid(int16_t x)
{
	const int16_t e = exp_below(x > 0 ? (int16_t)-x : x, 3);
	const int16_t y = clamp(twice_reciprocal(e) * 2); /* half of it, without whole bits */

	if (x == 0)
		return 1 << 14;
	return x > 0 ? y : (int16_t)(ONE - y);
}

int16_t rt_fixed_curve_tanh(int16_t x, int whole)
{
	const int16_t below = x < 0 ? x : (int16_t)-x;
	const int16_t e = exp_below(below, whole + 1);
	const int16_t y = clamp((twice_reciprocal(e) - (1 << 13)) * 4);

	if (x == 0)
		return 0;
	return x < 0 ? (int16_t)-y : y;
}
