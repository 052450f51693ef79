/* SPDX-License-Identifier: MIT */
/* f32_row-scalar.c — reductions, softmax and norms of a row in plain C, the reference; see
 * f32_row.body.h. */
#include <config.h>

#include "runtime/kernels/vec-scalar.h"

#define VARIANT rt_f32_row__scalar
#include "runtime/kernels/f32_row.body.h"
