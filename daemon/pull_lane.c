/* SPDX-License-Identifier: MIT */
/*
 * pull_lane.c — which bytes to ask for next, by how many transfers, and how
 * they get from libcurl's callbacks to the pool.  Called by pull_flight.c.  It
 * must never ask for bytes that have come or are on their way, and never start
 * or end a transfer from inside libcurl.
 */
#include <config.h>

#include "daemon/pull_lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/context.h"
#include "daemon/metrics.h"
#include "daemon/must.h"
#include "daemon/pull_delta.h"
#include "daemon/pull_flight.h"
#include "daemon/pull_marks.h"
#include "daemon/pull_names.h"

#define PIECE_BYTES ((size_t)256 << 10)
#define SPARE_MAX 48u /* pieces that are kept for the next bytes */
/* of one flight that wait for the pool, which has as many: */
#define QUEUE_BYTES ((size_t)4 << 20)
#define SIZELESS_BYTES ((size_t)16 << 20) /* of a file whose size nobody says */
#define SEGMENT_BYTES (UINT64_C(32) << 20)
#define FAST_SEGMENT_BYTES (UINT64_C(256) << 20)
#define PROBE_BYTES (UINT64_C(64) << 10)    /* the first request of one who wants little */
#define PARALLEL_BYTES (UINT64_C(64) << 20) /* files from here on get several transfers */
/*
 * One more transfer every so often, unless what comes is about what one connection
 * on a good line brings: then more of them bring nothing but bytes out of order.
 */
#define LANE_EVERY_MS 100u
#define FAST_BYTES_PER_MS (UINT64_C(100) << 10)
#define FAST_SURE_BYTES (UINT64_C(8) << 20)
#define JUMP_BYTES (UINT64_C(2) << 20)
#define BACKOFF_MS 250u
#define BACKOFF_MAX_MS 30000u
#define RETRY_AFTER_MAX_S 300u
#define HASTY_RETRIES 2u /* of pages that wait for the first answer of an upstream */
#define DOWN_MS 2000u    /* how long an upstream that cannot be reached is left alone by pages */

struct pull_piece {
	uint64_t offset;
	size_t used;
	struct pull_lane *lane; /* may still add to it; NULL: it is full, or its lane moved on */
	struct pull_piece *next;
	unsigned char data[];
};

/* ---- the queue ------------------------------------------------------------------------- */

/* Pieces are used again: memory that is new to the process costs as much as the bytes. */
static void free_pieces(struct pull_flights *all, struct pull_piece **at)
{
	while (*at != NULL) {
		struct pull_piece *piece = *at;

		*at = piece->next;
		if (all->spare_count < SPARE_MAX) {
			piece->next = all->spare;
			all->spare = piece;
			all->spare_count++;
		} else {
			free(piece);
		}
	}
}

static struct pull_piece *new_piece(struct pull_flights *all)
{
	struct pull_piece *piece = all->spare;

	if (piece == NULL)
		return malloc(sizeof(*piece) + PIECE_BYTES);
	all->spare = piece->next;
	all->spare_count--;
	return piece;
}

void pull_lane_drop_spare(struct pull_flights *all)
{
	while (all->spare != NULL) {
		struct pull_piece *piece = all->spare;

		all->spare = piece->next;
		free(piece);
	}
	all->spare_count = 0;
}

void pull_lane_drop_queue(struct pull_flight *f)
{
	free_pieces(f->all, &f->queue);
	f->queued = 0;
}

/* There is room again. */
static void wake(struct pull_flight *f)
{
	for (unsigned i = 0; i < PULL_LANES; i++) {
		struct pull_lane *lane = &f->lane[i];

		if (lane->fetch != NULL && !lane->over && lane->paused) {
			lane->paused = false;
			fetch_resume(lane->fetch);
		}
	}
}

void pull_lane_take_batch(struct pull_flight *f)
{
	must(f->batch == NULL);
	f->batch = f->queue;
	f->batched = f->queued;
	f->queue = NULL;
	f->queued = 0;
	wake(f); /* now, so that more comes while the pool writes */
}

int pull_lane_write_batch(struct pull_flight *f, struct store_error *err)
{
	int status = 0;

	for (struct pull_piece *p = f->batch; p != NULL && status == 0; p = p->next)
		status = store_partial_write(f->partial, p->offset, p->data, p->used, err);
	return status;
}

