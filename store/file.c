/* SPDX-License-Identifier: MIT */
/*
 * file.c — from the name of a file to its digest: the first step of every
 * request for one.  Called on the event loop, so a hot name costs a hash and a
 * lock, and a cold one a few reads of the index.  It never writes: a use is
 * noted in memory.
 */
#include <config.h>

#include "store/cache.h"
#include "store/snapshot.h"
#include "store/state.h"
#include "store/status.h"
#include "store/use.h"

#include <string.h>

/* Ask the index.  The columns of FILE_FIND into ${out}. */
static int find_path(struct store_conn *conn, const struct store_snapshot *snap, const char *path,
		     struct store_file *out, struct store_error *err)
{
	struct store_file file = {.modified_s = snap->made_s, .by_commit = snap->by_commit};
	bool whole;
	int status =
	    store_index_row(conn, STMT_FILE_FIND, ARGS(A_INT(snap->id), A_TEXT(path)), err);

	if (status < 0)
		return status;
	if (status == 0)
		return store_status_fail(err, STORE_NOT_FOUND,
					 "model '%.120s' has no file '%.120s'", snap->model, path);
	whole = store_index_digest(conn, STMT_FILE_FIND, 0, &file.digest);
	file.size = (uint64_t)store_index_int(conn, STMT_FILE_FIND, 1);
	store_index_stop(conn, STMT_FILE_FIND);
	if (!whole)
		return store_status_fail(err, STORE_INDEX, NULL);
	memcpy(file.commit, snap->commit, sizeof(file.commit));
	*out = file;
	return 0;
}

static int find_cold(struct store *store, const char *model, const char *revision, const char *path,
		     struct store_file *out, int64_t *ret_snapshot_id, struct store_error *err)
{
	struct store_snapshot snap;
	struct store_conn *conn;
	int status;

	status = store_index_reader(store->index, &conn, err);
	if (status != 0)
		return status;
	status = store_snapshot_find(conn, model, revision, &snap, err);
	if (status == 0)
		status = find_path(conn, &snap, path, out, err);
	store_index_done(store->index, conn);
	if (status == 0)
		*ret_snapshot_id = snap.id;
	return status;
}

int store_file_find(struct store *store, const char *model, const char *revision, const char *path,
		    struct store_file *out, struct store_error *err)
{
	uint64_t generation = atomic_load(&store->generation); /* before the index is asked */
	int64_t now_s = store_now_s();
	struct store_cache_key key;
	int64_t snapshot_id = 0;
	bool kept;
	int status;

	/* read-only, the index may change without our generation noticing */
	kept = !store->read_only && store_cache_key(store->cache, model, revision, path, &key);
	if (!kept || !store_cache_find(store->cache, &key, generation, now_s, out, &snapshot_id)) {
		status = find_cold(store, model, revision, path, out, &snapshot_id, err);
		if (status != 0)
			return status;
		if (kept)
			store_cache_put(store->cache, &key, generation, now_s, snapshot_id, out);
	}
	if (snapshot_id != 0)
		store_use_note(store->uses, snapshot_id, now_s);
	return 0;
}
