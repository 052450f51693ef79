/* SPDX-License-Identifier: MIT */
/*
 * readahead.c — windows of a mapping that the pool reads from the disk while
 * the one before is being sent.  Called by server.c for answers that are not
 * resident, and for all large ones: a reader that keeps up with the sender would
 * have the kernel take hundreds of megabytes in one call, and the loop with it.
 * Must never touch a page on the loop that was not populated.
 */
#include <config.h>

#include "daemon/readahead.h"

#include <stdlib.h>
#include <uv.h>

#include "daemon/answer.h"
#include "daemon/job.h"
#include "daemon/metrics.h"
#include "daemon/request.h"
#include "daemon/server.h"
#include "runtime/runtime.h"
#include "store/store.h"

#define WINDOW_BYTES ((size_t)4 << 20)
#define SEEN_SLOTS 256
#define SEEN_MS 1000

struct readahead {
	struct request *rq; /* NULL once the answer is over */
	struct store_map *map;
	uint64_t ready;  /* so much of the answer can be read without waiting */
	uint64_t asked;  /* what that will be after the window that the pool has */
	size_t at, size; /* that window in the mapping */
	bool pending, failed;
	bool counted; /* as one that had to wait for the disk */
	bool cold;    /* the pool's, while pending: the window was not in memory */
	int status;   /* likewise */
};

/* ---- what was resident a moment ago ------------------------------------------- */

static struct {
	const struct store_map *map;
	size_t offset, size;
	uint64_t until_ms;
} seen[SEEN_SLOTS]; /* event loop only */

/* Whether some of that range has to come from the disk; an answer of a moment ago is believed. */
static bool needed(const struct store_map *map, size_t offset, size_t size, uint64_t now_ms)
{
	size_t slot = ((uintptr_t)map >> 6 ^ offset >> 12 ^ size >> 12) % SEEN_SLOTS;

	if (seen[slot].map == map && seen[slot].offset == offset && seen[slot].size == size &&
	    now_ms < seen[slot].until_ms)
		return false;
	if (size > 0 && !store_map_resident(map, offset, size))
		return true;
	seen[slot].map = map;
	seen[slot].offset = offset;
	seen[slot].size = size;
	seen[slot].until_ms = now_ms + SEEN_MS;
	return false;
}

/* Pool: read all parts of the reply. */
static int fetch(struct request *rq, void *arg, struct fault *fault)
{
	struct store_error err;
	int rc;

	(void)arg;
	for (unsigned i = 0; i < rq->reply.part_count; i++) {
		size_t offset;

		if (!answer_mapped(rq, i, &offset))
			continue;
		rc = store_map_populate(rq->reply.map, offset, rq->reply.part[i].size, &err);
		if (rc != 0)
			return fault_store(fault, rc, err.text);
	}
	return 0;
}

bool readahead_begin(struct request *rq)
{
	const struct reply *r = &rq->reply;
	uint64_t now_ms = uv_now(rq->ctx->loop);
	bool cold = false;
	size_t offset;

	if (r->map == NULL || rq->method != GET || r->status >= 300)
		return false;
	if (r->length > READAHEAD_WHOLE_BYTES && r->part_count > 0) {
		rq->windowed = true;
		return false;
	}
	for (unsigned i = 0; i < r->part_count && !cold; i++)
		cold = answer_mapped(rq, i, &offset) &&
		       needed(r->map, offset, r->part[i].size, now_ms);
	if (!cold)
		return false;
	metrics_add(METRIC_cold_reads, 1);
	(void)job_start(rq, fetch, NULL, 0);
	return true;
}

/* ---- windows --------------------------------------------------------------------- */

struct readahead *readahead_new(struct request *rq)
{
	struct readahead *ra = calloc(1, sizeof(*ra));

	if (ra == NULL)
		return NULL;
	ra->rq = rq;
	ra->map = store_map_ref(rq->reply.map);
	return ra;
}

/* The part of the answer that holds byte ${pos} of it, and how far in; NULL behind the end. */
static const struct reply_part *part_at(const struct request *rq, uint64_t pos, unsigned *ret_i,
					size_t *ret_in)
{
	for (unsigned i = 0; i < rq->reply.part_count; i++) {
		const struct reply_part *part = &rq->reply.part[i];

		if (pos < part->size) {
			*ret_i = i;
			*ret_in = (size_t)pos;
			return part;
		}
		pos -= part->size;
	}
	return NULL;
}

static void populate(void *arg)
{
	struct readahead *ra = arg;
	struct store_error err;

	ra->cold = !ra->counted && !store_map_resident(ra->map, ra->at, ra->size);
	ra->status = store_map_populate(ra->map, ra->at, ra->size, &err);
}

static void drop(struct readahead *ra)
{
	store_map_unref(ra->map);
	free(ra);
}

static void populated(void *arg)
{
	struct readahead *ra = arg;

	ra->pending = false;
	if (ra->rq == NULL) {
		drop(ra);
		return;
	}
	if (ra->status != 0)
		ra->failed = true;
	else
		ra->ready = ra->asked;
	if (ra->cold && !ra->counted) {
		ra->counted = true;
		metrics_add(METRIC_cold_reads, 1);
	}
	if (ra->rq->suspended)
		server_resume(ra->rq);
}

/* Have the pool read the next window.  What is no part of the mapping is in memory anyway. */
static void ask(struct readahead *ra)
{
	const struct reply_part *part;
	size_t in, offset;
	unsigned i;

	while ((part = part_at(ra->rq, ra->ready, &i, &in)) != NULL) {
		if (answer_mapped(ra->rq, i, &offset)) {
			ra->at = offset + in;
			ra->size = part->size - in < WINDOW_BYTES ? part->size - in : WINDOW_BYTES;
			ra->asked = ra->ready + ra->size;
			ra->pending = true;
			job_background(ra->rq->ctx, populate, populated, ra);
			return;
		}
		ra->ready += part->size - in;
	}
}

ssize_t readahead_read(struct readahead *ra, uint64_t pos, void *out, size_t room)
{
	const struct reply_part *part;
	size_t in, n;
	unsigned i;

	if (!ra->pending && !ra->failed && ra->ready < pos + WINDOW_BYTES / 2)
		ask(ra);
	part = part_at(ra->rq, pos, &i, &in);
	if (part == NULL)
		return -1;
	if (ra->ready <= pos) {
		if (ra->failed)
			return -1;
		server_suspend(ra->rq);
		return 0;
	}
	n = part->size - in;
	if (n > ra->ready - pos)
		n = (size_t)(ra->ready - pos);
	if (n > room)
		n = room;
	/* a file may be cut short between the pool's look and ours */
	if (rt_guard_copy(out, (const char *)part->data + in, n) != RT_OK)
		return -1;
	return (ssize_t)n;
}

void readahead_free(struct readahead *ra)
{
	if (ra == NULL)
		return;
	ra->rq = NULL;
	if (!ra->pending)
		drop(ra);
}
