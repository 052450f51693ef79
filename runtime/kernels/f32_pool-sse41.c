/* SPDX-License-Identifier: MIT */
/* f32_pool-sse41.c — runs of pooling on SSE4.1; see f32_pool.body.h. */
#include <config.h>

#ifdef RT_HAVE_SSE41
#include "runtime/kernels/vec-sse41.h"

#define VARIANT rt_f32_pool__sse41
#include "runtime/kernels/f32_pool.body.h"
#endif
