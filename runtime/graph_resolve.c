/* SPDX-License-Identifier: MIT */
/*
 * graph_resolve.c — which operator of ops.def each node is, and the element type
 * of every value.  Everything that cannot run is collected first and told at
 * once: a person who brings a model wants the whole list.
 */
#include <config.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/op.h"

#define GROUPS_MAX 128 /* kinds of problems that are told apart */
#define NAMES_SHOWN 3

/* Nodes that fail for the same reason. */
struct group {
	const struct rt_node *first;
	char why[160];
	int count;
	const char *names[NAMES_SHOWN];
};

struct resolve {
	struct rt_error *err;
	struct group groups[GROUPS_MAX];
	int group_count, more; /* more: nodes of kinds beyond GROUPS_MAX */
	enum rt_dtype *types;  /* of the outputs of one node */
	int types_cap;
};

/* ---- the list -------------------------------------------------------------------------------- */

static bool same_kind(const struct group *g, const struct rt_node *n, const char *why)
{
	/* fanalyzer-suppress null-dereference: a group has a first */
	return strcmp(g->first->op_type, n->op_type) == 0 && g->first->domain == n->domain &&
	       strcmp(g->first->domain_name, n->domain_name) == 0 && g->first->opset == n->opset &&
	       strcmp(g->why, why) == 0;
}

