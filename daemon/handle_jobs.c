/* SPDX-License-Identifier: MIT */
/*
 * handle_jobs.c — the administration's jobs: begin one, look at it, follow it,
 * cancel it.  The work is warm.c's.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/job.h"
#include "daemon/manifest.h"
#include "daemon/request.h"
#include "daemon/server.h"
#include "daemon/state_file.h"
#include "daemon/text.h"
#include "daemon/warm.h"
#include "daemon/warm_keep.h"

#define HEARTBEAT_MS 15000

/* Takes ${v}. */
static int reply_value(struct request *rq, unsigned status, json_t *v, struct fault *fault)
{
	char *dump = json_dumps(v, JSON_COMPACT), *text;

	json_decref(v);
	text = dump == NULL ? NULL : arena_printf(&rq->arena, "%s\n", dump);
	free(dump);
	if (text == NULL)
		return fault_set(fault, 507, "out of memory");
	return reply_json(rq, status, text, strlen(text));
}

static struct warm_job *job_of(struct request *rq, struct fault *fault)
{
	struct warm_job *job =
	    rq->ctx->warm == NULL ? NULL : warm_find(rq->ctx->warm, rq->part[PART_ID]);

	if (job == NULL)
		(void)fault_set(fault, 404, "there is no such job");
	return job;
}

/* ---- begin ------------------------------------------------------------------------------ */

struct begin {
	struct warm *warm;
	char id[WARM_ID_CHARS + 1];
	char *text;
	struct state_file_keeper *manifests; /* to be written down as well; or NULL */
	char *manifests_text;
	uint64_t manifests_version;
};

static void let_go(void *arg)
{
	struct begin *b = arg;
	struct warm_job *job = warm_find(b->warm, b->id);

	if (job != NULL) {
		warm_keep_release(job);
		warm_begin(job);
	}
	free(b->text);
	free(b->manifests_text);
}

/* Pool: a job that was answered for survives whatever comes. */
static int write_down(struct request *rq, void *arg, struct fault *fault)
{
	struct begin *b = arg;
	struct text t;

	if (!warm_keep_write(b->warm, b->id, b->text) ||
	    (b->manifests != NULL &&
	     !state_file_put(b->manifests, b->manifests_text, b->manifests_version)))
		return fault_set(fault, 507, "the job could not be written down");
	text_init(&t, &rq->arena);
	text_printf(&t, "{\"job\":\"%s\"}\n", b->id);
	return reply_text(rq, 202, "application/json", &t);
}

/* Answer for ${job}, and let it begin. */
static int begin(struct request *rq, struct warm_job *job, struct manifests *manifests,
		 struct fault *fault)
{
	struct begin *b = arena_zalloc(&rq->arena, sizeof(*b));

	if (b == NULL)
		return fault_set(fault, 507, "out of memory");
	b->warm = rq->ctx->warm;
	memcpy(b->id, warm_id(job), sizeof(b->id));
	b->text = warm_keep_hold(job);
	if (manifests != NULL) {
		b->manifests = manifest_keeper(manifests);
		b->manifests_text = state_file_text(b->manifests, &b->manifests_version);
	}
	if (arena_defer(&rq->arena, let_go, b) != 0)
		return fault_set(fault, 507, "out of memory");
	return job_start(rq, write_down, b, 0);
}

int handle_jobs_warm(struct request *rq, struct fault *fault)
{
	struct warm_job *job;

	if (rq->ctx->warm == NULL || rq->json == NULL)
		return fault_set(fault, 400, "{\"model\":\"org/name\"} is needed");
	job = warm_add(rq->ctx->warm, rq->json, fault);
	return job == NULL ? -1 : begin(rq, job, NULL, fault);
}

/* ---- manifests ----------------------------------------------------------------------------- */

int handle_jobs_manifest(struct request *rq, struct fault *fault)
{
	struct manifests *manifests = rq->ctx->manifests;
	struct warm_job *job;

	if (manifests == NULL || rq->json == NULL)
		return fault_set(fault, 400, "{\"manifest\":\"...\"} is needed");
	job = manifest_add(manifests, rq->json, fault);
	return job == NULL ? -1 : begin(rq, job, manifests, fault);
}

int handle_jobs_manifests(struct request *rq, struct fault *fault)
{
	json_t *list =
	    rq->ctx->manifests == NULL ? json_array() : manifest_list(rq->ctx->manifests);

	return reply_value(rq, 200, json_pack("{s:o}", "manifests", list), fault);
}

struct forget {
	struct state_file_keeper *manifests;
	char *text;
	uint64_t version;
};

/* Pool */
static int write_manifests(struct request *rq, void *arg, struct fault *fault)
{
	struct forget *f = arg;

	if (!state_file_put(f->manifests, f->text, f->version))
		return fault_set(fault, 507, "that could not be written down");
	return reply_empty(rq, 204);
}

static void forgotten(void *arg)
{
	struct forget *f = arg;

	free(f->text);
}

