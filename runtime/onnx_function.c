/* SPDX-License-Identifier: MIT */
/*
 * onnx_function.c — FunctionProto (onnx.proto; IR version 8): a body that takes
 * the place of every node that calls it.  Its names are a scope of their own;
 * its inputs and outputs are the call's.
 */
#include <config.h>

#include <string.h>

#include "runtime/onnx_reader.h"

int rt_onnx_function_read(struct rt_onnx_reader *r, struct rt_wire w)
{
	struct rt_onnx_function fn = {.domain = "", .name = "", .overload = "", .body = w};
	void *array = r->functions;
	struct rt_wire sub;
	struct rt_field f;
	int status;

	if (r->function_count == RT_ONNX_FUNCTIONS_MAX)
		return rt_error_set(r->err, RT_MALFORMED, "more than %d functions",
				    RT_ONNX_FUNCTIONS_MAX);
	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number == 1) {
			status = rt_onnx_name(r, &f, &fn.name);
		} else if (f.number == 10) {
			status = rt_onnx_name(r, &f, &fn.domain);
		} else if (f.number == 13) {
			status = rt_onnx_name(r, &f, &fn.overload);
		} else if (f.number == 9) {
			status = rt_wire_enter(&w, &f, &sub, r->err);
			if (status == RT_OK)
				status = rt_onnx_read_import(r, sub, &fn.imports);
		}
		if (status < 0)
			return status;
	}
	if (status < 0)
		return status;
	if (rt_onnx_function_find(r, fn.domain, fn.name, fn.overload) != NULL)
		return rt_error_set(r->err, RT_MALFORMED, "function '%.128s' is there twice",
				    fn.name);
	status =
	    rt_onnx_grow(r, &array, r->function_count, &r->function_cap, sizeof(*r->functions));
	if (status < 0)
		return status;
	r->functions = array;
	r->functions[r->function_count++] = fn;
	return RT_OK;
}

