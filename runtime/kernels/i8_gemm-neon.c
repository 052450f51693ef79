/* SPDX-License-Identifier: MIT */
/* i8_gemm-neon.c — tiles of 5 × 8 sums of products of bytes on NEON; see i8_gemm.body.h. */
#include <config.h>

#ifdef RT_HAVE_NEON
#include <arm_neon.h>
#include <stdbool.h>
#include <stdint.h>

#define VARIANT rt_i8_gemm__neon
#define W 2
#define MR2 5
#define MR1 10
#define TILES2(F) F(1) F(2) F(3) F(4) F(5)
#define TILES1(F) TILES2(F) F(6) F(7) F(8) F(9) F(10)
typedef int16x8_t s16;
typedef int32x4_t s32;

static inline s16 s16_of(uint8x8_t x, bool is_signed)
{
	return is_signed ? vmovl_s8(vreinterpret_s8_u8(x)) : vreinterpretq_s16_u16(vmovl_u8(x));
}
static inline s16 s16_from(const uint8_t *p, bool is_signed)
{
	return s16_of(vld1_u8(p), is_signed);
}
static inline s16 s16_four(uint32_t x, bool is_signed)
{
	return s16_of(vreinterpret_u8_u32(vdup_n_u32(x)), is_signed);
}
static inline s32 s32_dot(s32 s, s16 a, s16 b)
{
	const int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
	return vaddq_s32(s, vpaddq_s32(low, vmull_high_s16(a, b)));
}
static inline s32 s32_zero(void)
{
	return vdupq_n_s32(0);
}
static inline void s32_columns(int32_t *to, s32 x, s32 y)
{
	vst1q_s32(to, vpaddq_s32(x, y));
}

#include "runtime/kernels/i8_gemm.body.h"
#endif
