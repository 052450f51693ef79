/* SPDX-License-Identifier: MIT */
/* i8_row-sse41.c — rows of bytes on SSE4.1; see i8_row.body.h. */
#include <config.h>

#ifdef RT_HAVE_SSE41
#include "runtime/kernels/bytes-sse41.h"

#define VARIANT rt_i8_row__sse41
#include "runtime/kernels/i8_row.body.h"
#endif
