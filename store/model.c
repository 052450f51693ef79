/* SPDX-License-Identifier: MIT */
/*
 * model.c — models as an operator sees them: what is there, what is in it,
 * keep it, forget it.  Reads may run on the event loop; callbacks run while a
 * connection is lent to them, without any lock, and may call the store again.
 */
#include <config.h>

#include "store/collect.h"
#include "store/model.h"
#include "store/manifest.h"
#include "store/snapshot.h"
#include "store/state.h"
#include "store/status.h"
#include "store/use.h"

#include <stdio.h>

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* ---- reading -------------------------------------------------------------------------- */

int store_model_list(struct store *store, store_model_f *fn, void *arg, struct store_error *err)
{
	const enum store_stmt stmt = STMT_MODEL_LIST;
	struct store_conn *conn;
	int status = store_index_reader(store->index, &conn, err);

	if (status != 0)
		return status;
	store_index_start(conn, stmt, NO_ARGS);
	while ((status = store_index_next(conn, stmt, err)) == 1) {
		struct store_model_info info = {
		    .model = store_index_text(conn, stmt, 0),
		    .revision = store_index_text(conn, stmt, 1),
		    .commit = store_index_text(conn, stmt, 2),
		    .file_count = (uint64_t)store_index_int(conn, stmt, 3),
		    .size_bytes = (uint64_t)store_index_int(conn, stmt, 4),
		    .modified_s = store_index_int(conn, stmt, 5),
		    .used_s = later(store_index_int(conn, stmt, 6),
				    store_use_of(store->uses, store_index_int(conn, stmt, 8))),
		    .pinned = store_index_int(conn, stmt, 7) != 0,
		};

		status = fn(arg, &info);
		if (status != 0) {
			store_index_stop(conn, stmt);
			break;
		}
	}
	store_index_done(store->index, conn);
	return status;
}

static int is_pinned(struct store_conn *conn, int64_t model_id, bool *out, struct store_error *err)
{
	int status = store_index_row(conn, STMT_MODEL_PINNED, ARGS(A_INT(model_id)), err);

	if (status != 1)
		return status;
	*out = store_index_int(conn, STMT_MODEL_PINNED, 0) != 0;
	store_index_stop(conn, STMT_MODEL_PINNED);
	return 0;
}

int store_model_find(struct store *store, const char *model, const char *revision,
		     store_model_f *fn, void *arg, struct store_error *err)
{
	struct store_snapshot snap;
	struct store_conn *conn;
	bool pinned = false;
	int status = store_index_reader(store->index, &conn, err);

	if (status != 0)
		return status;
	status = store_snapshot_find(conn, model, revision, &snap, err);
	if (status == 0)
		status = is_pinned(conn, snap.model_id, &pinned, err);
	store_index_done(store->index, conn);
	if (status != 0)
		return status;
	return fn(arg, &(struct store_model_info){
			   .model = snap.model,
			   .revision = snap.by_name ? revision : snap.commit,
			   .commit = snap.commit,
			   .file_count = snap.file_count,
			   .size_bytes = snap.size_bytes,
			   .modified_s = snap.made_s,
			   .used_s = later(snap.used_s, store_use_of(store->uses, snap.id)),
			   .pinned = pinned,
		       });
}

static int list_files(struct store_conn *conn, int64_t snapshot_id, store_file_f *fn, void *arg,
		      struct store_error *err)
{
	const enum store_stmt stmt = STMT_FILE_LIST;
	int status;

	store_index_start(conn, stmt, ARGS(A_INT(snapshot_id)));
	while ((status = store_index_next(conn, stmt, err)) == 1) {
		struct store_file_info info = {
		    .path = store_index_text(conn, stmt, 0),
		    .size = (uint64_t)store_index_int(conn, stmt, 2),
		};

		if (store_index_digest(conn, stmt, 1, &info.digest))
			status = fn(arg, &info);
		else
			status = store_status_fail(err, STORE_INDEX, NULL);
		if (status != 0) {
			store_index_stop(conn, stmt);
			break;
		}
	}
	return status;
}

int store_model_files(struct store *store, const char *model, const char *revision,
		      store_file_f *fn, void *arg, struct store_error *err)
{
	struct store_snapshot snap;
	struct store_conn *conn;
	int status = store_index_reader(store->index, &conn, err);

	if (status != 0)
		return status;
	status = store_snapshot_find(conn, model, revision, &snap, err);
	if (status == 0)
		status = list_files(conn, snap.id, fn, arg, err);
	store_index_done(store->index, conn);
	return status;
}

