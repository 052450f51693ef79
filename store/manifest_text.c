/* SPDX-License-Identifier: MIT */
/*
 * manifest_text.c — manifests as bytes: from the rows of the index, and back.
 * Called by manifest.c and rebuild.c.  It touches neither disk nor lock, and
 * believes nothing that it reads.
 */
#include <config.h>

#include "store/manifest_text.h"
#include "store/manifest.h"
#include "store/name.h"
#include "store/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_LINE "larder model 1\n"

/* ---- writing ----------------------------------------------------------------------- */

static int add(struct store_manifest_text *t, const void *data, size_t size,
	       struct store_error *err)
{
	if (size > t->room - t->size) {
		size_t room = t->room < 512 ? 512 : t->room;
		char *wider;

		while (room - t->size < size) {
			if (__builtin_mul_overflow(room, (size_t)2, &room))
				return store_status_fail(err, STORE_MEMORY, NULL);
		}
		wider = realloc(t->data, room);
		if (wider == NULL)
			return store_status_fail(err, STORE_MEMORY, NULL);
		t->data = wider;
		t->room = room;
	}
	memcpy(t->data + t->size, data, size);
	t->size += size;
	return 0;
}

static int add_text(struct store_manifest_text *t, const char *text, struct store_error *err)
{
	return add(t, text, strlen(text), err);
}

/* The current row of FILE_LIST: path NUL hex NUL size LF. */
static int add_file(struct store_manifest_text *t, struct store_conn *conn, struct store_error *err)
{
	const char *path = store_index_text(conn, STMT_FILE_LIST, 0);
	struct store_digest digest;
	char rest[STORE_DIGEST_HEX + 32];
	int status, n;

	if (!store_index_digest(conn, STMT_FILE_LIST, 1, &digest))
		return store_status_fail(err, STORE_INDEX, NULL);
	store_digest_hex(&digest, rest);
	n = snprintf(rest + STORE_DIGEST_HEX + 1, sizeof(rest) - STORE_DIGEST_HEX - 1,
		     "%" PRId64 "\n", store_index_int(conn, STMT_FILE_LIST, 2));
	status = add(t, path, strlen(path) + 1, err);
	if (status == 0)
		status = add(t, rest, STORE_DIGEST_HEX + 1 + (size_t)n, err);
	return status;
}

/* Is ${commit} the beginning of the digest of these bytes? */
static int is_list(const char *data, size_t size, const char *commit, struct store_error *err)
{
	struct store_digest digest;
	char hex[STORE_DIGEST_HEX + 1];

	if (store_digest_of(data, size, &digest) != 0)
		return store_status_fail(err, STORE_MEMORY, NULL);
	store_digest_hex(&digest, hex);
	return strncmp(hex, commit, STORE_COMMIT_HEX) == 0;
}

int store_manifest_text_snapshot(struct store_conn *conn, int64_t id, const char *commit,
				 struct store_manifest_text *out, struct store_error *err)
{
	int status;

	store_index_start(conn, STMT_FILE_LIST, ARGS(A_INT(id)));
	while ((status = store_index_next(conn, STMT_FILE_LIST, err)) == 1) {
		status = add_file(out, conn, err);
		if (status != 0) {
			store_index_stop(conn, STMT_FILE_LIST);
			return status;
		}
	}
	if (status == 0)
		status = is_list(out->data, out->size, commit, err);
	if (status == 0)
		return store_status_fail(err, STORE_INDEX, "index: the files of %s are not its own",
					 commit);
	return status == 1 ? 0 : status;
}

static int add_pinned(struct store_manifest_text *t, struct store_conn *conn, int64_t id,
		      struct store_error *err)
{
	int status = store_index_row(conn, STMT_MODEL_PINNED, ARGS(A_INT(id)), err);
	bool pinned;

	if (status == 0)
		return store_status_fail(err, STORE_INDEX, NULL);
	if (status != 1)
		return status;
	pinned = store_index_int(conn, STMT_MODEL_PINNED, 0) != 0;
	store_index_stop(conn, STMT_MODEL_PINNED);
	return add_text(t, pinned ? "pinned 1\n" : "pinned 0\n", err);
}

static int add_snapshots(struct store_manifest_text *t, struct store_conn *conn, int64_t id,
			 struct store_error *err)
{
	char line[128];
	int status;

