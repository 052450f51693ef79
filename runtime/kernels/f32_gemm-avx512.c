/* SPDX-License-Identifier: MIT */
/* f32_gemm-avx512.c — tiles of 14 × 32 on AVX-512; see f32_gemm.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX512
#include "runtime/kernels/vec-avx512.h"

#define VARIANT rt_f32_gemm__avx512
#define MR2 14
#define MR1 24
#define TILES2(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14)
#define TILES1(F) TILES2(F) F(15) F(16) F(17) F(18) F(19) F(20) F(21) F(22) F(23) F(24)
#include "runtime/kernels/f32_gemm.body.h"
#endif
