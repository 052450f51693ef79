/* SPDX-License-Identifier: MIT */
/*
 * conv_winograd.h — 3 × 3 convolution of stride 1 by Winograd's way; called by
 * conv_nhwc.c.
 */
#ifndef LARDER_RUNTIME_OPS_CONV_WINOGRAD_H
#define LARDER_RUNTIME_OPS_CONV_WINOGRAD_H

#include "runtime/ops/conv_depthwise.h"

/* rt_conv_winograd_suits(node, c): 0, or the m (2 or 4) of the squares of output that are the
 * fastest way for these weights, whatever the image. */
int rt_conv_winograd_suits(const struct rt_node *node, const struct rt_conv *c);
/* rt_conv_winograd_pack(b, c, w, err): ${w} [M][C][3][3] → c->w, for c->winograd. */
int rt_conv_winograd_pack(struct rt_bind *b, struct rt_conv *c, const float *w,
			  struct rt_error *err) RT_MUST_CHECK;
/* rt_conv_winograd_scratch(c, st, threads, bytes): false if that cannot be counted. */
bool rt_conv_winograd_scratch(const struct rt_conv *c, const struct rt_conv_shape *st, int threads,
			      size_t *bytes) RT_MUST_CHECK;
/* rt_conv_winograd_run(g, c, st, x, team, scratch): ${g} as for rt_gemm_run, of which c, ldc, the
 * epilogue and the activation are used. */
void rt_conv_winograd_run(const struct rt_gemm *g, const struct rt_conv *c,
			  const struct rt_conv_shape *st, const float *x, struct rt_team *team,
			  void *scratch);

#endif
