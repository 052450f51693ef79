/* SPDX-License-Identifier: MIT */
/* f32_gemm-avx2.c — tiles of 6 × 16 on AVX2 with FMA; see f32_gemm.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include "runtime/kernels/vec-avx2.h"

#define VARIANT rt_f32_gemm__avx2
#define MR2 6
#define MR1 12
#define TILES2(F) F(1) F(2) F(3) F(4) F(5) F(6)
#define TILES1(F) TILES2(F) F(7) F(8) F(9) F(10) F(11) F(12)
#include "runtime/kernels/f32_gemm.body.h"
#endif
