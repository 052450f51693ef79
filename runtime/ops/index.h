/* SPDX-License-Identifier: MIT */
/*
 * index.h — reading index tensors: int32 or int64, negative from the end,
 * checked against the axis they index.
 */
#ifndef LARDER_RUNTIME_OPS_INDEX_H
#define LARDER_RUNTIME_OPS_INDEX_H

#include "runtime/op.h"

/* rt_index_get(t, i): element ${i} of an int32 or int64 tensor. */
static inline int64_t rt_index_get(const struct rt_tensor *t, int64_t i)
{
	if (t->dtype == RT_I32)
		return ((const int32_t *)t->data)[i];
	return ((const int64_t *)t->data)[i];
}

/*
 * rt_index_at(r, t, i, dim, out): element ${i}, from −dim..dim−1 brought to 0..dim−1;
 * false after rt_run_fault when it is outside.
 */
static inline bool rt_index_at(const struct rt_run *r, const struct rt_tensor *t, int64_t i,
			       int64_t dim, int64_t *out)
{
	int64_t k = rt_index_get(t, i);

	if (k < 0)
		k += dim;
	if (k < 0 || k >= dim) {
		rt_run_fault(r, "index %lld of an axis of size %lld", (long long)rt_index_get(t, i),
			     (long long)dim);
		return false;
	}
	*out = k;
	return true;
}

/* rt_index_check(b, i, err): bind's check that input ${i} is int32 or int64. */
static inline int rt_index_check(const struct rt_bind *b, int i, struct rt_error *err)
{
	const struct rt_node *n = b->node;
	enum rt_dtype t =
	    i < n->in_count && n->in[i] >= 0 ? b->graph->values[n->in[i]].dtype : RT_NONE;

	if (t != RT_I32 && t != RT_I64)
		return rt_error_set(err, RT_MALFORMED, "input %d, the indices, is %s", i,
				    rt_dtype_name(t));
	return RT_OK;
}

#endif
