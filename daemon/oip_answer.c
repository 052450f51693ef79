/* SPDX-License-Identifier: MIT */
/*
 * oip_answer.c — tensors to the body of an inference answer.  Called by
 * handle_v2.c on a pool thread.
 *
 * The JSON is written first, then each binary output is copied once, straight
 * from the session's memory into the body; after that the session is free.
 */
#include <config.h>

#include "daemon/oip.h"

#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/oip_binary.h"
#include "daemon/oip_data.h"
#include "daemon/oip_ports.h"
#include "daemon/text.h"

static int output_json(struct text *t, const struct rt_port *port, const struct rt_tensor *tensor,
		       bool binary, size_t *ret_bytes, struct fault *fault)
{
	text_add(t, "{\"name\":");
	text_json(t, port->name);
	text_add(t, ",\"datatype\":");
	text_json(t, rt_dtype_oip(tensor->dtype));
	text_add(t, ",");
	oip_ports_shape_json(t, &tensor->shape);
	*ret_bytes = 0;
	if (rt_dtype_oip(tensor->dtype)[0] == '\0')
		return fault_set(fault, 501,
				 "output \"%.100s\" has elements of type %s, which the protocol "
				 "cannot carry",
				 port->name, rt_dtype_name(tensor->dtype));
	if (!binary) {
		text_add(t, ",\"data\":");
		if (oip_data_emit(t, port->name, tensor, fault) != 0)
			return -1;
	} else {
		if (!oip_binary_bytes(tensor, ret_bytes))
			return fault_set(fault, 507, "output \"%.100s\" is too large", port->name);
		text_printf(t, ",\"parameters\":{\"binary_data_size\":%zu}", *ret_bytes);
	}
	text_add(t, "}");
	return 0;
}

static int append_binary(const struct oip_request *rq, const struct rt_tensor *tensors,
			 const struct text *t, size_t total, struct arena *arena, char **out,
			 struct fault *fault)
{
	unsigned char *body = arena_alloc(arena, total), *at = body;

	if (body == NULL)
		return fault_set(fault, 503, "out of memory");
	memcpy(at, t->data, t->size);
	at += t->size;
	for (size_t i = 0; i < rq->output_count; i++) {
		if (rq->outputs[i].binary)
			at = oip_binary_copy(at, &tensors[rq->outputs[i].index]);
	}
	*out = (char *)body;
	return 0;
}

int oip_answer(const struct oip_request *rq, const struct oip_ports *ports,
	       const struct rt_tensor *tensors, const char *model, const char *version,
	       struct arena *arena, struct oip_answer *out, struct fault *fault)
{
	struct text t;
	size_t total = 0, bytes;
	bool binary = false;
	char *body;

	text_init(&t, arena);
	text_add(&t, "{\"model_name\":");
	text_json(&t, model);
	text_add(&t, ",\"model_version\":");
	text_json(&t, version);
	if (rq->id != NULL) {
		text_add(&t, ",\"id\":");
		text_json(&t, rq->id);
	}
	text_add(&t, ",\"outputs\":[");
	for (size_t i = 0; i < rq->output_count; i++) {
		const struct oip_output *o = &rq->outputs[i];

		text_add(&t, i == 0 ? "" : ",");
		if (output_json(&t, ports->outputs[o->index], &tensors[o->index], o->binary, &bytes,
				fault) != 0)
			return -1;
		if (__builtin_add_overflow(total, bytes, &total))
			return fault_set(fault, 507, "the outputs are too large");
		binary = binary || o->binary;
	}
	text_add(&t, "]}");
	if (!text_ok(&t) || __builtin_add_overflow(total, t.size, &total))
		return fault_set(fault, 503, "out of memory");
	body = t.data;
	if (binary && append_binary(rq, tensors, &t, total, arena, &body, fault) != 0)
		return -1;
	*out = (struct oip_answer){body, total, t.size, binary};
	return 0;
}
