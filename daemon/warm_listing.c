/* SPDX-License-Identifier: MIT */
/*
 * warm_listing.c — an item's files, from its upstream's listing.  Called by
 * warm.c.  It must never believe a listing (warm_job.c looks at every row), nor
 * parse one on the event loop.
 */
#include <config.h>

#include "daemon/warm_listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/fetch.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/pull_names.h"
#include "daemon/warm_keep.h"
#include "daemon/warm_run.h"

#define LISTING_BYTES_MAX ((size_t)16 << 20)

static bool listing_data(void *arg, const void *data, size_t size)
{
	struct warm_job *job = arg;

	if (job->body_room - job->body_size < size) {
		size_t room = job->body_room * 2 + size;
		char *wider = realloc(job->body, room);

		if (wider == NULL)
			return true; /* what is missing is no JSON */
		job->body = wider;
		job->body_room = room;
	}
	memcpy(job->body + job->body_size, data, size);
	job->body_size += size;
	return true;
}

static void sort_work(void *arg)
{
	struct warm_job *job = arg;

	job->listing =
	    warm_job_listing(job->body, job->body_size, job->listed_commit, job->list_error);
}

/* Files that the name has already go along, so that the next version has them too. */
static int keep_path(void *arg, const struct store_file_info *info)
{
	struct warm_job *job = arg;
	struct warm_file *f = warm_job_file(job, job->now, info->path);

	if (f != NULL && !f->wanted)
		f->wanted = f->spare = true;
	return 0;
}

/* Does the item's name mean another commit now?  Then its files all have to be fetched. */
void warm_listing_move(struct warm_job *job, struct warm_item *item)
{
	const struct pull_name *name =
	    pull_names_find(pull_names_of(job->warm->pull), item->model, item->revision);
	struct store_error err;

	if (item->only || name == NULL || name->commit[0] == '\0' || item->commit[0] == '\0' ||
	    strcmp(name->commit, item->commit) == 0)
		return;
	item->only = true;
	if (store_model_files(job->warm->ctx->store, item->model, item->revision, keep_path, job,
			      &err) != 0)
		log_debug("job", "id=%s text=\"%s\"", job->id, err.text);
}

/* Has the name that commit already?  Then its files need not be asked for again. */
static bool is_current(const struct warm_job *job, const struct warm_item *item)
{
	const struct pull_name *name =
	    pull_names_find(pull_names_of(job->warm->pull), item->model, item->revision);

	return name != NULL && name->commit[0] != '\0' &&
	       strcmp(name->commit, job->listed_commit) == 0;
}

/* What the listing says of a file, or what is here. */
static bool know(struct warm_job *job, const struct warm_item *item, struct warm_file *f,
		 const char *sha, bool current)
{
	struct store_file file;
	struct store_error err;

	if (sha != NULL)
		return store_digest_parse(sha, strlen(sha), &f->digest);
	if (!current || store_file_find(job->warm->ctx->store, item->model, item->revision, f->path,
					&file, &err) != 0)
		return false;
	f->digest = file.digest;
	return true;
}

