/* SPDX-License-Identifier: MIT */
/* f32_dwconv-scalar.c — runs of depthwise convolution in plain C, the reference; see
 * f32_dwconv.body.h. */
#include <config.h>

#include "runtime/kernels/vec-scalar.h"

#define VARIANT rt_f32_dwconv__scalar
#include "runtime/kernels/f32_dwconv.body.h"
