/* SPDX-License-Identifier: MIT */
/*
 * pass_fuse_base.c — what a product, a convolution or a ScaleShift (a base)
 * takes in, in this order, each at most once but the first:
 *
 *	larder.Conv     ScaleShift, constants multiplied or added per channel (into the
 *	                weights and the bias), the sum with another tensor, an activation
 *	larder.MatMul   (from MatMul and Gemm) a bias, the sum with another tensor, an
 *	                activation
 *	MatMul of two tensors   a number that it is multiplied with or divided by
 *	larder.ScaleShift  an activation
 *	larder.MatMulIntegerToFloat, larder.ConvIntegerToFloat  an activation
 *
 * Whether the other tensor of a sum has the same shape is not known here; the
 * operators broadcast if they must.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/pass_fuse.h"

enum base { NONE, CONV, MATMUL, SCALE, BYTES };

static enum base kind_of(const struct rt_node *n)
{
	if (rt_pass_fuse_is(n, RT_LARDER, "Conv"))
		return CONV;
	if (rt_pass_fuse_is(n, RT_LARDER, "ScaleShift"))
		return SCALE;
	if (rt_pass_fuse_is(n, RT_LARDER, "ConvIntegerToFloat") ||
	    rt_pass_fuse_is(n, RT_LARDER, "MatMulIntegerToFloat"))
		return BYTES;
	if (rt_pass_fuse_is(n, RT_LARDER, "MatMul") || rt_pass_fuse_is(n, RT_ONNX, "MatMul") ||
	    rt_pass_fuse_is(n, RT_ONNX, "Gemm"))
		return MATMUL;
	return NONE;
}

static struct rt_node *node_at(const struct rt_fuse *f, int i)
{
	return &f->graph->nodes[i];
}

static int input_of(const struct rt_node *n, int k)
{
	return k < n->in_count ? n->in[k] : RT_NO_VALUE;
}

/* Input ${k} of the node becomes ${v}. */
static bool set_input(struct rt_fuse *f, int node, int k, int v)
{
	struct rt_node *n = node_at(f, node);
	if (k >= n->in_count) {
		int *in = rt_graph_alloc(f->graph, sizeof *in * (size_t)(k + 1));
		if (!in) {
			f->failed = true;
			return false;
		}
		for (int i = 0; i <= k; i++)
			in[i] = input_of(n, i);
		n->in = in;
		n->in_count = k + 1;
	}
	n->in[k] = v;
	return true;
}

static bool is_plain(const struct rt_node *n)
{
	return input_of(n, 3) == RT_NO_VALUE && rt_node_int(n, "act", -1) < 0;
}

/* ---- numbers per channel ------------------------------------------------------------------------
 */

/* A constant that is one number for all, or one per channel along the last axis of a tensor of
 * ${rank}: its numbers with a step of 0 or 1. */
struct per_channel {
	const float *data;
	int64_t step;
};

static bool is_per_channel(const struct rt_fuse *f, int v, int64_t channels, int rank,
			   struct per_channel *out)
{
	const struct rt_tensor *t = rt_pass_fuse_constant(f, v);
	int64_t elems;
	if (!t || t->dtype != RT_F32 || t->shape.rank > rank)
		return false;
	elems = rt_tensor_elems(t);
	out->data = t->data;
	out->step = elems == 1 ? 0 : 1;
	return elems == 1 || (elems == channels && t->shape.rank > 0 &&
			      t->shape.dims[t->shape.rank - 1] == channels);
}

/* Weights and bias of a convolution times scale, bias plus shift; either may be NULL. */
static bool scale_conv(struct rt_fuse *f, int node, const struct per_channel *scale,
		       const struct per_channel *shift)
{
	const struct rt_tensor *w = rt_pass_fuse_constant(f, node_at(f, node)->in[1]);
	const struct rt_tensor *old = rt_pass_fuse_constant(f, input_of(node_at(f, node), 2));
	const int64_t channels = w->shape.dims[0], each = rt_tensor_elems(w) / channels;
	const float *from = w->data, *from_bias = old ? old->data : NULL;
	/* weights that were scaled before belong to this node alone */
	const bool again = node_at(f, node)->in[1] >= f->value_cap;
	struct rt_tensor scaled = *w;
	float *bias;
	int v = rt_pass_fuse_floats(f, channels, &bias);
	if (v < 0)
		return false;
	for (int64_t i = 0; i < channels; i++) {
		float b = from_bias ? from_bias[i] : 0;
		if (scale)
			b *= scale->data[i * scale->step];
		bias[i] = b + (shift ? shift->data[i * shift->step] : 0);
	}
	if (!set_input(f, node, 2, v))
		return false;
	if (!scale)
		return true;
	if (!again) {
		scaled.data = rt_graph_alloc(f->graph, (size_t)(channels * each) * sizeof(float));
		if (!scaled.data || (v = rt_graph_add_constant(f->graph, "", &scaled)) < 0) {
			f->failed = true;
			return false;
		}
	}
	for (int64_t i = 0; i < channels; i++)
		for (int64_t k = 0; k < each; k++)
			((float *)scaled.data)[i * each + k] =
			    from[i * each + k] * scale->data[i * scale->step];
	return again || set_input(f, node, 1, v);
}

