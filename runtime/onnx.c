/* SPDX-License-Identifier: MIT */
/*
 * onnx.c — ModelProto and GraphProto: opsets, names, initialisers, inputs and
 * outputs.  Called by model.c once per model, and by tests for single tensors.
 *
 * A graph is read in four passes over its bytes, which costs little because
 * messages are stepped over whole: initialisers, inputs, nodes, outputs.  Nodes
 * may come in any order in the file; a name that is read before it is made
 * waits in the scope until rt_onnx_settle.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/onnx_reader.h"

int(rt_onnx_no_memory)(struct rt_onnx_reader *r)
{
	return rt_error_set(r->err, RT_BUDGET,
			    "what the model needs in memory goes beyond its budget of %zu bytes",
			    r->root->memory.budget);
}

int rt_onnx_grow(struct rt_onnx_reader *r, void **array, int count, int *cap, size_t size)
{
	int wanted = *cap == 0 ? 8 : *cap * 2; /* callers bound ${count} far below INT_MAX */
	void *bigger;

	if (count < *cap)
		return RT_OK;
	bigger = rt_graph_alloc(r->root, (size_t)wanted * size);
	if (bigger == NULL)
		return rt_onnx_no_memory(r);
	if (count > 0)
		memcpy(bigger, *array, (size_t)count * size);
	*array = bigger;
	*cap = wanted;
	return RT_OK;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* UTF-8 (RFC 3629) without NUL. */
static bool is_text(struct rt_str s)
{
	const unsigned char *p = (const unsigned char *)s.bytes, *end = p + s.size;

	while (p < end) {
		unsigned more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
		uint32_t c = more == 0 ? *p : *p & (0x3fu >> more);

		if (*p == 0 || (*p >= 0x80 && *p < 0xc2) || *p > 0xf4 || (size_t)(end - p) <= more)
			return false;
		for (unsigned i = 1; i <= more; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (p[i] & 0x3f);
		}
		if ((more == 2 && c < 0x800) || (more == 3 && c < 0x10000) || c > 0x10ffff ||
		    (c >= 0xd800 && c < 0xe000))
			return false;
		p += more + 1;
	}
	return true;
}

static int check_name(struct rt_onnx_reader *r, struct rt_str s)
{
	if (s.size > RT_ONNX_NAME_MAX)
		return rt_error_set(r->err, RT_MALFORMED, "a name of %zu bytes", s.size);
	if (s.size > 0 && !is_text(s))
		return rt_error_set(r->err, RT_MALFORMED, "a name that is not UTF-8");
	return RT_OK;
}

int rt_onnx_name(struct rt_onnx_reader *r, const struct rt_field *f, const char **out)
{
	struct rt_str s;
	int status = rt_wire_string(f, &s, r->err);

	if (status == RT_OK)
		status = check_name(r, s);
	if (status < 0)
		return rt_error_wrap(r->err, "byte %zu", f->offset);
	*out = rt_graph_strdup(r->root, s.bytes, s.size);
	return *out != NULL ? RT_OK : rt_onnx_no_memory(r);
}

/* The number of ${name} in the scope, with a new value of the graph if it has none. */
static int slot_of(struct rt_onnx_scope *s, struct rt_str name, bool *is_new, int *out)
{
	int *slot, status = check_name(s->r, name);
	char *copy;

	if (status < 0)
		return status;
	slot = rt_names_put(&s->names, name);
	if (slot == NULL)
		return rt_onnx_no_memory(s->r);
	*is_new = *slot == -1;
	if (*is_new) {
		copy = rt_graph_strdup(s->r->root, name.bytes, name.size);
		if (copy == NULL)
			return rt_onnx_no_memory(s->r);
		*slot = rt_graph_add_value(s->graph, copy, RT_NONE);
		if (*slot < 0)
			return rt_onnx_no_memory(s->r);
	}
	*out = *slot == RT_ONNX_ABSENT ? RT_NO_VALUE : *slot;
	return RT_OK;
}

int rt_onnx_look_up(struct rt_onnx_scope *s, struct rt_str name, int *out)
{
	bool is_new;
	int status = slot_of(s, name, &is_new, out);
	struct rt_str *bigger;
	int cap;

	if (status < 0 || !is_new)
		return status;
	if (s->pending_count == s->pending_cap) {
		cap = s->pending_cap == 0 ? 64 : s->pending_cap * 2;
		bigger = realloc(s->pending, (size_t)cap * sizeof(*bigger));
		if (bigger == NULL)
			return rt_onnx_no_memory(s->r);
		s->pending = bigger;
		s->pending_cap = cap;
	}
	s->pending[s->pending_count++] = name;
	return RT_OK;
}

