/* SPDX-License-Identifier: MIT */
/* x32_transpose-neon.c — blocks of a transpose on AArch64; see x32_transpose.body.h. */
#include <config.h>

#ifdef RT_HAVE_NEON
#include <arm_neon.h>
#include <stddef.h>

#define B 4
static inline void block(const uint32_t *x, size_t ldx, uint32_t *y, size_t ldy)
{
	uint32x4x2_t ab = vtrnq_u32(vld1q_u32(x), vld1q_u32(x + ldx));
	uint32x4x2_t cd = vtrnq_u32(vld1q_u32(x + 2 * ldx), vld1q_u32(x + 3 * ldx));
	vst1q_u32(y, vcombine_u32(vget_low_u32(ab.val[0]), vget_low_u32(cd.val[0])));
	vst1q_u32(y + ldy, vcombine_u32(vget_low_u32(ab.val[1]), vget_low_u32(cd.val[1])));
	vst1q_u32(y + 2 * ldy, vcombine_u32(vget_high_u32(ab.val[0]), vget_high_u32(cd.val[0])));
	vst1q_u32(y + 3 * ldy, vcombine_u32(vget_high_u32(ab.val[1]), vget_high_u32(cd.val[1])));
}

#define THREE 4
static inline void three(const uint32_t *x, size_t ldx, uint32_t *y)
{
	uint32x4x3_t rows = {{vld1q_u32(x), vld1q_u32(x + ldx), vld1q_u32(x + 2 * ldx)}};
	vst3q_u32(y, rows);
}

#define VARIANT rt_x32_transpose__neon
#include "runtime/kernels/x32_transpose.body.h"
#endif
