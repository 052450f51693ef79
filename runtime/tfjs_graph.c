/* SPDX-License-Identifier: MIT */
/*
 * tfjs_graph.c — graph models: the nodes of a GraphDef in the order in which
 * they are needed, inputs and outputs by the signature, functions of the library
 * put in place of their calls.  Called by tfjs.c; the operators are in
 * tfjs_op_*.c.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tfjs_op.h"
#include "runtime/tfjs_scope.h"

#define NODES_MAX 65536

static const struct {
	const char *name;
	rt_tfjs_op_f *lower;
	const char *to;
} ops[] = {
#define TFJS_OP(name, lower, to) {#name, rt_tfjs_op_##lower, to},
#include "runtime/tfjs_ops.def"
#undef TFJS_OP
};

/* ---- scopes ---------------------------------------------------------------------------------- */

void rt_tfjs_graph_release(struct rt_tfjs_scope *s)
{
	if (!s->borrows)
		rt_names_release(&s->names);
	free(s->nodes);
	free(s->values);
	free(s->stack);
}

static bool scope_open(struct rt_tfjs_scope *s, struct rt_tfjs *t, int room, int calls)
{
	*s = (struct rt_tfjs_scope){.t = t, .calls = calls};
	rt_names_init(&s->names);
	if (room < 0 || room > NODES_MAX) {
		(void)rt_lower_fail(&t->l, RT_MALFORMED, "more than %d nodes", NODES_MAX);
		return false;
	}
	s->nodes = calloc((size_t)room + 1, sizeof(*s->nodes));
	s->stack = calloc((size_t)room + 1, sizeof(*s->stack));
	if (s->nodes == NULL || s->stack == NULL) {
		(void)rt_lower_fail(&t->l, RT_MEMORY, "out of memory");
		return false;
	}
	return true;
}

bool rt_tfjs_graph_fresh(const struct rt_tfjs_scope *s, struct rt_tfjs_scope *out)
{
	*out = (struct rt_tfjs_scope){.t = s->t,
				      .names = s->names,
				      .borrows = true,
				      .count = s->count,
				      .calls = s->calls + 1};
	out->nodes = calloc((size_t)s->count + 1, sizeof(*out->nodes));
	out->stack = calloc((size_t)s->count + 1, sizeof(*out->stack));
	if (out->nodes == NULL || out->stack == NULL || out->calls > RT_TFJS_CALLS_MAX) {
		(void)rt_lower_fail(&s->t->l, RT_UNSUPPORTED, "loops or calls that are too deep");
		return false;
	}
	for (int i = 0; i < s->count; i++) {
		out->nodes[i].name = s->nodes[i].name;
		out->nodes[i].json = s->nodes[i].json;
	}
	return true;
}

static struct rt_tfjs_node *add_node(struct rt_tfjs_scope *s, struct rt_str name,
				     const struct rt_json *json)
{
	struct rt_lower *l = &s->t->l;
	struct rt_tfjs_node *n = &s->nodes[s->count];
	int *slot;

	if (name.bytes == NULL || name.size == 0 || name.size > RT_ONNX_NAME_MAX) {
		(void)rt_lower_fail(l, RT_MALFORMED, "a node without a name");
		return NULL;
	}
	slot = rt_names_put(&s->names, name);
	if (slot == NULL || *slot >= 0) {
		(void)rt_lower_fail(l, slot == NULL ? RT_MEMORY : RT_MALFORMED,
				    "node '%.*s' is there twice",
				    (int)(name.size < 200 ? name.size : 200), name.bytes);
		return NULL;
	}
	*slot = s->count++;
	*n = (struct rt_tfjs_node){.name = name, .json = json};
	return n;
}

static bool add_value(struct rt_tfjs_scope *s, int v)
{
	if (s->value_count == s->value_cap) {
		int cap = s->value_cap == 0 ? 64 : s->value_cap * 2;
		int *bigger = realloc(s->values, sizeof(*bigger) * (size_t)cap);

		if (bigger == NULL) {
			(void)rt_lower_fail(&s->t->l, RT_MEMORY, "out of memory");
			return false;
		}
		s->values = bigger;
		s->value_cap = cap;
	}
	s->values[s->value_count++] = v;
	return true;
}

