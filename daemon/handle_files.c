/* SPDX-License-Identifier: MIT */
/*
 * handle_files.c — stored bytes over HTTP: a file by model, revision and path,
 * its Git-LFS pointer, a blob by digest.  Runs on the event loop: only reads
 * that the store answers from memory.
 */
#include <config.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "daemon/encode.h"
#include "daemon/hub.h"
#include "daemon/job.h"
#include "daemon/pull.h"
#include "daemon/pull_mend.h"
#include "daemon/range.h"
#include "daemon/request.h"
#include "daemon/shelf.h"
#include "store/store.h"

#define CACHE_IMMUTABLE "public, max-age=31536000, immutable"
#define CACHE_REVALIDATE "no-cache"
#define POINTER_BYTES (UINT64_C(1) << 20) /* from this size on /raw/ gives a pointer */

static const char *last_segment(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* WebLLM renamed this file; models have one name or the other. */
static const char *twin(struct request *rq, const char *path)
{
	static const char now[] = "tensor-cache.json", before[] = "ndarray-cache.json";
	const char *name = last_segment(path);
	const char *other = strcmp(name, now) == 0      ? before
			    : strcmp(name, before) == 0 ? now
							: NULL;

	if (other == NULL)
		return NULL;
	return arena_printf(&rq->arena, "%.*s%s", (int)(name - path), path, other);
}

/* 0; or 1 when the request was answered (404), or waits for an upstream; or -1 with the fault. */
static int find(struct request *rq, const char **path, struct store_file *out, struct fault *fault)
{
	struct store_error err;
	const char *other;
	int rc = store_file_find(rq->ctx->store, rq->part[PART_MODEL], rq->part[PART_REV], *path,
				 out, &err);

	if (rc == 0) {
		pull_hit(rq, &out->digest);
		return 0;
	}
	other = rc == STORE_NOT_FOUND ? twin(rq, *path) : NULL;
	if (other != NULL) {
		struct store_error again;

		if (store_file_find(rq->ctx->store, rq->part[PART_MODEL], rq->part[PART_REV], other,
				    out, &again) == 0) {
			*path = other;
			return 0;
		}
	}
	if (rc == STORE_NOT_FOUND) {
		int pulled = pull_miss(rq, fault);

		if (pulled <= 0)
			return pulled == 0 ? 1 : -1;
	}
	(void)fault_store(fault, rc, err.text);
	if (rc != STORE_NOT_FOUND)
		return -1;
	(void)reply_fault(rq, fault);
	hub_missing(rq);
	return 1;
}

static void let_go(void *arg)
{
	shelf_item_unref(arg);
}

static void item_headers(struct request *rq, const void *arg)
{
	const struct shelf_item *item = arg;

	if (item->file.commit[0] == '\0')
		return; /* a blob, of no snapshot */
	reply_header(rq, "X-Repo-Commit", item->file.commit);
	reply_header(rq, "X-Linked-ETag", item->etag);
	reply_header(rq, "X-Linked-Size", item->size);
}

static int send_item(struct request *rq, struct shelf_item *item, struct fault *fault)
{
	bool varies = encode_varies(item->type, item->file.size);
	enum negotiate_coding coding =
	    varies ? negotiate_coding(rq->header[HEADER_ACCEPT_ENCODING]) : CODING_IDENTITY;
	struct reply_file f = {
	    .data = store_map_data(item->map),
	    .size = store_map_size(item->map),
	    .type = item->type,
	    .download = item->download,
	    .varies = varies,
	    .etag = item->etag,
	    .digest = item->repr_digest,
	    .cache = item->file.by_commit ? CACHE_IMMUTABLE : CACHE_REVALIDATE,
	    .corp = "cross-origin",
	    .modified_s = item->file.modified_s,
	    .modified = item->modified,
	    .kept = item->kept,
	    .headers = item_headers,
	    .headers_arg = item,
	};

	if (coding == CODING_IDENTITY) {
		(void)reply_map(rq, item->map, &f);
		if (rq->reply.ready != NULL)
			return 0;
	}
	/* an answer that is not made yet needs the item's strings until it is */
	if (arena_defer(&rq->arena, let_go, shelf_item_ref(item)) != 0)
		return fault_set(fault, 503, "out of memory");
	return coding == CODING_IDENTITY ? 0 : encode_reply(rq, item->map, &f, coding, fault);
}

static int send_file(struct request *rq, const struct store_file *file, const char *path,
		     struct fault *fault)
{
	struct shelf_item *item;
	struct store_error err;
	int rc = shelf_get(rq->ctx->store, file, path, &item, &err);

	if (rc == STORE_DAMAGED)
		pull_mend(rq->ctx, &file->digest);
	if (rc != 0)
		return fault_store(fault, rc, err.text);
	return send_item(rq, item, fault);
}

int handle_files_resolve(struct request *rq, struct fault *fault)
{
	const char *path = rq->part[PART_PATH];
	struct store_file file;
	int rc = find(rq, &path, &file, fault);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return send_file(rq, &file, path, fault);
}

/* The Git-LFS pointer of ${file}, with validators of its own. */
static int send_pointer(struct request *rq, const struct store_file *file, struct fault *fault)
{
	char hex[STORE_DIGEST_HEX + 1], base64[45], modified[32];
	struct store_digest digest;
	char *text, *etag;

	text = hub_pointer(rq, &file->digest, file->size);
	if (text == NULL || store_digest_of(text, strlen(text), &digest) != 0)
		return fault_set(fault, 503, "out of memory");
	store_digest_hex(&digest, hex);
	store_digest_base64(&digest, base64);
	range_date_print(file->modified_s, modified);
	etag = arena_printf(&rq->arena, "\"%s\"", hex);
	if (etag == NULL)
		return fault_set(fault, 503, "out of memory");
	reply_header(rq, "X-Repo-Commit", arena_copy(&rq->arena, file->commit, STORE_COMMIT_HEX));
	return reply_file(rq, &(struct reply_file){
				  .data = text,
				  .size = strlen(text),
				  .type = "text/plain; charset=utf-8",
				  .etag = etag,
				  .digest = arena_printf(&rq->arena, "sha-256=:%s:", base64),
				  .cache = file->by_commit ? CACHE_IMMUTABLE : CACHE_REVALIDATE,
				  .corp = "cross-origin",
				  .modified_s = file->modified_s,
				  .modified = arena_copy(&rq->arena, modified, strlen(modified)),
			      });
}

int handle_files_raw(struct request *rq, struct fault *fault)
{
	const char *path = rq->part[PART_PATH];
	struct store_file file;
	int rc = find(rq, &path, &file, fault);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (file.size < POINTER_BYTES)
		return send_file(rq, &file, path, fault);
	return send_pointer(rq, &file, fault);
}

/* ---- chunk lists ------------------------------------------------------------------------- */

struct chunks {
	struct store_file file;
};

/* Cutting a large file takes a thread for seconds: one at a time, who else asks comes back. */
static struct chunks *_Atomic chunking;

static void chunking_over(void *arg)
{
	struct chunks *mine = arg;

	(void)atomic_compare_exchange_strong(&chunking, &mine, NULL);
}

static int send_chunks(struct request *rq, const struct store_file *file,
		       const struct store_derived *list, struct fault *fault)
{
	char hex[STORE_DIGEST_HEX + 1], base64[45], modified[32];
	struct store_map *map;
	struct store_error err;
	struct reply_file f = {.type = "application/octet-stream",
			       .download = true,
			       .cache = file->by_commit ? CACHE_IMMUTABLE : CACHE_REVALIDATE,
			       .corp = "cross-origin",
			       .modified_s = file->modified_s};
	int rc = store_map_open(rq->ctx->store, &list->digest, &map, &err);

	if (rc != 0)
		return fault_store(fault, rc, err.text);
	f.data = store_map_data(map);
	f.size = store_map_size(map);
	range_date_print(file->modified_s, modified);
	f.modified = arena_copy(&rq->arena, modified, strlen(modified));
	store_digest_hex(&list->digest, hex);
	store_digest_base64(&list->digest, base64);
	f.etag = arena_printf(&rq->arena, "\"%s\"", hex);
	f.digest = arena_printf(&rq->arena, "sha-256=:%s:", base64);
	store_digest_hex(&file->digest, hex);
	reply_header(rq, "X-Repo-Commit", arena_copy(&rq->arena, file->commit, STORE_COMMIT_HEX));
	reply_headerf(rq, "X-Linked-ETag", "\"%s\"", hex);
	rc = f.etag == NULL || f.digest == NULL ? fault_set(fault, 503, "out of memory")
						: reply_map(rq, map, &f);
	store_map_unref(map);
	return rc;
}

/* Pool */
static int make_chunks(struct request *rq, void *arg, struct fault *fault)
{
	struct chunks *c = arg;
	struct store_derived list;
	struct store_error err;
	int rc = store_chunk_list_of(rq->ctx->store, &c->file.digest, job_stopping, &list, &err);

	chunking_over(c);
	return rc == 0 ? send_chunks(rq, &c->file, &list, fault) : fault_store(fault, rc, err.text);
}

int handle_files_chunks(struct request *rq, struct fault *fault)
{
	const char *path = rq->part[PART_PATH];
	struct chunks *c = arena_zalloc(&rq->arena, sizeof(*c)), *nobody = NULL;
	struct store_derived list;
	struct store_error err;
	int rc =
	    c == NULL ? fault_set(fault, 503, "out of memory") : find(rq, &path, &c->file, fault);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): rc said that there is a c */
	if (c->file.size < STORE_CHUNK_FILE_MIN)
		return fault_set(fault, 404, "a file of less than 1 MiB has no chunk list");
	if (store_derived_find(rq->ctx->store, &c->file.digest, STORE_CHUNK_KIND, &list, &err) == 0)
		return send_chunks(rq, &c->file, &list, fault);
	if (!atomic_compare_exchange_strong(&chunking, &nobody, c)) {
		(void)fault_set(fault, 503, "another chunk list is being made");
		fault->retry_after_s = 1;
		return -1;
	}
	if (arena_defer(&rq->arena, chunking_over, c) != 0) {
		chunking_over(c);
		return fault_set(fault, 503, "out of memory");
	}
	return job_start(rq, make_chunks, c, 0);
}

int handle_files_blob(struct request *rq, struct fault *fault)
{
	const char *hex = rq->part[PART_DIGEST];
	struct store_file file = {.by_commit = true}; /* of no snapshot, and it never changes */

	if (!store_digest_parse(hex, strlen(hex), &file.digest))
		return fault_set(fault, 404, "that is not a digest");
	if (!store_blob_has(rq->ctx->store, &file.digest, &file.size))
		return fault_set(fault, 404, "there is no such blob");
	return send_file(rq, &file, "blob.bin", fault);
}
