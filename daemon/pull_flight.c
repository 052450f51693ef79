/* SPDX-License-Identifier: MIT */
/*
 * pull_flight.c — the states of a flight: what an earlier process left, the
 * first answer, the bytes, the digest, the name.  Called by pull*.c; transfers
 * are pull_lane.c's.  It must never publish bytes whose digest is not right,
 * nor wait for the disk.
 *
 * Everything happens in step(), which runs in a turn of its own: callbacks of
 * libcurl, of the pool and of clients only note what happened and kick.
 */
#include <config.h>

#include "daemon/pull_flight.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/context.h"
#include "daemon/fault.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/must.h"
#include "daemon/pull_delta.h"
#include "daemon/pull_lane.h"
#include "daemon/pull_marks.h"
#include "daemon/pull_names.h"
#include "daemon/state_file.h"

#define HELD_BACK_BYTES UINT64_C(1024) /* of a body, until its digest is right */
#define OPEN_AGAIN_MS 100u
#define HASH_EACH_BYTES (UINT64_C(16) << 20) /* of what came out of order, with each batch */

/* ---- listeners --------------------------------------------------------------------------- */

void pull_flight_kick(struct pull_flight *f);

static void on_kick(uv_idle_t *idle);
static void on_later(uv_timer_t *timer);

/* Idle, not a timer of 0 ms: libuv runs those again and again within one turn. */
void pull_flight_kick(struct pull_flight *f)
{
	if (f->dirty)
		return;
	f->dirty = true;
	(void)uv_idle_start(&f->all->kick, on_kick);
}

void pull_flight_listen(struct pull_flight *f, struct pull_listener *l)
{
	l->listed = true;
	l->next = f->listeners;
	f->listeners = l;
	f->refs++;
	pull_flight_kick(f);
}

void pull_flight_leave(struct pull_flight *f, struct pull_listener *l)
{
	struct pull_listener **at = &f->listeners;

	if (!l->listed)
		return;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	l->listed = false;
	pull_flight_kick(f);
	pull_flight_unref(f);
}

/* Tell all; whoever is told may go, or make others go, so the walk begins again each time. */
static void tell(struct pull_flight *f)
{
	struct pull_listener *told = NULL;

	f->telling = true;
	for (struct pull_listener *l = f->listeners; l != NULL; l = l->next)
		l->told = false;
	do {
		told = f->listeners;
		while (told != NULL && told->told)
			told = told->next;
		if (told != NULL) {
			told->told = true;
			told->changed(told, f);
		}
	} while (told != NULL);
	f->telling = false;
}

static bool wanted_whole(const struct pull_flight *f)
{
	bool whole = f->sticky;

	for (const struct pull_listener *l = f->listeners; l != NULL && !whole; l = l->next)
		whole = l->whole;
	return whole;
}

static bool wanted(const struct pull_flight *f)
{
	if (f->state < FLIGHT_COMING && f->listeners != NULL)
		return true;
	for (const struct pull_listener *l = f->listeners; l != NULL; l = l->next) {
		if (l->hungry)
			return true;
	}
	return wanted_whole(f);
}

void pull_flight_turn(struct pull_flight *f)
{
	for (struct pull_flight *other = f->all->first; other != NULL; other = other->next) {
		if (other->up == f->up && other != f)
			pull_flight_kick(other);
	}
}

bool pull_flight_patient(const struct pull_flight *f)
{
	for (const struct pull_listener *l = f->listeners; l != NULL; l = l->next) {
		if (l->patient)
			return true;
	}
	return false;
}

bool pull_flight_whole(const struct pull_flight *f)
{
	return wanted_whole(f);
}

/* ---- the end, good or bad ------------------------------------------------------------------- */

static void over(struct pull_flight *f)
{
	f->state = FLIGHT_OVER;
	pull_lane_drop_queue(f);
	pull_delta_drop(f);
	if (!f->done && !f->dormant) {
		store_partial_unref(f->partial);
		f->partial = NULL;
	}
	tell(f);
	pull_flight_unref(f); /* its own */
}

