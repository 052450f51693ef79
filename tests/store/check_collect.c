/* SPDX-License-Identifier: MIT */
/* check_collect.c — what is removed, what must not be, and what a failure leaves. */
#include <config.h>

#include "store/collect.h"
#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <stdio.h>

/* Open with uploads that wait ${grace_s} seconds for their name. */
static void reopen_with_grace(int64_t grace_s)
{
	fixture_close();
	ok(store_open(&(struct store_opts){.dir = fx.dir, .grace_s = grace_s}, &fx.store, &fx.err));
}

START_TEST(uploads_wait_for_the_grace_period)
{
	fixture_put("never named");
	fixture_import("m", "main", "a", "named", NULL);
	ok(store_collect(fx.store, &fx.err));
	ck_assert_int_eq(fixture_count("blobs"), 2);
	/* an hour passes */
	fixture_close();
	fixture_sql("UPDATE blob SET held_s = held_s - 3600");
	reopen_with_grace(3601);
	ck_assert_int_eq(fixture_count("blobs"), 2);
	reopen_with_grace(3599);
	ck_assert_int_eq(fixture_count("blobs"), 1);
	ck_assert(fixture_reads("m", "main", "a", "named"));
}
END_TEST

START_TEST(a_clock_that_was_wrong_does_not_keep_them_for_ever)
{
	fixture_put("from the future");
	fixture_close();
	fixture_sql("UPDATE blob SET held_s = held_s + 86400 * 3650");
	fixture_open();
	ck_assert_int_eq(fixture_count("blobs"), 0);
}
END_TEST

START_TEST(one_upload_for_each_name)
{
	struct store_digest digest;
	struct store_import *im;

	/* two clients upload the same; one names it and removes it; the other names it later */
	digest = fixture_put("popular");
	fixture_import("m", "main", "a", "popular", NULL);
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	ck_assert_int_eq(fixture_count("blobs"), 1);
	ok(store_import_begin(fx.store, "n", "main", &im, &fx.err));
	ok(store_import_add(im, "a", &digest, &fx.err));
	ok(store_import_commit(im, fx.commit, &fx.err));
	ok(store_model_remove(fx.store, "n", NULL, &fx.err));
	ck_assert_int_eq(fixture_count("blobs"), 0);
}
END_TEST

START_TEST(an_upload_that_heals_waits_for_its_name_too)
{
	struct store_digest digest = fixture_digest("content");

	fixture_import("m", "main", "a", "content", NULL);
	fixture_write_file(fixture_blob_path(&digest), "cont", 4);
	fixture_put("content");
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	ck_assert(store_blob_has(fx.store, &digest, NULL));
}
END_TEST

START_TEST(more_than_one_batch)
{
	struct store_digest digest;
	struct store_import *im;
	char text[32];

	ok(store_import_begin(fx.store, "m", "main", &im, &fx.err));
	for (int i = 0; i < 600; i++) {
		snprintf(text, sizeof(text), "%d", i);
		digest = fixture_put(text);
		ok(store_import_add(im, text, &digest, &fx.err));
	}
	ok(store_import_commit(im, fx.commit, &fx.err));
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	ck_assert_int_eq(fixture_count("blobs"), 0);
	fixture_close();
	ck_assert_int_eq(fixture_sql("SELECT blobs + blob_bytes FROM total"), 0);
}
END_TEST

START_TEST(a_failure_leaves_all_or_a_file_without_a_row)
{
	static const enum fault_call calls[] = {FAULT_SQL_WRITE,  FAULT_SQL_FULL, FAULT_SQL_SYNC,
						FAULT_SQL_MALLOC, FAULT_MALLOC,   FAULT_UNLINK};
	int kept = 0;

	fixture_close();
	faultfs_install();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (int n = 1; n < 300; n++) {
			bool fired;
			int status;

			fixture_open();
			fixture_put("gone");
			fixture_close();
			fixture_sql("UPDATE blob SET claims = 0");
			fault_arm(calls[i], n);
			status =
			    store_open(&(struct store_opts){.dir = fx.dir}, &fx.store, &fx.err);
			fired = fault_disarm();
			kept += fixture_count("blobs");
			if (status == 0)
				fixture_close();
			else
				fixture_check_error(status);
			fixture_open();
			ck_assert_int_eq(fixture_count("blobs"), 0);
			fixture_close();
			ck_assert_int_eq(fixture_sql("SELECT count(*) FROM blob"), 0);
			if (!fired)
				break;
		}
	}
	ck_assert_int_gt(kept, 0);
}
END_TEST

Suite *check_store_collect(void)
{
	Suite *s = suite_create("store_collect");
	TCase *t = tcase_create("collect");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, uploads_wait_for_the_grace_period);
	tcase_add_test(t, a_clock_that_was_wrong_does_not_keep_them_for_ever);
	tcase_add_test(t, one_upload_for_each_name);
	tcase_add_test(t, an_upload_that_heals_waits_for_its_name_too);
	tcase_add_test(t, more_than_one_batch);
	tcase_add_test(t, a_failure_leaves_all_or_a_file_without_a_row);
	suite_add_tcase(s, t);
	return s;
}
