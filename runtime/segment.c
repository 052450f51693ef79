/* SPDX-License-Identifier: MIT */
/*
 * segment.c — walks the nodes with shapes until the end, or until a node whose
 * shapes only a run can tell.  Called once per combination of input shapes;
 * segment_plan.c then gives memory to what was found.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/once.h"
#include "runtime/segment.h"

#define SMALL_BYTES ((size_t)64 << 10)  /* outputs that may be computed while planning */
#define SCRATCH_BYTES ((size_t)1 << 20) /* and the scratch it may take */

static void *take(struct rt_segment *s, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return rt_memory_take(&s->memory, bytes, 64);
}

static int no_memory(struct rt_error *err)
{
	return rt_error_set(err, RT_BUDGET, "the plan does not fit into the memory budget");
}

void *rt_segment_data(const struct rt_frame *f, const struct rt_segment *s, int v)
{
	const struct rt_place *p = &s->places[v];

	switch (p->kind) {
	case RT_KNOWN:
		return s->values[v].data;
	case RT_GIVEN:
		return f->data[p->root];
	case RT_ARENA:
		return f->arenas[p->depth].base + p->offset;
	case RT_NOWHERE:
	default:
		return NULL;
	}
}

static void free_one(struct rt_session *session, struct rt_segment *s)
{
	session->plan_bytes -= s->counted_bytes;
	rt_memory_release(&s->memory);
	free(s);
}

void rt_segment_free(struct rt_session *session, struct rt_segment *s)
{
	/* Children go before their parents, without recursion: a run can have many segments. */
	while (s != NULL && s->children != NULL) {
		struct rt_segment *parent = s, *leaf = s->children;

		while (leaf->children != NULL) {
			parent = leaf;
			leaf = leaf->children;
		}
		parent->children = leaf->next;
		free_one(session, leaf);
	}
	if (s != NULL)
		free_one(session, s);
}

/* ---- the beginning --------------------------------------------------------------------------- */

/* Which nodes the wanted outputs need, and how often each value is used by those. */
static int find_needed(struct rt_segment *s, const struct rt_graph *g, const bool *wanted)
{
	bool *needed = take(s, (size_t)g->node_count + 1, sizeof(*needed));
	bool *copy = take(s, (size_t)g->output_count + 1, sizeof(*copy));
	int *uses = take(s, (size_t)g->value_count + 1, sizeof(*uses));
	int v;

	if (needed == NULL || uses == NULL || copy == NULL)
		return RT_BUDGET;
	for (int i = 0; i < g->output_count; i++) {
		copy[i] = wanted == NULL || wanted[i];
		uses[g->outputs[i]] += copy[i];
	}
	for (int i = g->node_count - 1; i >= 0; i--) {
		const struct rt_node *n = &g->nodes[i];
		struct rt_uses u = rt_graph_uses(n);

		for (int k = 0; k < n->out_count && !needed[i]; k++)
			needed[i] = n->out[k] != RT_NO_VALUE && uses[n->out[k]] > 0;
		while (needed[i] && (v = rt_graph_next_use(&u)) != RT_NO_VALUE)
			uses[v]++;
	}
	s->needed = needed;
	s->uses = uses;
	s->wanted = copy;
	return RT_OK;
}

/* The segment is right only for this shape (and these bytes) of value ${v}. */
static int add_need(struct rt_segment *s, int v, const struct rt_shape *shape, const void *data,
		    size_t bytes)
{
	struct rt_need *bigger;

	if (s->need_count == s->need_cap) {
		s->need_cap = s->need_cap == 0 ? 8 : s->need_cap * 2;
		bigger = take(s, (size_t)s->need_cap, sizeof(*bigger));
		if (bigger == NULL)
			return RT_BUDGET;
		if (s->need_count > 0)
			memcpy(bigger, s->needs, (size_t)s->need_count * sizeof(*bigger));
		s->needs = bigger;
	}
	s->needs[s->need_count++] = (struct rt_need){v, *shape, data, bytes};
	return RT_OK;
}