void rt_tfjs_graph_set(struct rt_tfjs_scope *s, struct rt_tfjs_node *n, const int *v, int count)
{
	n->first = s->value_count;
	n->count = count;
	n->state = RT_TFJS_DONE;
	for (int i = 0; i < count; i++) {
		if (!add_value(s, v[i]))
			return;
	}
}

/* ---- names of values ------------------------------------------------------------------------- */

struct rt_tfjs_ref rt_tfjs_graph_ref(struct rt_str s)
{
	struct rt_tfjs_ref r = {.name = s, .output = {"", 0}};
	const char *colon, *last;

	if (s.bytes == NULL)
		return r;
	if (s.size > 0 && s.bytes[0] == '^') {
		r.control = true;
		r.name = (struct rt_str){s.bytes + 1, s.size - 1};
		return r;
	}
	colon = memchr(s.bytes, ':', s.size);
	if (colon == NULL)
		return r;
	last = memrchr(s.bytes, ':', s.size);
	r.name.size = (size_t)(colon - s.bytes);
	if (last > colon)
		r.output = (struct rt_str){colon + 1, (size_t)(last - colon) - 1};
	for (const char *p = last + 1; p < s.bytes + s.size && r.index < RT_TFJS_ARGS_MAX; p++)
		r.index = *p >= '0' && *p <= '9' ? r.index * 10 + (*p - '0') : RT_TFJS_ARGS_MAX;
	return r;
}

/* Which output of the node is meant; outputs that are not lists have names in functions. */
static int output_index(const struct rt_tfjs_node *n, const struct rt_tfjs_ref *r)
{
	static const struct {
		const char *op, *output;
		int index;
	} second[] = {
	    {"TopKV2", "indices", 1},
	    {"NonMaxSuppressionV4", "valid_outputs", 1},
	    {"NonMaxSuppressionV5", "selected_scores", 1},
	    {"NonMaxSuppressionV5", "valid_outputs", 2},
	    {"Unique", "idx", 1},
	    {"UniqueV2", "idx", 1},
	    {"Switch", "output_true", 1},
	    {"Merge", "value_index", 1},
	    {"MaxPoolWithArgmax", "argmax", 1},
	    {"TensorArrayV3", "flow", 1},
	};

	for (size_t i = 0; i < sizeof(second) / sizeof(*second); i++) {
		if (rt_json_equal(r->output, second[i].output) &&
		    rt_json_is(rt_json_get(n->json, "op"), second[i].op))
			return second[i].index + r->index;
	}
	return r->index;
}

struct rt_tfjs_node *rt_tfjs_graph_find(const struct rt_tfjs_scope *s, struct rt_str name)
{
	const int *slot = rt_names_find(&s->names, name);

	return slot != NULL && *slot >= 0 ? &s->nodes[*slot] : NULL;
}

static struct rt_tfjs_node *need_node(struct rt_tfjs_scope *s, struct rt_str name)
{
	struct rt_tfjs_node *n = name.bytes != NULL ? rt_tfjs_graph_find(s, name) : NULL;

	if (n == NULL)
		(void)rt_lower_fail(&s->t->l, RT_MALFORMED, "node '%.*s' is not there",
				    (int)(name.size < 200 ? name.size : 200),
				    name.bytes != NULL ? name.bytes : "");
	return n;
}

/* The value that a reference to a node that is done means. */
static int value_of(struct rt_tfjs_scope *s, const struct rt_tfjs_node *n,
		    const struct rt_tfjs_ref *r)
{
	int index = output_index(n, r);

	if (n->missing && n->count > 0)
		index = 0;
	if (index >= n->count)
		return rt_lower_fail(&s->t->l, RT_MALFORMED, "'%.*s' has no output %d",
				     (int)(n->name.size < 200 ? n->name.size : 200), n->name.bytes,
				     index);
	return s->values[n->first + index];
}

