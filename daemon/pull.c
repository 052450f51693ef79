/* SPDX-License-Identifier: MIT */
/*
 * pull.c — requests and jobs on one side, flights on the other: who may ask an
 * upstream for what, who waits, what is known not to be there.  Called by
 * handle_files.c, warm.c and main.c.  It must never let a request choose where
 * to connect to: an upstream is of the configuration, or it is not asked.
 */
#include <config.h>

#include "daemon/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/context.h"
#include "daemon/fetch.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/must.h"
#include "daemon/pull_check.h"
#include "daemon/pull_flight.h"
#include "daemon/pull_marks.h"
#include "daemon/pull_names.h"
#include "daemon/pull_reader.h"
#include "daemon/request.h"
#include "daemon/settings.h"

#define WHOLE_BYTES (UINT64_C(1) << 20)  /* up to here an answer waits for the whole file */
#define BLIND_BYTES (UINT64_C(16) << 20) /* the same for files whose digest nobody said */
#define PROBE_BYTES UINT64_C(4096)       /* who asks for no more does not want the rest */
#define ABSENT_SLOTS 1024
#define CLOSED_RETRY_S 300 /* what a page is told that asks outside the schedule */
#define PARTIAL_KEPT_S (INT64_C(14) * 86400) /* of a download that nobody takes up again */

/* A file that was not there. */
struct absent {
	struct store_digest key;
	int64_t until_s;
	unsigned http;
};

struct pull {
	struct context *ctx;
	struct upstreams *upstreams;
	struct fetcher *fetcher;
	struct pull_names *names;
	struct pull_marks *marks;
	struct pull_flights flights;
	struct absent absent[ABSENT_SLOTS];
	struct pull_check *checks;
	bool offline;
};

/* ---- what is not there ------------------------------------------------------------------- */

static struct absent *absent_slot(struct pull *p, const struct store_digest *key)
{
	unsigned slot = (unsigned)(key->bytes[0] | key->bytes[1] << 8) % ABSENT_SLOTS;

	return &p->absent[slot];
}

static void on_absent(void *arg, const struct pull_flight *f)
{
	struct pull *p = arg;
	struct store_digest key;
	struct absent *a;

	pull_flight_key(f->up->name, f->model, f->revision, f->path, &key);
	a = absent_slot(p, &key);
	*a = (struct absent){.key = key,
			     .until_s = (int64_t)time(NULL) + (int64_t)f->up->negative_s,
			     .http = f->http};
}

static bool known_absent(struct pull *p, const struct upstream *up, const char *model,
			 const char *revision, const char *path)
{
	struct store_digest key;
	const struct absent *a;

	pull_flight_key(up->name, model, revision, path, &key);
	a = absent_slot(p, &key);
	return store_digest_equal(&a->key, &key) && (p->offline || a->until_s > time(NULL));
}

/* ---- requests that wait ------------------------------------------------------------------- */

struct waiter {
	struct pull_listener listener; /* first */
	struct pull *pull;
	struct request *rq;
	struct pull_flight *flight;
	bool cancelled;
};

/* The request is the server's again. */
static void leave(struct waiter *w)
{
	pull_flight_leave(w->flight, &w->listener);
	pull_flight_unref(w->flight);
	w->flight = NULL;
}

static void give_fault(struct waiter *w, unsigned http, unsigned retry_after_s, const char *text)
{
	struct request *rq = w->rq;
	struct fault fault;

	(void)fault_set(&fault, http, "%s", text);
	fault.retry_after_s = retry_after_s;
	leave(w);
	request_unpark(rq, -1, &fault);
}

/* May the answer begin although not all is here? */
static bool may_begin(const struct waiter *w, const struct pull_flight *f)
{
	const struct request *rq = w->rq;
	const char *range = rq->header[HEADER_RANGE];

	if (f->state != FLIGHT_COMING || rq->route->handler != handle_files_resolve ||
	    (range != NULL && strchr(range, ',') != NULL))
		return false;
	if (!w->listener.whole)
		return f->has_digest || rq->method == GET;
	return f->size > (f->has_digest ? WHOLE_BYTES : BLIND_BYTES);
}

static void changed(struct pull_listener *l, struct pull_flight *f)
{
	struct waiter *w = (struct waiter *)(void *)l;
	struct request *rq = w->rq;
	struct fault fault;
	int rc;

	if (w->cancelled) {
		give_fault(w, 504, 1, "the upstream takes longer than is allowed");
	} else if (f->state == FLIGHT_OVER && (f->done || f->absent)) {
		if (f->done && !f->publish) {
			give_fault(w, 503, 1, "the file is not named yet");
			return;
		}
		leave(w);
		request_again(rq);
	} else if (f->state == FLIGHT_OVER && !f->dormant) {
		give_fault(w, f->http == 0 ? 502 : f->http, f->retry_after_s, f->error);
	} else if (may_begin(w, f)) {
		rc = pull_reader_reply(rq, f, &fault);
		leave(w);
		request_unpark(rq, rc, &fault);
	} else if (f->state == FLIGHT_COMING && !l->whole) {
		l->whole = true; /* nothing less will do */
		pull_flight_kick(f);
	}
}

