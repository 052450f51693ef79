/* SPDX-License-Identifier: MIT */
/* f32_unary-scalar.c — functions of one operand in plain C, the reference; see f32_unary.body.h. */
#include <config.h>

#include "runtime/kernels/vec-scalar.h"

#define VARIANT rt_f32_unary__scalar
#include "runtime/kernels/f32_unary.body.h"
