/* SPDX-License-Identifier: MIT */
/* f32_winograd-sse41.c — Winograd's transforms on SSE4.1; see f32_winograd.body.h. */
#include <config.h>

#ifdef RT_HAVE_SSE41
#include "runtime/kernels/vec-sse41.h"

#define VARIANT rt_f32_winograd__sse41
#include "runtime/kernels/f32_winograd.body.h"
#endif
