/* SPDX-License-Identifier: MIT */
/*
 * pass_place.c — convolutions write their channels where Concat would copy them.
 *
 * A Concat of channels-last convolutions along the channels goes: the first makes the whole
 * tensor and fills in its columns, every other takes that tensor as input 4, writes over it
 * (ops/conv_nhwc.c) and hands it on.  Only where nobody else reads a convolution's own
 * result.  Runs behind pass_fuse.c, so that nothing is fused into what is a part of a tensor
 * only; pass_chain.c, which follows, leaves such convolutions alone.
 */
#include <config.h>

#include <string.h>

#include "runtime/kernels/kernels.h"
#include "runtime/pass_fuse.h"

enum { X, W, BIAS, RESIDUAL, INTO, INPUTS };

/* Channels of what node ${i} makes, or 0: it is no convolution that can write a part. */
static int64_t channels(const struct rt_fuse *f, int i, int64_t axis)
{
	const struct rt_node *n = i >= 0 ? &f->graph->nodes[i] : NULL;
	const struct rt_tensor *w;
	int64_t act;

	if (n == NULL || !rt_pass_fuse_is(n, RT_LARDER, "Conv") || n->in_count > RESIDUAL)
		return 0;
	w = rt_pass_fuse_constant(f, n->in[W]);
	act = rt_node_int(n, "act", -1);
	if (w == NULL || w->shape.rank < 3 || (axis != -1 && axis != w->shape.rank - 1) ||
	    (act >= 0 && act != RT_UNARY_RELU && act != RT_UNARY_CLIP))
		return 0;
	/* depthwise ones write whole pixels */
	return w->shape.dims[1] == 1 && rt_node_int(n, "group", 1) > 1 ? 0 : w->shape.dims[0];
}

static bool set_int(struct rt_fuse *f, int node, const char *name, int64_t i)
{
	return rt_pass_fuse_set(f, node,
				&(struct rt_attr){.name = name, .kind = RT_ATTR_INT, .i = i});
}

/* Node ${i} writes ${out}, columns ${column} … of ${columns}, over ${into} if there is one. */
static bool place(struct rt_fuse *f, int i, int into, int out, int64_t column, int64_t columns)
{
	struct rt_node *n;
	int *in = rt_graph_alloc(f->graph, INPUTS * sizeof(*in));

	if (in == NULL || !set_int(f, i, "column", column) || !set_int(f, i, "columns", columns)) {
		f->failed = true;
		return false;
	}
	n = &f->graph->nodes[i];
	for (int k = 0; k < INPUTS; k++)
		in[k] = k < n->in_count ? n->in[k] : RT_NO_VALUE;
	in[INTO] = into;
	n->in = in;
	n->in_count = into == RT_NO_VALUE ? n->in_count : INPUTS;
	n->out[0] = out;
	f->graph->values[out].producer = i;
	return true;
}

static bool visit(struct rt_fuse *f, int node)
{
	const struct rt_node *n = &f->graph->nodes[node];
	const int64_t axis = rt_node_int(n, "axis", 1);
	const int count = n->in_count, whole = n->out[0], *const in = n->in;
	int64_t columns = 0, column = 0;
	int into = RT_NO_VALUE;

	if (!rt_pass_fuse_is(n, RT_ONNX, "Concat") || count < 2)
		return false;
	for (int k = 0; k < count; k++) {
		const int v = in[k];
		int64_t own = 0;

		if (v != RT_NO_VALUE && rt_pass_fuse_reader(f, v) == node &&
		    f->graph->values[v].outer < 0)
			own = channels(f, f->graph->values[v].producer, axis);
		if (own == 0 || __builtin_add_overflow(columns, own, &columns))
			return false;
	}
	for (int k = 0; k < count; k++) {
		const int maker = f->graph->values[in[k]].producer;
		const int64_t own = channels(f, maker, axis);

		if (!place(f, maker, into, k + 1 < count ? in[k] : whole, column, columns))
			return false;
		column += own;
		into = in[k];
	}
	f->graph->nodes[node].dead = true;
	return true;
}

int rt_pass_place(struct rt_graph *g, struct rt_error *err)
{
	bool changed = false;
	int status = rt_pass_fuse_sweep(g, visit, &changed, err);

	return status == RT_OK && changed ? rt_graph_resolve(g, err) : status;
}
