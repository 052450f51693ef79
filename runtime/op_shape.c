/* SPDX-License-Identifier: MIT */
/*
 * op_shape.c — shape rules that several families of operators share.
 */
#include <config.h>

#include <string.h>

#include "runtime/op.h"

/* ONNX "Broadcasting in ONNX": dimensions are aligned at the right, 1 stretches. */
bool rt_op_broadcast(const struct rt_shape *const *in, int count, struct rt_shape *out)
{
	struct rt_shape s = {.rank = 0};

	for (int i = 0; i < count; i++) {
		if (in[i]->rank < 0 || in[i]->rank > RT_RANK_MAX)
			return false;
		if (in[i]->rank > s.rank)
			s.rank = in[i]->rank;
	}
	for (int d = 0; d < s.rank; d++) {
		int64_t dim = 1;

		for (int i = 0; i < count; i++) {
			int own = in[i]->rank - s.rank + d;

			if (own < 0 || in[i]->dims[own] == 1 || in[i]->dims[own] == dim)
				continue;
			if (dim != 1)
				return false;
			dim = in[i]->dims[own];
		}
		s.dims[d] = dim;
	}
	*out = s;
	return true;
}

bool rt_op_axis(int64_t axis, int rank, int *out)
{
	if (axis < -(int64_t)rank || axis >= rank)
		return false;
	*out = (int)(axis < 0 ? axis + rank : axis);
	return true;
}

int rt_op_infer_same(struct rt_infer *f, struct rt_error *err)
{
	(void)err;
	for (int i = 0; i < f->out_count; i++)
		f->out[i].shape = f->in[0].shape;
	return RT_OK;
}

bool rt_op_ints(const struct rt_tensor *t, int64_t *out, int max, int *ret_count)
{
	const int64_t *i64 = t->data;
	const int32_t *i32 = t->data;
	int64_t n;

	if (t->data == NULL || (t->dtype != RT_I64 && t->dtype != RT_I32))
		return false;
	if (t->shape.rank > 1 || !rt_shape_elems(&t->shape, &n) || n > max)
		return false;
	for (int64_t i = 0; i < n; i++)
		out[i] = t->dtype == RT_I64 ? i64[i] : i32[i];
	*ret_count = (int)n;
	return true;
}
