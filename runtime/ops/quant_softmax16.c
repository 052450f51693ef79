/* SPDX-License-Identifier: MIT */
/*
 * quant_softmax16.c — see quant_softmax16.h.
 *
 * Tables have 512 steps and are read between them; an entry is off by half of what
 * a straight line to the next one is wrong by in the middle.
 */
#include <config.h>

#include <math.h>

#include "runtime/fixed.h"
#include "runtime/ops/quant_softmax16.h"

static double inverse(double x)
{
	return 1 / (1 + x);
}

static void fill(double (*fn)(double x), double from, double to, int16_t *table)
{
	const double step = (to - from) / RT_QUANT_SOFTMAX16_STEPS;

	for (int i = 0; i < RT_QUANT_SOFTMAX16_STEPS; i++) {
		const double here = round(fn(from + i * step) * 32768);
		const double next = fn(from + (i + 1) * step) * 32768;
		const double line = round((next + here) / 2);
		const double middle = round(fn(from + i * step + step / 2) * 32768);

		table[i] = (int16_t)fmin(fmax(here - round((line - middle) / 2), -32768), 32767);
	}
	table[RT_QUANT_SOFTMAX16_STEPS] = (int16_t)fmin(fmax(round(fn(to) * 32768), -32768), 32767);
}

static int16_t look(const int16_t *table, int64_t x)
{
	const int64_t q = rt_fixed_clamp(x, INT16_MIN, INT16_MAX);
	const int16_t *at = table + 256 + (q >> 7);

	return (int16_t)(at[0] + (((at[1] - at[0]) * (int32_t)(q & 0x7f) + 64) >> 7));
}

void rt_quant_softmax16_init(struct rt_quant_softmax16 *s, float scale)
{
	fill(exp, -10, 0, s->power);
	fill(inverse, 0, 1, s->inverse);
	rt_fixed_split((double)scale / (10.0 / 65535.0), &s->mult, &s->shift);
}

void rt_quant_softmax16_row(const struct rt_quant_softmax16 *s, int64_t n, const int16_t *x,
			    int16_t *y)
{
	int16_t most = INT16_MIN, over;
	int64_t sum = 0;
	int head, right;

	for (int64_t i = 0; i < n; i++)
		most = x[i] > most ? x[i] : most;
	for (int64_t i = 0; i < n; i++) {
		y[i] =
		    look(s->power, (int64_t)rt_fixed_scale(x[i] - most, s->mult, s->shift) + 32767);
		sum += y[i];
	}
	sum = rt_fixed_clamp(sum, 1, INT32_MAX);
	head = __builtin_clz((unsigned)sum);
	over = look(s->inverse, (((sum << (head - 1)) + (1 << 13)) >> 14) - (1 << 15) - (1 << 16));
	right = 31 - head;
	for (int64_t i = 0; i < n; i++) {
		const int64_t p = y[i] * (int64_t)over;

		y[i] = (int16_t)rt_fixed_clamp(
		    (p + (right > 0 ? (int64_t)1 << (right - 1) : 0)) >> right, 0, 32767);
	}
}
