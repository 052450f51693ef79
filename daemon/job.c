/* SPDX-License-Identifier: MIT */
/*
 * job.c — work on libuv's pool, and the watch over a request that waits for
 * it.  Called by server.c and handlers; must never free a request while the
 * pool has it.
 */
#include <config.h>

#include "daemon/job.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/must.h"
#include "daemon/request.h"
#include "daemon/settings.h"

/* A job that is done before this never pays for a watch over its client. */
#define WATCH_AFTER_MS 5

static atomic_bool stopping;
static unsigned background_count;

/* ---- watching ------------------------------------------------------------------ */

/*
 * Lives as long as its handles: uv_close reports back later, when the request
 * may be gone already.
 */
struct watch {
	uv_timer_t timer;
	uv_poll_t poll;
	struct request *rq; /* NULL once the request needs it no more */
	uint64_t deadline_ms;
	int fd; /* the connection's; borrowed until the poll begins, then a dup */
	bool polling;
	unsigned open; /* handles */
};

static void on_closed(uv_handle_t *handle)
{
	struct watch *w = handle->data;

	if (--w->open == 0) {
		if (w->polling)
			(void)close(w->fd);
		free(w);
	}
}

static void on_disconnect(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;

	if (status != 0 || (events & UV_DISCONNECT) != 0) {
		(void)uv_poll_stop(poll);
		if (w->rq != NULL)
			job_cancel(w->rq, CANCEL_CLIENT_GONE);
	}
}

static void begin_poll(struct watch *w)
{
	int fd = w->fd < 0 ? -1 : fcntl(w->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (uv_poll_init(w->timer.loop, &w->poll, fd) != 0) {
		(void)close(fd);
		return;
	}
	w->fd = fd;
	w->polling = true;
	w->open++;
	w->poll.data = w;
	(void)uv_poll_start(&w->poll, UV_DISCONNECT, on_disconnect);
}

static void on_deadline(uv_timer_t *timer)
{
	struct watch *w = timer->data;

	if (w->rq != NULL)
		job_cancel(w->rq, CANCEL_DEADLINE);
}

static void on_watch(uv_timer_t *timer)
{
	struct watch *w = timer->data;
	uint64_t now = uv_now(timer->loop);

	begin_poll(w);
	(void)uv_timer_start(timer, on_deadline, w->deadline_ms > now ? w->deadline_ms - now : 0,
			     0);
}

void job_watch(struct request *rq, int fd, unsigned timeout_ms)
{
	struct watch *w = calloc(1, sizeof(*w));
	uint64_t ms = timeout_ms != 0 ? timeout_ms : rq->settings->request_timeout * 1000;

	metrics_add(METRIC_jobs_active, 1);
	rq->watch = w;
	if (w == NULL)
		return; /* without a deadline, then */
	w->rq = rq;
	w->fd = fd;
	w->open = 1;
	w->deadline_ms = uv_now(rq->ctx->loop) + ms;
	must(uv_timer_init(rq->ctx->loop, &w->timer) == 0);
	w->timer.data = w;
	(void)uv_timer_start(&w->timer, on_watch, WATCH_AFTER_MS < ms ? WATCH_AFTER_MS : ms, 0);
}

void job_unwatch(struct request *rq)
{
	struct watch *w = rq->watch;

	metrics_sub(METRIC_jobs_active, 1);
	rq->watch = NULL;
	rq->on_cancel = NULL;
	if (w == NULL)
		return;
	w->rq = NULL;
	uv_close((uv_handle_t *)&w->timer, on_closed);
	if (w->polling)
		uv_close((uv_handle_t *)&w->poll, on_closed);
}

void job_cancel(struct request *rq, int why)
{
	int none = CANCEL_NONE;

	if (!atomic_compare_exchange_strong(&rq->cancel, &none, why))
		return;
	atomic_store_explicit(&rq->cancel_flag, true, memory_order_release);
	if (why == CANCEL_CLIENT_GONE || why == CANCEL_ASKED)
		metrics_add(METRIC_jobs_cancelled, 1);
	else if (why == CANCEL_DEADLINE)
		metrics_add(METRIC_jobs_expired, 1);
	if (rq->on_cancel != NULL)
		rq->on_cancel(rq, rq->on_cancel_arg);
}

/* ---- work for a request ------------------------------------------------------------ */

struct job {
	uv_work_t work;
	struct request *rq;
	job_work_f *fn;
	void *arg;
	int status;
	struct fault fault;
};

static void run(uv_work_t *work)
{
	struct job *j = work->data;

	j->status = request_cancelled(j->rq) ? -1 : j->fn(j->rq, j->arg, &j->fault);
}

int job_cancelled_fault(struct request *rq, struct fault *fault)
{
	switch (atomic_load(&rq->cancel)) {
	case CANCEL_DEADLINE:
		return fault_set(fault, 504, "this took longer than is allowed");
	case CANCEL_ASKED:
		return fault_set(fault, 409, "this was cancelled");
	case CANCEL_REPLACED:
		return fault_set(fault, 409, "a newer frame of the same X-Larder-Stream came");
	case CANCEL_SHUTDOWN:
		(void)fault_set(fault, 503, "the daemon is stopping");
		break;
	default:
		(void)fault_set(fault, 503, "cancelled");
		break;
	}
	fault->retry_after_s = 1;
	return -1;
}

static void after(uv_work_t *work, int status)
{
	struct job *j = work->data;

	if (status == UV_ECANCELED || (j->status != 0 && request_cancelled(j->rq)))
		j->status = job_cancelled_fault(j->rq, &j->fault);
	request_unpark(j->rq, j->status, &j->fault);
}

/* Not begun yet: then it never will be. */
static void give_up(struct request *rq, void *arg)
{
	struct job *j = arg;

	(void)rq;
	(void)uv_cancel((uv_req_t *)&j->work);
}

int job_start(struct request *rq, job_work_f *work, void *arg, unsigned timeout_ms)
{
	struct job *j = arena_zalloc(&rq->arena, sizeof(*j));

	must(j != NULL);
	j->work.data = j;
	j->rq = rq;
	j->fn = work;
	j->arg = arg;
	request_park(rq, timeout_ms, give_up, j);
	must(uv_queue_work(rq->ctx->loop, &j->work, run, after) == 0);
	return 0;
}

/* ---- work for nobody in particular ---------------------------------------------------- */

struct background {
	uv_work_t work;
	void (*fn)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

static void run_background(uv_work_t *work)
{
	struct background *b = work->data;

	b->fn(b->arg);
}

static void after_background(uv_work_t *work, int status)
{
	struct background *b = work->data;
	void (*done)(void *arg) = b->done;
	void *arg = b->arg;

	(void)status;
	free(b);
	background_count--;
	if (done != NULL)
		done(arg);
}

void job_background(struct context *ctx, void (*work)(void *arg), void (*done)(void *arg),
		    void *arg)
{
	struct background *b = calloc(1, sizeof(*b));

	must(b != NULL);
	b->work.data = b;
	b->fn = work;
	b->done = done;
	b->arg = arg;
	background_count++;
	must(uv_queue_work(ctx->loop, &b->work, run_background, after_background) == 0);
}

bool job_stopping(void)
{
	return atomic_load_explicit(&stopping, memory_order_relaxed);
}

void job_stop_all(void)
{
	atomic_store(&stopping, true);
}

unsigned job_background_count(void)
{
	return background_count;
}