/* The same for ScaleShift: both of its inputs are constants. */
static bool scale_scale(struct rt_fuse *f, int node, const struct per_channel *scale,
			const struct per_channel *shift)
{
	const struct rt_tensor *s = rt_pass_fuse_constant(f, node_at(f, node)->in[1]);
	const struct rt_tensor *b = rt_pass_fuse_constant(f, node_at(f, node)->in[2]);
	const float *from[2];
	float *to[2];
	const int64_t channels = s->shape.dims[0];
	int v[2];
	from[0] = s->data, from[1] = b->data;
	for (int k = 0; k < 2; k++)
		if ((v[k] = rt_pass_fuse_floats(f, channels, &to[k])) < 0)
			return false;
	for (int64_t i = 0; i < channels; i++) {
		float by = scale ? scale->data[i * scale->step] : 1;
		to[0][i] = from[0][i] * by;
		to[1][i] = from[1][i] * by + (shift ? shift->data[i * shift->step] : 0);
	}
	return set_input(f, node, 1, v[0]) && set_input(f, node, 2, v[1]);
}

/* The other operand of the binary node ${n} whose one operand is ${v}. */
static int other_of(const struct rt_node *n, int v)
{
	return n->in[0] == v ? n->in[1] : n->in[0];
}

static bool is_sum(const struct rt_node *n)
{
	return n->in_count == 2 && n->in[0] != RT_NO_VALUE && n->in[1] != RT_NO_VALUE &&
	       n->in[0] != n->in[1] &&
	       (rt_pass_fuse_is(n, RT_ONNX, "Add") || rt_pass_fuse_is(n, RT_ONNX, "Sum"));
}

/* ScaleShift, or a binary node with a constant per channel, into the weights and bias of a
 * convolution or the constants of a ScaleShift. */
static bool take_scale(struct rt_fuse *f, int node, int next)
{
	const struct rt_node *n = node_at(f, node), *g = node_at(f, next);
	const struct rt_tensor *w = rt_pass_fuse_constant(f, n->in[1]);
	const bool conv = kind_of(n) == CONV;
	const int y = n->out[0];
	struct per_channel scale, shift, *by = NULL, *plus = NULL;
	/* channels last, and a rank that is certain: a constant of no higher rank broadcasts to it
	 */
	const int64_t channels = w ? w->shape.dims[0] : 0;
	const int rank = conv && w ? w->shape.rank : (int)rt_node_int(n, "rank", 1);
	if (!w || !is_plain(n) || w->dtype != RT_F32 ||
	    (input_of(n, 2) != RT_NO_VALUE && !rt_pass_fuse_constant(f, n->in[2])))
		return false;
	if (rt_pass_fuse_is(g, RT_LARDER, "ScaleShift")) {
		if (g->in[0] != y || !is_per_channel(f, g->in[1], channels, 1, &scale) ||
		    !is_per_channel(f, g->in[2], channels, 1, &shift) || !is_plain(g))
			return false;
		by = &scale, plus = &shift;
	} else {
		if (g->domain != RT_ONNX || g->in_count != 2 ||
		    !is_per_channel(f, other_of(g, y), channels, rank, &scale))
			return false;
		if (is_sum(g))
			plus = &scale;
		else if (rt_pass_fuse_is(g, RT_ONNX, "Mul"))
			by = &scale;
		else
			return false;
	}
	return conv ? scale_conv(f, node, by, plus) : scale_scale(f, node, by, plus);
}

/* ---- activations ----------------------------------------------------------------------------- */

static bool clip_of(const struct rt_fuse *f, const struct rt_node *n, struct rt_unary_params *p)
{
	p->a = -INFINITY, p->b = INFINITY;
	if (n->opset < 11) {
		p->a = rt_node_float(n, "min", -INFINITY);
		p->b = rt_node_float(n, "max", INFINITY);
		return true;
	}
	return (input_of(n, 1) == RT_NO_VALUE || rt_pass_fuse_number(f, n->in[1], &p->a)) &&
	       (input_of(n, 2) == RT_NO_VALUE || rt_pass_fuse_number(f, n->in[2], &p->b));
}

