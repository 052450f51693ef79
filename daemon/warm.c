/* SPDX-License-Identifier: MIT */
/*
 * warm.c — jobs at work: listing, files, name, one item after the other.
 * Called by handle_jobs.c and main.c.  It must never move a name before all
 * its files are here, and never say less of a job's progress than it said.
 *
 * A tick, a few times a second while there is a job, does everything; what
 * ends in between only asks for it at once.
 */
#include <config.h>

#include "daemon/warm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/fault.h"
#include "daemon/fetch.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/must.h"
#include "daemon/pull_names.h"
#include "daemon/settings.h"
#include "daemon/warm_job.h"
#include "daemon/warm_keep.h"
#include "daemon/warm_listing.h"
#include "daemon/warm_prune.h"
#include "daemon/warm_run.h"

#define TICK_MS 150
#define JOBS_AT_ONCE 4
#define TICKETS_MAX 8
#define JOBS_KEPT 100
#define JOBS_MAX 1000

static void on_tick(uv_timer_t *timer);

/* Look at all jobs in the next turn. */
void warm_kick(struct warm *w)
{
	(void)uv_timer_start(&w->tick, on_tick, 0, TICK_MS);
}

bool warm_over(const struct warm_job *job)
{
	return job->state >= WARM_DONE;
}

const char *warm_id(const struct warm_job *job)
{
	return job->id;
}

json_t *warm_json(const struct warm_job *job)
{
	return warm_job_json(job, false);
}

json_t *warm_list(struct warm *w)
{
	json_t *list = json_array();

	for (const struct warm_job *job = w->jobs; job != NULL; job = job->next) {
		if (!job->hidden)
			(void)json_array_append_new(list, warm_job_json(job, false));
	}
	return list;
}

struct warm_job *warm_find(struct warm *w, const char *id)
{
	for (struct warm_job *job = w->jobs; job != NULL; job = job->next) {
		if (!job->hidden && strcmp(job->id, id) == 0)
			return job;
	}
	return NULL;
}

/* ---- watchers ------------------------------------------------------------------------------- */

void warm_watch(struct warm_job *job, struct warm_watcher *watcher)
{
	watcher->job = job;
	watcher->next = job->watchers;
	job->watchers = watcher;
}

void warm_unwatch(struct warm_watcher *watcher)
{
	struct warm_watcher **at;

	if (watcher->job == NULL)
		return;
	for (at = &watcher->job->watchers; *at != watcher; at = &(*at)->next)
		;
	*at = watcher->next;
	watcher->job = NULL;
}

static void tell(struct warm_job *job, bool hush)
{
	struct warm_watcher *w = job->watchers, *next;

	for (; w != NULL; w = next) {
		next = w->next;
		w->changed(w, hush);
	}
}

/* ---- the end of a job --------------------------------------------------------------------------
 */

static void drop_work(struct warm_job *job)
{
	fetch_cancel(job->fetch);
	job->fetch = NULL;
	for (size_t i = 0; i < job->file_count; i++) {
		pull_drop(job->file[i]->ticket);
		job->file[i]->ticket = NULL;
	}
}

void warm_finish(struct warm_job *job, enum warm_state state)
{
	drop_work(job);
	job->state = state;
	for (size_t i = 0; i < job->file_count; i++) {
		struct warm_file *f = job->file[i];

		if (f->state <= WARM_RUNNING)
			f->state = state == WARM_DONE ? WARM_DONE : WARM_CANCELLED;
	}
	for (unsigned i = 0; job->hidden && i < job->item_count; i++) {
		struct pull_name *name = pull_names_find(pull_names_of(job->warm->pull),
							 job->item[i].model, job->item[i].revision);

		if (name != NULL)
			name->busy = false;
	}
	job->changed = true;
	log_info("job", "id=%s state=%s bytes=%llu%s%s%s", job->id, warm_job_state_name(state),
		 (unsigned long long)job->best_done, job->error[0] == '\0' ? "" : " error=\"",
		 job->error, job->error[0] == '\0' ? "" : "\"");
	warm_keep_job(job);
}

void warm_fail(struct warm_job *job, const struct warm_item *item, const char *text)
{
	(void)snprintf(job->error, sizeof(job->error), "upstream %s: %.200s: %s", item->upstream,
		       item->model, text);
	warm_finish(job, WARM_FAILED);
}

bool warm_cancel(struct warm_job *job)
{
	if (warm_over(job))
		return false;
	warm_finish(job, WARM_CANCELLED);
	warm_kick(job->warm);
	return true;
}

/* ---- files
 * ------------------------------------------------------------------------------------------ */

