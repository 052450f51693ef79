/* SPDX-License-Identifier: MIT */
/*
 * unroll.h — UNROLL before a loop: unroll it whole, so that an array indexed by
 * its counter becomes registers.  The bounds are constants of at most 32.
 */
#ifndef LARDER_RUNTIME_KERNELS_UNROLL_H
#define LARDER_RUNTIME_KERNELS_UNROLL_H

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#endif
