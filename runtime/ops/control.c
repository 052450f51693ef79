/* SPDX-License-Identifier: MIT */
/*
 * control.c — If, Loop, Scan: operators that run sub-graphs.
 *
 *	If    the outputs of then_branch or else_branch
 *	Loop  while trips < M and the condition holds: body(trip, condition, state..) gives
 *	      (condition, state.., slices..); slices are stacked along a new axis 0
 *	Scan  for t over the scan inputs' axes: body(state.., slices..) gives
 *	      (state.., slices..); slices are put along scan_output_axes
 *
 * Opset changes that matter: Scan (9) lost the batch axis of 8 (scan8.c);
 * negative axes from 11 on.  Values may be sequences and optionals (13, 16).
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/axes.h"
#include "runtime/ops/carry.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

static struct rt_graph *sub_graph(const struct rt_node *n, const char *name)
{
	const struct rt_attr *a = rt_node_attr(n, name);

	return a != NULL && a->kind == RT_ATTR_GRAPH ? a->graph : NULL;
}

/* The same for eval: *_type has seen that it is there. */
static const struct rt_graph *body_of(const struct rt_eval *e, const char *name)
{
	const struct rt_graph *g = sub_graph(e->run.node, name);

	must(g != NULL);
	return g;
}

/* Types of the outputs: those of ${sub} from output ${skip} on. */
static int sub_types(const struct rt_node *n, const char *name, int skip, enum rt_dtype *out,
		     struct rt_error *err)
{
	const struct rt_graph *sub = sub_graph(n, name);

	if (sub == NULL)
		return rt_error_set(err, RT_MALFORMED, "attribute %s is not a graph", name);
	if (sub->output_count < n->out_count + skip)
		return rt_error_set(err, RT_MALFORMED, "%s has %d outputs; %d are needed", name,
				    sub->output_count, n->out_count + skip);
	for (int i = 0; i < n->out_count; i++)
		out[i] = sub->values[sub->outputs[i + skip]].dtype;
	return RT_OK;
}

/* ---- If -------------------------------------------------------------------------------------- */

/* An optional where one of the branches gives one. */
static int if_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		   struct rt_error *err)
{
	int status = sub_types(n, "then_branch", 0, out, err);
	const struct rt_graph *other = sub_graph(n, "else_branch");

	(void)g;
	if (status == RT_OK && (other == NULL || other->output_count < n->out_count))
		return rt_error_set(err, RT_MALFORMED, "else_branch is not a graph of %d outputs",
				    n->out_count);
	for (int i = 0; status == RT_OK && i < n->out_count; i++) {
		enum rt_dtype t = other->values[other->outputs[i]].dtype;

		if (((unsigned)t & RT_OPT) != 0)
			out[i] = t;
	}
	return status;
}

static int if_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_tensor *condition = &e->run.in[0];
	const uint8_t *flag = condition->data;
	const struct rt_graph *sub;
	struct rt_tensor *outputs;
	int status;

	if (flag == NULL || condition->dtype != RT_BOOL || rt_tensor_elems(condition) != 1)
		return rt_error_set(err, RT_INPUT, "the condition is not one bool");
	sub = body_of(e, *flag ? "then_branch" : "else_branch");
	outputs = calloc((size_t)sub->output_count + 1, sizeof(*outputs));
	if (outputs == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	status = rt_eval_subgraph(e, sub, NULL, outputs, err);
	for (int i = 0; status == RT_OK && i < e->run.out_count; i++)
		status = rt_carry_output(e, i, &outputs[i], err);
	free(outputs);
	return status;
}

const struct rt_op rt_op_if = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = RT_VARIADIC,
    .takes_lists = true,
    .type = if_type,
    .eval = if_eval,
};

/* ---- Loop ------------------------------------------------------------------------------------ */

static int loop_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		     struct rt_error *err)
{
	const struct rt_graph *body = sub_graph(n, "body");

	(void)g;
	if (body != NULL &&
	    (body->input_count != (n->in_count < 2 ? 2 : n->in_count) ||
	     body->output_count != n->out_count + 1 || n->out_count < n->in_count - 2))
		return rt_error_set(
		    err, RT_MALFORMED, "a body of %d inputs and %d outputs for a Loop of %d and %d",
		    body->input_count, body->output_count, n->in_count, n->out_count);
	return sub_types(n, "body", 1, out, err);
}

struct loop {
	struct rt_eval *e;
	const struct rt_graph *body;
	int carried, stacked;
	int64_t trip, most;
	uint8_t go;
	struct rt_carry carry;
	struct rt_tensor *inputs, *outputs;
	struct rt_carry_stack *stacks;
};

