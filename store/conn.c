/* SPDX-License-Identifier: MIT */
/*
 * conn.c — opens SQLite's file and makes it the index: pragmas, the schema, the
 * statements.  Called by index.c; must never know what a statement is for.
 *
 * Another process (a backup, a shell) may hold the file: the writer waits
 * BUSY_WRITE_MS, a reader hardly.
 */
#include <config.h>

#include "store/conn.h"
#include "store/must.h"
#include "store/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUSY_WRITE_MS = 5000, BUSY_READ_MS = 2 };

static const struct {
	enum { READ, WRITE } who;
	const char *sql;
} statements[STMT_COUNT] = {
#define STATEMENT(name, who, sql) [STMT_##name] = {who, sql},
#include "store/statements.def"
#undef STATEMENT
};

static const struct {
	int version;
	const char *sql;
} migrations[] = {
#define MIGRATION(version, sql) {version, sql},
#include "store/migrations.def"
#undef MIGRATION
};
enum { NEWEST = sizeof(migrations) / sizeof(migrations[0]) };

static const char temp_schema[] = "CREATE TEMP TABLE added ("
				  "  import_id INTEGER NOT NULL,"
				  "  path TEXT NOT NULL,"
				  "  digest BLOB NOT NULL,"
				  "  size INTEGER NOT NULL,"
				  "  PRIMARY KEY (import_id, path)"
				  ") STRICT, WITHOUT ROWID;"
				  "CREATE INDEX temp.added_digest ON added (digest);";

/* Texts of SQLite's own hold no paths. */
int store_conn_fail(struct store_error *err, int rc)
{
	int status = STORE_IO;

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		status = STORE_BUSY;
		break;
	case SQLITE_FULL:
		status = STORE_FULL;
		break;
	case SQLITE_READONLY:
		status = STORE_READONLY;
		break;
	case SQLITE_NOMEM:
		status = STORE_MEMORY;
		break;
	case SQLITE_IOERR:
		status = rc == SQLITE_IOERR_NOMEM ? STORE_MEMORY : STORE_IO;
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CONSTRAINT:
	case SQLITE_ERROR: /* a table that should be there is not */
	case SQLITE_MISMATCH:
	case SQLITE_SCHEMA:
		status = STORE_INDEX;
		break;
	default:
		break;
	}
	return store_status_fail(err, status, "index: %s", sqlite3_errstr(rc));
}

/* ---- connections ----------------------------------------------------------- */

void store_conn_free(struct store_conn *conn)
{
	if (conn == NULL)
		return;
	for (int i = 0; i < STMT_COUNT; i++)
		sqlite3_finalize(conn->stmt[i]);
	sqlite3_close(conn->db);
	free(conn);
}

static int pragmas(sqlite3 *db, bool writer)
{
	static const char both[] = "PRAGMA trusted_schema = OFF;"
				   "PRAGMA cell_size_check = ON;"
				   "PRAGMA cache_size = -1024;" /* KiB */
				   "PRAGMA temp_store = MEMORY;";
	static const char write[] = "PRAGMA journal_mode = WAL;"
				    "PRAGMA synchronous = FULL;"
				    "PRAGMA foreign_keys = ON;"
				    "PRAGMA journal_size_limit = 4194304;";
	int rc;

	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_busy_timeout(db, writer ? BUSY_WRITE_MS : BUSY_READ_MS);
	rc = sqlite3_exec(db, both, NULL, NULL, NULL);
	if (rc == SQLITE_OK && writer)
		rc = sqlite3_exec(db, write, NULL, NULL, NULL);
	return rc;
}

int store_conn_open(const char *uri, bool writer, struct store_conn **out, struct store_error *err)
{
	int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	struct store_conn *conn = calloc(1, sizeof(*conn));
	int rc;

	if (conn == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	conn->writer = writer;
	flags |= writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	rc = sqlite3_open_v2(uri, &conn->db, flags, NULL);
	if (rc == SQLITE_OK)
		rc = pragmas(conn->db, writer);
	if (rc != SQLITE_OK) {
		int cause = sqlite3_system_errno(conn->db);

		store_conn_free(conn);
		if (rc == SQLITE_CANTOPEN && (cause == EMFILE || cause == ENFILE))
			return store_status_errno(err, cause, "opening the index");
		return store_conn_fail(err, rc);
	}
	*out = conn;
	return 0;
}

int store_conn_prepare(struct store_conn *conn, struct store_error *err)
{
	int rc = SQLITE_OK;

	if (conn->writer)
		rc = sqlite3_exec(conn->db, temp_schema, NULL, NULL, NULL);
	for (int i = 0; rc == SQLITE_OK && i < STMT_COUNT; i++) {
		if (statements[i].who == READ || conn->writer)
			rc = sqlite3_prepare_v3(conn->db, statements[i].sql, -1,
						SQLITE_PREPARE_PERSISTENT, &conn->stmt[i], NULL);
	}
	return rc == SQLITE_OK ? 0 : store_conn_fail(err, rc);
}

/* ---- schema ---------------------------------------------------------------- */

static int version_of(sqlite3 *db, int *out)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* All steps of the schema from ${version}: whole, or not at all, and one wait for the disk. */
static int migrate_from(sqlite3 *db, int version)
{
	char set[64];
	int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	for (int i = version; rc == SQLITE_OK && i < NEWEST; i++) {
		must(migrations[i].version == i + 1);
		rc = sqlite3_exec(db, migrations[i].sql, NULL, NULL, NULL);
	}
	snprintf(set, sizeof(set), "PRAGMA user_version = %d", (int)NEWEST);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, set, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (rc != SQLITE_OK && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

int store_conn_migrate(struct store_conn *conn, struct store_error *err)
{
	int version = 0;
	int rc = version_of(conn->db, &version);

	if (rc != SQLITE_OK)
		return store_conn_fail(err, rc);
	if (version > NEWEST)
		return store_status_fail(err, STORE_VERSION,
					 "the index has version %d, this larder knows up to %d",
					 version, (int)NEWEST);
	if (version < NEWEST && !conn->writer)
		return store_status_fail(err, STORE_VERSION,
					 "the index has version %d and must be opened for writing "
					 "once to become %d",
					 version, (int)NEWEST);
	if (version < NEWEST)
		rc = migrate_from(conn->db, version);
	return rc == SQLITE_OK ? 0 : store_conn_fail(err, rc);
}
