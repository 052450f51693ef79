/* SPDX-License-Identifier: MIT */
/* f32_dwconv-neon.c — runs of depthwise convolution on AArch64 Advanced SIMD; see
 * f32_dwconv.body.h. */
#include <config.h>

#ifdef RT_HAVE_NEON
#include "runtime/kernels/vec-neon.h"

#define P3 7
#define VARIANT rt_f32_dwconv__neon
#include "runtime/kernels/f32_dwconv.body.h"
#endif
