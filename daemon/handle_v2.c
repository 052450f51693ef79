/* SPDX-License-Identifier: MIT */
/*
 * handle_v2.c — the routes of the Open Inference Protocol v2: what a URL means,
 * and the way of one inference: bytes → tensors (oip.c) → run (residency.c,
 * runtime) → bytes (oip_answer.c).  Health and server metadata run on the loop,
 * everything that may load a model on the pool.
 *
 * A session is held from the run until the answer has been copied out of it, and
 * never while a client is read or written.
 */
#include <config.h>

#include <stdio.h>
#include <time.h>

#include "daemon/job.h"
#include "daemon/metrics.h"
#include "daemon/oip.h"
#include "daemon/oip_ports.h"
#include "daemon/request.h"
#include "daemon/residency.h"
#include "daemon/server.h"
#include "daemon/tally.h"
#include "daemon/text.h"

#define JSON_TYPE "application/json"
#define BINARY_TYPE "application/octet-stream"

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

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

/* A reason longer than a fault can hold: the list of all that a model needs and is not there. */
static int reply_detail(struct request *rq, const char *detail, const struct fault *fault)
{
	struct text t;

	text_init(&t, &rq->arena);
	text_add(&t, "{\"error\":");
	text_json(&t, detail);
	text_add(&t, "}");
	return reply_text(rq, fault->http, JSON_TYPE, &t);
}

/*
 * The model of the URL, with a reference.  1: it is in *out; 0: there is none
 * and the answer is made; -1: there is none and ${fault} says why.
 */
static int find_model(struct request *rq, struct resident **out, struct fault *fault)
{
	struct residency_want want = {
	    .model = rq->part[PART_MODEL],
	    .revision = rq->part[PART_VERSION],
	    .file = request_query(rq, "file"),
	    .cancel = request_cancel_flag(rq),
	    .arena = &rq->arena,
	};
	const char *detail = NULL;

	if (rq->ctx->residency == NULL)
		return fault_set(fault, 503, "models are not run here");
	if (residency_get(rq->ctx->residency, &want, out, &detail, fault) == 0)
		return 1;
	return detail != NULL ? reply_detail(rq, detail, fault) : -1;
}

int handle_v2_model(struct request *rq, struct fault *fault)
{
	struct resident *m;
	struct text t;
	int found = find_model(rq, &m, fault);

	if (found <= 0)
		return found;
	text_init(&t, &rq->arena);
	text_add(&t, "{\"name\":");
	text_json(&t, residency_model(m));
	text_add(&t, ",\"versions\":[");
	text_json(&t, residency_commit(m));
	text_add(&t, "],\"platform\":");
	text_json(&t, residency_platform(m));
	text_add(&t, ",");
	oip_ports_json(&t, residency_ports(m));
	text_add(&t, ",\"parameters\":{\"revision\":");
	text_json(&t, residency_commit(m));
	text_add(&t, ",\"file\":");
	text_json(&t, residency_file(m));
	text_add(&t, "}}");
	residency_unref(m);
	return reply_text(rq, 200, JSON_TYPE, &t);
}

int handle_v2_model_ready(struct request *rq, struct fault *fault)
{
	struct resident *m;
	struct text t;
	int found = find_model(rq, &m, fault);

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

/* One inference on its way: when it began each of its parts, for the tally. */
struct course {
	struct resident *model;
	struct tally_times times;
	enum tally_end end;
};

static int run_failed(struct course *c, int status, const struct rt_error *err, struct fault *fault)
{
	bool cancelled = status == RT_CANCELLED;

	c->end = cancelled ? TALLY_CANCELLED : TALLY_FAILED;
	metrics_add(cancelled ? METRIC_inferences_cancelled : METRIC_inferences_failed, 1);
	return fault_rt(fault, status, err->text);
}

static int reply_answer(struct request *rq, const struct oip_answer *a, const struct course *c)
{
	if (a->binary)
		reply_headerf(rq, "Inference-Header-Content-Length", "%zu", a->json_size);
	reply_headerf(rq, "Server-Timing", "queue;dur=%.3f, compute;dur=%.3f",
		      (double)c->times.queue / 1e6, (double)c->times.infer / 1e6);
	return reply_bytes(rq, 200, a->binary ? BINARY_TYPE : JSON_TYPE, a->data, a->size);
}

/* The session is ours from here to the end. */
static int run(struct request *rq, struct course *c, struct rt_session *session,
	       const struct oip_request *in, bool *ret_usable, struct fault *fault)
{
	const struct oip_ports *ports = residency_ports(c->model);
	struct rt_run_opts opts = {.cancel = request_cancel_flag(rq)};
	struct rt_tensor *outputs;
	struct oip_answer answer;
	struct rt_error err;
	uint64_t begin;
	int status;

	outputs = arena_zalloc(&rq->arena, (ports->output_count + 1) * sizeof *outputs);
	if (outputs == NULL)
		return fault_set(fault, 503, "out of memory");
	begin = now_ns();
	status = rt_session_run(session, in->inputs, outputs, in->wanted, &opts, &err);
	c->times.infer = now_ns() - begin;
	*ret_usable = status != RT_IO;
	if (status != RT_OK)
		return run_failed(c, status, &err, fault);
	metrics_add(METRIC_inferences, 1);
	metrics_add(METRIC_inference_ns, c->times.infer);
	begin = now_ns();
	if (oip_answer(in, ports, outputs, residency_model(c->model), residency_commit(c->model),
		       &rq->arena, &answer, fault) != 0)
		return -1;
	c->times.output = now_ns() - begin;
	c->end = TALLY_SUCCESS;
	return reply_answer(rq, &answer, c);
}

static int infer(struct request *rq, struct course *c, struct fault *fault)
{
	struct rt_bytes body = {rq->body, rq->body_size};
	struct rt_session *session;
	struct oip_request in;
	bool usable = true;
	uint64_t begin = now_ns();
	int status;

	if (oip_parse(body, rq->header[HEADER_INFERENCE_HEADER], residency_ports(c->model),
		      &rq->arena, &in, fault) != 0)
		return -1;
	if (in.has_keep_alive)
		residency_keep(c->model, in.keep_alive_s);
	c->times.input = now_ns() - begin;
	begin = now_ns();
	if (residency_take(c->model, request_cancel_flag(rq), &session, fault) != 0) {
		c->end = request_cancelled(rq) ? TALLY_CANCELLED : TALLY_FAILED;
		return -1;
	}
	c->times.queue += now_ns() - begin;
	status = run(rq, c, session, &in, &usable, fault);
	residency_give(c->model, session, usable);
	return status;
}

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
	struct course c = {.end = TALLY_FAILED};
	uint64_t begin = now_ns();
	int status = find_model(rq, &c.model, fault);

	if (status <= 0)
		return status;
	c.times.queue = rq->waited_ns + now_ns() - begin;
	status = infer(rq, &c, fault);
	c.times.total = now_ns() - rq->begin_ns;
	tally_end(residency_tally(c.model), c.end, &c.times);
	residency_unref(c.model);
	return status;
}
