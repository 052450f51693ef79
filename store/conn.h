/* SPDX-License-Identifier: MIT */
/*
 * conn.h — one connection to the index: private to conn.c, which opens it and
 * brings the schema up to date, index.c, which keeps them, and index_stmt.c,
 * which runs the statements.  Used by one thread at a time.
 */
#ifndef LARDER_STORE_CONN_H
#define LARDER_STORE_CONN_H

#include "store/index.h"

#include <sqlite3.h>
#include <stdatomic.h>

struct store_conn {
	sqlite3 *db; /* NULL: every statement fails with ${refusal} */
	const struct store_error *refusal;
	atomic_int *trouble; /* the index's: what the last statement failed with, 0 = it did not */
	sqlite3_stmt *stmt[STMT_COUNT]; /* NULL where the statement is not for this connection */
	bool writer;
	struct store_conn *next; /* in the list of idle readers */
};

/*
 * store_conn_open(uri, writer, out, err): opens the file that the URI names (SQLite's `file:`
 * form), without statements yet; a writer creates it.  The caller sets ${refusal} and ${trouble}.
 * Errors are those of store_conn_fail.
 */
int store_conn_open(const char *uri, bool writer, struct store_conn **out,
		    struct store_error *err) STORE_MUST_CHECK;
void store_conn_free(struct store_conn *conn); /* NULL is allowed */
/* store_conn_migrate(conn, err): the steps of migrations.def that are missing, each whole or not at
 * all.  STORE_VERSION: a newer larder wrote the index, or a reader met an old one. */
int store_conn_migrate(struct store_conn *conn, struct store_error *err) STORE_MUST_CHECK;
/* store_conn_prepare(conn, err): the statements of statements.def that are for it. */
int store_conn_prepare(struct store_conn *conn, struct store_error *err) STORE_MUST_CHECK;
/* store_conn_fail(err, rc): the status that an SQLite result stands for, with its text. */
int store_conn_fail(struct store_error *err, int rc);

#endif
