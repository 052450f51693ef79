/* SPDX-License-Identifier: MIT */
/* f32_binary-avx2.c — functions of two operands on AVX2 with FMA; see f32_binary.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include "runtime/kernels/vec-avx2.h"

#define VARIANT rt_f32_binary__avx2
#include "runtime/kernels/f32_binary.body.h"
#endif
