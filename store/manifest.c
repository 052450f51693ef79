/* SPDX-License-Identifier: MIT */
/*
 * manifest.c — the manifests kept as the index says.  Called by everything
 * that changes a name, by fsck.c after a kill, and when the store is opened.
 * It must never let the index acknowledge a name that a lost index could not
 * be given back.
 *
 * Order.  Inside the transaction that changes names: the manifests of what is
 * new or changed are written and synced; then the transaction is committed;
 * then manifests that nothing needs any more are removed.  A kill in between
 * leaves a manifest ahead of the index, or one too many; the next open, which
 * sees that the store was not closed, compares them all.
 */
#include <config.h>

#include "store/manifest.h"
#include "store/fsck.h"
#include "store/manifest_text.h"
#include "store/state.h"
#include "store/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128 };

/* What a row of `stale` says; the order is the one in which they are written. */
enum kind { SNAPSHOT = 0, MODEL = 1 };

struct key {
	enum kind kind;
	char text[STORE_NAME_MAX + 1]; /* a commit, or the name of a model */
};

/* What one transaction has to see to. */
struct due {
	struct key *keys;
	size_t count, room;
};

static int due_add(struct due *due, enum kind kind, const char *text, struct store_error *err)
{
	struct key *key;

	if (due->count == due->room) {
		size_t room = due->room == 0 ? 4 : due->room * 2;
		struct key *wider = reallocarray(due->keys, room, sizeof(*wider));

		if (wider == NULL)
			return store_status_fail(err, STORE_MEMORY, NULL);
		due->keys = wider;
		due->room = room;
	}
	key = &due->keys[due->count];
	key->kind = kind;
	if ((size_t)snprintf(key->text, sizeof(key->text), "%s", text) >= sizeof(key->text) ||
	    (kind == SNAPSHOT && !store_manifest_is_commit(text)))
		return store_status_fail(err, STORE_INDEX, "index: a name that cannot be");
	due->count++;
	return 0;
}

/* At most ${limit} rows of `stale`, in order. */
static int due_read(struct store_conn *conn, size_t limit, struct due *due, struct store_error *err)
{
	const enum store_stmt stmt = STMT_STALE_LIST;
	int status;

	store_index_start(conn, stmt, ARGS(A_INT(limit)));
	while ((status = store_index_next(conn, stmt, err)) == 1) {
		status = due_add(due, store_index_int(conn, stmt, 0) == SNAPSHOT ? SNAPSHOT : MODEL,
				 store_index_text(conn, stmt, 1), err);
		if (status != 0) {
			store_index_stop(conn, stmt);
			break;
		}
	}
	return status;
}

/* The row that a key stands for: 1 and its id, 0 when it is gone, or a status. */
static int find_row(struct store_conn *conn, const struct key *key, int64_t *ret_id,
		    struct store_error *err)
{
	const enum store_stmt stmt =
	    key->kind == SNAPSHOT ? STMT_SNAPSHOT_OF_COMMIT : STMT_MODEL_FIND;
	int status = store_index_row(conn, stmt, ARGS(A_TEXT(key->text)), err);

	if (status == 1) {
		*ret_id = store_index_int(conn, stmt, 0);
		store_index_stop(conn, stmt);
	}
	return status;
}

/* The name of a key's file. */
static int name_of(const struct key *key, char out[STORE_DIGEST_HEX + 1], struct store_error *err)
{
	if (key->kind == MODEL)
		return store_manifest_text_name(key->text, out, err);
	memcpy(out, key->text, STORE_COMMIT_HEX + 1);
	return 0;
}

static enum store_shelf shelf_of(const struct key *key)
{
	return key->kind == SNAPSHOT ? STORE_SHELF_SNAPSHOTS : STORE_SHELF_MODELS;
}

static int render(struct store_conn *conn, const struct key *key, int64_t id,
		  struct store_manifest_text *out, struct store_error *err)
{
	if (key->kind == SNAPSHOT)
		return store_manifest_text_snapshot(conn, id, key->text, out, err);
	return store_manifest_text_model(conn, id, key->text, out, err);
}

/* Write the manifest of what there is; what is gone is left for remove_gone. */
static int write_one(struct store *store, struct store_conn *conn, const struct key *key,
		     bool synced, struct store_error *err)
{
	struct store_manifest_text text = {.data = NULL};
	char name[STORE_DIGEST_HEX + 1];
	int64_t id = 0;
	int status = name_of(key, name, err);

	if (status != 0)
		return status;
	status = find_row(conn, key, &id, err);
	if (status != 1)
		return status;
	if (key->kind == SNAPSHOT &&
	    store_folder_holds(&store->folder, STORE_SHELF_SNAPSHOTS, name))
		return 0; /* of another model, or of an import before this */
	status = render(conn, key, id, &text, err);
	if (status == 0)
		status = store_folder_keep(&store->folder, shelf_of(key), name, text.data,
					   text.size, synced, err);
	free(text.data);
	return status;
}

