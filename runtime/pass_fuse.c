/* SPDX-License-Identifier: MIT */
/*
 * pass_fuse.c — fewer, larger nodes: zeros around an image go into the
 * convolution, functions written in pieces become one, a product or convolution
 * takes in the scale, bias, addition and activation that follow it, one with
 * one-hot vectors picks rows, two with a Softmax between them are an attention, and
 * pixels are not dealt out to channels (pass_fuse_focus.c).
 *
 * Results differ from the separate nodes by float rounding only.  A node is
 * taken in when its input has no other reader.  Runs before the layout pass (for
 * Pad) and after it.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/pass_fuse.h"

int rt_pass_fuse_reader(const struct rt_fuse *f, int v)
{
	return v >= 0 && v < f->value_cap && f->uses[v] == 1 ? f->reader[v] : -1;
}

bool rt_pass_fuse_is(const struct rt_node *n, enum rt_domain domain, const char *op_type)
{
	return n->domain == domain && !strcmp(n->op_type, op_type);
}

const struct rt_tensor *rt_pass_fuse_constant(const struct rt_fuse *f, int v)
{
	if (v == RT_NO_VALUE || !f->graph->values[v].is_constant)
		return NULL;
	return &f->graph->values[v].constant;
}

bool rt_pass_fuse_number(const struct rt_fuse *f, int v, float *out)
{
	const struct rt_tensor *t = rt_pass_fuse_constant(f, v);
	if (!t || t->dtype != RT_F32 || rt_tensor_elems(t) != 1 || t->shape.rank > 1)
		return false; /* of more dimensions it could give the result some */
	*out = *(const float *)t->data;
	return true;
}

void rt_pass_fuse_take(struct rt_fuse *f, int node, int next)
{
	struct rt_node *n = &f->graph->nodes[node], *gone = &f->graph->nodes[next];
	for (int k = 0; k < gone->in_count; k++)
		if (gone->in[k] != RT_NO_VALUE && gone->in[k] < f->value_cap)
			f->uses[gone->in[k]]--;
	n->out[0] = gone->out[0];
	f->graph->values[n->out[0]].producer = node;
	gone->dead = true;
}

int rt_pass_fuse_floats(struct rt_fuse *f, int64_t count, float **data)
{
	struct rt_tensor t = {.dtype = RT_F32, .shape = rt_shape_of(1, count)};
	int v;
	t.data = rt_graph_alloc(f->graph, (size_t)count * sizeof(float) + 1);
	if (!t.data || (v = rt_graph_add_constant(f->graph, "", &t)) < 0) {
		f->failed = true;
		return -1;
	}
	*data = t.data;
	return v;
}

bool rt_pass_fuse_set(struct rt_fuse *f, int node, const struct rt_attr *attr)
{
	struct rt_node *n = &f->graph->nodes[node];
	struct rt_attr *more;
	for (int i = 0; i < n->attr_count; i++) {
		if (!strcmp(n->attrs[i].name, attr->name)) {
			n->attrs[i] = *attr;
			return true;
		}
	}
	more = rt_graph_alloc(f->graph, sizeof *more * ((size_t)n->attr_count + 1));
	if (!more) {
		f->failed = true;
		return false;
	}
	if (n->attr_count > 0)
		memcpy(more, n->attrs, sizeof *more * (size_t)n->attr_count);
	more[n->attr_count++] = *attr;
	n->attrs = more;
	return true;
}

void rt_pass_fuse_rename(struct rt_fuse *f, int node, enum rt_domain domain, const char *op_type,
			 int64_t opset)
{
	struct rt_node *n = &f->graph->nodes[node];
	n->domain = domain;
	n->domain_name = rt_domain_name(domain);
	n->op_type = op_type;
	n->opset = opset;
	n->op = NULL;
}

/* Who reads what. */
static bool survey(struct rt_fuse *f)
{
	struct rt_graph *g = f->graph;
	f->value_cap = g->value_count;
	f->uses = calloc((size_t)g->value_count + 1, sizeof *f->uses);
	f->reader = calloc((size_t)g->value_count + 1, sizeof *f->reader);
	if (!f->uses || !f->reader)
		return false;
	rt_graph_count_uses(g, f->uses);
	for (int v = 0; v < g->value_count; v++)
		f->reader[v] = -1;
	for (int i = 0; i < g->node_count; i++)
		for (int k = 0; k < g->nodes[i].in_count; k++)
			if (g->nodes[i].in[k] != RT_NO_VALUE)
				f->reader[g->nodes[i].in[k]] = i;
	return true;
}

static int tidy(struct rt_graph *g, struct rt_error *err)
{
	int status = rt_graph_sort(g, err);
	if (status == RT_OK)
		rt_graph_compact(g);
	return status;
}

int rt_pass_fuse_sweep(struct rt_graph *g, bool (*visit)(struct rt_fuse *f, int node),
		       bool *ret_changed, struct rt_error *err)
{
	struct rt_fuse f = {.graph = g};
	bool changed = false;
	f.failed = !survey(&f);
	for (int i = 0; i < g->node_count && !f.failed; i++)
		if (!g->nodes[i].dead && visit(&f, i))
			changed = true;
	free(f.uses);
	free(f.reader);
	if (f.failed)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	*ret_changed = *ret_changed || changed;
	return changed ? tidy(g, err) : RT_OK;
}

int rt_pass_fuse(struct rt_graph *g, struct rt_error *err)
{
	bool changed = false;
	int status;
	/* Functions first: they are what the bases take in. */
	if ((status = rt_pass_fuse_sweep(g, rt_pass_fuse_unary, &changed, err)) ||
	    (status = rt_pass_fuse_sweep(g, rt_pass_fuse_gelu, &changed, err)) ||
	    (status = rt_pass_fuse_sweep(g, rt_pass_fuse_pad, &changed, err)) ||
	    (status = rt_pass_fuse_sweep(g, rt_pass_fuse_focus, &changed, err)) ||
	    (status = rt_pass_fuse_sweep(g, rt_pass_fuse_base, &changed, err)) ||
	    (status = rt_pass_fuse_sweep(g, rt_pass_fuse_one_hot, &changed, err)) ||
	    (status = rt_pass_fuse_sweep(g, rt_pass_fuse_attention, &changed, err)))
		return status;
	return changed ? rt_graph_resolve(g, err) : RT_OK;
}
