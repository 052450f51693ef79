/* SPDX-License-Identifier: MIT */
/*
 * tfjs_loop.c — control flow of TensorFlow 1 in graph models.  Called by
 * tfjs_graph.c.
 *
 *	Enter ─┐                        ┌─ :0 Exit
 *	       Merge ──┬──────── Switch ─┤
 *	NextIteration ─┘  LoopCond ──┘   └─ :1 body … NextIteration
 *
 * All variables of a loop share one LoopCond.  It becomes a Loop: the condition
 * is lowered once on the first values, the body and the condition on its results
 * once more in the sub-graph.  Enter with is_constant brings in what does not
 * change.
 *
 * A Switch outside of loops gives its value to both branches, which are both
 * computed; Merge takes the one that the Switch meant.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/tfjs_scope.h"

#define VARIABLES_MAX 256
#define CONDS_MAX 16 /* in each other */

struct variable {
	struct rt_tfjs_node *turn, *merge; /* Switch, Merge */
	struct rt_str start, next;         /* what Enter and NextIteration read */
	int first;                         /* its value before the loop */
};
struct constant {
	struct rt_tfjs_node *enter;
	int value;
};
struct loop {
	struct rt_tfjs_scope *s;
	struct rt_str condition; /* what LoopCond reads */
	const struct rt_json *frame;
	int count, constant_count;
	struct variable variables[VARIABLES_MAX];
	struct constant constants[VARIABLES_MAX];
	int values[VARIABLES_MAX + 2], more[VARIABLES_MAX + 2];
};

static bool is(const struct rt_tfjs_node *n, const char *op)
{
	return n != NULL && rt_json_is(rt_json_get(n->json, "op"), op);
}

static struct rt_str input(const struct rt_tfjs_node *n, int i)
{
	return rt_json_text(rt_json_at(rt_json_get(n->json, "input"), i));
}

static struct rt_tfjs_node *reads(const struct rt_tfjs_scope *s, const struct rt_tfjs_node *n,
				  int i)
{
	struct rt_str ref = n != NULL ? input(n, i) : (struct rt_str){NULL, 0};

	return ref.bytes == NULL ? NULL : rt_tfjs_graph_find(s, rt_tfjs_graph_ref(ref).name);
}

static const struct rt_json *frame_of(const struct rt_tfjs_node *enter)
{
	return rt_json_get(rt_json_get(rt_json_get(enter->json, "attr"), "frame_name"), "s");
}

/* ---- what belongs to a loop ------------------------------------------------------------------ */

static bool add_variable(struct loop *p, struct rt_tfjs_node *turn)
{
	struct variable *v = &p->variables[p->count];
	struct rt_tfjs_node *enter = NULL, *next = NULL;

	v->turn = turn;
	v->merge = reads(p->s, turn, 0);
	for (int i = 0; i < 2 && is(v->merge, "Merge"); i++) {
		struct rt_tfjs_node *n = reads(p->s, v->merge, i);

		enter = is(n, "Enter") ? n : enter;
		next = is(n, "NextIteration") ? n : next;
	}
	if (enter == NULL || next == NULL || p->count == VARIABLES_MAX)
		return false;
	v->start = input(enter, 0);
	v->next = input(next, 0);
	p->frame = frame_of(enter);
	p->count++;
	return true;
}

static bool find_variables(struct loop *p, const struct rt_tfjs_node *leave)
{
	struct rt_tfjs_node *condition = reads(p->s, reads(p->s, leave, 0), 1);

	if (!is(condition, "LoopCond"))
		return false;
	p->condition = input(condition, 0);
	for (int i = 0; i < p->s->count; i++) {
		struct rt_tfjs_node *n = &p->s->nodes[i];

		if (is(n, "Switch") && reads(p->s, n, 1) == condition && !add_variable(p, n))
			return false;
	}
	return p->count > 0 && rt_json_text(p->frame).bytes != NULL;
}

/* What the loop reads and does not change. */
static bool find_constants(struct loop *p)
{
	struct rt_str frame = rt_json_text(p->frame);

	for (int i = 0; i < p->s->count; i++) {
		struct rt_tfjs_node *n = &p->s->nodes[i];
		const struct rt_json *attr = rt_json_get(n->json, "attr");
		struct rt_str own;

		if (!is(n, "Enter") ||
		    !rt_json_bool(rt_json_get(rt_json_get(attr, "is_constant"), "b"), false))
			continue;
		own = rt_json_text(frame_of(n));
		if (own.bytes == NULL || own.size != frame.size ||
		    memcmp(own.bytes, frame.bytes, own.size) != 0)
			continue;
		if (p->constant_count == VARIABLES_MAX)
			return false;
		p->constants[p->constant_count++].enter = n;
	}
	return true;
}

