/* SPDX-License-Identifier: MIT */
/* f32_gemm-sse41.c — tiles of 4 × 8 on SSE4.1; see f32_gemm.body.h. */
#include <config.h>

#ifdef RT_HAVE_SSE41
#include "runtime/kernels/vec-sse41.h"

#define VARIANT rt_f32_gemm__sse41
#define MR2 4
#define MR1 8
#define TILES2(F) F(1) F(2) F(3) F(4)
#define TILES1(F) TILES2(F) F(5) F(6) F(7) F(8)
#include "runtime/kernels/f32_gemm.body.h"
#endif
