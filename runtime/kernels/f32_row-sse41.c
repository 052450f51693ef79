/* SPDX-License-Identifier: MIT */
/* f32_row-sse41.c — reductions, softmax and norms of a row on SSE4.1; see f32_row.body.h. */
#include <config.h>

#ifdef RT_HAVE_SSE41
#include "runtime/kernels/vec-sse41.h"

#define VARIANT rt_f32_row__sse41
#include "runtime/kernels/f32_row.body.h"
#endif
