/* SPDX-License-Identifier: MIT */
/* f32_row-avx2.c — reductions, softmax and norms of a row on AVX2 with FMA; see f32_row.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include "runtime/kernels/vec-avx2.h"

#define VARIANT rt_f32_row__avx2
#include "runtime/kernels/f32_row.body.h"
#endif
