/* SPDX-License-Identifier: MIT */
/* f16_convert-scalar.c — half precision to single and back in plain C, the reference. */
#include <config.h>

#include "runtime/kernels/kernels.h"

static void to_f32(size_t n, const uint16_t *x, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = rt_f16_to_f32(x[i]);
}

static void from_f32(size_t n, const float *x, uint16_t *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = rt_f32_to_f16(x[i]);
}

const struct rt_f16_convert rt_f16_convert__scalar = {to_f32, from_f32};
