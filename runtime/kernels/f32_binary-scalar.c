/* SPDX-License-Identifier: MIT */
/* f32_binary-scalar.c — functions of two operands in plain C, the reference; see f32_binary.body.h.
 */
#include <config.h>

#include "runtime/kernels/vec-scalar.h"

#define VARIANT rt_f32_binary__scalar
#include "runtime/kernels/f32_binary.body.h"
