/* SPDX-License-Identifier: MIT */
/*
 * sample.c — the embedded sample model as an ordinary import.  Called by main.c
 * with --sample.
 */
#include <config.h>

#include "daemon/sample.h"

#include <stdbool.h>

#include "daemon/log.h"
#include "store/store.h"
#include "www/assets.h"

static int put(struct store *store, const struct www_asset *a, struct store_digest *ret,
	       struct store_error *err)
{
	struct store_writer *w;
	uint64_t size;
	int rc = store_writer_open(store, &w, err);

	if (rc != 0)
		return rc;
	rc = store_writer_append(w, a->data, a->size, err);
	if (rc != 0) {
		store_writer_abort(w);
		return rc;
	}
	return store_writer_commit(w, NULL, ret, &size, err);
}

/* Whether ${a} is stored as it is embedded. */
static bool present(struct store *store, const struct www_asset *a)
{
	struct store_digest digest;
	struct store_error err;
	struct store_file file;

	return store_file_find(store, www_sample_name, "main", a->path, &file, &err) == 0 &&
	       store_digest_of(a->data, a->size, &digest) == 0 &&
	       store_digest_equal(&digest, &file.digest);
}

static int import(struct store *store, struct store_error *err)
{
	char commit[STORE_COMMIT_HEX + 1];
	struct store_import *im;
	int rc = store_import_begin(store, www_sample_name, "main", &im, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < www_sample_count; i++) {
		struct store_digest digest;

		rc = put(store, &www_sample[i], &digest, err);
		if (rc == 0)
			rc = store_import_add(im, www_sample[i].path, &digest, err);
		if (rc != 0) {
			store_import_abort(im);
			return rc;
		}
	}
	return store_import_commit(im, commit, err);
}

int sample_import(struct store *store)
{
	struct store_error err;
	bool all = true;

	for (size_t i = 0; i < www_sample_count; i++)
		all = all && present(store, &www_sample[i]);
	if (all)
		return 0;
	if (import(store, &err) != 0) {
		log_error("sample", "model=%s error=\"%s\"", www_sample_name, err.text);
		return -1;
	}
	log_info("sample", "model=%s", www_sample_name);
	return 0;
}
