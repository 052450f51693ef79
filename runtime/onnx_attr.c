/* SPDX-License-Identifier: MIT */
/*
 * onnx_attr.c — AttributeProto.  Lists are copied, tensors stay views,
 * sub-graphs are read into child graphs.  In the body of a function an attribute
 * may stand for one of the call.
 */
#include <config.h>

#include <string.h>

#include "runtime/onnx_reader.h"

/* AttributeProto.AttributeType */
enum {
	TYPE_UNDEFINED,
	TYPE_FLOAT,
	TYPE_INT,
	TYPE_STRING,
	TYPE_TENSOR,
	TYPE_GRAPH,
	TYPE_FLOATS,
	TYPE_INTS,
	TYPE_STRINGS,
	TYPE_TENSORS,
	TYPE_GRAPHS,
	TYPE_SPARSE_TENSOR,
	TYPE_SPARSE_TENSORS,
	TYPE_TYPE_PROTO,
	TYPE_TYPE_PROTOS,
};

/* What a first pass over the message finds. */
struct attr_proto {
	struct rt_wire w; /* at its beginning */
	const char *name, *ref;
	int64_t type;
	int64_t i;
	float f;
	struct rt_str s;
	struct rt_field message; /* the t, g or sparse_tensor field */
	bool has_message;
	size_t floats, ints, strings;
	uint32_t seen; /* of the value fields: the type it implies, for old files without one */
};

static int attr_field(struct rt_onnx_reader *r, const struct rt_field *f, struct attr_proto *p)
{
	switch (f->number) {
	case 1:
		return rt_onnx_name(r, f, &p->name);
	case 21:
		return rt_onnx_name(r, f, &p->ref);
	case 20:
		return rt_wire_int(f, &p->type, r->err);
	case 2:
		p->seen = TYPE_FLOAT;
		return rt_wire_float(f, &p->f, r->err);
	case 3:
		p->seen = TYPE_INT;
		return rt_wire_int(f, &p->i, r->err);
	case 4:
		p->seen = TYPE_STRING;
		return rt_wire_string(f, &p->s, r->err);
	case 5:
	case 6:
	case 14:
	case 22:
		p->message = *f;
		p->has_message = true;
		p->seen = f->number == 5    ? TYPE_TENSOR
			  : f->number == 6  ? TYPE_GRAPH
			  : f->number == 22 ? TYPE_SPARSE_TENSOR
					    : TYPE_TYPE_PROTO;
		return RT_OK;
	case 7:
		p->seen = TYPE_FLOATS;
		return rt_wire_count(f, RT_WIRE_FIXED32, &p->floats, r->err);
	case 8:
		p->seen = TYPE_INTS;
		return rt_wire_count(f, RT_WIRE_VARINT, &p->ints, r->err);
	case 9:
		p->seen = TYPE_STRINGS;
		p->strings++;
		return RT_OK;
	default:
		return RT_OK;
	}
}

static void put_int(void *arg, uint64_t raw)
{
	int64_t **at = arg;

	*(*at)++ = (int64_t)raw;
}

static void put_float(void *arg, uint64_t raw)
{
	float **at = arg;
	uint32_t bits = (uint32_t)raw;

	memcpy((*at)++, &bits, sizeof(bits));
}

/* Second pass: the list in field ${number}. */
static int read_list(struct rt_onnx_reader *r, const struct attr_proto *p, uint32_t number,
		     void *data)
{
	struct rt_wire w = p->w;
	struct rt_str *strings = data;
	int64_t *ints = data;
	float *floats = data;
	struct rt_field f;
	int status;

	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number != number)
			continue;
		if (number == 7)
			status = rt_wire_values(&f, RT_WIRE_FIXED32, put_float, &floats, r->err);
		else if (number == 8)
			status = rt_wire_values(&f, RT_WIRE_VARINT, put_int, &ints, r->err);
		else
			status = rt_wire_string(&f, strings++, r->err);
		if (status < 0)
			return status;
	}
	return status;
}

static int list(struct rt_onnx_reader *r, const struct attr_proto *p, uint32_t number, size_t count,
		size_t size, struct rt_attr *out)
{
	void *data;

	if (count > RT_ONNX_STRING_MAX)
		return rt_error_set(r->err, RT_MALFORMED, "attribute '%.128s' is too long",
				    p->name);
	data = rt_graph_alloc(r->root, count * size);
	if (data == NULL)
		return rt_onnx_no_memory(r);
	out->count = (int64_t)count;
	out->ints = data; /* one union: the other two as well */
	return read_list(r, p, number, data);
}

