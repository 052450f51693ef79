/* SPDX-License-Identifier: MIT */
/*
 * tflite.c — a TensorFlow Lite model: operator codes, sub-graphs, and the walk
 * over operators, each lowered by its row of tflite.def.  Called by model.c
 * through format.c; must never trust an index of the file.
 *
 * A sub-graph is lowered where it is called: the tensors of that call are a scope
 * of its own.
 */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "runtime/tflite_reader.h"

enum { MODEL_VERSION, MODEL_CODES, MODEL_GRAPHS, MODEL_DESCRIPTION, MODEL_BUFFERS };
enum { CODE_OLD, CODE_CUSTOM, CODE_VERSION, CODE_BUILTIN };
enum { GRAPH_TENSORS, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPERATORS, GRAPH_NAME };
enum {
	OP_CODE,
	OP_INPUTS,
	OP_OUTPUTS,
	OP_OPTIONS_TYPE,
	OP_OPTIONS,
	OP_CUSTOM_OPTIONS,
	OP_OPTIONS2 = 12
};
#define CODE_CUSTOM_OP 32

static const struct rt_tflite_row rows[] = {
#define TFLITE(code, name, lower, op) {code, #name, rt_tflite_lower_##lower, op},
#define TFLITE_REFUSED(code, name) {code, #name, NULL, ""},
#include "runtime/tflite.def"
#undef TFLITE_REFUSED
#undef TFLITE
};

static const struct {
	const char *name;
	rt_tflite_lower_f *lower;
} customs[] = {
    {"TFLite_Detection_PostProcess", rt_tflite_lower_detection_postprocess},
};

bool rt_tflite_ok(const struct rt_tflite *r)
{
	return r->f.status == RT_OK && r->l.status == RT_OK;
}

/* ---- operator codes -------------------------------------------------------------------------- */

static struct rt_tflite_code builtin(struct rt_tflite *r, int code)
{
	char name[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].code == code)
			return (struct rt_tflite_code){&rows[i], rows[i].name};
	(void)snprintf(name, sizeof(name), "builtin operator %d", code);
	return (struct rt_tflite_code){NULL, rt_lower_strdup(&r->l, name, strlen(name))};
}

static void read_codes(struct rt_tflite *r, const struct rt_flatbuf_table *model)
{
	const struct rt_flatbuf_vector v = rt_flatbuf_vector(&r->f, model, MODEL_CODES, 4);

	if (v.count > RT_TFLITE_CODES_MAX)
		rt_flatbuf_bad(&r->f, v.at, "more than 4096 operator codes");
	if (!rt_tflite_ok(r))
		return;
	r->codes = rt_lower_alloc(&r->l, v.count * sizeof(*r->codes));
	for (size_t i = 0; i < v.count && rt_tflite_ok(r); i++) {
		const struct rt_flatbuf_table t = rt_flatbuf_table_at(&r->f, &v, i);
		const int old = (int)rt_flatbuf_int(&r->f, &t, CODE_OLD, 1, 0);
		const int new = (int)rt_flatbuf_int(&r->f, &t, CODE_BUILTIN, 4, 0);
		const int code = new > old ? new : old;
		struct rt_str name = rt_flatbuf_string(&r->f, &t, CODE_CUSTOM);

		if (code == CODE_CUSTOM_OP && name.size <= RT_TFLITE_NAME_MAX)
			r->codes[i].name = rt_lower_strdup(&r->l, name.bytes, name.size);
		else
			r->codes[i] = builtin(r, code);
	}
	r->code_count = v.count;
}

/* ---- scopes ---------------------------------------------------------------------------------- */

