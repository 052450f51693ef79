/* SPDX-License-Identifier: MIT */
/*
 * handle_v2_follow.c — see handle_v2_follow.h.  The loading is a background job of its own, begun
 * when the first bytes of the answer can be sent; the answer looks at it every 50 ms.
 */
#include <config.h>

#include "daemon/handle_v2_follow.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "daemon/job.h"
#include "daemon/request.h"
#include "daemon/residency.h"
#include "daemon/runnable.h"
#include "daemon/server.h"
#include "daemon/text.h"

#include "daemon/must.h"

#define LOOK_MS 50
#define HEARTBEAT_MS 15000

static void sight_json(struct text *t, const char *model, const struct residency_sight *s,
		       const char *error)
{
	static const char *const names[] = {[RESIDENCY_ABSENT] = "UNAVAILABLE",
					    [RESIDENCY_LOADING] = "LOADING",
					    [RESIDENCY_READY] = "READY",
					    [RESIDENCY_FAILED] = "UNAVAILABLE"};

	text_add(t, "{\"name\":");
	text_json(t, model);
	text_printf(t, ",\"ready\":%s,\"state\":\"%s\",\"bytes_done\":%llu,\"bytes_total\":%llu",
		    s->state == RESIDENCY_READY ? "true" : "false", names[s->state],
		    (unsigned long long)s->done_bytes, (unsigned long long)s->total_bytes);
	if (error != NULL) {
		text_add(t, ",\"error\":");
		text_json(t, error);
	}
	text_add(t, "}");
}

/* What the URL names; loads nothing. */
static int find(struct request *rq, struct runnable *out, struct fault *fault)
{
	const char *revision = rq->part[PART_VERSION];

	if (rq->ctx->residency == NULL)
		return fault_set(fault, 503, "models are not run here");
	return runnable_find(rq->ctx->store, rq->part[PART_MODEL],
			     revision != NULL ? revision : "main", request_query(rq, "file"), out,
			     fault);
}

int handle_v2_follow_look(struct request *rq, struct fault *fault)
{
	struct residency_sight sight;
	struct runnable what;
	struct text t;

	if (strcmp(request_query(rq, "wait"), "no") != 0)
		return fault_set(fault, 400, "wait=no is all that `wait` can be");
	if (find(rq, &what, fault) != 0)
		return -1;
	residency_look(rq->ctx->residency, what.file.commit, what.path, &sight);
	text_init(&t, &rq->arena);
	sight_json(&t, what.model, &sight, NULL);
	return reply_text(rq, 200, "application/json", &t);
}

/* ---- following ------------------------------------------------------------------------ */

/* Of the answer and of the loading; freed by the last of them.  Loop, but where it says. */
struct follow {
	struct reply_source source;
	struct request *rq; /* NULL once the answer is over */
	struct context *ctx;
	struct runnable what;
	uv_timer_t timer;
	unsigned users; /* answer, loading, timer */
	atomic_bool cancel;
	bool begun, loaded, final;
	int status;         /* of the loading, written on the pool */
	struct fault fault; /* the same */
	struct arena arena; /* of the loading's detail */
	const char *detail;
	struct arena words; /* of what is being sent */
	char last[256];     /* the beginning of it */
	const char *text;
	size_t size, sent;
	uint64_t said_ms;
};

static void drop(struct follow *f)
{
	if (--f->users > 0)
		return;
	arena_release(&f->arena);
	arena_release(&f->words);
	free(f);
}

/* Pool. */
static void load(void *arg)
{
	struct follow *f = arg;
	struct residency_want want = {.model = f->what.model,
				      .revision = f->what.file.commit,
				      .file = f->what.path,
				      .cancel = &f->cancel,
				      .arena = &f->arena};
	struct resident *m = NULL;

	f->status = residency_get(f->ctx->residency, &want, &m, &f->detail, &f->fault);
	if (f->status == 0)
		residency_unref(m);
}

