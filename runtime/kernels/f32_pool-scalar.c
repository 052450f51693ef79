/* SPDX-License-Identifier: MIT */
/* f32_pool-scalar.c — runs of pooling in plain C, the reference; see f32_pool.body.h. */
#include <config.h>

#include "runtime/kernels/vec-scalar.h"

#define VARIANT rt_f32_pool__scalar
#include "runtime/kernels/f32_pool.body.h"