	store_index_start(conn, STMT_SNAPSHOT_OF, ARGS(A_INT(id)));
	while ((status = store_index_next(conn, STMT_SNAPSHOT_OF, err)) == 1) {
		snprintf(line, sizeof(line), "snapshot %.40s %" PRId64 "\n",
			 store_index_text(conn, STMT_SNAPSHOT_OF, 1),
			 store_index_int(conn, STMT_SNAPSHOT_OF, 2));
		status = add_text(t, line, err);
		if (status != 0) {
			store_index_stop(conn, STMT_SNAPSHOT_OF);
			break;
		}
	}
	return status;
}

static int add_revisions(struct store_manifest_text *t, struct store_conn *conn, int64_t id,
			 struct store_error *err)
{
	char line[STORE_REV_MAX + 64];
	int status;

	store_index_start(conn, STMT_REVISIONS_OF, ARGS(A_INT(id)));
	while ((status = store_index_next(conn, STMT_REVISIONS_OF, err)) == 1) {
		snprintf(line, sizeof(line), "revision %.40s %s\n",
			 store_index_text(conn, STMT_REVISIONS_OF, 1),
			 store_index_text(conn, STMT_REVISIONS_OF, 0));
		status = add_text(t, line, err);
		if (status != 0) {
			store_index_stop(conn, STMT_REVISIONS_OF);
			break;
		}
	}
	return status;
}

static int add_sum(struct store_manifest_text *t, struct store_error *err)
{
	char line[STORE_DIGEST_HEX + 8] = "sum ";
	struct store_digest digest;

	if (store_digest_of(t->data, t->size, &digest) != 0)
		return store_status_fail(err, STORE_MEMORY, NULL);
	store_digest_hex(&digest, line + 4);
	line[4 + STORE_DIGEST_HEX] = '\n';
	return add(t, line, 4 + STORE_DIGEST_HEX + 1, err);
}

int store_manifest_text_model(struct store_conn *conn, int64_t id, const char *name,
			      struct store_manifest_text *out, struct store_error *err)
{
	int status = add_text(out, FIRST_LINE "name ", err);

	if (status == 0)
		status = add_text(out, name, err);
	if (status == 0)
		status = add_text(out, "\n", err);
	if (status == 0)
		status = add_pinned(out, conn, id, err);
	if (status == 0)
		status = add_snapshots(out, conn, id, err);
	if (status == 0)
		status = add_revisions(out, conn, id, err);
	return status == 0 ? add_sum(out, err) : status;
}

int store_manifest_text_name(const char *model, char out[STORE_DIGEST_HEX + 1],
			     struct store_error *err)
{
	struct store_digest digest;

	if (store_digest_of(model, strlen(model), &digest) != 0)
		return store_status_fail(err, STORE_MEMORY, NULL);
	store_digest_hex(&digest, out);
	return 0;
}

/* ---- reading ----------------------------------------------------------------------- */

bool store_manifest_is_commit(const char *name)
{
	return strlen(name) == STORE_COMMIT_HEX &&
	       strspn(name, "0123456789abcdef") == STORE_COMMIT_HEX;
}

static int damaged(struct store_error *err)
{
	return store_status_fail(err, STORE_DAMAGED, "a manifest is damaged");
}

/* What lies between two places of the text and has to fit: NUL-terminated in ${out}. */
static bool copy_part(const char *from, const char *end, char *out, size_t room)
{
	size_t size = (size_t)(end - from);

	if (size >= room || memchr(from, '\0', size) != NULL)
		return false;
	memcpy(out, from, size);
	out[size] = '\0';
	return true;
}

/* A decimal number without sign or blanks that ends exactly at ${end}. */
static bool read_number(const char *from, const char *end, int64_t *out)
{
	char digits[24];
	char *stop;

	if (!copy_part(from, end, digits, sizeof(digits)) || digits[0] == '\0' ||
	    strspn(digits, "0123456789") != strlen(digits))
		return false;
	errno = 0;
	*out = strtoll(digits, &stop, 10);
	return errno == 0;
}

static bool begins(const char **at, const char *end, const char *with)
{
	size_t n = strlen(with);

	if ((size_t)(end - *at) < n || memcmp(*at, with, n) != 0)
		return false;
	*at += n;
	return true;
}

static bool read_commit(const char **at, const char *end, char out[STORE_COMMIT_HEX + 1])
{
	if (end - *at <= STORE_COMMIT_HEX || (*at)[STORE_COMMIT_HEX] != ' ' ||
	    !copy_part(*at, *at + STORE_COMMIT_HEX, out, STORE_COMMIT_HEX + 1) ||
	    !store_manifest_is_commit(out))
		return false;
	*at += STORE_COMMIT_HEX + 1;
	return true;
}

