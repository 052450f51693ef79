/* SPDX-License-Identifier: MIT */
/*
 * oip.c — inference requests as bytes to tensors, and tensors to answers.
 * Called by handle_v2.c on a pool thread; see oip.h.
 *
 * The order of work: where the JSON ends (header) → cut the `data` arrays out →
 * JSON library → outputs that are wanted → inputs one by one, each against its
 * port, taking its bytes from the binary part in order → nothing may be left.
 *
 * It must never trust a size, a shape or a name before it was compared with the
 * port and with the bytes that are there.
 */
#include <config.h>

#include "daemon/oip.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/oip_binary.h"
#include "daemon/oip_cut.h"
#include "daemon/oip_data.h"
#include "daemon/oip_frame.h"
#include "daemon/oip_ports.h"
#include "daemon/oip_turn.h"
#include "daemon/text.h"

struct parser {
	const struct oip_ports *ports;
	const struct oip_cut *cut;
	const unsigned char *blob; /* the binary part that is not taken yet */
	size_t blob_bytes;
	size_t data_taken; /* spans that an input has used */
	struct arena *arena;
	struct oip_request *rq;
	struct fault *fault;
};

static int no_memory(struct fault *fault)
{
	return fault_set(fault, 503, "out of memory");
}

/* ---- inputs ------------------------------------------------------------------- */

static int parse_shape(const json_t *v, const char *name, struct rt_shape *out, struct fault *fault)
{
	int64_t elems;

	if (!json_is_array(v))
		return fault_set(fault, 400, "input \"%.100s\": \"shape\" must be an array", name);
	if (json_array_size(v) > RT_RANK_MAX)
		return fault_set(fault, 400,
				 "input \"%.100s\": %zu dimensions; at most %d are taken", name,
				 json_array_size(v), RT_RANK_MAX);
	*out = (struct rt_shape){.rank = (int)json_array_size(v)};
	for (int i = 0; i < out->rank; i++) {
		const json_t *d = json_array_get(v, (size_t)i);

		if (!json_is_integer(d) || json_integer_value(d) < 0)
			return fault_set(fault, 400,
					 "input \"%.100s\": shape must hold integers of 0 and more",
					 name);
		out->dims[i] = json_integer_value(d);
	}
	if (!rt_shape_elems(out, &elems))
		return fault_set(fault, 400, "input \"%.100s\": its shape is too large", name);
	return 0;
}

static bool shape_fits(const struct rt_shape *port, const struct rt_shape *came)
{
	if (port->rank < 0)
		return true;
	if (port->rank != came->rank)
		return false;
	for (int i = 0; i < port->rank; i++) {
		if (port->dims[i] >= 0 && port->dims[i] != came->dims[i])
			return false;
	}
	return true;
}

static int check_port(const struct rt_port *port, const char *datatype,
		      const struct rt_shape *shape, struct fault *fault)
{
	char want[160], came[160];

	if (rt_dtype_oip(port->dtype)[0] == '\0')
		return fault_set(fault, 501,
				 "input \"%.100s\" has elements of type %s, which the protocol "
				 "cannot carry",
				 port->name, rt_dtype_name(port->dtype));
	if (rt_dtype_of_oip(datatype) == RT_NONE)
		return fault_set(fault, 400, "input \"%.100s\": unknown datatype \"%.20s\"",
				 port->name, datatype);
	if (rt_dtype_of_oip(datatype) != port->dtype)
		return fault_set(fault, 400, "input \"%.100s\": datatype is %s, the model takes %s",
				 port->name, datatype, rt_dtype_oip(port->dtype));
	if (!shape_fits(&port->shape, shape))
		return fault_set(fault, 400, "input \"%.100s\": shape is %s, the model takes %s",
				 port->name, rt_shape_text(shape, came, sizeof came),
				 rt_shape_text(&port->shape, want, sizeof want));
	return 0;
}

