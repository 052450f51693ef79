/* SPDX-License-Identifier: MIT */
/*
 * pull_delta.c — updates out of chunks (store_chunk_*): the list of a new
 * version is fetched, what the store has of it is put in place, and the gaps
 * are left to pull_lane.c.  Called by pull_flight.c.  It must never make a fetch
 * fail: whatever goes wrong here, the file is fetched as if there were no lists.
 *
 * Who has lists is not known in advance.  An upstream that says the digest of
 * what it sends (Repr-Digest) may be a larder and is asked; so is any other one
 * when the store has an older version of the very file, since a list may lie
 * beside it on a web server (`larderctl chunks`).  One that had none is not
 * asked again for an hour.
 */
#include <config.h>

#include "daemon/pull_delta.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/fetch.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/pull_flight.h"
#include "daemon/upstream.h"

#define LIST_BYTES_MAX (UINT64_C(64) << 20)
#define RECORD_BYTES 36u
#define HEAD_BYTES 200u
#define NONE_MS 3600000u /* how long an upstream without lists is believed to have none */
#define LATER_MS 60000u  /* the same for one that had trouble with them */
#define ATTEMPTS_MAX 5u
#define BUSY_S_MAX 5u

struct pull_delta {
	struct fetch *fetch;
	bool beside; /* the list that lies beside the file is asked for */
	bool over, good;
	unsigned attempts, stalls;
	uint64_t retry_at_ms;
	char *body;
	size_t size, room;
	struct store_chunk_list list;
};

bool pull_delta_hopeful(const struct pull_flight *f)
{
	const struct upstream *up = f->up;

	return up->chunks && !f->resumed && !f->plain && pull_flight_whole(f) &&
	       uv_now(f->all->ctx->loop) >= up->listless_until_ms &&
	       (f->kin || (f->any && up->says_digests));
}

bool pull_delta_wanted(const struct pull_flight *f)
{
	return pull_delta_hopeful(f) && !f->unasked && f->size != FETCH_UNKNOWN &&
	       f->size >= STORE_CHUNK_FILE_MIN;
}

void pull_delta_drop(struct pull_flight *f)
{
	struct pull_delta *d = f->delta;

	if (d == NULL)
		return;
	f->delta = NULL;
	fetch_cancel(d->fetch);
	store_chunk_list_drop(&d->list);
	free(d->body);
	free(d);
}

/* ---- the list ---------------------------------------------------------------------------------
 */

static bool list_data(void *arg, const void *data, size_t size)
{
	struct pull_flight *f = arg;
	struct pull_delta *d = f->delta;

	metrics_add(METRIC_pulled_bytes, size);
	if (d->room - d->size < size) {
		size_t room = d->room * 2 + size;
		char *wider = realloc(d->body, room);

		if (wider == NULL)
			return true; /* what is missing is no list */
		d->body = wider;
		d->room = room;
	}
	memcpy(d->body + d->size, data, size);
	d->size += size;
	return true;
}

static void give_up(struct pull_flight *f, uint64_t ms, const char *why)
{
	f->delta->over = true;
	f->up->listless_until_ms = uv_now(f->all->ctx->loop) + ms;
	log_debug("delta", "upstream=%s model=\"%s\" file=\"%s\" text=\"%s\"", f->up->name,
		  f->model, f->path, why);
}

static void list_done(void *arg, const struct fetch_result *r)
{
	struct pull_flight *f = arg;
	struct pull_delta *d = f->delta;

	d->fetch = NULL;
	pull_flight_turn(f);
	pull_flight_kick(f);
	if (r->end == FETCH_DONE) {
		d->over = d->good = true;
		return;
	}
	d->size = 0;
	if (r->end == FETCH_ABSENT && !d->beside && f->up->layout == UPSTREAM_HUB) {
		d->beside = true;
	} else if (r->end == FETCH_ABSENT) {
		give_up(f, NONE_MS, r->text);
	} else if (r->end == FETCH_AGAIN && ++d->attempts < ATTEMPTS_MAX &&
		   (!r->stalled || d->stalls++ == 0)) { /* it may have been made meanwhile */
		unsigned s = r->retry_after_s < BUSY_S_MAX ? r->retry_after_s : BUSY_S_MAX;

		d->retry_at_ms = uv_now(f->all->ctx->loop) + (s == 0 ? 250 : s * 1000);
		f->retry_at_ms = d->retry_at_ms;
	} else {
		give_up(f, LATER_MS, r->text);
	}
}

static const struct fetch_ops list_ops = {.data = list_data, .done = list_done};

static void ask(struct pull_flight *f)
{
	struct pull_delta *d = f->delta;
	/* the commit that the first answer was of, so that list and file belong together */
	const char *revision = f->commit[0] != '\0' ? f->commit : f->revision;
	uint64_t most = (f->size / STORE_CHUNK_MIN + 2) * RECORD_BYTES + HEAD_BYTES;
	char *url = upstream_chunks_url(f->up, f->model, revision, f->path, d->beside);
	struct fetch_opts opts = {.upstream = f->up,
				  .url = url,
				  .max_bytes = most < LIST_BYTES_MAX ? most : LIST_BYTES_MAX,
				  .ops = &list_ops,
				  .arg = f};

	d->fetch = url == NULL ? NULL : fetch_start(f->all->fetcher, &opts);
	free(url);
	if (d->fetch == NULL)
		give_up(f, 0, "out of memory");
}

bool pull_delta_step(struct pull_flight *f)
{
	struct pull_delta *d = f->delta;

	if (d == NULL) {
		d = f->delta = calloc(1, sizeof(*d));
		if (d == NULL)
			return true;
		d->beside = f->up->layout == UPSTREAM_PLAIN;
	}
	if (!d->over && d->fetch == NULL && d->retry_at_ms <= uv_now(f->all->ctx->loop) &&
	    f->up->active < f->up->concurrency) {
		f->retry_at_ms = 0;
		ask(f);
	}
	return d->over;
}

/* ---- what comes of it (pool) --------------------------------------------------------------------
 */

void pull_delta_read(struct pull_flight *f)
{
	struct pull_delta *d = f->delta;
	struct store_error err;
	bool good;

	if (d == NULL || !d->good)
		return;
	good = d->body != NULL && store_chunk_list_parse(d->body, d->size, &d->list, &err) == 0 &&
	       d->list.size == f->size &&
	       (!f->has_digest || store_digest_equal(&d->list.digest, &f->digest));
	d->good = good;
	if (!good)
		log_info("delta",
			 "upstream=%s model=\"%s\" file=\"%s\" text=\"its list is of "
			 "another file\"",
			 f->up->name, f->model, f->path);
	else if (!f->has_digest) {
		f->has_digest = true;
		f->digest = d->list.digest;
	}
	free(d->body);
	d->body = NULL;
}

int pull_delta_seed(struct pull_flight *f, struct store_error *err)
{
	struct pull_delta *d = f->delta;
	uint64_t found = 0;
	int status;

	if (d == NULL || !d->good)
		return 0;
	status = store_chunk_seed(f->all->ctx->store, f->partial, &d->list, f->model, f->path,
				  job_stopping, &found, err);
	f->seeded = found > 0;
	metrics_add(METRIC_reused_bytes, found);
	log_info("delta", "upstream=%s model=\"%s\" file=\"%s\" size=%" PRIu64 " found=%" PRIu64,
		 f->up->name, f->model, f->path, f->size, found);
	/* what cannot be read or remembered is fetched; a disk that takes nothing is another thing
	 */
	return status == STORE_FULL || status == STORE_READONLY ? status : 0;
}
