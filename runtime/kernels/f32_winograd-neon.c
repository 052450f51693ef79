/* SPDX-License-Identifier: MIT */
/* f32_winograd-neon.c — Winograd's transforms on AArch64 Advanced SIMD; see
 * f32_winograd.body.h. */
#include <config.h>

#ifdef RT_HAVE_NEON
#include "runtime/kernels/vec-neon.h"

#define VARIANT rt_f32_winograd__neon
#include "runtime/kernels/f32_winograd.body.h"
#endif