/* The next ${size} bytes of the binary part. */
static int take_blob(struct parser *p, const char *name, const json_t *size, struct rt_tensor *t)
{
	json_int_t n = json_integer_value(size);

	if (!json_is_integer(size) || n < 0)
		return fault_set(p->fault, 400,
				 "input \"%.100s\": \"binary_data_size\" must be an integer of 0 "
				 "and more",
				 name);
	if ((uint64_t)n > p->blob_bytes)
		return fault_set(p->fault, 400,
				 "input \"%.100s\": binary_data_size is %" PRId64
				 ", the body has %zu bytes left",
				 name, (int64_t)n, p->blob_bytes);
	if (oip_binary_parse(p->blob, (size_t)n, name, t, p->arena, p->fault) != 0)
		return -1;
	p->blob += n;
	p->blob_bytes -= (size_t)n;
	return 0;
}

/* What a JSON object says; JSON types are checked by the unpacking. */
struct input {
	const char *name, *datatype;
	json_t *shape, *parameters, *data;
};

static int parse_input(struct parser *p, size_t i, json_t *v)
{
	struct input in = {.name = NULL};
	struct rt_tensor t = {.dtype = RT_NONE};
	const json_t *binary, *transform;
	json_error_t why;
	size_t port;
	char names[320];

	if (json_unpack_ex(v, &why, 0, "{s:s,s:s,s:o,s?:o,s?:o}", "name", &in.name, "datatype",
			   &in.datatype, "shape", &in.shape, "parameters", &in.parameters, "data",
			   &in.data) != 0)
		return fault_set(p->fault, 400, "inputs[%zu]: %s", i, why.text);
	if (in.parameters != NULL && !json_is_object(in.parameters))
		return fault_set(p->fault, 400,
				 "input \"%.100s\": \"parameters\" must be an object", in.name);
	if (!oip_ports_find(p->ports->inputs, p->ports->input_count, in.name, &port))
		return fault_set(
		    p->fault, 400, "no input \"%.100s\"; the model has %s", in.name,
		    oip_ports_names(p->ports->inputs, p->ports->input_count, names, sizeof names));
	if (p->rq->inputs[port].dtype != RT_NONE)
		return fault_set(p->fault, 400, "input \"%.100s\" is given twice", in.name);
	transform = json_object_get(in.parameters, "transform");
	if (parse_shape(in.shape, in.name, &t.shape, p->fault) != 0)
		return -1;
	if (transform == NULL &&
	    check_port(p->ports->inputs[port], in.datatype, &t.shape, p->fault) != 0)
		return -1;
	t.dtype = rt_dtype_of_oip(in.datatype);
	if (transform != NULL && t.dtype != RT_U8 && t.dtype != RT_STR)
		return fault_set(
		    p->fault, 400,
		    "input \"%.100s\": the datatype of a frame is UINT8, or BYTES of an "
		    "encoded picture",
		    in.name);
	binary = json_object_get(in.parameters, "binary_data_size");
	if ((binary != NULL) == (in.data != NULL))
		return fault_set(p->fault, 400,
				 "input \"%.100s\": either \"data\" or the parameter "
				 "\"binary_data_size\" is needed%s",
				 in.name, binary != NULL ? ", not both" : "");
	if (binary != NULL) {
		if (take_blob(p, in.name, binary, &t) != 0)
			return -1;
	} else {
		/* the value is the index of a span: oip_cut.c put it there, in this order */
		if (!json_is_integer(in.data) || p->data_taken == p->cut->span_count ||
		    (size_t)json_integer_value(in.data) != p->data_taken)
			return fault_set(p->fault, 400, "inputs[%zu]: \"data\" must be an array",
					 i);
		if (oip_data_parse(&p->cut->spans[p->data_taken++], in.name, &t, p->arena,
				   p->fault) != 0)
			return -1;
	}
	if (transform != NULL && oip_frame_parse(transform, p->ports, p->ports->inputs[port], &t,
						 p->arena, &t, p->fault) != 0)
		return -1;
	p->rq->inputs[port] = t;
	return 0;
}

