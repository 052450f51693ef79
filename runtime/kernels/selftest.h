/* SPDX-License-Identifier: MIT */
/*
 * selftest.h — does a kernel variant give what the scalar one gives?  A short
 * known-answer test that kernels.c runs once per variant before it is used; the
 * thorough comparison is tests/runtime/check_kernels.c.
 */
#ifndef LARDER_RUNTIME_KERNELS_SELFTEST_H
#define LARDER_RUNTIME_KERNELS_SELFTEST_H

#include "runtime/kernels/kernels.h"

/* true when ${got} agrees with ${ref} on the fixed input: to the bit for moves and conversions, to
 * 2e-6 relative for arithmetic. */
#define KIND(kind, what)                                                                           \
	bool rt_selftest_##kind(const struct rt_##kind *ref, const struct rt_##kind *got);
#include "runtime/kernels/kinds.def"
#undef KIND

/* rt_selftest_fill(n, seed, x): a fixed sequence in −4 … 4 that holds no two equal neighbours. */
void rt_selftest_fill(size_t n, uint32_t seed, float *x);
/* rt_selftest_near(n, ref, got, scale): each within 2e-6 · (|ref| + scale), or NaN in both. */
bool rt_selftest_near(size_t n, const float *ref, const float *got, float scale);
/* rt_selftest_same(ref, got, bytes): the same to the bit: zeros have a sign, NaNs a payload. */
bool rt_selftest_same(const void *ref, const void *got, size_t bytes);

#endif