/* A vector of indices of tensors; −1 only where a tensor may be left out. */
static struct rt_flatbuf_vector indices(struct rt_tflite_scope *s, const struct rt_flatbuf_table *t,
					unsigned field, int least)
{
	struct rt_flatbuf *f = &s->r->f;
	const struct rt_flatbuf_vector v = rt_flatbuf_vector(f, t, field, 4);

	for (size_t i = 0; i < v.count && f->status == RT_OK; i++) {
		const int64_t k = rt_flatbuf_int_at(f, &v, i);

		if (k < least || k >= s->tensor_count)
			rt_flatbuf_bad(f, v.at + 4 * i, "an index of no tensor");
	}
	return v;
}

static bool enter(struct rt_tflite *r, int64_t graph, struct rt_tflite_scope *s)
{
	struct rt_flatbuf_vector tensors;

	*s = (struct rt_tflite_scope){.r = r};
	if (!rt_tflite_ok(r))
		return false;
	if (graph < 0 || (uint64_t)graph >= r->graphs.count) {
		rt_flatbuf_bad(&r->f, r->graphs.at, "a sub-graph that is not there is asked for");
		return false;
	}
	s->table = rt_flatbuf_table_at(&r->f, &r->graphs, (size_t)graph);
	tensors = rt_flatbuf_vector(&r->f, &s->table, GRAPH_TENSORS, 4);
	if (tensors.count > RT_TFLITE_TENSORS_MAX)
		rt_flatbuf_bad(&r->f, tensors.at, "more than 65536 tensors in a sub-graph");
	if (!rt_tflite_ok(r))
		return false;
	s->tensor_count = (int)tensors.count;
	s->tensors = rt_lower_alloc(&r->l, tensors.count * sizeof(*s->tensors));
	for (size_t i = 0; i < tensors.count && rt_tflite_ok(r); i++)
		rt_tflite_tensor_read(r, rt_flatbuf_table_at(&r->f, &tensors, i), &s->tensors[i]);
	s->inputs = indices(s, &s->table, GRAPH_INPUTS, 0);
	s->outputs = indices(s, &s->table, GRAPH_OUTPUTS, 0);
	return rt_tflite_ok(r);
}

static struct rt_tflite_tensor *port(struct rt_tflite_scope *s, const struct rt_flatbuf_vector *v,
				     size_t i)
{
	return &s->tensors[rt_flatbuf_int_at(&s->r->f, v, i)];
}

/* ---- operators ------------------------------------------------------------------------------- */

static int *index_list(struct rt_tflite_scope *s, const struct rt_flatbuf_table *t, unsigned field,
		       int *count)
{
	const struct rt_flatbuf_vector v = indices(s, t, field, -1);
	int *list = rt_lower_alloc(&s->r->l, (v.count + 1) * sizeof(*list));

	*count = 0;
	if (list == NULL || !rt_tflite_ok(s->r))
		return list;
	for (size_t i = 0; i < v.count; i++)
		list[(*count)++] = (int)rt_flatbuf_int_at(&s->r->f, &v, i);
	return list;
}

/* The name of a node is that of its first output. */
static const char *label(const struct rt_tflite_op *o)
{
	const struct rt_tflite_tensor *t = rt_tflite_out(o, 0);

	return t != NULL ? t->name : "";
}

static rt_tflite_lower_f *custom(const char *name)
{
	for (size_t i = 0; i < sizeof(customs) / sizeof(*customs); i++)
		if (strcmp(customs[i].name, name) == 0)
			return customs[i].lower;
	return NULL;
}

/* Complex numbers are a dimension of two more, which only these know of. */
static bool takes_complex(rt_tflite_lower_f *lower)
{
	static rt_tflite_lower_f *const those[] = {
	    rt_tflite_lower_rfft2d,  rt_tflite_lower_part,    rt_tflite_lower_complex_abs,
	    rt_tflite_lower_reshape, rt_tflite_lower_squeeze, rt_tflite_lower_expand_dims};

	for (size_t i = 0; i < sizeof(those) / sizeof(*those); i++)
		if (those[i] == lower)
			return true;
	return false;
}

