/* SPDX-License-Identifier: MIT */
/*
 * encode.c — finds or makes the encoded twin of a stored file.  Called by
 * handle_files.c.  Must never keep anybody waiting for a file that somebody
 * else is having made, and never fail a request because compressing did: the
 * file itself is always there.
 */
#include <config.h>

#include "daemon/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "daemon/compress.h"
#include "daemon/fault.h"
#include "daemon/job.h"
#include "daemon/metrics.h"
#include "daemon/request.h"
#include "store/store.h"

#define SMALLEST_BYTES UINT64_C(4096) /* below, nothing is gained worth a second copy */
#define LARGEST_BYTES (UINT64_C(64) << 20)
#define MAKING_BYTES LARGEST_BYTES /* being compressed at any time, all together */
#define PAGE_BYTES ((size_t)4 << 20)
#define TWINS 64
#define AGAIN_MS (UINT64_C(600) * 1000) /* after one could not be made */

static const char *const kinds[CODING_COUNT] = {NULL, "gzip:1", "zstd:1"};

bool encode_varies(const char *type, uint64_t size)
{
	return size >= SMALLEST_BYTES && size <= LARGEST_BYTES &&
	       (strcmp(type, "application/json") == 0 || strcmp(type, "text/javascript") == 0 ||
		strcmp(type, "application/wasm") == 0);
}

/* ---- what was asked for lately; event loop only --------------------------------------- */

static struct twin {
	struct store_digest source;
	struct store_map *map; /* a reference; NULL: do without until ${again_ms} */
	uint64_t again_ms;     /* of uv_now */
	char etag[STORE_DIGEST_HEX + 3], digest[64];
	enum negotiate_coding coding; /* CODING_IDENTITY: the slot is empty */
} twins[TWINS];
static uint64_t generation; /* of the store that they are from */

void encode_clear(void)
{
	for (size_t i = 0; i < TWINS; i++) {
		store_map_unref(twins[i].map);
		memset(&twins[i], 0, sizeof(twins[i]));
	}
}

static void name(const struct store_map *map, char etag[STORE_DIGEST_HEX + 3], char digest[64])
{
	char hex[STORE_DIGEST_HEX + 1], base64[45];

	store_digest_hex(store_map_digest(map), hex);
	store_digest_base64(store_map_digest(map), base64);
	(void)snprintf(etag, STORE_DIGEST_HEX + 3, "\"%s\"", hex);
	(void)snprintf(digest, 64, "sha-256=:%s:", base64);
}

static struct twin *slot_of(const struct store_digest *source, enum negotiate_coding coding)
{
	return &twins[((size_t)source->bytes[1] * 2 + (size_t)coding) % TWINS];
}

/* What is known of the twin of ${source}; NULL: nothing, it may be made. */
static struct twin *find(struct request *rq, const struct store_digest *source,
			 enum negotiate_coding coding)
{
	struct store *store = rq->ctx->store;
	uint64_t now = store_generation(store);
	struct twin *t = slot_of(source, coding);
	struct store_derived derived;
	struct store_error err;

	if (now != generation) {
		encode_clear();
		generation = now;
	}
	if (t->coding == coding && store_digest_equal(&t->source, source) &&
	    (t->map != NULL || t->again_ms > uv_now(rq->ctx->loop)))
		return t;
	if (store_derived_find(store, source, kinds[coding], &derived, &err) != 0)
		return NULL;
	store_map_unref(t->map);
	*t = (struct twin){.source = *source, .coding = coding, .again_ms = UINT64_MAX};
	if (derived.size == 0)
		return t;
	if (store_map_open(store, &derived.digest, &t->map, &err) != 0) {
		t->coding = CODING_IDENTITY;
		return NULL;
	}
	name(t->map, t->etag, t->digest);
	return t;
}

/* ---- making one -------------------------------------------------------------------------- */

struct making {
	struct making *next, **link; /* event loop only */
	struct store_map *map;       /* of the file itself; a reference */
	enum negotiate_coding coding;
	struct reply_file file;
	uint64_t now_ms;
	bool failed;
	char etag[STORE_DIGEST_HEX + 3], digest[64];
};

static struct making *first_making;
static uint64_t making_bytes;

/* Loop, when the request is DONE. */
static void made(void *arg)
{
	struct making *m = arg;
	const struct store_digest *source = store_map_digest(m->map);

	*m->link = m->next;
	if (m->next != NULL)
		m->next->link = m->link;
	making_bytes -= store_map_size(m->map);
	if (m->failed) {
		struct twin *t = slot_of(source, m->coding);

		store_map_unref(t->map);
		*t = (struct twin){
		    .source = *source, .coding = m->coding, .again_ms = m->now_ms + AGAIN_MS};
	}
	store_map_unref(m->map);
}

