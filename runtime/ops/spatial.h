/* SPDX-License-Identifier: MIT */
/*
 * spatial.h — the geometry of windows that slide over an input: strides,
 * dilations, pads and auto_pad of Conv, ConvTranspose and the pools (ONNX
 * operators Conv-1/11, AveragePool-7/10/11/19, MaxPool-8/10/11/12, LpPool).
 */
#ifndef LARDER_RUNTIME_OPS_SPATIAL_H
#define LARDER_RUNTIME_OPS_SPATIAL_H

#include "runtime/op.h"

#define RT_SPATIAL_MAX 3 /* spatial dimensions; fewer are put behind leading ones of 1 */

/* Always three dimensions: depth, height, width. */
struct rt_spatial {
	int64_t in[3], out[3], kernel[3], stride[3], dilation[3];
	int64_t begin[3], end[3]; /* pads, ≥ 0 */
};

/*
 * rt_spatial_infer(node, rank, in, kernel, s, err): geometry for an input of
 * ${rank} spatial dims in[rank].  ${kernel} [rank], or NULL: the attribute
 * kernel_shape, which must agree if both are there.  ceil_mode is honoured where
 * the node has it.  Fails when an attribute has a wrong length or a number is out
 * of range, or when no output would be left.
 */
int rt_spatial_infer(const struct rt_node *node, int rank, const int64_t *in, const int64_t *kernel,
		     struct rt_spatial *s, struct rt_error *err) RT_MUST_CHECK;

/* rt_spatial_transposed(…): the same for ConvTranspose: in → larger out, with output_padding and
 * output_shape. */
int rt_spatial_transposed(const struct rt_node *node, int rank, const int64_t *in,
			  const int64_t *kernel, struct rt_spatial *s,
			  struct rt_error *err) RT_MUST_CHECK;

/*
 * rt_spatial_taps(s, axis, o, first, count): of the kernel's taps along ${axis},
 * those that lie inside the input for output position ${o}: ${count} from
 * ${first}; count may be 0.
 */
void rt_spatial_taps(const struct rt_spatial *s, int axis, int64_t o, int64_t *first,
		     int64_t *count);

/*
 * rt_spatial_inside(s, axis, first, end): output positions first ≤ o < end along
 * ${axis} see all taps inside the input; first == end when none does.
 */
void rt_spatial_inside(const struct rt_spatial *s, int axis, int64_t *first, int64_t *end);

#endif
