/* SPDX-License-Identifier: MIT */
/*
 * import.c — a snapshot being put together, and the moment when a name begins
 * to mean it.  Called by the administration of the daemon.  It must never
 * publish a file whose bytes are not stored.
 *
 * The list is a temporary table of the index's writer (temp.added): it keeps
 * paths unique and in order, it is what collect.c asks before it removes a
 * blob, and it is gone with the process.
 */
#include <config.h>

#include "store/digest.h"
#include "store/evict.h"
#include "store/index.h"
#include "store/manifest.h"
#include "store/name.h"
#include "store/snapshot.h"
#include "store/state.h"
#include "store/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store_import {
	struct store *store;
	int64_t id; /* in temp.added */
	char model[STORE_NAME_MAX + 1];
	char revision[STORE_REV_MAX + 1];
};

int store_import_begin(struct store *store, const char *model, const char *revision,
		       struct store_import **out, struct store_error *err)
{
	struct store_import *im;
	int status = store_writable(store, err);

	if (status != 0)
		return status;
	if (!store_rev_ok(revision))
		return store_status_fail(err, STORE_INVALID, "'%.200s' is not a legal revision",
					 revision);
	im = calloc(1, sizeof(*im));
	if (im == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	if (!store_name_real(model, im->model)) {
		free(im);
		return store_status_fail(err, STORE_INVALID, "'%.200s' is not a legal model name",
					 model);
	}
	memcpy(im->revision, revision, strlen(revision) + 1);
	im->store = store;
	im->id = atomic_fetch_add(&store->import_count, 1) + 1;
	*out = im;
	return 0;
}

/* The size of a blob that is stored and well. */
static int size_of(struct store_conn *conn, const char *path, const struct store_digest *digest,
		   int64_t *out, struct store_error *err)
{
	int status = store_index_row(conn, STMT_BLOB_FIND, ARGS(A_DIGEST(digest)), err);
	bool damaged;

	if (status < 0)
		return status;
	if (status == 0)
		return store_status_fail(err, STORE_NOT_FOUND,
					 "the content of '%.200s' is not stored", path);
	damaged = store_index_int(conn, STMT_BLOB_FIND, 1) != 0;
	*out = store_index_int(conn, STMT_BLOB_FIND, 0);
	store_index_stop(conn, STMT_BLOB_FIND);
	if (damaged)
		return store_status_fail(err, STORE_DAMAGED,
					 "the stored content of '%.200s' is damaged", path);
	return 0;
}

int store_import_add(struct store_import *im, const char *path, const struct store_digest *digest,
		     struct store_error *err)
{
	struct store_conn *conn;
	int64_t size = 0;
	int status;

	if (!store_path_ok(path))
		return store_status_fail(err, STORE_INVALID, "'%.200s' is not a legal path", path);
	conn = store_index_lock(im->store->index);
	status = size_of(conn, path, digest, &size, err);
	if (status == 0)
		status = store_index_exec(
		    conn, STMT_ADDED_PUT,
		    ARGS(A_INT(im->id), A_TEXT(path), A_DIGEST(digest), A_INT(size)), err);
	if (status == 0 && store_index_changes(conn) == 0)
		status = store_status_fail(err, STORE_EXISTS, "'%.200s' was added before", path);
	store_index_unlock(im->store->index);
	return status;
}

/* ---- commit ------------------------------------------------------------------------- */

/* What a file list amounts to. */
struct list {
	char commit[STORE_COMMIT_HEX + 1];
	uint64_t file_count, size_bytes;
};

/* One file of the list as it goes into the commit: path NUL hex NUL size LF. */
static int hash_row(struct store_conn *conn, struct store_hash *hash, struct list *list,
		    struct store_error *err)
{
	const char *path = store_index_text(conn, STMT_ADDED_LIST, 0);
	int64_t size = store_index_int(conn, STMT_ADDED_LIST, 2);
	char rest[STORE_DIGEST_HEX + 32];
	struct store_digest digest;
	int n, status;

	if (!store_index_digest(conn, STMT_ADDED_LIST, 1, &digest))
		return store_status_fail(err, STORE_INDEX, NULL);
	store_digest_hex(&digest, rest);
	n = snprintf(rest + STORE_DIGEST_HEX + 1, sizeof(rest) - STORE_DIGEST_HEX - 1,
		     "%" PRId64 "\n", size);
	status = store_digest_add(hash, path, strlen(path) + 1, err);
	if (status == 0)
		status = store_digest_add(hash, rest, STORE_DIGEST_HEX + 1 + (size_t)n, err);
	list->file_count++;
	if (__builtin_add_overflow(list->size_bytes, (uint64_t)size, &list->size_bytes) ||
	    list->size_bytes > INT64_MAX)
		status = store_status_fail(err, STORE_INVALID, "the files are too large together");
	return status;
}

static int hash_list(struct store_import *im, struct store_conn *conn, struct list *list,
		     struct store_error *err)
{
	char hex[STORE_DIGEST_HEX + 1];
	struct store_digest digest;
	struct store_hash *hash;
	int status = store_digest_begin(&hash, err);

