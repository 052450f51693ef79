/* SPDX-License-Identifier: MIT */
/*
 * infer_course.c — see infer_course.h.  A session is held from the run until the answer has been
 * copied out of it, and never while a client is read or written.
 */
#include <config.h>

#include "daemon/infer_course.h"

#include <time.h>

#include "daemon/metrics.h"
#include "daemon/request.h"
#include "daemon/residency.h"
#include "daemon/settings.h"
#include "daemon/tally_slow.h"

#define JSON_TYPE "application/json"
#define TIMEOUT_MAX_US UINT64_C(1000000000000)
#define BINARY_TYPE "application/octet-stream"

uint64_t infer_course_now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* When its own `timeout` ends it, ns; 0 = never, or later than any request lasts. */
static uint64_t deadline_of(const struct infer_course *c)
{
	uint64_t us = c->in.timeout_us;

	return us == 0 || us > TIMEOUT_MAX_US ? 0 : c->rq->begin_ns + us * 1000;
}

static int too_late(struct infer_course *c, struct fault *fault)
{
	c->end = TALLY_CANCELLED;
	return fault_set(fault, 504, "this took longer than its timeout of %llu microseconds",
			 (unsigned long long)c->in.timeout_us);
}

/* How many rows a batch of one has: the first dimension of what came, where that is free. */
static uint64_t rows_of(const struct oip_request *in, const struct oip_ports *ports)
{
	const struct rt_shape *s = ports->input_count == 0 ? NULL : &ports->inputs[0]->shape;

	if (s == NULL || s->rank < 1 || s->dims[0] >= 0 || in->inputs[0].shape.rank < 1)
		return 1;
	return (uint64_t)in->inputs[0].shape.dims[0];
}

int infer_course_read(struct infer_course *c, struct fault *fault)
{
	struct request *rq = c->rq;
	struct rt_bytes body = {rq->body, rq->body_size};
	const struct oip_ports *ports = residency_ports(c->model);
	uint64_t begin = infer_course_now_ns();

	if (oip_parse(body, rq->header[HEADER_INFERENCE_HEADER], ports, &rq->arena, &c->in,
		      fault) != 0)
		return -1;
	if (c->in.has_keep_alive)
		residency_keep(c->model, c->in.keep_alive_s);
	c->outputs = arena_zalloc(&rq->arena, (ports->output_count + 1) * sizeof *c->outputs);
	if (c->outputs == NULL)
		return fault_set(fault, 503, "out of memory");
	c->rows = rows_of(&c->in, ports);
	c->times.input = infer_course_now_ns() - begin;
	return 0;
}

int infer_course_failed(struct infer_course *c, int status, const char *text, struct fault *fault)
{
	bool cancelled = status == RT_CANCELLED;

	c->end = cancelled ? TALLY_CANCELLED : TALLY_FAILED;
	metrics_add(cancelled ? METRIC_inferences_cancelled : METRIC_inferences_failed, 1);
	if (cancelled && !request_cancelled(c->rq))
		return too_late(c, fault);
	return fault_rt(fault, status, text);
}

int infer_course_run(struct infer_course *c, struct rt_session *session, bool *ret_usable,
		     struct fault *fault)
{
	uint64_t begin = infer_course_now_ns(), deadline = deadline_of(c);
	struct rt_run_opts opts = {.cancel = request_cancel_flag(c->rq),
				   .deadline_ns = (int64_t)deadline};
	struct rt_error err;
	int status;

	if (deadline != 0 && begin >= deadline)
		return too_late(c, fault);
	status = rt_session_run(session, c->in.inputs, c->outputs, c->in.wanted, &opts, &err);
	c->times.infer = infer_course_now_ns() - begin;
	*ret_usable = status != RT_IO;
	if (status != RT_OK)
		return infer_course_failed(c, status, err.text, fault);
	c->batch = 1;
	metrics_add(METRIC_inference_ns, c->times.infer);
	return 0;
}

int infer_course_answer(struct infer_course *c, struct fault *fault)
{
	struct request *rq = c->rq;
	uint64_t begin = infer_course_now_ns();
	struct oip_answer a;

	metrics_add(METRIC_inferences, 1);
	if (oip_answer(&c->in, residency_ports(c->model), c->outputs, residency_model(c->model),
		       residency_commit(c->model), &rq->arena, &a, fault) != 0)
		return -1;
	c->times.output = infer_course_now_ns() - begin;
	c->end = TALLY_SUCCESS;
	if (a.binary)
		reply_headerf(rq, "Inference-Header-Content-Length", "%zu", a.json_size);
	reply_headerf(rq, "Server-Timing", "queue;dur=%.3f, compute;dur=%.3f",
		      (double)c->times.queue / 1e6, (double)c->times.infer / 1e6);
	return reply_bytes(rq, 200, a.binary ? BINARY_TYPE : JSON_TYPE, a.data, a.size);
}

void infer_course_end(struct infer_course *c)
{
	c->times.total = infer_course_now_ns() - c->rq->begin_ns;
	tally_end(residency_tally(c->model), c->end, c->rows, &c->times);
	tally_slow_note(
	    &(struct tally_slow){
		.id = c->rq->id,
		.model = residency_model(c->model),
		.commit = residency_commit(c->model),
		.file = residency_file(c->model),
		.origin = c->rq->cors_origin,
		.end = c->end,
		.batch = c->batch,
		.times = c->times,
	    },
	    c->rq->settings->slow_request);
}
