/* SPDX-License-Identifier: MIT */
/*
 * answer.c — the headers that every answer has, and the body without a copy.
 * Called by server.c.  Must never decide what is answered: rq->reply says it.
 */
#include <config.h>

#include "daemon/answer.h"

#include <microhttpd.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/must.h"
#include "daemon/readahead.h"
#include "daemon/request.h"
#include "store/store.h"

#define EXPOSE                                                                                     \
	"Content-Range, Content-Length, Accept-Ranges, ETag, Last-Modified, X-Repo-Commit, "       \
	"X-Linked-ETag, X-Linked-Size, Repr-Digest, Inference-Header-Content-Length, "             \
	"Server-Timing, Retry-After, X-Request-Id"
#define CSP "default-src 'none'; frame-ancestors 'none'"
#define READER_BLOCK_BYTES ((size_t)256 << 10)

bool answer_mapped(const struct request *rq, unsigned i, size_t *ret_offset)
{
	const struct reply *r = &rq->reply;
	uintptr_t data, part = (uintptr_t)r->part[i].data;

	if (r->map == NULL || r->part[i].size == 0)
		return false;
	data = (uintptr_t)store_map_data(r->map);
	if (part < data || part - data >= store_map_size(r->map))
		return false;
	*ret_offset = part - data;
	return true;
}

/* ---- bodies --------------------------------------------------------------------- */

static ssize_t read_some(void *cls, uint64_t pos, char *out, size_t room)
{
	ssize_t n = readahead_read(cls, pos, out, room);

	return n < 0 ? (ssize_t)MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static void read_over(void *cls)
{
	readahead_free(cls);
}

static struct MHD_Response *windowed_body(struct request *rq)
{
	struct readahead *ra;
	size_t offset;

	if (!answer_mapped(rq, 0, &offset))
		return NULL;
	ra = readahead_new(rq, rq->reply.map, offset, rq->reply.part[0].size);
	if (ra == NULL)
		return NULL;
	return MHD_create_response_from_callback(rq->reply.length, READER_BLOCK_BYTES, read_some,
						 ra, read_over);
}

/* What the parts point to lives until the request is DONE, and is not read after that. */
static struct MHD_Response *body(struct request *rq)
{
	const struct reply *r = &rq->reply;
	struct MHD_IoVec vec[REPLY_PARTS_MAX];

	if (rq->windowed)
		return windowed_body(rq);
	if (r->part_count == 0 || r->length == 0)
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	if (r->part_count == 1)
		return MHD_create_response_from_buffer(
		    r->part[0].size, (void *)(uintptr_t)r->part[0].data, MHD_RESPMEM_PERSISTENT);
	for (unsigned i = 0; i < r->part_count; i++) {
		vec[i].iov_base = r->part[i].data;
		vec[i].iov_len = r->part[i].size;
	}
	return MHD_create_response_from_iovec(vec, r->part_count, NULL, NULL);
}

/* ---- headers ---------------------------------------------------------------------- */

struct building {
	struct MHD_Response *response;
	bool ok;
};

static void add(struct building *b, const char *name, const char *value)
{
	b->ok = b->ok && MHD_add_response_header(b->response, name, value) == MHD_YES;
}

enum { HAS_CACHE = 1, HAS_CSP = 2, HAS_CORP = 4 };

static void own_headers(struct building *b, const struct request *rq)
{
	const struct reply *r = &rq->reply;
	unsigned has = 0;

	for (unsigned i = 0; i < r->header_count; i++) {
		const char *name = r->header[i].name;

		if (name[0] == 'C') {
			if (strcmp(name, "Cache-Control") == 0)
				has |= HAS_CACHE;
			else if (strcmp(name, "Content-Security-Policy") == 0)
				has |= HAS_CSP;
			else if (strcmp(name, "Cross-Origin-Resource-Policy") == 0)
				has |= HAS_CORP;
		}
		add(b, name, r->header[i].value);
	}
	if ((has & HAS_CACHE) == 0)
		add(b, "Cache-Control", "no-store");
	if ((has & HAS_CSP) == 0)
		add(b, "Content-Security-Policy", CSP);
	if ((has & HAS_CORP) == 0)
		add(b, "Cross-Origin-Resource-Policy", "same-origin");
}

static void common_headers(struct building *b, const struct request *rq)
{
	add(b, "X-Content-Type-Options", "nosniff");
	add(b, "Vary", "Origin");
	add(b, "X-Request-Id", rq->id);
	if (rq->cors_any) {
		add(b, "Access-Control-Allow-Origin", "*");
	} else if (rq->cors_origin != NULL) {
		add(b, "Access-Control-Allow-Origin", rq->cors_origin);
		add(b, "Access-Control-Expose-Headers", EXPOSE);
		add(b, "Timing-Allow-Origin", rq->cors_origin);
	}
	if (rq->close_after)
		add(b, "Connection", "close");
}

bool answer_queue(struct request *rq)
{
	struct building b = {.response = body(rq), .ok = true};
	enum MHD_Result rc;

	if (b.response == NULL)
		return false;
	own_headers(&b, rq);
	common_headers(&b, rq);
	if (!b.ok)
		log_warning("answer", "id=%s error=\"a header was refused\"", rq->id);
	rc = MHD_queue_response(rq->transport, rq->reply.status, b.response);
	MHD_destroy_response(b.response);
	return rc == MHD_YES;
}
