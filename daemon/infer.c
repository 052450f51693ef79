/* SPDX-License-Identifier: MIT */
/*
 * infer.c — see infer.h.  Called by handle_v2.c, and by infer_batch.c for those that are
 * alone after all.
 */
#include <config.h>

#include "daemon/infer.h"

#include "daemon/infer_course.h"
#include "daemon/request.h"
#include "daemon/residency.h"
#include "daemon/residency_batch.h"
#include "daemon/residency_session.h"
#include "daemon/text.h"

/* A reason longer than a fault can hold: the list of all that a model needs and is not there. */
static int reply_detail(struct request *rq, const char *detail, const struct fault *fault)
{
	struct text t;

	text_init(&t, &rq->arena);
	text_add(&t, "{\"error\":");
	text_json(&t, detail);
	text_add(&t, "}");
	return reply_text(rq, fault->http, "application/json", &t);
}

int infer_find(struct request *rq, struct resident **out, struct fault *fault)
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

/* The session is ours from here to the end. */
static int run(struct infer_course *c, struct rt_session *session, struct fault *fault)
{
	bool usable = true;
	int status = infer_course_run(c, session, &usable, fault);

	if (status == 0) {
		status = infer_course_answer(c, fault);
		tally_run(residency_tally(c->model), c->rows, &c->times);
	}
	residency_session_give(c->model, session, usable);
	return status;
}

static int infer(struct infer_course *c, struct fault *fault)
{
	struct rt_session *session;
	uint64_t begin;

	if (infer_course_read(c, fault) != 0)
		return -1;
	begin = infer_course_now_ns();
	if (residency_session_take(c->model, request_cancel_flag(c->rq), &session, fault) != 0) {
		c->end = request_cancelled(c->rq) ? TALLY_CANCELLED : TALLY_FAILED;
		return -1;
	}
	c->times.queue += infer_course_now_ns() - begin;
	return run(c, session, fault);
}

int infer_one(struct request *rq, struct fault *fault)
{
	struct infer_course c = {.rq = rq, .end = TALLY_FAILED};
	uint64_t begin = infer_course_now_ns();
	int status = infer_find(rq, &c.model, fault);

	if (status <= 0)
		return status;
	c.times.queue = rq->waited_ns + infer_course_now_ns() - begin;
	rq->batches = residency_batch_may(c.model);
	status = infer(&c, fault);
	infer_course_end(&c);
	residency_unref(c.model);
	return status;
}
