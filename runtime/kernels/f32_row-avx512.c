/* SPDX-License-Identifier: MIT */
/* f32_row-avx512.c — reductions, softmax and norms of a row on AVX-512; see f32_row.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX512
#include "runtime/kernels/vec-avx512.h"

#define VARIANT rt_f32_row__avx512
#include "runtime/kernels/f32_row.body.h"
#endif