/* A value that is given from outside, or by an eval: only its shape is certain. */
static int given(struct rt_frame *f, struct rt_segment *s, int v)
{
	s->values[v].shape = f->shapes[v];
	s->places[v] = (struct rt_place){.kind = RT_GIVEN, .root = v};
	return add_need(s, v, &f->shapes[v], NULL, 0);
}

static int begin_root(struct rt_frame *f, struct rt_segment *s, const bool *wanted)
{
	const struct rt_graph *g = f->graph;
	int status = find_needed(s, g, wanted);

	for (int v = 0; v < g->value_count; v++) {
		s->values[v] = (struct rt_tensor){.dtype = g->values[v].dtype, .shape.rank = -1};
		s->places[v].root = v;
		if (g->values[v].is_constant) {
			s->values[v] = g->values[v].constant;
			s->places[v].kind = RT_KNOWN;
		}
	}
	for (int i = 0; i < f->source_count && status == RT_OK; i++)
		status = given(f, s, f->sources[i]);
	return status;
}

static int begin_child(struct rt_frame *f, struct rt_segment *s, const struct rt_segment *parent)
{
	const struct rt_graph *g = f->graph;
	const struct rt_node *n = &g->nodes[parent->end];
	size_t count = (size_t)g->value_count;
	int status = RT_OK;

	s->wanted = parent->wanted;
	s->needed = parent->needed;
	s->uses = parent->uses;
	s->depth = parent->depth + 1;
	s->begin = parent->end + (parent->how == RT_SEGMENT_EVAL);
	memcpy(s->values, parent->values, count * sizeof(*s->values));
	memcpy(s->places, parent->places, count * sizeof(*s->places));
	for (int k = 0; parent->how == RT_SEGMENT_EVAL && k < n->out_count; k++) {
		if (n->out[k] != RT_NO_VALUE && status == RT_OK)
			status = given(f, s, n->out[k]);
	}
	return status;
}

/* ---- values ---------------------------------------------------------------------------------- */

/*
 * Have the value of input ${v} for an infer: it is known, or a run has made it
 * by now and the segment is bound to it.  False in ${*ret_have}: this segment
 * itself makes it.
 */
static int have_value(struct rt_frame *f, struct rt_segment *s, int v, bool *ret_have)
{
	struct rt_place *p = &s->places[v];
	size_t bytes;
	void *copy;

	*ret_have = true;
	if (p->kind == RT_KNOWN)
		return RT_OK;
	if (p->kind == RT_NOWHERE) {
		*ret_have = false;
		return RT_OK;
	}
	bytes = rt_tensor_bytes(&s->values[v]);
	copy = take(s, bytes, 1);
	if (copy == NULL)
		return RT_BUDGET;
	if (bytes > 0)
		/* fanalyzer-suppress null-argument: what has bytes has data */
		memcpy(copy, rt_segment_data(f, s, v), bytes);
	s->values[v].data = copy;
	p->kind = RT_KNOWN;
	/* A view has the bytes of its root, which a parent knows where to find. */
	return add_need(s, p->root, &s->values[v].shape, copy, bytes);
}

/* Can every value that infer of node ${n} reads be had? */
static int have_values(struct rt_frame *f, struct rt_segment *s, const struct rt_node *n,
		       bool *ret_have)
{
	*ret_have = true;
	for (int i = 0; i < n->in_count && i < 32 && *ret_have; i++) {
		int status;

		if ((n->op->value_inputs >> i & 1) == 0 || n->in[i] == RT_NO_VALUE)
			continue;
		status = have_value(f, s, n->in[i], ret_have);
		if (status < 0)
			return status;
	}
	return RT_OK;
}

static bool all_known(const struct rt_segment *s, const struct rt_node *n)
{
	for (int i = 0; i < n->in_count && !n->op->shapes_only; i++) {
		if (n->in[i] != RT_NO_VALUE && s->places[n->in[i]].kind != RT_KNOWN)
			return false;
	}
	return n->op->run != NULL && !n->op->is_random;
}

/* ---- one node -------------------------------------------------------------------------------- */

/* Tensors of the node: inputs, what its sub-graphs stand on, outputs. */
static int make_slots(struct rt_segment *s, const struct rt_graph *g, const struct rt_node *n,
		      struct rt_tensor **ret_in, struct rt_tensor **ret_out)
{
	struct rt_uses u = rt_graph_uses(n);
	size_t count = (size_t)n->in_count;
	struct rt_tensor *in;
	int v;

