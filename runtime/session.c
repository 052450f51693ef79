/* SPDX-License-Identifier: MIT */
/*
 * session.c — one running instance of a model: checks what comes in, holds the
 * team for the length of a run, and hands out what frame.c made of it.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/segment.h"

int rt_session_open(struct rt_model *model, struct rt_team *team, struct rt_session **out,
		    struct rt_error *err)
{
	struct rt_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	s->model = model;
	s->team = team;
	s->serial = rt_team_new(1);
	s->frame = rt_frame_new(s, model->graph);
	if (s->serial == NULL || s->frame == NULL) {
		rt_session_close(s);
		return rt_error_set(err, RT_MEMORY, "out of memory");
	}
	*out = s;
	return RT_OK;
}

void rt_session_close(struct rt_session *s)
{
	if (s == NULL)
		return;
	rt_frame_free(s->frame);
	rt_team_free(s->serial);
	free(s);
}

size_t rt_session_arena_bytes(const struct rt_session *s)
{
	return s->arena_bytes;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static bool shape_fits(const struct rt_shape *declared, const struct rt_shape *is)
{
	if (declared->rank < 0)
		return true;
	if (declared->rank != is->rank)
		return false;
	for (int i = 0; i < is->rank; i++) {
		if (declared->dims[i] >= 0 && declared->dims[i] != is->dims[i])
			return false;
	}
	return true;
}

static int check_input(const struct rt_port *port, const struct rt_tensor *t, struct rt_error *err)
{
	unsigned bits = rt_dtype_bits(t->dtype);
	char want[256], is[256];
	size_t bytes;

	if (t->dtype != port->dtype)
		return rt_error_set(err, RT_INPUT, "input '%s' is %s, %s was given", port->name,
				    rt_dtype_name(port->dtype), rt_dtype_name(t->dtype));
	if (t->shape.rank < 0 || t->shape.rank > RT_RANK_MAX ||
	    !rt_shape_bytes(&t->shape, t->dtype, &bytes))
		return rt_error_set(err, RT_INPUT, "input '%s' has a shape that is no shape",
				    port->name);
	if (!shape_fits(&port->shape, &t->shape))
		return rt_error_set(err, RT_INPUT, "input '%s' has shape %s, %s was given",
				    port->name, rt_shape_text(&port->shape, want, sizeof(want)),
				    rt_shape_text(&t->shape, is, sizeof(is)));
	if (bytes > 0 && t->data == NULL)
		return rt_error_set(err, RT_INPUT, "input '%s' has no data", port->name);
	if (t->dtype == RT_STR)
		bits = 8 * sizeof(void *);
	if (bits > 8 && (uintptr_t)t->data % (bits / 8) != 0)
		return rt_error_set(err, RT_INPUT, "input '%s' is not aligned to its elements",
				    port->name);
	return RT_OK;
}

/* Check the inputs and put those that are no constants into ${given}. */
static int gather(const struct rt_session *s, const struct rt_tensor *inputs,
		  struct rt_tensor *given, struct rt_error *err)
{
	static char nothing[64]; /* what an input without elements points to */
	int at = 0;

	for (size_t i = 0; i < s->model->input_count; i++) {
		const struct rt_port *port = &s->model->inputs[i];
		int status;

		if (port->optional) {
			if (inputs[i].data != NULL)
				return rt_error_set(err, RT_INPUT,
						    "input '%s' is fixed by the model", port->name);
			continue;
		}
		status = check_input(port, &inputs[i], err);
		if (status < 0)
			return status;
		given[at] = inputs[i];
		if (given[at].data == NULL)
			given[at].data = nothing;
		at++;
	}
	return RT_OK;
}

int rt_session_run(struct rt_session *s, const struct rt_tensor *inputs, struct rt_tensor *outputs,
		   const bool *wanted, const struct rt_run_opts *opts, struct rt_error *err)
{
	struct rt_tensor small[16], *given = small;
	size_t count = (size_t)s->frame->source_count;
	int status;

	if (count > sizeof(small) / sizeof(small[0])) {
		given = calloc(count, sizeof(*given));
		if (given == NULL)
			return rt_error_set(err, RT_MEMORY, "out of memory");
	}
	status = gather(s, inputs, given, err);
	if (status == RT_OK) {
		s->opts = opts;
		atomic_store(&s->fault.state, 0);
		rt_team_enter(s->team);
		status = rt_frame_run(s->frame, given, wanted, outputs, err);
		rt_team_leave(s->team);
		s->opts = NULL;
	}
	if (given != small)
		free(given);
	return status;
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
