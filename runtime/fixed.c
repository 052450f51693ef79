/* SPDX-License-Identifier: MIT */
/*
 * fixed.c — see fixed.h.
 */
#include <config.h>

#include <math.h>

#include "runtime/fixed.h"

void rt_fixed_split(double x, int32_t *mult, int *shift)
{
	double q;
	int64_t fixed;

	if (!isfinite(x)) /* of scales that no real file has: the largest there is, or nothing */
		x = isnan(x) ? 0 : copysign(ldexp(1, 31), x);
	q = frexp(x, shift);
	fixed = (int64_t)round(q * (double)((int64_t)1 << 31));
	if (fixed == (int64_t)1 << 31) {
		fixed /= 2;
		++*shift;
	}
	if (x == 0 || *shift < -31) {
		*shift = 0;
		fixed = 0;
	}
	if (*shift > 30) { /* beyond what 32 bits can be shifted by: the largest there is */
		*shift = 30;
		fixed = ((int64_t)1 << 31) - 1;
	}
	*mult = (int32_t)fixed;
}
