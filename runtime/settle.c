/* SPDX-License-Identifier: MIT */
/*
 * settle.c — see settle.h.  A copy of weights that are packed anyway would cost their
 * size in memory and half the time of loading.  Must leave nothing unaligned that code reads
 * through a pointer to its element type.
 */
#include <config.h>

#include <string.h>

#include "runtime/op.h"
#include "runtime/settle.h"

static bool is_unaligned(const struct rt_value *v)
{
	return v->is_constant && v->constant.dtype == RT_F32 &&
	       (uintptr_t)v->constant.data % sizeof(float) != 0;
}

static int settle(struct rt_graph *g, int i, struct rt_error *err)
{
	struct rt_value *v = &g->values[i];
	size_t bytes;
	void *data;

	if (!is_unaligned(v))
		return RT_OK;
	bytes = rt_tensor_bytes(&v->constant);
	data = rt_graph_alloc(g, bytes);
	if (data == NULL)
		return rt_error_set(err, RT_BUDGET, "no memory left for weights");
	memcpy(data, v->constant.data, bytes);
	v->constant.data = data;
	return RT_OK;
}

/* What a sub-graph has, or sees of its parents; depth is bounded by the reader. */
static int settle_all(struct rt_graph *g, struct rt_error *err)
{
	int status = RT_OK;

	for (int i = 0; i < g->value_count && status == RT_OK; i++)
		status = settle(g, i, err);
	for (int i = 0; i < g->node_count; i++)
		for (int k = 0; k < g->nodes[i].attr_count && status == RT_OK; k++)
			if (g->nodes[i].attrs[k].kind == RT_ATTR_GRAPH)
				status = settle_all(g->nodes[i].attrs[k].graph, err);
	return status;
}

static bool can_do_without(const struct rt_graph *g, const struct rt_node *n, int input)
{
	return n->op != NULL && input < 32 && (n->op->unaligned_inputs >> input & 1) != 0 &&
	       g->values[n->in[input]].constant.shape.rank >= 2;
}

static int settle_node(struct rt_graph *g, const struct rt_node *n, struct rt_error *err)
{
	int status = RT_OK;

	for (int i = 0; i < n->in_count && status == RT_OK; i++)
		if (n->in[i] != RT_NO_VALUE && !can_do_without(g, n, i))
			status = settle(g, n->in[i], err);
	for (int i = 0; i < n->attr_count && status == RT_OK; i++)
		if (n->attrs[i].kind == RT_ATTR_GRAPH)
			status = settle_all(n->attrs[i].graph, err);
	return status;
}

int rt_settle(struct rt_graph *g, struct rt_error *err)
{
	int status = RT_OK;

	must(g->parent == NULL);
	for (int i = 0; i < g->output_count && status == RT_OK; i++)
		status = settle(g, g->outputs[i], err);
	for (int i = 0; i < g->node_count && status == RT_OK; i++)
		status = settle_node(g, &g->nodes[i], err);
	return status;
}