static int sub_graph(struct rt_onnx_scope *s, struct rt_wire w, struct rt_attr *out)
{
	struct rt_onnx_scope child = {.r = s->r,
				      .parent = s,
				      .imports = s->imports,
				      .call = s->call,
				      .caller = s->caller,
				      .calls = s->calls};
	int status;

	child.graph = rt_graph_new_child(s->graph);
	if (child.graph == NULL)
		return rt_onnx_no_memory(s->r);
	rt_names_init(&child.names);
	status = rt_onnx_graph(&child, w);
	rt_onnx_scope_release(&child);
	out->graph = child.graph;
	return status;
}

/* An attribute that is a message. */
static int message(struct rt_onnx_scope *s, const struct attr_proto *p, int64_t type,
		   struct rt_attr *out)
{
	struct rt_str unused;
	struct rt_wire w;
	int status;

	if (!p->has_message || p->seen != type)
		return rt_error_set(s->r->err, RT_MALFORMED, "attribute '%.128s' has no value",
				    p->name);
	status = rt_wire_enter(&p->w, &p->message, &w, s->r->err);
	if (status < 0)
		return status;
	if (type == TYPE_GRAPH) {
		out->kind = RT_ATTR_GRAPH;
		return sub_graph(s, w, out);
	}
	if (type == TYPE_TYPE_PROTO) {
		out->kind = RT_ATTR_TYPE;
		return rt_onnx_type(s->r, w, &out->type);
	}
	out->kind = RT_ATTR_TENSOR;
	status = type == TYPE_TENSOR ? rt_onnx_tensor(s->r, w, &unused, &out->tensor)
				     : rt_onnx_sparse(s->r, w, &unused, &out->tensor);
	return status < 0 ? rt_error_wrap(s->r->err, "attribute '%.128s'", p->name) : status;
}

/* In a function: what the call gave for ${p->ref}. */
static int reference(struct rt_onnx_scope *s, const struct attr_proto *p, struct rt_attr *out)
{
	const struct rt_attr *given;

	if (s->call == NULL)
		return rt_error_set(s->r->err, RT_MALFORMED,
				    "attribute '%.128s' refers to '%.128s' outside of a function",
				    p->name, p->ref);
	given = rt_node_attr(s->call, p->ref);
	if (given == NULL)
		return RT_OK; /* left out: as if it were not there */
	if (given->kind == RT_ATTR_GRAPH)
		return rt_error_set(s->r->err, RT_UNSUPPORTED,
				    "attribute '%.128s': a graph given to a function", p->name);
	*out = *given;
	out->name = p->name;
	return RT_OK;
}

int rt_onnx_attr(struct rt_onnx_scope *s, struct rt_wire w, struct rt_attr *out)
{
	struct attr_proto p = {.w = w, .name = "", .s = {"", 0}};
	struct rt_onnx_reader *r = s->r;
	struct rt_field f;
	int status;

	*out = (struct rt_attr){.name = NULL};
	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		status = attr_field(r, &f, &p);
		if (status < 0)
			return status;
	}
	if (status < 0)
		return status;
	if (p.name[0] == '\0')
		return rt_error_set(r->err, RT_MALFORMED, "an attribute has no name");
	if (p.ref != NULL && p.ref[0] != '\0')
		return reference(s, &p, out);
	if (p.type == TYPE_UNDEFINED)
		p.type = p.seen;
	out->name = p.name;
	switch (p.type) {
	case TYPE_FLOAT:
		out->kind = RT_ATTR_FLOAT;
		out->f = p.f;
		return RT_OK;
	case TYPE_INT:
		out->kind = RT_ATTR_INT;
		out->i = p.i;
		return RT_OK;
	case TYPE_STRING:
		out->kind = RT_ATTR_STRING;
		out->s = p.s;
		return p.s.size <= RT_ONNX_STRING_MAX
			   ? RT_OK
			   : rt_error_set(r->err, RT_MALFORMED, "attribute '%.128s' is too long",
					  p.name);
	case TYPE_TENSOR:
	case TYPE_GRAPH:
	case TYPE_SPARSE_TENSOR:
	case TYPE_TYPE_PROTO:
		return message(s, &p, p.type, out);
	case TYPE_FLOATS:
		out->kind = RT_ATTR_FLOATS;
		return list(r, &p, 7, p.floats, sizeof(float), out);
	case TYPE_INTS:
		out->kind = RT_ATTR_INTS;
		return list(r, &p, 8, p.ints, sizeof(int64_t), out);
	case TYPE_STRINGS:
		out->kind = RT_ATTR_STRINGS;
		return list(r, &p, 9, p.strings, sizeof(struct rt_str), out);
	case TYPE_TENSORS:
	case TYPE_GRAPHS:
	case TYPE_SPARSE_TENSORS:
	case TYPE_TYPE_PROTOS:
		return rt_error_set(r->err, RT_UNSUPPORTED,
				    "attribute '%.128s': a list of graphs, tensors or types",
				    p.name);
	default:
		return rt_error_set(r->err, RT_MALFORMED, "attribute '%.128s' has type %lld",
				    p.name, (long long)p.type);
	}
}