static int check_complete(const struct oip_ports *ports, const struct oip_request *rq,
			  struct fault *fault)
{
	char text[320];

	for (size_t i = 0; i < ports->input_count; i++) {
		if (rq->inputs[i].dtype == RT_NONE && !ports->inputs[i]->optional)
			return fault_set(fault, 400, "input %s is missing",
					 oip_ports_text(ports->inputs[i], text, sizeof text));
	}
	return 0;
}

/* ---- outputs ----------------------------------------------------------------------- */

static int all_outputs(struct parser *p, bool binary)
{
	for (size_t i = 0; i < p->ports->output_count; i++) {
		p->rq->wanted[i] = true;
		p->rq->outputs[i] = (struct oip_output){i, binary};
	}
	p->rq->output_count = p->ports->output_count;
	return 0;
}

/* A boolean of an object of parameters; ${*out} is left when it is not there. */
static int bool_parameter(const json_t *parameters, const char *where, const char *key, bool *out,
			  struct fault *fault)
{
	const json_t *v;

	if (parameters != NULL && !json_is_object(parameters))
		return fault_set(fault, 400, "%s: \"parameters\" must be an object", where);
	v = json_object_get(parameters, key);
	if (v == NULL)
		return 0;
	if (!json_is_boolean(v))
		return fault_set(fault, 400, "%s: \"%s\" must be true or false", where, key);
	*out = json_is_true(v);
	return 0;
}

static int parse_output(struct parser *p, size_t i, json_t *v, bool binary)
{
	const char *name = NULL;
	json_t *parameters = NULL;
	json_error_t why;
	size_t port;
	char text[320];

	if (json_unpack_ex(v, &why, 0, "{s:s,s?:o}", "name", &name, "parameters", &parameters) != 0)
		return fault_set(p->fault, 400, "outputs[%zu]: %s", i, why.text);
	if (!oip_ports_find(p->ports->outputs, p->ports->output_count, name, &port))
		return fault_set(
		    p->fault, 400, "no output \"%.100s\"; the model has %s", name,
		    oip_ports_names(p->ports->outputs, p->ports->output_count, text, sizeof text));
	if (p->rq->wanted[port])
		return fault_set(p->fault, 400, "output \"%.100s\" is asked for twice", name);
	snprintf(text, sizeof text, "output \"%.100s\"", name);
	if (bool_parameter(parameters, text, "binary_data", &binary, p->fault) != 0)
		return -1;
	if (json_object_get(parameters, "classification") != NULL ||
	    json_object_get(parameters, "shared_memory_region") != NULL)
		return fault_set(p->fault, 400,
				 "%s: the classification and shared memory extensions are not "
				 "offered",
				 text);
	p->rq->wanted[port] = true;
	p->rq->outputs[p->rq->output_count++] = (struct oip_output){port, binary};
	return 0;
}

static int parse_outputs(struct parser *p, json_t *outputs, const json_t *parameters)
{
	bool binary = false;
	size_t i;
	json_t *v;

	if (bool_parameter(parameters, "the request", "binary_data_output", &binary, p->fault) != 0)
		return -1;
	if (outputs != NULL && !json_is_array(outputs))
		return fault_set(p->fault, 400, "\"outputs\" must be an array");
	if (json_array_size(outputs) == 0)
		return all_outputs(p, binary);
	json_array_foreach(outputs, i, v)
	{
		if (parse_output(p, i, v, binary) != 0)
			return -1;
	}
	return 0;
}

/* ---- the request ---------------------------------------------------------------------- */

/* "90", "90s", "5m", "1h", "2d", and the same with a minus. */
static bool seconds_of(const char *text, int64_t *out)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = {1, 60, 3600, 86400};
	const char *unit;
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	if (errno != 0 || end == text)
		return false;
	if (*end == '\0')
		return true;
	unit = strchr(units, *end);
	return unit != NULL && end[1] == '\0' &&
	       !__builtin_mul_overflow(*out, seconds[unit - units], out);
}

