/* SPDX-License-Identifier: MIT */
/*
 * onnx_node.c — NodeProto: a node of the graph, a call of a function, or a
 * constant (the operator Constant is no node here but a value).
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/onnx_reader.h"
#include "runtime/op.h"

/* What a first pass over the message finds. */
struct node_proto {
	struct rt_wire w; /* at its beginning */
	const char *name, *op_type, *domain, *overload;
	int in_count, out_count, attr_count;
};

static int node_field(struct rt_onnx_reader *r, const struct rt_field *f, struct node_proto *p)
{
	switch (f->number) {
	case 1:
		p->in_count++;
		return RT_OK;
	case 2:
		p->out_count++;
		return RT_OK;
	case 3:
		return rt_onnx_name(r, f, &p->name);
	case 4:
		return rt_onnx_name(r, f, &p->op_type);
	case 5:
		p->attr_count++;
		return RT_OK;
	case 7:
		return rt_onnx_name(r, f, &p->domain);
	case 8:
		return rt_onnx_name(r, f, &p->overload);
	default:
		return RT_OK;
	}
}

static int where(struct rt_onnx_reader *r, const struct node_proto *p)
{
	return rt_error_wrap(r->err, "node '%.128s' (%.64s)", p->name, p->op_type);
}

/* The version of the node's domain, and the names in canonical form. */
static int64_t opset_of(const struct rt_onnx_scope *s, const char *domain)
{
	if (strcmp(domain, "ai.onnx") == 0)
		domain = "";
	for (int i = 0; i < s->imports->count; i++) {
		if (strcmp(s->imports->list[i].domain, domain) == 0)
			return s->imports->list[i].version;
	}
	return 0;
}

/* Second pass: inputs, then attributes, then outputs (a body may not read what it makes). */
static int fill(struct rt_onnx_scope *s, const struct node_proto *p, struct rt_node *n)
{
	struct rt_onnx_reader *r = s->r;
	struct rt_wire w = p->w, sub;
	struct rt_str name;
	struct rt_field f;
	int status, in = 0, attrs = 0;

	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number == 1) {
			status = rt_wire_string(&f, &name, r->err);
			if (status == RT_OK && name.size > 0)
				status = rt_onnx_look_up(s, name, &n->in[in]);
			in++;
		} else if (f.number == 5) {
			status = rt_wire_enter(&w, &f, &sub, r->err);
			if (status == RT_OK)
				status = rt_onnx_attr(s, sub, &n->attrs[attrs]);
			if (status == RT_OK && n->attrs[attrs].name != NULL) {
				n->attr_count = attrs; /* those before it */
				if (rt_node_attr(n, n->attrs[attrs].name) != NULL)
					return rt_error_set(r->err, RT_MALFORMED,
							    "attribute '%.128s' is there twice",
							    n->attrs[attrs].name);
				attrs++;
			}
		}
		if (status < 0)
			return status;
	}
	n->attr_count = attrs;
	return status;
}

/* Define the outputs; ${producer} is the node's index. */
static int define_outputs(struct rt_onnx_scope *s, const struct node_proto *p, struct rt_node *n,
			  int producer)
{
	struct rt_wire w = p->w;
	struct rt_str name;
	struct rt_field f;
	int status, out = 0;

	while ((status = rt_wire_next(&w, &f, s->r->err)) > 0) {
		if (f.number != 2)
			continue;
		status = rt_wire_string(&f, &name, s->r->err);
		if (status == RT_OK && name.size > 0)
			status = rt_onnx_define(s, name, &n->out[out]);
		if (status < 0)
			return status;
		if (name.size > 0 && producer >= 0)
			s->graph->values[n->out[out]].producer = producer;
		out++;
	}
	return status;
}

/* ---- Constant -------------------------------------------------------------------------------- */

/* A tensor out of one of Constant's attributes (ONNX Constant-12). */
static bool constant_tensor(struct rt_onnx_scope *s, struct rt_attr *a, struct rt_tensor *out)
{
	static const struct {
		enum rt_attr_kind kind;
		enum rt_dtype dtype;
		int rank;
	} forms[] = {
	    {RT_ATTR_INT, RT_I64, 0},    {RT_ATTR_INTS, RT_I64, 1},   {RT_ATTR_FLOAT, RT_F32, 0},
	    {RT_ATTR_FLOATS, RT_F32, 1}, {RT_ATTR_STRING, RT_STR, 0}, {RT_ATTR_STRINGS, RT_STR, 1},
	};
	size_t bytes;

	if (a->kind == RT_ATTR_TENSOR) {
		*out = a->tensor;
		return true;
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (forms[i].kind != a->kind)
			continue;
		*out = (struct rt_tensor){.dtype = forms[i].dtype};
		out->shape.rank = forms[i].rank;
		out->shape.dims[0] = forms[i].rank == 1 ? a->count : 0;
		if (!rt_shape_bytes(&out->shape, out->dtype, &bytes))
			return false;
		out->data = rt_graph_alloc(s->graph, bytes);
		if (out->data == NULL)
			return false;
		if (forms[i].rank == 1 && bytes > 0)
			memcpy(out->data, a->ints, bytes);
		else if (forms[i].rank == 0)
			memcpy(out->data, &a->i, bytes); /* one union: i, f or s */
		return true;
	}
	return false;
}