/* From inside the server: only a note. */
static void on_cancel(struct request *rq, void *arg)
{
	struct waiter *w = arg;

	(void)rq;
	w->cancelled = true;
	if (w->flight != NULL)
		pull_flight_kick(w->flight);
}

/* A HEAD, or a range of a few bytes: somebody looks whether it is there. */
static bool is_probe(const struct request *rq)
{
	unsigned long long from, to;
	char rest;

	if (rq->method == HEAD)
		return true;
	return rq->header[HEADER_RANGE] != NULL &&
	       /* NOLINTNEXTLINE(cert-err34-c): a guess about the client, nothing more */
	       sscanf(rq->header[HEADER_RANGE], "bytes=%llu-%llu%c", &from, &to, &rest) == 2 &&
	       to >= from && to - from < PROBE_BYTES;
}

/* `org--name` is how `org/name` is written where no slash can stand. */
static const char *real_model(struct request *rq)
{
	const char *model = rq->part[PART_MODEL], *dashes = strstr(model, "--");
	char *real;

	if (strchr(model, '/') != NULL || dashes == NULL)
		return model;
	real = arena_printf(&rq->arena, "%.*s/%s", (int)(dashes - model), model, dashes + 2);
	return real == NULL ? model : real;
}

static int seen(void *arg, const struct store_model_info *info)
{
	(void)arg;
	(void)info;
	return 0;
}

static int wait_for(struct pull *p, struct request *rq, struct upstream *up, const char *model,
		    const char *commit, struct fault *fault)
{
	struct waiter *w = arena_zalloc(&rq->arena, sizeof(*w));

	if (w == NULL)
		return fault_set(fault, 503, "out of memory");
	w->pull = p;
	w->rq = rq;
	w->listener.changed = changed;
	w->listener.whole = !is_probe(rq);
	w->flight = pull_flight_get(&p->flights, up, model, rq->part[PART_REV], rq->part[PART_PATH],
				    commit);
	if (w->flight == NULL)
		return fault_set(fault, 503, "out of memory");
	if (w->flight->state < FLIGHT_ENDING || w->flight->dormant)
		w->flight->publish = true;
	if (w->listener.whole)
		w->flight->sticky = true;
	rq->pulled = true;
	request_park(rq, 0, on_cancel, w);
	pull_flight_listen(w->flight, &w->listener);
	return 0;
}

int pull_miss(struct request *rq, struct fault *fault)
{
	struct pull *p = rq->ctx->pull;
	const char *model, *revision = rq->part[PART_REV], *path = rq->part[PART_PATH];
	const struct pull_name *name;
	struct store_error err;
	struct upstream *up;

	if (p == NULL || rq->pulled || p->flights.stopped)
		return 1;
	metrics_add(METRIC_misses, 1);
	model = real_model(rq);
	name = pull_names_find(p->names, model, revision);
	/* what is stored and not an upstream's is somebody's own, and complete */
	if (name == NULL && store_model_find(p->ctx->store, model, revision, seen, NULL, &err) == 0)
		return 1;
	up = upstream_find(p->upstreams, name == NULL ? NULL : name->upstream);
	if (up == NULL && !p->offline)
		return 1;
	if (!store_name_ok(model) || !store_rev_ok(revision) || !store_path_ok(path))
		return 1;
	if (up != NULL && known_absent(p, up, model, revision, path))
		return 1;
	if (p->offline)
		return fault_set(fault, 504, "that is not stored, and the daemon is offline");
	if (upstream_rate(up, (int64_t)time(NULL)) == UPSTREAM_CLOSED) {
		(void)fault_set(fault, 503, "upstream %s is not asked at this time of day",
				up->name);
		fault->retry_after_s = CLOSED_RETRY_S;
		return -1;
	}
	if (up->down_until_ms > uv_now(p->ctx->loop)) {
		(void)fault_set(fault, 503, "upstream %s cannot be reached", up->name);
		fault->retry_after_s = 2;
		return -1;
	}
	return wait_for(p, rq, up, model, name == NULL ? "" : name->commit, fault);
}

void pull_hit(struct request *rq, const struct store_digest *digest)
{
	struct pull *p = rq->ctx->pull;
	struct pull_name *name;
	struct upstream *up;

	if (p == NULL || p->offline || p->flights.stopped || !pull_names_any(p->names))
		return;
	name = pull_names_find(p->names, rq->part[PART_MODEL], rq->part[PART_REV]);
	up = name == NULL ? NULL : upstream_find(p->upstreams, name->upstream);
	if (up != NULL && pull_check_due(up, name))
		pull_check_begin(p->ctx, p->fetcher, p->names, up, name, rq->part[PART_PATH],
				 digest, &p->checks);
}

