/* SPDX-License-Identifier: MIT */
/*
 * graph.c — the arrays of a graph, its memory, and questions about uses.
 * Called by the front end and the passes; never while a model runs.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/graph.h"

/* ---- memory ---------------------------------------------------------------------------------- */

static struct rt_graph *outermost(struct rt_graph *g)
{
	while (g->parent != NULL)
		g = g->parent;
	return g;
}

void *rt_graph_alloc(struct rt_graph *g, size_t size_bytes)
{
	return rt_memory_take(&outermost(g)->memory, size_bytes, 64);
}

char *rt_graph_strdup(struct rt_graph *g, const char *s, size_t len)
{
	char *copy = len < SIZE_MAX ? rt_memory_take(&outermost(g)->memory, len + 1, 1) : NULL;

	if (copy != NULL && len > 0)
		memcpy(copy, s, len);
	return copy;
}

struct rt_graph *rt_graph_new(void)
{
	return calloc(1, sizeof(struct rt_graph));
}

struct rt_graph *rt_graph_new_child(struct rt_graph *parent)
{
	struct rt_graph *g = rt_graph_alloc(parent, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->parent = parent;
	g->depth = parent->depth + 1;
	g->kernels = parent->kernels;
	memcpy(g->opset, parent->opset, sizeof(g->opset));
	return g;
}

void rt_graph_free(struct rt_graph *g)
{
	if (g == NULL)
		return;
	must(g->parent == NULL);
	rt_memory_release(&g->memory);
	free(g);
}

/* ---- growing --------------------------------------------------------------------------------- */

/* Room for one more in ${*array}; the old array stays behind in the graph's memory. */
static bool room(struct rt_graph *g, void **array, int count, int *cap, size_t size)
{
	int wanted;
	void *bigger;

	if (count < *cap)
		return true;
	if (*cap > INT32_MAX / 2)
		return false;
	wanted = *cap == 0 ? 16 : *cap * 2;
	bigger = rt_graph_alloc(g, (size_t)wanted * size);
	if (bigger == NULL)
		return false;
	if (count > 0)
		memcpy(bigger, *array, (size_t)count * size);
	*array = bigger;
	*cap = wanted;
	return true;
}

int rt_graph_add_value(struct rt_graph *g, const char *name, enum rt_dtype dtype)
{
	void *array = g->values;

	if (!room(g, &array, g->value_count, &g->value_cap, sizeof(*g->values)))
		return -1;
	g->values = array;
	g->values[g->value_count] = (struct rt_value){
	    .name = name, .dtype = dtype, .shape.rank = -1, .producer = -1, .outer = -1};
	return g->value_count++;
}

int rt_graph_add_constant(struct rt_graph *g, const char *name, const struct rt_tensor *t)
{
	int v = rt_graph_add_value(g, name, t->dtype);

	if (v < 0)
		return -1;
	g->values[v].shape = t->shape;
	g->values[v].is_constant = true;
	g->values[v].constant = *t;
	return v;
}

int rt_graph_add_node(struct rt_graph *g, enum rt_domain domain, const char *op_type, int in_count,
		      int out_count, int attr_count)
{
	void *array = g->nodes;
	struct rt_node n = {.name = "",
			    .op_type = op_type,
			    .domain_name = rt_domain_name(domain),
			    .domain = domain,
			    .opset = g->opset[domain],
			    .in_count = in_count,
			    .out_count = out_count,
			    .attr_count = attr_count};

	n.in = rt_graph_alloc(g, sizeof(int) * ((size_t)in_count + (size_t)out_count));
	n.attrs = rt_graph_alloc(g, sizeof(*n.attrs) * (size_t)attr_count);
	if (n.in == NULL || n.attrs == NULL ||
	    !room(g, &array, g->node_count, &g->node_cap, sizeof(*g->nodes)))
		return -1;
	n.out = n.in + in_count;
	for (int i = 0; i < in_count + out_count; i++)
		n.in[i] = RT_NO_VALUE;
	g->nodes = array;
	g->nodes[g->node_count] = n;
	return g->node_count++;
}

/* ---- uses ------------------------------------------------------------------------------------ */

struct rt_uses rt_graph_uses(const struct rt_node *n)
{
	return (struct rt_uses){.node = n};
}

int rt_graph_next_use(struct rt_uses *u)
{
	const struct rt_node *n = u->node;

	while (u->input < n->in_count) {
		int v = n->in[u->input++];

		if (v != RT_NO_VALUE)
			return v;
	}
	for (; u->attr < n->attr_count; u->attr++, u->value = 0) {
		const struct rt_attr *a = &n->attrs[u->attr];

		if (a->kind != RT_ATTR_GRAPH)
			continue;
		while (u->value < a->graph->value_count) {
			int v = a->graph->values[u->value++].outer;

			if (v >= 0)
				return v;
		}
	}
	return RT_NO_VALUE;
}

void rt_graph_count_uses(const struct rt_graph *g, int *counts)
{
	memset(counts, 0, sizeof(*counts) * (size_t)g->value_count);
	for (int i = 0; i < g->node_count; i++) {
		struct rt_uses u = rt_graph_uses(&g->nodes[i]);
		int v;

		if (g->nodes[i].dead)
			continue;
		while ((v = rt_graph_next_use(&u)) != RT_NO_VALUE)
			counts[v]++;
	}
	for (int i = 0; i < g->output_count; i++)
		counts[g->outputs[i]]++;
}

int rt_graph_use_count(const struct rt_graph *g, int value)
{
	int count = 0, v;

	for (int i = 0; i < g->node_count; i++) {
		struct rt_uses u = rt_graph_uses(&g->nodes[i]);

		if (g->nodes[i].dead)
			continue;
		while ((v = rt_graph_next_use(&u)) != RT_NO_VALUE)
			count += v == value;
	}
	for (int i = 0; i < g->output_count; i++)
		count += g->outputs[i] == value;
	return count;
}

static void replace_in_node(struct rt_node *n, int from, int to)
{
	for (int i = 0; i < n->in_count; i++) {
		if (n->in[i] == from)
			n->in[i] = to;
	}
	for (int i = 0; i < n->attr_count; i++) {
		struct rt_graph *sub = n->attrs[i].graph;

		if (n->attrs[i].kind != RT_ATTR_GRAPH)
			continue;
		for (int v = 0; v < sub->value_count; v++) {
			if (sub->values[v].outer == from)
				sub->values[v].outer = to;
		}
	}
}

void rt_graph_replace_uses(struct rt_graph *g, int from, int to)
{
	for (int i = 0; i < g->node_count; i++) {
		if (!g->nodes[i].dead)
			replace_in_node(&g->nodes[i], from, to);
	}
	for (int i = 0; i < g->output_count; i++) {
		if (g->outputs[i] == from) {
			g->outputs[i] = to;
			g->values[from].is_output = false;
			g->values[to].is_output = true;
		}
	}
}

/* ---- dropping -------------------------------------------------------------------------------- */

/* A sub-graph's stand-ins that nothing there reads no longer hold the parent's values. */
static void drop_unused_outers(struct rt_graph *g)
{
	int *counts = calloc((size_t)g->value_count + 1, sizeof(*counts));

	if (counts == NULL)
		return; /* they stay, which costs memory and nothing else */
	rt_graph_count_uses(g, counts);
	for (int v = 0; v < g->value_count; v++) {
		if (counts[v] == 0)
			g->values[v].outer = -1;
	}
	free(counts);
}

void rt_graph_compact(struct rt_graph *g)
{
	bool *needed = calloc((size_t)g->value_count + 1, sizeof(*needed));
	int kept = 0, v;

	for (int i = 0; i < g->output_count && needed != NULL; i++)
		needed[g->outputs[i]] = true;
	/* Backwards: the nodes are in topological order. */
	for (int i = g->node_count - 1; i >= 0; i--) {
		struct rt_node *n = &g->nodes[i];
		bool live = needed == NULL;

		for (int k = 0; k < n->out_count && !live; k++)
			live = n->out[k] != RT_NO_VALUE && needed[n->out[k]];
		if (!live)
			n->dead = true;
		if (n->dead)
			continue;
		for (int k = 0; k < n->attr_count; k++) { /* as deep as the file, at most 32 */
			if (n->attrs[k].kind == RT_ATTR_GRAPH)
				rt_graph_compact(n->attrs[k].graph);
		}
		struct rt_uses u = rt_graph_uses(n);
		while (needed != NULL && (v = rt_graph_next_use(&u)) != RT_NO_VALUE)
			needed[v] = true;
	}
	free(needed);
	for (v = 0; v < g->value_count; v++)
		g->values[v].producer = -1;
	for (int i = 0; i < g->node_count; i++) {
		if (g->nodes[i].dead)
			continue;
		g->nodes[kept] = g->nodes[i];
		for (int k = 0; k < g->nodes[kept].out_count; k++) {
			if (g->nodes[kept].out[k] != RT_NO_VALUE)
				g->values[g->nodes[kept].out[k]].producer = kept;
		}
		kept++;
	}
	g->node_count = kept;
	if (g->parent != NULL)
		drop_unused_outers(g);
}
