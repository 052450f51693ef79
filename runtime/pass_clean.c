/* SPDX-License-Identifier: MIT */
/*
 * pass_clean.c — takes out nodes that hand on their input: Identity, Dropout
 * outside of training, Cast to the type that is there already; then everything
 * that no output needs.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/op.h"

static bool is_op(const struct rt_node *n, const char *op_type)
{
	return n->domain == RT_ONNX && strcmp(n->op_type, op_type) == 0;
}

/* Dropout-12: training_mode, input 2, is false when left out; before, it never trains. */
static bool dropout_trains(const struct rt_graph *g, const struct rt_node *n)
{
	const struct rt_value *v;

	if (n->opset < 12 || n->in_count < 3 || n->in[2] == RT_NO_VALUE)
		return false;
	v = &g->values[n->in[2]];
	return !v->is_constant || v->dtype != RT_BOOL || rt_tensor_elems(&v->constant) != 1 ||
	       *(const uint8_t *)v->constant.data != 0;
}

/* Does output 0 of the node equal input 0, and is nothing else of it used? */
static bool hands_on(const struct rt_graph *g, const struct rt_node *n, const int *uses)
{
	if (n->in_count < 1 || n->out_count < 1 || n->in[0] == RT_NO_VALUE ||
	    n->out[0] == RT_NO_VALUE)
		return false;
	for (int i = 1; i < n->out_count; i++) {
		if (n->out[i] != RT_NO_VALUE && uses[n->out[i]] > 0)
			return false;
	}
	if (is_op(n, "Identity"))
		return true;
	if (is_op(n, "Dropout"))
		return !dropout_trains(g, n);
	return is_op(n, "Cast") && g->values[n->in[0]].dtype == g->values[n->out[0]].dtype;
}

/* Everything that reads ${v} reads ${same[v]}. */
static void redirect(struct rt_graph *g, const int *same)
{
	for (int i = 0; i < g->node_count; i++) {
		struct rt_node *n = &g->nodes[i];

		for (int k = 0; k < n->in_count; k++) {
			if (n->in[k] != RT_NO_VALUE)
				n->in[k] = same[n->in[k]];
		}
		for (int k = 0; k < n->attr_count; k++) {
			struct rt_graph *sub = n->attrs[k].graph;

			if (n->attrs[k].kind != RT_ATTR_GRAPH)
				continue;
			for (int v = 0; v < sub->value_count; v++) {
				if (sub->values[v].outer >= 0)
					sub->values[v].outer = same[sub->values[v].outer];
			}
		}
	}
	for (int i = 0; i < g->output_count; i++) {
		g->values[g->outputs[i]].is_output = false;
		g->outputs[i] = same[g->outputs[i]];
	}
	for (int i = 0; i < g->output_count; i++)
		g->values[g->outputs[i]].is_output = true;
}

static int clean(struct rt_graph *g, struct rt_error *err)
{
	int *uses = calloc((size_t)g->value_count + 1, sizeof(*uses));
	int *same = calloc((size_t)g->value_count + 1, sizeof(*same));
	int status = RT_OK;

	if (uses == NULL || same == NULL) {
		status = rt_error_set(err, RT_MEMORY, "out of memory");
		goto out;
	}
	for (int v = 0; v < g->value_count; v++)
		same[v] = v;
	rt_graph_count_uses(g, uses);
	for (int i = 0; i < g->node_count; i++) {
		struct rt_node *n = &g->nodes[i];

		for (int k = 0; k < n->attr_count && status == RT_OK; k++) {
			if (n->attrs[k].kind == RT_ATTR_GRAPH)
				status = clean(n->attrs[k].graph, err);
		}
		if (status < 0)
			goto out;
		if (hands_on(g, n, uses)) {
			same[n->out[0]] = same[n->in[0]];
			n->dead = true;
		}
	}
	redirect(g, same);
out:
	free(uses);
	free(same);
	return status;
}

int rt_pass_clean(struct rt_graph *g, struct rt_error *err)
{
	int status = clean(g, err);

	if (status == RT_OK)
		rt_graph_compact(g);
	return status;
}
