/* SPDX-License-Identifier: MIT */
/*
 * answer.c — the headers that every answer has, and the body without a copy.
 * Called by server.c.  Must never decide what is answered: rq->reply says it.
 */
#include <config.h>

#include "daemon/answer.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/must.h"
#include "daemon/range.h"
#include "daemon/readahead.h"
#include "daemon/request.h"
#include "store/store.h"

#define EXPOSE                                                                                     \
	"Content-Range, Content-Length, Accept-Ranges, ETag, Last-Modified, X-Repo-Commit, "       \
	"X-Linked-ETag, X-Linked-Size, Repr-Digest, Inference-Header-Content-Length, "             \
	"Content-Digest, Link, Server-Timing, Retry-After, X-Error-Code, X-Request-Id"
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
	struct readahead *ra = readahead_new(rq);

	if (ra == NULL)
		return NULL;
	return MHD_create_response_from_callback(rq->reply.length, READER_BLOCK_BYTES, read_some,
						 ra, read_over);
}

static ssize_t source_some(void *cls, uint64_t pos, char *out, size_t room)
{
	const struct reply_source *source = cls;
	ssize_t n = source->read(source->arg, pos, out, room);

	if (n == REPLY_END)
		return (ssize_t)MHD_CONTENT_READER_END_OF_STREAM;
	return n < 0 ? (ssize_t)MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static struct MHD_Response *sourced_body(const struct reply *r)
{
	return MHD_create_response_from_callback(r->source->endless ? MHD_SIZE_UNKNOWN : r->length,
						 r->source->endless ? 4096 : READER_BLOCK_BYTES,
						 source_some, (void *)(uintptr_t)r->source, NULL);
}

/* What the parts point to lives until the request is DONE, and is not read after that. */
static struct MHD_Response *body(struct request *rq)
{
	const struct reply *r = &rq->reply;
	struct MHD_IoVec vec[REPLY_PARTS_MAX];

	if (rq->windowed)
		return windowed_body(rq);
	if (r->source != NULL)
		return sourced_body(r);
	/*
	 * A 304 should carry no Content-Length, or that of the file (RFC 9110 §8.6).
	 * libmicrohttpd always writes one, and parsers that are still about
	 * (http_parser) wait for a body of that length, so it is 0.
	 */
	if (r->part_count == 0 || r->length == 0 || r->status == 304)
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

#define DATE_CHARS 29 /* IMF-fixdate, RFC 9110 §5.6.7 */

/* The Date of answers made now: printed once a second, not once an answer. */
static const char *date_now(time_t *ret_s)
{
	static char text[32]; /* event loop only */
	static time_t printed;

	*ret_s = time(NULL);
	if (*ret_s != printed) {
		range_date_print(*ret_s, text);
		printed = *ret_s;
	}
	return text;
}

enum { HAS_CACHE = 1, HAS_CSP = 2, HAS_CORP = 4, HAS_VARY = 8 };

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
		} else if (strcmp(name, "Vary") == 0) {
			has |= HAS_VARY;
		}
		add(b, name, r->header[i].value);
	}
	if ((has & HAS_VARY) == 0)
		add(b, "Vary", "Origin");
	if ((has & HAS_CACHE) == 0)
		add(b, "Cache-Control", "no-store");
	if ((has & HAS_CSP) == 0)
		add(b, "Content-Security-Policy", CSP);
	if ((has & HAS_CORP) == 0)
		add(b, "Cross-Origin-Resource-Policy", "same-origin");
}

static void common_headers(struct building *b, const struct request *rq)
{
	time_t now;

	add(b, "Date", date_now(&now));
	add(b, "X-Content-Type-Options", "nosniff");
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

/* ---- responses that are sent again ------------------------------------------------ */

/*
 * Making a response takes a dozen headers with three allocations each, so that
 * of a file is kept.  Only X-Request-Id and Date differ from one sending to the
 * next: libmicrohttpd hands out its own copies of the values (as const char *) and
 * puts them on the wire when the access handler returns, so they are written over
 * before each queueing.  Where a later version would do otherwise, the scenarios
 * about request ids and dates say so.
 */
struct answer_kept {
	unsigned refs;
	struct MHD_Response *response;
	char *id;         /* the value of X-Request-Id in it; [REQUEST_ID_CHARS] */
	char *date;       /* the value of Date in it; [DATE_CHARS] */
	time_t date_s;    /* what it says */
	char origin[256]; /* "" = none */
};

bool answer_kept_fits(const struct answer_kept *k, const struct request *rq)
{
	const char *origin = rq->cors_origin == NULL ? "" : rq->cors_origin;

	return k != NULL && !rq->close_after && !rq->cors_any && strcmp(k->origin, origin) == 0;
}

struct answer_kept *answer_kept_ref(struct answer_kept *k)
{
	k->refs++;
	return k;
}

void answer_kept_unref(struct answer_kept *k)
{
	if (k == NULL || --k->refs > 0)
		return;
	MHD_destroy_response(k->response);
	free(k);
}

/* Keep ${response} for the next one who asks; takes it. */
static void keep(struct request *rq, struct MHD_Response *response)
{
	const char *origin = rq->cors_origin == NULL ? "" : rq->cors_origin;
	const char *id = MHD_get_response_header(response, "X-Request-Id");
	const char *date = MHD_get_response_header(response, "Date");
	struct answer_kept *k = NULL;

	if (!rq->close_after && !rq->cors_any && strlen(origin) < sizeof(k->origin) && id != NULL &&
	    date != NULL)
		k = calloc(1, sizeof(*k));
	if (k == NULL) {
		MHD_destroy_response(response);
		return;
	}
	k->refs = 1;
	k->response = response;
	k->id = (char *)(uintptr_t)id;
	k->date = (char *)(uintptr_t)date;
	memcpy(k->origin, origin, strlen(origin) + 1);
	answer_kept_unref(*rq->reply.keep);
	/* fanalyzer-suppress malloc-leak: rq keeps it */
	*rq->reply.keep = k;
}

/* ---- queueing -------------------------------------------------------------------------- */

static bool queue_ready(struct request *rq)
{
	struct answer_kept *k = rq->reply.ready;
	time_t now;
	const char *date = date_now(&now);

	metrics_add(METRIC_responses_reused, 1);
	memcpy(k->id, rq->id, REQUEST_ID_CHARS);
	if (now != k->date_s) {
		memcpy(k->date, date, DATE_CHARS);
		k->date_s = now;
	}
	return MHD_queue_response(rq->transport, rq->reply.status, k->response) == MHD_YES;
}

bool answer_queue(struct request *rq)
{
	struct building b = {.ok = true};
	enum MHD_Result rc;

	if (rq->reply.ready != NULL)
		return queue_ready(rq);
	b.response = body(rq);
	if (b.response == NULL)
		return false;
	own_headers(&b, rq);
	common_headers(&b, rq);
	if (!b.ok)
		log_warning("answer", "id=%s error=\"a header was refused\"", rq->id);
	rc = MHD_queue_response(rq->transport, rq->reply.status, b.response);
	if (rc == MHD_YES && b.ok && rq->reply.keep != NULL && !rq->windowed)
		keep(rq, b.response);
	else
		MHD_destroy_response(b.response);
	return rc == MHD_YES;
}
