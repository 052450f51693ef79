/* SPDX-License-Identifier: MIT */
/*
 * snapshot.c — what a revision means right now.  Called by file.c and model.c
 * with a connection of theirs, so that what they ask next is of the same
 * state.  It never notes a use.
 */
#include <config.h>

#include "store/name.h"
#include "store/snapshot.h"
#include "store/status.h"

#include <stdio.h>
#include <string.h>

enum { PREFIX_MIN = 7 }; /* digits of the shortest abbreviation of a commit */

int store_snapshot_model(struct store_conn *conn, const char *model, struct store_snapshot *out,
			 struct store_error *err)
{
	int status = 0;

	if (store_name_real(model, out->model))
		status = store_index_row(conn, STMT_MODEL_FIND, ARGS(A_TEXT(out->model)), err);
	if (status < 0)
		return status;
	if (status == 0)
		return store_status_fail(err, STORE_NOT_FOUND, "model '%.200s' is not stored",
					 model);
	out->model_id = store_index_int(conn, STMT_MODEL_FIND, 0);
	store_index_stop(conn, STMT_MODEL_FIND);
	return 0;
}

/* The current row of one of the statements that give a snapshot. */
static void read_row(struct store_conn *conn, enum store_stmt stmt, struct store_snapshot *out)
{
	out->id = store_index_int(conn, stmt, 0);
	snprintf(out->commit, sizeof(out->commit), "%s", store_index_text(conn, stmt, 1));
	out->made_s = store_index_int(conn, stmt, 2);
	out->used_s = store_index_int(conn, stmt, 3);
	out->file_count = (uint64_t)store_index_int(conn, stmt, 4);
	out->size_bytes = (uint64_t)store_index_int(conn, stmt, 5);
}

/* 1 found, 0 not, negative an error. */
static int find_named(struct store_conn *conn, const char *revision, struct store_snapshot *out,
		      struct store_error *err)
{
	int status = store_index_row(conn, STMT_SNAPSHOT_NAMED,
				     ARGS(A_INT(out->model_id), A_TEXT(revision)), err);

	if (status != 1)
		return status;
	read_row(conn, STMT_SNAPSHOT_NAMED, out);
	store_index_stop(conn, STMT_SNAPSHOT_NAMED);
	out->by_name = true;
	return 1;
}

/* Is it a commit or the beginning of one?  ${*ret_digits} is how many it has. */
static bool is_commit(const char *revision, size_t *ret_digits)
{
	size_t n = strspn(revision, "0123456789abcdef");

	*ret_digits = n;
	return revision[n] == '\0' && n >= PREFIX_MIN && n <= STORE_COMMIT_HEX;
}

/* The same for a commit; the beginning of two is an error of its own. */
static int find_commit(struct store_conn *conn, const char *revision, struct store_snapshot *out,
		       struct store_error *err)
{
	char after[STORE_COMMIT_HEX + 2];
	size_t digits;
	int status;

	if (!is_commit(revision, &digits))
		return 0;
	snprintf(after, sizeof(after), "%sg", revision); /* g follows the last hex digit */
	store_index_start(conn, STMT_SNAPSHOT_BETWEEN,
			  ARGS(A_INT(out->model_id), A_TEXT(revision), A_TEXT(after)));
	status = store_index_next(conn, STMT_SNAPSHOT_BETWEEN, err);
	if (status != 1)
		return status;
	read_row(conn, STMT_SNAPSHOT_BETWEEN, out);
	status = store_index_next(conn, STMT_SNAPSHOT_BETWEEN, err);
	if (status < 0)
		return status;
	if (status == 1) {
		store_index_stop(conn, STMT_SNAPSHOT_BETWEEN);
		return store_status_fail(err, STORE_NOT_FOUND,
					 "'%s' is the beginning of several commits", revision);
	}
	out->by_commit = digits == STORE_COMMIT_HEX;
	return 1;
}

int store_snapshot_find(struct store_conn *conn, const char *model, const char *revision,
			struct store_snapshot *out, struct store_error *err)
{
	int status;

	memset(out, 0, sizeof(*out));
	status = store_snapshot_model(conn, model, out, err);
	if (status != 0)
		return status;
	status = find_named(conn, revision, out, err);
	if (status == 0)
		status = find_commit(conn, revision, out, err);
	if (status == 0)
		return store_status_fail(err, STORE_NOT_FOUND,
					 "model '%.120s' has no revision '%.120s'", out->model,
					 revision);
	return status == 1 ? 0 : status;
}

int store_snapshot_drop(struct store_conn *conn, int64_t id, struct store_error *err)
{
	static const enum store_stmt steps[] = {STMT_REVISION_DROP_OF, STMT_FILE_DROP_OF,
						STMT_SNAPSHOT_DROP};
	int status = 0;

	for (size_t i = 0; status == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		status = store_index_exec(conn, steps[i], ARGS(A_INT(id)), err);
	return status;
}