/* Remove the manifest of what is not in the index (any more): 1 removed, 0 not, or a status. */
static int remove_one(struct store *store, struct store_conn *conn, const struct key *key,
		      struct store_error *err)
{
	char name[STORE_DIGEST_HEX + 1];
	int64_t id;
	int status = name_of(key, name, err);
	int rc;

	if (status != 0)
		return status;
	status = find_row(conn, key, &id, err);
	if (status != 0)
		return status < 0 ? status : 0;
	rc = store_folder_discard(&store->folder, shelf_of(key), name);
	return rc == 0 ? 1 : store_status_errno(err, -rc, "removing a manifest");
}

static bool remove_kind(struct store *store, struct store_conn *conn, const struct due *due,
			enum kind kind)
{
	bool removed = false;

	for (size_t i = 0; i < due->count; i++) {
		int rc = 0;

		if (due->keys[i].kind == kind)
			rc = remove_one(store, conn, &due->keys[i], NULL);
		if (rc < 0)
			store->remains = true;
		removed = removed || rc == 1;
	}
	return removed;
}

/*
 * What stays too long is litter; the next comparison finds it.  A model's
 * manifest is gone from the disk before the lists that it names go, and the
 * blobs after them: else a lost index would get back half a model.
 */
static void remove_gone(struct store *store, struct store_conn *conn, const struct due *due)
{
	if (remove_kind(store, conn, due, MODEL) &&
	    store_folder_settle(&store->folder, STORE_SHELF_MODELS) != 0)
		store->remains = true;
	(void)remove_kind(store, conn, due, SNAPSHOT);
}

/* After a rollback: manifests that got ahead of the index, back to what it says. */
static void undo(struct store *store, struct store_conn *conn, const struct due *due)
{
	for (size_t i = 0; i < due->count; i++) {
		if (write_one(store, conn, &due->keys[i], true, NULL) != 0)
			store->remains = true;
	}
	remove_gone(store, conn, due);
}

/* Everything in ${due} to the disk, and out of `stale`. */
static int write_due(struct store *store, struct store_conn *conn, const struct due *due,
		     struct store_error *err)
{
	bool synced = due->count <= 4; /* many are synced at once */
	int status = 0;

	for (size_t i = 0; status == 0 && i < due->count; i++)
		status = write_one(store, conn, &due->keys[i], synced, err);
	if (status == 0 && !synced)
		status = store_folder_sync(&store->folder, err);
	for (size_t i = 0; status == 0 && i < due->count; i++)
		status = store_index_exec(conn, STMT_STALE_DROP,
					  ARGS(A_INT(due->keys[i].kind), A_TEXT(due->keys[i].text)),
					  err);
	return status;
}

/* ---- transactions -------------------------------------------------------------------- */

int store_manifest_begin(struct store *store, struct store_conn *conn, struct store_error *err)
{
	int status = store_fsck_mark_locked(store, conn, err);

	return status == 0 ? store_index_begin(conn, err) : status;
}

void store_manifest_rollback(struct store_conn *conn)
{
	store_index_rollback(conn);
}

/* The rest of a transaction: at most ${limit} manifests, the commit, what is removed. */
static int finish(struct store *store, struct store_conn *conn, size_t limit, size_t *ret_count,
		  struct store_error *err)
{
	struct due due = {.keys = NULL};
	int status = due_read(conn, limit, &due, err);

	if (status == 0)
		status = write_due(store, conn, &due, err);
	if (status == 0)
		status = store_index_commit(conn, err);
	else
		store_index_rollback(conn);
	if (status == 0)
		remove_gone(store, conn, &due);
	else
		undo(store, conn, &due);
	*ret_count = due.count;
	free(due.keys);
	return store_health_wrote(store, status, err);
}

int store_manifest_commit(struct store *store, struct store_conn *conn, struct store_error *err)
{
	size_t count;

	return finish(store, conn, INT32_MAX, &count, err);
}

int store_manifest_settle(struct store *store, struct store_error *err)
{
	struct store_conn *conn = store_index_lock(store->index);
	size_t count = 0;
	int status;

	do {
		struct due due = {.keys = NULL};

		status = due_read(conn, 1, &due, err);
		count = due.count;
		free(due.keys);
		if (status == 0 && count > 0) {
			status = store_manifest_begin(store, conn, err);
			if (status == 0)
				status = finish(store, conn, BATCH, &count, err);
		}
	} while (status == 0 && count > 0);
	store_index_unlock(store->index);
	return status;
}

