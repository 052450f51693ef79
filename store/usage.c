/* SPDX-License-Identifier: MIT */
/*
 * usage.c — what one model takes, and who names a content: for whoever has to
 * decide whether it may go, or where it came from.  Called by the
 * administration; it looks at all files of a model or of a content, so not on
 * the event loop where those are many.  It must never note a use.
 */
#include <config.h>

#include "store/snapshot.h"
#include "store/state.h"
#include "store/status.h"
#include "store/use.h"

static int read_usage(struct store_conn *conn, int64_t model_id, struct store_usage *out,
		      struct store_error *err)
{
	int status = store_index_row(conn, STMT_USAGE, ARGS(A_INT(model_id)), err);

	if (status != 1)
		return status;
	out->stored = (uint64_t)store_index_int(conn, STMT_USAGE, 0);
	out->shared = (uint64_t)store_index_int(conn, STMT_USAGE, 1);
	out->derived = (uint64_t)store_index_int(conn, STMT_USAGE, 2);
	store_index_stop(conn, STMT_USAGE);
	return 0;
}

int store_usage_get(struct store *store, const char *model, struct store_usage *out,
		    struct store_error *err)
{
	struct store_snapshot snap;
	struct store_conn *conn;
	int status = store_index_reader(store->index, &conn, err);

	if (status != 0)
		return status;
	status = store_snapshot_model(conn, model, &snap, err);
	if (status == 0)
		status = read_usage(conn, snap.model_id, out, err);
	store_index_done(store->index, conn);
	return status;
}

static int list(struct store *store, struct store_conn *conn, int64_t model_id, store_usage_f *fn,
		void *arg, struct store_error *err)
{
	const enum store_stmt stmt = STMT_USAGE_SNAPSHOTS;
	int status;

	store_index_start(conn, stmt, ARGS(A_INT(model_id)));
	while ((status = store_index_next(conn, stmt, err)) == 1) {
		const char *name = store_index_text(conn, stmt, 1);
		int64_t written_s = store_index_int(conn, stmt, 5);
		int64_t noted_s = store_use_of(store->uses, store_index_int(conn, stmt, 6));

		status = fn(arg, &(struct store_usage_snapshot){
				     .commit = store_index_text(conn, stmt, 0),
				     .revision = name[0] != '\0' ? name : NULL,
				     .file_count = (uint64_t)store_index_int(conn, stmt, 2),
				     .size_bytes = (uint64_t)store_index_int(conn, stmt, 3),
				     .modified_s = store_index_int(conn, stmt, 4),
				     .used_s = noted_s > written_s ? noted_s : written_s,
				 });
		if (status != 0) {
			store_index_stop(conn, stmt);
			break;
		}
	}
	return status;
}

int store_usage_snapshots(struct store *store, const char *model, store_usage_f *fn, void *arg,
			  struct store_error *err)
{
	struct store_snapshot snap;
	struct store_conn *conn;
	int status = store_index_reader(store->index, &conn, err);

	if (status != 0)
		return status;
	status = store_snapshot_model(conn, model, &snap, err);
	if (status == 0)
		status = list(store, conn, snap.model_id, fn, arg, err);
	store_index_done(store->index, conn);
	return status;
}

int store_usage_holders(struct store *store, const struct store_digest *digest, store_holder_f *fn,
			void *arg, struct store_error *err)
{
	const enum store_stmt stmt = STMT_USAGE_HOLDERS;
	struct store_conn *conn;
	int status = store_index_reader(store->index, &conn, err);

	if (status != 0)
		return status;
	store_index_start(conn, stmt, ARGS(A_DIGEST(digest)));
	while ((status = store_index_next(conn, stmt, err)) == 1) {
		const char *name = store_index_text(conn, stmt, 2);

		status = fn(arg, &(struct store_holder){
				     .model = store_index_text(conn, stmt, 0),
				     .commit = store_index_text(conn, stmt, 1),
				     .revision = name[0] != '\0' ? name : NULL,
				     .path = store_index_text(conn, stmt, 3),
				 });
		if (status != 0) {
			store_index_stop(conn, stmt);
			break;
		}
	}
	store_index_done(store->index, conn);
	return status;
}