static int constant(struct rt_onnx_scope *s, const struct node_proto *p, struct rt_node *n)
{
	struct rt_onnx_reader *r = s->r;
	struct rt_value *v;
	struct rt_tensor t;
	int status;

	if (n->attr_count != 1 || n->out_count != 1 || !constant_tensor(s, &n->attrs[0], &t))
		return rt_error_set(r->err, RT_MALFORMED, "has no value that is understood");
	status = define_outputs(s, p, n, -1);
	if (status < 0 || n->out[0] == RT_NO_VALUE)
		return status;
	v = &s->graph->values[n->out[0]];
	v->dtype = t.dtype;
	v->shape = t.shape;
	v->is_constant = true;
	v->constant = t;
	return RT_OK;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

/* Memory for a node that is not in the graph (yet). */
static int prepare(struct rt_onnx_scope *s, const struct node_proto *p, struct rt_node *n)
{
	size_t ends = (size_t)p->in_count + (size_t)p->out_count;

	*n = (struct rt_node){.name = p->name,
			      .op_type = p->op_type,
			      .domain_name = p->domain,
			      .domain = rt_domain_of(p->domain),
			      .opset = opset_of(s, p->domain),
			      .in_count = p->in_count,
			      .out_count = p->out_count};
	n->in = rt_graph_alloc(s->graph, ends * sizeof(*n->in));
	n->attrs = rt_graph_alloc(s->graph, (size_t)p->attr_count * sizeof(*n->attrs));
	if (n->in == NULL || n->attrs == NULL)
		return rt_onnx_no_memory(s->r);
	n->out = n->in + n->in_count;
	for (size_t i = 0; i < ends; i++)
		n->in[i] = RT_NO_VALUE;
	return fill(s, p, n);
}

static int append(struct rt_onnx_scope *s, const struct node_proto *p, struct rt_node *n)
{
	int at = rt_graph_add_node(s->graph, n->domain, n->op_type, 0, 0, 0);

	if (at < 0)
		return rt_onnx_no_memory(s->r);
	s->graph->nodes[at] = *n;
	return define_outputs(s, p, n, at);
}

int rt_onnx_node(struct rt_onnx_scope *s, struct rt_wire w)
{
	struct node_proto p = {.w = w, .name = "", .op_type = "", .domain = "", .overload = ""};
	struct rt_onnx_reader *r = s->r;
	const struct rt_onnx_function *function = NULL;
	struct rt_field f;
	struct rt_node n;
	int status;

	if (++r->node_count > RT_ONNX_NODES_MAX)
		return rt_error_set(r->err, RT_MALFORMED, "more than %d nodes", RT_ONNX_NODES_MAX);
	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		status = node_field(r, &f, &p);
		if (status < 0)
			return status;
	}
	if (status < 0)
		return status;
	if (p.attr_count > RT_ONNX_ATTRS_MAX || p.in_count > RT_ONNX_TENSORS_MAX ||
	    p.out_count > RT_ONNX_TENSORS_MAX)
		return rt_error_set(r->err, RT_MALFORMED,
				    "node '%.128s' has too many inputs, outputs or attributes",
				    p.name);
	if (p.op_type[0] == '\0')
		return rt_error_set(r->err, RT_MALFORMED, "node '%.128s' names no operator",
				    p.name);
	status = prepare(s, &p, &n);
	if (status < 0)
		return where(r, &p);
	/* What larder has itself is not looked for among the model's functions. */
	if (r->function_count > 0 && rt_op_find(n.domain, n.op_type, n.opset) == NULL)
		function = rt_onnx_function_find(r, p.domain, p.op_type, p.overload);
	if (function != NULL) {
		status = define_outputs(s, &p, &n, -1);
		if (status == RT_OK)
			status = rt_onnx_function_call(s, function, &n);
	} else if (n.domain == RT_ONNX && strcmp(n.op_type, "Constant") == 0) {
		status = constant(s, &p, &n);
	} else {
		status = append(s, &p, &n);
	}
	return status < 0 ? where(r, &p) : status;
}
