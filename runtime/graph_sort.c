/* SPDX-License-Identifier: MIT */
/*
 * graph_sort.c — puts nodes into topological order: each after what it reads.
 * Iterative (Kahn); nodes that are in order already are left alone, and among
 * those that are ready the earlier one goes first as far as a queue can tell.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/graph.h"

static bool in_order(const struct rt_graph *g)
{
	for (int i = 0; i < g->node_count; i++) {
		struct rt_uses u = rt_graph_uses(&g->nodes[i]);
		int v;

		while ((v = rt_graph_next_use(&u)) != RT_NO_VALUE) {
			if (g->values[v].producer >= i)
				return false;
		}
	}
	return true;
}

struct sort {
	size_t *first; /* [node_count + 1]: where the readers of a node's outputs begin */
	int *readers;  /* nodes, by producer */
	int *missing;  /* [node_count]: inputs that are not there yet */
	int *queue;    /* [node_count]: the new order */
	struct rt_node *copy;
};

/* Count, then fill: who reads what each node makes. */
static bool find_readers(const struct rt_graph *g, struct sort *s)
{
	size_t edges = 0;
	int v;

	for (int i = 0; i < g->node_count; i++) {
		struct rt_uses u = rt_graph_uses(&g->nodes[i]);

		while ((v = rt_graph_next_use(&u)) != RT_NO_VALUE) {
			if (g->values[v].producer < 0)
				continue;
			s->first[g->values[v].producer + 1]++;
			s->missing[i]++;
			edges++;
		}
	}
	s->readers = calloc(edges + 1, sizeof(*s->readers));
	if (s->readers == NULL)
		return false;
	for (int i = 0; i < g->node_count; i++)
		s->first[i + 1] += s->first[i];
	for (int i = g->node_count - 1; i >= 0; i--) {
		struct rt_uses u = rt_graph_uses(&g->nodes[i]);

		while ((v = rt_graph_next_use(&u)) != RT_NO_VALUE) {
			if (g->values[v].producer >= 0)
				s->readers[--s->first[g->values[v].producer + 1]] = i;
		}
	}
	return true; /* readers of node p: from first[p + 1] up to first[p + 2] */
}

static int take_ready(const struct rt_graph *g, struct sort *s, size_t edge_count)
{
	int head = 0, tail = 0;

	for (int i = 0; i < g->node_count; i++) {
		if (s->missing[i] == 0)
			s->queue[tail++] = i;
	}
	while (head < tail) {
		int n = s->queue[head++];
		size_t end = n + 1 < g->node_count ? s->first[n + 2] : edge_count;

		for (size_t e = s->first[n + 1]; e < end; e++) {
			if (--s->missing[s->readers[e]] == 0)
				s->queue[tail++] = s->readers[e];
		}
	}
	return tail;
}

static int cycle(const struct rt_graph *g, const struct sort *s, struct rt_error *err)
{
	for (int i = 0; i < g->node_count; i++) {
		const struct rt_node *n = &g->nodes[i];

		for (int k = 0; s->missing[i] > 0 && k < n->out_count; k++) {
			if (n->out[k] != RT_NO_VALUE)
				return rt_error_set(err, RT_MALFORMED,
						    "value '%.200s' depends on itself",
						    g->values[n->out[k]].name);
		}
	}
	return rt_error_set(err, RT_MALFORMED, "the graph has a cycle");
}

int rt_graph_sort(struct rt_graph *g, struct rt_error *err)
{
	size_t n = (size_t)g->node_count, edges = 0;
	struct sort s = {NULL, NULL, NULL, NULL, NULL};
	int status;

	if (in_order(g))
		return RT_OK;
	status = rt_error_set(err, RT_MEMORY, "out of memory while sorting the graph");
	s.first = calloc(n + 2, sizeof(*s.first));
	s.missing = calloc(n, sizeof(*s.missing));
	s.queue = calloc(n, sizeof(*s.queue));
	s.copy = calloc(n, sizeof(*s.copy));
	if (s.first == NULL || s.missing == NULL || s.queue == NULL || s.copy == NULL ||
	    !find_readers(g, &s))
		goto out;
	for (size_t i = 0; i < n; i++)
		edges += (size_t)s.missing[i];
	if (take_ready(g, &s, edges) < g->node_count) {
		status = cycle(g, &s, err);
		goto out;
	}
	memcpy(s.copy, g->nodes, n * sizeof(*s.copy));
	for (size_t i = 0; i < n; i++) {
		g->nodes[i] = s.copy[s.queue[i]];
		for (int k = 0; k < g->nodes[i].out_count; k++) {
			if (g->nodes[i].out[k] != RT_NO_VALUE)
				g->values[g->nodes[i].out[k]].producer = (int)i;
		}
	}
	status = rt_error_set(err, RT_OK, "%s", "");
out:
	free(s.first);
	free(s.readers);
	free(s.missing);
	free(s.queue);
	free(s.copy);
	return status;
}
