/* SPDX-License-Identifier: MIT */
/* f32_pool-avx512.c — runs of pooling on AVX-512; see f32_pool.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX512
#include "runtime/kernels/vec-avx512.h"

#define VARIANT rt_f32_pool__avx512
#include "runtime/kernels/f32_pool.body.h"
#endif
