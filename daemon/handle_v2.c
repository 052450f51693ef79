/* SPDX-License-Identifier: MIT */
/*
 * handle_v2.c — the routes of the Open Inference Protocol v2: what a URL means.
 * Health and server metadata run on the loop, everything that may load a model on
 * the pool; an inference is infer.c's.
 */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "daemon/handle_v2_follow.h"
#include "daemon/infer.h"
#include "daemon/job.h"
#include "daemon/oip_ports.h"
#include "daemon/request.h"
#include "daemon/residency.h"
#include "daemon/server.h"
#include "daemon/text.h"
#include "store/store.h"

#define JSON_TYPE "application/json"

/* ---- the server ----------------------------------------------------------------- */

int handle_v2_server(struct request *rq, struct fault *fault)
{
	static const char json[] = "{\"name\":\"larder\",\"version\":\"" PACKAGE_VERSION
				   "\",\"extensions\":[\"binary_tensor_data\",\"statistics\","
				   "\"model_repository\",\"model_configuration\"]}";

	(void)fault;
	return reply_json(rq, 200, json, sizeof json - 1);
}

int handle_v2_live(struct request *rq, struct fault *fault)
{
	static const char json[] = "{\"live\":true}";

	(void)fault;
	return reply_json(rq, 200, json, sizeof json - 1);
}

int handle_v2_ready(struct request *rq, struct fault *fault)
{
	static const char json[] = "{\"ready\":true,\"live\":true}";

	if (job_stopping())
		return fault_set(fault, 503, "the daemon is shutting down");
	return reply_json(rq, 200, json, sizeof json - 1);
}

/* ---- a model ----------------------------------------------------------------------- */

/* "name":["batch",null,…] of a port with named dimensions. */
static void add_dim_names(struct text *t, const struct rt_port *port, const char **between)
{
	bool any = false;

	for (int i = 0; i < port->shape.rank; i++)
		any = any || port->dim_names[i] != NULL;
	if (!any)
		return;
	text_add(t, *between);
	*between = ",";
	text_json(t, port->name);
	for (int i = 0; i < port->shape.rank; i++) {
		text_add(t, i == 0 ? ":[" : ",");
		if (port->dim_names[i] != NULL)
			text_json(t, port->dim_names[i]);
		else
			text_add(t, "null");
	}
	text_add(t, "]");
}

/* What ONNX calls the free dimensions: the protocol has no place for them, clients want them. */
static void add_all_dim_names(struct text *t, const struct oip_ports *ports)
{
	const char *between = "";

	text_add(t, ",\"dim_names\":{");
	for (size_t i = 0; i < ports->input_count; i++)
		add_dim_names(t, ports->inputs[i], &between);
	for (size_t i = 0; i < ports->output_count; i++)
		add_dim_names(t, ports->outputs[i], &between);
	text_add(t, "}");
}

struct versions {
	struct text *t;
	const char *asked;
	char before[STORE_COMMIT_HEX + 1];
};

/* Each snapshot once: those with several names come one after the other. */
static int add_version(void *arg, const struct store_usage_snapshot *s)
{
	struct versions *v = arg;

	if (strcmp(s->commit, v->asked) == 0 || strcmp(s->commit, v->before) == 0)
		return 0;
	(void)snprintf(v->before, sizeof v->before, "%s", s->commit);
	text_add(v->t, ",");
	text_json(v->t, s->commit);
	return 0;
}

/* All snapshots that are stored, the one that was asked for first. */
static void add_versions(struct text *t, struct store *store, const struct resident *m)
{
	struct versions v = {.t = t, .asked = residency_commit(m)};
	struct store_error err;

	text_json(t, v.asked);
	if (store_usage_snapshots(store, residency_model(m), add_version, &v, &err) != 0)
		return; /* removed meanwhile: then it is the only one that can be asked for */
}

int handle_v2_model(struct request *rq, struct fault *fault)
{
	struct resident *m;
	struct text t;
	int found = infer_find(rq, &m, fault);

	if (found <= 0)
		return found;
	text_init(&t, &rq->arena);
	text_add(&t, "{\"name\":");
	text_json(&t, residency_model(m));
	text_add(&t, ",\"versions\":[");
	add_versions(&t, rq->ctx->store, m);
	text_add(&t, "],\"platform\":");
	text_json(&t, residency_platform(m));
	text_add(&t, ",");
	oip_ports_json(&t, residency_ports(m));
	text_add(&t, ",\"parameters\":{\"revision\":");
	text_json(&t, residency_commit(m));
	text_add(&t, ",\"file\":");
	text_json(&t, residency_file(m));
	add_all_dim_names(&t, residency_ports(m));
	text_add(&t, "}}");
	residency_unref(m);
	return reply_text(rq, 200, JSON_TYPE, &t);
}

int handle_v2_model_ready(struct request *rq, struct fault *fault)
{
	const char *accept = rq->header[HEADER_ACCEPT];
	struct resident *m;
	struct text t;
	int found;

	if (accept != NULL && strstr(accept, "text/event-stream") != NULL)
		return handle_v2_follow(rq, fault);
	if (request_query(rq, "wait") != NULL)
		return handle_v2_follow_look(rq, fault);
	found = infer_find(rq, &m, fault);
	if (found <= 0)
		return found;
	text_init(&t, &rq->arena);
	text_add(&t, "{\"name\":");
	text_json(&t, residency_model(m));
	text_add(&t, ",\"ready\":true}");
	residency_unref(m);
	return reply_text(rq, 200, JSON_TYPE, &t);
}

/* ---- inference ------------------------------------------------------------------------ */

/* Of one's own: a page cannot cancel what another origin's page began. */
int handle_v2_cancel(struct request *rq, struct fault *fault)
{
	if (!server_cancel_named(rq->ctx->server, rq->part[PART_ID], rq->cors_origin))
		return fault_set(fault, 404,
				 "no request with that X-Request-Id is being worked on");
	return reply_empty(rq, 204);
}

int handle_v2_infer(struct request *rq, struct fault *fault)
{
	return infer_one(rq, fault);
}