static int loop_trip(struct loop *l, struct rt_error *err)
{
	const struct rt_tensor *condition;
	int status;

	l->inputs[0] = (struct rt_tensor){RT_I64, {.rank = 0}, &l->trip};
	l->inputs[1] = (struct rt_tensor){RT_BOOL, {.rank = 0}, &l->go};
	for (int i = 0; i < l->carried; i++)
		l->inputs[2 + i] = l->carry.now[i];
	status = rt_eval_subgraph(l->e, l->body, l->inputs, l->outputs, err);
	if (status != RT_OK)
		return status;
	condition = &l->outputs[0];
	if (condition->dtype != RT_BOOL || rt_tensor_elems(condition) != 1)
		return rt_error_set(err, RT_MALFORMED, "the body's condition is not one bool");
	l->go = *(const uint8_t *)condition->data;
	for (int i = 0; status == RT_OK && i < l->stacked; i++)
		status =
		    rt_carry_stack_push(&l->stacks[i], l->e, &l->outputs[1 + l->carried + i], err);
	if (status == RT_OK)
		status = rt_carry_next(&l->carry, l->outputs + 1, err);
	l->trip++;
	return status;
}

static int loop_limits(struct loop *l, struct rt_error *err)
{
	const struct rt_run *r = &l->e->run;

	l->most = INT64_MAX;
	l->go = 1;
	if (r->in_count > 0 && r->in[0].data != NULL) {
		if (r->in[0].dtype != RT_I64 || rt_tensor_elems(&r->in[0]) != 1)
			return rt_error_set(err, RT_INPUT, "M is not one int64");
		l->most = *(const int64_t *)r->in[0].data;
	}
	if (r->in_count > 1 && r->in[1].data != NULL) {
		if (r->in[1].dtype != RT_BOOL || rt_tensor_elems(&r->in[1]) != 1)
			return rt_error_set(err, RT_INPUT, "the condition is not one bool");
		l->go = *(const uint8_t *)r->in[1].data;
	}
	return RT_OK;
}

static int loop_eval(struct rt_eval *e, struct rt_error *err)
{
	struct loop l = {.e = e, .body = body_of(e, "body")};
	int status;

	l.carried = e->run.in_count > 2 ? e->run.in_count - 2 : 0;
	l.stacked = e->run.out_count - l.carried;
	l.inputs = calloc((size_t)l.body->input_count + 2, sizeof(*l.inputs));
	l.outputs = calloc((size_t)l.body->output_count + 1, sizeof(*l.outputs));
	l.stacks = calloc((size_t)l.stacked + 1, sizeof(*l.stacks));
	status = rt_carry_start(&l.carry, e, l.carried, err);
	if (l.inputs == NULL || l.outputs == NULL || l.stacks == NULL)
		status = rt_error_set(err, RT_MEMORY, "out of memory");
	if (status == RT_OK)
		status = loop_limits(&l, err);
	for (int i = 0; status == RT_OK && i < l.carried; i++)
		l.carry.now[i] = e->run.in[2 + i];
	while (status == RT_OK && l.go && l.trip < l.most)
		status = loop_trip(&l, err);
	for (int i = 0; status == RT_OK && i < l.carried; i++)
		status = rt_carry_output(e, i, &l.carry.now[i], err);
	for (int i = 0; status == RT_OK && i < l.stacked; i++) {
		int v = l.body->outputs[1 + l.carried + i];
		status = rt_carry_stack_output(&l.stacks[i], e, l.carried + i,
					       &l.body->values[v].shape, err);
	}
	for (int i = 0; l.stacks != NULL && i < l.stacked; i++)
		rt_carry_stack_release(&l.stacks[i], e);
	rt_carry_release(&l.carry);
	free(l.stacks);
	free(l.inputs);
	free(l.outputs);
	return status;
}

const struct rt_op rt_op_loop = {
    .in_min = 0,
    .in_max = RT_VARIADIC,
    .out_min = 0,
    .out_max = RT_VARIADIC,
    .takes_lists = true,
    .type = loop_type,
    .eval = loop_eval,
};

/* ---- Scan ------------------------------------------------------------------------------------ */

