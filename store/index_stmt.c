/* SPDX-License-Identifier: MIT */
/*
 * index_stmt.c — runs the statements of statements.def and reads their columns.
 * Called by every file of store/ that needs a row, with a connection that
 * index.c gave; must never keep a row beyond its statement.
 */
#include <config.h>

#include "store/conn.h"
#include "store/must.h"
#include "store/status.h"

#include <string.h>

/* Keep in mind what a connection failed with, or that it does no longer. */
static void note(struct store_conn *conn, int status)
{
	int known = atomic_load_explicit(conn->trouble, memory_order_relaxed);

	if (status == STORE_MEMORY || known == STORE_INDEX || known == status)
		return;
	atomic_store_explicit(conn->trouble, status, memory_order_relaxed);
}

void store_index_start(struct store_conn *conn, enum store_stmt stmt, const struct store_arg *args)
{
	sqlite3_stmt *s = conn->stmt[stmt];

	if (conn->db == NULL)
		return;
	must(s != NULL);
	must(!sqlite3_stmt_busy(s));
	for (int i = 1; args->kind != ARG_END; i++, args++) {
		int rc = SQLITE_MISUSE;

		if (args->kind == ARG_INT)
			rc = sqlite3_bind_int64(s, i, args->number);
		else if (args->kind == ARG_TEXT)
			rc = sqlite3_bind_text(s, i, args->text, -1, SQLITE_STATIC);
		else if (args->kind == ARG_DIGEST)
			rc = sqlite3_bind_blob(s, i, args->digest->bytes, STORE_DIGEST_BYTES,
					       SQLITE_STATIC);
		must(rc == SQLITE_OK);
	}
}

int store_index_next(struct store_conn *conn, enum store_stmt stmt, struct store_error *err)
{
	sqlite3_stmt *s = conn->stmt[stmt];
	int rc, status;

	if (conn->db == NULL) {
		const struct store_error *why = conn->refusal;

		return store_status_fail(err, why->status, "%s", why->text);
	}
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		return 1;
	store_index_stop(conn, stmt);
	status = rc == SQLITE_DONE ? 0 : store_conn_fail(err, rc);
	/* a broken constraint is no trouble of the disk's */
	if ((rc & 0xff) != SQLITE_CONSTRAINT)
		note(conn, status);
	return status;
}

void store_index_stop(struct store_conn *conn, enum store_stmt stmt)
{
	if (conn->db == NULL)
		return;
	sqlite3_reset(conn->stmt[stmt]);
	sqlite3_clear_bindings(conn->stmt[stmt]); /* they point to the caller's memory */
}

int store_index_row(struct store_conn *conn, enum store_stmt stmt, const struct store_arg *args,
		    struct store_error *err)
{
	store_index_start(conn, stmt, args);
	return store_index_next(conn, stmt, err);
}

int store_index_exec(struct store_conn *conn, enum store_stmt stmt, const struct store_arg *args,
		     struct store_error *err)
{
	int status = store_index_row(conn, stmt, args, err);

	must(status != 1);
	return status;
}

int64_t store_index_int(struct store_conn *conn, enum store_stmt stmt, int column)
{
	return sqlite3_column_int64(conn->stmt[stmt], column);
}

const char *store_index_text(struct store_conn *conn, enum store_stmt stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(conn->stmt[stmt], column);

	return text == NULL ? "" : (const char *)text;
}

bool store_index_digest(struct store_conn *conn, enum store_stmt stmt, int column,
			struct store_digest *out)
{
	const void *bytes = sqlite3_column_blob(conn->stmt[stmt], column);

	if (bytes == NULL || sqlite3_column_bytes(conn->stmt[stmt], column) != STORE_DIGEST_BYTES)
		return false;
	memcpy(out->bytes, bytes, STORE_DIGEST_BYTES);
	return true;
}

int64_t store_index_changes(struct store_conn *conn)
{
	return conn->db == NULL ? 0 : sqlite3_changes64(conn->db);
}

int64_t store_index_last_id(struct store_conn *conn)
{
	return conn->db == NULL ? 0 : sqlite3_last_insert_rowid(conn->db);
}
