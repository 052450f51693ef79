/* SPDX-License-Identifier: MIT */
/* f32_winograd-avx2.c — Winograd's transforms on AVX2 with FMA; see f32_winograd.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include "runtime/kernels/vec-avx2.h"

#define VARIANT rt_f32_winograd__avx2
#include "runtime/kernels/f32_winograd.body.h"
#endif