/* Which files of the listing: those that are asked for, and those that the name has. */
static void take_listing(struct warm_job *job, struct warm_item *item)
{
	size_t i, wanted = 0;
	json_t *row;
	bool same, current; /* same: the commit that an earlier process saw */

	same = item->commit[0] != '\0' && strcmp(item->commit, job->listed_commit) == 0;
	memcpy(item->commit, job->listed_commit, sizeof(item->commit));
	current = is_current(job, item);
	warm_listing_move(job, item);
	for (i = 0; i < job->file_count; i++)
		job->file[i]->state = job->file[i]->wanted && job->file[i]->item == job->now
					  ? WARM_CANCELLED /* unless the listing has it */
					  : job->file[i]->state;
	json_array_foreach(job->listing, i, row)
	{
		const char *path = json_string_value(json_object_get(row, "path"));
		const char *sha = json_string_value(json_object_get(row, "sha256"));
		json_int_t size = json_integer_value(json_object_get(row, "size"));
		struct warm_file *f;

		if (!warm_job_wants(item, path)) {
			bool kept = false;

			for (size_t k = 0; k < job->file_count && item->only && !kept; k++)
				kept = job->file[k]->item == job->now && job->file[k]->wanted &&
				       strcmp(job->file[k]->path, path) == 0;
			if (!kept)
				continue;
		}
		f = warm_job_file(job, job->now, path);
		if (f == NULL) {
			warm_fail(job, item, "its listing has too many files");
			return;
		}
		f->wanted = true;
		f->state = WARM_QUEUED;
		if (size >= 0 && (uint64_t)size > f->total)
			f->total = (uint64_t)size;
		f->stored = know(job, item, f, sha, current) || (sha == NULL && f->stored && same);
		wanted++;
	}
	json_decref(job->listing);
	job->listing = NULL;
	if (wanted == 0)
		warm_fail(job, item, "no file of its listing fits");
	else
		item->phase = WARM_FETCHING;
}

static void sorted(void *arg)
{
	struct warm_job *job = arg;
	struct warm_item *item = &job->item[job->now];

	job->busy = false;
	free(job->body);
	job->body = NULL;
	job->body_size = job->body_room = 0;
	if (!warm_over(job)) {
		if (job->listing == NULL)
			warm_fail(job, item, job->list_error);
		else
			take_listing(job, item);
		warm_keep_job(job);
	}
	job->changed = true;
	warm_kick(job->warm);
}

static void listing_done(void *arg, const struct fetch_result *r)
{
	struct warm_job *job = arg;
	struct warm_item *item = &job->item[job->now];
	uint64_t ms;
	char text[500];

	job->fetch = NULL;
	warm_kick(job->warm);
	if (r->end == FETCH_ABSENT && !item->tree) {
		item->tree = true; /* some know only that one */
		job->body_size = 0;
		return;
	}
	if (r->end == FETCH_DONE) {
		item->phase = WARM_SORTING;
		job->busy = true;
		job_background(job->warm->ctx, sort_work, sorted, job);
		return;
	}
	job->attempts += r->stalled ? 2 : 1;
	if (r->end != FETCH_AGAIN || job->attempts > item->up->retries) {
		(void)snprintf(text, sizeof(text), "%s: %s",
			       r->end == FETCH_ABSENT ? "there is no such model or revision"
						      : "its listing",
			       r->text);
		warm_fail(job, item, text);
		return;
	}
	ms = (uint64_t)250 << (job->attempts > 7 ? 7 : job->attempts - 1);
	if (r->retry_after_s != 0)
		ms = (uint64_t)(r->retry_after_s < 300 ? r->retry_after_s : 300) * 1000;
	job->retry_at_ms = uv_now(job->warm->ctx->loop) + ms;
	job->body_size = 0;
}

static const struct fetch_ops listing_ops = {.data = listing_data, .done = listing_done};

void warm_listing_ask(struct warm_job *job, struct warm_item *item)
{
	struct fetch_opts opts = {
	    .upstream = item->up, .max_bytes = LISTING_BYTES_MAX, .ops = &listing_ops, .arg = job};
	char *url;

	if (job->fetch != NULL || job->retry_at_ms > uv_now(job->warm->ctx->loop) ||
	    item->up->active >= item->up->concurrency ||
	    upstream_rate(item->up, (int64_t)time(NULL)) == UPSTREAM_CLOSED)
		return;
	url = upstream_api_url(item->up, item->model, item->revision, item->tree);
	opts.url = url;
	job->fetch = url == NULL ? NULL : fetch_start(pull_fetcher(job->warm->pull), &opts);
	free(url);
	if (job->fetch == NULL)
		warm_fail(job, item, "out of memory");
}