static bool read_line(const char *at, const char *end, struct store_manifest_line *out)
{
	memset(out, 0, sizeof(*out));
	if (begins(&at, end, "snapshot ")) {
		out->kind = STORE_LINE_SNAPSHOT;
		return read_commit(&at, end, out->commit) && read_number(at, end, &out->made_s);
	}
	out->kind = STORE_LINE_REVISION;
	return begins(&at, end, "revision ") && read_commit(&at, end, out->commit) &&
	       copy_part(at, end, out->revision, sizeof(out->revision)) &&
	       store_rev_ok(out->revision);
}

/* The lines before the sum, if the sum is right. */
static int check_sum(const char *data, size_t size, const char **ret_end, struct store_error *err)
{
	const size_t tail = 4 + STORE_DIGEST_HEX + 1;
	struct store_digest want, got;
	const char *sum;

	if (size < tail || data[size - 1] != '\n')
		return damaged(err);
	sum = data + size - tail;
	if (memcmp(sum, "sum ", 4) != 0 || !store_digest_parse(sum + 4, STORE_DIGEST_HEX, &want))
		return damaged(err);
	if (store_digest_of(data, size - tail, &got) != 0)
		return store_status_fail(err, STORE_MEMORY, NULL);
	if (!store_digest_equal(&want, &got))
		return damaged(err);
	*ret_end = sum;
	return 0;
}

/* Name and pin; then whether every other line can be read. */
static bool check_model(const char **at, const char *end, char name[STORE_NAME_MAX + 1],
			bool *ret_pinned)
{
	struct store_manifest_line line;
	const char *stop;

	if (!begins(at, end, FIRST_LINE "name "))
		return false;
	stop = memchr(*at, '\n', (size_t)(end - *at));
	if (stop == NULL || !copy_part(*at, stop, name, STORE_NAME_MAX + 1) || !store_name_ok(name))
		return false;
	*at = stop + 1;
	*ret_pinned = begins(at, end, "pinned 1\n");
	if (!*ret_pinned && !begins(at, end, "pinned 0\n"))
		return false;
	for (const char *from = *at; from < end; from = stop + 1) {
		stop = memchr(from, '\n', (size_t)(end - from));
		if (stop == NULL || !read_line(from, stop, &line))
			return false;
	}
	return true;
}

int store_manifest_model(const char *data, size_t size, char name[STORE_NAME_MAX + 1],
			 store_manifest_line_f *fn, void *arg, struct store_error *err)
{
	struct store_manifest_line line = {.kind = STORE_LINE_PINNED};
	const char *at = data, *end = data;
	bool pinned = false;
	int status = check_sum(data, size, &end, err);

	if (status == 0 && !check_model(&at, end, name, &pinned))
		status = damaged(err);
	if (status == 0 && pinned)
		status = fn(arg, &line, err);
	while (status == 0 && at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (stop == NULL || !read_line(at, stop, &line))
			return damaged(err);
		status = fn(arg, &line, err);
		at = stop + 1;
	}
	return status;
}

/* One file; false at what is none. */
static bool read_file(const char **at, const char *end, struct store_file_info *out)
{
	const char *path = *at;
	const char *hex = memchr(path, '\0', (size_t)(end - path));
	const char *stop;
	int64_t size;

	if (hex == NULL || end - hex < STORE_DIGEST_HEX + 3 ||
	    !store_digest_parse(hex + 1, STORE_DIGEST_HEX, &out->digest) ||
	    hex[STORE_DIGEST_HEX + 1] != '\0')
		return false;
	*at = hex + STORE_DIGEST_HEX + 2;
	stop = memchr(*at, '\n', (size_t)(end - *at));
	if (stop == NULL || !read_number(*at, stop, &size) || !store_path_ok(path))
		return false;
	out->path = path;
	out->size = (uint64_t)size;
	*at = stop + 1;
	return true;
}

int store_manifest_files(const char *data, size_t size, const char *commit,
			 store_manifest_file_f *fn, void *arg, struct store_error *err)
{
	struct store_file_info info;
	const char *end = data + size;
	int status = is_list(data, size, commit, err);

	if (status < 0)
		return status;
	if (status == 0)
		return damaged(err);
	for (const char *at = data; at < end;) {
		if (!read_file(&at, end, &info))
			return damaged(err);
	}
	status = 0;
	for (const char *at = data; status == 0 && at < end;) {
		if (!read_file(&at, end, &info))
			return damaged(err);
		status = fn(arg, &info, err);
	}
	return status;
}