static bool has_complex(const struct rt_tflite_op *o)
{
	bool any = false;

	for (int k = 0; k < o->in_count; k++)
		any = any || (rt_tflite_in(o, k) != NULL && rt_tflite_in(o, k)->is_complex);
	for (int k = 0; k < o->out_count; k++)
		any = any || (rt_tflite_out(o, k) != NULL && rt_tflite_out(o, k)->is_complex);
	return any;
}

static void lower_operator(struct rt_tflite_scope *s, struct rt_flatbuf_table table)
{
	struct rt_tflite *r = s->r;
	struct rt_tflite_op o = {.r = r, .l = &r->l, .s = s, .table = table};
	const uint64_t code = rt_flatbuf_uint(&r->f, &table, OP_CODE, 4, 0);
	rt_tflite_lower_f *lower;

	if (code >= r->code_count) {
		rt_flatbuf_bad(&r->f, table.at, "an operator code that is not there");
		return;
	}
	if (++r->ops > RT_TFLITE_OPS_MAX) {
		rt_flatbuf_bad(&r->f, table.at, "more than 65536 operators");
		return;
	}
	o.row = r->codes[code].row;
	o.name = r->codes[code].name;
	o.in = index_list(s, &table, OP_INPUTS, &o.in_count);
	o.out = index_list(s, &table, OP_OUTPUTS, &o.out_count);
	o.options = rt_flatbuf_sub(&r->f, &table, OP_OPTIONS);
	o.options2 = rt_flatbuf_sub(&r->f, &table, OP_OPTIONS2);
	if (!rt_tflite_ok(r))
		return;
	r->l.at = label(&o);
	lower = o.row != NULL ? o.row->lower : custom(o.name);
	if (lower == NULL)
		rt_tflite_refuse(&o, NULL);
	else if (!takes_complex(lower) && has_complex(&o))
		rt_tflite_refuse(&o, "not of complex numbers");
	else
		lower(&o);
}

static void lower_operators(struct rt_tflite_scope *s)
{
	struct rt_tflite *r = s->r;
	const struct rt_flatbuf_vector v = rt_flatbuf_vector(&r->f, &s->table, GRAPH_OPERATORS, 4);

	for (size_t i = 0; i < v.count && rt_tflite_ok(r); i++) {
		const struct rt_flatbuf_table t = rt_flatbuf_table_at(&r->f, &v, i);

		if (rt_tflite_ok(r))
			lower_operator(s, t);
	}
}

/* The value of output ${i} of a sub-graph, which may be one of its inputs or a constant. */
static int output_value(struct rt_tflite_scope *s, size_t i)
{
	const int k = (int)rt_flatbuf_int_at(&s->r->f, &s->outputs, i);
	struct rt_tflite_op o = {.r = s->r, .l = &s->r->l, .s = s, .in_count = 1, .in = &k};

	return rt_tflite_value(&o, 0);
}

void rt_tflite_inline(struct rt_tflite_op *o, int64_t graph, int in_count, const int *in,
		      int out_count, int *out)
{
	struct rt_tflite *r = o->r;
	const char *at = r->l.at;
	struct rt_tflite_scope s;

	for (int i = 0; i < out_count; i++)
		out[i] = RT_NO_VALUE;
	if (++r->depth > RT_TFLITE_CALLS_MAX)
		rt_flatbuf_bad(&r->f, o->table.at, "sub-graphs that call each other too deep");
	if (enter(r, graph, &s)) {
		if (s.inputs.count != (size_t)in_count || s.outputs.count < (size_t)out_count)
			rt_flatbuf_bad(&r->f, s.table.at,
				       "a sub-graph with other inputs or outputs than its call");
		for (int i = 0; i < in_count && rt_tflite_ok(r); i++)
			port(&s, &s.inputs, (size_t)i)->value = in[i];
		lower_operators(&s);
		for (int i = 0; i < out_count && rt_tflite_ok(r); i++)
			out[i] = output_value(&s, (size_t)i);
	}
	r->depth--;
	r->l.at = at;
}

/* ---- the model ------------------------------------------------------------------------------- */