static int scan_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		     struct rt_error *err)
{
	const struct rt_graph *body = sub_graph(n, "body");
	int64_t scanned = rt_node_int(n, "num_scan_inputs", 0);

	(void)g;
	if (body != NULL &&
	    (body->input_count != n->in_count || scanned < 1 || scanned > n->in_count ||
	     body->output_count != n->out_count || n->out_count < n->in_count - (int)scanned))
		return rt_error_set(
		    err, RT_MALFORMED, "a body of %d inputs and %d outputs for a Scan of %d and %d",
		    body->input_count, body->output_count, n->in_count, n->out_count);
	for (int i = 0; i < n->in_count; i++) {
		if (n->in[i] < 0)
			return rt_error_set(err, RT_MALFORMED, "input %d is left out", i);
	}
	return sub_types(n, "body", 0, out, err);
}

struct scan {
	struct rt_eval *e;
	const struct rt_graph *body;
	int carried, scanned, stacked;
	int64_t length;
	struct rt_carry carry;
	struct rt_tensor *inputs, *outputs;
	void **slices; /* [scanned]: slices of axes other than 0 */
};

/* Entry ${i} of a list attribute, ${otherwise} where it is missing. */
static int64_t entry(const struct rt_node *n, const char *name, int i, int64_t otherwise)
{
	int64_t count;
	const int64_t *list = rt_node_ints(n, name, &count);

	return list != NULL && i < count ? list[i] : otherwise;
}

/* Copy slice ${t} of ${whole} along ${axis} to ${slice}, or the other way round. */
static void move_slice(struct rt_team *team, const struct rt_tensor *whole, int axis, int64_t t,
		       void *slice, bool out)
{
	int64_t outer, inner;
	size_t size = rt_move_size(whole->dtype);
	char *at;
	struct rt_walk w;

	rt_walk_around(&whole->shape, axis, &outer, &inner);
	at = (char *)whole->data + t * inner * (int64_t)size;
	const int64_t dims[2] = {outer, inner}, step = whole->shape.dims[axis] * inner;
	const int64_t to_slice[2][RT_WALK_RANK] = {{inner, 1}, {step, 1}};
	const int64_t to_whole[2][RT_WALK_RANK] = {{step, 1}, {inner, 1}};
	rt_walk_strided(&w, 2, 2, dims, out ? to_whole : to_slice);
	if (out)
		rt_walk_copy(&w, team, size, at, slice);
	else
		rt_walk_copy(&w, team, size, slice, at);
}

/* The input slices of step ${t}. */
static int scan_slices(struct scan *s, int64_t t, struct rt_error *err)
{
	const struct rt_node *n = s->e->run.node;

	for (int i = 0; i < s->scanned; i++) {
		const struct rt_tensor *whole = &s->e->run.in[s->carried + i];
		struct rt_tensor *slice = &s->inputs[s->carried + i];
		int64_t at = entry(n, "scan_input_directions", i, 0) != 0 ? s->length - 1 - t : t;
		int axis, status = rt_axes_one(entry(n, "scan_input_axes", i, 0), whole->shape.rank,
					       &axis, err);
		size_t bytes;

		if (status != RT_OK)
			return status;
		slice->dtype = whole->dtype;
		slice->shape = (struct rt_shape){.rank = whole->shape.rank - 1};
		for (int d = 0; d < slice->shape.rank; d++)
			slice->shape.dims[d] = whole->shape.dims[d < axis ? d : d + 1];
		if (!rt_shape_bytes(&slice->shape, slice->dtype, &bytes))
			return rt_error_set(err, RT_INPUT, "input %d is too large", s->carried + i);
		if (s->slices[i] == NULL)
			s->slices[i] = rt_memory_take(s->e->memory, bytes, 64);
		if (s->slices[i] == NULL)
			return rt_error_set(err, RT_BUDGET, "no room for the slices");
		move_slice(s->e->run.team, whole, axis, at, s->slices[i], false);
		slice->data = s->slices[i];
	}
	return RT_OK;
}

