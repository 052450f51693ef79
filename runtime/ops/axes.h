/* SPDX-License-Identifier: MIT */
/*
 * axes.h — lists of axes, and other small lists of integers that are an
 * attribute in old opsets and an input in new ones.
 */
#ifndef LARDER_RUNTIME_OPS_AXES_H
#define LARDER_RUNTIME_OPS_AXES_H

#include "runtime/op.h"

#define RT_AXES_MAX 32 /* entries of a list; more is refused */

struct rt_axes {
	bool given; /* false: neither attribute nor input */
	int count;
	int64_t at[RT_AXES_MAX]; /* as in the model */
};

/*
 * rt_axes_list(f, name, input, out, err): the attribute ${name} if the node has
 * it, else input ${input} (its bit is in value_inputs; −1 = there is none).
 */
int rt_axes_list(const struct rt_infer *f, const char *name, int input, struct rt_axes *out,
		 struct rt_error *err);

/*
 * rt_axes_set(list, rank, set, err): the axes of the list as set[0..rank−1];
 * refused when one is outside −rank..rank−1 or named twice.
 */
int rt_axes_set(const struct rt_axes *list, int rank, bool *set, struct rt_error *err);

/* rt_axes_one(axis, rank, out, err): one axis, −rank ≤ axis < rank. */
int rt_axes_one(int64_t axis, int rank, int *out, struct rt_error *err);

#endif