/*
 * The parameter `keep_alive`, as page authors know it from other local servers:
 * seconds, or a text with a unit; 0 = not longer than this run, negative = until
 * the memory is needed.
 */
static int parse_keep_alive(struct parser *p, const json_t *parameters)
{
	const json_t *v = json_object_get(parameters, "keep_alive");
	struct oip_request *rq = p->rq;

	if (v == NULL)
		return 0;
	rq->has_keep_alive = true;
	if (json_is_integer(v))
		rq->keep_alive_s = json_integer_value(v);
	else if (!json_is_string(v) || !seconds_of(json_string_value(v), &rq->keep_alive_s))
		return fault_set(p->fault, 400,
				 "\"keep_alive\" must be seconds, or a text such as \"5m\"");
	return 0;
}

static int parse_document(struct parser *p, json_t *root)
{
	json_t *inputs = NULL, *outputs = NULL, *parameters = NULL, *id = NULL, *v;
	struct oip_turn turn;
	json_error_t why;
	size_t i;

	if (json_unpack_ex(root, &why, 0, "{s:o,s?:o,s?:o,s?:o}", "inputs", &inputs, "outputs",
			   &outputs, "parameters", &parameters, "id", &id) != 0)
		return fault_set(p->fault, 400, "not an inference request: %s", why.text);
	if (!json_is_array(inputs))
		return fault_set(p->fault, 400, "\"inputs\" must be an array");
	if (id != NULL && !json_is_string(id))
		return fault_set(p->fault, 400, "\"id\" must be a string");
	if (id != NULL) {
		p->rq->id = arena_copy(p->arena, json_string_value(id), json_string_length(id));
		if (p->rq->id == NULL)
			return no_memory(p->fault);
	}
	if (parse_outputs(p, outputs, parameters) != 0 || parse_keep_alive(p, parameters) != 0 ||
	    oip_turn_parse(parameters, &turn, p->fault) != 0)
		return -1;
	p->rq->timeout_us = turn.timeout_us;
	json_array_foreach(inputs, i, v)
	{
		if (parse_input(p, i, v) != 0)
			return -1;
	}
	if (p->blob_bytes != 0)
		return fault_set(p->fault, 400, "the body has %zu bytes that belong to no input",
				 p->blob_bytes);
	return check_complete(p->ports, p->rq, p->fault);
}

static int parse_json(struct parser *p, const char *json, size_t size)
{
	struct oip_cut cut;
	json_error_t why;
	json_t *root;
	int status;

	if (oip_cut(json, size, p->arena, &cut, p->fault) != 0)
		return -1;
	root = json_loadb(cut.json, cut.json_size, JSON_REJECT_DUPLICATES, &why);
	if (root == NULL)
		return fault_set(p->fault, 400, "the JSON part (%zu bytes) is not JSON: %s", size,
				 why.text);
	p->cut = &cut;
	status = parse_document(p, root);
	p->cut = NULL;
	json_decref(root);
	return status;
}

/* Of strings: the body is the one there is, without its length. */
static int parse_raw_string(struct parser *p, size_t at, struct rt_tensor *t)
{
	struct rt_str *s = arena_alloc(p->arena, sizeof *s);
	char text[320];

	if (rt_tensor_elems(t) != 1)
		return fault_set(p->fault, 400,
				 "a body without JSON is one string, input %s takes more",
				 oip_ports_text(p->ports->inputs[at], text, sizeof text));
	if (s == NULL)
		return no_memory(p->fault);
	*s = (struct rt_str){(const char *)p->blob, p->blob_bytes};
	t->data = s;
	p->rq->inputs[at] = *t;
	return all_outputs(p, true);
}