int handle_jobs_forget(struct request *rq, struct fault *fault)
{
	struct manifests *manifests = rq->ctx->manifests;
	struct forget *f = arena_zalloc(&rq->arena, sizeof(*f));

	if (f == NULL || arena_defer(&rq->arena, forgotten, f) != 0)
		return fault_set(fault, 507, "out of memory");
	if (manifests == NULL || !manifest_remove(manifests, rq->part[PART_ID]))
		return fault_set(fault, 404, "there is no such manifest");
	f->manifests = manifest_keeper(manifests);
	f->text = state_file_text(f->manifests, &f->version);
	return job_start(rq, write_manifests, f, 0);
}

/* ---- look, cancel ------------------------------------------------------------------------ */

int handle_jobs_list(struct request *rq, struct fault *fault)
{
	json_t *list = rq->ctx->warm == NULL ? json_array() : warm_list(rq->ctx->warm);

	return reply_value(rq, 200, json_pack("{s:o}", "jobs", list), fault);
}

int handle_jobs_show(struct request *rq, struct fault *fault)
{
	struct warm_job *job = job_of(rq, fault);

	return job == NULL ? -1 : reply_value(rq, 200, warm_json(job), fault);
}

int handle_jobs_cancel(struct request *rq, struct fault *fault)
{
	struct warm_job *job = job_of(rq, fault);

	if (job == NULL)
		return -1;
	if (!warm_cancel(job))
		return fault_set(fault, 409, "the job is over");
	return reply_value(rq, 200, warm_json(job), fault);
}

/* ---- follow (server-sent events) ----------------------------------------------------------- */

struct events {
	struct warm_watcher watcher; /* first */
	struct reply_source source;
	struct request *rq; /* NULL once the answer is over */
	char *text, *last;  /* what is being sent; the last event */
	size_t size, sent;
	uint64_t said_ms;
	bool hush, final;
};

/* The next event, if there is something new. */
static void next_event(struct events *e)
{
	uint64_t now = uv_now(e->rq->ctx->loop);
	char *dump;
	json_t *v;

	free(e->text);
	e->text = NULL;
	e->size = e->sent = 0;
	if (e->final || e->watcher.job == NULL)
		return;
	v = warm_json(e->watcher.job);
	dump = json_dumps(v, JSON_COMPACT);
	json_decref(v);
	if (dump == NULL)
		return;
	e->final = warm_over(e->watcher.job);
	if (e->last == NULL || strcmp(dump, e->last) != 0) {
		size_t n = strlen(dump);

		e->text = malloc(n + 16);
		if (e->text != NULL) {
			memcpy(e->text, "data: ", 6);
			memcpy(e->text + 6, dump, n);
			memcpy(e->text + 6 + n, "\n\n", 3);
			e->size = n + 8;
		}
		free(e->last);
		e->last = dump;
	} else {
		free(dump);
		if (now - e->said_ms >= HEARTBEAT_MS) {
			e->text = strdup(": \n\n");
			e->size = e->text == NULL ? 0 : 4;
		}
	}
	if (e->size > 0)
		e->said_ms = now;
}

static ssize_t read_events(void *arg, uint64_t pos, void *out, size_t room)
{
	struct events *e = arg;
	size_t n;

	(void)pos;
	if (e->sent == e->size)
		next_event(e);
	n = e->size - e->sent < room ? e->size - e->sent : room;
	if (n == 0) {
		if (e->final || e->hush || e->watcher.job == NULL)
			return REPLY_END;
		server_suspend(e->rq);
		return 0;
	}
	/* fanalyzer-suppress null-argument: n is of what there is */
	memcpy(out, e->text + e->sent, n);
	e->sent += n;
	return (ssize_t)n;
}

static void changed(struct warm_watcher *watcher, bool hush)
{
	struct events *e = (struct events *)(void *)watcher;

	e->hush |= hush;
	if (!e->rq->suspended || e->rq->state != REQUEST_ANSWERED)
		return;
	next_event(e);
	if (e->size > 0 || e->final || e->hush)
		server_resume(e->rq);
}

static void over(void *arg)
{
	struct events *e = arg;

	warm_unwatch(&e->watcher);
	free(e->text);
	free(e->last);
	free(e);
}

int handle_jobs_events(struct request *rq, struct fault *fault)
{
	struct warm_job *job = job_of(rq, fault);
	struct events *e;

	if (job == NULL)
		return -1;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return fault_set(fault, 507, "out of memory");
	e->rq = rq;
	e->watcher.changed = changed;
	e->source = (struct reply_source){.read = read_events, .arg = e, .endless = true};
	warm_watch(job, &e->watcher);
	if (arena_defer(&rq->arena, over, e) != 0)
		return fault_set(fault, 507, "out of memory");
	(void)reply_bytes(rq, 200, "text/event-stream", "", 0);
	rq->reply.source = &e->source;
	return 0;
}
