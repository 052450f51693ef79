/* SPDX-License-Identifier: MIT */
/*
 * pull_reader.c — an answer whose body is still coming.  Called by pull.c and,
 * for the bytes, by answer.c.  It must never give out the last bytes of a file
 * whose digest is not known to be right, and never wait for the disk.
 */
#include <config.h>

#include "daemon/pull_reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/job.h"
#include "daemon/must.h"
#include "daemon/pull_flight.h"
#include "daemon/request.h"
#include "daemon/server.h"
#include "daemon/shelf.h"

struct reader {
	struct pull_listener listener; /* first */
	struct reply_source source;
	struct request *rq; /* NULL once the answer is over */
	struct pull_flight *flight;
	unsigned life;
	uint64_t offset, size; /* of the answer in the file */
	bool populating;
	int status;
	uint64_t cold_at;
	size_t cold_size;
};

static void let_go(struct reader *r)
{
	struct pull_flight *f = r->flight;

	free(r);
	pull_flight_unref(f);
}

static void over(void *arg)
{
	struct reader *r = arg;

	r->rq = NULL;
	pull_flight_leave(r->flight, &r->listener);
	if (!r->populating)
		let_go(r);
}

static bool lost(const struct reader *r)
{
	const struct pull_flight *f = r->flight;

	return f->life != r->life || f->failing ||
	       (f->state == FLIGHT_OVER && !f->done && !f->dormant);
}

static void changed(struct pull_listener *l, struct pull_flight *f)
{
	struct reader *r = (struct reader *)(void *)l;

	if (r->rq != NULL && r->rq->suspended && !r->populating && l->hungry &&
	    r->rq->state == REQUEST_ANSWERED && (lost(r) || pull_flight_readable(f, l->at) > 0))
		server_resume(r->rq);
}

static void populate(void *arg)
{
	struct reader *r = arg;
	struct store_error err;

	r->status = store_partial_populate(r->flight->partial, r->cold_at, r->cold_size, &err);
}

static void populated(void *arg)
{
	struct reader *r = arg;

	r->populating = false;
	if (r->rq == NULL)
		let_go(r);
	else if (r->rq->suspended)
		server_resume(r->rq);
}

static ssize_t read_some(void *arg, uint64_t pos, void *out, size_t room)
{
	struct reader *r = arg;
	struct pull_flight *f = r->flight;
	uint64_t at = r->offset + pos;
	ssize_t got;
	size_t n;

	if (r->status != 0 || lost(r) || pos >= r->size)
		return -1;
	n = room;
	if (pull_flight_readable(f, at) < n)
		n = (size_t)pull_flight_readable(f, at);
	if (n > r->size - pos)
		n = (size_t)(r->size - pos);
	r->listener.at = at;
	r->listener.need = r->size - pos;
	r->listener.hungry = true;
	if (n == 0) {
		server_suspend(r->rq);
		pull_flight_kick(f);
		return 0;
	}
	got = store_partial_read(f->partial, at, out, n);
	if (got < 0)
		return -1;
	if (got == 0) {
		r->cold_at = at;
		r->cold_size = n;
		r->populating = true;
		server_suspend(r->rq);
		job_background(r->rq->ctx, populate, populated, r);
		return 0;
	}
	if (pos + (uint64_t)got >= r->size)
		r->listener.hungry = false;
	return got;
}

/* ---- the answer ------------------------------------------------------------------------- */

static void headers(struct request *rq, const void *arg)
{
	const struct pull_flight *f = arg;

	if (f->commit[0] != '\0')
		reply_header(rq, "X-Repo-Commit", arena_copy(&rq->arena, f->commit, 40));
	reply_headerf(rq, "X-Linked-Size", "%" PRIu64, f->size);
}

/* Without a digest there is no ETag that we could stand by. */
static void drop_header(struct reply *r, const char *name)
{
	for (unsigned i = 0; i < r->header_count; i++) {
		if (strcmp(r->header[i].name, name) == 0) {
			r->header[i] = r->header[--r->header_count];
			return;
		}
	}
}

/* The body of a 200 or 206 in one part: a reader instead of the bytes. */
static int attach(struct request *rq, struct pull_flight *f, struct fault *fault)
{
	struct reply *reply = &rq->reply;
	struct reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return fault_set(fault, 503, "out of memory");
	r->listener.changed = changed;
	r->rq = rq;
	r->flight = f;
	f->refs++;
	r->life = f->life;
	r->offset = (uint64_t)((const char *)reply->part[0].data -
			       (const char *)store_partial_data(f->partial));
	r->size = reply->part[0].size;
	r->listener.at = r->offset;
	r->listener.need = r->size;
	r->listener.hungry = rq->method == GET;
	r->source = (struct reply_source){.read = read_some, .arg = r};
	reply->source = &r->source;
	pull_flight_listen(f, &r->listener);
	if (arena_defer(&rq->arena, over, r) != 0)
		return fault_set(fault, 503, "out of memory");
	return 0;
}

int pull_reader_reply(struct request *rq, struct pull_flight *f, struct fault *fault)
{
	char hex[STORE_DIGEST_HEX + 1] = "", base64[45];
	struct reply_file file = {
	    .data = store_partial_data(f->partial),
	    .size = (size_t)f->size,
	    .type = shelf_type(f->path, &file.download),
	    .cache = "no-cache",
	    .corp = "cross-origin",
	    .headers = headers,
	    .headers_arg = f,
	};

	if (f->has_digest) {
		store_digest_hex(&f->digest, hex);
		store_digest_base64(&f->digest, base64);
		file.digest = arena_printf(&rq->arena, "sha-256=:%s:", base64);
	}
	file.etag = arena_printf(&rq->arena, "\"%s%s\"", f->has_digest ? "" : "none-", hex);
	if (file.etag == NULL)
		return fault_set(fault, 503, "out of memory");
	(void)reply_file(rq, &file);
	if (!f->has_digest)
		drop_header(&rq->reply, "ETag");
	else if (rq->reply.status < 300)
		reply_header(rq, "X-Linked-ETag", file.etag);
	if ((rq->reply.status != 200 && rq->reply.status != 206) || rq->reply.length == 0)
		return 0;
	must(rq->reply.part_count == 1);
	return attach(rq, f, fault);
}