void pull_flight_fail(struct pull_flight *f, unsigned http, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (f->failing || f->state == FLIGHT_OVER)
		return;
	f->failing = true;
	f->http = http;
	n = snprintf(f->error, sizeof(f->error), "upstream %s: %.160s: %.160s: ", f->up->name,
		     f->model, f->path);
	if (n < 0 || (size_t)n >= sizeof(f->error))
		n = 0;
	va_start(ap, fmt);
	(void)vsnprintf(f->error + n, sizeof(f->error) - (size_t)n, fmt, ap);
	va_end(ap);
	log_warning("pull", "upstream=%s model=\"%s\" file=\"%s\" error=\"%s\"", f->up->name,
		    f->model, f->path, f->error + n);
	pull_lane_cancel(f);
	if (!f->busy)
		pull_delta_drop(f); /* else the pool has it */
	pull_flight_kick(f);
}

static void fail_store(struct pull_flight *f)
{
	struct fault fault;

	(void)fault_store(&fault, f->status, f->store_error.text);
	if (f->status == STORE_DIGEST)
		fault.http = 502;
	pull_flight_fail(f, fault.http, "%.300s", f->store_error.text);
}

/* ---- work of the pool ----------------------------------------------------------------------- */

typedef void work_f(void *arg);

/* ${work} has the partial until ${done}. */
static void on_pool(struct pull_flight *f, work_f *work, work_f *done)
{
	must(!f->busy);
	f->busy = true;
	f->refs++;
	f->status = 0;
	job_background(f->all->ctx, work, done, f);
}

/* Begins each done function. */
static void from_pool(struct pull_flight *f)
{
	f->busy = false;
	pull_flight_kick(f);
}

void pull_flight_key(const char *upstream, const char *model, const char *revision,
		     const char *path, struct store_digest *out)
{
	size_t n = strlen(upstream) + strlen(model) + strlen(revision) + strlen(path) + 5;
	char *text = malloc(n);

	must(text != NULL);
	n = (size_t)snprintf(text, n, "%s\n%s\n%s\n%s", upstream, model, revision, path);
	must(store_digest_of(text, n, out) == 0);
	free(text);
}

static void open_work(void *arg)
{
	struct pull_flight *f = arg;
	struct store_digest key;

	pull_flight_key(f->up->name, f->model, f->revision, f->path, &key);
	f->status = store_partial_open(f->all->ctx->store, &key, &f->partial, &f->store_error);
	f->kin = store_chunk_seed_kin(f->all->ctx->store, f->model, f->path, &f->any);
}

/* digest, commit and mark, as begin_work wrote them */
static void read_tag(struct pull_flight *f)
{
	char digest[65] = "", commit[41] = "";
	const char *tag = store_partial_tag(f->partial);
	int n = 0;

	if (sscanf(tag, "%64[0-9a-f-] %40[0-9a-f-] %n", digest, commit, &n) != 2 || n == 0)
		return;
	f->has_digest = store_digest_parse(digest, strlen(digest), &f->digest);
	(void)snprintf(f->commit, sizeof(f->commit), "%s", commit[0] == '-' ? "" : commit);
	(void)snprintf(f->mark, sizeof(f->mark), "%.*s", (int)sizeof(f->mark) - 1, tag + n);
	f->size = store_partial_size(f->partial);
	f->resumed = true;
}

static void opened(void *arg)
{
	struct pull_flight *f = arg;
	uint64_t offset, size;

	from_pool(f);
	if (f->status == STORE_BUSY) {
		/* another flight has it, which was begun for another commit: its turn first */
		f->retry_at_ms = uv_now(f->all->ctx->loop) + OPEN_AGAIN_MS;
	} else if (f->status != 0) {
		fail_store(f);
	} else {
		f->state = FLIGHT_ASKING;
		if (store_partial_size(f->partial) != STORE_PARTIAL_UNKNOWN)
			read_tag(f);
		if (f->resumed && !store_partial_gap(f->partial, 0, &offset, &size)) {
			/* all but its name: nothing has to be asked */
			f->confirmed = true;
			f->state = FLIGHT_COMING;
		}
	}
	pull_flight_unref(f);
}

