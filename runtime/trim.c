/* SPDX-License-Identifier: MIT */
/*
 * trim.c — constants may share memory (a folded Reshape has the bytes of its
 * input, a sub-graph those of its parent).  Memory is given back only when one
 * pointer among all constants leads there.  A constant whose memory is gone keeps
 * its shape, and points to a few zeros.
 */
#include <config.h>

#include <stdlib.h>

#include "runtime/trim.h"

struct rt_trim {
	struct rt_graph *graph;
	int *uses;          /* [value_count] */
	const void **known; /* [known_count], sorted: the data of all constants that are used */
	size_t known_count, known_cap;
	rt_unread_f *unread;
	void *unread_arg;
};

static _Alignas(64) unsigned char gone[64];

static int by_address(const void *a, const void *b)
{
	const unsigned char *x = *(const unsigned char *const *)a;
	const unsigned char *y = *(const unsigned char *const *)b;

	return x < y ? -1 : x > y;
}

static bool remember(struct rt_trim *t, const void *data)
{
	const void **bigger;

	if (t->known_count == t->known_cap) {
		t->known_cap = t->known_cap == 0 ? 256 : t->known_cap * 2;
		bigger = realloc(t->known, t->known_cap * sizeof(*bigger));
		if (bigger == NULL)
			return false;
		t->known = bigger;
	}
	t->known[t->known_count++] = data;
	return true;
}

/* Constants and tensor attributes of ${g} and its sub-graphs; of ${g} itself only used ones. */
static bool remember_all(struct rt_trim *t, const struct rt_graph *g, const int *uses)
{
	bool ok = true;

	for (int v = 0; v < g->value_count && ok; v++) {
		if (g->values[v].is_constant && (uses == NULL || uses[v] > 0))
			ok = remember(t, g->values[v].constant.data);
	}
	for (int i = 0; i < g->node_count; i++) {
		for (int k = 0; k < g->nodes[i].attr_count && ok; k++) {
			const struct rt_attr *a = &g->nodes[i].attrs[k];

			if (a->kind == RT_ATTR_TENSOR)
				ok = remember(t, a->tensor.data);
			else if (a->kind == RT_ATTR_GRAPH)
				ok = remember_all(t, a->graph, NULL);
		}
	}
	return ok;
}

/* How many known pointers lead into ${size} bytes at ${data}, at most 2. */
static int leading_into(const struct rt_trim *t, const unsigned char *data, size_t size)
{
	size_t low = 0, high = t->known_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if ((const unsigned char *)t->known[middle] < data)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i < low + 2; i++) {
		if (i >= t->known_count || (const unsigned char *)t->known[i] >= data + size)
			return (int)(i - low);
	}
	return 2;
}

/* Give back the memory of ${v} unless more than ${most} known pointers lead there. */
static void give_back(struct rt_trim *t, int v, int most)
{
	struct rt_value *value = &t->graph->values[v];
	size_t bytes = rt_tensor_bytes(&value->constant);

	if (value->constant.data == gone || leading_into(t, value->constant.data, bytes) > most)
		return;
	if (rt_memory_give_back(&t->graph->memory, value->constant.data, bytes))
		value->constant.data = gone;
	else if (t->unread != NULL)
		t->unread(t->unread_arg, value->constant.data, bytes);
}

struct rt_trim *rt_trim_open(struct rt_graph *g, rt_unread_f *unread, void *arg)
{
	struct rt_trim *t = calloc(1, sizeof(*t));

	must(g->parent == NULL);
	if (t == NULL)
		return NULL;
	t->graph = g;
	t->unread = unread;
	t->unread_arg = arg;
	t->uses = calloc((size_t)g->value_count + 1, sizeof(*t->uses));
	if (t->uses == NULL)
		goto fail;
	rt_graph_count_uses(g, t->uses);
	if (!remember_all(t, g, t->uses))
		goto fail;
	if (t->known_count > 0)
		qsort(t->known, t->known_count, sizeof(*t->known), by_address);
	for (int v = 0; v < g->value_count; v++) {
		if (g->values[v].is_constant && t->uses[v] == 0)
			give_back(t, v, 0);
	}
	return t;
fail:
	rt_trim_close(t);
	return NULL;
}

void rt_trim_drop(struct rt_trim *t, int v)
{
	if (--t->uses[v] == 0)
		give_back(t, v, 1);
}

void rt_trim_unread(struct rt_trim *t, int v, size_t from, size_t bytes)
{
	const struct rt_tensor *w = &t->graph->values[v].constant;
	const unsigned char *part = (const unsigned char *)w->data + from;

	must(from <= rt_tensor_bytes(w) && bytes <= rt_tensor_bytes(w) - from);
	if (t->uses[v] > 1 || w->data == gone || leading_into(t, w->data, rt_tensor_bytes(w)) > 1)
		return;
	if (!rt_memory_forget(&t->graph->memory, part, bytes) && t->unread != NULL)
		t->unread(t->unread_arg, part, bytes);
}

void rt_trim_close(struct rt_trim *t)
{
	if (t == NULL)
		return;
	free(t->uses);
	free(t->known);
	free(t);
}
