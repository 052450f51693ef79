/* SPDX-License-Identifier: MIT */
/*
 * handle_files.c — stored bytes over HTTP: a file by model, revision and path,
 * its Git-LFS pointer, a blob by digest.  Runs on the event loop: only reads
 * that the store answers from memory.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/request.h"
#include "store/store.h"

#define CACHE_IMMUTABLE "public, max-age=31536000, immutable"
#define CACHE_REVALIDATE "no-cache"
#define POINTER_BYTES (UINT64_C(1) << 20) /* from this size on /raw/ gives a pointer */

static const char *last_segment(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* `"hex"`, in the arena. */
static const char *etag_of(struct request *rq, const struct store_digest *digest)
{
	char *etag = arena_alloc(&rq->arena, STORE_DIGEST_HEX + 3);

	if (etag == NULL)
		return NULL;
	etag[0] = '"';
	store_digest_hex(digest, etag + 1);
	etag[STORE_DIGEST_HEX + 1] = '"';
	etag[STORE_DIGEST_HEX + 2] = '\0';
	return etag;
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

static int find(struct request *rq, const char **path, struct store_file *out, struct fault *fault)
{
	struct store_error err;
	const char *other;
	int rc = store_file_find(rq->ctx->store, rq->part[PART_MODEL], rq->part[PART_REV], *path,
				 out, &err);

	if (rc == 0)
		return 0;
	other = rc == STORE_NOT_FOUND ? twin(rq, *path) : NULL;
	if (other != NULL) {
		struct store_error again;

		if (store_file_find(rq->ctx->store, rq->part[PART_MODEL], rq->part[PART_REV], other,
				    out, &again) == 0) {
			*path = other;
			return 0;
		}
	}
	return fault_store(fault, rc, err.text);
}

/* The headers that name the content: what clients of the Hub and RFC 9530 look for. */
static int content_headers(struct request *rq, const struct store_file *file, const char *etag,
			   struct fault *fault)
{
	char digest[64], base64[45];
	int n;

	store_digest_base64(&file->digest, base64);
	n = snprintf(digest, sizeof(digest), "sha-256=:%s:", base64);
	if (etag == NULL || n < 0)
		return fault_set(fault, 503, "out of memory");
	reply_header(rq, "X-Repo-Commit", arena_copy(&rq->arena, file->commit, STORE_COMMIT_HEX));
	reply_header(rq, "X-Linked-ETag", etag);
	reply_headerf(rq, "X-Linked-Size", "%" PRIu64, file->size);
	reply_header(rq, "Repr-Digest", arena_copy(&rq->arena, digest, (size_t)n));
	return 0;
}

int handle_files_resolve(struct request *rq, struct fault *fault)
{
	const char *path = rq->part[PART_PATH], *etag;
	struct store_error err;
	struct store_file file;
	struct store_map *map;
	int rc;

	if (find(rq, &path, &file, fault) != 0)
		return -1;
	etag = etag_of(rq, &file.digest);
	if (content_headers(rq, &file, etag, fault) != 0)
		return -1;
	rc = store_map_open(rq->ctx->store, &file.digest, &map, &err);
	if (rc != 0)
		return fault_store(fault, rc, err.text);
	return reply_map(rq, map,
			 &(struct reply_file){
			     .name = last_segment(path),
			     .etag = etag,
			     .cache = file.by_commit ? CACHE_IMMUTABLE : CACHE_REVALIDATE,
			     .modified_s = file.modified_s,
			 });
}

int handle_files_raw(struct request *rq, struct fault *fault)
{
	const char *path = rq->part[PART_PATH];
	char hex[STORE_DIGEST_HEX + 1], *text;
	struct store_file file;

	if (find(rq, &path, &file, fault) != 0)
		return -1;
	if (file.size < POINTER_BYTES)
		return handle_files_resolve(rq, fault);
	store_digest_hex(&file.digest, hex);
	text = arena_printf(&rq->arena,
			    "version https://git-lfs.github.com/spec/v1\n"
			    "oid sha256:%s\nsize %" PRIu64 "\n",
			    hex, file.size);
	if (text == NULL)
		return fault_set(fault, 503, "out of memory");
	reply_header(rq, "Cache-Control", file.by_commit ? CACHE_IMMUTABLE : CACHE_REVALIDATE);
	reply_header(rq, "Cross-Origin-Resource-Policy", "cross-origin");
	return reply_bytes(rq, 200, "text/plain; charset=utf-8", text, strlen(text));
}

int handle_files_blob(struct request *rq, struct fault *fault)
{
	const char *hex = rq->part[PART_DIGEST];
	struct store_digest digest;
	struct store_error err;
	struct store_map *map;
	int rc;

	if (!store_digest_parse(hex, strlen(hex), &digest))
		return fault_set(fault, 404, "that is not a digest");
	rc = store_map_open(rq->ctx->store, &digest, &map, &err);
	if (rc != 0)
		return fault_store(fault, rc, err.text);
	return reply_map(rq, map,
			 &(struct reply_file){
			     .name = "blob.bin",
			     .etag = etag_of(rq, &digest),
			     .cache = CACHE_IMMUTABLE,
			 });
}
