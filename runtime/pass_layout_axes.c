/* SPDX-License-Identifier: MIT */
/*
 * pass_layout_axes.c — see pass_layout_axes.h.  Dim i of a transposed tensor is
 * dim perm[i] of its source, so an axis i becomes perm[i], and a list with one
 * entry per dim is permuted.
 */
#include <config.h>

#include <string.h>

#include "runtime/pass_layout_axes.h"

/* Attribute ${name} of the node, added with kind ${kind} if it is missing; NULL: out of memory. */
static struct rt_attr *attribute(struct rt_layout *l, int node, const char *name,
				 enum rt_attr_kind kind)
{
	struct rt_node *n = &l->graph->nodes[node];
	struct rt_attr *more;
	for (int i = 0; i < n->attr_count; i++)
		if (!strcmp(n->attrs[i].name, name) && n->attrs[i].kind == kind)
			return &n->attrs[i];
	more = rt_graph_alloc(l->graph, sizeof *more * ((size_t)n->attr_count + 1));
	if (!more) {
		l->failed = true;
		return NULL;
	}
	if (n->attr_count > 0)
		memcpy(more, n->attrs, sizeof *more * (size_t)n->attr_count);
	n->attrs = more;
	more += n->attr_count++;
	*more = (struct rt_attr){.name = name, .kind = kind};
	return more;
}

bool rt_pass_layout_set_int(struct rt_layout *l, int node, const char *name, int64_t i)
{
	struct rt_attr *a = attribute(l, node, name, RT_ATTR_INT);
	if (a)
		a->i = i;
	return a != NULL;
}

static bool set_ints(struct rt_layout *l, int node, const char *name, const int64_t *ints,
		     int count)
{
	struct rt_attr *a = attribute(l, node, name, RT_ATTR_INTS);
	int64_t *copy = rt_graph_alloc(l->graph, sizeof *copy * (size_t)(count + 1));
	if (!a || !copy) {
		l->failed = true;
		return false;
	}
	memcpy(copy, ints, sizeof *copy * (size_t)count);
	a->ints = copy;
	a->count = count;
	return true;
}

/* Input ${k} becomes the constant [count] of int64; inputs in between are left out. */
static bool set_input(struct rt_layout *l, int node, int k, const int64_t *ints, int count)
{
	struct rt_tensor t = {.dtype = RT_I64, .shape = rt_shape_of(1, (int64_t)count)};
	struct rt_node *n;
	int v, *in;
	t.data = rt_graph_alloc(l->graph, sizeof *ints * (size_t)(count + 1));
	if (!t.data || (v = rt_pass_layout_constant(l, &t)) < 0) {
		l->failed = true;
		return false;
	}
	memcpy(t.data, ints, sizeof *ints * (size_t)count);
	n = &l->graph->nodes[node];
	if (k >= n->in_count) {
		if (!(in = rt_graph_alloc(l->graph, sizeof *in * (size_t)(k + 1)))) {
			l->failed = true;
			return false;
		}
		for (int i = 0; i <= k; i++)
			in[i] = i < n->in_count ? n->in[i] : RT_NO_VALUE;
		n->in = in;
		n->in_count = k + 1;
	}
	n->in[k] = v;
	return true;
}

static bool has_input(struct rt_layout *l, int node, int k)
{
	const struct rt_node *n = &l->graph->nodes[node];
	return k < n->in_count && n->in[k] != RT_NO_VALUE;
}

static const struct rt_tensor *constant_input(struct rt_layout *l, int node, int k)
{
	const struct rt_value *v;
	if (!has_input(l, node, k))
		return NULL;
	v = &l->graph->values[l->graph->nodes[node].in[k]];
	return v->is_constant ? &v->constant : NULL;
}

/* Up to ${max} integers of constant input ${k}: their number, or −1. */
static int input_ints(struct rt_layout *l, int node, int k, int64_t *out, int max)
{
	const struct rt_tensor *t = constant_input(l, node, k);
	int count;
	return t && rt_op_ints(t, out, max, &count) ? count : -1;
}

/* Brings axes to 0 … rank − 1; false when one is out of range or there twice. */
static bool settle_axes(int64_t *axes, int count, int rank)
{
	bool seen[RT_RANK_MAX] = {false};
	for (int i = 0; i < count; i++) {
		if (axes[i] < 0)
			axes[i] += rank;
		if (axes[i] < 0 || axes[i] >= rank || seen[axes[i]])
			return false;
		seen[axes[i]] = true;
	}
	return true;
}

int rt_pass_layout_axes(struct rt_layout *l, int node, int input, int rank, int64_t *axes)
{
	int64_t have = 0;
	const int64_t *v = rt_node_ints(&l->graph->nodes[node], "axes", &have);
	int count = (int)have;
	if (has_input(l, node, input)) {
		count = input_ints(l, node, input, axes, RT_RANK_MAX);
	} else {
		if (!v || have > RT_RANK_MAX)
			return -1;
		memcpy(axes, v, sizeof *axes * (size_t)count);
	}
	return count > 0 && settle_axes(axes, count, rank) ? count : -1;
}

bool rt_pass_layout_remap_axes(struct rt_layout *l, int node, int input, const struct rt_turn *t,
			       const int64_t *axes, int count)
{
	bool named[RT_RANK_MAX] = {false};
	int64_t moved[RT_RANK_MAX];
	int at = 0;
	for (int i = 0; i < count; i++)
		named[t->perm[axes[i]]] = true;
	for (int i = 0; i < t->rank; i++)
		if (named[i])
			moved[at++] = i;
	return has_input(l, node, input) ? set_input(l, node, input, moved, at)
					 : set_ints(l, node, "axes", moved, at);
}

