/* SPDX-License-Identifier: MIT */
/* f32_winograd-scalar.c — Winograd's transforms in plain C, the reference; see
 * f32_winograd.body.h. */
#include <config.h>

#include "runtime/kernels/vec-scalar.h"

#define VARIANT rt_f32_winograd__scalar
#include "runtime/kernels/f32_winograd.body.h"
