/* SPDX-License-Identifier: MIT */
/* f16_convert-neon.c — half precision to single and back on AArch64. */
#include <config.h>

#ifdef RT_HAVE_NEON
#include <arm_neon.h>
#include <string.h>

#include "runtime/kernels/kernels.h"

static void to_f32(size_t n, const uint16_t *x, float *y)
{
	uint16_t lanes[4] = {0};
	float wide[4];
	for (; n >= 4; n -= 4, x += 4, y += 4)
		vst1q_f32(y, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x))));
	if (n == 0)
		return;
	memcpy(lanes, x, n * sizeof *x);
	vst1q_f32(wide, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(lanes))));
	memcpy(y, wide, n * sizeof *y);
}

static void from_f32(size_t n, const float *x, uint16_t *y)
{
	uint16_t lanes[4];
	float wide[4] = {0};
	for (; n >= 4; n -= 4, x += 4, y += 4)
		vst1_u16(y, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x))));
	if (n == 0)
		return;
	memcpy(wide, x, n * sizeof *x);
	vst1_u16(lanes, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(wide))));
	memcpy(y, lanes, n * sizeof *y);
}

const struct rt_f16_convert rt_f16_convert__neon = {to_f32, from_f32};
#endif
