/* SPDX-License-Identifier: MIT */
/* check_index.c — opening, migrating, transactions, readers beside a writer, damage. */
#include <config.h>

#include "store/index.h"
#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct store_index *ix;

static void setup(void)
{
	fixture_setup_closed();
	mkdir(fx.dir, 0700);
	ok(store_index_open(fx.dir, false, &ix, &fx.err));
}

static void teardown(void)
{
	store_index_close(ix);
	ix = NULL;
	fixture_teardown();
}

/* Put a model under the given name, in its own transaction. */
static int put_model(const char *name)
{
	struct store_conn *conn = store_index_lock(ix);
	int status = store_index_exec(conn, STMT_MODEL_PUT, ARGS(A_TEXT(name)), &fx.err);

	store_index_unlock(ix);
	return status;
}

/* How many models a reader sees, or a status. */
static int models(struct store_conn *conn)
{
	int status = store_index_row(conn, STMT_TOTAL, NO_ARGS, &fx.err);

	if (status == 1) {
		status = (int)store_index_int(conn, STMT_TOTAL, 0);
		store_index_stop(conn, STMT_TOTAL);
	}
	return status;
}

START_TEST(it_is_set_up_as_it_must_be)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;

	ok(put_model("m"));
	store_index_close(ix);
	ix = NULL;
	/* nothing but the index stays after an orderly end: the WAL is folded in */
	ck_assert_int_eq(fixture_count(""), 1);
	ck_assert_int_eq(sqlite3_open(fixture_path("index.sqlite"), &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &stmt, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	ck_assert_str_eq((const char *)sqlite3_column_text(stmt, 0), "wal");
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}
END_TEST

START_TEST(readers_do_not_wait_for_the_writer)
{
	struct store_conn *w, *r1, *r2;

	ok(put_model("one"));
	w = store_index_lock(ix);
	ok(store_index_begin(w, &fx.err));
	ok(store_index_exec(w, STMT_MODEL_PUT, ARGS(A_TEXT("two")), &fx.err));
	ok(store_index_reader(ix, &r1, &fx.err));
	ck_assert_int_eq(models(r1), 1);
	ok(store_index_commit(w, &fx.err));
	store_index_unlock(ix);
	ok(store_index_reader(ix, &r2, &fx.err));
	ck_assert_int_eq(models(r1), 1); /* still its own moment */
	ck_assert_int_eq(models(r2), 2);
	store_index_done(ix, r1);
	store_index_done(ix, r2);
}
END_TEST

START_TEST(many_readers_at_once)
{
	struct store_conn *r[12];

	for (size_t i = 0; i < 12; i++)
		ok(store_index_reader(ix, &r[i], &fx.err));
	for (size_t i = 0; i < 12; i++)
		ck_assert_int_eq(models(r[i]), 0);
	for (size_t i = 0; i < 12; i++)
		store_index_done(ix, r[i]);
	ok(store_index_reader(ix, &r[0], &fx.err));
	ck_assert_int_eq(models(r[0]), 0);
	store_index_done(ix, r[0]);
}
END_TEST

START_TEST(rollback_leaves_nothing)
{
	struct store_conn *w = store_index_lock(ix);

	ok(store_index_begin(w, &fx.err));
	ok(store_index_exec(w, STMT_MODEL_PUT, ARGS(A_TEXT("m")), &fx.err));
	fails(store_index_exec(w, STMT_MODEL_PUT, ARGS(A_TEXT("m")), &fx.err), STORE_INDEX);
	store_index_rollback(w);
	store_index_rollback(w); /* once more does no harm */
	ck_assert_int_eq(models(w), 0);
	store_index_unlock(ix);
}
END_TEST

START_TEST(another_process_holds_the_lock)
{
	struct store_conn *r;
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(fixture_path("index.sqlite"), &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	fails(put_model("m"), STORE_BUSY); /* after five seconds */
	ok(store_index_reader(ix, &r, &fx.err));
	ck_assert_int_eq(models(r), 0);
	store_index_done(ix, r);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	ok(put_model("m"));
}
END_TEST

/* ---- versions -------------------------------------------------------------------------------- */

static const char *const steps[] = {
#define MIGRATION(version, sql) sql,
#include "store/migrations.def"
#undef MIGRATION
};
enum { NEWEST = sizeof(steps) / sizeof(steps[0]) };

/* An index as a larder of that version left it, with a row where it had the table. */
static void make_version(int version)
{
	char set[64];
	sqlite3 *db;

	unlink(fixture_path("index.sqlite"));
	ck_assert_int_eq(sqlite3_open(fixture_path("index.sqlite"), &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL),
			 SQLITE_OK);
	for (int i = 0; i < version && i < NEWEST; i++)
		ck_assert_int_eq(sqlite3_exec(db, steps[i], NULL, NULL, NULL), SQLITE_OK);
	if (version >= 1)
		ck_assert_int_eq(
		    sqlite3_exec(db, "INSERT INTO model (name) VALUES ('old')", NULL, NULL, NULL),
		    SQLITE_OK);
	snprintf(set, sizeof(set), "PRAGMA user_version = %d", version);
	ck_assert_int_eq(sqlite3_exec(db, set, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

START_TEST(every_version_is_brought_up_to_date)
{
	struct store_conn *r;

	for (int version = 0; version <= NEWEST; version++) {
		store_index_close(ix);
		ix = NULL;
		make_version(version);
		ok(store_index_open(fx.dir, false, &ix, &fx.err));
		ok(store_index_reader(ix, &r, &fx.err));
		ck_assert_int_eq(models(r), version >= 1);
		store_index_done(ix, r);
		store_index_close(ix);
		ix = NULL;
		ck_assert_int_eq(fixture_sql("PRAGMA user_version"), NEWEST);
		ck_assert_int_eq(fixture_sql("PRAGMA foreign_keys"), 0); /* per connection */
	}
}
END_TEST

START_TEST(a_newer_version_is_refused)
{
	store_index_close(ix);
	ix = NULL;
	make_version(NEWEST + 1);
	fails(store_index_open(fx.dir, false, &ix, &fx.err), STORE_VERSION);
	fails(store_index_open(fx.dir, true, &ix, &fx.err), STORE_VERSION);
	ck_assert_int_eq(fixture_sql("PRAGMA user_version"), NEWEST + 1);
	make_version(0);
	fails(store_index_open(fx.dir, true, &ix, &fx.err), STORE_VERSION);
}
END_TEST

START_TEST(a_migration_is_whole_or_not_at_all)
{
	static const enum fault_call calls[] = {FAULT_SQL_WRITE, FAULT_SQL_SYNC,   FAULT_SQL_FULL,
						FAULT_SQL_READ,  FAULT_SQL_MALLOC, FAULT_SQL_OPEN,
						FAULT_MALLOC};

	store_index_close(ix);
	ix = NULL;
	faultfs_install();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int n = 0;
		int status;

		do {
			long long version;

			make_version(0);
			fault_arm(calls[i], ++n);
			status = store_index_open(fx.dir, false, &ix, &fx.err);
			fault_disarm();
			if (status != 0)
				fixture_check_error(status);
			store_index_close(ix);
			ix = NULL;
			version = fixture_sql("PRAGMA user_version");
			ck_assert(version >= 0 && version <= NEWEST); /* each step is whole */
			ck_assert_int_eq(
			    fixture_sql("SELECT count(*) FROM sqlite_schema WHERE name = 'total'"),
			    version > 0);
			ck_assert_int_eq(
			    fixture_sql(
				"SELECT count(*) FROM sqlite_schema WHERE name = 'derived'"),
			    version > 1);
		} while (status != 0);
		ck_assert_msg(n > 1, "%s never failed", fault_name(calls[i]));
	}
}
END_TEST

/* ---- damage -----------------------------------------------------------------------------------
 */

START_TEST(what_is_not_an_index_is_refused)
{
	char noise[8192];

	store_index_close(ix);
	ix = NULL;
	memset(noise, 0x5a, sizeof(noise));
	fixture_write_file(fixture_path("index.sqlite"), noise, sizeof(noise));
	fails(store_index_open(fx.dir, false, &ix, &fx.err), STORE_INDEX);
	unlink(fixture_path("index.sqlite"));
	fails(store_index_open(fx.dir, true, &ix, &fx.err), STORE_NOT_FOUND);
	mkdir(fixture_path("index.sqlite"), 0700);
	fails(store_index_open(fx.dir, false, &ix, &fx.err), STORE_IO);
}
END_TEST

START_TEST(a_damaged_page_is_noticed)
{
	char noise[4096];
	int status = 0;
	int fd;

	for (int i = 0; i < 500; i++) {
		char name[100];

		snprintf(name, sizeof(name), "model-%080d", i);
		ok(put_model(name));
	}
	store_index_close(ix);
	ix = NULL;
	memset(noise, 0xa5, sizeof(noise));
	fd = open(fixture_path("index.sqlite"), O_WRONLY);
	for (off_t page = 1; page < lseek(fd, 0, SEEK_END) / 4096; page++)
		ck_assert_int_eq(pwrite(fd, noise, sizeof(noise), page * 4096),
				 (ssize_t)sizeof(noise));
	close(fd);
	status = store_index_open(fx.dir, false, &ix, &fx.err);
	if (status == 0)
		status = put_model("one more");
	ck_assert_int_eq(status, STORE_INDEX);
	fixture_check_error(status);
}
END_TEST

START_TEST(odd_names_of_the_folder)
{
	static const char *const names[] = {"with space", "100%", "%41", "a?b", "a#b", "\xc3\xa9"};
	char longest[5000];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct store_index *other;

		mkdir(fixture_path("%s", names[i]), 0700);
		ok(store_index_open(fixture_path("%s", names[i]), false, &other, &fx.err));
		store_index_close(other);
		ck_assert_int_eq(access(fixture_path("%s/index.sqlite", names[i]), F_OK), 0);
		ok(store_index_open(fixture_path("%s", names[i]), true, &other, &fx.err));
		store_index_close(other);
		ck_assert_int_eq(fixture_count(names[i]), 1);
	}
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	fails(store_index_open(longest, false, &ix, &fx.err), STORE_INVALID);
}
END_TEST

Suite *check_store_index(void)
{
	Suite *s = suite_create("store_index");
	TCase *t = tcase_create("index");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, it_is_set_up_as_it_must_be);
	tcase_add_test(t, readers_do_not_wait_for_the_writer);
	tcase_add_test(t, many_readers_at_once);
	tcase_add_test(t, rollback_leaves_nothing);
	tcase_add_test(t, another_process_holds_the_lock);
	tcase_add_test(t, every_version_is_brought_up_to_date);
	tcase_add_test(t, a_newer_version_is_refused);
	tcase_add_test(t, a_migration_is_whole_or_not_at_all);
	tcase_add_test(t, what_is_not_an_index_is_refused);
	tcase_add_test(t, a_damaged_page_is_noticed);
	tcase_add_test(t, odd_names_of_the_folder);
	suite_add_tcase(s, t);
	return s;
}
