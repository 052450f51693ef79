/* SPDX-License-Identifier: MIT */
/*
 * eval.c — what an operator's eval may call: memory for outputs whose shapes it
 * found out, and runs of its sub-graphs.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

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

/* ---- values that are no tensors -------------------------------------------------------------- */

static struct rt_list_pool *pool_of(const struct rt_eval *e)
{
	return &e->frame->session->lists;
}

/* Output ${i} is ${t}, kept alive by ${held} until the frame runs again. */
static bool put_output(struct rt_eval *e, int i, const struct rt_tensor *t, struct rt_shared *held)
{
	must(i >= 0 && i < e->run.out_count);
	if (!rt_frame_hold(e->frame, held))
		return false;
	e->out[i].shape = t->shape;
	e->out[i].data = t->data;
	return true;
}

/* A new list, which goes with the frame's next run. */
struct rt_list *rt_eval_new_list(struct rt_eval *e, int64_t count)
{
	struct rt_list *l = rt_list_new(pool_of(e), count);

	return l != NULL && rt_frame_hold(e->frame, rt_list_self(l)) ? l : NULL;
}

static struct rt_tensor as_value(enum rt_dtype t, const struct rt_list *l)
{
	struct rt_tensor value = {.dtype = t};

	memcpy(&value.data, &l, sizeof(struct rt_list *)); /* nobody writes to it */
	return value;
}

struct rt_list *rt_eval_list(struct rt_eval *e, int i, int64_t count)
{
	struct rt_list *l = rt_eval_new_list(e, count);

	must(i >= 0 && i < e->run.out_count);
	if (l != NULL) {
		e->out[i].shape.rank = 0;
		e->out[i].data = l;
	}
	return l;
}

void *rt_eval_item(struct rt_eval *e, struct rt_list *l, int64_t k, enum rt_dtype t,
		   const struct rt_shape *shape)
{
	return rt_list_make(pool_of(e), l, k, t, shape);
}

bool rt_eval_item_copy(struct rt_eval *e, struct rt_list *l, int64_t k, const struct rt_tensor *t)
{
	if (!rt_dtype_is_list(t->dtype))
		return rt_list_copy(pool_of(e), l, k, t);
	rt_list_put(l, k, t->dtype, t->data);
	return true;
}

void rt_eval_item_share(struct rt_list *l, int64_t k, const struct rt_list *from, int64_t from_k)
{
	rt_list_share(l, k, from, from_k);
}

bool rt_eval_give(struct rt_eval *e, int i, const struct rt_list *l)
{
	struct rt_tensor value = as_value(RT_NONE, l);

	return put_output(e, i, &value, rt_list_hold(l));
}

bool rt_eval_give_item(struct rt_eval *e, int i, const struct rt_list *l, int64_t k)
{
	return put_output(e, i, &l->items[k], rt_list_hold_item(l, k));
}

struct rt_shared *rt_eval_hold(const struct rt_list *l)
{
	return rt_list_hold(l);
}

void rt_eval_drop(struct rt_eval *e, struct rt_shared *held)
{
	rt_list_drop(pool_of(e), held);
}

bool rt_eval_convert(struct rt_eval *e, struct rt_tensor *t, enum rt_dtype want)
{
	const struct rt_list *from = t->data;
	struct rt_list *l;

	if (t->dtype == want)
		return true;
	if (rt_dtype_in(RT_OPT, want) == t->dtype) { /* out of an optional; the frame holds that */
		if (from->count != 1)
			return false;
		*t = from->items[0];
		return true;
	}
	if (rt_dtype_in(RT_OPT, t->dtype) != want)
		return false;
	l = rt_eval_new_list(e, 1);
	if (l == NULL || !rt_eval_item_copy(e, l, 0, t))
		return false;
	*t = as_value(want, l);
	return true;
}

bool rt_eval_count(struct rt_eval *e, size_t bytes)
{
	return rt_ledger_take(&e->frame->session->ledger, bytes);
}

void rt_eval_uncount(struct rt_eval *e, size_t bytes)
{
	rt_ledger_give(&e->frame->session->ledger, bytes);
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
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): by its kind it has one */
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
		given[at] = inputs[i];
		if (inputs[i].data == NULL || !rt_eval_convert(e, &given[at], v->dtype))
			status = rt_error_set(
			    err, RT_INPUT, "'%s' of a sub-graph is %s, %s was given", v->name,
			    rt_dtype_name(v->dtype), rt_dtype_name(inputs[i].dtype));
		at++;
	}
	while (at < f->source_count)
		given[at++] = e->run.in[outer++];
	if (status == RT_OK)
		status = rt_frame_run(f, given, NULL, outputs, err);
	free(given);
	return status;
}