/* The body is the bytes of the one input (extension_binary_data.md, "raw binary request"). */
static int parse_raw(struct parser *p)
{
	const struct rt_port *port;
	struct rt_tensor t;
	size_t fixed, at = 0, required = 0;
	int free_dim = -1;
	char text[320];

	for (size_t i = 0; i < p->ports->input_count; i++) {
		if (p->ports->inputs[i]->optional)
			continue;
		at = i;
		required++;
	}
	if (required != 1)
		return fault_set(p->fault, 400,
				 "a body without JSON needs a model with one input, this has %zu",
				 required);
	port = p->ports->inputs[at];
	if (check_port(port, rt_dtype_oip(port->dtype), &port->shape, p->fault) != 0)
		return -1;
	t = (struct rt_tensor){.dtype = port->dtype, .shape = port->shape};
	for (int i = 0; i < t.shape.rank; i++) {
		if (t.shape.dims[i] >= 0)
			continue;
		free_dim = free_dim >= 0 ? RT_RANK_MAX : i;
		t.shape.dims[i] = 1;
	}
	if (t.shape.rank >= 0 && t.dtype == RT_STR)
		return parse_raw_string(p, at, &t);
	if (t.shape.rank < 0 || free_dim == RT_RANK_MAX)
		return fault_set(p->fault, 400,
				 "a body without JSON does not tell the shape of input %s",
				 oip_ports_text(port, text, sizeof text));
	if (!rt_shape_bytes(&t.shape, t.dtype, &fixed))
		return fault_set(p->fault, 400, "the input is too large");
	if (free_dim >= 0 && fixed != 0) {
		if (p->blob_bytes % fixed != 0)
			return fault_set(p->fault, 400,
					 "the body has %zu bytes, input %s needs a multiple of %zu",
					 p->blob_bytes, oip_ports_text(port, text, sizeof text),
					 fixed);
		t.shape.dims[free_dim] = (int64_t)(p->blob_bytes / fixed);
	}
	if (oip_binary_parse(p->blob, p->blob_bytes, port->name, &t, p->arena, p->fault) != 0)
		return -1;
	p->rq->inputs[at] = t;
	return all_outputs(p, true);
}

/* Strictly decimal, 0..body. */
static int json_size_of(const char *text, size_t body_bytes, size_t *out, struct fault *fault)
{
	size_t v = 0;
	const char *s = text;

	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(v, (size_t)10, &v) ||
		    __builtin_add_overflow(v, (size_t)(*s - '0'), &v))
			break;
	}
	if (*s != '\0' && *s >= '0' && *s <= '9')
		v = SIZE_MAX;
	else if (*s != '\0' || s == text)
		return fault_set(fault, 400,
				 "Inference-Header-Content-Length is not a decimal number");
	if (v > body_bytes)
		return fault_set(fault, 400,
				 "Inference-Header-Content-Length is %.30s, the body has %zu bytes",
				 text, body_bytes);
	*out = v;
	return 0;
}

int oip_parse(struct rt_bytes body, const char *json_size, const struct oip_ports *ports,
	      struct arena *arena, struct oip_request *out, struct fault *fault)
{
	struct oip_request rq = {.id = NULL};
	struct parser p = {.ports = ports, .arena = arena, .rq = &rq, .fault = fault};
	const unsigned char *bytes = body.data;
	size_t json_bytes = body.size;
	int status;

	if (json_size != NULL && json_size_of(json_size, body.size, &json_bytes, fault) != 0)
		return -1;
	rq.inputs = arena_zalloc(arena, (ports->input_count + 1) * sizeof *rq.inputs);
	rq.wanted = arena_zalloc(arena, (ports->output_count + 1) * sizeof *rq.wanted);
	rq.outputs = arena_zalloc(arena, (ports->output_count + 1) * sizeof *rq.outputs);
	if (rq.inputs == NULL || rq.wanted == NULL || rq.outputs == NULL)
		return no_memory(fault);
	if (bytes == NULL)
		bytes = (const unsigned char *)"";
	p.blob = bytes + json_bytes;
	p.blob_bytes = body.size - json_bytes;
	if (json_size != NULL && json_bytes == 0)
		status = parse_raw(&p);
	else
		status = parse_json(&p, (const char *)bytes, json_bytes);
	if (status == 0)
		*out = rq;
	return status;
}
