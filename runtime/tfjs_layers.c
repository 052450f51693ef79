/* SPDX-License-Identifier: MIT */
#include <config.h>
#include "runtime/tfjs_reader.h"
void rt_tfjs_layers(struct rt_tfjs *t, const struct rt_json *topology)
{
	(void)topology;
	(void)rt_lower_fail(&t->l, RT_UNSUPPORTED, "layers models do not run yet");
}
