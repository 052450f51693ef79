/* SPDX-License-Identifier: MIT */
/*
 * pass_fold.c — nodes whose inputs are all constants become constants, by
 * running them once.  A node is left alone when its outputs are large and much
 * larger than what they are made from (a Tile of terabytes), when two runs of it
 * differ, or when it fails: what is wrong with it is told when the model runs.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/bind.h"
#include "runtime/once.h"
#include "runtime/runtime.h"

#define ALWAYS_BYTES ((size_t)1 << 20) /* outputs up to this size are always worth it */
#define GROWTH 4                       /* beyond, they may be so many times the inputs */

/* Weights of some models are written as ConstantOfShape: they are what is run. */
static bool may_be_large(const struct rt_node *n)
{
	return n->domain == RT_ONNX && strcmp(n->op_type, "ConstantOfShape") == 0;
}

/* Does its operator compute in the type it has?  float16 may be for pass_narrow.c to widen. */
static bool has_type(const struct rt_graph *g, const struct rt_node *n)
{
	int i = n->dtype_input;

	if (i < 0 || i >= n->in_count || n->in[i] == RT_NO_VALUE)
		return true;
	return (n->dtypes >> rt_dtype_elem(g->values[n->in[i]].dtype) & 1) != 0;
}

/* Texts that a node writes (Cast) are in the memory of a plan, which is gone after folding. */
static bool writes_texts(const struct rt_graph *g, const struct rt_node *n)
{
	if (n->in_count > 0 && n->in[0] != RT_NO_VALUE && g->values[n->in[0]].dtype == RT_STR)
		return false; /* they are those of the input */
	for (int i = 0; i < n->out_count; i++) {
		if (n->out[i] != RT_NO_VALUE && g->values[n->out[i]].dtype == RT_STR)
			return true;
	}
	return false;
}

static bool all_constant(const struct rt_graph *g, const struct rt_node *n)
{
	if (!has_type(g, n) || writes_texts(g, n))
		return false;
	for (int i = 0; i < n->in_count; i++) {
		if (n->in[i] != RT_NO_VALUE && !g->values[n->in[i]].is_constant)
			return false;
	}
	return n->op->infer != NULL && (n->op->run != NULL || n->op->is_view) && !n->op->is_random;
}

static size_t input_bytes(const struct rt_graph *g, const struct rt_node *n)
{
	size_t sum = 0;

	for (int i = 0; i < n->in_count; i++) {
		if (n->in[i] != RT_NO_VALUE)
			sum += rt_tensor_bytes(&g->values[n->in[i]].constant);
	}
	return sum;
}

static struct rt_graph *outermost(struct rt_graph *g)
{
	while (g->parent != NULL)
		g = g->parent;
	return g;
}

/* Infer and run; true when ${out} holds the constants. */
static bool compute(struct rt_graph *g, struct rt_infer *f, struct rt_team *team)
{
	struct rt_memory *memory = &outermost(g)->memory;
	size_t in_bytes = input_bytes(g, f->node), bytes, most;
	struct rt_error ignored;

	if (f->node->op->infer(f, &ignored) < 0)
		return false;
	most = may_be_large(f->node) ? memory->budget / 2 : in_bytes * GROWTH;
	if (most < ALWAYS_BYTES)
		most = ALWAYS_BYTES;
	if (rt_once_check(f->node, f->out, f->out_count, most, &bytes, &ignored) < 0 ||
	    f->scratch_bytes > most + in_bytes + ALWAYS_BYTES)
		return false;
	if (f->node->op->is_view) {
		f->out[0].data = f->in[0].data;
		return bytes == rt_tensor_bytes(&f->in[0]);
	}
	return rt_once_run(f, team, memory, &ignored) == RT_OK;
}

static void replace(struct rt_graph *g, struct rt_node *n, const struct rt_tensor *out)
{
	for (int i = 0; i < n->out_count; i++) {
		struct rt_value *v;

		if (n->out[i] == RT_NO_VALUE)
			continue;
		v = &g->values[n->out[i]];
		v->is_constant = true;
		v->constant = out[i];
		v->shape = out[i].shape;
		v->producer = -1;
	}
	n->dead = true;
}

static int fold_node(struct rt_graph *g, struct rt_node *n, struct rt_team *team)
{
	struct rt_tensor *in = calloc((size_t)n->in_count + (size_t)n->out_count + 1, sizeof(*in));
	struct rt_memory memory = {.budget = outermost(g)->memory.budget,
				   .ledger = outermost(g)->memory.ledger};
	struct rt_infer f = {.node = n,
			     .in_count = n->in_count,
			     .out_count = n->out_count,
			     .in = in,
			     .threads = 1,
			     .memory = &memory};
	struct rt_error ignored;

	if (in == NULL)
		return RT_MEMORY;
	for (int i = 0; i < n->in_count; i++) {
		if (n->in[i] != RT_NO_VALUE)
			in[i] = g->values[n->in[i]].constant;
	}
	f.out = in + n->in_count;
	for (int i = 0; i < n->out_count; i++) {
		if (n->out[i] != RT_NO_VALUE)
			f.out[i].dtype = g->values[n->out[i]].dtype;
		f.out[i].shape.rank = -1;
	}
	if (rt_bind_node(g, n, &memory, NULL, &ignored) == RT_OK) {
		f.state = n->state;
		if (compute(g, &f, team))
			replace(g, n, f.out);
		rt_bind_release(n);
	}
	rt_memory_release(&memory);
	free(in);
	return RT_OK;
}

/* Constants of the parent are constants in its sub-graphs. */
static void hand_down(const struct rt_graph *g, struct rt_graph *sub)
{
	for (int v = 0; v < sub->value_count; v++) {
		struct rt_value *inner = &sub->values[v];

		if (inner->outer < 0 || !g->values[inner->outer].is_constant)
			continue;
		inner->is_constant = true;
		inner->constant = g->values[inner->outer].constant;
		inner->shape = inner->constant.shape;
		inner->outer = -1;
	}
}

static int fold(struct rt_graph *g, struct rt_team *team)
{
	int status = RT_OK;

	for (int i = 0; i < g->node_count && status == RT_OK; i++) {
		struct rt_node *n = &g->nodes[i];

		for (int k = 0; k < n->attr_count && status == RT_OK; k++) {
			if (n->attrs[k].kind != RT_ATTR_GRAPH)
				continue;
			hand_down(g, n->attrs[k].graph);
			status = fold(n->attrs[k].graph, team); /* depth: bounded by the reader */
		}
		if (status == RT_OK && !n->dead && all_constant(g, n))
			status = fold_node(g, n, team);
	}
	return status;
}

int rt_pass_fold(struct rt_graph *g, struct rt_error *err)
{
	struct rt_team *team = rt_team_new(1);
	int status = team != NULL ? fold(g, team) : RT_MEMORY;

	rt_team_free(team);
	if (status < 0)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	rt_graph_compact(g);
	return RT_OK;
}
