/* SPDX-License-Identifier: MIT */
/* check_health.c — a disk that is full, read-only or damaged: said, survived, over. */
#include <config.h>

#include "store/state.h"
#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

static struct store_health health;

static int look(void)
{
	store_health_get(fx.store, &health);
	ck_assert_int_eq(health.status == 0, health.text[0] == '\0');
	ck_assert_ptr_null(strstr(health.text, fx.parent));
	return health.status;
}

/* Store one blob; the status. */
static int put(const char *text)
{
	struct store_digest digest;
	struct store_writer *w;
	int status = store_writer_open(fx.store, &w, &fx.err);

	if (status != 0)
		return status;
	status = store_writer_append(w, text, strlen(text), &fx.err);
	if (status == 0)
		return store_writer_commit(w, NULL, &digest, NULL, &fx.err);
	store_writer_abort(w);
	return status;
}

START_TEST(well)
{
	ck_assert_int_eq(look(), 0);
	fixture_import("m", "main", "f", "1", NULL);
	ck_assert_int_eq(look(), 0);
	ck_assert(!health.read_only);
	ck_assert(!health.index_lost);
	ck_assert_uint_eq(health.damaged, 0);
	ok(store_health_retry(fx.store, &fx.err));
}
END_TEST

START_TEST(a_full_disk_and_room_again)
{
	static const struct {
		enum fault_call call;
		int errnum, status;
	} rows[] = {
	    {FAULT_WRITE, ENOSPC, STORE_FULL},   {FAULT_WRITE, EIO, STORE_IO},
	    {FAULT_FSYNC, EIO, STORE_IO},        {FAULT_RENAME, ENOSPC, STORE_FULL},
	    {FAULT_OPEN, EROFS, STORE_READONLY}, {FAULT_SQL_FULL, 0, STORE_FULL},
	    {FAULT_SQL_WRITE, 0, STORE_IO},      {FAULT_SQL_SYNC, 0, STORE_IO},
	};
	char text[16];

	fixture_close();
	faultfs_install();
	fixture_open();
	fixture_import("m", "main", "f", "kept", NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "%zu", i);
		if (rows[i].errnum != 0)
			fault_arm_errno(rows[i].call, 1, rows[i].errnum);
		else
			fault_arm_lasting(rows[i].call, 1);
		fails(put(text), rows[i].status);
		ck_assert_msg(look() == rows[i].status, "%s: %d", fault_name(rows[i].call),
			      health.status);
		ck_assert(fixture_reads("m", "main", "f", "kept"));
		ck_assert(fault_disarm());
		ok(put(text));
		ck_assert_int_eq(look(), 0);
	}
}
END_TEST

