/* SPDX-License-Identifier: MIT */
/* f32_pool-neon.c — runs of pooling on AArch64 Advanced SIMD; see f32_pool.body.h. */
#include <config.h>

#ifdef RT_HAVE_NEON
#include "runtime/kernels/vec-neon.h"

#define VARIANT rt_f32_pool__neon
#include "runtime/kernels/f32_pool.body.h"
#endif
