/* SPDX-License-Identifier: MIT */
/*
 * tflite_control.c — operators that call sub-graphs, and resource variables.
 * Called through tflite.def.
 *
 * A call is its sub-graph in its place.  IF and WHILE are If and Loop of ai.onnx
 * whose bodies are sub-graphs.  A variable is, from an assignment on, the value
 * that was assigned: every run begins with what CALL_ONCE assigns.
 */
#include <config.h>

#include <string.h>

#include "runtime/tflite_reader.h"

#define SIDES_MAX 256

static bool sides(struct rt_tflite_op *o)
{
	if (o->in_count <= SIDES_MAX && o->out_count <= SIDES_MAX)
		return true;
	rt_tflite_refuse(o, "more than 256 inputs or outputs");
	return false;
}

static void values(struct rt_tflite_op *o, int first, int *to)
{
	for (int k = first; k < o->in_count; k++)
		to[k - first] = rt_tflite_value(o, k);
}

/* CALL, and STABLEHLO_COMPOSITE, which says what an accelerator may do instead. */
void rt_tflite_lower_call(struct rt_tflite_op *o)
{
	int in[SIDES_MAX], out[SIDES_MAX];
	int64_t graph;

	if (!sides(o))
		return;
	if (strcmp(o->row->op, "composite") == 0)
		graph = rt_flatbuf_int(&o->r->f, &o->options2, 1, 4, -1);
	else
		graph = rt_tflite_opt_int(o, 0, 0);
	values(o, 0, in);
	rt_tflite_inline(o, graph, o->in_count, in, o->out_count, out);
	for (int k = 0; k < o->out_count; k++)
		rt_tflite_give(o, k, out[k]);
}

void rt_tflite_lower_call_once(struct rt_tflite_op *o)
{
	if (o->l->graph != o->l->root) {
		rt_tflite_refuse(o, "not in a sub-graph");
		return;
	}
	rt_tflite_inline(o, rt_tflite_opt_int(o, 0, 0), 0, NULL, 0, NULL);
}

/* ---- branches and loops ---------------------------------------------------------------------- */

/* Values of the graph around, in the one at hand. */
static void outer(struct rt_tflite_op *o, int count, const int *from, int *to)
{
	for (int k = 0; k < count; k++)
		to[k] = rt_lower_outer(o->l, from[k]);
}

static struct rt_graph *branch(struct rt_tflite_op *o, int64_t graph, int count, const int *in)
{
	struct rt_lower_place place = rt_lower_enter(o->l);
	int mine[SIDES_MAX], out[SIDES_MAX];

	rt_lower_ports(o->l, 0, o->out_count);
	outer(o, count, in, mine);
	rt_tflite_inline(o, graph, count, mine, o->out_count, out);
	for (int k = 0; k < o->out_count && rt_tflite_ok(o->r); k++)
		rt_lower_output(o->l, out[k], "");
	return rt_lower_leave(o->l, place);
}

void rt_tflite_lower_if(struct rt_tflite_op *o)
{
	struct rt_graph *then, *otherwise;
	int in[SIDES_MAX], condition, first;

	if (!sides(o) || !rt_tflite_expects(o, 1))
		return;
	condition = rt_lower_reshape(o->l, rt_tflite_value(o, 0), 0, NULL);
	values(o, 1, in);
	then = branch(o, rt_tflite_opt_int(o, 0, 0), o->in_count - 1, in);
	otherwise = branch(o, rt_tflite_opt_int(o, 1, 0), o->in_count - 1, in);
	first = rt_lower_node(o->l, RT_ONNX, "If", 1, &condition, o->out_count);
	rt_lower_set_graph(o->l, "then_branch", then);
	rt_lower_set_graph(o->l, "else_branch", otherwise);
	for (int k = 0; k < o->out_count; k++)
		rt_tflite_give(o, k, first + k);
}

/* The condition of WHILE over ${in}. */
static int condition(struct rt_tflite_op *o, int64_t graph, const int *in)
{
	int v;

	rt_tflite_inline(o, graph, o->in_count, in, 1, &v);
	return rt_lower_reshape(o->l, v, 0, NULL);
}

static struct rt_graph *loop_body(struct rt_tflite_op *o, int64_t cond, int64_t body)
{
	const struct rt_shape scalar = {0};
	struct rt_lower_place place = rt_lower_enter(o->l);
	int in[SIDES_MAX], out[SIDES_MAX], again;