START_TEST(another_process_holds_the_index)
{
	sqlite3 *db;

	fixture_import("m", "main", "f", "kept", NULL);
	ck_assert_int_eq(sqlite3_open(fixture_path("index.sqlite"), &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	fails(store_model_pin(fx.store, "m", true, &fx.err), STORE_BUSY);
	ck_assert_int_eq(look(), STORE_BUSY);
	ck_assert(fixture_reads("m", "main", "f", "kept"));
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	ok(store_model_pin(fx.store, "m", true, &fx.err));
	ck_assert_int_eq(look(), 0);
}
END_TEST

/* Noise over every page of a table's, but for the schema. */
START_TEST(damage_under_way_is_said_until_it_is_mended)
{
	struct store_rebuild seen;
	struct store_file file;
	char noise[4096];
	int fd, status = 0;

	for (int i = 0; i < 60; i++) {
		char name[100];

		snprintf(name, sizeof(name), "model-%060d", i);
		fixture_import(name, "main", "f", name, NULL);
	}
	fixture_reopen();
	memset(noise, 0xa5, sizeof(noise));
	fd = open(fixture_path("index.sqlite"), O_WRONLY);
	for (off_t page = 1; page < lseek(fd, 0, SEEK_END) / 4096; page++)
		ck_assert_int_eq(pwrite(fd, noise, sizeof(noise), page * 4096), 4096);
	close(fd);
	for (int i = 0; i < 60 && status != STORE_INDEX; i++) {
		char name[100];

		snprintf(name, sizeof(name), "model-%060d", i);
		status = store_file_find(fx.store, name, "main", "f", &file, &fx.err);
	}
	ck_assert_int_eq(status, STORE_INDEX);
	ck_assert_int_eq(look(), STORE_INDEX);
	ok(store_rebuild(fx.store, NULL, NULL, NULL, &seen, &fx.err));
	ck_assert_uint_eq(seen.models, 60);
	ck_assert_int_eq(look(), 0);
	ck_assert_int_eq(access(fixture_path("index.aside-1.sqlite"), F_OK), 0);
}
END_TEST

START_TEST(damaged_blobs_are_counted)
{
	struct store_digest digest = fixture_digest("1");
	struct store_verify seen;

	fixture_import("m", "main", "f", "1", NULL);
	fixture_write_file(fixture_blob_path(&digest), "2", 1);
	ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
	ck_assert_int_eq(look(), STORE_DAMAGED);
	ck_assert_uint_eq(health.damaged, 1);
	fixture_put("1");
	ck_assert_int_eq(look(), 0);
	ck_assert_uint_eq(health.damaged, 0);
}
END_TEST

START_TEST(a_read_only_file_system)
{
	struct store_digest digest;
	struct store_import *im;

	fixture_import("m", "main", "f", "kept", NULL);
	fixture_close();
	fault_arm_errno(FAULT_OPEN, 2, EROFS); /* the lock */
	fixture_open_degraded();
	ck_assert(fault_disarm());
	ck_assert_int_eq(look(), STORE_READONLY);
	ck_assert(health.read_only);
	ck_assert(fixture_reads("m", "main", "f", "kept"));
	fails(put("x"), STORE_READONLY);
	fails(store_import_begin(fx.store, "m", "main", &im, &fx.err), STORE_READONLY);
	/* mounted for writing again */
	ok(store_health_retry(fx.store, &fx.err));
	ck_assert_int_eq(look(), 0);
	ck_assert(!health.read_only);
	digest = fixture_put("x");
	ck_assert(store_blob_has(fx.store, &digest, NULL));
	fixture_import("m", "main", "f", "changed", NULL);
	fixture_reopen();
	ck_assert(fixture_reads("m", "main", "f", "changed"));
}
END_TEST

START_TEST(an_index_that_could_not_be_opened)
{
	fixture_import("m", "main", "f", "kept", NULL);
	fixture_close();
	faultfs_install();
	fault_arm_lasting(FAULT_SQL_OPEN, 1);
	fixture_open_degraded();
	ck_assert(fault_disarm());
	ck_assert_int_eq(look(), STORE_IO);
	ck_assert(health.index_lost);
	ok(store_health_retry(fx.store, &fx.err));
	ck_assert_int_eq(look(), 0);
	ck_assert(fixture_reads("m", "main", "f", "kept"));
	fixture_import("m", "main", "f", "changed", NULL);
	fixture_reopen();
	ck_assert(fixture_reads("m", "main", "f", "changed"));
}
END_TEST

START_TEST(retrying_in_vain_changes_nothing)
{
	fixture_import("m", "main", "f", "kept", NULL);
	fixture_close();
	ck_assert_int_eq(rename(fixture_path("index.sqlite"), fixture_path("index.moved")), 0);
	fixture_open_degraded();
	fails(store_health_retry(fx.store, &fx.err), STORE_INDEX);
	ck_assert_int_eq(look(), STORE_INDEX);
	ck_assert_int_ne(access(fixture_path("index.sqlite"), F_OK), 0);
	ck_assert_int_eq(rename(fixture_path("index.moved"), fixture_path("index.sqlite")), 0);
	ok(store_health_retry(fx.store, &fx.err));
	ck_assert(fixture_reads("m", "main", "f", "kept"));
}
END_TEST

Suite *check_store_health(void)
{
	Suite *s = suite_create("store_health");
	TCase *t = tcase_create("health");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, well);
	tcase_add_test(t, a_full_disk_and_room_again);
	tcase_add_test(t, another_process_holds_the_index);
	tcase_add_test(t, damage_under_way_is_said_until_it_is_mended);
	tcase_add_test(t, damaged_blobs_are_counted);
	tcase_add_test(t, a_read_only_file_system);
	tcase_add_test(t, an_index_that_could_not_be_opened);
	tcase_add_test(t, retrying_in_vain_changes_nothing);
	suite_add_tcase(s, t);
	return s;
}
