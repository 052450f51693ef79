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
				   "\",\"extensions\":[\"binary_tensor_data\"]}";

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

static int run_failed(int status, const struct rt_error *err, struct fault *fault)
{
	metrics_add(status == RT_CANCELLED ? METRIC_inferences_cancelled : METRIC_inferences_failed,
		    1);
	return fault_rt(fault, status, err->text);
}

static int reply_answer(struct request *rq, const struct oip_answer *a, uint64_t compute_ns)
{
	if (a->binary)
		reply_headerf(rq, "Inference-Header-Content-Length", "%zu", a->json_size);
	reply_headerf(rq, "Server-Timing", "compute;dur=%.3f", (double)compute_ns / 1e6);
	return reply_bytes(rq, 200, a->binary ? BINARY_TYPE : JSON_TYPE, a->data, a->size);
}

/* The session is ours from here to the end. */
static int run(struct request *rq, struct resident *m, struct rt_session *session,
	       const struct oip_request *in, bool *ret_usable, struct fault *fault)
{
	const struct oip_ports *ports = residency_ports(m);
	struct rt_run_opts opts = {.cancel = request_cancel_flag(rq)};
	struct rt_tensor *outputs;
	struct oip_answer answer;
	struct rt_error err;
	uint64_t begin, compute_ns;
	int status;

	outputs = arena_zalloc(&rq->arena, (ports->output_count + 1) * sizeof *outputs);
	if (outputs == NULL)
		return fault_set(fault, 503, "out of memory");
	begin = now_ns();
	status = rt_session_run(session, in->inputs, outputs, in->wanted, &opts, &err);
	compute_ns = now_ns() - begin;
	*ret_usable = status != RT_IO;
	if (status != RT_OK)
		return run_failed(status, &err, fault);
	metrics_add(METRIC_inferences, 1);
	metrics_add(METRIC_inference_ns, compute_ns);
	if (oip_answer(in, ports, outputs, residency_model(m), residency_commit(m), &rq->arena,
		       &answer, fault) != 0)
		return -1;
	return reply_answer(rq, &answer, compute_ns);
}

static int infer(struct request *rq, struct resident *m, struct fault *fault)
{
	struct rt_bytes body = {rq->body, rq->body_size};
	struct rt_session *session;
	struct oip_request in;
	bool usable = true;
	int status;

	if (oip_parse(body, rq->header[HEADER_INFERENCE_HEADER], residency_ports(m), &rq->arena,
		      &in, fault) != 0)
		return -1;
	if (residency_take(m, request_cancel_flag(rq), &session, fault) != 0)
		return -1;
	status = run(rq, m, session, &in, &usable, fault);
	residency_give(m, session, usable);
	return status;
}

int handle_v2_infer(struct request *rq, struct fault *fault)
{
	struct resident *m;
	int found = find_model(rq, &m, fault);

	if (found <= 0)
		return found;
	found = infer(rq, m, fault);
	residency_unref(m);
	return found;
}
