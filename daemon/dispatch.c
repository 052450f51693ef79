/* SPDX-License-Identifier: MIT */
/*
 * dispatch.c — a request that is READY gets its handler: on the loop, on the pool,
 * or in the line of inferences.  Called by server.c; must never touch a connection.
 */
#include <config.h>

#include "daemon/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/infer_line.h"
#include "daemon/job.h"
#include "daemon/oip_turn.h"
#include "daemon/readahead.h"
#include "daemon/request.h"
#include "daemon/settings.h"

#include "daemon/must.h"

static int run_on_pool(struct request *rq, void *arg, struct fault *fault)
{
	(void)arg;
	return request_run(rq, fault);
}

/* X-Larder-Timeout in ms, at most the setting; 0: the header is not there. */
static int timeout_of(const struct request *rq, unsigned *ret_ms, struct fault *fault)
{
	const char *s = rq->header[HEADER_REQUEST_TIMEOUT];
	uint64_t ms = 0, most = (uint64_t)rq->settings->request_timeout * 1000;

	*ret_ms = 0;
	if (s == NULL)
		return 0;
	for (const char *p = s; *p != '\0'; p++) {
		if (*p < '0' || *p > '9' || ms > UINT32_MAX)
			return fault_set(fault, 400, "X-Larder-Timeout is milliseconds, 1 or more");
		ms = ms * 10 + (uint64_t)(*p - '0');
	}
	if (ms == 0)
		return fault_set(fault, 400, "X-Larder-Timeout is milliseconds, 1 or more");
	*ret_ms = (unsigned)(ms < most ? ms : most);
	return 0;
}

/* Of the JSON part of an inference, what concerns its turn; the headers' words come before. */
static int turn_of(const struct request *rq, unsigned *ms, bool *bulk, struct fault *fault)
{
	const char *word = rq->header[HEADER_PRIORITY], *part = rq->header[HEADER_INFERENCE_HEADER];
	size_t size = rq->body_size;
	struct oip_turn turn;

	if (part != NULL && strlen(part) < 16 && strtoull(part, NULL, 10) < size)
		size = (size_t)strtoull(part, NULL, 10);
	oip_turn_peek(rq->body == NULL ? "" : rq->body, size, &turn);
	*bulk = turn.bulk;
	if (word != NULL) {
		*bulk = strcmp(word, "bulk") == 0;
		if (!*bulk && strcmp(word, "interactive") != 0)
			return fault_set(fault, 400,
					 "X-Larder-Priority is \"interactive\" or \"bulk\"");
	}
	if (turn.timeout_us != 0) {
		uint64_t own = (turn.timeout_us + 999) / 1000;
		uint64_t most = (uint64_t)rq->settings->request_timeout * 1000;

		if (*ms != 0 && *ms < most)
			most = *ms;
		*ms = (unsigned)(own < most ? own : most);
	}
	return 0;
}

static void away(struct request *rq)
{
	bool line = rq->route->runs == LINE, bulk = false;
	struct fault fault;
	unsigned ms;

	if (timeout_of(rq, &ms, &fault) != 0 || (line && turn_of(rq, &ms, &bulk, &fault) != 0)) {
		(void)reply_fault(rq, &fault);
		request_move(rq, REQUEST_ANSWERED);
	} else if (line) {
		infer_line_enter(rq, ms, bulk);
	} else {
		(void)job_start(rq, run_on_pool, NULL, ms);
	}
}

void dispatch_ready(struct request *rq)
{
	struct fault fault;
	int rc;

	if (rq->route->runs != LOOP) {
		away(rq);
		return;
	}
	rc = request_run(rq, &fault);
	if (rq->state == REQUEST_WORKING || rq->state == REQUEST_ANSWERED)
		return; /* parked, or parked and done */
	if (rc != 0)
		(void)reply_fault(rq, &fault);
	must(rq->reply.status != 0);
	if (!readahead_begin(rq))
		request_move(rq, REQUEST_ANSWERED);
}

void dispatch_refusal(struct request *rq, const struct fault *fault)
{
	rq->close_after = true;
	(void)reply_fault(rq, fault);
	request_move(rq, REQUEST_ANSWERED);
}
