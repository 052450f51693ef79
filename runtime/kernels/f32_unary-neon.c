/* SPDX-License-Identifier: MIT */
/* f32_unary-neon.c — functions of one operand on AArch64 Advanced SIMD; see f32_unary.body.h. */
#include <config.h>

#ifdef RT_HAVE_NEON
#include "runtime/kernels/vec-neon.h"

#define VARIANT rt_f32_unary__neon
#include "runtime/kernels/f32_unary.body.h"
#endif
