/* SPDX-License-Identifier: MIT */
/*
 * pass_fuse_attention.c — attention of several heads, as exporters write it:
 *
 *	MatMul(Softmax(scale · MatMul(Q, Kᵀ) + mask), V)  →  larder.Attention
 *
 * where Q, Kᵀ and V are Transposes of [batch][row][head][size], and what comes out may be
 * turned back.  So that scores are never in memory as a whole.  Called by pass_fuse.c for
 * every node, after products have taken in their factor.
 */
#include <config.h>

#include <string.h>

#include "runtime/pass_fuse.h"

static struct rt_node *node_at(const struct rt_fuse *f, int i)
{
	return &f->graph->nodes[i];
}

/* The living node of that name that makes ${v}; −1: none. */
static int maker(const struct rt_fuse *f, int v, const char *op_type)
{
	const int i = v >= 0 ? f->graph->values[v].producer : -1;
	const struct rt_node *n = i >= 0 ? node_at(f, i) : NULL;
	return n && !n->dead && n->out_count == 1 && !strcmp(n->op_type, op_type) &&
		       (n->domain == RT_ONNX || n->domain == RT_LARDER)
		   ? i
		   : -1;
}

/* Node ${i} is the Transpose by ${a} ${b} ${c} ${d}. */
static bool turns(const struct rt_fuse *f, int i, int a, int b, int c, int d)
{
	int64_t count = 0;
	const int64_t *p = i >= 0 ? rt_node_ints(node_at(f, i), "perm", &count) : NULL;
	return p && count == 4 && p[0] == a && p[1] == b && p[2] == c && p[3] == d;
}

/* What is turned to [batch][head][row][size] to make ${v}; RT_NO_VALUE: it is not. */
static int rows_of(const struct rt_fuse *f, int v)
{
	const int i = maker(f, v, "Transpose");
	return turns(f, i, 0, 2, 1, 3) ? node_at(f, i)->in[0] : RT_NO_VALUE;
}

/* The same to [batch][head][size][row], at once or in two steps. */
static int columns_of(const struct rt_fuse *f, int v)
{
	const int i = maker(f, v, "Transpose");
	if (turns(f, i, 0, 2, 3, 1))
		return node_at(f, i)->in[0];
	return turns(f, i, 0, 1, 3, 2) ? rows_of(f, node_at(f, i)->in[0]) : RT_NO_VALUE;
}

/* Node ${i} is a product of two tensors and no more, but for a factor if ${scaled}. */
static bool is_product(const struct rt_fuse *f, int i, bool scaled)
{
	const struct rt_node *n = i >= 0 ? node_at(f, i) : NULL;
	if (!n || n->dead || strcmp(n->op_type, "MatMul") != 0 || n->in_count < 2 ||
	    (n->domain != RT_ONNX && n->domain != RT_LARDER) || (n->domain == RT_LARDER && !scaled))
		return false;
	for (int k = 2; k < n->in_count; k++)
		if (n->in[k] != RT_NO_VALUE)
			return false;
	return n->domain == RT_ONNX ||
	       (rt_node_int(n, "act", -1) < 0 && rt_node_int(n, "transA", 0) == 0 &&
		rt_node_int(n, "transB", 0) == 0);
}

/* The product that makes ${v} for no one but its one reader; −1: none. */
static int scores_at(const struct rt_fuse *f, int v)
{
	const int i = rt_pass_fuse_reader(f, v) >= 0 ? maker(f, v, "MatMul") : -1;
	return is_product(f, i, true) ? i : -1;
}

/* The product before Softmax input ${v}, and what is added to it, or RT_NO_VALUE. */
static int find_scores(const struct rt_fuse *f, int v, int *add, int *mask)
{
	int i = scores_at(f, v);
	*add = -1;
	*mask = RT_NO_VALUE;
	if (i >= 0 || rt_pass_fuse_reader(f, v) < 0 || (*add = maker(f, v, "Add")) < 0)
		return i;
	for (int k = 0; k < 2; k++) {
		const struct rt_node *n = node_at(f, *add);
		if (n->domain != RT_ONNX || n->in_count != 2 || n->opset < 7)
			return -1;
		*mask = n->in[1 - k];
		if ((i = scores_at(f, n->in[k])) >= 0 && *mask != RT_NO_VALUE &&
		    f->graph->values[*mask].dtype == RT_F32)
			return i;
	}
	return -1;
}

bool rt_pass_fuse_attention(struct rt_fuse *f, int node)
{
	const struct rt_node *n = node_at(f, node);
	const int64_t axis = rt_node_int(n, "axis", n->opset < 13 ? 1 : -1);
	int scores, add, mask, values, after, in[4], *to;
	float scale;
	if (!rt_pass_fuse_is(n, RT_ONNX, "Softmax") || (axis != -1 && axis != 3) ||
	    f->graph->values[n->out[0]].dtype != RT_F32 ||
	    (scores = find_scores(f, n->in[0], &add, &mask)) < 0 ||
	    !is_product(f, values = rt_pass_fuse_reader(f, n->out[0]), false) ||
	    node_at(f, values)->in[0] != n->out[0])
		return false;
	in[0] = rows_of(f, node_at(f, scores)->in[0]);
	in[1] = columns_of(f, node_at(f, scores)->in[1]);
	in[2] = rows_of(f, node_at(f, values)->in[1]);
	in[3] = mask;
	if (in[0] == RT_NO_VALUE || in[1] == RT_NO_VALUE || in[2] == RT_NO_VALUE)
		return false;
	if (!(to = rt_graph_alloc(f->graph, sizeof in))) {
		f->failed = true;
		return false;
	}
	memcpy(to, in, sizeof in);
	scale = node_at(f, scores)->domain == RT_LARDER
		    ? rt_node_float(node_at(f, scores), "alpha", 1)
		    : 1;
	after = rt_pass_fuse_reader(f, node_at(f, values)->out[0]);
	if (!rt_pass_fuse_set(
		f, values, &(struct rt_attr){.name = "alpha", .kind = RT_ATTR_FLOAT, .f = scale}))
		return false;
	if (after >= 0 && rt_pass_fuse_is(node_at(f, after), RT_ONNX, "Transpose") &&
	    turns(f, after, 0, 2, 1, 3)) {
		if (!rt_pass_fuse_set(
			f, values,
			&(struct rt_attr){.name = "turned", .kind = RT_ATTR_INT, .i = 1}))
			return false;
		rt_pass_fuse_take(f, values, after);
	}
	node_at(f, values)->in = to;
	node_at(f, values)->in_count = mask == RT_NO_VALUE ? 3 : 4;
	node_at(f, scores)->dead = node_at(f, node)->dead = true;
	if (add >= 0)
		node_at(f, add)->dead = true;
	rt_pass_fuse_rename(f, values, RT_LARDER, "Attention", 1);
	return true;
}