static void begin_work(void *arg)
{
	struct pull_flight *f = arg;
	char hex[STORE_DIGEST_HEX + 1] = "-", tag[STORE_PARTIAL_TAG_MAX];

	pull_delta_read(f);
	if (f->has_digest)
		store_digest_hex(&f->digest, hex);
	(void)snprintf(tag, sizeof(tag), "%s %s %s", hex, f->commit[0] == '\0' ? "-" : f->commit,
		       f->mark);
	f->status = store_partial_begin(f->partial, f->size, tag, &f->store_error);
	if (f->status == STORE_FULL &&
	    store_partial_sweep(f->all->ctx->store, 0, NULL, &f->store_error) == 0)
		f->status = store_partial_begin(f->partial, f->size, tag, &f->store_error);
	if (f->status == 0)
		f->status = pull_delta_seed(f, &f->store_error);
}

static void begun(void *arg)
{
	struct pull_flight *f = arg;

	from_pool(f);
	pull_delta_drop(f);
	f->life++;
	if (f->status != 0)
		fail_store(f);
	else
		f->state = FLIGHT_COMING;
	pull_flight_unref(f);
}

static void write_work(void *arg)
{
	struct pull_flight *f = arg;
	int status;

	f->status = pull_lane_write_batch(f, &f->store_error);
	if (f->status == STORE_FULL &&
	    store_partial_sweep(f->all->ctx->store, 0, NULL, &f->store_error) == 0)
		f->status = pull_lane_write_batch(f, &f->store_error);
	if (f->status == 0)
		f->status = store_partial_hash(f->partial, HASH_EACH_BYTES, &f->store_error);
	status = store_partial_save(f->partial, &f->store_error);
	f->status = f->status == 0 ? status : f->status;
}

static void wrote(void *arg)
{
	struct pull_flight *f = arg;

	from_pool(f);
	pull_lane_batch_done(f);
	if (f->status != 0)
		fail_store(f);
	pull_flight_unref(f);
}

static void check_work(void *arg)
{
	struct pull_flight *f = arg;

	f->status =
	    store_partial_check(f->partial, f->has_digest ? &f->digest : NULL, &f->store_error);
}

static void end_work(void *arg)
{
	struct pull_flight *f = arg;
	struct pull_names_file file = {.path = f->path};

	if (f->names != NULL &&
	    !state_file_put(pull_names_keeper(f->all->names), f->names, f->names_version))
		log_warning("upstream", "error=\"the list of names could not be written\"");
	if (f->partial != NULL && f->verdict != VERDICT_STORED)
		f->status = store_partial_commit(f->partial, f->has_digest ? &f->digest : NULL,
						 &f->digest, &f->store_error);
	else if (f->partial != NULL)
		store_partial_discard(f->partial);
	file.digest = f->digest;
	if (f->status == 0 && f->publish)
		f->status = pull_names_add(f->all->ctx->store, f->model, f->revision, &file, 1,
					   false, &f->store_error);
}

static void ended(void *arg);

/*
 * Published, and named.  A name that is stored and not listed as an upstream's is somebody's own,
 * for ever: so it is listed first.
 */
static void end(struct pull_flight *f)
{
	struct pull_names *names = f->all->names;
	struct pull_name *name;

	name = f->publish ? pull_names_find(names, f->model, f->revision) : NULL;
	if (f->publish && (name == NULL || f->commit[0] != '\0'))
		name = pull_names_set(names, f->model, f->revision, f->up->name, f->commit);
	if (name != NULL && !name->kept)
		f->names = pull_names_list(names, name, &f->names_version);
	on_pool(f, end_work, ended);
}

