/* SPDX-License-Identifier: MIT */
/* i8_row-scalar.c — the reference for rows of bytes; see i8_row.body.h. */
#include <config.h>

#include "runtime/kernels/bytes-scalar.h"

#define VARIANT rt_i8_row__scalar
#include "runtime/kernels/i8_row.body.h"