/* Pool: compress ${map}; its twin, or NULL when the file is better as it is. */
static struct store_map *make(struct store *store, struct making *m)
{
	size_t size = store_map_size(m->map), twin_size = 0;
	enum compress_result result;
	struct store_derived derived;
	struct store_map *twin = NULL;
	struct store_error err;
	void *data = NULL;
	int rc;

	result = compress_bytes(m->coding, store_map_data(m->map), size, size - size / 8,
				job_stopping, &data, &twin_size);
	if (result == COMPRESS_OK || result == COMPRESS_LARGE) {
		metrics_add(METRIC_compressions, 1);
		rc =
		    store_derived_put(store, store_map_digest(m->map), kinds[m->coding],
				      result == COMPRESS_OK ? data : "", twin_size, &derived, &err);
		m->failed = rc != 0;
		if (rc == 0 && twin_size > 0 &&
		    store_map_open(store, &derived.digest, &twin, &err) != 0)
			twin = NULL;
	} else {
		m->failed = true;
	}
	free(data);
	return twin;
}

static int encoded(struct request *rq, struct store_map *twin, struct reply_file f,
		   enum negotiate_coding coding, const char *etag, const char *digest)
{
	f.data = store_map_data(twin);
	f.size = store_map_size(twin);
	f.encoding = negotiate_coding_name(coding);
	f.etag = etag;
	f.digest = digest;
	f.kept = NULL;
	return reply_map(rq, twin, &f);
}

/* Pool */
static int work(struct request *rq, void *arg, struct fault *fault)
{
	struct making *m = arg;
	size_t size = store_map_size(m->map);
	struct store_error err;
	struct store_map *twin;
	int rc;

	for (size_t at = 0; at < size; at += PAGE_BYTES) {
		rc = store_map_populate(m->map, at, size - at < PAGE_BYTES ? size - at : PAGE_BYTES,
					&err);
		if (rc != 0)
			return fault_store(fault, rc, err.text);
	}
	twin = make(rq->ctx->store, m);
	if (twin == NULL)
		return reply_map(rq, m->map, &m->file);
	name(twin, m->etag, m->digest);
	rc = encoded(rq, twin, m->file, m->coding, m->etag, m->digest);
	store_map_unref(twin);
	return rc;
}

static bool being_made(const struct store_digest *source, enum negotiate_coding coding)
{
	for (const struct making *m = first_making; m != NULL; m = m->next) {
		if (m->coding == coding && store_digest_equal(store_map_digest(m->map), source))
			return true;
	}
	return false;
}

static int begin(struct request *rq, struct store_map *map, const struct reply_file *f,
		 enum negotiate_coding coding, struct fault *fault)
{
	struct making *m = arena_zalloc(&rq->arena, sizeof(*m));

	if (m == NULL || arena_defer(&rq->arena, made, m) != 0)
		return fault_set(fault, 503, "out of memory");
	m->map = store_map_ref(map);
	m->coding = coding;
	m->file = *f;
	m->file.kept = NULL; /* the loop's */
	m->now_ms = uv_now(rq->ctx->loop);
	m->next = first_making;
	m->link = &first_making;
	if (m->next != NULL)
		m->next->link = &m->next;
	first_making = m;
	making_bytes += store_map_size(map);
	return job_start(rq, work, m, 0);
}

/* ---- answering --------------------------------------------------------------------------- */

int encode_reply(struct request *rq, struct store_map *map, const struct reply_file *f,
		 enum negotiate_coding coding, struct fault *fault)
{
	const struct store_digest *source = store_map_digest(map);
	const char *range = rq->method == GET ? rq->header[HEADER_RANGE] : NULL;
	const char *if_range = rq->header[HEADER_IF_RANGE];
	struct twin *t = find(rq, source, coding);
	const char *etag, *digest;

	if (t == NULL && range == NULL && !being_made(source, coding) &&
	    store_map_size(map) <= MAKING_BYTES - making_bytes)
		return begin(rq, map, f, coding, fault);
	if (t == NULL || t->map == NULL ||
	    (range != NULL && (if_range == NULL || strcmp(if_range, t->etag) != 0)))
		return reply_map(rq, map, f);
	/* the slot may be another file's before the answer is made */
	etag = arena_copy(&rq->arena, t->etag, strlen(t->etag));
	digest = arena_copy(&rq->arena, t->digest, strlen(t->digest));
	if (etag == NULL || digest == NULL)
		return fault_set(fault, 503, "out of memory");
	return encoded(rq, t->map, *f, coding, etag, digest);
}
