/* SPDX-License-Identifier: MIT */
/*
 * lower.c — see lower.h.  Called by the front ends of TensorFlow's formats; never
 * looks at a file itself, and never while a model runs.
 */
#include <config.h>

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "runtime/lower.h"
#include "runtime/op.h"

#define ATTRS_STEP 8 /* attributes of a node grow by that many */
#define OUTPUTS_MAX 4096

/* ---- begin, end, errors ---------------------------------------------------------------------- */

int rt_lower_begin(struct rt_lower *l, const struct rt_onnx_opts *opts, const char *origin,
		   struct rt_graph **out, struct rt_error *err)
{
	struct rt_graph *g = rt_graph_new();

	if (g == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	*out = g;
	*l = (struct rt_lower){
	    .graph = g, .root = g, .err = err, .at = "", .origin = origin, .last = -1};
	if (opts->memory_budget > 0)
		g->memory.budget = opts->memory_budget;
	g->memory.ledger = opts->ledger;
	g->opset[RT_ONNX] = RT_LOWER_OPSET;
	g->opset[RT_ML] = 5;
	g->opset[RT_MS] = g->opset[RT_LARDER] = g->opset[RT_OTHER] = 1;
	return RT_OK;
}

int rt_lower_end(struct rt_lower *l, struct rt_graph **out)
{
	if (l->status < 0) {
		rt_graph_free(l->root);
		*out = NULL;
	}
	return l->status;
}

int rt_lower_fail(struct rt_lower *l, int status, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (l->status < 0)
		return RT_NO_VALUE;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->status = rt_error_set(l->err, status, "%s", text);
	if (l->at[0] != '\0')
		(void)rt_error_wrap(l->err, "'%.200s'", l->at);
	return RT_NO_VALUE;
}

static int no_memory(struct rt_lower *l)
{
	return rt_lower_fail(l, RT_BUDGET,
			     "what the model needs in memory goes beyond its budget of %zu bytes",
			     l->root->memory.budget);
}

void *rt_lower_alloc(struct rt_lower *l, size_t bytes)
{
	void *p = l->status < 0 ? NULL : rt_graph_alloc(l->root, bytes);

	if (p == NULL)
		(void)no_memory(l);
	return p;
}

const char *rt_lower_strdup(struct rt_lower *l, const char *s, size_t len)
{
	const char *copy = l->status < 0 ? NULL : rt_graph_strdup(l->root, s, len);

	if (copy == NULL)
		(void)no_memory(l);
	return copy != NULL ? copy : "";
}

/* ---- values ---------------------------------------------------------------------------------- */

static int new_value(struct rt_lower *l, const char *name, enum rt_dtype t)
{
	int v = l->status < 0 ? RT_NO_VALUE : rt_graph_add_value(l->graph, name, t);

	return l->status >= 0 && v < 0 ? no_memory(l) : v;
}

void rt_lower_ports(struct rt_lower *l, int inputs, int outputs)
{
	struct rt_graph *g = l->graph;

	must(inputs >= 0 && outputs >= 0);
	g->inputs = rt_lower_alloc(l, sizeof(int) * (size_t)inputs);
	g->outputs = rt_lower_alloc(l, sizeof(int) * (size_t)outputs);
}

int rt_lower_input(struct rt_lower *l, const char *name, enum rt_dtype t,
		   const struct rt_shape *shape)
{
	int v = new_value(l, name, t);

	if (v < 0)
		return v;
	if (shape != NULL)
		l->graph->values[v].shape = *shape;
	l->graph->values[v].is_input = true;
	l->graph->inputs[l->graph->input_count++] = v;
	return v;
}

void rt_lower_output(struct rt_lower *l, int v, const char *name)
{
	struct rt_graph *g = l->graph;

	if (l->status < 0)
		return;
	must(v >= 0 && v < g->value_count);
	if (g->values[v].is_input || g->values[v].is_output || g->values[v].producer < 0) {
		struct rt_shape shape = g->values[v].shape;

		v = rt_lower_op1(l, "Identity", v);
		rt_lower_shape(l, v, &shape);
	}
	if (l->status < 0)
		return;
	g->values[v].name = name;
	g->values[v].is_output = true;
	g->outputs[g->output_count++] = v;
}

int rt_lower_constant(struct rt_lower *l, const char *name, const struct rt_tensor *t)
{
	int v = l->status < 0 ? RT_NO_VALUE : rt_graph_add_constant(l->graph, name, t);

	return l->status >= 0 && v < 0 ? no_memory(l) : v;
}

int rt_lower_copy(struct rt_lower *l, const struct rt_tensor *t)
{
	struct rt_tensor copy = *t;
	size_t bytes = rt_tensor_bytes(t);

	copy.data = rt_lower_alloc(l, bytes);
	if (copy.data == NULL)
		return RT_NO_VALUE;
	if (bytes > 0)
		memcpy(copy.data, t->data, bytes);
	return rt_lower_constant(l, "", &copy);
}

int rt_lower_i64s(struct rt_lower *l, int count, const int64_t *v)
{
	int64_t *data = rt_lower_alloc(l, sizeof(*data) * (size_t)count);

	if (data == NULL)
		return RT_NO_VALUE;
	for (int i = 0; i < count; i++)
		data[i] = v[i];
	return rt_lower_constant(l, "",
				 &(struct rt_tensor){RT_I64, rt_shape_of(1, (int64_t)count), data});
}

int rt_lower_i64(struct rt_lower *l, int64_t v)
{
	return rt_lower_i64s(l, 1, &v);
}

/* An integer type takes the value as it would a C cast; out of its range is our own bug. */
static void store_number(enum rt_dtype t, void *data, double v)
{
	switch (t) {
	case RT_F32:
		*(float *)data = (float)v;
		break;
	case RT_F64:
		*(double *)data = v;
		break;
	case RT_F16:
		*(uint16_t *)data = rt_f32_to_f16((float)v);
		break;
	case RT_BF16:
		*(uint16_t *)data = rt_f32_to_bf16((float)v);
		break;
	case RT_BOOL:
		*(uint8_t *)data = v != 0;
		break;
	case RT_I8:
		*(int8_t *)data = (int8_t)v;
		break;
	case RT_U8:
		*(uint8_t *)data = (uint8_t)v;
		break;
	case RT_I16:
		*(int16_t *)data = (int16_t)v;
		break;
	case RT_U16:
		*(uint16_t *)data = (uint16_t)v;
		break;
	case RT_I32:
		*(int32_t *)data = (int32_t)v;
		break;
	case RT_U32:
		*(uint32_t *)data = (uint32_t)v;
		break;
	case RT_U64:
		*(uint64_t *)data = (uint64_t)v;
		break;
	default:
		*(int64_t *)data = (int64_t)v;
		break;
	}
}

int rt_lower_scalar(struct rt_lower *l, enum rt_dtype t, double v)
{
	void *data = rt_lower_alloc(l, 8);

	if (data == NULL)
		return RT_NO_VALUE;
	if (t == RT_NONE || t == RT_STR || rt_dtype_is_list(t) || rt_dtype_bits(t) < 8)
		t = RT_F32; /* of a value whose type is not known: the model is refused for it */
	store_number(t, data, v);
	return rt_lower_constant(l, "", &(struct rt_tensor){t, rt_shape_of(0), data});
}

int rt_lower_f32(struct rt_lower *l, float v)
{
	return rt_lower_scalar(l, RT_F32, (double)v);
}

const struct rt_tensor *rt_lower_tensor(const struct rt_lower *l, int v)
{
	if (l->status < 0 || v < 0 || !l->graph->values[v].is_constant)
		return NULL;
	return &l->graph->values[v].constant;
}

int rt_lower_ints(const struct rt_lower *l, int v, int max, int64_t *out)
{
	const struct rt_tensor *t = rt_lower_tensor(l, v);
	int count;

	return t != NULL && rt_op_ints(t, out, max, &count) ? count : -1;
}

/* Inputs that an operator cannot do without; its type function looks at them. */
static bool has_inputs(const struct rt_node *n, int least)
{
	if (n->in_count < least)
		return false;
	for (int i = 0; i < least; i++)
		if (n->in[i] == RT_NO_VALUE)
			return false;
	return true;
}

/* Element types of what the nodes that are not typed yet make, in order. */
static void settle_types(struct rt_lower *l)
{
	struct rt_graph *g = l->graph;

	for (; l->typed < g->node_count; l->typed++) {
		const struct rt_node *n = &g->nodes[l->typed];
		const struct rt_op_row *row = rt_op_find(n->domain, n->op_type, n->opset);
		enum rt_dtype types[16] = {RT_NONE};
		rt_op_type_f *type;

		if (row == NULL || n->out_count > 15 || !has_inputs(n, row->op->in_min))
			continue; /* rt_graph_resolve tells */
		type = row->op->type != NULL ? row->op->type : rt_op_type_same;
		if (type(g, n, types, NULL) < 0)
			continue;
		for (int i = 0; i < n->out_count; i++) {
			if (n->out[i] != RT_NO_VALUE)
				g->values[n->out[i]].dtype = types[i];
		}
	}
}

enum rt_dtype rt_lower_dtype(struct rt_lower *l, int v)
{
	if (l->status < 0 || v < 0)
		return RT_NONE;
	if (l->graph->values[v].dtype == RT_NONE)
		settle_types(l);
	return l->graph->values[v].dtype;
}

int rt_lower_rank(const struct rt_lower *l, int v)
{
	return l->status < 0 || v < 0 ? -1 : l->graph->values[v].shape.rank;
}

int64_t rt_lower_dim(const struct rt_lower *l, int v, int axis)
{
	int rank = rt_lower_rank(l, v);

	if (axis < 0)
		axis += rank;
	return rank >= 0 && axis >= 0 && axis < rank ? l->graph->values[v].shape.dims[axis] : -1;
}

void rt_lower_shape(struct rt_lower *l, int v, const struct rt_shape *s)
{
	if (l->status >= 0 && v >= 0 && !l->graph->values[v].is_constant)
		l->graph->values[v].shape = *s;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

int rt_lower_node(struct rt_lower *l, enum rt_domain domain, const char *op, int in_count,
		  const int *in, int out_count)
{
	struct rt_graph *g = l->graph;
	int n, first = RT_NO_VALUE;

	if (l->status < 0)
		return RT_NO_VALUE;
	if (l->total++ >= RT_ONNX_NODES_MAX || out_count > OUTPUTS_MAX)
		return rt_lower_fail(l, RT_MALFORMED, "more than %d nodes", RT_ONNX_NODES_MAX);
	n = rt_graph_add_node(g, domain, op, in_count, out_count, ATTRS_STEP);
	if (n < 0)
		return no_memory(l);
	g->nodes[n].attr_count = 0;
	g->nodes[n].name = l->at;
	for (int i = 0; i < in_count; i++) {
		must(in[i] < g->value_count);
		g->nodes[n].in[i] = in[i];
	}
	for (int i = 0; i < out_count; i++) {
		int v = new_value(l, l->at, RT_NONE);

		if (v < 0)
			return RT_NO_VALUE;
		g->values[v].producer = n;
		g->nodes[n].out[i] = v;
		first = i == 0 ? v : first;
	}
	l->last = n;
	return first;
}

int rt_lower_opn(struct rt_lower *l, const char *op, int count, const int *in)
{
	return rt_lower_node(l, RT_ONNX, op, count, in, 1);
}

int rt_lower_op1(struct rt_lower *l, const char *op, int a)
{
	return rt_lower_node(l, RT_ONNX, op, 1, &a, 1);
}

int rt_lower_op2(struct rt_lower *l, const char *op, int a, int b)
{
	return rt_lower_node(l, RT_ONNX, op, 2, (int[]){a, b}, 1);
}

int rt_lower_op3(struct rt_lower *l, const char *op, int a, int b, int c)
{
	return rt_lower_node(l, RT_ONNX, op, 3, (int[]){a, b, c}, 1);
}

int rt_lower_missing(struct rt_lower *l, const char *op, const char *why, int in_count,
		     const int *in, int out_count)
{
	int v = rt_lower_node(l, RT_OTHER, op, in_count, in, out_count);

	if (l->status < 0)
		return RT_NO_VALUE;
	l->graph->nodes[l->last].domain_name = l->origin;
	if (why != NULL)
		rt_lower_set_string(l, RT_ATTR_WHY, why);
	return v;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static struct rt_attr *new_attr(struct rt_lower *l, const char *name, enum rt_attr_kind kind)
{
	struct rt_node *n;
	struct rt_attr *bigger;

	if (l->status < 0)
		return NULL;
	must(l->last >= 0);
	n = &l->graph->nodes[l->last];
	if (n->attr_count > 0 && n->attr_count % ATTRS_STEP == 0) {
		bigger = rt_lower_alloc(l, sizeof(*bigger) * (size_t)(n->attr_count + ATTRS_STEP));
		if (bigger == NULL)
			return NULL;
		memcpy(bigger, n->attrs, sizeof(*bigger) * (size_t)n->attr_count);
		n->attrs = bigger;
	}
	n->attrs[n->attr_count] = (struct rt_attr){.name = name, .kind = kind};
	return &n->attrs[n->attr_count++];
}

/* A copy of ${count} elements, or NULL with the error noted. */
static void *copy_of(struct rt_lower *l, const void *from, int count, size_t size)
{
	void *to = rt_lower_alloc(l, (size_t)count * size);

	if (to != NULL && count > 0)
		memcpy(to, from, (size_t)count * size);
	return to;
}

void rt_lower_set_int(struct rt_lower *l, const char *name, int64_t v)
{
	struct rt_attr *a = new_attr(l, name, RT_ATTR_INT);

	if (a != NULL)
		a->i = v;
}

void rt_lower_set_float(struct rt_lower *l, const char *name, float v)
{
	struct rt_attr *a = new_attr(l, name, RT_ATTR_FLOAT);

	if (a != NULL)
		a->f = v;
}

void rt_lower_set_string(struct rt_lower *l, const char *name, const char *v)
{
	size_t size = strlen(v);
	const char *copy = rt_lower_strdup(l, v, size);
	struct rt_attr *a = new_attr(l, name, RT_ATTR_STRING);

	if (a != NULL)
		a->s = (struct rt_str){copy, size};
}

void rt_lower_set_ints(struct rt_lower *l, const char *name, int count, const int64_t *v)
{
	const int64_t *copy = copy_of(l, v, count, sizeof(*copy));
	struct rt_attr *a = new_attr(l, name, RT_ATTR_INTS);

	if (a == NULL)
		return;
	a->count = count;
	a->ints = copy;
}

void rt_lower_set_floats(struct rt_lower *l, const char *name, int count, const float *v)
{
	const float *copy = copy_of(l, v, count, sizeof(*copy));
	struct rt_attr *a = new_attr(l, name, RT_ATTR_FLOATS);

	if (a == NULL)
		return;
	a->count = count;
	a->floats = copy;
}

void rt_lower_set_strings(struct rt_lower *l, const char *name, int count, const char *const *v)
{
	struct rt_str *copy = rt_lower_alloc(l, sizeof(*copy) * (size_t)count);
	struct rt_attr *a;

	for (int i = 0; i < count && copy != NULL; i++)
		copy[i] = (struct rt_str){rt_lower_strdup(l, v[i], strlen(v[i])), strlen(v[i])};
	a = new_attr(l, name, RT_ATTR_STRINGS);
	if (a == NULL)
		return;
	a->count = count;
	a->strings = copy;
}

void rt_lower_set_tensor(struct rt_lower *l, const char *name, const struct rt_tensor *t)
{
	size_t bytes = rt_tensor_bytes(t);
	void *copy = rt_lower_alloc(l, bytes);
	struct rt_attr *a = new_attr(l, name, RT_ATTR_TENSOR);

	if (a == NULL || copy == NULL)
		return;
	if (bytes > 0)
		memcpy(copy, t->data, bytes);
	a->tensor = (struct rt_tensor){t->dtype, t->shape, copy};
}

void rt_lower_set_graph(struct rt_lower *l, const char *name, struct rt_graph *body)
{
	struct rt_attr *a = new_attr(l, name, RT_ATTR_GRAPH);

	if (a != NULL)
		a->graph = body;
}

void rt_lower_set_type(struct rt_lower *l, const char *name, enum rt_dtype t)
{
	struct rt_attr *a = new_attr(l, name, RT_ATTR_TYPE);

	if (a != NULL)
		a->type = t;
}

/* ---- bodies ---------------------------------------------------------------------------------- */

struct rt_lower_place rt_lower_enter(struct rt_lower *l)
{
	struct rt_lower_place place = {l->graph, l->last, l->typed};
	struct rt_graph *body;

	if (l->status < 0)
		return place;
	if (l->graph->depth >= RT_LOWER_DEPTH_MAX) {
		(void)rt_lower_fail(l, RT_MALFORMED, "graphs in graphs, more than %d deep",
				    RT_LOWER_DEPTH_MAX);
		return place;
	}
	body = rt_graph_new_child(l->graph);
	if (body == NULL) {
		(void)no_memory(l);
		return place;
	}
	l->graph = body;
	l->last = -1;
	l->typed = 0;
	return place;
}

struct rt_graph *rt_lower_leave(struct rt_lower *l, struct rt_lower_place place)
{
	struct rt_graph *body = l->graph;

	if (l->status >= 0)
		settle_types(l);
	l->graph = place.graph;
	l->last = place.last;
	l->typed = place.typed;
	return body;
}

int rt_lower_outer(struct rt_lower *l, int v)
{
	struct rt_graph *parent = l->graph->parent;
	int inner;

	if (l->status < 0 || v < 0)
		return RT_NO_VALUE;
	must(parent != NULL && v < parent->value_count);
	inner = new_value(l, parent->values[v].name, parent->values[v].dtype);
	if (inner < 0)
		return inner;
	l->graph->values[inner].outer = v;
	l->graph->values[inner].shape = parent->values[v].shape;
	return inner;
}
