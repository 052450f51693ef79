/* SPDX-License-Identifier: MIT */
/* f32_dwconv-avx512.c — runs of depthwise convolution on AVX-512; see f32_dwconv.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX512
#include "runtime/kernels/vec-avx512.h"

#define P3 7
#define VARIANT rt_f32_dwconv__avx512
#include "runtime/kernels/f32_dwconv.body.h"
#endif