int rt_pass_fuse_function(const struct rt_fuse *f, const struct rt_node *n,
			  struct rt_unary_params *p)
{
	static const struct {
		const char *op_type;
		enum rt_unary unary;
	} plain[] = {
	    {"Relu", RT_UNARY_RELU},         {"Sigmoid", RT_UNARY_SIGMOID},
	    {"Tanh", RT_UNARY_TANH},         {"HardSwish", RT_UNARY_HARD_SWISH},
	    {"Softplus", RT_UNARY_SOFTPLUS}, {"Mish", RT_UNARY_MISH},
	    {"Elu", RT_UNARY_ELU},           {"LeakyRelu", RT_UNARY_LEAKY_RELU},
	    {"Swish", RT_UNARY_SILU},        {"HardSigmoid", RT_UNARY_HARD_SIGMOID},
	};
	*p = (struct rt_unary_params){0, 0};
	if (n->domain != RT_ONNX || f->graph->values[n->in[0]].dtype != RT_F32)
		return -1;
	if (!strcmp(n->op_type, "Clip"))
		return clip_of(f, n, p) ? RT_UNARY_CLIP : -1;
	if (!strcmp(n->op_type, "Gelu"))
		return rt_node_string_is(n, "approximate", "tanh", "none") ? RT_UNARY_GELU_TANH
									   : RT_UNARY_GELU;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		if (strcmp(n->op_type, plain[i].op_type) != 0)
			continue;
		if (plain[i].unary == RT_UNARY_ELU)
			*p = (struct rt_unary_params){rt_node_float(n, "alpha", 1), 1};
		if (plain[i].unary == RT_UNARY_LEAKY_RELU)
			p->a = rt_node_float(n, "alpha", 0.01f);
		if (plain[i].unary == RT_UNARY_SILU)
			p->a = rt_node_float(n, "alpha", 1);
		if (plain[i].unary == RT_UNARY_HARD_SIGMOID)
			*p = (struct rt_unary_params){rt_node_float(n, "alpha", 0.2f),
						      rt_node_float(n, "beta", 0.5f)};
		return (int)plain[i].unary;
	}
	return -1;
}

static bool take_activation(struct rt_fuse *f, int node, int next)
{
	struct rt_unary_params p;
	const struct rt_node *g = node_at(f, next);
	int act;
	if (rt_node_int(node_at(f, node), "act", -1) >= 0 || g->in_count < 1 ||
	    g->in[0] != node_at(f, node)->out[0] || (act = rt_pass_fuse_function(f, g, &p)) < 0)
		return false;
	return rt_pass_fuse_set(f, node,
				&(struct rt_attr){.name = "act", .kind = RT_ATTR_INT, .i = act}) &&
	       rt_pass_fuse_set(
		   f, node, &(struct rt_attr){.name = "act_a", .kind = RT_ATTR_FLOAT, .f = p.a}) &&
	       rt_pass_fuse_set(
		   f, node, &(struct rt_attr){.name = "act_b", .kind = RT_ATTR_FLOAT, .f = p.b});
}

/* ---- sums ------------------------------------------------------------------------------------ */

static bool is_depthwise(const struct rt_fuse *f, const struct rt_node *n)
{
	const struct rt_tensor *w = rt_pass_fuse_constant(f, n->in[1]);
	return w->shape.dims[1] == 1 && rt_node_int(n, "group", 1) == w->shape.dims[0];
}

/* A sum with a tensor that is no constant.  Of two bases the later takes it, for by then the other
 * is done. */
static bool take_sum(struct rt_fuse *f, int node, int next)
{
	const struct rt_node *n = node_at(f, node), *g = node_at(f, next);
	int other, p;
	if (!is_sum(g) || !is_plain(n) || (kind_of(n) == CONV && is_depthwise(f, n)))
		return false;
	other = other_of(g, n->out[0]);
	if (f->graph->values[other].is_constant || f->graph->values[other].dtype != RT_F32)
		return false;
	p = f->graph->values[other].producer;
	if (p > node && rt_pass_fuse_reader(f, other) == next &&
	    kind_of(node_at(f, p)) == kind_of(n) && is_plain(node_at(f, p)) &&
	    !(kind_of(n) == CONV && is_depthwise(f, node_at(f, p))))
		return false;
	return set_input(f, node, 3, other);
}

/* ---- products -------------------------------------------------------------------------------- */

/* MatMul and Gemm with constant weights, float32 or kept in 16 bits, become larder.MatMul; false
 * when they can't. */