/* The name was listed for nothing. */
static void unlist(struct pull_flight *f)
{
	struct pull_name *name = pull_names_find(f->all->names, f->model, f->revision);

	if (f->names != NULL && name != NULL)
		pull_names_drop(f->all->names, name);
}

static void begin_again(struct pull_flight *f);

/* What has no digest of its own is known again by its mark. */
static void remember(struct pull_flight *f)
{
	struct store_digest key;

	if (f->commit[0] != '\0' || f->size == FETCH_UNKNOWN)
		return;
	pull_flight_key(f->up->name, f->model, f->revision, f->path, &key);
	pull_marks_set(f->all->marks, &key, f->mark, f->size, &f->digest);
}

static void ended(void *arg)
{
	struct pull_flight *f = arg;
	struct pull_name *name;

	from_pool(f);
	if (f->status != 0)
		unlist(f);
	free(f->names);
	f->names = NULL;
	if (f->status == STORE_DIGEST && (f->resumed || f->seeded) && !f->restarted) {
		/* lost in a power cut, or a list that lied */
		begin_again(f);
	} else if (f->status != 0) {
		fail_store(f);
	} else if (f->state != FLIGHT_OVER) {
		f->has_digest = true;
		f->done = true;
		metrics_add(METRIC_pulled_files, 1);
		remember(f);
		name = f->publish ? pull_names_find(f->all->names, f->model, f->revision) : NULL;
		if (name != NULL)
			pull_names_keep(f->all->names, name);
		over(f);
	}
	pull_flight_unref(f);
}

/* From the start, once: what has come is of no use. */
static void begin_again(struct pull_flight *f)
{
	f->restarted = f->plain = true;
	f->seeded = f->unasked = false;
	f->resumed = f->confirmed = f->has_digest = f->sizeless = false;
	f->size = FETCH_UNKNOWN;
	f->mark[0] = f->commit[0] = '\0';
	f->verdict = VERDICT_NONE;
	f->verified = false;
	f->life++;
	pull_lane_cancel(f);
	pull_lane_drop_queue(f);
	pull_delta_drop(f);
	store_partial_discard(f->partial);
	store_partial_unref(f->partial);
	f->partial = NULL;
	f->state = FLIGHT_OPENING;
	tell(f); /* who was given bytes must not be given others */
	on_pool(f, open_work, opened);
}

/* The digest is right: readers may have the last bytes while the file is synced and named. */
static void checked(void *arg)
{
	struct pull_flight *f = arg;

	if (f->status != 0) {
		ended(f);
		return;
	}
	from_pool(f);
	if (f->state != FLIGHT_OVER) {
		f->verified = true;
		tell(f);
		end(f);
	}
	pull_flight_unref(f);
}

/* ---- step -------------------------------------------------------------------------------------
 */

/* What answers said.  true: the state changed. */
static bool judge(struct pull_flight *f)
{
	enum pull_verdict v = f->verdict;

	if (v == VERDICT_NONE || f->busy)
		return false;
	if (v == VERDICT_STORED) {
		pull_lane_cancel(f);
		pull_lane_drop_queue(f);
		f->state = FLIGHT_ENDING;
		end(f);
		return true;
	}
	f->verdict = VERDICT_NONE;
	if (v == VERDICT_FLOOD) {
		pull_flight_fail(f, 502, "it sends and sends, and never said how much");
	} else if (v == VERDICT_PIN) {
		f->pinned = true;
		pull_lane_cancel(f);
		return false; /* ask again */
	} else if (v == VERDICT_STALE || !f->restarted) {
		pull_lane_cancel(f);
		begin_again(f);
		f->restarted = v == VERDICT_CHANGED;
	} else {
		pull_flight_fail(f, 502, "the file changes while it is being fetched");
	}
	return true;
}

