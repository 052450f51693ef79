/* SPDX-License-Identifier: MIT */
/*
 * handle_v2_config.c — GET /v2/models/{model}/config: whether a stored model can
 * run and what it would need, without loading it; and what Triton's model
 * configuration extension says of a model, in its words.  On the pool.
 *
 * The file is mapped and its graph read; weights are not touched, nothing is
 * packed, nothing stays.  What only the binding of an operator refuses (an
 * attribute's value) is not seen here; `ready` loads the model and tells.
 */
#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/oip_ports.h"
#include "daemon/request.h"
#include "daemon/residency.h"
#include "daemon/residency_batch.h"
#include "daemon/residency_load.h"
#include "daemon/settings.h"
#include "daemon/text.h"

#define JSON_TYPE "application/json"

/* The lines behind the first of ${text}, as a list of strings without their blanks. */
static void add_lines(struct text *t, const char *text)
{
	const char *line = strchr(text, '\n'), *comma = "";
	char one[1024];

	text_add(t, "[");
	for (; line != NULL; line = strchr(line, '\n')) {
		size_t n;

		line += 1 + strspn(line + 1, " ");
		n = strcspn(line, "\n");
		if (n == 0)
			continue;
		n = n < sizeof one ? n : sizeof one - 1;
		memcpy(one, line, n);
		one[n] = '\0';
		text_add(t, comma);
		text_json(t, one);
		comma = ",";
	}
	text_add(t, "]");
}

static void add_reason(struct text *t, const char *reason)
{
	char first[400];
	size_t n = strcspn(reason, "\n");

	n = n < sizeof first ? n : sizeof first - 1;
	memcpy(first, reason, n);
	first[n] = '\0';
	text_add(t, ",\"runnable\":false,\"error\":");
	text_json(t, first);
	text_add(t, ",\"missing\":");
	add_lines(t, reason);
}

/* ---- Triton's ModelConfig (model_config.proto), as far as it means something here ---- */

static void add_config_port(struct text *t, const struct rt_port *port, bool batched, bool input)
{
	const char *type = rt_dtype_oip(port->dtype);
	const char *comma = "";

	text_add(t, "{\"name\":");
	text_json(t, port->name);
	text_printf(t, ",\"data_type\":\"TYPE_%s\",",
		    type[0] == '\0'              ? "INVALID"
		    : strcmp(type, "BYTES") == 0 ? "STRING"
						 : type);
	if (input)
		text_add(t, "\"format\":\"FORMAT_NONE\",");
	text_add(t, "\"dims\":[");
	for (int i = batched ? 1 : 0; i < port->shape.rank; i++) {
		text_printf(t, "%s%" PRId64, comma, port->shape.dims[i]);
		comma = ",";
	}
	text_printf(t, "]%s}",
		    !input           ? ""
		    : port->optional ? ",\"optional\":true"
				     : ",\"optional\":false");
}

static void add_config(struct text *t, const struct oip_ports *ports, const char *path,
		       const struct settings *settings)
{
	bool batched = residency_batch_fit(ports);

	text_printf(t, ",\"max_batch_size\":%u,\"input\":[",
		    batched ? (unsigned)settings->batch_max : 0);
	for (size_t i = 0; i < ports->input_count; i++) {
		text_add(t, i == 0 ? "" : ",");
		add_config_port(t, ports->inputs[i], batched, true);
	}
	text_add(t, "],\"output\":[");
	for (size_t i = 0; i < ports->output_count; i++) {
		text_add(t, i == 0 ? "" : ",");
		add_config_port(t, ports->outputs[i], batched, false);
	}
	text_add(t, "],\"version_policy\":{\"all\":{}},\"default_model_filename\":");
	text_json(t, path);
	text_add(t, ",\"instance_group\":[{\"kind\":\"KIND_CPU\",\"count\":1}]");
	if (batched && settings->batch_window != 0)
		text_printf(t, ",\"dynamic_batching\":{\"max_queue_delay_microseconds\":%u}",
			    (unsigned)settings->batch_window * 1000);
}

static void add_file(struct text *t, const struct runnable *what, const struct residency_load *l,
		     const struct settings *settings, const struct rt_error *err, int status)
{
	text_add(t, ",\"versions\":[");
	text_json(t, what->file.commit);
	text_add(t, "],\"backend\":\"larder\",\"file\":");
	text_json(t, what->path);
	if (status != RT_OK) {
		add_reason(t, err->text);
		return;
	}
	text_add(t, ",\"platform\":");
	text_json(t, rt_model_platform(l->model));
	text_add(t, ",\"runnable\":true,\"missing\":[],");
	oip_ports_json(t, &l->ports);
	add_config(t, &l->ports, what->path, settings);
}

int handle_v2_config(struct request *rq, struct fault *fault)
{
	struct residency_load_opts opts = {.store = rq->ctx->store, .check_only = true};
	struct residency_load load = {.model = NULL};
	const char *revision = rq->part[PART_VERSION];
	struct runnable what;
	struct rt_error *err = calloc(1, sizeof *err);
	struct text t;
	int status;

	if (err == NULL)
		return fault_set(fault, 503, "out of memory");
	text_init(&t, &rq->arena);
	text_add(&t, "{\"name\":");
	status = runnable_find(rq->ctx->store, rq->part[PART_MODEL],
			       revision != NULL ? revision : "main", request_query(rq, "file"),
			       &what, fault);
	if (status != 0 && fault->http != 501 && fault->http != 409) {
		free(err);
		return -1;
	}
	if (status != 0) { /* it is there, but holds nothing that runs, or several */
		text_json(&t, rq->part[PART_MODEL]);
		add_reason(&t, fault->text);
	} else {
		text_json(&t, what.model);
		status = residency_load_open(&load, &what, &opts, err);
		if (status == RT_IO || status == RT_MEMORY) {
			(void)fault_rt(fault, status, err->text);
			free(err);
			return -1;
		}
		add_file(&t, &what, &load, rq->settings, err, status);
		residency_load_close(&load);
	}
	text_add(&t, "}");
	free(err);
	return reply_text(rq, 200, JSON_TYPE, &t);
}
