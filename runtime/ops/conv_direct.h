/* SPDX-License-Identifier: MIT */
/*
 * conv_direct.h — convolution that reads its windows from the image; called by
 * conv_nhwc.c.
 */
#ifndef LARDER_RUNTIME_OPS_CONV_DIRECT_H
#define LARDER_RUNTIME_OPS_CONV_DIRECT_H

#include "runtime/ops/conv_depthwise.h"

/* rt_conv_direct_fits(c, st): whether that is the faster way here; it then is possible, too. */
bool rt_conv_direct_fits(const struct rt_conv *c, const struct rt_conv_shape *st);
/* rt_conv_direct_run(g, c, st, x, team): ${g} as for rt_gemm_run, but for A. */
void rt_conv_direct_run(const struct rt_gemm *g, const struct rt_conv *c,
			const struct rt_conv_shape *st, const float *x, struct rt_team *team);

#endif
