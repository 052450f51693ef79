/* SPDX-License-Identifier: MIT */
/*
 * lower_layout.c — nodes that the front ends of channels-last formats make all
 * the time: transposes, reshapes, weights of convolutions.  The layout pass
 * takes most of the transposes out again.  See lower.h.
 */
#include <config.h>

#include <math.h>

#include "runtime/lower.h"

/* TensorProto.DataType of an element type. */
static int64_t onnx_number(enum rt_dtype t)
{
	switch (t) {
#define DTYPE(id, onnx, bits, name, oip)                                                           \
	case RT_##id:                                                                              \
		return onnx;
#include "runtime/dtypes.def"
#undef DTYPE
	default:
		return 0;
	}
}

int rt_lower_cast(struct rt_lower *l, int x, enum rt_dtype to)
{
	if (rt_lower_dtype(l, x) == to)
		return x;
	x = rt_lower_op1(l, "Cast", x);
	rt_lower_set_int(l, "to", onnx_number(to));
	return x;
}

int rt_lower_reshape(struct rt_lower *l, int x, int rank, const int64_t *dims)
{
	bool has_zero = false;

	x = rt_lower_op2(l, "Reshape", x, rt_lower_i64s(l, rank, dims));
	for (int i = 0; i < rank; i++)
		has_zero = has_zero || dims[i] == 0;
	if (has_zero)
		rt_lower_set_int(l, "allowzero", 1);
	return x;
}

int rt_lower_squeeze(struct rt_lower *l, int x, int count, const int64_t *axes)
{
	return rt_lower_op2(l, "Squeeze", x, rt_lower_i64s(l, count, axes));
}

int rt_lower_unsqueeze(struct rt_lower *l, int x, int count, const int64_t *axes)
{
	return rt_lower_op2(l, "Unsqueeze", x, rt_lower_i64s(l, count, axes));
}

int rt_lower_transpose(struct rt_lower *l, int x, int rank, const int64_t *perm)
{
	x = rt_lower_op1(l, "Transpose", x);
	rt_lower_set_ints(l, "perm", rank, perm);
	return x;
}

int rt_lower_to_nchw(struct rt_lower *l, int x, int rank)
{
	int64_t perm[RT_RANK_MAX] = {0, rank - 1};

	must(rank >= 3 && rank <= RT_RANK_MAX);
	for (int i = 2; i < rank; i++)
		perm[i] = i - 1;
	return rt_lower_transpose(l, x, rank, perm);
}

int rt_lower_to_nhwc(struct rt_lower *l, int x, int rank)
{
	int64_t perm[RT_RANK_MAX] = {0};

	must(rank >= 3 && rank <= RT_RANK_MAX);
	for (int i = 1; i < rank - 1; i++)
		perm[i] = i + 1;
	perm[rank - 1] = 1;
	return rt_lower_transpose(l, x, rank, perm);
}

int rt_lower_clip(struct rt_lower *l, int x, double lo, double hi)
{
	enum rt_dtype t = rt_lower_dtype(l, x);
	int min = isnan(lo) ? RT_NO_VALUE : rt_lower_scalar(l, t, lo);
	int max = isnan(hi) ? RT_NO_VALUE : rt_lower_scalar(l, t, hi);

	return rt_lower_op3(l, "Clip", x, min, max);
}

/* [spatial…, a, b] to [b, a, spatial…] or, not ${swap}, [a, b, spatial…]. */
static int spatial_last(struct rt_lower *l, int w, bool swap)
{
	int rank = rt_lower_rank(l, w);
	int64_t perm[RT_RANK_MAX];

	if (l->status < 0)
		return RT_NO_VALUE;
	if (rank < 3 || rank > 5)
		return rt_lower_fail(l, RT_UNSUPPORTED,
				     "weights of a convolution whose rank is %d, or not known",
				     rank);
	perm[0] = swap ? rank - 1 : rank - 2;
	perm[1] = swap ? rank - 2 : rank - 1;
	for (int i = 2; i < rank; i++)
		perm[i] = i - 2;
	return rt_lower_transpose(l, w, rank, perm);
}

int rt_lower_kernel(struct rt_lower *l, int w, enum rt_kernel_layout layout)
{
	int64_t h = rt_lower_dim(l, w, 0), width = rt_lower_dim(l, w, 1);

	switch (layout) {
	case RT_KERNEL_HWIO:
	case RT_KERNEL_HWOI:
		return spatial_last(l, w, true);
	case RT_KERNEL_HWIM:
		w = spatial_last(l, w, false);
		return rt_lower_reshape(l, w, 4, (int64_t[]){-1, 1, h, width});
	case RT_KERNEL_OHWI:
		return rt_lower_transpose(l, w, 4, (int64_t[]){0, 3, 1, 2});
	case RT_KERNEL_1HWO:
	case RT_KERNEL_OHWI_T:
		return rt_lower_transpose(l, w, 4, (int64_t[]){3, 0, 1, 2});
	}
	return RT_NO_VALUE;
}
