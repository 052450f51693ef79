/* SPDX-License-Identifier: MIT */
/* i8_row-avx512.c — rows of bytes on AVX-512; see i8_row.body.h. */
#include <config.h>

#ifdef RT_HAVE_AVX512
#include "runtime/kernels/bytes-avx512.h"

#define VARIANT rt_i8_row__avx512
#include "runtime/kernels/i8_row.body.h"
#endif
