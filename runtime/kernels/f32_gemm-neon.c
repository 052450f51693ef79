/* SPDX-License-Identifier: MIT */
/* f32_gemm-neon.c — tiles of 10 × 8 on AArch64 Advanced SIMD; see f32_gemm.body.h. */
#include <config.h>

#ifdef RT_HAVE_NEON
#include "runtime/kernels/vec-neon.h"

#define VARIANT rt_f32_gemm__neon
#define MR2 10
#define MR1 20
#define TILES2(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10)
#define TILES1(F) TILES2(F) F(11) F(12) F(13) F(14) F(15) F(16) F(17) F(18) F(19) F(20)
#include "runtime/kernels/f32_gemm.body.h"
#endif