/* Names of ports: as in the file, made different where they are not, made up where there is none.
 */
static const char *port_name(struct rt_tflite_scope *s, const struct rt_flatbuf_vector *v, size_t i,
			     const char *kind)
{
	const char *name = port(s, v, i)->name;
	char text[256];
	bool taken = name[0] == '\0';

	for (size_t k = 0; k < i && !taken; k++)
		taken = strcmp(port(s, v, k)->name, name) == 0;
	if (!taken)
		return name;
	(void)snprintf(text, sizeof(text), "%.200s%s%s_%zu", name, name[0] ? ":" : "", kind, i);
	return rt_lower_strdup(&s->r->l, text, strlen(text));
}

static void read_main(struct rt_tflite *r)
{
	struct rt_tflite_scope s;

	if (!enter(r, 0, &s))
		return;
	if (s.inputs.count > 4096 || s.outputs.count > 4096 || s.outputs.count == 0) {
		rt_flatbuf_bad(&r->f, s.table.at, "no outputs, or more than 4096 ports");
		return;
	}
	rt_lower_ports(&r->l, (int)s.inputs.count, (int)s.outputs.count);
	for (size_t i = 0; i < s.inputs.count && rt_tflite_ok(r); i++) {
		struct rt_tflite_tensor *t = port(&s, &s.inputs, i);

		if (t->value != RT_NO_VALUE)
			rt_flatbuf_bad(&r->f, s.inputs.at, "a tensor that is an input twice");
		if (t->dtype == RT_NONE || t->is_complex)
			(void)rt_lower_fail(&r->l, RT_UNSUPPORTED,
					    "input '%.100s' has element type %d", t->name, t->type);
		t->value = rt_lower_input(&r->l, port_name(&s, &s.inputs, i, "input"), t->dtype,
					  &t->shape);
	}
	lower_operators(&s);
	r->l.at = "";
	for (size_t i = 0; i < s.outputs.count && rt_tflite_ok(r); i++) {
		const struct rt_tflite_tensor *t = port(&s, &s.outputs, i);

		if (t->is_complex)
			(void)rt_lower_fail(&r->l, RT_UNSUPPORTED,
					    "output '%.100s' has element type %d", t->name,
					    t->type);
		rt_lower_output(&r->l, output_value(&s, i), port_name(&s, &s.outputs, i, "output"));
	}
}

static void read_model(struct rt_tflite *r)
{
	const struct rt_flatbuf_table model = rt_flatbuf_root(&r->f);
	const uint64_t version = rt_flatbuf_uint(&r->f, &model, MODEL_VERSION, 4, 0);

	if (r->f.status != RT_OK)
		return;
	if (r->f.size < 8 || memcmp(r->f.data + 4, "TFL3", 4) != 0 || version != 3) {
		rt_flatbuf_bad(&r->f, 4, "not a TensorFlow Lite model of version 3");
		return;
	}
	r->graphs = rt_flatbuf_vector(&r->f, &model, MODEL_GRAPHS, 4);
	r->buffers = rt_flatbuf_vector(&r->f, &model, MODEL_BUFFERS, 4);
	if (r->graphs.count == 0 || r->graphs.count > RT_TFLITE_GRAPHS_MAX)
		rt_flatbuf_bad(&r->f, model.at, "no sub-graph, or more than 1024");
	read_codes(r, &model);
	if (rt_tflite_ok(r))
		read_main(r);
}

int rt_tflite_read_model(struct rt_bytes file, const struct rt_onnx_opts *opts,
			 struct rt_graph **out, struct rt_error *err)
{
	struct rt_tflite r = {.f = rt_flatbuf_open(file, err)};
	int status = rt_lower_begin(&r.l, opts, "tflite", out, err);

	if (status < 0)
		return status;
	read_model(&r);
	if (r.f.status < 0)
		r.l.status = r.f.status; /* its text is in err: the first that was noted */
	return rt_lower_end(&r.l, out);
}
