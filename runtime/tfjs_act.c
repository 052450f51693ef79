/* SPDX-License-Identifier: MIT */
/*
 * tfjs_act.c — activations of both kinds of TensorFlow.js models, and the bias
 * and activation that _FusedConv2D and its like carry.
 */
#include <config.h>

#include <math.h>
#include <string.h>
#include <strings.h>

#include "runtime/tfjs_act.h"

static int softmax(struct rt_lower *l, const char *op, int x)
{
	x = rt_lower_op1(l, op, x);
	rt_lower_set_int(l, "axis", -1);
	return x;
}

static int with_alpha(struct rt_lower *l, const char *op, int x, float alpha)
{
	x = rt_lower_op1(l, op, x);
	rt_lower_set_float(l, "alpha", alpha);
	return x;
}

/* max(0, min(1, 0.2 x + 0.5)): the older one of Keras */
static int hard_sigmoid(struct rt_lower *l, int x)
{
	x = with_alpha(l, "HardSigmoid", x, 0.2f);
	rt_lower_set_float(l, "beta", 0.5f);
	return x;
}

static int gelu(struct rt_lower *l, int x, bool tanh)
{
	x = rt_lower_op1(l, "Gelu", x);
	rt_lower_set_string(l, "approximate", tanh ? "tanh" : "none");
	return x;
}

int rt_tfjs_act_named(struct rt_lower *l, int x, struct rt_str name)
{
	static const struct {
		const char *name, *op;
	} plain[] = {
	    {"relu", "Relu"},         {"sigmoid", "Sigmoid"}, {"tanh", "Tanh"},
	    {"elu", "Elu"},           {"selu", "Selu"},       {"softplus", "Softplus"},
	    {"softsign", "Softsign"}, {"exponential", "Exp"}, {"mish", "Mish"},
	};
	char text[32];

	if (name.bytes == NULL || name.size >= sizeof(text))
		return RT_NO_VALUE;
	memcpy(text, name.bytes, name.size);
	text[name.size] = '\0';
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		if (strcasecmp(text, plain[i].name) == 0)
			return rt_lower_op1(l, plain[i].op, x);
	}
	if (strcasecmp(text, "linear") == 0)
		return x;
	if (strcasecmp(text, "relu6") == 0)
		return rt_lower_clip(l, x, 0, 6);
	if (strcasecmp(text, "softmax") == 0)
		return softmax(l, "Softmax", x);
	if (strcasecmp(text, "logSoftmax") == 0 || strcasecmp(text, "log_softmax") == 0)
		return softmax(l, "LogSoftmax", x);
	if (strcasecmp(text, "hardSigmoid") == 0 || strcasecmp(text, "hard_sigmoid") == 0)
		return hard_sigmoid(l, x);
	if (strcasecmp(text, "swish") == 0 || strcasecmp(text, "silu") == 0)
		return rt_lower_op2(l, "Mul", x, rt_lower_op1(l, "Sigmoid", x));
	if (strcasecmp(text, "leaky_relu") == 0) /* Keras 3: slope 0.2 */
		return with_alpha(l, "LeakyRelu", x, 0.2f);
	if (strcasecmp(text, "gelu") == 0)
		return gelu(l, x, false);
	if (strcasecmp(text, "gelu_new") == 0)
		return gelu(l, x, true);
	return RT_NO_VALUE;
}

int rt_tfjs_act_bias(const struct rt_tfjs_op *c)
{
	char name[RT_TFJS_TEXT_MAX];

	rt_tfjs_op_text_at(c, "fused_ops", 0, name);
	return strcasecmp(name, "BiasAdd") == 0 ? rt_tfjs_op_in(c, 2) : RT_NO_VALUE;
}

/* The activation after the bias, or "". */
static void activation_of(const struct rt_tfjs_op *c, bool has_bias, char name[RT_TFJS_TEXT_MAX])
{
	rt_tfjs_op_text_at(c, "fused_ops", has_bias ? 1 : 0, name);
}

void rt_tfjs_act_fused(struct rt_tfjs_op *c, int y, int spatial)
{
	struct rt_lower *l = c->l;
	char name[RT_TFJS_TEXT_MAX];
	int bias = rt_tfjs_act_bias(c), act = y;
	bool prelu, leaky;

	activation_of(c, bias != RT_NO_VALUE, name);
	prelu = strcasecmp(name, "Prelu") == 0;
	leaky = strcasecmp(name, "LeakyRelu") == 0;
	if (spatial == 0 && bias != RT_NO_VALUE)
		act = y = rt_lower_op2(l, "Add", y, bias);
	if (leaky)
		act = with_alpha(l, "LeakyRelu", y, rt_tfjs_op_float(c, "leakyrelu_alpha", 0.2f));
	else if (name[0] != '\0' && !prelu)
		act = rt_tfjs_act_named(l, y, (struct rt_str){name, strlen(name)});
	if (act == RT_NO_VALUE && l->status == RT_OK) {
		rt_tfjs_op_missing(c, "fused with an operator that is not known here");
		return;
	}
	if (spatial > 0)
		act = rt_lower_to_nhwc(l, act, spatial + 2);
	if (prelu)
		act = rt_lower_op2(l, "PRelu", act, rt_tfjs_op_in(c, bias != RT_NO_VALUE ? 3 : 2));
	rt_tfjs_op_give(c, act);
}
