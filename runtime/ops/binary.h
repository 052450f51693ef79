/* SPDX-License-Identifier: MIT */
/*
 * binary.h — the arithmetic loops of binary.c for operators that reduce or
 * scatter with them.
 */
#ifndef LARDER_RUNTIME_OPS_BINARY_H
#define LARDER_RUNTIME_OPS_BINARY_H

#include "runtime/ops/elementwise.h"

/* rt_binary_loop(name, t): "Add", "Mul", "Min", "Max", … for type ${t}; NULL = none (16-bit floats
 * have none: convert). */
rt_elementwise_2_f *rt_binary_loop(const char *name, enum rt_dtype t);
/* rt_binary_choose(e, name, t, k): fill ${e}, kernels and 16-bit edges included; false = none. */
bool rt_binary_choose(struct rt_elementwise_2 *e, const char *name, enum rt_dtype t,
		      const struct rt_kernels *k);

#endif
