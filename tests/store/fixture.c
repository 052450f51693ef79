/* SPDX-License-Identifier: MIT */
/* fixture.c — see fixture.h. */
#include <config.h>

#include "tests/store/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture fx;

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_tree(const char *dir)
{
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* A temporary folder in the first of these that takes one. */
static void make_parent(const char *const *dirs)
{
	memset(&fx, 0, sizeof(fx));
	for (; *dirs != NULL; dirs++) {
		snprintf(fx.parent, sizeof(fx.parent), "%s/store-test.XXXXXX", *dirs);
		if (mkdtemp(fx.parent) != NULL)
			break;
	}
	ck_assert_msg(*dirs != NULL, "no place for temporary files");
	snprintf(fx.dir, sizeof(fx.dir), "%s/state", fx.parent);
}

/* In memory if possible: the tests sync thousands of times, which a disk is slow to do. */
void fixture_setup_closed(void)
{
	make_parent((const char *const[]){"/dev/shm", "/tmp", ".", NULL});
}

void fixture_setup(void)
{
	fixture_setup_closed();
	fixture_open();
}

void fixture_setup_disk(void)
{
	make_parent((const char *const[]){"/tmp", ".", NULL});
	fixture_open();
}

void fixture_teardown(void)
{
	fixture_close();
	remove_tree(fx.parent);
}

void fixture_open(void)
{
	ok(store_open(&(struct store_opts){.dir = fx.dir}, &fx.store, &fx.err));
}

void fixture_open_degraded(void)
{
	ok(store_open(&(struct store_opts){.dir = fx.dir, .degrade = true}, &fx.store, &fx.err));
}

void fixture_close(void)
{
	store_close(fx.store);
	fx.store = NULL;
}

void fixture_reopen(void)
{
	fixture_close();
	fixture_open();
}

/* ---- copying the folder -------------------------------------------------------------------- */

static char copy_to[400];
static size_t copy_prefix;

static int copy_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char to[1024];
	char buf[65536];
	ssize_t n;
	int in, out;

	(void)st;
	(void)ftw;
	snprintf(to, sizeof(to), "%s%s", copy_to, path + copy_prefix);
	if (type == FTW_D)
		return mkdir(to, 0700);
	in = open(path, O_RDONLY | O_CLOEXEC);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, st->st_mode & 0777);
	if (in < 0 || out < 0)
		return -1;
	while ((n = read(in, buf, sizeof(buf))) > 0) {
		if (write(out, buf, (size_t)n) != n)
			return -1;
	}
	close(in);
	close(out);
	return 0;
}

void fixture_crash(void)
{
	snprintf(copy_to, sizeof(copy_to), "%s.crash", fx.dir);
	copy_prefix = strlen(fx.dir);
	ck_assert_int_eq(nftw(fx.dir, copy_entry, 16, FTW_PHYS), 0);
	fixture_close();
	remove_tree(fx.dir);
	ck_assert_int_eq(rename(copy_to, fx.dir), 0);
}

/* ---- contents ------------------------------------------------------------------------------- */

struct store_digest fixture_put_bytes(const void *data, size_t size)
{
	struct store_digest digest;
	struct store_writer *w;
	uint64_t written;

	ok(store_writer_open(fx.store, &w, &fx.err));
	ok(store_writer_append(w, data, size, &fx.err));
	ok(store_writer_commit(w, NULL, &digest, &written, &fx.err));
	ck_assert_uint_eq(written, size);
	return digest;
}

struct store_digest fixture_put(const char *text)
{
	return fixture_put_bytes(text, strlen(text));
}

struct store_digest fixture_digest(const char *text)
{
	struct store_digest digest;

	ok(store_digest_of(text, strlen(text), &digest));
	return digest;
}

void fixture_import(const char *model, const char *revision, ...)
{
	struct store_import *im;
	const char *path;
	va_list ap;

	ok(store_import_begin(fx.store, model, revision, &im, &fx.err));
	va_start(ap, revision);
	while ((path = va_arg(ap, const char *)) != NULL) {
		struct store_digest digest = fixture_put(va_arg(ap, const char *));

		ok(store_import_add(im, path, &digest, &fx.err));
	}
	va_end(ap);
	ok(store_import_commit(im, fx.commit, &fx.err));
}

bool fixture_reads(const char *model, const char *revision, const char *path, const char *text)
{
	struct store_file file;
	struct store_map *map;
	bool same;

	if (store_file_find(fx.store, model, revision, path, &file, &fx.err) != 0 ||
	    store_map_open(fx.store, &file.digest, &map, &fx.err) != 0)
		return false;
	same = store_map_size(map) == strlen(text) && file.size == strlen(text) &&
	       memcmp(store_map_data(map), text, strlen(text)) == 0;
	store_map_unref(map);
	return same;
}

/* ---- the folder ------------------------------------------------------------------------------ */

const char *fixture_path(const char *fmt, ...)
{
	static char paths[4][1024];
	static unsigned turn;
	char *out = paths[turn++ % 4];
	size_t at = (size_t)snprintf(out, 1024, "%s/", fx.dir);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out + at, 1024 - at, fmt, ap);
	va_end(ap);
	return out;
}

const char *fixture_blob_path(const struct store_digest *digest)
{
	char hex[STORE_DIGEST_HEX + 1];

	store_digest_hex(digest, hex);
	return fixture_path("blobs/%.2s/%s", hex, hex);
}

void fixture_write_file(const char *path, const void *data, size_t size)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	close(fd);
}

void fixture_empty(const char *folder)
{
	DIR *d = opendir(fixture_path("%s", folder));
	struct dirent *e;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.')
			ck_assert_int_eq(unlink(fixture_path("%s/%s", folder, e->d_name)), 0);
	}
	closedir(d);
}

static int count_entries(const char *path)
{
	DIR *d = opendir(path);
	int count = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count - 2;
}

int fixture_count(const char *folder)
{
	int count = 0;

	if (strcmp(folder, "blobs") != 0)
		return count_entries(fixture_path("%s", folder));
	for (int i = 0; i < 256; i++) {
		const char *path = fixture_path("blobs/%02x", (unsigned)i);

		if (access(path, F_OK) == 0)
			count += count_entries(path);
	}
	return count;
}

long long fixture_sql(const char *sql)
{
	long long value = 0;
	sqlite3_stmt *stmt;
	sqlite3 *db;
	int rc;

	ck_assert_int_eq(sqlite3_open(fixture_path("index.sqlite"), &db), SQLITE_OK);
	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
		      sqlite3_errmsg(db));
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	else
		ck_assert_msg(rc == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

bool fixture_as_nobody(void)
{
	const char *fork = getenv("CK_FORK");

	if (fork != NULL && strcmp(fork, "no") == 0)
		return false; /* the other tests need their rights back */
	return geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0);
}

void fixture_check_error(int status)
{
	ck_assert_int_eq(fx.err.status, status);
	ck_assert_uint_gt(strlen(fx.err.text), 0);
	if (fx.parent[0] != '\0')
		ck_assert_msg(strstr(fx.err.text, fx.parent) == NULL, "a path in: %s", fx.err.text);
	ck_assert_msg(strstr(fx.err.text, "/store-test.") == NULL, "a path in: %s", fx.err.text);
}
