/* SPDX-License-Identifier: MIT */
/*
 * tensor.c — sizes of tensors whose shapes were checked when they were made.
 * A shape that does not fit here is our own bug.
 */
#include <config.h>

#include "runtime/tensor.h"

int64_t rt_tensor_elems(const struct rt_tensor *t)
{
	int64_t n = 0;

	must(rt_shape_elems(&t->shape, &n));
	return n;
}

size_t rt_tensor_bytes(const struct rt_tensor *t)
{
	size_t n = 0;

	must(rt_shape_bytes(&t->shape, t->dtype, &n));
	return n;
}