static bool complete(const struct pull_flight *f)
{
	uint64_t offset, size;

	return f->state == FLIGHT_COMING && f->confirmed && f->queued == 0 && f->batched == 0 &&
	       !store_partial_gap(f->partial, 0, &offset, &size);
}

/* Has the name been given to another commit since the first answer? */
static bool name_moved(const struct pull_flight *f)
{
	const struct pull_name *name =
	    f->publish ? pull_names_find(f->all->names, f->model, f->revision) : NULL;

	return name != NULL && name->commit[0] != '\0' && f->commit[0] != '\0' &&
	       strcmp(name->commit, f->commit) != 0;
}

static void go_on(struct pull_flight *f)
{
	if (judge(f))
		return;
	if (f->state == FLIGHT_OPENING && !f->busy && f->retry_at_ms <= uv_now(f->all->ctx->loop)) {
		f->retry_at_ms = 0;
		on_pool(f, open_work, opened);
		return;
	}
	if (f->state == FLIGHT_ASKING && f->confirmed && !f->busy && !f->sizeless) {
		if (f->resumed) {
			f->state = FLIGHT_COMING;
		} else if (pull_delta_wanted(f)) {
			f->state = FLIGHT_LISTING;
		} else {
			f->state = FLIGHT_BEGINNING;
			on_pool(f, begin_work, begun);
			return;
		}
	}
	if (f->state == FLIGHT_LISTING) {
		if (pull_delta_step(f)) {
			f->state = FLIGHT_BEGINNING;
			on_pool(f, begin_work, begun);
		}
		return;
	}
	if (f->state == FLIGHT_COMING && !f->busy && f->queue != NULL) {
		pull_lane_take_batch(f);
		on_pool(f, write_work, wrote);
	}
	if (!f->busy && complete(f)) {
		pull_lane_cancel(f);
		if (name_moved(f)) {
			pull_flight_fail(f, 503, "its name moved on meanwhile");
			return;
		}
		f->state = FLIGHT_ENDING;
		on_pool(f, check_work, checked);
		return;
	}
	if (f->state == FLIGHT_ASKING || f->state == FLIGHT_COMING)
		pull_lane_plan(f);
}

static void step(struct pull_flight *f)
{
	f->dirty = false;
	if (f->state == FLIGHT_OVER) {
		if (f->dormant && f->listeners != NULL && wanted(f)) {
			f->dormant = false;
			f->state = FLIGHT_COMING;
			pull_lane_clock(f);
			f->refs++;
		} else {
			tell(f);
			return;
		}
	}
	pull_lane_reap(f);
	if (f->failing) {
		if (f->busy)
			return;
		if (f->state == FLIGHT_COMING && f->queue != NULL && f->status == 0) {
			pull_lane_take_batch(f);
			on_pool(f, write_work, wrote);
			return;
		}
		if (f->absent && f->all->absent != NULL)
			f->all->absent(f->all->arg, f);
		over(f);
		return;
	}
	go_on(f);
	if (f->state == FLIGHT_OVER || f->failing)
		return;
	tell(f);
	if (!wanted(f) && f->state <= FLIGHT_COMING && !f->busy && f->queue == NULL) {
		pull_lane_cancel(f);
		f->dormant = f->state == FLIGHT_COMING;
		if (!f->dormant)
			pull_flight_fail(f, 503, "nobody waits for it any more");
		else
			over(f);
	}
}

static void look(struct pull_flights *all)
{
	uint64_t now = uv_now(all->ctx->loop), wait = UINT64_MAX;
	struct pull_flight *f = all->first, *next;

	for (; f != NULL; f = next) {
		f->refs++;
		if (f->dirty || (f->retry_at_ms != 0 && f->retry_at_ms <= now))
			step(f);
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): ours is one of its references */
		if (f->retry_at_ms > now && f->retry_at_ms - now < wait)
			wait = f->retry_at_ms - now;
		next = f->next;
		pull_flight_unref(f);
	}
	if (wait != UINT64_MAX)
		(void)uv_timer_start(&all->later, on_later, wait, 0);
}

