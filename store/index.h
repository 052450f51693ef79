/* SPDX-License-Identifier: MIT */
/*
 * index.h — the index as named statements.  Other files of store/ say which
 * statement, with which values, and read its columns; only conn.c, index.c and
 * index_stmt.c speak SQLite.
 *
 * There is one connection that writes, under a mutex, and as many that read as
 * are wanted at once.  A reader never waits for the writer (WAL).
 */
#ifndef LARDER_STORE_INDEX_H
#define LARDER_STORE_INDEX_H

#include "store/store.h"

enum store_stmt {
#define STATEMENT(name, who, sql) STMT_##name,
#include "store/statements.def"
#undef STATEMENT
	STMT_COUNT,
};

struct store_index; /* opaque: the open index */
struct store_conn;  /* opaque: one connection, used by one thread at a time */

/* One value for a `?` of a statement; borrowed until the statement ends. */
struct store_arg {
	enum { ARG_END, ARG_INT, ARG_TEXT, ARG_DIGEST } kind;
	int64_t number;
	const char *text;
	const struct store_digest *digest;
};
#define A_INT(n) ((struct store_arg){.kind = ARG_INT, .number = (int64_t)(n)})
#define A_TEXT(s) ((struct store_arg){.kind = ARG_TEXT, .text = (s)})
#define A_DIGEST(d) ((struct store_arg){.kind = ARG_DIGEST, .digest = (d)})
#define ARGS(...) ((const struct store_arg[]){__VA_ARGS__, {.kind = ARG_END}})
#define NO_ARGS ((const struct store_arg[]){{.kind = ARG_END}})

/*
 * store_index_open(dir, read_only, out, err): open ${dir}/index.sqlite, bring
 * its schema to the newest version.  STORE_VERSION when a newer larder wrote
 * it, STORE_INDEX when it is damaged.
 */
int store_index_open(const char *dir, bool read_only, struct store_index **out,
		     struct store_error *err) STORE_MUST_CHECK;
void store_index_close(struct store_index *index); /* NULL is allowed */

/*
 * store_index_lost(dir, read_only, why, out, err): in place of an index that
 * cannot be opened: every reader and every statement of the writer fails with
 * ${why}, until store_index_swap succeeds.
 */
int store_index_lost(const char *dir, bool read_only, const struct store_error *why,
		     struct store_index **out, struct store_error *err) STORE_MUST_CHECK;
/* store_index_is_lost(index, why): and why; ${why} may be NULL. */
bool store_index_is_lost(struct store_index *index, struct store_error *why);
/* store_index_fresh(index, name, out, err): a new one, empty, as ${name} in the same folder. */
int store_index_fresh(const struct store_index *index, const char *name, struct store_index **out,
		      struct store_error *err) STORE_MUST_CHECK;
/*
 * store_index_hold(index, status, text): from now on whoever locks the writer
 * is given one whose statements fail like that; readers go on.  False when it
 * is held already.  store_index_release ends it.
 */
bool store_index_hold(struct store_index *index, int status, const char *text);
void store_index_release(struct store_index *index);
/*
 * store_index_swap(index, read_only, fn, arg, err): close every connection,
 * which waits for readers; call fn(arg, err), which may put another file in
 * place; open what is there.  Meanwhile readers fail with STORE_BUSY.  An error
 * of ${fn} is returned, but the index opened all the same; an index that cannot
 * be opened is lost from then on.
 */
typedef int store_index_swap_f(void *arg, struct store_error *err);
int store_index_swap(struct store_index *index, bool read_only, store_index_swap_f *fn, void *arg,
		     struct store_error *err) STORE_MUST_CHECK;
/*
 * store_index_trouble(index, read, write): the last failures that nothing has
 * succeeded after: damage stays until a swap; status 0 where there is none.
 */
void store_index_trouble(struct store_index *index, struct store_error *read,
			 struct store_error *write);

/* store_index_lock: the writer, until unlock; waits for whoever has it. */
struct store_conn *store_index_lock(struct store_index *index);
void store_index_unlock(struct store_index *index);
/*
 * store_index_begin … commit or rollback: one transaction on a connection.
 * Outside of one each statement is its own.  A failed commit is rolled back.
 * On the writer, 0 from commit means: on the disk.
 */
int store_index_begin(struct store_conn *conn, struct store_error *err) STORE_MUST_CHECK;
int store_index_commit(struct store_conn *conn, struct store_error *err) STORE_MUST_CHECK;
void store_index_rollback(struct store_conn *conn);

/*
 * store_index_reader(index, out, err): a connection that reads, in a
 * transaction: all its statements see the same state.  Give it back with done.
 */
int store_index_reader(struct store_index *index, struct store_conn **out,
		       struct store_error *err) STORE_MUST_CHECK;
void store_index_done(struct store_index *index, struct store_conn *conn);

/* store_index_exec(conn, stmt, args, err): run a statement that gives no rows. */
int store_index_exec(struct store_conn *conn, enum store_stmt stmt, const struct store_arg *args,
		     struct store_error *err) STORE_MUST_CHECK;
/*
 * store_index_start(conn, stmt, args), then store_index_next until it is not 1:
 * 1 a row, 0 the end, negative an error.  Leaving early needs store_index_stop.
 * Texts are valid until the next call for the same statement.
 */
void store_index_start(struct store_conn *conn, enum store_stmt stmt, const struct store_arg *args);
int store_index_next(struct store_conn *conn, enum store_stmt stmt,
		     struct store_error *err) STORE_MUST_CHECK;
void store_index_stop(struct store_conn *conn, enum store_stmt stmt);
/* store_index_row(conn, stmt, args, err): start and the first next; the caller stops it. */
int store_index_row(struct store_conn *conn, enum store_stmt stmt, const struct store_arg *args,
		    struct store_error *err) STORE_MUST_CHECK;
int64_t store_index_int(struct store_conn *conn, enum store_stmt stmt, int column);
const char *store_index_text(struct store_conn *conn, enum store_stmt stmt, int column);
/* store_index_digest: false when the column does not hold 32 bytes. */
bool store_index_digest(struct store_conn *conn, enum store_stmt stmt, int column,
			struct store_digest *out);
/* store_index_changes: rows that the last exec on this connection changed. */
int64_t store_index_changes(struct store_conn *conn);
/* store_index_last_id: the id that the last insert on this connection made. */
int64_t store_index_last_id(struct store_conn *conn);

#endif