static void cannot_run(struct resolve *r, const struct rt_node *n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void cannot_run(struct resolve *r, const struct rt_node *n, const char *fmt, ...)
{
	struct group *g = r->groups;
	char why[sizeof(g->why)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	while (g < r->groups + r->group_count && !same_kind(g, n, why))
		g++;
	if (g == r->groups + GROUPS_MAX) {
		r->more++;
		return;
	}
	if (g == r->groups + r->group_count) {
		*g = (struct group){.first = n};
		memcpy(g->why, why, sizeof(why));
		r->group_count++;
	}
	if (g->count < NAMES_SHOWN)
		g->names[g->count] = n->name;
	g->count++;
}

/* One line per group: "Foo (com.x, opset 1): no such operator; 3 nodes: 'a', 'b', 'c'". */
static int tell(const struct resolve *r)
{
	char text[7000];
	size_t at = 0;

	for (int i = 0; i < r->group_count && at < sizeof(text); i++) {
		const struct group *g = &r->groups[i];
		const char *domain = g->first->domain_name;
		int n;

		n = snprintf(text + at, sizeof(text) - at,
			     "\n  %.64s (%.64s, opset %" PRId64 "): %s; %d node%s",
			     g->first->op_type, domain[0] == '\0' ? "ai.onnx" : domain,
			     g->first->opset, g->why, g->count, g->count == 1 ? "" : "s");
		at += n > 0 ? (size_t)n : 0;
		for (int k = 0; k < NAMES_SHOWN && k < g->count && at < sizeof(text); k++) {
			if (g->names[k][0] == '\0')
				continue;
			n = snprintf(text + at, sizeof(text) - at, "%s '%.100s'",
				     k == 0 ? ":" : ",", g->names[k]);
			at += n > 0 ? (size_t)n : 0;
		}
	}
	if (r->more > 0 && at < sizeof(text))
		(void)snprintf(text + at, sizeof(text) - at, "\n  and %d more nodes", r->more);
	return rt_error_set(r->err, RT_UNSUPPORTED, "the model has what cannot run here:%s", text);
}

/* ---- one node -------------------------------------------------------------------------------- */

static int check_counts(const struct resolve *r, const struct rt_node *n, const struct rt_op *op)
{
	char label[256];
	bool bad = n->in_count < op->in_min || n->out_count < op->out_min;

	bad |= op->in_max != RT_VARIADIC && n->in_count > op->in_max;
	bad |= op->out_max != RT_VARIADIC && n->out_count > op->out_max;
	for (int i = 0; i < op->in_min && !bad; i++)
		bad = n->in[i] == RT_NO_VALUE;
	if (!bad)
		return RT_OK;
	return rt_error_set(r->err, RT_MALFORMED,
			    "%s has %d inputs and %d outputs, which does not fit its operator",
			    rt_node_label(n, label, sizeof(label)), n->in_count, n->out_count);
}

/* For ${count} ≥ 1 types, all RT_NONE, valid until the next call; NULL when out of memory. */
static enum rt_dtype *room_for_types(struct resolve *r, int count)
{
	enum rt_dtype *types = r->types, *bigger;

	if (count > r->types_cap) {
		bigger = realloc(types, sizeof(*bigger) * (size_t)count);
		if (bigger == NULL)
			return NULL;
		r->types = types = bigger;
		r->types_cap = count;
	}
	for (int i = 0; i < count; i++)
		types[i] = RT_NONE;
	return types;
}

/* May the node run in float32 instead (pass_narrow.c)? */
static bool runs_wider(enum rt_dtype t, uint32_t mask)
{
	return (t == RT_F16 || t == RT_BF16) && (mask & RT_M(F32)) != 0;
}

/* Operators write their first output, wanted or not: one that is left out gets a value of its own.
 */
static int give_first_output(struct resolve *r, struct rt_graph *g, struct rt_node *n,
			     enum rt_dtype t)
{
	int v;

	if (n->out_count == 0 || n->out[0] != RT_NO_VALUE || t == RT_NONE)
		return RT_OK;
	v = rt_graph_add_value(g, "", t);
	if (v < 0)
		return rt_error_set(r->err, RT_MEMORY, "out of memory");
	g->values[v].producer = (int)(n - g->nodes);
	n->out[0] = v;
	return RT_OK;
}

/* Element types of the outputs, and whether the row has the one that it is about. */
static int infer_types(struct resolve *r, struct rt_graph *g, struct rt_node *n)
{
	rt_op_type_f *type = n->op->type != NULL ? n->op->type : rt_op_type_same;
	enum rt_dtype t = RT_NONE;
	struct rt_error why;
	enum rt_dtype *types = room_for_types(r, n->out_count + 1);
	int status;

	if (types == NULL)
		return rt_error_set(r->err, RT_MEMORY, "out of memory");
	for (int i = 0; i < n->in_count && !n->op->takes_lists; i++) {
		if (n->in[i] == RT_NO_VALUE || !rt_dtype_is_list(g->values[n->in[i]].dtype))
			continue;
		cannot_run(r, n, "not for %s", rt_dtype_name(g->values[n->in[i]].dtype));
		return RT_OK;
	}
	why.text[0] = '\0';
	status = type(g, n, types, &why);
	if (status == RT_UNSUPPORTED) {
		cannot_run(r, n, "%.150s", why.text);
		return RT_OK;
	}
	if (status < 0) {
		char label[256];

		return rt_error_set(r->err, status, "%s: %s",
				    rt_node_label(n, label, sizeof(label)), why.text);
	}
	status = give_first_output(r, g, n, types[0]);
	if (status < 0)
		return status;
	for (int i = 0; i < n->out_count; i++) {
		if (n->out[i] != RT_NO_VALUE && types[i] != RT_NONE)
			g->values[n->out[i]].dtype = types[i];
	}
	if (n->dtype_input < 0)
		t = types[0];
	else if (n->dtype_input < n->in_count && n->in[n->dtype_input] != RT_NO_VALUE)
		t = g->values[n->in[n->dtype_input]].dtype;
	if (t != RT_NONE && (n->dtypes >> rt_dtype_elem(t) & 1) == 0 && !runs_wider(t, n->dtypes))
		cannot_run(r, n, "not for %s", rt_dtype_name(t));
	return RT_OK;
}

/* ---- graphs ---------------------------------------------------------------------------------- */

static int resolve_graph(struct resolve *r, struct rt_graph *g);

/* What the body of a SequenceMap is given: one item of a sequence at a time. */
static enum rt_dtype mapped(enum rt_dtype t)
{
	return rt_dtype_is_list(t) ? rt_dtype_item(t) : t;
}

/*
 * The types of a sub-graph's inputs are those of what the node hands in, whatever
 * the file declares (ONNX Loop-11, Scan-9), and so are those of outer values.
 */
static int resolve_sub_graph(struct resolve *r, struct rt_graph *g, const struct rt_node *n,
			     struct rt_graph *sub)
{
	bool is_loop = strcmp(n->op_type, "Loop") == 0, is_scan = strcmp(n->op_type, "Scan") == 0;
	bool is_map = strcmp(n->op_type, "SequenceMap") == 0;
	int skip = is_scan && n->opset < 9; /* sequence_lens is not for the body */

	for (int v = 0; v < sub->value_count; v++) {
		const struct rt_value *outer;

		if (sub->values[v].outer < 0)
			continue;
		outer = &g->values[sub->values[v].outer];
		sub->values[v].dtype = outer->dtype;
		if (outer->is_constant) {
			sub->values[v].is_constant = true;
			sub->values[v].constant = outer->constant;
			sub->values[v].shape = outer->shape;
			sub->values[v].outer = -1;
		}
	}
	for (int i = 0; i < sub->input_count && (is_loop || is_scan || is_map); i++) {
		struct rt_value *v = &sub->values[sub->inputs[i]];

		if (is_loop && i < 2)
			v->dtype = i == 0 ? RT_I64 : RT_BOOL;
		else if (i + skip < n->in_count && n->in[i + skip] != RT_NO_VALUE)
			v->dtype = g->values[n->in[i + skip]].dtype;
		if (is_map)
			v->dtype = mapped(v->dtype);
	}
	return resolve_graph(r, sub);
}

static int resolve_node(struct resolve *r, struct rt_graph *g, struct rt_node *n)
{
	const struct rt_op_row *row;
	int status;

	for (int i = 0; i < n->attr_count; i++) { /* depth is bounded by the reader */
		if (n->attrs[i].kind != RT_ATTR_GRAPH)
			continue;
		status = resolve_sub_graph(r, g, n, n->attrs[i].graph);
		if (status < 0)
			return status;
	}
	row = rt_op_find(n->domain, n->op_type, n->opset);
	if (row == NULL) {
		const struct rt_attr *why = rt_node_attr(n, RT_ATTR_WHY);

		if (why != NULL && n->domain == RT_OTHER && why->kind == RT_ATTR_STRING)
			cannot_run(r, n, "%.*s", why->s.size < 150 ? (int)why->s.size : 150,
				   why->s.bytes);
		else if (rt_op_known(n->domain, n->op_type))
			cannot_run(r, n, "not at this opset");
		else
			cannot_run(r, n, "no such operator");
		return RT_OK;
	}
	n->op = row->op;
	n->dtypes = row->dtypes;
	n->dtype_input = row->dtype_input;
	status = check_counts(r, n, n->op);
	return status < 0 ? status : infer_types(r, g, n);
}

static int resolve_graph(struct resolve *r, struct rt_graph *g)
{
	for (int i = 0; i < g->node_count; i++) {
		int status = g->nodes[i].dead ? RT_OK : resolve_node(r, g, &g->nodes[i]);

		if (status < 0)
			return status;
	}
	return RT_OK;
}

static int no_type(const struct resolve *r, const struct rt_graph *g, int v)
{
	const struct rt_value *value = &g->values[v];

	return rt_error_set(r->err, RT_UNSUPPORTED, "%s '%.200s' has no type that is known here",
			    value->is_input    ? "input"
			    : value->is_output ? "output"
					       : "value",
			    value->name);
}

/* Every value must be a tensor of a known type. */
static int check_types(const struct resolve *r, const struct rt_graph *g)
{
	for (int i = 0; i < g->input_count; i++) {
		if (g->values[g->inputs[i]].dtype == RT_NONE)
			return no_type(r, g, g->inputs[i]);
	}
	for (int i = 0; i < g->output_count; i++) {
		if (g->values[g->outputs[i]].dtype == RT_NONE)
			return no_type(r, g, g->outputs[i]);
	}
	for (int i = 0; i < g->node_count; i++) {
		const struct rt_node *n = &g->nodes[i];
		int status = RT_OK;

		for (int k = 0; k < n->out_count && !n->dead; k++) {
			if (n->out[k] != RT_NO_VALUE && g->values[n->out[k]].dtype == RT_NONE)
				return no_type(r, g, n->out[k]);
		}
		for (int k = 0; k < n->attr_count && status == RT_OK; k++) {
			if (n->attrs[k].kind == RT_ATTR_GRAPH)
				status = check_types(r, n->attrs[k].graph);
		}
		if (status < 0)
			return status;
	}
	return RT_OK;
}

int rt_graph_resolve(struct rt_graph *g, struct rt_error *err)
{
	struct resolve *r = calloc(1, sizeof(*r));
	int status;

	if (r == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	r->err = err;
	status = resolve_graph(r, g);
	if (status == RT_OK && r->group_count > 0)
		status = tell(r);
	if (status == RT_OK)
		status = check_types(r, g);
	free(r->types);
	free(r);
	return status;
}