/* ---- one node -------------------------------------------------------------------------------- */

static void lower_op(struct rt_tfjs_op *c, struct rt_str op)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		if (!rt_json_equal(op, ops[i].name))
			continue;
		c->to = ops[i].to;
		ops[i].lower(c);
		return;
	}
	rt_tfjs_op_missing(c, NULL);
}

static bool takes_inputs(const struct rt_tfjs_op *c)
{
	for (int i = 0; i < c->in_count; i++) {
		if (rt_tfjs_op_is_complex(c->t, c->in[i]) && !rt_tfjs_op_takes_complex(c->op))
			return false;
	}
	return true;
}

static int read_inputs(struct rt_tfjs_scope *s, const struct rt_tfjs_node *n, int *in)
{
	int count = 0;

	for (const struct rt_json *i = rt_json_items(rt_json_get(n->json, "input")); i != NULL;
	     i = i->next) {
		struct rt_tfjs_ref r = rt_tfjs_graph_ref(rt_json_text(i));
		struct rt_tfjs_node *from;

		if (r.control)
			continue;
		from = need_node(s, r.name);
		if (from == NULL)
			return 0;
		in[count++] = value_of(s, from, &r);
	}
	return count;
}

static void lower_node(struct rt_tfjs_scope *s, struct rt_tfjs_node *n)
{
	struct rt_lower *l = &s->t->l;
	struct rt_str op = rt_json_text(rt_json_get(n->json, "op"));
	int inputs = rt_json_count(rt_json_get(n->json, "input"));
	struct rt_tfjs_op c = {
	    .t = s->t, .l = l, .attr = rt_json_get(n->json, "attr"), .calls = s->calls};
	const char *at = l->at;
	int *room;

	if (rt_json_equal(op, "Exit")) {
		rt_tfjs_loop_exit(s, n);
		return;
	}
	if (inputs > RT_TFJS_ARGS_MAX || op.bytes == NULL || op.size > 128) {
		(void)rt_lower_fail(l, RT_MALFORMED,
				    "a node without an operator, or with more "
				    "than %d inputs",
				    RT_TFJS_ARGS_MAX);
		return;
	}
	l->at = rt_lower_strdup(l, n->name.bytes, n->name.size);
	c.op = rt_lower_strdup(l, op.bytes, op.size);
	room = calloc((size_t)inputs + RT_TFJS_ARGS_MAX, sizeof(*room));
	if (room == NULL) {
		(void)rt_lower_fail(l, RT_MEMORY, "out of memory");
		return;
	}
	c.in = room;
	c.out = room + inputs;
	c.in_count = read_inputs(s, n, c.in);
	if (l->status == RT_OK) {
		int weight =
		    rt_json_equal(op, "Const") ? rt_tfjs_weights_find(s->t, n->name) : RT_NO_VALUE;

		if (weight != RT_NO_VALUE)
			rt_tfjs_op_give(&c, weight);
		else if (!takes_inputs(&c))
			rt_tfjs_op_missing(&c, "of complex numbers");
		else if (rt_json_equal(op, "Merge"))
			rt_tfjs_loop_merge(s, n, &c);
		else
			lower_op(&c, op);
	}
	n->missing = c.missing;
	rt_tfjs_graph_set(s, n, c.out, c.out_count);
	free(room);
	l->at = at;
}

/* What leaves a loop of TensorFlow 1 finds what it reads itself. */
static void open_node(struct rt_tfjs_scope *s, struct rt_tfjs_node *n)
{
	n->state = RT_TFJS_OPEN;
	n->next = rt_json_items(rt_json_get(n->json, "input"));
	if (rt_json_is(rt_json_get(n->json, "op"), "Exit"))
		n->next = NULL;
	s->stack[s->depth++] = (int)(n - s->nodes);
}

