/* SPDX-License-Identifier: MIT */
/*
 * bind.c — once per model and node: the state that infer and run read.
 */
#include <config.h>

#include "runtime/bind.h"

const struct rt_tensor *rt_bind_constant(const struct rt_bind *b, int i)
{
	const struct rt_node *n = b->node;
	const struct rt_value *v;

	if (i < 0 || i >= n->in_count || n->in[i] == RT_NO_VALUE)
		return NULL;
	v = &b->graph->values[n->in[i]];
	return v->is_constant ? &v->constant : NULL;
}

bool rt_bind_has(const struct rt_bind *b, int i)
{
	return i >= 0 && i < b->node->in_count && b->node->in[i] != RT_NO_VALUE;
}

void *rt_bind_alloc(struct rt_bind *b, size_t bytes)
{
	return rt_memory_take(b->memory, bytes, 64);
}

const void *rt_bind_packed(struct rt_bind *b, size_t bytes, void **ret_fill)
{
	if (b->pack == NULL)
		return *ret_fill = rt_memory_take(b->memory, bytes, 64);
	return rt_pack_take(b->pack, b->memory, bytes, ret_fill);
}

void rt_bind_drop(struct rt_bind *b, int i)
{
	must(i >= 0 && i < 32 && rt_bind_constant(b, i) != NULL);
	b->dropped |= UINT32_C(1) << i;
}

void rt_bind_unread(struct rt_bind *b, int i, size_t from, size_t bytes)
{
	must(rt_bind_constant(b, i) != NULL);
	if (b->trim != NULL)
		rt_trim_unread(b->trim, b->node->in[i], from, bytes);
}

static int bind_node(const struct rt_graph *g, struct rt_node *n, struct rt_trim *trim,
		     struct rt_memory *memory, struct rt_pack *pack, struct rt_error *err)
{
	struct rt_bind b = {.graph = g,
			    .node = n,
			    .kernels = g->kernels,
			    .memory = memory,
			    .pack = pack,
			    .trim = trim};
	char label[256];
	int status = RT_OK;

	must(n->op != NULL && n->state == NULL);
	b.state = rt_memory_take(memory, n->op->state_bytes, 64);
	if (b.state == NULL)
		return rt_error_set(err, RT_BUDGET, "%s: no memory left for its state",
				    rt_node_label(n, label, sizeof(label)));
	if (n->op->bind != NULL)
		status = n->op->bind(&b, err);
	if (status < 0) {
		if (n->op->done != NULL)
			n->op->done(b.state);
		return rt_error_wrap(err, "%s", rt_node_label(n, label, sizeof(label)));
	}
	n->state = b.state;
	n->dropped = b.dropped;
	return RT_OK;
}

int rt_bind_node(const struct rt_graph *g, struct rt_node *n, struct rt_memory *memory,
		 struct rt_pack *pack, struct rt_error *err)
{
	return bind_node(g, n, NULL, memory, pack, err);
}

void rt_bind_release(struct rt_node *n)
{
	if (n->state != NULL && n->op->done != NULL)
		n->op->done(n->state);
	n->state = NULL;
}

static void drop_inputs(struct rt_trim *trim, const struct rt_node *n)
{
	for (int i = 0; i < n->in_count && i < 32; i++) {
		if ((n->dropped >> i & 1) != 0)
			rt_trim_drop(trim, n->in[i]);
	}
}

int rt_bind_graph(struct rt_graph *g, struct rt_trim *trim, struct rt_memory *memory,
		  struct rt_pack *pack, struct rt_error *err)
{
	for (int i = 0; i < g->node_count; i++) {
		struct rt_node *n = &g->nodes[i];
		int status;

		pack->node++;
		status = bind_node(g, n, trim, memory, pack, err);

		for (int k = 0; k < n->attr_count && status == RT_OK; k++) {
			/* depth is bounded by the reader; constants may be the parents' */
			if (n->attrs[k].kind == RT_ATTR_GRAPH)
				status = rt_bind_graph(n->attrs[k].graph, NULL, memory, pack, err);
		}
		if (status < 0)
			return status;
		if (trim != NULL)
			drop_inputs(trim, n);
	}
	return RT_OK;
}

void rt_bind_release_graph(struct rt_graph *g)
{
	for (int i = 0; i < g->node_count; i++) {
		struct rt_node *n = &g->nodes[i];

		rt_bind_release(n);
		for (int k = 0; k < n->attr_count; k++) {
			if (n->attrs[k].kind == RT_ATTR_GRAPH)
				rt_bind_release_graph(n->attrs[k].graph);
		}
	}
}