	u.input = n->in_count; /* what is left are outer values */
	while (rt_graph_next_use(&u) != RT_NO_VALUE)
		count++;
	in = take(s, count + (size_t)n->out_count + 1, sizeof(*in));
	if (in == NULL)
		return RT_BUDGET;
	for (int i = 0; i < n->in_count; i++) {
		if (n->in[i] != RT_NO_VALUE)
			in[i] = s->values[n->in[i]];
	}
	u = rt_graph_uses(n);
	u.input = n->in_count;
	for (int i = n->in_count; (v = rt_graph_next_use(&u)) != RT_NO_VALUE; i++)
		in[i] = s->values[v];
	for (int i = 0; i < n->out_count; i++) {
		struct rt_tensor *out = &in[count + (size_t)i];

		out->shape.rank = -1;
		/* Output 0 always has memory; the others only when somebody reads them. */
		if (n->out[i] != RT_NO_VALUE && (i == 0 || s->uses[n->out[i]] > 0))
			out->dtype = g->values[n->out[i]].dtype;
	}
	*ret_in = in;
	*ret_out = in + count;
	return RT_OK;
}

/* What infer is to see: data of constants and of value inputs, no others. */
static void hide_data(const struct rt_graph *g, const struct rt_node *n, struct rt_tensor *in)
{
	for (int i = 0; i < n->in_count; i++) {
		bool shown = i < 32 && (n->op->value_inputs >> i & 1) != 0;

		if (n->in[i] != RT_NO_VALUE && !g->values[n->in[i]].is_constant && !shown)
			in[i].data = NULL;
	}
}

static int add_step(struct rt_segment *s, const struct rt_infer *infer, struct rt_session *session)
{
	/* of who wants no bytes: somewhere to point to */
	static _Alignas(64) char no_scratch[64];
	struct rt_step *step = &s->steps[s->step_count++];

	*step =
	    (struct rt_step){.run = infer->node->op->run, .scratch_bytes = infer->scratch_bytes};
	step->args = (struct rt_run){.node = infer->node,
				     .state = infer->state,
				     .shape_state = infer->shape_state,
				     .in_count = infer->in_count,
				     .out_count = infer->out_count,
				     .in = infer->in,
				     .out = infer->out,
				     .scratch = no_scratch,
				     .team = session->team,
				     .fault = &session->fault};
	return RT_OK;
}

/* Output 0 is input 0 under another shape. */
static int add_view(struct rt_segment *s, const struct rt_infer *infer, struct rt_error *err)
{
	const struct rt_node *n = infer->node;
	char label[256];
	int from = n->in[0], to = n->out[0];

	if (rt_tensor_bytes(&infer->out[0]) != rt_tensor_bytes(&s->values[from]))
		return rt_error_set(err, RT_INPUT, "%s: its input and output differ in size",
				    rt_node_label(n, label, sizeof(label)));
	s->values[to].data = s->values[from].data;
	s->places[to] = s->places[from];
	return RT_OK;
}

static int keep_shapes(struct rt_segment *s, const struct rt_infer *infer)
{
	for (int i = 0; i < infer->out_count; i++) {
		if (infer->node->out[i] != RT_NO_VALUE)
			s->values[infer->node->out[i]].shape = infer->out[i].shape;
	}
	return RT_OK;
}

static int run_now(struct rt_segment *s, struct rt_infer *infer, struct rt_tensor *in,
		   struct rt_session *session, struct rt_error *err)
{
	const struct rt_node *n = infer->node;
	int status;

	for (int i = 0; i < n->in_count; i++) {
		if (n->in[i] != RT_NO_VALUE)
			in[i] = s->values[n->in[i]];
	}
	status = rt_once_run(infer, session->serial, &s->memory, err);
	for (int i = 0; status == RT_OK && i < n->out_count; i++) {
		if (infer->out[i].dtype == RT_NONE)
			continue;
		s->values[n->out[i]].data = infer->out[i].data;
		s->places[n->out[i]].kind = RT_KNOWN;
	}
	return status;
}