/* ---- lowering -------------------------------------------------------------------------------- */

/* A round on ${v}: all nodes anew, the variables and constants are there.  ${inside}: in the body.
 */
static bool begin_round(struct loop *p, struct rt_tfjs_scope *s, const int *v, bool inside)
{
	if (!rt_tfjs_graph_fresh(p->s, s))
		return false;
	for (int i = 0; i < p->count; i++) {
		int both[2] = {v[i], v[i]};

		rt_tfjs_graph_set(s, &s->nodes[p->variables[i].merge - p->s->nodes], both, 1);
		rt_tfjs_graph_set(s, &s->nodes[p->variables[i].turn - p->s->nodes], both, 2);
	}
	for (int i = 0; i < p->constant_count; i++) {
		int value = p->constants[i].value;

		if (inside)
			value = rt_lower_outer(&s->t->l, value);
		rt_tfjs_graph_set(s, &s->nodes[p->constants[i].enter - p->s->nodes], &value, 1);
	}
	return s->t->l.status == RT_OK;
}

/* The condition on ${v}. */
static int condition(struct loop *p, const int *v, bool inside)
{
	struct rt_tfjs_scope s;
	int y = RT_NO_VALUE;

	if (begin_round(p, &s, v, inside))
		y = rt_lower_cast(&s.t->l, rt_tfjs_graph_need(&s, p->condition), RT_BOOL);
	rt_tfjs_graph_release(&s);
	return y;
}

static struct rt_graph *body(struct loop *p)
{
	struct rt_lower *l = &p->s->t->l;
	struct rt_graph *around = l->graph;
	struct rt_lower_place place;
	struct rt_shape scalar = {.rank = 0};
	struct rt_tfjs_scope s;

	for (int i = 0; i < p->count; i++)
		(void)rt_lower_dtype(l, p->variables[i].first); /* before the body asks */
	place = rt_lower_enter(l);
	rt_lower_ports(l, p->count + 2, p->count + 1);
	(void)rt_lower_input(l, "round", RT_I64, &scalar);
	(void)rt_lower_input(l, "condition", RT_BOOL, &scalar);
	for (int i = 0; i < p->count && l->status == RT_OK; i++)
		p->values[i] = rt_lower_input(l, "variable",
					      around->values[p->variables[i].first].dtype, NULL);
	if (begin_round(p, &s, p->values, true)) {
		for (int i = 0; i < p->count; i++)
			p->more[i] = rt_tfjs_graph_need(&s, p->variables[i].next);
	}
	rt_tfjs_graph_release(&s);
	if (l->status == RT_OK)
		rt_lower_output(l, condition(p, p->more, true), "");
	for (int i = 0; i < p->count && l->status == RT_OK; i++)
		rt_lower_output(l, p->more[i], "");
	return rt_lower_leave(l, place);
}

static void lower_loop(struct loop *p)
{
	struct rt_lower *l = &p->s->t->l;
	struct rt_graph *sub;
	int y;

	for (int i = 0; i < p->count; i++)
		p->more[i] = p->variables[i].first =
		    rt_tfjs_graph_need(p->s, p->variables[i].start);
	for (int i = 0; i < p->constant_count; i++)
		p->constants[i].value = rt_tfjs_graph_need(p->s, input(p->constants[i].enter, 0));
	if (l->status < 0)
		return;
	y = condition(p, p->more, false);
	sub = body(p);
	p->values[0] = RT_NO_VALUE;
	p->values[1] = y;
	for (int i = 0; i < p->count; i++)
		p->values[2 + i] = p->variables[i].first;
	y = rt_lower_node(l, RT_ONNX, "Loop", p->count + 2, p->values, p->count);
	if (l->status < 0)
		return;
	rt_lower_set_graph(l, "body", sub);
	for (int i = 0; i < p->s->count; i++) {
		struct rt_tfjs_node *n = &p->s->nodes[i];

		for (int k = 0; k < p->count && is(n, "Exit"); k++) {
			int v = y + k;

			if (reads(p->s, n, 0) == p->variables[k].turn)
				rt_tfjs_graph_set(p->s, n, &v, 1);
		}
	}
}

