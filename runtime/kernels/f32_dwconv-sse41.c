/* SPDX-License-Identifier: MIT */
/* f32_dwconv-sse41.c — runs of depthwise convolution on SSE4.1; see f32_dwconv.body.h. */
#include <config.h>

#ifdef RT_HAVE_SSE41
#include "runtime/kernels/vec-sse41.h"

#define VARIANT rt_f32_dwconv__sse41
#include "runtime/kernels/f32_dwconv.body.h"
#endif
