/* SPDX-License-Identifier: MIT */
/* x32_transpose-scalar.c — blocks of a transpose in plain C; see x32_transpose.body.h. */
#include <config.h>

#include <stddef.h>
#include <stdint.h>

#define B 4
static inline void block(const uint32_t *x, size_t ldx, uint32_t *y, size_t ldy)
{
	for (size_t c = 0; c < B; c++)
		for (size_t r = 0; r < B; r++)
			y[c * ldy + r] = x[r * ldx + c];
}

#define VARIANT rt_x32_transpose__scalar
#include "runtime/kernels/x32_transpose.body.h"
