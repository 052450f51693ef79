/* SPDX-License-Identifier: MIT */
/*
 * collect.c — the removal of blobs.  Called after models were removed and when
 * the store is opened; it is the only way in which good content leaves the
 * disk.
 *
 * Row first, then file: a kill in between leaves a file without a row, which
 * the next open removes; the other way round it would leave a name without
 * bytes.  Both happen while the index's writer is locked, see writer.c.
 */
#include <config.h>

#include "store/collect.h"
#include "store/evict.h"
#include "store/fsck.h"
#include "store/index.h"
#include "store/map.h"
#include "store/state.h"
#include "store/status.h"

#include <stdlib.h>

enum { BATCH = 256 };

struct doomed {
	size_t count;
	uint64_t bytes;
	int64_t id[BATCH];
	struct store_digest digest[BATCH];
};

static int choose(struct store *store, struct store_conn *conn, struct doomed *d,
		  struct store_error *err)
{
	int status;

	d->count = 0;
	d->bytes = 0;
	store_index_start(conn, STMT_BLOB_UNNAMED,
			  ARGS(A_INT(store_now_s()), A_INT(store->grace_s), A_INT(BATCH)));
	while ((status = store_index_next(conn, STMT_BLOB_UNNAMED, err)) == 1) {
		d->id[d->count] = store_index_int(conn, STMT_BLOB_UNNAMED, 0);
		if (!store_index_digest(conn, STMT_BLOB_UNNAMED, 1, &d->digest[d->count])) {
			store_index_stop(conn, STMT_BLOB_UNNAMED);
			return store_status_fail(err, STORE_INDEX, NULL);
		}
		d->bytes += (uint64_t)store_index_int(conn, STMT_BLOB_UNNAMED, 2);
		d->count++;
	}
	return status;
}

static int drop_rows(struct store_conn *conn, const struct doomed *d, struct store_error *err)
{
	int status = store_index_begin(conn, err);

	if (status != 0)
		return status;
	for (size_t i = 0; status == 0 && i < d->count; i++)
		status = store_index_exec(conn, STMT_BLOB_DROP, ARGS(A_INT(d->id[i])), err);
	if (status == 0)
		return store_index_commit(conn, err);
	store_index_rollback(conn);
	return status;
}

static void drop_files(struct store *store, const struct doomed *d)
{
	for (size_t i = 0; i < d->count; i++) {
		store_map_forget(store->maps, &d->digest[i]);
		if (store_folder_remove(&store->folder, &d->digest[i]) != 0)
			store->remains = true; /* until the next open or verify */
	}
}

int store_collect_locked(struct store *store, struct store_conn *conn, struct store_evicted *gone,
			 struct store_error *err)
{
	struct doomed *d = malloc(sizeof(*d));
	int status;

	if (d == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	do {
		status = choose(store, conn, d, err);
		if (status != 0 || d->count == 0)
			break;
		status = store_fsck_mark_locked(store, conn, err);
		if (status == 0)
			status = drop_rows(conn, d, err);
		if (status != 0)
			break;
		drop_files(store, d);
		if (gone != NULL) {
			gone->blobs += d->count;
			gone->bytes += d->bytes;
		}
		/* again, also for those that were derived from these */
	} while (true);
	free(d);
	store_evict_look(store, conn);
	return status;
}

int store_collect(struct store *store, struct store_error *err)
{
	struct store_conn *conn = store_index_lock(store->index);
	int status = store_collect_locked(store, conn, NULL, err);

	store_index_unlock(store->index);
	return status;
}
