/* SPDX-License-Identifier: MIT */
/* f32_binary-neon.c — functions of two operands on AArch64 Advanced SIMD; see f32_binary.body.h. */
#include <config.h>

#ifdef RT_HAVE_NEON
#include "runtime/kernels/vec-neon.h"

#define VARIANT rt_f32_binary__neon
#include "runtime/kernels/f32_binary.body.h"
#endif