static void on_kick(uv_idle_t *idle)
{
	(void)uv_idle_stop(idle);
	look(idle->data);
}

static void on_later(uv_timer_t *timer)
{
	look(timer->data);
}

/* ---- what others call ---------------------------------------------------------------------------
 */

void pull_flight_init(struct pull_flights *all, struct context *ctx, struct fetcher *fetcher,
		      struct pull_names *names, struct pull_marks *marks)
{
	all->ctx = ctx;
	all->marks = marks;
	all->fetcher = fetcher;
	all->names = names;
	must(uv_idle_init(ctx->loop, &all->kick) == 0);
	must(uv_timer_init(ctx->loop, &all->later) == 0);
	all->kick.data = all->later.data = all;
}

void pull_flight_stop(struct pull_flights *all)
{
	struct pull_flight *f = all->first, *next;

	all->stopped = true;
	for (; f != NULL; f = next) {
		f->refs++;
		pull_flight_fail(f, 503, "the daemon is stopping");
		next = f->next;
		pull_flight_unref(f);
	}
}

static struct pull_flight *begin(struct pull_flights *all, struct upstream *up, const char *model,
				 const char *revision, const char *path, const char *commit)
{
	struct pull_flight *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->all = all;
	f->up = up;
	f->model = strdup(model);
	f->revision = strdup(revision);
	f->path = strdup(path);
	must(f->model != NULL && f->revision != NULL && f->path != NULL);
	(void)snprintf(f->want_commit, sizeof(f->want_commit), "%s", commit);
	f->size = FETCH_UNKNOWN;
	f->refs = 1; /* its own, until it is over */
	for (unsigned i = 0; i < PULL_LANES; i++)
		f->lane[i].flight = f;
	f->next = all->first;
	f->link = &all->first;
	if (f->next != NULL)
		f->next->link = &f->next;
	all->first = f;
	on_pool(f, open_work, opened);
	return f;
}

struct pull_flight *pull_flight_get(struct pull_flights *all, struct upstream *up,
				    const char *model, const char *revision, const char *path,
				    const char *commit)
{
	struct pull_flight *f = all->first;

	while (f != NULL &&
	       (f->up != up || f->failing || (f->state == FLIGHT_OVER && !f->dormant) ||
		strcmp(f->path, path) != 0 || strcmp(f->model, model) != 0 ||
		strcmp(f->revision, revision) != 0 ||
		(commit[0] != '\0' && strcmp(f->want_commit, commit) != 0 &&
		 strcmp(f->commit, commit) != 0)))
		f = f->next;
	if (f == NULL)
		f = begin(all, up, model, revision, path, commit);
	if (f != NULL)
		f->refs++;
	return f;
}

void pull_flight_unref(struct pull_flight *f)
{
	if (f == NULL || --f->refs > 0)
		return;
	must(f->listeners == NULL && !f->busy);
	pull_lane_cancel(f);
	pull_lane_drop_queue(f);
	pull_delta_drop(f);
	*f->link = f->next;
	if (f->next != NULL)
		f->next->link = f->link;
	if (f->all->first == NULL)
		pull_lane_drop_spare(f->all);
	store_partial_unref(f->partial);
	free(f->model);
	free(f->revision);
	free(f->path);
	free(f);
}

uint64_t pull_flight_readable(const struct pull_flight *f, uint64_t at)
{
	uint64_t n, limit;

	if ((f->state < FLIGHT_COMING && !f->done) || f->partial == NULL ||
	    f->size == FETCH_UNKNOWN || at >= f->size)
		return 0;
	n = store_partial_run(f->partial, at);
	if (f->done || f->verified)
		return n;
	limit = f->size > HELD_BACK_BYTES ? f->size - HELD_BACK_BYTES : 0;
	if (at >= limit)
		return 0;
	return n < limit - at ? n : limit - at;
}
