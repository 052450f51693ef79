/* SPDX-License-Identifier: MIT */
/*
 * handle_import.c — POST /admin/v1/models/{model}: a list of files whose contents
 * are stored already becomes a snapshot, and the revision's name begins to mean
 * it.  Runs on the pool.  The contents come first, through stream_blobs.c.
 */
#include <config.h>

#include <string.h>

#include "daemon/request.h"
#include "daemon/text.h"
#include "store/store.h"

/* {"path":…,"sha256":…} */
static int add_file(struct store_import *im, size_t i, json_t *v, struct fault *fault)
{
	const char *path, *hex;
	size_t path_bytes, hex_bytes;
	struct store_digest digest;
	struct store_error err;
	json_error_t why;

	if (json_unpack_ex(v, &why, 0, "{s:s%,s:s%}", "path", &path, &path_bytes, "sha256", &hex,
			   &hex_bytes) != 0)
		return fault_set(fault, 400, "files[%zu]: %s", i, why.text);
	if (!store_digest_parse(hex, hex_bytes, &digest))
		return fault_set(fault, 400, "files[%zu]: sha256 must be 64 lower-case hex digits",
				 i);
	if (store_import_add(im, path, &digest, &err) != 0)
		return fault_store(fault, err.status, err.text);
	return 0;
}

static int import(struct request *rq, const char *model, const char *revision, json_t *files,
		  struct fault *fault)
{
	struct store_import *im;
	struct store_error err;
	char commit[STORE_COMMIT_HEX + 1];
	struct text t;
	json_t *v;
	size_t i;

	if (store_import_begin(rq->ctx->store, model, revision, &im, &err) != 0)
		return fault_store(fault, err.status, err.text);
	json_array_foreach(files, i, v)
	{
		if (add_file(im, i, v, fault) != 0) {
			store_import_abort(im);
			return -1;
		}
	}
	if (store_import_commit(im, commit, &err) != 0)
		return fault_store(fault, err.status, err.text);
	text_init(&t, &rq->arena);
	text_add(&t, "{\"id\":");
	text_json(&t, model);
	text_add(&t, ",\"revision\":");
	text_json(&t, revision);
	text_printf(&t, ",\"commit\":\"%s\",\"files\":%zu}\n", commit, json_array_size(files));
	return reply_text(rq, 201, "application/json", &t);
}

int handle_import_model(struct request *rq, struct fault *fault)
{
	const char *revision = "main";
	json_t *files = NULL;
	json_error_t why;

	if (rq->json == NULL)
		return fault_set(fault, 400, "a JSON body is needed");
	if (json_unpack_ex(rq->json, &why, 0, "{s?:s,s:o}", "revision", &revision, "files",
			   &files) != 0)
		return fault_set(fault, 400, "not an import: %s", why.text);
	if (!json_is_array(files))
		return fault_set(fault, 400, "\"files\" must be an array");
	/* stored names may hold one, but MODEL@REVISION could then not be told apart */
	if (strchr(rq->part[PART_MODEL], '@') != NULL)
		return fault_set(fault, 400, "a model's name may not hold @");
	return import(rq, rq->part[PART_MODEL], revision, files, fault);
}