/* Is it what the manifest says?  false: the file has failed. */
static bool as_expected(struct warm_file *f, const struct warm_item *item)
{
	char want[STORE_DIGEST_HEX + 1], got[STORE_DIGEST_HEX + 1];
	struct store_digest digest;

	if (!warm_job_digest(item, f->path, &digest) || store_digest_equal(&digest, &f->digest))
		return true;
	store_digest_hex(&digest, want);
	store_digest_hex(&f->digest, got);
	f->state = WARM_FAILED;
	f->stored = false;
	(void)snprintf(f->error, sizeof(f->error),
		       "upstream %s: %.100s: %.100s: it has SHA-256 %s, the manifest says %s",
		       item->upstream, item->model, f->path, got, want);
	if (f->job->error[0] == '\0')
		memcpy(f->job->error, f->error, sizeof(f->error));
	return false;
}

static void on_ticket(void *arg, const struct pull_outcome *out)
{
	struct warm_file *f = arg;
	struct warm_job *job = f->job;
	struct warm_item *item = &job->item[f->item];

	if (out == NULL)
		return; /* the tick looks how far it is */
	f->ticket = NULL;
	warm_kick(job->warm);
	job->changed = true;
	if (out->done) {
		f->state = WARM_DONE;
		f->stored = true;
		f->digest = out->digest;
		f->done = f->total = out->size;
		if (item->commit[0] == '\0')
			memcpy(item->commit, out->commit, sizeof(item->commit));
		(void)as_expected(f, item);
	} else if (out->absent && (item->refresh || f->spare)) {
		f->state = WARM_CANCELLED;
		f->wanted = false;
	} else {
		f->state = WARM_FAILED;
		(void)snprintf(f->error, sizeof(f->error), "%s", out->error);
		if (job->error[0] == '\0')
			memcpy(job->error, f->error, sizeof(f->error));
	}
	warm_keep_job(job);
}

static void start_file(struct warm_job *job, struct warm_item *item, struct warm_file *f)
{
	struct pull_want want = {.upstream = item->up,
				 .model = item->model,
				 .revision = item->revision,
				 .path = f->path,
				 .commit = item->commit};
	uint64_t size;

	f->stored |= warm_job_digest(item, f->path, &f->digest);
	if (f->stored && store_blob_has(job->warm->ctx->store, &f->digest, &size)) {
		f->state = WARM_DONE;
		f->done = f->total = size;
		return;
	}
	f->state = WARM_RUNNING;
	f->ticket = pull_fetch(job->warm->pull, &want, on_ticket, f);
	if (f->ticket == NULL)
		warm_fail(job, item, "out of memory");
}

static void name_work(void *arg)
{
	struct warm_job *job = arg;
	struct warm_item *item = &job->item[job->now];
	struct store *store = job->warm->ctx->store;

	job->status = pull_names_add(store, item->model, item->revision, job->naming,
				     job->naming_count, item->only, &job->store_error);
	if (job->status == 0 && (item->pin || item->unpin))
		job->status = store_model_pin(store, item->model, item->pin, &job->store_error);
}

static void named(void *arg)
{
	struct warm_job *job = arg;
	struct warm_item *item = &job->item[job->now];
	struct pull_names *names = pull_names_of(job->warm->pull);
	struct pull_name *name;

	job->busy = false;
	free(job->naming);
	job->naming = NULL;
	warm_kick(job->warm);
	if (warm_over(job))
		return;
	if (job->status != 0) {
		warm_fail(job, item, job->store_error.text);
		return;
	}
	name = pull_names_find(names, item->model, item->revision);
	/* what was here already says nothing of the upstream's commit */
	if (name == NULL || item->commit[0] != '\0')
		name = pull_names_set(names, item->model, item->revision, item->upstream,
				      item->commit);
	if (name != NULL)
		pull_names_keep(names, name);
	item->phase = WARM_NAMED;
	job->now++;
	job->attempts = 0;
	job->retry_at_ms = 0;
	if (job->now == job->item_count)
		warm_prune_end(job);
}

/* All files of the item are here: they get their name together. */
static void give_name(struct warm_job *job, struct warm_item *item)
{
	job->naming = calloc(job->file_count + 1, sizeof(job->naming[0]));
	must(job->naming != NULL);
	job->naming_count = 0;
	for (size_t i = 0; i < job->file_count; i++) {
		const struct warm_file *f = job->file[i];

		if (f->item == job->now && f->wanted && f->state == WARM_DONE)
			job->naming[job->naming_count++] =
			    (struct pull_names_file){.path = f->path, .digest = f->digest};
	}
	if (item->refresh && job->naming_count == 0) {
		free(job->naming);
		job->naming = NULL;
		warm_fail(job, item, "nothing of it is there any more");
		return;
	}
	/* fanalyzer-suppress malloc-leak: the job has it */
	item->phase = WARM_NAMING;
	job->busy = true;
	job_background(job->warm->ctx, name_work, named, job);
}

