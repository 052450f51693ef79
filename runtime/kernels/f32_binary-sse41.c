/* SPDX-License-Identifier: MIT */
/* f32_binary-sse41.c — functions of two operands on SSE4.1; see f32_binary.body.h. */
#include <config.h>

#ifdef RT_HAVE_SSE41
#include "runtime/kernels/vec-sse41.h"

#define VARIANT rt_f32_binary__sse41
#include "runtime/kernels/f32_binary.body.h"
#endif