int rt_onnx_define(struct rt_onnx_scope *s, struct rt_str name, int *out)
{
	bool is_new;
	int status;

	if (name.size == 0)
		return rt_error_set(s->r->err, RT_MALFORMED, "an empty name");
	status = slot_of(s, name, &is_new, out);
	if (status < 0)
		return status;
	if (*out == RT_NO_VALUE || s->graph->values[*out].is_defined)
		return rt_error_set(s->r->err, RT_MALFORMED, "'%.*s' is made twice",
				    (int)(name.size < 200 ? name.size : 200), name.bytes);
	s->graph->values[*out].is_defined = true;
	return RT_OK;
}

int rt_onnx_settle(struct rt_onnx_scope *s)
{
	for (int i = 0; i < s->pending_count; i++) {
		struct rt_str name = s->pending[i];
		int v = *rt_names_find(&s->names, name), outer, status;

		if (s->graph->values[v].is_defined)
			continue;
		if (s->parent == NULL)
			return rt_error_set(s->r->err, RT_MALFORMED,
					    "'%s' is read, but nothing makes it",
					    s->graph->values[v].name);
		status = rt_onnx_look_up(s->parent, name, &outer);
		if (status < 0)
			return status;
		if (outer == RT_NO_VALUE)
			return rt_error_set(s->r->err, RT_UNSUPPORTED,
					    "'%s' is an input of a function that is left out",
					    s->graph->values[v].name);
		s->graph->values[v].outer = outer;
		s->graph->values[v].is_defined = true;
	}
	return RT_OK;
}

void rt_onnx_scope_release(struct rt_onnx_scope *s)
{
	rt_names_release(&s->names);
	free(s->pending);
	s->pending = NULL;
}

/* ---- graphs ---------------------------------------------------------------------------------- */

/* Fields of GraphProto. */
enum { NODE = 1, INITIALIZER = 5, INPUT = 11, OUTPUT = 12, VALUE_INFO = 13, SPARSE = 15 };

static int initializer(struct rt_onnx_scope *s, const struct rt_field *f, struct rt_wire w)
{
	struct rt_str name;
	struct rt_tensor t;
	struct rt_value *value;
	int v, status;

	s->r->leave = f->number == INITIALIZER && s->graph->parent == NULL;
	status = f->number == INITIALIZER ? rt_onnx_tensor(s->r, w, &name, &t)
					  : rt_onnx_sparse(s->r, w, &name, &t);
	s->r->leave = false;
	if (status == RT_OK)
		status = rt_onnx_define(s, name, &v);
	if (status != RT_OK)
		return rt_error_wrap(s->r->err, "byte %zu: initialiser", f->offset);
	value = &s->graph->values[v];
	value->dtype = t.dtype;
	value->shape = t.shape;
	value->is_constant = true;
	value->constant = t;
	return RT_OK;
}

/* What an input, output or value_info says of a value. */
static void describe(struct rt_value *v, const struct rt_value *info)
{
	memcpy(v->dim_names, info->dim_names, sizeof(v->dim_names));
	if (v->is_constant)
		return;
	if (v->dtype == RT_NONE)
		v->dtype = info->dtype;
	if (v->shape.rank < 0)
		v->shape = info->shape;
}

static int input(struct rt_onnx_scope *s, struct rt_wire w, int *list)
{
	struct rt_graph *g = s->graph;
	struct rt_value info;
	struct rt_str name;
	int v = RT_NO_VALUE, *known, status;

	status = rt_onnx_value_info(s->r, w, &name, &info);
	if (status < 0)
		return rt_error_wrap(s->r->err, "input '%.128s'",
				     info.name != NULL ? info.name : "");
	known = rt_names_find(&s->names, name);
	if (known != NULL && *known >= 0 && g->values[*known].is_constant &&
	    !g->values[*known].is_input)
		v = *known; /* an input that has an initialiser */
	else if (rt_onnx_define(s, name, &v) < 0)
		return rt_error_wrap(s->r->err, "input");
	g->values[v].is_input = true;
	describe(&g->values[v], &info);
	list[g->input_count++] = v;
	return RT_OK;
}

