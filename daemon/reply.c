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

#include "daemon/fault.h"
#include "daemon/must.h"
#include "daemon/range.h"
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

/* Types that are kept; anything else is a download (CONTRACT "Stored …"). */
static const struct {
	const char *end, *type;
} types[] = {
    {".js", "text/javascript"},
    {".mjs", "text/javascript"},
    {".wasm", "application/wasm"},
    {".json", "application/json"},
    {".onnx", "application/octet-stream"},
    {".bin", "application/octet-stream"},
    {".gguf", "application/octet-stream"},
    {".tflite", "application/octet-stream"},
    {".safetensors", "application/octet-stream"},
};

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static void file_type(struct request *rq, const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (ends_with(name, types[i].end)) {
			reply_header(rq, "Content-Type", types[i].type);
			return;
		}
	}
	reply_header(rq, "Content-Type", "application/octet-stream");
	if (strstr(name, ".onnx_data") == NULL)
		reply_header(rq, "Content-Disposition", "attachment");
}

static void ask_of(struct request *rq, const struct reply_file *f, uint64_t length,
		   struct range_answer *out)
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
	    .length = length,
	};

	/* only dates need the time */
	if (ask.if_range != NULL || ask.if_modified_since != NULL ||
	    ask.if_unmodified_since != NULL)
		ask.now_s = (int64_t)time(NULL);
	range_decide(&ask, out);
}

/* multipart/byteranges (RFC 9110 §14.6) */
static int several_ranges(struct request *rq, const unsigned char *data, uint64_t length,
			  const struct range_answer *a)
{
	struct reply_part part[2 * RANGE_MAX + 1];
	const char *type = "application/octet-stream";
	unsigned n = 0;

	for (unsigned i = 0; i < rq->reply.header_count; i++) {
		if (strcmp(rq->reply.header[i].name, "Content-Type") == 0)
			type = rq->reply.header[i].value;
	}
	for (unsigned i = 0; i < a->count; i++) {
		const struct range *r = &a->range[i];
		char *head =
		    arena_printf(&rq->arena,
				 "\r\n--larder-%s\r\nContent-Type: %s\r\n"
				 "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
				 rq->id, type, r->offset, r->offset + r->size - 1, length);

		must(head != NULL);
		part[n++] = (struct reply_part){head, strlen(head)};
		part[n++] = (struct reply_part){data + r->offset, (size_t)r->size};
	}
	char *tail = arena_printf(&rq->arena, "\r\n--larder-%s--\r\n", rq->id);

	must(tail != NULL);
	part[n++] = (struct reply_part){tail, strlen(tail)};
	reply_headerf(rq, "Content-Type", "multipart/byteranges; boundary=larder-%s", rq->id);
	return reply_parts(rq, 206, NULL, part, n);
}

static void drop_header(struct request *rq, const char *name)
{
	struct reply *r = &rq->reply;

	for (unsigned i = 0; i < r->header_count; i++) {
		if (strcasecmp(r->header[i].name, name) == 0) {
			r->header[i] = r->header[--r->header_count];
			return;
		}
	}
}

/* Status, headers and body from ${data}[length], as the conditionals and ranges decide. */
static int file_answer(struct request *rq, const unsigned char *data, uint64_t length,
		       const struct reply_file *f)
{
	struct range_answer a;
	struct fault fault;

	ask_of(rq, f, length, &a);
	reply_header(rq, "Accept-Ranges", "bytes");
	reply_header(rq, "ETag", f->etag);
	reply_header(rq, "Cache-Control", f->cache);
	if (f->modified_s > 0) {
		char date[32];

		range_date_print(f->modified_s, date);
		reply_header(rq, "Last-Modified", arena_copy(&rq->arena, date, strlen(date)));
	}
	switch (a.status) {
	case 200:
		begin(rq, 200);
		one_part(&rq->reply, data, (size_t)length);
		return 0;
	case 206:
		if (a.count > 1)
			return several_ranges(rq, data, length, &a);
		begin(rq, 206);
		reply_headerf(rq, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
			      a.range[0].offset, a.range[0].offset + a.range[0].size - 1, length);
		one_part(&rq->reply, data + a.range[0].offset, (size_t)a.range[0].size);
		return 0;
	case 304:
		/* RFC 9110 §15.4.5: no representation metadata but what caches need */
		drop_header(rq, "Content-Type");
		drop_header(rq, "Content-Disposition");
		begin(rq, 304);
		one_part(&rq->reply, data, (size_t)length); /* only its size is sent */
		return 0;
	case 412:
		(void)fault_set(&fault, 412, "the file is not the one that was asked for");
		(void)reply_fault(rq, &fault);
		reply_header(rq, "ETag", f->etag);
		return 0;
	default:
		(void)fault_set(&fault, 416, "the file has %" PRIu64 " bytes", length);
		(void)reply_fault(rq, &fault);
		reply_headerf(rq, "Content-Range", "bytes */%" PRIu64, length);
		reply_header(rq, "Accept-Ranges", "bytes");
		reply_header(rq, "ETag", f->etag);
		return 0;
	}
}

int reply_map(struct request *rq, struct store_map *map, const struct reply_file *f)
{
	struct reply *r = &rq->reply;
	const unsigned char *data = store_map_data(map);
	int rc;

	file_type(rq, f->name);
	reply_header(rq, "Cross-Origin-Resource-Policy", "cross-origin");
	rc = file_answer(rq, data, store_map_size(map), f);
	r->map = map;
	return rc;
}

int reply_static(struct request *rq, const void *data, size_t size, const char *type,
		 const struct reply_file *f)
{
	reply_header(rq, "Content-Type", type);
	return file_answer(rq, data, size, f);
}