/* Lower what ${root} stands on, then it itself. */
static void lower_needed(struct rt_tfjs_scope *s, struct rt_tfjs_node *root)
{
	int base = s->depth; /* loops ask for more while they are lowered */

	if (root->state == RT_TFJS_DONE)
		return;
	open_node(s, root);
	while (s->depth > base && s->t->l.status == RT_OK) {
		struct rt_tfjs_node *n = &s->nodes[s->stack[s->depth - 1]], *from;
		struct rt_tfjs_ref r;

		if (n->next == NULL) {
			s->depth--;
			lower_node(s, n);
			continue;
		}
		r = rt_tfjs_graph_ref(rt_json_text(n->next));
		n->next = n->next->next;
		from = r.control ? NULL : need_node(s, r.name);
		if (from == NULL || from->state == RT_TFJS_DONE)
			continue;
		if (from->state == RT_TFJS_OPEN) {
			(void)rt_lower_fail(
			    &s->t->l, RT_UNSUPPORTED, "node '%.*s' depends on itself",
			    (int)(from->name.size < 200 ? from->name.size : 200), from->name.bytes);
			return;
		}
		open_node(s, from);
	}
}

/* The value of a reference, lowered if it is not yet. */
int rt_tfjs_graph_need(struct rt_tfjs_scope *s, struct rt_str text)
{
	struct rt_tfjs_ref r = rt_tfjs_graph_ref(text);
	struct rt_tfjs_node *n = need_node(s, r.name);

	if (n == NULL)
		return RT_NO_VALUE;
	lower_needed(s, n);
	return s->t->l.status == RT_OK ? value_of(s, n, &r) : RT_NO_VALUE;
}

/* ---- functions ------------------------------------------------------------------------------- */

static const struct rt_json *find_function(const struct rt_tfjs *t, struct rt_str name)
{
	const struct rt_json *library =
	    rt_json_get(rt_json_get(t->root, "modelTopology"), "library");
	const struct rt_json *f = rt_json_items(rt_json_get(library, "function"));

	for (; f != NULL; f = f->next) {
		struct rt_str s = rt_json_text(rt_json_get(rt_json_get(f, "signature"), "name"));

		if (s.bytes != NULL && s.size == name.size &&
		    memcmp(s.bytes, name.bytes, s.size) == 0)
			return f;
	}
	return NULL;
}

static void bind_args(struct rt_tfjs_scope *s, const struct rt_json *signature, int count,
		      const int *args)
{
	const struct rt_json *a = rt_json_items(rt_json_get(signature, "inputArg"));
	int i = 0;

	for (; a != NULL && i < count; a = a->next, i++) {
		struct rt_tfjs_node *n = add_node(s, rt_json_text(rt_json_get(a, "name")), a);

		if (n == NULL)
			return;
		rt_tfjs_graph_set(s, n, &args[i], 1);
	}
	if (a != NULL || i != count)
		(void)rt_lower_fail(&s->t->l, RT_MALFORMED, "a function is called with %d values",
				    count);
}

static int read_rets(struct rt_tfjs_scope *s, const struct rt_json *f, int max, int *outs)
{
	const struct rt_json *ret = rt_json_get(f, "ret");
	const struct rt_json *o =
	    rt_json_items(rt_json_get(rt_json_get(f, "signature"), "outputArg"));
	int count = 0;

	for (; o != NULL && s->t->l.status == RT_OK; o = o->next) {
		struct rt_str name = rt_json_text(rt_json_get(o, "name"));
		const struct rt_json *m = rt_json_members(ret);

		while (m != NULL && (name.bytes == NULL || m->key.size != name.size ||
				     memcmp(m->key.bytes, name.bytes, name.size) != 0))
			m = m->next;
		if (m == NULL || count == max) {
			(void)rt_lower_fail(&s->t->l, RT_MALFORMED,
					    "a function without a value for its output");
			return -1;
		}
		outs[count++] = rt_tfjs_graph_need(s, rt_json_text(m));
	}
	return s->t->l.status == RT_OK ? count : -1;
}

