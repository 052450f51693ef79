/* SPDX-License-Identifier: MIT */
/* f32_winograd-avx512.c — Winograd's transforms on AVX-512; see f32_winograd.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX512
#include "runtime/kernels/vec-avx512.h"

#define VARIANT rt_f32_winograd__avx512
#include "runtime/kernels/f32_winograd.body.h"
#endif
