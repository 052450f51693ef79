/* SPDX-License-Identifier: MIT */
/* f32_unary-avx2.c — functions of one operand on AVX2 with FMA; see f32_unary.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include "runtime/kernels/vec-avx2.h"

#define VARIANT rt_f32_unary__avx2
#include "runtime/kernels/f32_unary.body.h"
#endif