const struct rt_onnx_function *rt_onnx_function_find(const struct rt_onnx_reader *r,
						     const char *domain, const char *name,
						     const char *overload)
{
	for (int i = 0; i < r->function_count; i++) {
		const struct rt_onnx_function *fn = &r->functions[i];

		if (strcmp(fn->name, name) == 0 && strcmp(fn->domain, domain) == 0 &&
		    strcmp(fn->overload, overload) == 0)
			return fn;
	}
	return NULL;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* One name of the signature is the call's value ${v} (RT_NO_VALUE: it is left out). */
static int bind_name(struct rt_onnx_scope *body, const struct rt_field *f, int v, int **ret_slot)
{
	struct rt_str name;
	int status = rt_wire_string(f, &name, body->r->err);
	int *slot;

	if (status < 0)
		return status;
	slot = rt_names_put(&body->names, name);
	if (slot == NULL)
		return rt_onnx_no_memory(body->r);
	*ret_slot = slot;
	if (*slot == -1)
		*slot = v == RT_NO_VALUE ? RT_ONNX_ABSENT : v;
	return RT_OK;
}

/* An output that is an input, passed on: an Identity between the two. */
static int pass_on(struct rt_onnx_scope *body, int from, int to)
{
	int at;

	if (from < 0 || to == RT_NO_VALUE)
		return RT_OK;
	at = rt_graph_add_node(body->graph, RT_ONNX, "Identity", 1, 1, 0);
	if (at < 0)
		return rt_onnx_no_memory(body->r);
	body->graph->nodes[at].in[0] = from;
	body->graph->nodes[at].out[0] = to;
	body->graph->values[to].producer = at;
	body->graph->values[to].is_defined = true;
	return RT_OK;
}

/* Inputs are defined by the caller; outputs are defined by the body. */
static int bind_signature(struct rt_onnx_scope *body, struct rt_wire w, const struct rt_node *call)
{
	struct rt_wire again = w;
	struct rt_field f;
	int status, in = 0, out = 0, *slot, v;

	while ((status = rt_wire_next(&w, &f, body->r->err)) > 0) {
		if (f.number != 4)
			continue;
		v = in < call->in_count ? call->in[in] : RT_NO_VALUE;
		status = bind_name(body, &f, v, &slot);
		if (status < 0)
			return status;
		in++;
	}
	while (status == 0 && (status = rt_wire_next(&again, &f, body->r->err)) > 0) {
		status = 0;
		if (f.number != 5)
			continue;
		v = out < call->out_count ? call->out[out] : RT_NO_VALUE;
		if (v == RT_NO_VALUE) /* not asked for; the body defines it all the same */
			v = rt_graph_add_value(body->graph, "", RT_NONE);
		else
			body->graph->values[v].is_defined = false;
		if (v < 0)
			return rt_onnx_no_memory(body->r);
		status = bind_name(body, &f, v, &slot);
		if (status == RT_OK && *slot != v)
			status = pass_on(body, *slot, v);
		out++;
	}
	if (status == 0 && (in < call->in_count || out < call->out_count))
		return rt_error_set(body->r->err, RT_MALFORMED,
				    "has more inputs or outputs than its function");
	return status;
}

/* Defaults of attributes (attribute_proto) that the call does not give. */
static int add_defaults(struct rt_onnx_scope *s, struct rt_wire w, struct rt_node *call)
{
	struct rt_onnx_reader *r = s->r;
	struct rt_wire again = w, sub;
	struct rt_attr *attrs, a;
	int status, count = 0;
	struct rt_field f;

	while ((status = rt_wire_next(&w, &f, r->err)) > 0)
		count += f.number == 11;
	if (status < 0 || count == 0)
		return status;
	attrs = rt_graph_alloc(s->graph, sizeof(*attrs) * (size_t)(call->attr_count + count));
	if (attrs == NULL)
		return rt_onnx_no_memory(r);
	if (call->attr_count > 0)
		memcpy(attrs, call->attrs, sizeof(*attrs) * (size_t)call->attr_count);
	call->attrs = attrs;
	while ((status = rt_wire_next(&again, &f, r->err)) > 0) {
		if (f.number != 11)
			continue;
		status = rt_wire_enter(&again, &f, &sub, r->err);
		if (status == RT_OK)
			status = rt_onnx_attr(s, sub, &a);
		if (status != RT_OK)
			return status;
		if (a.name != NULL && rt_node_attr(call, a.name) == NULL)
			call->attrs[call->attr_count++] = a;
	}
	return status;
}

static int read_body(struct rt_onnx_scope *body, struct rt_wire w)
{
	struct rt_wire at = w, sub;
	struct rt_field f;
	int status;

	while ((status = rt_wire_next(&at, &f, body->r->err)) > 0) {
		if (f.number != 7)
			continue;
		status = rt_wire_enter(&at, &f, &sub, body->r->err);
		if (status == RT_OK)
			status = rt_onnx_node(body, sub);
		if (status < 0)
			return status;
	}
	return status < 0 ? status : rt_onnx_settle(body);
}

int rt_onnx_function_call(struct rt_onnx_scope *s, const struct rt_onnx_function *f,
			  const struct rt_node *call)
{
	struct rt_node given = *call;
	struct rt_onnx_scope body = {.r = s->r,
				     .graph = s->graph,
				     .imports = &f->imports,
				     .call = &given,
				     .caller = s,
				     .calls = s->calls + 1};
	int status;

	if (body.calls > RT_ONNX_CALLS_MAX)
		return rt_error_set(s->r->err, RT_MALFORMED,
				    "functions call each other too deeply");
	status = add_defaults(s, f->body, &given);
	if (status < 0)
		return status;
	rt_names_init(&body.names);
	status = bind_signature(&body, f->body, call);
	if (status == RT_OK)
		status = read_body(&body, f->body);
	for (int i = 0; status == RT_OK && i < call->out_count; i++) {
		if (call->out[i] != RT_NO_VALUE && !s->graph->values[call->out[i]].is_defined)
			status = rt_error_set(s->r->err, RT_MALFORMED,
					      "its function does not make output %d", i);
	}
	rt_onnx_scope_release(&body);
	return status;
}
