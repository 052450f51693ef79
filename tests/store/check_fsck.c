/* SPDX-License-Identifier: MIT */
/* check_fsck.c — what a kill may leave, and what damage from outside looks like afterwards. */
#include <config.h>

#include "store/fsck.h"
#include "store/state.h"
#include "tests/lib/fault.h"
#include "tests/store/fixture.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The path of the blob that ${text} would be, with its folder there. */
static const char *place(const char *text)
{
	struct store_digest digest = fixture_digest(text);

	mkdir(fixture_path("blobs/%02x", digest.bytes[0]), 0700);
	return fixture_blob_path(&digest);
}

START_TEST(the_mark)
{
	ck_assert(!fx.store->dirty);
	fixture_close();
	ck_assert_int_eq(fixture_sql("SELECT clean FROM total"), 1);
	fixture_open();
	fixture_put("x");
	ck_assert(fx.store->dirty);
	fixture_crash();
	ck_assert_int_eq(fixture_sql("SELECT clean FROM total"), 0);
	fixture_open();
	ck_assert(!fx.store->dirty); /* all was looked at */
	fixture_put("x");
	fixture_close();
	ck_assert_int_eq(fixture_sql("SELECT clean FROM total"), 1);
}
END_TEST

/* Opening the store, with the first fsync failing. */
static int open_badly(void)
{
	struct store_opts opts = {.dir = fx.dir};
	int status;

	fault_arm(FAULT_FSYNC, 1);
	status = store_open(&opts, &fx.store, &fx.err);
	if (!fault_disarm())
		ck_assert_int_eq(status, 0);
	return status;
}

START_TEST(folders_are_synced_where_that_is_not_known)
{
	fixture_close();
	/* nothing was ever in it: it may have been killed at once */
	fails(open_badly(), STORE_IO);
	fixture_open();
	fixture_put("x");
	fixture_crash();
	fails(open_badly(), STORE_IO);
	fixture_open();
	fixture_close();
	/* closed in good order: nobody waits for the disk */
	ok(open_badly());
	fixture_close();
	ck_assert_int_eq(rmdir(fixture_path("tmp")), 0);
	fails(open_badly(), STORE_IO);
	ok(open_badly());
}
END_TEST

START_TEST(temporaries_are_emptied)
{
	struct store_writer *w;

	ok(store_writer_open(fx.store, &w, &fx.err));
	ok(store_writer_append(w, "half", 4, &fx.err));
	ck_assert_int_eq(fixture_count("tmp"), 1);
	store_writer_abort(w);
	ok(store_writer_open(fx.store, &w, &fx.err));
	fixture_write_file(fixture_path("tmp/stray"), "x", 1);
	store_writer_abort(w);
	fixture_crash();
	ck_assert_int_eq(fixture_count("tmp"), 1);
	fixture_open();
	ck_assert_int_eq(fixture_count("tmp"), 0);
}
END_TEST

START_TEST(a_blob_without_a_row_goes)
{
	fixture_put("kept");
	fixture_write_file(place("foreign"), "foreign", 7);
	fixture_write_file(fixture_path("blobs/README"), "a note", 6);
	fixture_crash();
	fixture_open();
	ck_assert_int_ne(access(place("foreign"), F_OK), 0);
	ck_assert_int_eq(access(place("kept"), F_OK), 0);
	ck_assert_int_eq(access(fixture_path("blobs/README"), F_OK), 0);
}
END_TEST

START_TEST(a_row_without_its_file_is_not_promised)
{
	struct store_digest gone = fixture_digest("gone"), cut = fixture_digest("cut short");
	struct store_map *map;

	fixture_import("m", "main", "a", "gone", "b", "cut short", "c", "well", NULL);
	unlink(place("gone"));
	fixture_write_file(place("cut short"), "cut", 3);
	fixture_crash();
	fixture_open();
	ck_assert(!store_blob_has(fx.store, &gone, NULL));
	fails(store_map_open(fx.store, &gone, &map, &fx.err), STORE_DAMAGED);
	fails(store_map_open(fx.store, &cut, &map, &fx.err), STORE_DAMAGED); /* by its size */
	ck_assert(fixture_reads("m", "main", "c", "well"));
	/* written anew, they are well again */
	fixture_put("gone");
	fixture_put("cut short");
	ck_assert(fixture_reads("m", "main", "a", "gone"));
	ck_assert(fixture_reads("m", "main", "b", "cut short"));
}
END_TEST

START_TEST(rows_and_files_in_any_order)
{
	char text[16];
	uint64_t foreign = 0;
	int removed = 0, lost = 0;

	/* 300 texts: some with a row and a file, some with one of the two, some with none */
	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "%d", i);
		if (i % 4 < 2)
			fixture_put(text);
		if (i % 4 == 1) {
			unlink(place(text));
			lost++;
		}
		if (i % 4 == 2) {
			fixture_write_file(place(text), text, strlen(text));
			removed++;
		}
	}
	ok(store_fsck_sweep(fx.store, &foreign, &fx.err));
	ck_assert_uint_eq(foreign, (uint64_t)removed);
	for (int i = 0; i < 300; i++) {
		struct store_digest digest;

		snprintf(text, sizeof(text), "%d", i);
		digest = fixture_digest(text);
		ck_assert_int_eq(store_blob_has(fx.store, &digest, NULL), i % 4 == 0);
		ck_assert_int_eq(access(place(text), F_OK) == 0, i % 4 == 0);
	}
	ok(store_fsck_sweep(fx.store, &foreign, &fx.err));
	ck_assert_uint_eq(foreign, 0);
	fixture_close();
	ck_assert_int_eq(fixture_sql("SELECT sum(damaged) FROM blob"), lost);
}
END_TEST

START_TEST(a_failed_recovery_is_tried_again)
{
	static const enum fault_call calls[] = {FAULT_UNLINK, FAULT_OPENDIR, FAULT_MALLOC,
						FAULT_OPEN};

	fixture_put("kept");
	fixture_write_file(place("foreign"), "foreign", 7);
	fixture_write_file(fixture_path("tmp/stray"), "x", 1);
	fixture_crash();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (int n = 1; n < 400; n++) {
			int status;

			fixture_write_file(place("foreign"), "foreign", 7);
			ck_assert_int_eq(fixture_sql("UPDATE total SET clean = 0"), 0);
			fault_arm(calls[i], n);
			status =
			    store_open(&(struct store_opts){.dir = fx.dir}, &fx.store, &fx.err);
			if (!fault_disarm()) {
				ok(status);
				fixture_close();
				break;
			}
			if (status == 0)
				fixture_close();
			else
				fixture_check_error(status);
			fixture_open();
			ck_assert_int_eq(fixture_count("tmp"), 0);
			ck_assert_int_eq(fixture_count("blobs"), 1);
			fixture_close();
		}
	}
}
END_TEST

Suite *check_store_fsck(void)
{
	Suite *s = suite_create("store_fsck");
	TCase *t = tcase_create("fsck");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, the_mark);
	tcase_add_test(t, folders_are_synced_where_that_is_not_known);
	tcase_add_test(t, folders_are_synced_where_that_is_not_known);
	tcase_add_test(t, temporaries_are_emptied);
	tcase_add_test(t, a_blob_without_a_row_goes);
	tcase_add_test(t, a_row_without_its_file_is_not_promised);
	tcase_add_test(t, rows_and_files_in_any_order);
	tcase_add_test(t, a_failed_recovery_is_tried_again);
	suite_add_tcase(s, t);
	return s;
}