static bool make_matmul(struct rt_fuse *f, int node)
{
	struct rt_node *n = node_at(f, node);
	const struct rt_tensor *w = rt_pass_fuse_constant(f, input_of(n, 1));
	const bool gemm = rt_pass_fuse_is(n, RT_ONNX, "Gemm");
	int64_t columns;
	if (n->domain == RT_LARDER)
		return true;
	if (!w || f->graph->values[n->in[0]].dtype != RT_F32 || w->shape.rank != 2 ||
	    (w->dtype != RT_F32 && w->dtype != RT_F16 && w->dtype != RT_BF16))
		return false;
	columns = w->shape.dims[gemm && rt_node_int(n, "transB", 0) ? 0 : 1];
	if (gemm && input_of(n, 2) != RT_NO_VALUE) {
		const struct rt_tensor *c = rt_pass_fuse_constant(f, n->in[2]);
		float *bias;
		int v;
		if (!c || c->dtype != RT_F32 || c->shape.rank > 2 ||
		    rt_node_float(n, "beta", 1) != 1 || rt_tensor_elems(c) != columns ||
		    (c->shape.rank == 2 && c->shape.dims[1] != columns) || c->shape.rank == 0)
			return false;
		if ((v = rt_pass_fuse_floats(f, columns, &bias)) < 0)
			return false;
		memcpy(bias, c->data, (size_t)columns * sizeof *bias);
		node_at(f, node)->in[2] = v;
	}
	rt_pass_fuse_rename(f, node, RT_LARDER, "MatMul", 1);
	return true;
}

/* A product of two tensors takes in one number that it is multiplied with or divided by. */
static bool take_alpha(struct rt_fuse *f, int node, int next)
{
	const struct rt_node *n = node_at(f, node), *g = node_at(f, next);
	const bool divides = rt_pass_fuse_is(g, RT_ONNX, "Div");
	float by;
	if (!rt_pass_fuse_is(n, RT_ONNX, "MatMul") || g->in_count != 2 ||
	    rt_pass_fuse_constant(f, n->in[1]) || rt_pass_fuse_constant(f, n->in[0]) ||
	    (!divides && !rt_pass_fuse_is(g, RT_ONNX, "Mul")) ||
	    (divides && g->in[0] != n->out[0]) ||
	    !rt_pass_fuse_number(f, other_of(g, n->out[0]), &by) ||
	    f->graph->values[other_of(g, n->out[0])].constant.shape.rank != 0 || by == 0.0f)
		return false;
	if (!rt_pass_fuse_set(f, node,
			      &(struct rt_attr){.name = "alpha",
						.kind = RT_ATTR_FLOAT,
						.f = divides ? 1.0f / by : by}))
		return false;
	rt_pass_fuse_rename(f, node, RT_LARDER, "MatMul", 1);
	return true;
}

static bool take_bias(struct rt_fuse *f, int node, int next)
{
	const struct rt_node *n = node_at(f, node), *g = node_at(f, next);
	const struct rt_tensor *w = rt_pass_fuse_constant(f, n->in[1]), *c;
	float *bias;
	int other;
	int64_t columns;
	if (!w || !is_sum(g) || !is_plain(n) || input_of(n, 2) != RT_NO_VALUE)
		return false;
	columns = w->shape.dims[rt_node_int(n, "transB", 0) ? 0 : 1];
	other = other_of(g, n->out[0]);
	c = rt_pass_fuse_constant(f, other);
	if (!c || c->dtype != RT_F32 || c->shape.rank < 1 || rt_tensor_elems(c) != columns ||
	    c->shape.dims[c->shape.rank - 1] != columns)
		return false;
	if (c->shape.rank == 1)
		return set_input(f, node, 2, other);
	/* The sum has at least as many dimensions. */
	if (!rt_pass_fuse_set(
		f, node,
		&(struct rt_attr){.name = "rank", .kind = RT_ATTR_INT, .i = c->shape.rank}) ||
	    (other = rt_pass_fuse_floats(f, columns, &bias)) < 0)
		return false;
	memcpy(bias, c->data, (size_t)columns * sizeof *bias);
	return set_input(f, node, 2, other);
}

/* ---- the walk -------------------------------------------------------------------------------- */

static bool take(struct rt_fuse *f, int node, int next)
{
	switch (kind_of(node_at(f, node))) {
	case CONV:
		return take_scale(f, node, next) || take_sum(f, node, next) ||
		       take_activation(f, node, next);
	case MATMUL:
		if (!rt_pass_fuse_constant(f, node_at(f, node)->in[1]))
			return take_alpha(f, node, next);
		return make_matmul(f, node) &&
		       (take_bias(f, node, next) || take_sum(f, node, next) ||
			take_activation(f, node, next));
	case SCALE:
		return take_scale(f, node, next) || take_activation(f, node, next);
	case BYTES:
		return take_activation(f, node, next);
	default:
		return false;
	}
}