static int output(struct rt_onnx_scope *s, struct rt_wire w, int *list)
{
	struct rt_graph *g = s->graph;
	struct rt_value info;
	struct rt_str name;
	int v, status;

	status = rt_onnx_value_info(s->r, w, &name, &info);
	if (status == RT_OK && name.size == 0)
		status = rt_error_set(s->r->err, RT_MALFORMED, "an empty name");
	if (status == RT_OK)
		status = rt_onnx_look_up(s, name, &v);
	if (status != RT_OK)
		return rt_error_wrap(s->r->err, "output '%.128s'",
				     info.name != NULL ? info.name : "");
	if (v == RT_NO_VALUE)
		return rt_error_set(s->r->err, RT_UNSUPPORTED, "output '%.128s' is left out",
				    info.name);
	g->values[v].is_output = true;
	describe(&g->values[v], &info);
	list[g->output_count++] = v;
	return RT_OK;
}

static int value_info(struct rt_onnx_scope *s, struct rt_wire w)
{
	struct rt_value info;
	struct rt_str name;
	int *known, status;

	status = rt_onnx_value_info(s->r, w, &name, &info);
	if (status == RT_UNSUPPORTED)
		return RT_OK; /* it may be of a value that nobody reads; types are inferred */
	if (status < 0)
		return status;
	known = rt_names_find(&s->names, name);
	if (known != NULL && *known >= 0)
		describe(&s->graph->values[*known], &info);
	return RT_OK;
}

/* Which fields a pass over a graph takes. */
static bool pass_takes(int pass, uint32_t number)
{
	switch (pass) {
	case 0:
		return number == INITIALIZER || number == SPARSE;
	case 1:
		return number == INPUT;
	case 2:
		return number == NODE;
	default:
		return number == OUTPUT || number == VALUE_INFO;
	}
}

static int graph_field(struct rt_onnx_scope *s, const struct rt_field *f, struct rt_wire w)
{
	switch (f->number) {
	case INITIALIZER:
	case SPARSE:
		return initializer(s, f, w);
	case INPUT:
		return input(s, w, s->graph->inputs);
	case NODE:
		return rt_onnx_node(s, w);
	case OUTPUT:
		return output(s, w, s->graph->outputs);
	default:
		return value_info(s, w);
	}
}

/* Count inputs and outputs, to have room for them. */
static int make_ports(struct rt_onnx_scope *s, struct rt_wire w)
{
	size_t inputs = 0, outputs = 0;
	struct rt_field f;
	int status;

	while ((status = rt_wire_next(&w, &f, s->r->err)) > 0) {
		inputs += f.number == INPUT;
		outputs += f.number == OUTPUT;
	}
	if (status < 0)
		return status;
	if (inputs > RT_ONNX_TENSORS_MAX || outputs > RT_ONNX_TENSORS_MAX)
		return rt_error_set(s->r->err, RT_MALFORMED, "more than %d inputs or outputs",
				    RT_ONNX_TENSORS_MAX);
	s->graph->inputs = rt_graph_alloc(s->graph, inputs * sizeof(int));
	s->graph->outputs = rt_graph_alloc(s->graph, outputs * sizeof(int));
	if (s->graph->inputs == NULL || s->graph->outputs == NULL)
		return rt_onnx_no_memory(s->r);
	return RT_OK;
}

int rt_onnx_graph(struct rt_onnx_scope *s, struct rt_wire w)
{
	int status = make_ports(s, w);

	for (int pass = 0; pass < 4 && status >= 0; pass++) {
		struct rt_wire at = w, sub;
		struct rt_field f;

		while ((status = rt_wire_next(&at, &f, s->r->err)) > 0) {
			if (!pass_takes(pass, f.number))
				continue;
			status = rt_wire_enter(&at, &f, &sub, s->r->err);
			if (status == RT_OK)
				status = graph_field(s, &f, sub);
			if (status < 0)
				return status;
		}
	}
	if (status == RT_OK)
		status = rt_onnx_settle(s);
	return status < 0 ? status : rt_graph_sort(s->graph, s->r->err);
}

/* ---- models ---------------------------------------------------------------------------------- */