/* Put the slices of step ${t} into the node's outputs, which are made at step 0. */
static int scan_outputs(struct scan *s, int64_t t, struct rt_error *err)
{
	const struct rt_node *n = s->e->run.node;

	for (int i = 0; i < s->stacked; i++) {
		const struct rt_tensor *slice = &s->outputs[s->carried + i];
		int o = s->carried + i, axis, status;
		int64_t at = entry(n, "scan_output_directions", i, 0) != 0 ? s->length - 1 - t : t;
		struct rt_shape whole = {.rank = slice->shape.rank + 1}, expected = slice->shape;

		if (s->e->out[o].dtype == RT_NONE)
			continue;
		if (whole.rank > RT_RANK_MAX)
			return rt_error_set(err, RT_UNSUPPORTED, "more than %d dimensions",
					    RT_RANK_MAX);
		status = rt_axes_one(entry(n, "scan_output_axes", i, 0), whole.rank, &axis, err);
		if (status != RT_OK)
			return status;
		for (int d = 0; d < whole.rank; d++)
			whole.dims[d] = d == axis ? s->length : expected.dims[d < axis ? d : d - 1];
		if (t == 0 && rt_eval_output(s->e, o, &whole) == NULL)
			return rt_error_set(err, RT_BUDGET, "no room for output %d", o);
		if (!rt_shape_equal(&s->e->out[o].shape, &whole) ||
		    s->e->out[o].dtype != slice->dtype)
			return rt_error_set(err, RT_INPUT, "steps give slices of different shapes");
		if (slice->dtype == RT_STR || rt_dtype_is_list(slice->dtype))
			return rt_error_set(err, RT_UNSUPPORTED, "%s in a Scan",
					    rt_dtype_name(slice->dtype));
		move_slice(s->e->run.team, &s->e->out[o], axis, at, slice->data, true);
	}
	return RT_OK;
}

static int scan_length(struct scan *s, struct rt_error *err)
{
	s->length = -1;
	for (int i = 0; i < s->scanned; i++) {
		const struct rt_tensor *t = &s->e->run.in[s->carried + i];
		int axis, status = rt_axes_one(entry(s->e->run.node, "scan_input_axes", i, 0),
					       t->shape.rank, &axis, err);
		if (status != RT_OK)
			return status;
		if (s->length >= 0 && t->shape.dims[axis] != s->length)
			return rt_error_set(err, RT_INPUT, "scan inputs of %lld and %lld steps",
					    (long long)s->length, (long long)t->shape.dims[axis]);
		s->length = t->shape.dims[axis];
	}
	return RT_OK;
}

/* No step: empty outputs, as far as the body's shapes are known. */
static int scan_empty(struct scan *s, struct rt_error *err)
{
	int status = RT_OK;

	for (int i = 0; status == RT_OK && i < s->stacked; i++) {
		struct rt_carry_stack none = {.shape = {.rank = -1}};
		int v = s->body->outputs[s->carried + i];
		status = rt_carry_stack_output(&none, s->e, s->carried + i,
					       &s->body->values[v].shape, err);
	}
	return status;
}

static int scan_steps(struct scan *s, struct rt_error *err)
{
	int status = scan_length(s, err);

	for (int i = 0; status == RT_OK && i < s->carried; i++)
		s->carry.now[i] = s->e->run.in[i];
	for (int64_t t = 0; status == RT_OK && t < s->length; t++) {
		for (int i = 0; i < s->carried; i++)
			s->inputs[i] = s->carry.now[i];
		status = scan_slices(s, t, err);
		if (status == RT_OK)
			status = rt_eval_subgraph(s->e, s->body, s->inputs, s->outputs, err);
		if (status == RT_OK)
			status = scan_outputs(s, t, err);
		if (status == RT_OK)
			status = rt_carry_next(&s->carry, s->outputs, err);
	}
	for (int i = 0; status == RT_OK && i < s->carried; i++)
		status = rt_carry_output(s->e, i, &s->carry.now[i], err);
	return status == RT_OK && s->length == 0 ? scan_empty(s, err) : status;
}

static int scan_eval(struct rt_eval *e, struct rt_error *err)
{
	struct scan s = {.e = e, .body = body_of(e, "body")};
	int status;

	s.scanned = (int)rt_node_int(e->run.node, "num_scan_inputs", 0);
	s.carried = e->run.in_count - s.scanned;
	s.stacked = e->run.out_count - s.carried;
	s.inputs = calloc((size_t)s.body->input_count + 1, sizeof(*s.inputs));
	s.outputs = calloc((size_t)s.body->output_count + 1, sizeof(*s.outputs));
	s.slices = calloc((size_t)s.scanned + 1, sizeof(*s.slices));
	status = rt_carry_start(&s.carry, e, s.carried, err);
	if (s.inputs == NULL || s.outputs == NULL || s.slices == NULL)
		status = rt_error_set(err, RT_MEMORY, "out of memory");
	if (status == RT_OK)
		status = scan_steps(&s, err);
	rt_carry_release(&s.carry);
	free(s.inputs);
	free(s.outputs);
	free(s.slices);
	return status;
}

const struct rt_op rt_op_scan = {
    .in_min = 1,
    .in_max = RT_VARIADIC,
    .out_min = 1,
    .out_max = RT_VARIADIC,
    .type = scan_type,
    .eval = scan_eval,
};
