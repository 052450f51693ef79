/* SPDX-License-Identifier: MIT */
/*
 * eval.c — what an operator's eval may call: memory for outputs whose shapes it
 * found out, and runs of its sub-graphs.
 */
#include <config.h>

#include <stdlib.h>

#include "runtime/segment.h"

void *rt_eval_output(struct rt_eval *e, int i, const struct rt_shape *shape)
{
	size_t bytes;

	must(i >= 0 && i < e->run.out_count);
	if (e->out[i].dtype == RT_NONE || !rt_shape_bytes(shape, e->out[i].dtype, &bytes))
		return NULL;
	e->out[i].shape = *shape;
	e->out[i].data = rt_memory_take(e->memory, bytes, 64);
	return e->out[i].data;
}

/* ---- sub-graphs ------------------------------------------------------------------------------ */

/* The frame of ${sub} below that of the node; made on first use. */
static struct rt_frame *frame_of(struct rt_frame *parent, struct rt_graph *sub)
{
	struct rt_frame *f = parent->children;

	while (f != NULL && f->graph != sub)
		f = f->next;
	if (f != NULL)
		return f;
	f = rt_frame_new(parent->session, sub);
	if (f != NULL) {
		f->next = parent->children;
		parent->children = f;
	}
	return f;
}

int rt_eval_subgraph(struct rt_eval *e, const struct rt_graph *sub, const struct rt_tensor *inputs,
		     struct rt_tensor *outputs, struct rt_error *err)
{
	const struct rt_node *n = e->run.node;
	int outer = n->in_count, at = 0, status;
	struct rt_graph *graph = NULL;
	struct rt_tensor *given;
	struct rt_frame *f;

	/* The values that the sub-graph stands on come after the inputs, attribute by attribute. */
	for (int i = 0; i < n->attr_count && graph == NULL; i++) {
		if (n->attrs[i].kind != RT_ATTR_GRAPH)
			continue;
		if (n->attrs[i].graph == sub)
			graph = n->attrs[i].graph;
		for (int v = 0; graph == NULL && v < n->attrs[i].graph->value_count; v++)
			outer += n->attrs[i].graph->values[v].outer >= 0;
	}
	must(graph != NULL);
	f = frame_of(e->frame, graph);
	given = f != NULL ? calloc((size_t)f->source_count + 1, sizeof(*given)) : NULL;
	if (given == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	status = RT_OK;
	for (int i = 0; i < graph->input_count && status == RT_OK; i++) {
		const struct rt_value *v = &graph->values[graph->inputs[i]];

		if (v->is_constant)
			continue;
		if (inputs[i].dtype != v->dtype || inputs[i].data == NULL)
			status = rt_error_set(
			    err, RT_INPUT, "'%s' of a sub-graph is %s, %s was given", v->name,
			    rt_dtype_name(v->dtype), rt_dtype_name(inputs[i].dtype));
		given[at++] = inputs[i];
	}
	while (at < f->source_count)
		given[at++] = e->run.in[outer++];
	if (status == RT_OK)
		status = rt_frame_run(f, given, NULL, outputs, err);
	free(given);
	return status;
}
