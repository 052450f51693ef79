/* SPDX-License-Identifier: MIT */
/* bytes-neon.h — words for int32 lanes and for bytes on AArch64 Advanced SIMD; see bytes-scalar.h.
 */
#ifndef LARDER_RUNTIME_KERNELS_BYTES_NEON_H
#define LARDER_RUNTIME_KERNELS_BYTES_NEON_H

#include <stdint.h>
#include <string.h>

#include "runtime/kernels/vec-neon.h"

typedef int32x4_t vi;

static inline vi vi_load(const int32_t *p)
{
	return vld1q_s32(p);
}
static inline vi vi_load_n(const int32_t *p, size_t n)
{
	int32_t lanes[4] = {0, 0, 0, 0};
	memcpy(lanes, p, n * sizeof *p);
	return vld1q_s32(lanes);
}
static inline void vi_store(int32_t *p, vi x)
{
	vst1q_s32(p, x);
}
static inline vi vi_set1(int32_t x)
{
	return vdupq_n_s32(x);
}
static inline vi vi_add(vi a, vi b)
{
	return vaddq_s32(a, b);
}
static inline vi vi_mul(vi a, vi b)
{
	return vmulq_s32(a, b);
}
static inline v vi_floats(vi x)
{
	return vcvtq_f32_s32(x);
}
static inline vi vi_nearest(v x)
{
	return vcvtnq_s32_f32(x);
}
static inline uint8x8_t vi_four_bytes(const uint8_t *p)
{
	uint32_t four;
	memcpy(&four, p, sizeof four);
	return vreinterpret_u8_u32(vdup_n_u32(four));
}
static inline vi vi_from_u8(const uint8_t *p)
{
	return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vi_four_bytes(p)))));
}
static inline vi vi_from_i8(const uint8_t *p)
{
	return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(vi_four_bytes(p)))));
}
static inline void vi_to_bytes(uint8_t *p, vi x)
{
	const uint16x4_t half = vmovn_u32(vreinterpretq_u32_s32(x));
	const uint8x8_t low = vmovn_u16(vcombine_u16(half, half));
	const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(low), 0);
	memcpy(p, &four, sizeof four);
}

#endif