int rt_tfjs_graph_call(struct rt_tfjs_op *c, struct rt_str name, int count, const int *args,
		       int max, int *outs)
{
	const struct rt_json *f = name.bytes != NULL ? find_function(c->t, name) : NULL;
	const struct rt_json *nodes = rt_json_get(f, "nodeDef");
	struct rt_tfjs_scope s;
	int got = -1;

	if (c->l->status < 0)
		return -1;
	if (f == NULL || c->calls >= RT_TFJS_CALLS_MAX) {
		(void)rt_lower_fail(c->l, RT_MALFORMED,
				    f == NULL ? "a function that is not in the library"
					      : "functions call each other too deeply");
		return -1;
	}
	if (scope_open(&s, c->t, rt_json_count(nodes) + count, c->calls + 1)) {
		bind_args(&s, rt_json_get(f, "signature"), count, args);
		for (const struct rt_json *n = rt_json_items(nodes);
		     n != NULL && c->l->status == RT_OK; n = n->next)
			(void)add_node(&s, rt_json_text(rt_json_get(n, "name")), n);
		if (c->l->status == RT_OK)
			got = read_rets(&s, f, max, outs);
	}
	rt_tfjs_graph_release(&s);
	return got;
}

/* ---- inputs and outputs ---------------------------------------------------------------------- */

static const struct rt_json *signature_of(const struct rt_tfjs *t)
{
	const struct rt_json *s = rt_json_get(t->root, "signature");

	if (rt_json_count(rt_json_get(s, "outputs")) > 0)
		return s;
	s = rt_json_get(rt_json_get(t->root, "userDefinedMetadata"), "signature");
	return rt_json_count(rt_json_get(s, "outputs")) > 0 ? s : NULL;
}

/* TensorShapeProto; rank −1 where it says nothing. */
static struct rt_shape read_shape(const struct rt_json *j)
{
	struct rt_shape s = {.rank = -1};
	const struct rt_json *dims = rt_json_get(j, "dim");

	if (j == NULL || rt_json_bool(rt_json_get(j, "unknownRank"), false) ||
	    rt_json_count(dims) > RT_RANK_MAX)
		return s;
	s.rank = 0;
	for (const struct rt_json *d = rt_json_items(dims); d != NULL; d = d->next) {
		int64_t size = rt_json_int(rt_json_get(d, "size"), 0);

		s.dims[s.rank++] = size < 0 || size > INT32_MAX ? -1 : size;
	}
	return s;
}

/* ${info}: what the signature says, or NULL. */
static void make_input(struct rt_tfjs_scope *s, struct rt_tfjs_node *n, const struct rt_json *info)
{
	const struct rt_json *attr = rt_json_get(n->json, "attr");
	const struct rt_json *shape = rt_json_get(info, "tensorShape");
	enum rt_dtype t = rt_tfjs_op_type(rt_json_get(rt_json_get(attr, "dtype"), "type"));
	struct rt_shape declared;
	int v;

	if (shape == NULL)
		shape = rt_json_get(rt_json_get(attr, "shape"), "shape");
	if (t == RT_NONE)
		t = rt_tfjs_op_type(rt_json_get(info, "dtype"));
	declared = read_shape(shape);
	v = rt_lower_input(&s->t->l, rt_lower_strdup(&s->t->l, n->name.bytes, n->name.size), t,
			   &declared);
	rt_tfjs_graph_set(s, n, &v, 1);
}

static bool is_placeholder(const struct rt_tfjs_node *n)
{
	return rt_json_is(rt_json_get(n->json, "op"), "Placeholder");
}

