/* SPDX-License-Identifier: MIT */
/*
 * fsck.c — what a kill may have left, put in order.  Called when the store is
 * opened and closed, and by verify.c.  It reads names and no content, nor even
 * sizes: a hundred thousand blobs are compared in a fraction of a second.
 *
 * The order of writing and removing (writer.c, collect.c) allows two remains
 * only: temporaries, and blobs without a row.  A row without its file is
 * damage from outside; it is marked, so that nobody is promised those bytes.
 */
#include <config.h>

#include "store/fsck.h"
#include "store/index.h"
#include "store/manifest.h"
#include "store/state.h"

#include <errno.h>
#include <string.h>

/* ---- the mark -------------------------------------------------------------------- */

int store_fsck_mark_locked(struct store *store, struct store_conn *conn, struct store_error *err)
{
	int status = 0;

	if (!store->dirty)
		status = store_index_exec(conn, STMT_TOTAL_CLEAN, ARGS(A_INT(0)), err);
	if (status == 0)
		store->dirty = true;
	return status;
}

int store_fsck_mark(struct store *store, struct store_error *err)
{
	struct store_conn *conn = store_index_lock(store->index);
	int status = store_fsck_mark_locked(store, conn, err);

	store_index_unlock(store->index);
	return status;
}

void store_fsck_closed(struct store *store)
{
	struct store_conn *conn = store_index_lock(store->index);

	/* not marked, or in vain, the next open looks and takes a little longer */
	if (store->dirty && !store->remains &&
	    store_index_exec(conn, STMT_TOTAL_CLEAN, ARGS(A_INT(1)), NULL) == 0)
		store->dirty = false;
	store_index_unlock(store->index);
}

/* ---- comparing ------------------------------------------------------------------- */

/*
 * A commit that failed may still be in the WAL as a whole, and come back after
 * a crash: with a row for a file that we are about to remove.  The next commit
 * that succeeds takes its place for good.
 */
static int settle(struct store *store, struct store_conn *conn, struct store_error *err)
{
	int status = 0;

	if (store->unsettled)
		status = store_index_exec(conn, STMT_TOTAL_SETTLE, NO_ARGS, err);
	if (status == 0)
		store->unsettled = false;
	return status;
}

/*
 * A file without a row, as it seemed without the lock: a blob that is being
 * published has its file for a moment before its row.
 */
static int remove_foreign(struct store *store, const struct store_digest *digest, uint64_t *count,
			  struct store_error *err)
{
	struct store_conn *conn = store_index_lock(store->index);
	int status = store_index_row(conn, STMT_BLOB_FIND, ARGS(A_DIGEST(digest)), err);

	if (status == 1) {
		store_index_stop(conn, STMT_BLOB_FIND);
		store_index_unlock(store->index);
		return 0;
	}
	if (status == 0)
		status = settle(store, conn, err);
	if (status == 0) {
		int rc = store_folder_remove(&store->folder, digest);

		if (rc == 0)
			++*count;
		else if (rc != -ENOENT) /* removed since the folder was read */
			status = store_status_errno(err, -rc, "removing a foreign blob");
	}
	store_index_unlock(store->index);
	return status;
}

/* A row without a file, as it seemed without the lock. */
static int mark_missing(struct store *store, const struct store_digest *digest,
			struct store_error *err)
{
	struct store_conn *conn = store_index_lock(store->index);
	int status = 0;

	if (store_folder_size(&store->folder, digest) == -ENOENT)
		status = store_index_exec(conn, STMT_BLOB_DAMAGED, ARGS(A_DIGEST(digest)), err);
	store_index_unlock(store->index);
	return status;
}

