/* SPDX-License-Identifier: MIT */
/* f32_gemm-scalar.c — tiles of 4 × 2 in plain C, the reference; see f32_gemm.body.h. */
#include <config.h>

#include "runtime/kernels/vec-scalar.h"

#define VARIANT rt_f32_gemm__scalar
#define MR2 4
#define MR1 4
#define TILES2(F) F(1) F(2) F(3) F(4)
#define TILES1(F) TILES2(F)
#include "runtime/kernels/f32_gemm.body.h"
