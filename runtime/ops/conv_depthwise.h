/* SPDX-License-Identifier: MIT */
/*
 * conv_depthwise.h — what conv_nhwc.c and conv_depthwise.c share: the state of
 * larder.Conv, and the depthwise case of it.
 */
#ifndef LARDER_RUNTIME_OPS_CONV_DEPTHWISE_H
#define LARDER_RUNTIME_OPS_CONV_DEPTHWISE_H

#include "runtime/kernels/gemm.h"
#include "runtime/ops/activation.h"
#include "runtime/ops/residual.h"
#include "runtime/ops/spatial.h"

struct rt_conv {
	const struct rt_kernels *kernels;
	int rank; /* spatial dims of X: 1 or 2 */
	int64_t group, out_channels, in_per_group;
	int64_t column, columns; /* of Y, what is written; of Y: pass_place.c */
	int64_t kernel[2];       /* height, width */
	bool is_depthwise;       /* one input and one output channel per group */
	int winograd;            /* 0, or the size of squares: conv_winograd.c */
	const float *w; /* packed; depthwise: [kh][kw][C]; winograd: [(m + 2)²] products */
	struct rt_activation act;
};

struct rt_conv_shape {
	struct rt_spatial s;
	int64_t batch;
	struct rt_residual residual;
};

/* rt_conv_depthwise_pack(b, c, w, err): ${w} [C][1][kh][kw] → c->w. */
int rt_conv_depthwise_pack(struct rt_bind *b, struct rt_conv *c, const float *w,
			   struct rt_error *err) RT_MUST_CHECK;
/* Rows of an image: row h at data + (h mod count) · width · channels. */
struct rt_conv_rows {
	const float *data;
	int64_t count;
};
/* rt_conv_depthwise_rows(c, s, x, bias, first, count, y): rows ${first} … ${first} + ${count} − 1
 * of the output of one image to ${y}, on the caller alone. */
void rt_conv_depthwise_rows(const struct rt_conv *c, const struct rt_spatial *s,
			    const struct rt_conv_rows *x, const float *bias, int64_t first,
			    int64_t count, float *y);
/* rt_conv_depthwise_run(r, c, st): all of it, for larder.Conv. */
void rt_conv_depthwise_run(const struct rt_run *r, const struct rt_conv *c,
			   const struct rt_conv_shape *st);

#endif