/* The next event, if there is something new. */
static void next_event(struct follow *f)
{
	struct residency_sight sight;
	uint64_t now = uv_now(f->ctx->loop);
	const char *error = NULL;
	struct text t;
	size_t size;

	f->size = f->sent = 0;
	if (f->final)
		return;
	residency_look(f->ctx->residency, f->what.file.commit, f->what.path, &sight);
	f->final = f->loaded;
	if (f->loaded)
		sight.state = f->status == 0 ? RESIDENCY_READY : RESIDENCY_FAILED;
	else if (sight.state != RESIDENCY_ABSENT)
		sight.state = RESIDENCY_LOADING; /* the end is said once */
	if (f->loaded && f->status != 0)
		error = f->detail != NULL ? f->detail : f->fault.text;
	arena_release(&f->words);
	arena_init(&f->words);
	text_init(&t, &f->words);
	text_add(&t, "data: ");
	sight_json(&t, f->what.model, &sight, error);
	text_add(&t, "\n\n");
	if (!text_ok(&t))
		return;
	if (!f->final && strncmp(t.data, f->last, sizeof f->last - 1) == 0) {
		if (now - f->said_ms < HEARTBEAT_MS)
			return;
		text_init(&t, &f->words); /* a comment, which finds out who is gone */
		text_add(&t, ": \n\n");
	}
	f->said_ms = now;
	f->text = t.data;
	f->size = t.size;
	if (t.data[0] == ':')
		return;
	size = t.size < sizeof f->last ? t.size : sizeof f->last - 1;
	memcpy(f->last, t.data, size);
	f->last[size] = '\0';
}

static void wake(struct follow *f)
{
	if (f->rq == NULL || !f->rq->suspended || f->rq->state != REQUEST_ANSWERED)
		return;
	next_event(f);
	if (f->size > 0 || f->final)
		server_resume(f->rq);
}

static void loaded(void *arg)
{
	struct follow *f = arg;

	f->loaded = true;
	wake(f);
	drop(f);
}

static void on_time(uv_timer_t *timer)
{
	wake(timer->data);
}

static void on_closed(uv_handle_t *handle)
{
	drop(handle->data);
}

static void begin(struct follow *f)
{
	f->begun = true;
	f->users += 2;
	must(uv_timer_init(f->ctx->loop, &f->timer) == 0);
	f->timer.data = f;
	(void)uv_timer_start(&f->timer, on_time, LOOK_MS, LOOK_MS);
	job_background(f->ctx, load, loaded, f);
}

static ssize_t read_events(void *arg, uint64_t pos, void *out, size_t room)
{
	struct follow *f = arg;
	size_t n;

	(void)pos;
	if (!f->begun)
		begin(f);
	if (f->sent == f->size)
		next_event(f);
	n = f->size - f->sent < room ? f->size - f->sent : room;
	if (n == 0) {
		if (f->final || job_stopping())
			return REPLY_END;
		server_suspend(f->rq);
		return 0;
	}
	memcpy(out, f->text + f->sent, n);
	f->sent += n;
	return (ssize_t)n;
}

/* The answer is over, or its client gone. */
static void over(void *arg)
{
	struct follow *f = arg;

	f->rq = NULL;
	atomic_store(&f->cancel, true);
	if (f->begun)
		uv_close((uv_handle_t *)&f->timer, on_closed);
	drop(f);
}

int handle_v2_follow(struct request *rq, struct fault *fault)
{
	struct follow *f = calloc(1, sizeof *f);

	if (f == NULL)
		return fault_set(fault, 503, "out of memory");
	if (find(rq, &f->what, fault) != 0) {
		free(f);
		return -1;
	}
	f->rq = rq;
	f->ctx = rq->ctx;
	f->users = 1;
	arena_init(&f->arena);
	arena_init(&f->words);
	f->source = (struct reply_source){.read = read_events, .arg = f, .endless = true};
	if (arena_defer(&rq->arena, over, f) != 0) {
		free(f);
		return fault_set(fault, 503, "out of memory");
	}
	(void)reply_bytes(rq, 200, "text/event-stream", "", 0);
	rq->reply.source = &f->source;
	return 0;
}
