/* SPDX-License-Identifier: MIT */
/* f32_row-neon.c — reductions, softmax and norms of a row on AArch64 Advanced SIMD; see
 * f32_row.body.h. */
#include <config.h>

#ifdef RT_HAVE_NEON
#include "runtime/kernels/vec-neon.h"

#define VARIANT rt_f32_row__neon
#include "runtime/kernels/f32_row.body.h"
#endif