/* OperatorSetIdProto */
int rt_onnx_read_import(struct rt_onnx_reader *r, struct rt_wire w, struct rt_onnx_imports *imports)
{
	struct rt_onnx_import import = {.domain = ""};
	void *array = imports->list;
	struct rt_field f;
	int status;

	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number == 1)
			status = rt_onnx_name(r, &f, &import.domain);
		else if (f.number == 2)
			status = rt_wire_int(&f, &import.version, r->err);
		if (status < 0)
			return status;
	}
	if (status < 0)
		return status;
	if (strcmp(import.domain, "ai.onnx") == 0)
		import.domain = "";
	if (import.version < 1 || import.version > INT32_MAX)
		return rt_error_set(r->err, RT_MALFORMED, "opset %lld of domain '%.128s'",
				    (long long)import.version, import.domain);
	for (int i = 0; i < imports->count; i++) {
		if (strcmp(imports->list[i].domain, import.domain) != 0)
			continue;
		if (imports->list[i].version < import.version)
			imports->list[i].version = import.version;
		return RT_OK; /* named again: the newer counts */
	}
	if (imports->count == RT_ONNX_FUNCTIONS_MAX)
		return rt_error_set(r->err, RT_MALFORMED, "more than %d opsets",
				    RT_ONNX_FUNCTIONS_MAX);
	status = rt_onnx_grow(r, &array, imports->count, &imports->cap, sizeof(*imports->list));
	if (status < 0)
		return status;
	imports->list = array;
	imports->list[imports->count++] = import;
	return RT_OK;
}

/* Everything but the graph, which needs it. */
static int model_fields(struct rt_onnx_reader *r, struct rt_wire w, struct rt_onnx_imports *imports,
			struct rt_wire *graph)
{
	bool has_graph = false, has_version = false;
	struct rt_wire sub;
	struct rt_field f;
	int64_t version;
	int status;

	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number == 1) {
			has_version = true;
			status = rt_wire_int(&f, &version, r->err);
			if (status == RT_OK && (version < 1 || version > 1000))
				return rt_error_set(r->err, RT_MALFORMED, "IR version %lld",
						    (long long)version);
		} else if (f.number == 7) {
			if (has_graph)
				return rt_error_set(r->err, RT_MALFORMED,
						    "byte %zu: a second graph", f.offset);
			has_graph = true;
			status = rt_wire_enter(&w, &f, graph, r->err);
		} else if (f.number == 8 || f.number == 25) {
			status = rt_wire_enter(&w, &f, &sub, r->err);
			if (status == RT_OK)
				status = f.number == 8 ? rt_onnx_read_import(r, sub, imports)
						       : rt_onnx_function_read(r, sub);
		}
		if (status < 0)
			return status;
	}
	if (status < 0)
		return status;
	if (!has_version || !has_graph)
		return rt_error_set(r->err, RT_MALFORMED, "this is not an ONNX model: it has no %s",
				    has_graph ? "IR version" : "graph");
	return RT_OK;
}

int rt_onnx_read_model(struct rt_bytes file, const struct rt_onnx_opts *opts, struct rt_graph **out,
		       struct rt_error *err)
{
	struct rt_onnx_reader r = {.root = rt_graph_new(), .opts = opts, .err = err};
	struct rt_onnx_imports imports = {.count = 0};
	struct rt_onnx_scope scope = {.r = &r, .graph = r.root, .imports = &imports};
	struct rt_wire graph = {.at = NULL};
	int status;

	if (r.root == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	*out = r.root; /* from the beginning, for callers that are torn away (guard.h) */
	if (opts->memory_budget > 0)
		r.root->memory.budget = opts->memory_budget;
	r.root->memory.ledger = opts->ledger;
	status = model_fields(&r, rt_wire_open(file), &imports, &graph);
	if (status < 0)
		goto fail;
	for (int i = 0; i < imports.count; i++)
		r.root->opset[rt_domain_of(imports.list[i].domain)] = imports.list[i].version;
	if (r.root->opset[RT_ONNX] == 0)
		r.root->opset[RT_ONNX] = imports.count == 0 ? 1 : 0; /* files of IR version 1, 2 */
	rt_names_init(&scope.names);
	status = rt_onnx_graph(&scope, graph);
	rt_onnx_scope_release(&scope);
	if (status < 0)
		goto fail;
	return RT_OK;
fail:
	rt_graph_free(r.root);
	*out = NULL;
	return status;
}

int rt_onnx_read_tensor(struct rt_bytes file, struct rt_graph *owner, const char **name,
			struct rt_tensor *out, struct rt_error *err)
{
	struct rt_onnx_reader r = {.root = owner, .err = err};
	struct rt_str text;
	int status = rt_onnx_tensor(&r, rt_wire_open(file), &text, out);

	if (status < 0 || name == NULL)
		return status;
	*name = rt_graph_strdup(owner, text.bytes, text.size);
	return *name != NULL ? RT_OK : rt_onnx_no_memory(&r);
}