/* Those of the signature in its order, then the others in the file's. */
static void make_inputs(struct rt_tfjs_scope *s, const struct rt_json *signature)
{
	const struct rt_json *m = rt_json_members(rt_json_get(signature, "inputs"));

	for (; m != NULL && s->t->l.status == RT_OK; m = m->next) {
		struct rt_tfjs_ref r = rt_tfjs_graph_ref(rt_json_text(rt_json_get(m, "name")));
		struct rt_tfjs_node *n =
		    r.name.bytes != NULL ? rt_tfjs_graph_find(s, r.name) : NULL;

		if (n != NULL && is_placeholder(n) && n->state == RT_TFJS_NEW)
			make_input(s, n, m);
	}
	for (int i = 0; i < s->count && s->t->l.status == RT_OK; i++) {
		if (is_placeholder(&s->nodes[i]) && s->nodes[i].state == RT_TFJS_NEW)
			make_input(s, &s->nodes[i], NULL);
	}
}

static void make_output(struct rt_tfjs_scope *s, struct rt_str ref)
{
	struct rt_lower *l = &s->t->l;
	int v = rt_tfjs_graph_need(s, ref);
	struct rt_tfjs_ref r = rt_tfjs_graph_ref(ref);
	char text[512];

	if (l->status < 0)
		return;
	if (rt_tfjs_op_is_complex(s->t, v)) {
		(void)rt_lower_fail(l, RT_UNSUPPORTED, "an output of complex numbers");
		return;
	}
	if (r.index == 0)
		(void)snprintf(text, sizeof(text), "%.*s",
			       (int)(r.name.size < 500 ? r.name.size : 500), r.name.bytes);
	else
		(void)snprintf(text, sizeof(text), "%.*s:%d",
			       (int)(r.name.size < 500 ? r.name.size : 500), r.name.bytes, r.index);
	rt_lower_output(l, v, rt_lower_strdup(l, text, strlen(text)));
}

/* Without a signature: what no other node reads. */
static void make_loose_outputs(struct rt_tfjs_scope *s)
{
	bool *read = calloc((size_t)s->count + 1, sizeof(*read));

	for (int i = 0; i < s->count && read != NULL; i++) {
		const struct rt_json *in = rt_json_items(rt_json_get(s->nodes[i].json, "input"));

		for (; in != NULL; in = in->next) {
			struct rt_tfjs_ref r = rt_tfjs_graph_ref(rt_json_text(in));
			const struct rt_tfjs_node *n =
			    r.name.bytes != NULL ? rt_tfjs_graph_find(s, r.name) : NULL;

			if (n != NULL)
				read[n - s->nodes] = true;
		}
	}
	for (int i = 0; i < s->count && s->t->l.status == RT_OK; i++) {
		if (read != NULL && !read[i] && !is_placeholder(&s->nodes[i]) &&
		    !rt_json_is(rt_json_get(s->nodes[i].json, "op"), "NoOp") &&
		    !rt_json_is(rt_json_get(s->nodes[i].json, "op"), "Const"))
			make_output(s, s->nodes[i].name);
	}
	free(read);
}

void rt_tfjs_graph(struct rt_tfjs *t, const struct rt_json *topology)
{
	const struct rt_json *nodes = rt_json_get(topology, "node"), *signature = signature_of(t);
	const struct rt_json *outputs = rt_json_get(signature, "outputs");
	struct rt_tfjs_scope s;

	if (scope_open(&s, t, rt_json_count(nodes), 0)) {
		for (const struct rt_json *n = rt_json_items(nodes);
		     n != NULL && t->l.status == RT_OK; n = n->next)
			(void)add_node(&s, rt_json_text(rt_json_get(n, "name")), n);
		rt_lower_ports(&t->l, s.count, s.count + rt_json_count(outputs));
		make_inputs(&s, signature);
		for (const struct rt_json *o = rt_json_members(outputs);
		     o != NULL && t->l.status == RT_OK; o = o->next)
			make_output(&s, rt_json_text(rt_json_get(o, "name")));
		if (outputs == NULL && t->l.status == RT_OK)
			make_loose_outputs(&s);
		if (t->l.graph->output_count == 0)
			(void)rt_lower_fail(&t->l, RT_MALFORMED, "the model has no outputs");
	}
	rt_tfjs_graph_release(&s);
}
