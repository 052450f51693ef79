/* SPDX-License-Identifier: MIT */
/*
 * tfjs_act.h — activations, and what fused operators of graph models append.
 */
#ifndef LARDER_RUNTIME_TFJS_ACT_H
#define LARDER_RUNTIME_TFJS_ACT_H

#include "runtime/tfjs_op.h"

/*
 * rt_tfjs_act_named(l, x, name): ${x} through the activation of that name, in any
 * spelling of TensorFlow or Keras ("Relu6", "relu6"); RT_NO_VALUE, without an
 * error, when there is none.
 */
int rt_tfjs_act_named(struct rt_lower *l, int x, struct rt_str name);
/*
 * rt_tfjs_act_fused(c, y, spatial): give ${y} with the bias and activation of
 * the node's fused_ops; ${spatial} > 0: ${y} is [n, channels, spatial axes…] and
 * is turned to channels last.
 */
void rt_tfjs_act_fused(struct rt_tfjs_op *c, int y, int spatial);
/* rt_tfjs_act_bias(c): the bias that fused_ops name, or RT_NO_VALUE. */
int rt_tfjs_act_bias(const struct rt_tfjs_op *c);

#endif
