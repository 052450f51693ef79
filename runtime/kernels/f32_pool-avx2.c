/* SPDX-License-Identifier: MIT */
/* f32_pool-avx2.c — runs of pooling on AVX2 with FMA; see f32_pool.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include "runtime/kernels/vec-avx2.h"

#define VARIANT rt_f32_pool__avx2
#include "runtime/kernels/f32_pool.body.h"
#endif
