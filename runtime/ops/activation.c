/* SPDX-License-Identifier: MIT */
/* activation.c — reads a fused activation from the attributes of a node; see activation.h. */
#include <config.h>

#include <math.h>

#include "runtime/ops/activation.h"

void rt_activation_read(const struct rt_node *node, const struct rt_kernels *kernels,
			struct rt_activation *out)
{
	static const char *const names[] = {"act", "act_a", "act_b"};
	rt_activation_named(node, kernels, names, out);
}

void rt_activation_named(const struct rt_node *node, const struct rt_kernels *kernels,
			 const char *const names[3], struct rt_activation *out)
{
	int64_t act = rt_node_int(node, names[0], -1);
	*out = (struct rt_activation){.lo = -INFINITY, .hi = INFINITY};
	out->params.a = rt_node_float(node, names[1], 0);
	out->params.b = rt_node_float(node, names[2], 0);
	if (act == RT_UNARY_RELU) {
		out->lo = 0;
	} else if (act == RT_UNARY_CLIP) {
		out->lo = out->params.a;
		out->hi = out->params.b;
	} else if (act >= 0 && act < RT_UNARY_COUNT) {
		out->fn = kernels->f32_unary->fn[act];
	}
}
