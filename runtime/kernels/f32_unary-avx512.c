/* SPDX-License-Identifier: MIT */
/* f32_unary-avx512.c — functions of one operand on AVX-512; see f32_unary.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX512
#include "runtime/kernels/vec-avx512.h"

#define VARIANT rt_f32_unary__avx512
#include "runtime/kernels/f32_unary.body.h"
#endif