bool rt_pass_fuse_base(struct rt_fuse *f, int node)
{
	bool changed = false;
	int next;
	if (kind_of(node_at(f, node)) == NONE || node_at(f, node)->out_count != 1 ||
	    f->graph->values[node_at(f, node)->out[0]].dtype != RT_F32)
		return false;
	while (!f->failed && (next = rt_pass_fuse_reader(f, node_at(f, node)->out[0])) >= 0 &&
	       node_at(f, next)->in_count > 0 && node_at(f, next)->in[0] != RT_NO_VALUE &&
	       !node_at(f, next)->dead) {
		int before = input_of(node_at(f, node), 3), added;
		if (!take(f, node, next))
			break;
		rt_pass_fuse_take(f, node, next);
		/* the sum's other tensor has a new reader in place of the sum */
		added = input_of(node_at(f, node), 3);
		if (added != before && added < f->value_cap && f->uses[added]++ == 0)
			f->reader[added] = node;
		changed = true;
	}
	return changed;
}

/* ---- pads ------------------------------------------------------------------------------------ */

static bool is_zero_pad(const struct rt_fuse *f, const struct rt_node *n, int64_t *pads, int rank)
{
	const struct rt_tensor *t = rt_pass_fuse_constant(f, input_of(n, 1));
	int64_t have = 0;
	const int64_t *v = rt_node_ints(n, "pads", &have);
	float value = 0;
	int count;
	if (!rt_pass_fuse_is(n, RT_ONNX, "Pad") ||
	    !rt_node_string_is(n, "mode", "constant", "constant") || input_of(n, 3) != RT_NO_VALUE)
		return false;
	if (n->opset < 11) {
		if (!v || have != 2 * (int64_t)rank || rt_node_float(n, "value", 0) != 0.0f)
			return false;
		memcpy(pads, v, sizeof *pads * (size_t)have);
		return true;
	}
	return t && rt_op_ints(t, pads, 2 * RT_RANK_MAX, &count) && count == 2 * rank &&
	       (input_of(n, 2) == RT_NO_VALUE ||
		(rt_pass_fuse_number(f, n->in[2], &value) && value == 0.0f));
}

bool rt_pass_fuse_pad(struct rt_fuse *f, int node)
{
	struct rt_node *n = node_at(f, node), *p;
	const struct rt_tensor *w = rt_pass_fuse_constant(f, input_of(n, 1));
	const bool last = n->domain == RT_LARDER;
	int64_t pads[2 * RT_RANK_MAX], have = 0, *sum;
	const int64_t *own = rt_node_ints(n, "pads", &have);
	int rank, at;
	if (strcmp(n->op_type, "Conv") != 0 || (n->domain != RT_ONNX && !last) || !w ||
	    w->shape.rank < 3 || !rt_node_string_is(n, "auto_pad", "NOTSET", "NOTSET") ||
	    rt_pass_fuse_reader(f, n->in[0]) != node ||
	    (at = f->graph->values[n->in[0]].producer) < 0)
		return false;
	rank = w->shape.rank;
	p = node_at(f, at);
	if (p->dead || !is_zero_pad(f, p, pads, rank) || (own && have != 2 * (int64_t)(rank - 2)))
		return false;
	for (int i = 0; i < 2 * rank; i++) {
		int d = i % rank;
		bool spatial = last ? d >= 1 && d < rank - 1 : d >= 2;
		if (pads[i] < 0 || pads[i] > 1 << 20 || (!spatial && pads[i] != 0))
			return false;
	}
	sum = rt_graph_alloc(f->graph, sizeof *sum * (size_t)(2 * (rank - 2)));
	if (!sum) {
		f->failed = true;
		return false;
	}
	for (int i = 0; i < rank - 2; i++) {
		int d = i + (last ? 1 : 2);
		sum[i] = pads[d] + (own ? own[i] : 0);
		sum[rank - 2 + i] = pads[rank + d] + (own ? own[rank - 2 + i] : 0);
	}
	if (!rt_pass_fuse_set(f, node,
			      &(struct rt_attr){.name = "pads",
						.kind = RT_ATTR_INTS,
						.count = 2 * (int64_t)(rank - 2),
						.ints = sum}))
		return false;
	n = node_at(f, node);
	n->in[0] = node_at(f, at)->in[0];
	node_at(f, at)->dead = true;
	return true;
}