static void fetch_files(struct warm_job *job, struct warm_item *item)
{
	unsigned running = 0, waiting = 0, failed = 0;

	for (size_t i = 0; i < job->file_count && !warm_over(job); i++) {
		struct warm_file *f = job->file[i];
		unsigned most = item->commit[0] == '\0' && item->up->layout == UPSTREAM_HUB
				    ? 1 /* the first one tells which commit the others must be of */
				    : TICKETS_MAX;

		if (f->item != job->now || !f->wanted)
			continue;
		if (f->state == WARM_QUEUED && running < most && job->error[0] == '\0')
			start_file(job, item, f);
		running += f->state == WARM_RUNNING;
		waiting += f->state == WARM_QUEUED;
		failed += f->state == WARM_FAILED;
	}
	if (warm_over(job) || running > 0)
		return;
	if (failed > 0)
		warm_finish(job, WARM_FAILED);
	else if (waiting == 0 && !item->only && item->commit[0] != '\0' &&
		 (warm_listing_move(job, item), item->only))
		warm_kick(job->warm); /* the files that the name has go along */
	else if (waiting == 0)
		give_name(job, item);
	else
		warm_kick(job->warm);
}

/* ---- steps
 * ------------------------------------------------------------------------------------------- */

/* What a job says of itself; it never goes back. */
static void add_up(struct warm_job *job)
{
	uint64_t done = 0, total = 0;

	for (size_t i = 0; i < job->file_count; i++) {
		struct warm_file *f = job->file[i];

		if (f->ticket != NULL) {
			uint64_t now, all;

			pull_progress(f->ticket, &now, &all);
			f->done = now > f->done ? now : f->done;
			f->total = all > f->total ? all : f->total;
		}
		done += f->done;
		total += f->total;
	}
	if (done > job->best_done || total > job->best_total)
		job->changed = true;
	job->best_done = done > job->best_done ? done : job->best_done;
	job->best_total = total > job->best_total ? total : job->best_total;
}

static void begin_item(struct warm_job *job, struct warm_item *item)
{
	if (item->globs || item->pattern_count == 0) {
		warm_listing_ask(job, item);
		return;
	}
	for (unsigned i = 0; i < item->pattern_count; i++) {
		struct warm_file *f = warm_job_file(job, job->now, item->pattern[i]);

		if (f == NULL) {
			warm_fail(job, item, "too many files");
			return;
		}
		f->wanted = true;
		f->state = WARM_QUEUED;
	}
	item->phase = WARM_FETCHING;
}

static void step(struct warm_job *job)
{
	struct warm_item *item;

	if (job->busy)
		return;
	if (job->now == job->item_count) { /* killed while it dropped the rest */
		warm_prune_end(job);
		return;
	}
	item = &job->item[job->now];
	if (job->state == WARM_QUEUED) {
		job->state = WARM_RUNNING;
		job->changed = true;
	}
	if (job->busy)
		return;
	if (item->phase == WARM_LISTING)
		begin_item(job, item);
	if (!warm_over(job) && item->phase == WARM_FETCHING)
		fetch_files(job, item);
}

static void remove_work(void *arg)
{
	struct warm_job *job = arg;
	char name[40];

	(void)snprintf(name, sizeof(name), "%s.json", job->id);
	(void)unlinkat(job->warm->dir, name, 0);
}

static void removed(void *arg)
{
	warm_job_free(arg);
}