/* The axes of Slice and Pad in the order of the other lists; all of them when none are named. */
static bool listed_axes(struct rt_layout *l, int node, int input, int count, int rank,
			int64_t *axes)
{
	int64_t have = 0;
	const int64_t *v = rt_node_ints(&l->graph->nodes[node], "axes", &have);
	if (count > rank)
		return false;
	for (int i = 0; i < count; i++)
		axes[i] = i;
	if (input >= 0 && has_input(l, node, input)) {
		if (input_ints(l, node, input, axes, RT_RANK_MAX) != count)
			return false;
	} else if (input < 0 && v) {
		if (have != count)
			return false;
		memcpy(axes, v, sizeof *axes * (size_t)count);
	}
	return settle_axes(axes, count, rank);
}

bool rt_pass_layout_remap_slice(struct rt_layout *l, int node, const struct rt_turn *t)
{
	const bool old = l->graph->nodes[node].opset < 10;
	int64_t axes[RT_RANK_MAX], have = 0;
	int count;
	if (old) {
		if (!rt_node_ints(&l->graph->nodes[node], "starts", &have) || have > RT_RANK_MAX)
			return false;
		count = (int)have;
	} else {
		/* the values may be computed; how many there are must be known */
		const struct rt_tensor *starts = constant_input(l, node, 1);
		const struct rt_tensor *named = constant_input(l, node, 3);
		const struct rt_tensor *c = named ? named : starts;
		if (!c || c->shape.rank != 1 || c->shape.dims[0] > RT_RANK_MAX)
			return false;
		count = (int)c->shape.dims[0];
	}
	if (!listed_axes(l, node, old ? -1 : 3, count, t->rank, axes))
		return false;
	for (int i = 0; i < count; i++)
		axes[i] = t->perm[axes[i]];
	return old ? set_ints(l, node, "axes", axes, count) : set_input(l, node, 3, axes, count);
}

bool rt_pass_layout_remap_pads(struct rt_layout *l, int node, const struct rt_turn *t)
{
	const bool old = l->graph->nodes[node].opset < 11;
	int64_t pads[2 * RT_RANK_MAX], moved[2 * RT_RANK_MAX] = {0}, axes[RT_RANK_MAX], have = 0;
	const int64_t *v = rt_node_ints(&l->graph->nodes[node], "pads", &have);
	int count = (int)have;
	const int rank = t->rank;
	if (old) {
		if (!v || have > (int64_t)(sizeof pads / sizeof *pads))
			return false;
		memcpy(pads, v, sizeof *pads * (size_t)count);
	} else {
		count = input_ints(l, node, 1, pads, 2 * RT_RANK_MAX);
	}
	if (count < 0 || count % 2 || !listed_axes(l, node, old ? -1 : 3, count / 2, rank, axes))
		return false;
	for (int i = 0; i < count / 2; i++) {
		moved[t->perm[axes[i]]] = pads[i];
		moved[rank + t->perm[axes[i]]] = pads[count / 2 + i];
	}
	if (old)
		return set_ints(l, node, "pads", moved, 2 * rank);
	if (has_input(l, node, 3))
		l->graph->nodes[node].in[3] = RT_NO_VALUE;
	return set_input(l, node, 1, moved, 2 * rank);
}

/* Input ${k}, a constant with one element per dim, permuted; true also when it is left out. */
static bool permute_input(struct rt_layout *l, int node, int k, const struct rt_turn *t)
{
	const struct rt_tensor *c = constant_input(l, node, k);
	size_t size;
	struct rt_tensor to;
	int v;
	if (!c || rt_tensor_elems(c) == 0)
		return true;
	size = rt_dtype_bits(c->dtype) / 8;
	to = *c;
	if (!(to.data = rt_graph_alloc(l->graph, size * (size_t)t->rank)) ||
	    (v = rt_pass_layout_constant(l, &to)) < 0) {
		l->failed = true;
		return false;
	}
	for (int i = 0; i < t->rank; i++)
		memcpy((char *)to.data + (size_t)t->perm[i] * size,
		       (const char *)c->data + (size_t)i * size, size);
	l->graph->nodes[node].in[k] = v;
	return true;
}

/* Whether input ${k} is left out, or a constant that is empty or has one element per dim. */
static bool is_per_dim(struct rt_layout *l, int node, int k, int rank)
{
	const struct rt_tensor *c = constant_input(l, node, k);
	if (!has_input(l, node, k))
		return true;
	return c && rt_dtype_bits(c->dtype) % 8 == 0 && c->shape.rank == 1 &&
	       (c->shape.dims[0] == 0 || c->shape.dims[0] == rank);
}

bool rt_pass_layout_remap_scales(struct rt_layout *l, int node, const struct rt_turn *t)
{
	struct rt_node *n = &l->graph->nodes[node];
	const bool old = !strcmp(n->op_type, "Upsample") || n->opset < 11;
	const int first = old ? 1 : 2, last = old ? 1 : 3;
	int64_t axes[RT_RANK_MAX], have = 0;
	const int64_t *v = rt_node_ints(n, "axes", &have);
	if (n->in_count < 2 || rt_node_string_is(n, "coordinate_transformation_mode",
						 "tf_crop_and_resize", "half_pixel"))
		return false;
	if (v) {
		if (have > t->rank || !listed_axes(l, node, -1, (int)have, t->rank, axes))
			return false;
		for (int i = 0; i < (int)have; i++)
			axes[i] = t->perm[axes[i]];
		return set_ints(l, node, "axes", axes, (int)have);
	}
	for (int k = first; k <= last; k++)
		if (!is_per_dim(l, node, k, t->rank))
			return false;
	for (int k = first; k <= last; k++)
		if (!permute_input(l, node, k, t))
			return false;
	return true;
}