void pull_lane_batch_done(struct pull_flight *f)
{
	free_pieces(f->all, &f->batch);
	f->batched = 0;
}

/* The piece that the lane's next bytes go to. */
static struct pull_piece *piece_of(struct pull_lane *lane)
{
	struct pull_piece **at = &lane->flight->queue, *piece;

	while (*at != NULL) {
		piece = *at;
		if (piece->lane == lane && piece->used < PIECE_BYTES &&
		    piece->offset + piece->used == lane->at)
			return piece;
		at = &piece->next;
	}
	piece = new_piece(lane->flight->all);
	if (piece != NULL) {
		*piece = (struct pull_piece){.offset = lane->at, .lane = lane};
		*at = piece;
	}
	return piece;
}

/* Is the byte at ${offset} here or on its way?  Then *ret_end is where that stretch ends. */
static bool covered(const struct pull_flight *f, uint64_t offset, uint64_t *ret_end)
{
	const struct pull_piece *const lists[] = {f->queue, f->batch};

	for (unsigned i = 0; i < PULL_LANES; i++) {
		const struct pull_lane *lane = &f->lane[i];

		if (lane->fetch != NULL && lane->begin <= offset && offset < lane->end) {
			*ret_end = lane->end;
			return true;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		for (const struct pull_piece *p = lists[i]; p != NULL; p = p->next) {
			if (p->offset <= offset && offset < p->offset + p->used) {
				*ret_end = p->offset + p->used;
				return true;
			}
		}
	}
	return false;
}

/* Where the next stretch after ${offset} begins that is on its way; f->size when none does. */
static uint64_t next_covered(const struct pull_flight *f, uint64_t offset)
{
	const struct pull_piece *const lists[] = {f->queue, f->batch};
	uint64_t least = f->size;

	for (unsigned i = 0; i < PULL_LANES; i++) {
		const struct pull_lane *lane = &f->lane[i];

		if (lane->fetch != NULL && lane->begin > offset && lane->begin < least)
			least = lane->begin;
	}
	for (unsigned i = 0; i < 2; i++) {
		for (const struct pull_piece *p = lists[i]; p != NULL; p = p->next) {
			if (p->offset > offset && p->offset < least)
				least = p->offset;
		}
	}
	return least;
}

/* ---- what answers say ---------------------------------------------------------------------- */

static const char *expected_commit(const struct pull_flight *f)
{
	const struct pull_name *name;

	if (f->confirmed && f->commit[0] != '\0')
		return f->commit;
	if (f->want_commit[0] != '\0' || !f->publish)
		return f->want_commit;
	name = pull_names_find(f->all->names, f->model, f->revision);
	return name == NULL ? "" : name->commit;
}

static bool same_content(const struct pull_flight *f, const struct fetch_head *h)
{
	if (h->total != FETCH_UNKNOWN && h->total != f->size)
		return false;
	if (h->has_digest && f->has_digest)
		return store_digest_equal(&h->digest, &f->digest);
	return strcmp(h->mark, f->mark) == 0 && (h->mark[0] != '\0' || f->confirmed);
}

/* The first answer about a content: all that is known of it. */
static void learn(struct pull_flight *f, const struct fetch_head *h)
{
	if (!f->resumed) {
		f->size = h->total;
		memcpy(f->mark, h->mark, sizeof(f->mark));
		f->has_digest = h->has_digest;
		f->digest = h->digest;
	}
	if (h->commit[0] != '\0')
		memcpy(f->commit, h->commit, sizeof(f->commit));
	f->confirmed = true;
	if (f->publish && pull_names_find(f->all->names, f->model, f->revision) == NULL)
		(void)pull_names_set(f->all->names, f->model, f->revision, f->up->name, f->commit);
}

/* By the digest that the answer says; else it says the same as when the content came. */
static bool is_stored(struct pull_flight *f)
{
	struct store_digest key, digest;

	if (f->has_digest)
		return store_blob_has(f->all->ctx->store, &f->digest, NULL);
	if (f->commit[0] != '\0' || f->size == FETCH_UNKNOWN)
		return false;
	pull_flight_key(f->up->name, f->model, f->revision, f->path, &key);
	if (!pull_marks_find(f->all->marks, &key, f->mark, f->size, &digest) ||
	    !store_blob_has(f->all->ctx->store, &digest, NULL))
		return false;
	f->has_digest = true;
	f->digest = digest;
	return true;
}

static const char *lane_head(void *arg, const struct fetch_head *h)
{
	struct pull_lane *lane = arg;
	struct pull_flight *f = lane->flight;
	const char *expected = expected_commit(f);

	f->up->down_until_ms = 0;
	f->up->says_digests |= h->says_digest;
	if (h->commit[0] != '\0' && expected[0] != '\0' && strcmp(h->commit, expected) != 0) {
		if (f->pinned)
			return "its commit is not the one that was asked for";
		memmove(f->want_commit, expected, strlen(expected) + 1);
		f->verdict = VERDICT_PIN;
		return "its commit changed";
	}
	if (f->confirmed || f->resumed) {
		if (!same_content(f, h)) {
			f->verdict = f->confirmed ? VERDICT_CHANGED : VERDICT_STALE;
			return "the file changed";
		}
	}
	if (!f->confirmed) {
		learn(f, h);
		pull_lane_clock(f);
		if (is_stored(f)) {
			f->verdict = VERDICT_STORED;
			return "it is stored already";
		}
		f->sizeless = f->size == FETCH_UNKNOWN;
	}
	if (h->status == 200) {
		f->no_ranges = lane->begin != 0;
		f->unasked = true;
		lane->begin = lane->at = 0;
		lane->end = f->size;
	} else if (h->from + h->length < lane->end) {
		lane->end = h->from + h->length;
	}
	pull_flight_kick(f);
	return NULL;
}

/* A redirect to what is stored need not be followed. */
static const char *lane_linked(void *arg, const struct fetch_head *h)
{
	struct pull_lane *lane = arg;
	struct pull_flight *f = lane->flight;
	const char *expected = expected_commit(f);

	if (f->confirmed || f->resumed ||
	    (h->commit[0] != '\0' && expected[0] != '\0' && strcmp(h->commit, expected) != 0) ||
	    !store_blob_has(f->all->ctx->store, &h->digest, NULL))
		return NULL;
	learn(f, h);
	f->verdict = VERDICT_STORED;
	return "it is stored already";
}

static bool lane_data(void *arg, const void *data, size_t size)
{
	struct pull_lane *lane = arg;
	struct pull_flight *f = lane->flight;
	const unsigned char *from = data;

	if (lane->over)
		return true;
	if (f->sizeless && f->queued + size > SIZELESS_BYTES) {
		f->verdict = VERDICT_FLOOD;
		lane->over = true;
	} else if (!f->sizeless && f->queued >= QUEUE_BYTES) {
		lane->paused = true;
		return false;
	}
	metrics_add(METRIC_pulled_bytes, size);
	f->came += size;
	while (size > 0 && !lane->over) {
		struct pull_piece *piece = piece_of(lane);
		size_t n;

		if (piece == NULL) {
			lane->over = true;
			break;
		}
		n = PIECE_BYTES - piece->used < size ? PIECE_BYTES - piece->used : size;
		if (n > lane->end - lane->at)
			n = (size_t)(lane->end - lane->at);
		memcpy(piece->data + piece->used, from, n);
		piece->used += n;
		f->queued += n;
		lane->at += n;
		from += n;
		size -= n;
		lane->over = lane->at >= lane->end && size > 0;
	}
	pull_flight_kick(f);
	return true;
}

/* ---- the end of a transfer ---------------------------------------------------------------------
 */

static void retry_later(struct pull_flight *f, const struct fetch_result *r)
{
	uint64_t came =
	    f->queued + f->batched + (f->partial == NULL ? 0 : store_partial_arrived(f->partial));
	unsigned most = f->up->retries;
	uint64_t ms;

	if (!f->confirmed && !pull_flight_patient(f) && most > HASTY_RETRIES)
		most = HASTY_RETRIES;
	if (came > f->arrived_then)
		f->attempts = 0;
	f->arrived_then = came;
	f->attempts += r->stalled ? 2 : 1;
	if (f->attempts > most) {
		f->retry_after_s = r->retry_after_s;
		if (r->unreachable)
			f->up->down_until_ms = uv_now(f->all->ctx->loop) + DOWN_MS;
		pull_flight_fail(f, r->stalled ? 504 : r->status == 429 ? 503 : 502, "%s", r->text);
		return;
	}
	ms = (uint64_t)BACKOFF_MS << (f->attempts > 8 ? 8 : f->attempts - 1);
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	if (r->retry_after_s != 0) {
		unsigned s =
		    r->retry_after_s < RETRY_AFTER_MAX_S ? r->retry_after_s : RETRY_AFTER_MAX_S;

		ms = (uint64_t)s * 1000;
	}
	f->retry_at_ms = uv_now(f->all->ctx->loop) + ms;
	metrics_add(METRIC_pull_retries, 1);
}

/* All of a body whose size nobody said has come. */
static void size_known(struct pull_flight *f, const struct pull_lane *lane)
{
	f->size = lane->at;
	f->sizeless = false;
}

static void lane_done(void *arg, const struct fetch_result *r)
{
	struct pull_lane *lane = arg;
	struct pull_flight *f = lane->flight;

	lane->fetch = NULL;
	for (struct pull_piece *p = f->queue; p != NULL; p = p->next) {
		if (p->lane == lane)
			p->lane = NULL;
	}
	pull_flight_turn(f);
	pull_flight_kick(f);
	if (f->failing || f->state == FLIGHT_OVER || f->verdict != VERDICT_NONE)
		return;
	if (r->end == FETCH_DONE) {
		if (f->sizeless)
			size_known(f, lane);
		return;
	}
	if (f->sizeless) {
		/* without a size there is nothing to go on from */
		pull_lane_drop_queue(f);
		f->confirmed = f->sizeless = false;
	}
	if (r->status == 416 && !f->unranged && lane->begin == 0 && !f->confirmed) {
		f->unranged = true; /* of an empty file no range can be had */
	} else if (r->end == FETCH_ABSENT && !f->confirmed && f->resumed && r->status != 404 &&
		   r->status != 410) {
		/* it was there: that it is not for us now is not to be believed for long */
		pull_flight_fail(f, 502, "%s", r->text);
	} else if (r->end == FETCH_ABSENT && !f->confirmed) {
		f->absent = true;
		pull_flight_fail(f, 404, "%s", r->text);
	} else if (r->end == FETCH_REFUSED) {
		pull_flight_fail(f, 502, "%s", r->text);
	} else {
		retry_later(f, r);
	}
}

static const struct fetch_ops lane_ops = {
    .linked = lane_linked, .head = lane_head, .data = lane_data, .done = lane_done};

/* ---- planning
 * ------------------------------------------------------------------------------------- */

static struct pull_lane *idle_lane(struct pull_flight *f, unsigned limit)
{
	unsigned running = 0;
	struct pull_lane *idle = NULL;

	for (unsigned i = 0; i < PULL_LANES; i++) {
		if (f->lane[i].fetch != NULL)
			running++;
		else if (idle == NULL)
			idle = &f->lane[i];
	}
	return running < limit && f->up->active < f->up->concurrency ? idle : NULL;
}

/* Ask for [begin, end). */
static void start(struct pull_flight *f, struct pull_lane *lane, uint64_t begin, uint64_t end)
{
	struct fetch_opts opts = {.upstream = f->up,
				  .ranged = !f->unranged,
				  .from = begin,
				  .to = end - 1,
				  .max_bytes = FETCH_UNKNOWN,
				  .ops = &lane_ops,
				  .arg = lane};
	char *url =
	    upstream_file_url(f->up, f->model, f->pinned ? f->want_commit : f->revision, f->path);

	lane->begin = lane->at = begin;
	lane->end = end;
	lane->over = lane->paused = false;
	opts.url = url;
	lane->fetch = url == NULL ? NULL : fetch_start(f->all->fetcher, &opts);
	free(url);
	if (lane->fetch == NULL)
		pull_flight_fail(f, 503, "out of memory");
}

void pull_lane_clock(struct pull_flight *f)
{
	f->came = 0;
	f->since_ms = uv_now(f->all->ctx->loop);
}

static bool fast(const struct pull_flight *f)
{
	return f->came >= FAST_SURE_BYTES &&
	       f->came / FAST_BYTES_PER_MS >= uv_now(f->all->ctx->loop) - f->since_ms;
}

/* How many transfers there may be for those who want all of it. */
static unsigned lane_limit(const struct pull_flight *f)
{
	uint64_t n = 1 + (uv_now(f->all->ctx->loop) - f->since_ms) / LANE_EVERY_MS;

	if (f->size < PARALLEL_BYTES || f->no_ranges || fast(f))
		return 1;
	return n < PULL_LANES ? (unsigned)n : PULL_LANES;
}

/* A stretch from ${from} on that has to be asked for; false when there is none. */
static bool stretch(const struct pull_flight *f, uint64_t from, uint64_t *begin, uint64_t *end)
{
	uint64_t gap, size, most = fast(f) ? FAST_SEGMENT_BYTES : SEGMENT_BYTES;

	while (store_partial_gap(f->partial, from, &gap, &size)) {
		if (covered(f, gap, &from))
			continue;
		*begin = gap;
		*end = next_covered(f, gap);
		*end = *end < gap + size ? *end : gap + size;
		if (*end - *begin > most)
			*end = *begin + most;
		return true;
	}
	return false;
}

/* Far ahead in a running transfer: that one ends there, and another begins. */
static void cut(struct pull_flight *f, uint64_t at)
{
	for (unsigned i = 0; i < PULL_LANES; i++) {
		struct pull_lane *lane = &f->lane[i];

		if (lane->fetch != NULL && lane->at + JUMP_BYTES < at && at < lane->end)
			lane->end = at;
	}
}

/* Bytes that somebody waits for come first. */
static bool plan_hungry(struct pull_flight *f)
{
	struct pull_lane *lane = idle_lane(f, PULL_LANES);
	uint64_t begin, end;

	for (struct pull_listener *l = f->listeners; l != NULL && lane != NULL; l = l->next) {
		if (!l->hungry || l->at >= f->size || store_partial_run(f->partial, l->at) > 0)
			continue;
		cut(f, l->at);
		if (covered(f, l->at, &end) || !stretch(f, l->at, &begin, &end) || begin != l->at)
			continue;
		if (!pull_flight_whole(f) && end - begin > PROBE_BYTES && l->need > 0 &&
		    l->need < end - begin)
			end = begin + (l->need < PROBE_BYTES ? PROBE_BYTES : l->need);
		start(f, lane, begin, end);
		return true;
	}
	return false;
}

static void plan_coming(struct pull_flight *f)
{
	unsigned limit = lane_limit(f);
	struct pull_lane *lane;
	uint64_t begin, end;

	if (f->unranged || f->no_ranges) {
		lane = idle_lane(f, 1);
		if (lane != NULL && stretch(f, 0, &begin, &end))
			start(f, lane, f->no_ranges ? 0 : begin, f->size);
		return;
	}
	while (!f->failing && plan_hungry(f))
		;
	if (!pull_flight_whole(f))
		return;
	while (!f->failing && (lane = idle_lane(f, limit)) != NULL && stretch(f, 0, &begin, &end))
		start(f, lane, begin, end);
}

void pull_lane_plan(struct pull_flight *f)
{
	uint64_t now = uv_now(f->all->ctx->loop), begin = 0, end;
	struct pull_lane *lane;

	if (f->all->stopped || f->failing || f->retry_at_ms > now)
		return;
	f->retry_at_ms = 0;
	if (upstream_rate(f->up, (int64_t)time(NULL)) == UPSTREAM_CLOSED) {
		f->retry_at_ms = now + 20000;
		return;
	}
	if (f->state == FLIGHT_COMING) {
		plan_coming(f);
		return;
	}
	lane = idle_lane(f, 1);
	if (lane == NULL || f->confirmed)
		return;
	end = pull_flight_whole(f) && !pull_delta_hopeful(f) ? SEGMENT_BYTES : PROBE_BYTES;
	if (f->resumed && !stretch(f, 0, &begin, &end))
		return;
	if (!pull_flight_whole(f) && end - begin > PROBE_BYTES)
		end = begin + PROBE_BYTES;
	start(f, lane, begin, end);
}

void pull_lane_reap(struct pull_flight *f)
{
	for (unsigned i = 0; i < PULL_LANES; i++) {
		struct pull_lane *lane = &f->lane[i];

		if (lane->fetch != NULL && lane->over) {
			fetch_cancel(lane->fetch);
			lane->fetch = NULL;
		}
	}
	if (f->queued < QUEUE_BYTES / 2)
		wake(f);
}

void pull_lane_cancel(struct pull_flight *f)
{
	for (unsigned i = 0; i < PULL_LANES; i++) {
		fetch_cancel(f->lane[i].fetch);
		f->lane[i].fetch = NULL;
	}
}