/* ---- removing --------------------------------------------------------------------------- */

/* 1 if the statement, which selects a constant, finds something; 0 if not; or a status. */
static int any(struct store_conn *conn, enum store_stmt stmt, int64_t id, struct store_error *err)
{
	int status = store_index_row(conn, stmt, ARGS(A_INT(id)), err);

	if (status == 1)
		store_index_stop(conn, stmt);
	return status;
}

int store_model_drop(struct store_conn *conn, int64_t model_id, struct store_error *err)
{
	for (;;) {
		int status = store_index_row(conn, STMT_SNAPSHOT_OF, ARGS(A_INT(model_id)), err);
		int64_t id;

		if (status < 0)
			return status;
		if (status == 0)
			return store_index_exec(conn, STMT_MODEL_DROP, ARGS(A_INT(model_id)), err);
		id = store_index_int(conn, STMT_SNAPSHOT_OF, 0);
		store_index_stop(conn, STMT_SNAPSHOT_OF);
		status = store_snapshot_drop(conn, id, err);
		if (status != 0)
			return status;
	}
}

/*
 * One revision.  Its snapshot goes with the last name for it; a snapshot that
 * is given by its commit goes with all its names; and a model without any name
 * left goes altogether, for nobody could see it any more.
 */
static int drop_revision(struct store_conn *conn, const char *revision,
			 const struct store_snapshot *snap, struct store_error *err)
{
	int status = 0;
	int named = 0;

	if (snap->by_name) {
		status = store_index_exec(conn, STMT_REVISION_DROP,
					  ARGS(A_INT(snap->model_id), A_TEXT(revision)), err);
		if (status == 0)
			named = any(conn, STMT_REVISION_OF, snap->id, err);
		if (named < 0)
			return named;
	}
	if (status == 0 && named == 0)
		status = store_snapshot_drop(conn, snap->id, err);
	if (status != 0)
		return status;
	named = any(conn, STMT_REVISION_ANY, snap->model_id, err);
	if (named != 0)
		return named < 0 ? named : 0;
	return store_model_drop(conn, snap->model_id, err);
}

static int drop(struct store_conn *conn, const char *model, const char *revision,
		struct store_error *err)
{
	struct store_snapshot snap;
	int status;

	if (revision == NULL) {
		status = store_snapshot_model(conn, model, &snap, err);
		return status != 0 ? status : store_model_drop(conn, snap.model_id, err);
	}
	status = store_snapshot_find(conn, model, revision, &snap, err);
	return status != 0 ? status : drop_revision(conn, revision, &snap, err);
}

int store_model_remove(struct store *store, const char *model, const char *revision,
		       struct store_error *err)
{
	struct store_conn *conn;
	int status = store_writable(store, err);

	if (status != 0)
		return status;
	conn = store_index_lock(store->index);
	status = store_manifest_begin(store, conn, err);
	if (status == 0) {
		status = drop(conn, model, revision, err);
		if (status == 0)
			status = store_manifest_commit(store, conn, err);
		else
			store_manifest_rollback(conn);
	}
	if (status == 0)
		atomic_fetch_add(&store->generation, 1);
	store_index_unlock(store->index);
	if (status != 0)
		return status;
	/* the names are gone, as was asked; blobs that cannot go now go another time */
	status = store_collect(store, NULL);
	(void)status;
	return 0;
}

int store_model_pin(struct store *store, const char *model, bool pinned, struct store_error *err)
{
	struct store_snapshot snap;
	struct store_conn *conn;
	int status = store_writable(store, err);

	if (status != 0)
		return status;
	conn = store_index_lock(store->index);
	status = store_manifest_begin(store, conn, err);
	if (status == 0) {
		status = store_snapshot_model(conn, model, &snap, err);
		if (status == 0)
			status = store_index_exec(conn, STMT_MODEL_PIN,
						  ARGS(A_TEXT(snap.model), A_INT(pinned)), err);
		if (status == 0)
			status = store_manifest_commit(store, conn, err);
		else
			store_manifest_rollback(conn);
	}
	store_index_unlock(store->index);
	return status;
}