void rt_tfjs_loop_exit(struct rt_tfjs_scope *s, struct rt_tfjs_node *n)
{
	struct loop *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		(void)rt_lower_fail(&s->t->l, RT_MEMORY, "out of memory");
		return;
	}
	p->s = s;
	if (!find_variables(p, n) || !find_constants(p))
		(void)rt_lower_fail(&s->t->l, RT_UNSUPPORTED,
				    "'%.*s' leaves a loop that is not one of Enter, Merge, Switch "
				    "and NextIteration",
				    (int)(n->name.size < 200 ? n->name.size : 200), n->name.bytes);
	else
		lower_loop(p);
	free(p);
}

/* ---- conditions ------------------------------------------------------------------------------ */

struct search {
	const struct rt_tfjs_scope *s;
	bool *seen;
	struct rt_str *stack;
	int depth;
};

static void push_inputs(struct search *q, const struct rt_tfjs_node *n)
{
	const struct rt_json *i = rt_json_items(rt_json_get(n->json, "input"));

	for (; i != NULL; i = i->next) {
		struct rt_tfjs_ref r = rt_tfjs_graph_ref(rt_json_text(i));
		const struct rt_tfjs_node *from =
		    r.name.bytes != NULL ? rt_tfjs_graph_find(q->s, r.name) : NULL;

		if (from == NULL || q->seen[from - q->s->nodes])
			continue;
		/* a Switch is left unseen: its other output may be found from elsewhere */
		q->seen[from - q->s->nodes] = !is(from, "Switch");
		if (q->depth < q->s->count)
			q->stack[q->depth++] = rt_json_text(i);
	}
}

/*
 * The Switch that a value stands on, and which of its outputs; what an inner
 * condition chooses begins again with what its own Switch reads.
 */
static struct rt_tfjs_node *find_switch(const struct rt_tfjs_scope *s, const struct rt_tfjs_node *n,
					int branch, int *ret_output, int level)
{
	struct search q = {.s = s};
	struct rt_tfjs_node *found = NULL;
	struct rt_str first = input(n, branch);

	q.seen = calloc((size_t)s->count + 1, sizeof(*q.seen));
	q.stack = calloc((size_t)s->count + 1, sizeof(*q.stack));
	if (q.seen != NULL && q.stack != NULL && first.bytes != NULL)
		q.stack[q.depth++] = first;
	while (q.depth > 0 && found == NULL) {
		struct rt_tfjs_ref r = rt_tfjs_graph_ref(q.stack[--q.depth]);
		struct rt_tfjs_node *from = rt_tfjs_graph_find(s, r.name), *inner;
		int output;

		if (is(from, "Switch")) {
			found = from;
			*ret_output = r.control ? 0 : r.index;
		} else if (is(from, "Merge") && level < CONDS_MAX) {
			inner = find_switch(s, from, 0, &output, level + 1);
			if (inner != NULL)
				push_inputs(&q, inner);
		} else if (from != NULL) {
			push_inputs(&q, from);
		}
	}
	free(q.seen);
	free(q.stack);
	return found;
}

/* A branch that only hands on what has been computed. */
static struct rt_graph *chosen(struct rt_lower *l, int v)
{
	struct rt_lower_place place = rt_lower_enter(l);

	rt_lower_ports(l, 0, 1);
	rt_lower_output(l, rt_lower_outer(l, v), "");
	return rt_lower_leave(l, place);
}

void rt_tfjs_loop_merge(struct rt_tfjs_scope *s, struct rt_tfjs_node *n, struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	struct rt_tfjs_node *turn = NULL;
	struct rt_graph *yes, *no;
	int output = 0, yes_at, flag;

	if (c->in_count == 2) {
		turn = find_switch(s, n, 0, &output, 0);
		yes_at = output == 1 ? 0 : 1;
		if (turn == NULL && (turn = find_switch(s, n, 1, &output, 0)) != NULL)
			yes_at = output == 1 ? 1 : 0;
	}
	if (turn == NULL) {
		rt_tfjs_op_missing(c, "without a Switch");
		return;
	}
	flag = rt_lower_cast(l, rt_tfjs_graph_need(s, input(turn, 1)), RT_BOOL);
	(void)rt_lower_dtype(l, flag);
	yes = chosen(l, c->in[yes_at]);
	no = chosen(l, c->in[1 - yes_at]);
	rt_tfjs_op_give(c, rt_lower_node(l, RT_ONNX, "If", 1, &flag, 1));
	rt_lower_set_graph(l, "then_branch", yes);
	rt_lower_set_graph(l, "else_branch", no);
}
