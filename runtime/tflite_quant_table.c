/* SPDX-License-Identifier: MIT */
/*
 * tflite_quant_table.c — LOGISTIC and TANH of int16 as TensorFlow Lite has them:
 * one table of σ(i / 24) in 65536ths, read between its entries; where elements are
 * 4096ths (TANH: or 2048ths) the functions of its LSTM (fixed_curve.h).  Called by
 * tflite_quant_math.c.
 *
 * An entry is raised by half of what a straight line to the next one lacks in the
 * middle, so that the line errs to both sides.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>

#include "runtime/fixed.h"
#include "runtime/ops/fixed_curve.h"
#include "runtime/tflite_quant.h"

static double sigma(double i)
{
	return 65536 / (1 + exp(-i / 24));
}

bool rt_tflite_quant_table(const struct rt_tflite_tensor *x, const struct rt_tflite_tensor *y,
			   struct rt_tflite_quant_table *t)
{
	double scale = (double)x->scale[0];
	int bits;

	if (x->dtype != RT_I16 || y->dtype != RT_I16 || x->zero[0] != 0 || y->zero[0] != 0 ||
	    y->scale[0] != ldexpf(1, -15) || !(scale > 0) || scale > 0.5)
		return false;
	for (int i = 0; i < 255; i++)
		t->entries[i] = (uint16_t)floor(
		    0.5 + sigma(i) + (sigma(i + 0.5) - (sigma(i) + sigma(i + 1)) / 2) / 2);
	t->entries[255] = 65535;
	t->curve_scale = frexp(scale, &bits) == 0.5 && (bits == -11 || bits == -10) ? bits + 12 : 0;
	t->shift = 0;
	scale *= 4096.0 * 3.0; /* to steps of 1 / (3 · 2^12) */
	while (scale <= 32767.0 / 2.0 && t->shift <= 30) {
		t->shift++;
		scale *= 2;
	}
	t->mult = (int32_t)scale;
	return true;
}

/* Between two entries: ${bits} of ${x} after the point. */
static int64_t between(const struct rt_tflite_quant_table *t, int64_t x, int bits)
{
	const int64_t i = x >> bits, low = x & ((1 << bits) - 1);

	return ((int64_t)t->entries[i] << bits) + low * (t->entries[i + 1] - t->entries[i]);
}

static int64_t looked_up(const struct rt_tflite_quant_table *t, bool tanh, int32_t q)
{
	const int64_t x =
	    ((int64_t)q * t->mult + (t->shift > 0 ? (int64_t)1 << (t->shift - 1) : 0)) >> t->shift;
	const int64_t most = llabs(x);
	int64_t y;

	if (tanh) { /* 2σ(2x) − 1 */
		y = (most >> 8) >= 255 ? 0xffff << 8 : between(t, most, 8);
		y -= 1 << 23;
		return x >= 0 ? (y + 128) >> 8 : (-y + 127) >> 8;
	}
	y = (most >> 9) >= 255 ? 0x7fff << 10 : between(t, most, 9);
	return x >= 0 ? (y + 512) >> 10 : ((1 << 25) - y + 511) >> 10;
}

int64_t rt_tflite_quant_look(const struct rt_tflite_quant_table *t, bool tanh, int32_t q)
{
	const int64_t x = rt_fixed_clamp((int64_t)q * t->curve_scale, INT16_MIN, INT16_MAX);

	if (tanh && t->curve_scale > 0)
		return rt_fixed_curve_tanh((int16_t)x, 3);
	if (!tanh && t->curve_scale == 1)
		return rt_fixed_curve_sigmoid((int16_t)x);
	return looked_up(t, tanh, q);
}
