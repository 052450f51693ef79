/* SPDX-License-Identifier: MIT */
/* i8_row-avx2.c — rows of bytes on AVX2; see i8_row.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX2
#include "runtime/kernels/bytes-avx2.h"

#define VARIANT rt_i8_row__avx2
#include "runtime/kernels/i8_row.body.h"
#endif
