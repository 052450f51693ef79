/* SPDX-License-Identifier: MIT */
/*
 * fsck.c — what a kill may have left, put in order.  Called when the store is
 * opened and closed, and by verify.c.  It reads no content: that is verify.c.
 *
 * The order of writing and removing (writer.c, collect.c) allows two remains
 * only: temporaries, and blobs without a row.  A row without its file is
 * damage from outside; it is marked, so that nobody is promised those bytes.
 */
#include <config.h>

#include "store/blob.h"
#include "store/fsck.h"
#include "store/index.h"
#include "store/state.h"

#include <errno.h>
#include <stdlib.h>

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

/* ---- files without a row ----------------------------------------------------------- */

struct foreign {
	struct store *store;
	uint64_t count;
};

/*
 * Under the lock, because a blob that is being published has its file for a
 * moment before its row.
 */
static int remove_foreign(void *arg, const struct store_digest *digest, struct store_error *err)
{
	struct foreign *f = arg;
	struct store_conn *conn = store_index_lock(f->store->index);
	int status = store_index_row(conn, STMT_BLOB_FIND, ARGS(A_DIGEST(digest)), err);

	if (status == 1) {
		store_index_stop(conn, STMT_BLOB_FIND);
		status = 0;
	} else if (status == 0) {
		int rc = store_folder_remove(&f->store->folder, digest);

		if (rc == 0)
			f->count++;
		else if (rc != -ENOENT) /* removed since the folder was read */
			status = store_status_errno(err, -rc, "removing a foreign blob");
	}
	store_index_unlock(f->store->index);
	return status;
}

/*
 * A commit that failed may still be in the WAL as a whole, and come back after
 * a crash: with a row for a file that we are about to remove.  The next commit
 * that succeeds takes its place for good.
 */
static int settle(struct store *store, struct store_error *err)
{
	struct store_conn *conn = store_index_lock(store->index);
	int status = 0;

	if (store->remains)
		status = store_index_exec(conn, STMT_TOTAL_SETTLE, NO_ARGS, err);
	if (status == 0)
		store->remains = false; /* from here on, what is found is removed */
	store_index_unlock(store->index);
	return status;
}

static void still_remains(struct store *store)
{
	store_index_lock(store->index);
	store->remains = true;
	store_index_unlock(store->index);
}

int store_fsck_foreign(struct store *store, uint64_t *ret_count, struct store_error *err)
{
	struct foreign f = {store, 0};
	int status = settle(store, err);

	if (status != 0)
		return status;
	status = store_folder_walk(&store->folder, remove_foreign, &f, err);
	if (status == 0)
		*ret_count = f.count;
	else
		still_remains(store);
	return status;
}

/* ---- rows without their file ------------------------------------------------------- */

static int mark_page(struct store *store, struct store_conn *conn,
		     const struct store_blob_page *page, struct store_error *err)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < page->count; i++) {
		const struct store_blob_row *row = &page->rows[i];

		if (row->damaged || store_folder_size(&store->folder, &row->digest) == row->size)
			continue;
		status =
		    store_index_exec(conn, STMT_BLOB_DAMAGED, ARGS(A_DIGEST(&row->digest)), err);
	}
	return status;
}

static int mark_missing(struct store *store, struct store_error *err)
{
	struct store_blob_page *page = calloc(1, sizeof(*page));
	struct store_conn *conn;
	int status;

	if (page == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	conn = store_index_lock(store->index);
	do {
		status = store_blob_next(conn, page, err);
		if (status == 0)
			status = mark_page(store, conn, page, err);
	} while (status == 0 && page->count > 0);
	store_index_unlock(store->index);
	free(page);
	return status;
}

/* ---- open --------------------------------------------------------------------------- */

static int was_closed(struct store *store, bool *out, struct store_error *err)
{
	struct store_conn *conn = store_index_lock(store->index);
	int status = store_index_row(conn, STMT_TOTAL, NO_ARGS, err);

	if (status == 1) {
		*out = store_index_int(conn, STMT_TOTAL, 4) != 0;
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
	bool clean = false;
	int status;

	status = store_folder_clear_tmp(&store->folder, err);
	if (status == 0)
		status = was_closed(store, &clean, err);
	if (status != 0 || clean)
		return status;
	store->dirty = true; /* the index says so already */
	status = store_fsck_foreign(store, &foreign, err);
	if (status == 0)
		status = mark_missing(store, err);
	if (status == 0)
		store_fsck_closed(store);
	return status;
}
