/* SPDX-License-Identifier: MIT */
/* i8_row-neon.c — rows of bytes on NEON; see i8_row.body.h. */
#include <config.h>

#ifdef RT_HAVE_NEON
#include "runtime/kernels/bytes-neon.h"

#define VARIANT rt_i8_row__neon
#include "runtime/kernels/i8_row.body.h"
#endif
