/* SPDX-License-Identifier: MIT */
/*
 * pass_chain.c — a depthwise convolution with the 1 × 1 convolutions before and
 * behind it becomes one node (ops/conv_chain.c), so that what is between them need not
 * leave the cache.
 *
 * A neighbour is taken in when nobody else reads what is between and it writes a tensor of its
 * own (pass_place.c runs before this).  Only convolutions with a sum behind the last.
 */
#include <config.h>

#include <string.h>

#include "runtime/pass_fuse.h"

enum { X, W, BIAS, RESIDUAL, INTO };
enum { CHAIN_INPUTS = 8 };

static int input_of(const struct rt_node *n, int k)
{
	return k < n->in_count ? n->in[k] : RT_NO_VALUE;
}

/* Node ${i} is a convolution of images that writes a tensor of its own. */
static const struct rt_tensor *conv_weights(const struct rt_fuse *f, int i)
{
	const struct rt_node *n = i >= 0 ? &f->graph->nodes[i] : NULL;
	const struct rt_tensor *w;
	if (!n || n->dead || !rt_pass_fuse_is(n, RT_LARDER, "Conv") || n->out_count != 1 ||
	    rt_node_attr(n, "columns") || input_of(n, INTO) != RT_NO_VALUE)
		return NULL;
	w = rt_pass_fuse_constant(f, n->in[W]);
	return w && w->dtype == RT_F32 && w->shape.rank == 4 ? w : NULL;
}

/* Every number of the list, if there is one, is ${only}. */
static bool all_are(const struct rt_node *n, const char *name, int64_t only)
{
	int64_t count = 0;
	const int64_t *list = rt_node_ints(n, name, &count);
	for (int64_t i = 0; list && i < count; i++)
		if (list[i] != only)
			return false;
	return true;
}

static bool is_point(const struct rt_fuse *f, int i)
{
	const struct rt_tensor *w = conv_weights(f, i);
	const struct rt_node *n = i >= 0 ? &f->graph->nodes[i] : NULL;
	return w && w->shape.dims[2] == 1 && w->shape.dims[3] == 1 &&
	       rt_node_int(n, "group", 1) == 1 && all_are(n, "strides", 1) && all_are(n, "pads", 0);
}

static bool copy_float(struct rt_fuse *f, int to, const struct rt_node *from, const char *name,
		       const char *as)
{
	return rt_pass_fuse_set(f, to,
				&(struct rt_attr){.name = as,
						  .kind = RT_ATTR_FLOAT,
						  .f = rt_node_float(from, name, 0)});
}

/* The activation of node ${from}, as that of node ${to} by the names of another stage. */
static bool copy_act(struct rt_fuse *f, int to, int from, const char *const names[3])
{
	const struct rt_node *n = &f->graph->nodes[from];
	const int64_t act = rt_node_int(n, "act", -1);
	return act < 0 ||
	       (rt_pass_fuse_set(
		    f, to, &(struct rt_attr){.name = names[0], .kind = RT_ATTR_INT, .i = act}) &&
		copy_float(f, to, n, "act_a", names[1]) && copy_float(f, to, n, "act_b", names[2]));
}

static bool visit(struct rt_fuse *f, int node)
{
	static const char *const before[] = {"first_act", "first_act_a", "first_act_b"};
	static const char *const after[] = {"last_act", "last_act_a", "last_act_b"};
	struct rt_node *n = &f->graph->nodes[node];
	const struct rt_tensor *w = conv_weights(f, node);
	int first, last, *in;
	if (!w || w->shape.dims[1] != 1 || w->shape.dims[0] < 2 ||
	    rt_node_int(n, "group", 1) != w->shape.dims[0] || input_of(n, RESIDUAL) != RT_NO_VALUE)
		return false;
	first = rt_pass_fuse_reader(f, n->in[X]) == node ? f->graph->values[n->in[X]].producer : -1;
	if (!is_point(f, first) || input_of(&f->graph->nodes[first], RESIDUAL) != RT_NO_VALUE)
		first = -1;
	last = rt_pass_fuse_reader(f, n->out[0]);
	if (!is_point(f, last) || f->graph->nodes[last].in[X] != n->out[0])
		last = -1;
	if (first < 0 && last < 0)
		return false;
	in = rt_graph_alloc(f->graph, CHAIN_INPUTS * sizeof *in);
	if (!in || (first >= 0 && !copy_act(f, node, first, before)) ||
	    (last >= 0 && !copy_act(f, node, last, after))) {
		f->failed = true;
		return false;
	}
	n = &f->graph->nodes[node];
	for (int k = 0; k < CHAIN_INPUTS; k++)
		in[k] = RT_NO_VALUE;
	in[0] = n->in[X];
	in[1] = n->in[W];
	in[2] = input_of(n, BIAS);
	if (first >= 0) {
		struct rt_node *p = &f->graph->nodes[first];
		in[0] = p->in[X];
		in[3] = p->in[W];
		in[4] = input_of(p, BIAS);
		p->dead = true;
	}
	if (last >= 0) {
		struct rt_node *p = &f->graph->nodes[last];
		in[5] = p->in[W];
		in[6] = input_of(p, BIAS);
		in[7] = input_of(p, RESIDUAL);
		n->out[0] = p->out[0];
		f->graph->values[n->out[0]].producer = node;
		p->dead = true;
	}
	n->in = in;
	n->in_count = CHAIN_INPUTS;
	rt_pass_fuse_rename(f, node, RT_LARDER, "ConvChain", 1);
	return true;
}

int rt_pass_chain(struct rt_graph *g, struct rt_error *err)
{
	bool changed = false;
	int status = rt_pass_fuse_sweep(g, visit, &changed, err);

	return status == RT_OK && changed ? rt_graph_resolve(g, err) : status;
}