static int infer_node(struct rt_frame *f, struct rt_segment *s, const struct rt_node *n,
		      struct rt_error *err)
{
	struct rt_session *session = f->session;
	struct rt_tensor *in, *out;
	struct rt_infer infer;
	char label[256];
	size_t bytes;
	int status = make_slots(s, f->graph, n, &in, &out);

	if (status < 0)
		return no_memory(err);
	infer = (struct rt_infer){.node = n,
				  .state = n->state,
				  .in_count = n->in_count,
				  .out_count = n->out_count,
				  .in = in,
				  .out = out,
				  .threads = rt_team_threads(session->team),
				  .memory = &s->memory};
	hide_data(f->graph, n, in);
	status = n->op->infer(&infer, err);
	if (status < 0)
		return rt_error_wrap(err, "%s", rt_node_label(n, label, sizeof(label)));
	status = rt_once_check(n, out, n->out_count, session->model->memory_budget, &bytes, err);
	if (status < 0)
		return status;
	(void)keep_shapes(s, &infer);
	if (n->op->is_view)
		return add_view(s, &infer, err);
	if (all_known(s, n) && bytes <= SMALL_BYTES && infer.scratch_bytes <= SCRATCH_BYTES)
		return run_now(s, &infer, in, session, err);
	return add_step(s, &infer, session);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int walk(struct rt_frame *f, struct rt_segment *s, struct rt_error *err)
{
	const struct rt_graph *g = f->graph;
	struct rt_tensor *in = NULL;
	bool have;
	int status;

	s->how = RT_SEGMENT_LAST;
	for (s->end = s->begin; s->end < g->node_count; s->end++) {
		const struct rt_node *n = &g->nodes[s->end];

		if (!s->needed[s->end])
			continue;
		if (n->op->eval != NULL) {
			s->how = RT_SEGMENT_EVAL;
			status = make_slots(s, g, n, &in, &s->eval.out);
			s->eval.run.node = n;
			s->eval.run.state = n->state;
			s->eval.run.in = in;
			s->eval.run.in_count = n->in_count;
			s->eval.run.out_count = n->out_count;
			s->eval.run.team = f->session->team;
			s->eval.run.fault = &f->session->fault;
			s->eval.memory = &f->results;
			s->eval.frame = f;
			return status < 0 ? no_memory(err) : RT_OK;
		}
		status = have_values(f, s, n, &have);
		if (status < 0)
			return no_memory(err);
		if (!have) {
			s->how = RT_SEGMENT_WAITS;
			return RT_OK;
		}
		status = infer_node(f, s, n, err);
		if (status < 0)
			return status;
	}
	return RT_OK;
}

int rt_segment_build(struct rt_frame *f, struct rt_segment *parent, const bool *wanted,
		     struct rt_segment **out, struct rt_error *err)
{
	const struct rt_graph *g = f->graph;
	struct rt_segment *s = calloc(1, sizeof(*s));
	int status;

	if (s == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if (f->session->plan_bytes >= f->session->model->memory_budget) {
		free(s);
		return no_memory(err);
	}
	s->memory.budget = f->session->model->memory_budget - f->session->plan_bytes;
	s->memory.ledger = &f->session->ledger;
	s->values = take(s, (size_t)g->value_count + 1, sizeof(*s->values));
	s->places = take(s, (size_t)g->value_count + 1, sizeof(*s->places));
	if (s->values == NULL || s->places == NULL)
		status = RT_BUDGET;
	else if (parent == NULL)
		status = begin_root(f, s, wanted);
	else
		status = begin_child(f, s, parent);
	if (status == RT_OK) {
		s->steps = take(s, (size_t)(g->node_count - s->begin) + 1, sizeof(*s->steps));
		status = s->steps == NULL ? RT_BUDGET : RT_OK;
	}
	if (status < 0)
		(void)no_memory(err);
	else
		status = walk(f, s, err);
	if (status == RT_OK)
		status = rt_segment_plan(f, s, err);
	if (status < 0) {
		rt_segment_free(f->session, s);
		return status;
	}
	s->counted_bytes = s->memory.bytes;
	f->session->plan_bytes += s->counted_bytes;
	*out = s;
	return RT_OK;
}
