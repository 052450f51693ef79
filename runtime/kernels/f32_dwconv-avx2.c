/* SPDX-License-Identifier: MIT */
/* f32_dwconv-avx2.c — runs of depthwise convolution on AVX2 with FMA; see f32_dwconv.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include "runtime/kernels/vec-avx2.h"

#define VARIANT rt_f32_dwconv__avx2
#include "runtime/kernels/f32_dwconv.body.h"
#endif