/* ---- comparing ----------------------------------------------------------------------- */

/* Note in `stale` what is not as the index says.  A bad list must go to be written anew. */
static int compare_one(struct store *store, struct store_conn *conn, const struct key *key,
		       int64_t id, struct store_error *err)
{
	struct store_manifest_text want = {.data = NULL};
	char name[STORE_DIGEST_HEX + 1];
	char *data = NULL;
	size_t size = 0;
	bool same = false;
	int status = name_of(key, name, err);

	if (status == 0)
		status = render(conn, key, id, &want, err);
	if (status == 0 &&
	    store_folder_read(&store->folder, shelf_of(key), name, &data, &size, NULL) == 0)
		same = size == want.size && memcmp(data, want.data, size) == 0;
	free(data);
	free(want.data);
	if (status != 0 || same)
		return status;
	if (key->kind == SNAPSHOT)
		(void)store_folder_discard(&store->folder, STORE_SHELF_SNAPSHOTS, name);
	return store_index_exec(conn, STMT_STALE_PUT, ARGS(A_INT(key->kind), A_TEXT(key->text)),
				err);
}

/* Every row of a kind, one at a time, so that nobody waits for long. */
static int compare_rows(struct store *store, enum kind kind, struct store_error *err)
{
	const enum store_stmt stmt = kind == SNAPSHOT ? STMT_SNAPSHOT_AFTER : STMT_MODEL_AFTER;
	struct key *key = malloc(sizeof(*key));
	int64_t id = 0;
	int status;

	if (key == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	key->kind = kind;
	do {
		struct store_conn *conn = store_index_lock(store->index);

		status = store_index_row(conn, stmt, ARGS(A_INT(id)), err);
		if (status == 1) {
			id = store_index_int(conn, stmt, 0);
			snprintf(key->text, sizeof(key->text), "%s",
				 store_index_text(conn, stmt, 1));
			store_index_stop(conn, stmt);
			status = compare_one(store, conn, key, id, err);
			status = status == 0 ? 1 : status;
		}
		store_index_unlock(store->index);
	} while (status == 1);
	free(key);
	return status;
}

/* A file in snapshots/ that no snapshot is named for. */
static int sort_out_snapshot(void *arg, const char *name, struct store_error *err)
{
	struct store *store = arg;
	struct store_conn *conn;
	struct key key = {.kind = SNAPSHOT};
	int status;

	if (!store_manifest_is_commit(name))
		return 0; /* none of ours */
	memcpy(key.text, name, STORE_COMMIT_HEX + 1);
	conn = store_index_lock(store->index);
	status = remove_one(store, conn, &key, err);
	store_index_unlock(store->index);
	return status < 0 ? status : 0;
}

static int ignore_line(void *arg, const struct store_manifest_line *line, struct store_error *err)
{
	(void)arg;
	(void)line;
	(void)err;
	return 0;
}

/* A file in models/: the model that it speaks of tells whether it is wanted. */
static int sort_out_model(void *arg, const char *name, struct store_error *err)
{
	struct store *store = arg;
	struct store_conn *conn;
	struct store_digest digest;
	struct key key = {.kind = MODEL};
	char right[STORE_DIGEST_HEX + 1] = "";
	char *data;
	size_t size;
	int status;

	if (!store_digest_parse(name, strlen(name), &digest))
		return 0;
	status = store_folder_read(&store->folder, STORE_SHELF_MODELS, name, &data, &size, err);
	if (status != 0)
		return status;
	status = store_manifest_model(data, size, key.text, ignore_line, NULL, err);
	free(data);
	if (status == 0)
		status = store_manifest_text_name(key.text, right, err);
	if (status == STORE_DAMAGED || (status == 0 && strcmp(right, name) != 0)) {
		int rc = store_folder_discard(&store->folder, STORE_SHELF_MODELS, name);

		return rc == 0 ? 0 : store_status_errno(err, -rc, "removing a manifest");
	}
	if (status != 0)
		return status;
	conn = store_index_lock(store->index);
	status = remove_one(store, conn, &key, err);
	store_index_unlock(store->index);
	return status < 0 ? status : 0;
}

int store_manifest_compare(struct store *store, struct store_error *err)
{
	int status;

	status =
	    store_folder_walk(&store->folder, STORE_SHELF_SNAPSHOTS, sort_out_snapshot, store, err);
	if (status == 0)
		status = store_folder_walk(&store->folder, STORE_SHELF_MODELS, sort_out_model,
					   store, err);
	if (status == 0)
		status = compare_rows(store, SNAPSHOT, err);
	if (status == 0)
		status = compare_rows(store, MODEL, err);
	return status == 0 ? store_manifest_settle(store, err) : status;
}
