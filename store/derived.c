/* SPDX-License-Identifier: MIT */
/*
 * derived.c — blobs that can be made again from others.  Called by whoever
 * makes something expensive of a blob and would rather keep it: compression,
 * chunk lists, packed weights.  A derived blob is an ordinary one; a row of
 * `derived` keeps it, as a row of `file` keeps a named one.
 *
 * It must never be the only home of content: evict.c takes derived blobs first
 * and asks nobody.  A row goes with the row of its source (the schema's
 * cascade), and collect.c then finds that nothing keeps the blob.
 */
#include <config.h>

#include "store/index.h"
#include "store/state.h"
#include "store/status.h"
#include "store/use.h"

#include <string.h>

/* A kind is part of a key, and is shown to people. */
static int check_kind(const char *kind, struct store_error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789:.-_";
	size_t n = strnlen(kind, STORE_KIND_MAX + 1);

	if (n == 0 || n > STORE_KIND_MAX || strspn(kind, allowed) != n)
		return store_status_fail(err, STORE_INVALID,
					 "'%.80s' is no kind of derived content", kind);
	return 0;
}

static int not_found(const char *kind, struct store_error *err)
{
	return store_status_fail(err, STORE_NOT_FOUND, "no %s of that content is kept", kind);
}

int store_derived_find(struct store *store, const struct store_digest *source, const char *kind,
		       struct store_derived *out, struct store_error *err)
{
	const enum store_stmt stmt = STMT_DERIVED_FIND;
	struct store_derived found;
	struct store_conn *conn;
	bool well = false;
	int64_t id = 0;
	int status = check_kind(kind, err);

	if (status == 0)
		status = store_index_reader(store->index, &conn, err);
	if (status != 0)
		return status;
	status = store_index_row(conn, stmt, ARGS(A_DIGEST(source), A_TEXT(kind)), err);
	if (status == 1) {
		id = store_index_int(conn, stmt, 0);
		well = store_index_digest(conn, stmt, 1, &found.digest) &&
		       store_index_int(conn, stmt, 3) == 0;
		found.size = (uint64_t)store_index_int(conn, stmt, 2);
		store_index_stop(conn, stmt);
	}
	store_index_done(store->index, conn);
	if (status < 0)
		return status;
	if (!well)
		return not_found(kind, err);
	store_use_note(store->uses, STORE_USE_DERIVED(id), store_now_s());
	*out = found;
	return 0;
}

/* Why DERIVED_PUT found nothing to do. */
static int why_not(struct store_conn *conn, const struct store_digest *source,
		   struct store_error *err)
{
	int status = store_index_row(conn, STMT_BLOB_FIND, ARGS(A_DIGEST(source)), err);
	bool damaged;

	if (status < 0)
		return status;
	if (status == 0)
		return store_status_fail(err, STORE_NOT_FOUND,
					 "the content that this was made of is not stored");
	damaged = store_index_int(conn, STMT_BLOB_FIND, 1) != 0;
	store_index_stop(conn, STMT_BLOB_FIND);
	if (damaged)
		return store_status_fail(err, STORE_DAMAGED,
					 "the content that this was made of is damaged");
	return store_status_fail(err, STORE_NOT_FOUND, "what was derived is not stored");
}

/* Inside a transaction: the row, which takes the place of a claim. */
static int name(struct store_conn *conn, const struct store_digest *source, const char *kind,
		const struct store_digest *digest, struct store_error *err)
{
	int status = store_index_exec(
	    conn, STMT_DERIVED_PUT,
	    ARGS(A_DIGEST(source), A_TEXT(kind), A_DIGEST(digest), A_INT(store_now_s())), err);

	if (status == 0 && store_index_changes(conn) == 0)
		status = why_not(conn, source, err);
	if (status == 0)
		status = store_index_exec(conn, STMT_BLOB_UNCLAIM, ARGS(A_DIGEST(digest)), err);
	return status;
}

int store_derived_name(struct store *store, const struct store_digest *source, const char *kind,
		       const struct store_digest *digest, struct store_error *err)
{
	struct store_conn *conn;
	int status = store_writable(store, err);

	if (status == 0)
		status = check_kind(kind, err);
	if (status != 0)
		return status;
	if (store_digest_equal(source, digest))
		return store_status_fail(err, STORE_INVALID, "content cannot be derived of itself");
	conn = store_index_lock(store->index);
	status = store_index_begin(conn, err);
	if (status == 0) {
		status = name(conn, source, kind, digest, err);
		if (status == 0)
			status = store_index_commit(conn, err);
		else
			store_index_rollback(conn);
	}
	store_index_unlock(store->index);
	return status;
}

int store_derived_put(struct store *store, const struct store_digest *source, const char *kind,
		      const void *data, size_t size, struct store_derived *out,
		      struct store_error *err)
{
	const struct store_part whole = {data, size};

	return store_derived_put_parts(store, source, kind, &whole, 1, out, err);
}

int store_derived_put_parts(struct store *store, const struct store_digest *source,
			    const char *kind, const struct store_part *parts, size_t count,
			    struct store_derived *out, struct store_error *err)
{
	struct store_derived made = {.size = 0};
	struct store_writer *w;
	int status = check_kind(kind, err);

	for (size_t i = 0; i < count; i++)
		made.size += parts[i].size; /* all of it is in memory: no overflow */
	if (status == 0 && !store_blob_has(store, source, NULL))
		status = store_status_fail(err, STORE_NOT_FOUND,
					   "the content that this was made of is not stored");
	if (status == 0)
		status = store_evict_derived(store, made.size, err);
	if (status == 0)
		status = store_writer_open(store, &w, err);
	if (status != 0)
		return status;
	for (size_t i = 0; i < count && status == 0; i++)
		status = store_writer_append(w, parts[i].data, parts[i].size, err);
	if (status != 0) {
		store_writer_abort(w);
		return status;
	}
	status = store_writer_commit(w, NULL, &made.digest, NULL, err);
	if (status == 0)
		status = store_derived_name(store, source, kind, &made.digest, err);
	if (status == 0)
		*out = made;
	return status;
}

int store_derived_drop(struct store *store, const struct store_digest *source, const char *kind,
		       struct store_error *err)
{
	struct store_conn *conn;
	int status = store_writable(store, err);

	if (status == 0)
		status = check_kind(kind, err);
	if (status != 0)
		return status;
	conn = store_index_lock(store->index);
	status =
	    store_index_exec(conn, STMT_DERIVED_DROP, ARGS(A_DIGEST(source), A_TEXT(kind)), err);
	if (status == 0 && store_index_changes(conn) == 0)
		status = not_found(kind, err);
	store_index_unlock(store->index);
	return status;
}