	if (status != 0)
		return status;
	*list = (struct list){.file_count = 0};
	store_index_start(conn, STMT_ADDED_LIST, ARGS(A_INT(im->id)));
	while ((status = store_index_next(conn, STMT_ADDED_LIST, err)) == 1) {
		status = hash_row(conn, hash, list, err);
		if (status != 0) {
			store_index_stop(conn, STMT_ADDED_LIST);
			break;
		}
	}
	if (status != 0) {
		store_digest_drop(hash);
		return status;
	}
	status = store_digest_end(hash, &digest, err);
	if (status != 0)
		return status;
	store_digest_hex(&digest, hex);
	memcpy(list->commit, hex, STORE_COMMIT_HEX);
	list->commit[STORE_COMMIT_HEX] = '\0';
	if (list->file_count == 0)
		return store_status_fail(err, STORE_INVALID, "an import without a file");
	return 0;
}

/* Is each path either a file or a folder, and is every content (still) here? */
static int check_list(struct store_import *im, struct store_conn *conn, struct store_error *err)
{
	int status = store_index_row(conn, STMT_ADDED_CLASH, ARGS(A_INT(im->id)), err);

	if (status == 1) {
		status =
		    store_status_fail(err, STORE_INVALID, "'%.200s' is both a file and a folder",
				      store_index_text(conn, STMT_ADDED_CLASH, 0));
		store_index_stop(conn, STMT_ADDED_CLASH);
	}
	if (status != 0)
		return status;
	status = store_index_row(conn, STMT_ADDED_MISSING, ARGS(A_INT(im->id)), err);
	if (status == 1) {
		bool damaged = store_index_int(conn, STMT_ADDED_MISSING, 1) != 0;

		status = store_status_fail(err, damaged ? STORE_DAMAGED : STORE_NOT_FOUND,
					   "the stored content of '%.200s' is %s",
					   store_index_text(conn, STMT_ADDED_MISSING, 0),
					   damaged ? "damaged" : "gone");
		store_index_stop(conn, STMT_ADDED_MISSING);
	}
	return status;
}

/* The id of what a statement finds, or of what another then inserts. */
static int model_id(struct store_import *im, struct store_conn *conn, int64_t *out,
		    struct store_error *err)
{
	int status = store_index_row(conn, STMT_MODEL_FIND, ARGS(A_TEXT(im->model)), err);

	if (status == 1) {
		*out = store_index_int(conn, STMT_MODEL_FIND, 0);
		store_index_stop(conn, STMT_MODEL_FIND);
		return 0;
	}
	if (status == 0)
		status = store_index_exec(conn, STMT_MODEL_PUT, ARGS(A_TEXT(im->model)), err);
	*out = store_index_last_id(conn);
	return status;
}

static int snapshot_id(struct store_import *im, struct store_conn *conn, int64_t model,
		       const struct list *list, int64_t *out, struct store_error *err)
{
	char after[STORE_COMMIT_HEX + 2];
	int status;

	snprintf(after, sizeof(after), "%sg", list->commit);
	status = store_index_row(conn, STMT_SNAPSHOT_BETWEEN,
				 ARGS(A_INT(model), A_TEXT(list->commit), A_TEXT(after)), err);
	if (status == 1) {
		*out = store_index_int(conn, STMT_SNAPSHOT_BETWEEN, 0);
		store_index_stop(conn, STMT_SNAPSHOT_BETWEEN);
		return 0;
	}
	if (status != 0)
		return status;
	status = store_index_exec(conn, STMT_SNAPSHOT_PUT,
				  ARGS(A_INT(model), A_TEXT(list->commit), A_INT(store_now_s()),
				       A_INT(list->file_count), A_INT(list->size_bytes)),
				  err);
	*out = store_index_last_id(conn);
	if (status == 0)
		status = store_index_exec(conn, STMT_ADDED_TO_FILES,
					  ARGS(A_INT(im->id), A_INT(*out)), err);
	return status;
}

/* Everything that a commit changes, in the transaction that the caller began. */
static int write_list(struct store_import *im, struct store_conn *conn, const struct list *list,
		      int64_t *model, struct store_error *err)
{
	int64_t snapshot = 0;
	int status = check_list(im, conn, err);

	if (status == 0)
		status = model_id(im, conn, model, err);
	if (status == 0)
		status = snapshot_id(im, conn, *model, list, &snapshot, err);
	if (status == 0)
		status = store_index_exec(
		    conn, STMT_REVISION_PUT,
		    ARGS(A_INT(*model), A_TEXT(im->revision), A_INT(snapshot)), err);
	if (status == 0)
		status = store_index_exec(conn, STMT_ADDED_UNCLAIM, ARGS(A_INT(im->id)), err);
	return status;
}

static int commit(struct store_import *im, struct store_conn *conn, const struct list *list,
		  int64_t *model, struct store_error *err)
{
	int status = store_manifest_begin(im->store, conn, err);

	if (status != 0)
		return status;
	status = write_list(im, conn, list, model, err);
	if (status != 0) {
		store_manifest_rollback(conn);
		return status;
	}
	status = store_manifest_commit(im->store, conn, err);
	if (status == 0)
		atomic_fetch_add(&im->store->generation, 1);
	return status;
}

/* End an import; with the lock, its list goes too. */
static void import_free(struct store_import *im, struct store_conn *conn)
{
	/* a list that cannot be removed keeps its blobs until the process ends */
	if (store_index_exec(conn, STMT_ADDED_DROP, ARGS(A_INT(im->id)), NULL) != 0)
		store_index_stop(conn, STMT_ADDED_DROP);
	free(im);
}

int store_import_commit(struct store_import *im, char ret_commit[STORE_COMMIT_HEX + 1],
			struct store_error *err)
{
	struct store *store = im->store;
	struct store_conn *conn = store_index_lock(store->index);
	struct list list;
	int64_t model = 0;
	int status;

	status = hash_list(im, conn, &list, err);
	if (status == 0)
		status = commit(im, conn, &list, &model, err);
	import_free(im, conn);
	store_index_unlock(store->index);
	if (status != 0)
		return status;
	memcpy(ret_commit, list.commit, sizeof(list.commit));
	store_evict_old(store, model);
	return 0;
}

void store_import_abort(struct store_import *im)
{
	struct store *store;

	if (im == NULL)
		return;
	store = im->store;
	import_free(im, store_index_lock(store->index));
	store_index_unlock(store->index);
}
