/* SPDX-License-Identifier: MIT */
/* f32_binary-avx512.c — functions of two operands on AVX-512; see f32_binary.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX512
#include "runtime/kernels/vec-avx512.h"

#define VARIANT rt_f32_binary__avx512
#include "runtime/kernels/f32_binary.body.h"
#endif