/* Of jobs that are over the last ones are kept; of hidden ones none. */
static void forget(struct warm *w)
{
	struct warm_job **at = &w->jobs;

	while (*at != NULL) {
		struct warm_job *job = *at;

		if (warm_over(job) && !job->busy && !job->saving && job->watchers == NULL &&
		    (job->hidden || w->count > JOBS_KEPT)) {
			*at = job->next;
			w->count--;
			if (job->hidden)
				warm_job_free(job);
			else
				job_background(w->ctx, remove_work, removed, job);
			continue;
		}
		at = &job->next;
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct warm *w = timer->data;
	unsigned running = 0;
	bool more = false;

	if (w->stopped)
		return;
	for (struct warm_job *job = w->jobs; job != NULL; job = job->next) {
		if (!warm_over(job) && job->dirty && running++ < JOBS_AT_ONCE)
			step(job);
		add_up(job);
		more |= !warm_over(job) || job->watchers != NULL;
		if (job->changed || job->watchers != NULL) {
			job->changed = false;
			tell(job, false);
		}
	}
	forget(w);
	if (!more)
		(void)uv_timer_stop(timer);
}

/* ---- what others call
 * ------------------------------------------------------------------------------------ */

void warm_append(struct warm *w, struct warm_job *job)
{
	struct warm_job **at = &w->jobs;

	while (*at != NULL && (*at)->made_s <= job->made_s)
		at = &(*at)->next;
	job->next = *at;
	*at = job;
	job->warm = w;
	w->count++;
}

static void make_id(struct warm_job *job)
{
	uint64_t random = 0;

	must(uv_random(NULL, NULL, &random, sizeof(random), 0, NULL) == 0);
	(void)snprintf(job->id, sizeof(job->id), "%016llx", (unsigned long long)random);
	job->made_s = (int64_t)time(NULL);
}

struct warm_job *warm_add(struct warm *w, const json_t *ask, struct fault *fault)
{
	struct warm_job *job;
	char error[300];

	if (pull_offline(w->pull)) {
		(void)fault_set(fault, 504, "the daemon is offline");
		return NULL;
	}
	if (w->count >= JOBS_MAX) {
		(void)fault_set(fault, 503, "there are too many jobs");
		return NULL;
	}
	job = calloc(1, sizeof(*job));
	must(job != NULL);
	if (!warm_job_parse(w->pull, ask, job, error)) {
		(void)fault_set(fault, 400, "%s", error);
		warm_job_free(job);
		return NULL;
	}
	make_id(job);
	warm_append(w, job);
	return job;
}

void warm_begin(struct warm_job *job)
{
	job->dirty = true; /* from here on the tick works on it */
	warm_kick(job->warm);
}

/* ---- names are looked up again
 * ------------------------------------------------------------------------- */

static int add_path(void *arg, const struct store_file_info *info)
{
	struct warm_item *item = arg;

	if (item->pattern_count < WARM_FILES_MAX) {
		item->pattern[item->pattern_count] = strdup(info->path);
		/* fanalyzer-suppress malloc-leak: abort() gives nothing back */
		must(item->pattern[item->pattern_count] != NULL);
		item->pattern_count++;
	}
	return 0;
}

void warm_refresh(struct warm *w, struct pull_name *name, const char *commit)
{
	struct warm_job *job = calloc(1, sizeof(*job));
	struct warm_item *item = calloc(1, sizeof(*item));
	struct store_error err;

	must(job != NULL && item != NULL);
	job->item = item;
	job->item_count = 1;
	job->hidden = true;
	item->up = upstream_find(pull_upstreams(w->pull), name->upstream);
	item->upstream = strdup(name->upstream);
	item->model = strdup(name->model);
	item->revision = strdup(name->revision);
	item->pattern = calloc(WARM_FILES_MAX, sizeof(item->pattern[0]));
	must(item->upstream != NULL && item->model != NULL && item->revision != NULL &&
	     item->pattern != NULL);
	item->refresh = item->only = true;
	(void)snprintf(item->commit, sizeof(item->commit), "%s", commit);
	if (item->up == NULL ||
	    store_model_files(w->ctx->store, name->model, name->revision, add_path, item, &err) !=
		0 ||
	    item->pattern_count == 0) {
		name->busy = false;
		warm_job_free(job);
		return;
	}
	make_id(job);
	warm_append(w, job);
	log_info("refresh", "model=\"%s\" revision=%s commit=%s", name->model, name->revision,
		 commit);
	warm_begin(job);
}

/* ---- all of it
 * ---------------------------------------------------------------------------------------------- */

int warm_open(struct context *ctx, struct warm **out)
{
	struct warm *w = calloc(1, sizeof(*w));
	int state = open(ctx->settings->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	must(w != NULL);
	w->ctx = ctx;
	w->pull = ctx->pull;
	w->dir = -1;
	if (state >= 0) {
		(void)mkdirat(state, "jobs", 0700);
		w->dir = openat(state, "jobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		(void)close(state);
	}
	if (w->dir < 0) {
		log_error("job", "error=\"the folder of jobs cannot be opened\"");
		free(w);
		return -1;
	}
	must(uv_timer_init(ctx->loop, &w->tick) == 0);
	w->tick.data = w;
	warm_keep_load(w);
	if (w->jobs != NULL && !pull_offline(w->pull))
		warm_kick(w);
	*out = w;
	return 0;
}

void warm_hush(struct warm *w)
{
	for (struct warm_job *job = w == NULL ? NULL : w->jobs; job != NULL; job = job->next)
		tell(job, true);
}

void warm_stop(struct warm *w)
{
	if (w == NULL)
		return;
	w->stopped = true;
	for (struct warm_job *job = w->jobs; job != NULL; job = job->next)
		drop_work(job);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void warm_close(struct warm *w)
{
	if (w == NULL)
		return;
	while (w->jobs != NULL) {
		struct warm_job *job = w->jobs;

		w->jobs = job->next;
		warm_job_free(job);
	}
	(void)close(w->dir);
	uv_close((uv_handle_t *)&w->tick, on_closed);
}
