/* SPDX-License-Identifier: MIT */
/* f32_unary-sse41.c — functions of one operand on SSE4.1; see f32_unary.body.h. */
#include <config.h>

#ifdef RT_HAVE_SSE41
#include "runtime/kernels/vec-sse41.h"

#define VARIANT rt_f32_unary__sse41
#include "runtime/kernels/f32_unary.body.h"
#endif
