/* SPDX-License-Identifier: MIT */
/* axes.c — see axes.h.  Called from infer only. */
#include <config.h>

#include <string.h>

#include "runtime/ops/axes.h"

int rt_axes_list(const struct rt_infer *f, const char *name, int input, struct rt_axes *out,
		 struct rt_error *err)
{
	const struct rt_attr *a = name != NULL ? rt_node_attr(f->node, name) : NULL;

	*out = (struct rt_axes){.given = false};
	if (a != NULL) {
		if (a->kind != RT_ATTR_INTS || a->count > RT_AXES_MAX)
			return rt_error_set(err, RT_MALFORMED,
					    "attribute %s is not a list of at most %d integers",
					    name, RT_AXES_MAX);
		out->given = true;
		out->count = (int)a->count;
		for (int i = 0; i < out->count; i++)
			out->at[i] = a->ints[i];
		return RT_OK;
	}
	if (input < 0 || input >= f->in_count || f->in[input].dtype == RT_NONE)
		return RT_OK;
	if (f->in[input].shape.rank == 1 && f->in[input].shape.dims[0] == 0) {
		out->given = true;
		return RT_OK;
	}
	if (!rt_op_ints(&f->in[input], out->at, RT_AXES_MAX, &out->count))
		return rt_error_set(err, RT_INPUT, "input %d is not a list of at most %d integers",
				    input, RT_AXES_MAX);
	out->given = true;
	return RT_OK;
}

int rt_axes_one(int64_t axis, int rank, int *out, struct rt_error *err)
{
	if (!rt_op_axis(axis, rank, out))
		return rt_error_set(err, RT_INPUT, "axis %lld of a tensor of rank %d",
				    (long long)axis, rank);
	return RT_OK;
}

int rt_axes_set(const struct rt_axes *list, int rank, bool *set, struct rt_error *err)
{
	memset(set, 0, sizeof(*set) * (size_t)rank);
	for (int i = 0; i < list->count; i++) {
		int d, status = rt_axes_one(list->at[i], rank, &d, err);
		if (status != RT_OK)
			return status;
		if (set[d])
			return rt_error_set(err, RT_INPUT, "axis %d is named twice", d);
		set[d] = true;
	}
	return RT_OK;
}