/* Rows against files, both in order.  ${conn} reads. */
static int compare(struct store *store, struct store_conn *conn,
		   const struct store_folder_list *list, uint64_t *foreign, struct store_error *err)
{
	const enum store_stmt stmt = STMT_BLOB_BETWEEN;
	struct store_digest row;
	size_t i = 0;
	int status;
	int more;

	while ((more = store_index_next(conn, stmt, err)) == 1) {
		status = 0;
		if (!store_index_digest(conn, stmt, 0, &row))
			status = store_status_fail(err, STORE_INDEX, NULL);
		for (; status == 0 && i < list->count &&
		       memcmp(&list->digests[i], &row, sizeof(row)) < 0;
		     i++)
			status = remove_foreign(store, &list->digests[i], foreign, err);
		if (status == 0 && i < list->count &&
		    memcmp(&list->digests[i], &row, sizeof(row)) == 0)
			i++;
		else if (status == 0)
			status = mark_missing(store, &row, err);
		if (status != 0) {
			store_index_stop(conn, stmt);
			return status;
		}
	}
	for (status = more; status == 0 && i < list->count; i++)
		status = remove_foreign(store, &list->digests[i], foreign, err);
	return status;
}

/* One of the 256 folders of blobs. */
static int compare_folder(struct store *store, unsigned ab, uint64_t *foreign,
			  struct store_error *err)
{
	struct store_folder_list list;
	struct store_digest first, last;
	struct store_conn *conn;
	int status;

	memset(&first, 0, sizeof(first));
	memset(&last, 0xff, sizeof(last));
	first.bytes[0] = last.bytes[0] = (uint8_t)ab;
	status = store_folder_list(&store->folder, ab, &list, err);
	if (status != 0)
		return status;
	status = store_index_reader(store->index, &conn, err);
	if (status == 0) {
		store_index_start(conn, STMT_BLOB_BETWEEN, ARGS(A_DIGEST(&first), A_DIGEST(&last)));
		status = compare(store, conn, &list, foreign, err);
		store_index_done(store->index, conn);
	}
	store_folder_list_free(&list);
	return status;
}

static void set_remains(struct store *store, bool remains)
{
	store_index_lock(store->index);
	store->remains = remains;
	store_index_unlock(store->index);
}

int store_fsck_sweep(struct store *store, uint64_t *ret_foreign, struct store_error *err)
{
	uint64_t foreign = 0;
	int status = 0;

	set_remains(store, false); /* from here on, what is found is removed */
	for (unsigned ab = 0; ab < 256 && status == 0; ab++)
		status = compare_folder(store, ab, &foreign, err);
	if (status == 0)
		*ret_foreign = foreign;
	/* blobs are right without them: a disk that is full must not keep the store closed */
	if (status != 0 || store_manifest_compare(store, NULL) != 0)
		set_remains(store, true);
	return status;
}

/* ---- open --------------------------------------------------------------------------- */

/* In good order, and was there anything? */
static int was_closed(struct store *store, bool *ret_clean, bool *ret_empty,
		      struct store_error *err)
{
	struct store_conn *conn = store_index_lock(store->index);
	int status = store_index_row(conn, STMT_TOTAL, NO_ARGS, err);

	if (status == 1) {
		*ret_clean = store_index_int(conn, STMT_TOTAL, 4) != 0;
		*ret_empty = store_index_int(conn, STMT_TOTAL, 2) == 0;
		store_index_stop(conn, STMT_TOTAL);
	}
	store_index_unlock(store->index);
	if (status == 0)
		return store_status_fail(err, STORE_INDEX, "index: the totals are missing");
	return status == 1 ? 0 : status;
}

int store_fsck_open(struct store *store, struct store_error *err)
{
	uint64_t foreign = 0;
	bool clean = false, empty = false;
	int status;

	status = store_folder_clear_tmp(&store->folder, err);
	if (status == 0)
		status = was_closed(store, &clean, &empty, err);
	/* an index that is new, or of a process that was killed, says nothing of the folders */
	if (status == 0 && (!clean || empty || store->folder.made))
		status = store_folder_sync_roots(&store->folder, err);
	if (status == 0 && clean && store_manifest_settle(store, NULL) != 0)
		set_remains(store, true); /* what is noted stays noted */
	if (status != 0 || clean)
		return status;
	store->dirty = true; /* the index says so already */
	status = store_fsck_sweep(store, &foreign, err);
	if (status == 0)
		store_fsck_closed(store);
	return status;
}
