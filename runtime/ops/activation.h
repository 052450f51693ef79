/* SPDX-License-Identifier: MIT */
/*
 * activation.h — the function that a pass has fused into a product, a
 * convolution or an addition: how it is written on the node, and how it is
 * applied.
 *
 *	act     int: enum rt_unary, or none
 *	act_a, act_b  floats: its parameters
 */
#ifndef LARDER_RUNTIME_OPS_ACTIVATION_H
#define LARDER_RUNTIME_OPS_ACTIVATION_H

#include "runtime/op.h"

struct rt_activation {
	float lo, hi;       /* what is a clamp, else ±inf */
	rt_f32_unary_f *fn; /* what is not, else NULL */
	struct rt_unary_params params;
};

/* rt_activation_read(node, kernels, out): reads the attributes above; none when they are missing.
 */
void rt_activation_read(const struct rt_node *node, const struct rt_kernels *kernels,
			struct rt_activation *out);

/* rt_activation_named(node, kernels, names, out): the same where the three have other names. */
void rt_activation_named(const struct rt_node *node, const struct rt_kernels *kernels,
			 const char *const names[3], struct rt_activation *out);

#endif
