/* SPDX-License-Identifier: MIT */
/*
 * stream.c — bodies that are too large to collect.  Called by server.c.  The
 * route's functions run on the pool, one at a time and in order; the loop only
 * copies bytes.  Must never keep more than one piece in memory.
 */
#include <config.h>

#include "daemon/stream.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "daemon/job.h"
#include "daemon/must.h"
#include "daemon/request.h"
#include "daemon/server.h"

#define PIECE_BYTES ((size_t)1 << 20)

struct stream {
	uv_work_t work;
	struct request *rq;
	char *piece; /* [PIECE_BYTES] */
	size_t size;
	bool begun, ended, failed;
	uint64_t discarded;
	struct fault fault;
};

static struct stream *inlet(struct request *rq)
{
	struct stream *s = rq->inlet;

	if (s != NULL)
		return s;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->piece = malloc(PIECE_BYTES);
	if (s->piece == NULL) {
		free(s);
		return NULL;
	}
	s->work.data = s;
	s->rq = rq;
	rq->inlet = s;
	return s;
}

static void inlet_free(struct stream *s)
{
	free(s->piece);
	free(s);
}

/* Pool: what has to be done with the piece. */
static void work(uv_work_t *w)
{
	struct stream *s = w->data;
	const struct stream_ops *ops = s->rq->route->stream;
	int rc = 0;

	if (!s->begun) {
		s->begun = true;
		rc = ops->begin(s->rq, &s->fault);
	}
	if (rc == 0 && s->size > 0)
		rc = ops->data(s->rq, s->piece, s->size, &s->fault);
	if (rc == 0 && s->ended)
		rc = ops->end(s->rq, &s->fault);
	s->failed = rc != 0;
	s->size = 0;
}

static void after(uv_work_t *w, int status)
{
	struct stream *s = w->data;
	struct request *rq = s->rq;

	(void)status;
	if (!s->ended) {
		request_move(rq, REQUEST_BODY);
	} else {
		if (s->failed)
			(void)reply_fault(rq, &s->fault);
		must(rq->reply.status != 0);
		request_move(rq, REQUEST_ANSWERED);
	}
	server_resume(rq);
}

static void send_piece(struct stream *s)
{
	struct request *rq = s->rq;

	request_move(rq, REQUEST_WORKING);
	server_suspend(rq);
	must(uv_queue_work(rq->ctx->loop, &s->work, work, after) == 0);
}

/*
 * No answer can be given before the body is over (libmicrohttpd).  Whoever administers this machine
 * and uploads to a disk that fails is to hear so, however much there is to swallow before.
 */
static bool may_hear_why(const struct request *rq, const struct stream *s)
{
	return rq->local_admin && s->fault.http != 413;
}

ssize_t stream_data(struct request *rq, const void *data, size_t size)
{
	struct stream *s = inlet(rq);
	size_t n;

	if (s == NULL)
		return -1;
	if (!s->failed && (size > rq->body_limit || rq->body_seen > rq->body_limit - size)) {
		s->failed = true;
		(void)fault_set(&s->fault, 413, "the body is larger than %llu bytes",
				(unsigned long long)rq->body_limit);
	}
	if (s->failed) {
		s->discarded += size;
		rq->close_after = true;
		if (s->discarded > REQUEST_DISCARD_MAX && !may_hear_why(rq, s))
			return -1;
		return (ssize_t)size;
	}
	n = PIECE_BYTES - s->size;
	if (n > size)
		n = size;
	memcpy(s->piece + s->size, data, n);
	s->size += n;
	rq->body_seen += n;
	if (s->size == PIECE_BYTES)
		send_piece(s);
	return (ssize_t)n;
}

void stream_end(struct request *rq)
{
	struct stream *s = inlet(rq);
	struct fault fault;

	if (s == NULL) {
		(void)fault_set(&fault, 503, "out of memory");
		(void)reply_fault(rq, &fault);
		request_move(rq, REQUEST_ANSWERED);
		return;
	}
	s->ended = true;
	if (s->failed) {
		(void)reply_fault(rq, &s->fault);
		request_move(rq, REQUEST_ANSWERED);
		return;
	}
	send_piece(s);
}

static void drop(void *arg)
{
	struct request *rq = arg;

	rq->route->stream->drop(rq);
}

static void dropped(void *arg)
{
	struct request *rq = arg;

	inlet_free(rq->inlet);
	request_free(rq);
}

bool stream_drop(struct request *rq)
{
	struct stream *s = rq->inlet;

	if (s == NULL)
		return false;
	if (!s->begun) {
		inlet_free(s);
		return false;
	}
	job_background(rq->ctx, drop, dropped, rq);
	return true;
}