/* ---- tickets ------------------------------------------------------------------------------------
 */

struct pull_ticket {
	struct pull_listener listener; /* first */
	struct pull_flight *flight;
	pull_ticket_f *fn;
	void *arg;
};

static void ticket_changed(struct pull_listener *l, struct pull_flight *f)
{
	struct pull_ticket *t = (struct pull_ticket *)(void *)l;
	struct pull_outcome out = {.done = f->done, .absent = f->absent, .size = f->size};
	pull_ticket_f *fn = t->fn;
	void *arg = t->arg;

	if (f->state != FLIGHT_OVER || f->dormant) {
		fn(arg, NULL);
		return;
	}
	out.digest = f->digest;
	memcpy(out.commit, f->commit, sizeof(out.commit));
	memcpy(out.error, f->error, sizeof(out.error));
	pull_drop(t);
	fn(arg, &out);
}

struct pull_ticket *pull_fetch(struct pull *p, const struct pull_want *want, pull_ticket_f *fn,
			       void *arg)
{
	struct pull_ticket *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->listener.changed = ticket_changed;
	t->listener.whole = t->listener.patient = true;
	t->fn = fn;
	t->arg = arg;
	t->flight = pull_flight_get(&p->flights, want->upstream, want->model, want->revision,
				    want->path, want->commit);
	if (t->flight == NULL) {
		free(t);
		return NULL;
	}
	pull_flight_listen(t->flight, &t->listener);
	return t;
}

void pull_drop(struct pull_ticket *t)
{
	if (t == NULL)
		return;
	pull_flight_leave(t->flight, &t->listener);
	pull_flight_unref(t->flight);
	free(t);
}

void pull_progress(const struct pull_ticket *t, uint64_t *ret_done, uint64_t *ret_total)
{
	const struct pull_flight *f = t->flight;

	*ret_total = *ret_done = 0;
	if (f->state < FLIGHT_COMING && !f->done)
		return; /* the pool may have it */
	*ret_total = f->size == FETCH_UNKNOWN ? 0 : f->size;
	if (f->done)
		*ret_done = f->size;
	else if (f->partial != NULL)
		*ret_done = store_partial_saved(f->partial);
}

void pull_key(const struct pull_want *want, struct store_digest *out)
{
	pull_flight_key(want->upstream->name, want->model, want->revision, want->path, out);
}

/* ---- all of it
 * ------------------------------------------------------------------------------------ */

bool pull_offline(const struct pull *p)
{
	return p->offline;
}

struct upstreams *pull_upstreams(struct pull *p)
{
	return p->upstreams;
}

struct fetcher *pull_fetcher(struct pull *p)
{
	return p->fetcher;
}

struct pull_names *pull_names_of(struct pull *p)
{
	return p->names;
}

/* Pool: downloads that nobody took up again. */
static void sweep(void *arg)
{
	struct context *ctx = arg;
	struct store_error err;
	uint64_t bytes = 0;

	if (store_partial_sweep(ctx->store, PARTIAL_KEPT_S, &bytes, &err) != 0)
		log_warning("pull", "error=\"%s\"", err.text);
	else if (bytes > 0)
		log_info("pull", "swept_bytes=%llu", (unsigned long long)bytes);
}

int pull_open(struct context *ctx, struct pull **out)
{
	struct pull *p = calloc(1, sizeof(*p));

	must(p != NULL);
	p->ctx = ctx;
	p->offline = ctx->settings->offline;
	if (upstream_load(ctx->settings, &p->upstreams) != 0)
		goto fail_free;
	p->names = pull_names_open(ctx);
	if (p->names == NULL || fetch_open(ctx->loop, &p->fetcher) != 0)
		goto fail_names;
	p->marks = pull_marks_open(ctx);
	pull_flight_init(&p->flights, ctx, p->fetcher, p->names, p->marks);
	p->flights.absent = on_absent;
	p->flights.arg = p;
	*out = p;
	return 0;

fail_names:
	pull_names_close(p->names);
	upstream_unload(p->upstreams);
fail_free:
	free(p);
	return -1;
}

void pull_begin(struct pull *p)
{
	job_background(p->ctx, sweep, NULL, p->ctx);
}

void pull_stop(struct pull *p)
{
	if (p == NULL)
		return;
	pull_flight_stop(&p->flights);
	pull_check_drop(&p->checks);
}

static void on_closed(uv_handle_t *handle)
{
	struct pull_flights *all = handle->data;

	if (--all->open == 0)
		free(all->arg);
}

void pull_close(struct pull *p)
{
	if (p == NULL)
		return;
	fetch_close(p->fetcher);
	pull_names_close(p->names);
	pull_marks_close(p->marks);
	upstream_unload(p->upstreams);
	p->flights.open = 2;
	uv_close((uv_handle_t *)&p->flights.kick, on_closed);
	uv_close((uv_handle_t *)&p->flights.later, on_closed);
}
