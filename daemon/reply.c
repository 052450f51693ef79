/* SPDX-License-Identifier: MIT */
/*
 * reply.c — fills rq->reply.  Called by handlers on whatever thread has the
 * request; must never send, and never set what server.c adds to every answer.
 */
#include <config.h>

#include "daemon/reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "daemon/answer.h"
#include "daemon/fault.h"
#include "daemon/must.h"
#include "daemon/negotiate.h"
#include "daemon/range.h"
#include "daemon/readahead.h"
#include "daemon/request.h"
#include "daemon/text.h"
#include "store/store.h"

void reply_header(struct request *rq, const char *name, const char *value)
{
	struct reply *r = &rq->reply;

	if (value == NULL)
		return;
	for (unsigned i = 0; i < r->header_count; i++) {
		if (strcasecmp(r->header[i].name, name) == 0) {
			r->header[i].value = value;
			return;
		}
	}
	must(r->header_count < REPLY_HEADERS_MAX);
	r->header[r->header_count].name = name;
	r->header[r->header_count].value = value;
	r->header_count++;
}

void reply_headerf(struct request *rq, const char *name, const char *fmt, ...)
{
	char value[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	must(n >= 0 && (size_t)n < sizeof(value));
	reply_header(rq, name, arena_copy(&rq->arena, value, (size_t)n));
}

/* A header that is known not to be there yet. */
static void put(struct request *rq, const char *name, const char *value)
{
	struct reply *r = &rq->reply;

	must(r->header_count < REPLY_HEADERS_MAX);
	r->header[r->header_count].name = name;
	r->header[r->header_count].value = value;
	r->header_count++;
}

static void begin(struct request *rq, unsigned status)
{
	must(rq->reply.status == 0);
	rq->reply.status = status;
}

static void one_part(struct reply *r, const void *data, size_t size)
{
	r->one.data = data;
	r->one.size = size;
	r->part = &r->one;
	r->part_count = 1;
	r->length = size;
}

int reply_bytes(struct request *rq, unsigned status, const char *type, const void *data,
		size_t size)
{
	begin(rq, status);
	reply_header(rq, "Content-Type", type);
	one_part(&rq->reply, data, size);
	return 0;
}

int reply_json(struct request *rq, unsigned status, const char *json, size_t size)
{
	return reply_bytes(rq, status, "application/json", json, size);
}

int reply_text(struct request *rq, unsigned status, const char *type, const struct text *t)
{
	static const char failed[] = "{\"error\":\"out of memory\"}";

	if (!text_ok(t))
		return reply_json(rq, 507, failed, sizeof(failed) - 1);
	return reply_bytes(rq, status, type, t->size == 0 ? "" : t->data, t->size);
}

int reply_parts(struct request *rq, unsigned status, const char *type,
		const struct reply_part *part, unsigned count)
{
	struct reply *r = &rq->reply;
	struct reply_part *copy = arena_alloc(&rq->arena, ((size_t)count + 1) * sizeof(*copy));

	must(count <= REPLY_PARTS_MAX && copy != NULL);
	begin(rq, status);
	if (type != NULL)
		reply_header(rq, "Content-Type", type);
	r->part = copy;
	r->part_count = 0;
	r->length = 0;
	for (unsigned i = 0; i < count; i++) {
		if (part[i].size == 0)
			continue;
		copy[r->part_count++] = part[i];
		must(!__builtin_add_overflow(r->length, part[i].size, &r->length));
	}
	return 0;
}

int reply_empty(struct request *rq, unsigned status)
{
	begin(rq, status);
	one_part(&rq->reply, "", 0);
	return 0;
}

int reply_fault(struct request *rq, const struct fault *fault)
{
	struct text t;

	must(fault->http >= 400 && fault->http < 600);
	/* what a handler had begun is void */
	rq->reply.status = 0;
	rq->reply.header_count = 0;
	rq->reply.keep = NULL;
	rq->reply.source = NULL;
	store_map_unref(rq->reply.map);
	rq->reply.map = NULL;
	text_init(&t, &rq->arena);
	text_add(&t, "{\"error\":");
	text_json(&t, fault->text);
	text_add(&t, "}\n");
	if (fault->retry_after_s != 0)
		reply_headerf(rq, "Retry-After", "%u", fault->retry_after_s);
	if (fault->http == 401)
		reply_header(rq, "WWW-Authenticate", "Bearer realm=\"larder\"");
	return reply_text(rq, fault->http, "application/json", &t);
}

/* ---- files ------------------------------------------------------------------- */

static void ask_of(struct request *rq, const struct reply_file *f, struct range_answer *out)
{
	struct range_ask ask = {
	    .get = rq->method == GET,
	    .head = rq->method == HEAD,
	    .range = rq->header[HEADER_RANGE],
	    .if_range = rq->header[HEADER_IF_RANGE],
	    .if_match = rq->header[HEADER_IF_MATCH],
	    .if_none_match = rq->header[HEADER_IF_NONE_MATCH],
	    .if_modified_since = rq->header[HEADER_IF_MODIFIED_SINCE],
	    .if_unmodified_since = rq->header[HEADER_IF_UNMODIFIED_SINCE],
	    .etag = f->etag,
	    .modified_s = f->modified_s,
	    .length = f->size,
	};

	/* only dates need the time */
	if (ask.if_range != NULL || ask.if_modified_since != NULL ||
	    ask.if_unmodified_since != NULL)
		ask.now_s = (int64_t)time(NULL);
	range_decide(&ask, out);
}

/* multipart/byteranges (RFC 9110 §14.6) */
static int several_ranges(struct request *rq, const struct reply_file *f,
			  const struct range_answer *a)
{
	struct reply_part part[2 * RANGE_MAX + 1];
	char *text;
	unsigned n = 0;

	for (unsigned i = 0; i < a->count; i++) {
		const struct range *r = &a->range[i];

		text = arena_printf(&rq->arena,
				    "\r\n--larder-%s\r\nContent-Type: %s\r\n"
				    "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%zu\r\n\r\n",
				    rq->id, f->type, r->offset, r->offset + r->size - 1, f->size);
		must(text != NULL);
		part[n++] = (struct reply_part){text, strlen(text)};
		part[n++] = (struct reply_part){(const unsigned char *)f->data + r->offset,
						(size_t)r->size};
	}
	text = arena_printf(&rq->arena, "\r\n--larder-%s--\r\n", rq->id);
	must(text != NULL);
	part[n++] = (struct reply_part){text, strlen(text)};
	reply_headerf(rq, "Content-Type", "multipart/byteranges; boundary=larder-%s", rq->id);
	return reply_parts(rq, 206, NULL, part, n);
}

static int one_range(struct request *rq, const struct reply_file *f, const struct range *r)
{
	begin(rq, 206);
	put(rq, "Content-Type", f->type);
	reply_headerf(rq, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%zu", r->offset,
		      r->offset + r->size - 1, f->size);
	one_part(&rq->reply, (const unsigned char *)f->data + r->offset, (size_t)r->size);
	return 0;
}

/* 412, 416: an error, but with what tells the client which file this is. */
static int refusal(struct request *rq, const struct reply_file *f, unsigned status)
{
	struct fault fault;

	if (status == 412)
		(void)fault_set(&fault, 412, "the file is not the one that was asked for");
	else
		(void)fault_set(&fault, 416, "the file has %zu bytes", f->size);
	(void)reply_fault(rq, &fault);
	put(rq, "ETag", f->etag);
	if (f->varies)
		put(rq, "Vary", "Origin, Accept-Encoding");
	if (status == 416) {
		put(rq, "Accept-Ranges", "bytes");
		reply_headerf(rq, "Content-Range", "bytes */%zu", f->size);
	}
	return 0;
}

/*
 * Whether the whole answer was made before and can be sent again.  Large files
 * are left out: they may have to be given out window by window.
 */
static bool kept(struct request *rq, const struct reply_file *f, unsigned status)
{
	struct reply *r = &rq->reply;

	if (f->kept == NULL || f->size > READAHEAD_WHOLE_BYTES ||
	    rq->header[HEADER_WANT_REPR_DIGEST] != NULL ||
	    rq->header[HEADER_WANT_CONTENT_DIGEST] != NULL)
		return false;
	r->keep = &f->kept[status == 304];
	if (!answer_kept_fits(*r->keep, rq))
		return false;
	r->ready = answer_kept_ref(*r->keep);
	return true;
}

/*
 * RFC 9530.  Repr-Digest is that of the whole representation, as it is encoded,
 * also on parts of it and on HEAD.  It is sent unasked, and left out only where
 * sha-256 is named as not acceptable.  Content-Digest is that of what is sent:
 * it is the same one on a whole file, and of parts it is not computed.
 */
static void digests(struct request *rq, const struct reply_file *f, unsigned status)
{
	if (f->digest == NULL)
		return;
	if (negotiate_digest(rq->header[HEADER_WANT_REPR_DIGEST], "sha-256") != 0)
		put(rq, "Repr-Digest", f->digest);
	if (status == 200 &&
	    negotiate_digest(rq->header[HEADER_WANT_CONTENT_DIGEST], "sha-256") > 0)
		put(rq, "Content-Digest", f->digest);
}

/* What is said of the representation: of 200, and of 206 but after an If-Range (§15.3.7). */
static void metadata(struct request *rq, const struct reply_file *f, unsigned status)
{
	if (status == 206 && rq->header[HEADER_IF_RANGE] != NULL)
		return; /* the client has it from its first part */
	if (f->headers != NULL)
		f->headers(rq, f->headers_arg);
	digests(rq, f, status);
	if (f->modified_s > 0)
		put(rq, "Last-Modified", f->modified);
}

/* What every answer with this file has, 304 too (RFC 9110 §15.4.5). */
static void validators(struct request *rq, const struct reply_file *f)
{
	reply_header(rq, "Cross-Origin-Resource-Policy", f->corp);
	put(rq, "ETag", f->etag);
	put(rq, "Cache-Control", f->cache);
	if (f->varies)
		put(rq, "Vary", "Origin, Accept-Encoding");
}

int reply_file(struct request *rq, const struct reply_file *f)
{
	struct range_answer a;

	ask_of(rq, f, &a);
	/* Content-Encoding speaks of a whole body: parts of what is encoded come one at a time */
	if (a.status == 206 && a.count > 1 && f->encoding != NULL)
		a.status = 200;
	if (a.status >= 400)
		return refusal(rq, f, a.status);
	if (a.status != 206 && kept(rq, f, a.status)) {
		begin(rq, a.status);
		one_part(&rq->reply, f->data, f->size);
		return 0;
	}
	validators(rq, f);
	if (a.status == 304) {
		begin(rq, 304);
		one_part(&rq->reply, f->data, f->size);
		return 0;
	}
	put(rq, "Accept-Ranges", "bytes");
	if (f->encoding != NULL)
		put(rq, "Content-Encoding", f->encoding);
	if (f->download)
		put(rq, "Content-Disposition", "attachment");
	metadata(rq, f, a.status);
	if (a.status == 206)
		return a.count > 1 ? several_ranges(rq, f, &a) : one_range(rq, f, &a.range[0]);
	begin(rq, 200);
	put(rq, "Content-Type", f->type);
	one_part(&rq->reply, f->data, f->size);
	return 0;
}

int reply_map(struct request *rq, struct store_map *map, const struct reply_file *f)
{
	int rc = reply_file(rq, f);

	rq->reply.map = store_map_ref(map);
	return rc;
}