	rt_lower_ports(o->l, o->in_count + 2, o->in_count + 1);
	(void)rt_lower_input(o->l, "", RT_I64, &scalar);
	(void)rt_lower_input(o->l, "", RT_BOOL, &scalar);
	for (int k = 0; k < o->in_count; k++)
		in[k] = rt_lower_input(o->l, "", rt_tflite_in(o, k)->dtype, NULL);
	rt_tflite_inline(o, body, o->in_count, in, o->in_count, out);
	again = condition(o, cond, out);
	if (rt_tflite_ok(o->r))
		rt_lower_output(o->l, again, "");
	for (int k = 0; k < o->in_count && rt_tflite_ok(o->r); k++)
		rt_lower_output(o->l, out[k], "");
	return rt_lower_leave(o->l, place);
}

/* WHILE: the condition and the body are sub-graphs of all the values that go round. */
void rt_tflite_lower_while(struct rt_tflite_op *o)
{
	const int cond = rt_tflite_opt_int(o, 0, 0), body = rt_tflite_opt_int(o, 1, 0);
	struct rt_graph *g;
	int in[SIDES_MAX + 2], first;

	if (!sides(o) || !rt_tflite_expects(o, o->in_count))
		return;
	if (o->in_count != o->out_count) {
		rt_flatbuf_bad(&o->r->f, o->table.at, "WHILE with not as many outputs as inputs");
		return;
	}
	values(o, 0, in + 2);
	in[0] = RT_NO_VALUE;
	in[1] = condition(o, cond, in + 2);
	g = loop_body(o, cond, body);
	first = rt_lower_node(o->l, RT_ONNX, "Loop", o->in_count + 2, in, o->out_count);
	rt_lower_set_graph(o->l, "body", g);
	for (int k = 0; k < o->out_count; k++)
		rt_tflite_give(o, k, first + k);
}

/* ---- variables ------------------------------------------------------------------------------- */

static bool same(struct rt_str a, struct rt_str b)
{
	return a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;
}

void rt_tflite_lower_var_handle(struct rt_tflite_op *o)
{
	struct rt_tflite *r = o->r;
	struct rt_tflite_variable v = {rt_flatbuf_string(&r->f, &o->options, 0),
				       rt_flatbuf_string(&r->f, &o->options, 1), RT_NO_VALUE, NULL};
	int i = 0;

	if (!rt_tflite_expects(o, 0))
		return;
	while (i < r->variable_count && !(same(r->variables[i].container, v.container) &&
					  same(r->variables[i].name, v.name)))
		i++;
	if (i == r->variable_count && i == r->variable_cap) {
		const int cap = i == 0 ? 16 : 2 * i;
		struct rt_tflite_variable *bigger = rt_lower_alloc(o->l, (size_t)cap * sizeof(v));

		if (bigger == NULL)
			return;
		if (i > 0)
			memcpy(bigger, r->variables, (size_t)i * sizeof(v));
		r->variables = bigger;
		r->variable_cap = cap;
	}
	if (i == r->variable_count)
		r->variables[r->variable_count++] = v;
	o->s->tensors[o->out[0]].resource = i;
}

static struct rt_tflite_variable *variable(struct rt_tflite_op *o)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, 0);

	if (t != NULL && t->resource >= 0)
		return &o->r->variables[t->resource];
	rt_tflite_refuse(o, "not with a handle that comes from elsewhere than VAR_HANDLE");
	return NULL;
}

void rt_tflite_lower_read_variable(struct rt_tflite_op *o)
{
	struct rt_tflite_variable *v = variable(o);

	if (v == NULL)
		return;
	if (v->value == RT_NO_VALUE || v->graph != o->l->graph)
		rt_tflite_refuse(o, "not of a variable that nothing has assigned to before it");
	else
		rt_tflite_give(o, 0, v->value);
}

void rt_tflite_lower_assign_variable(struct rt_tflite_op *o)
{
	struct rt_tflite_variable *v = variable(o);

	if (v == NULL)
		return;
	if (o->l->graph != o->l->root) {
		rt_tflite_refuse(o, "not in a branch or a loop");
		return;
	}
	v->value = rt_tflite_value(o, 1);
	v->graph = o->l->graph;
}
