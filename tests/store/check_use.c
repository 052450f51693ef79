/* SPDX-License-Identifier: MIT */
/* check_use.c — last uses: noted, shown at once, written by flush and close, kept on failure. */
#include <config.h>

#include "store/use.h"
#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <time.h>

static int see_used(void *arg, const struct store_model_info *info)
{
	*(int64_t *)arg = info->used_s;
	return 0;
}

static int64_t used(void)
{
	int64_t used_s = -1;

	ok(store_model_find(fx.store, "m", "main", see_used, &used_s, &fx.err));
	return used_s;
}

START_TEST(the_table)
{
	struct store_uses *uses;

	ok(store_use_new(&uses, &fx.err));
	ck_assert_int_eq(store_use_of(uses, 1), 0);
	for (int64_t id = 1; id <= 5000; id++)
		store_use_note(uses, id, id * 10);
	store_use_note(uses, 7, 1); /* an earlier time changes nothing */
	store_use_note(uses, 8, 1000000);
	for (int64_t id = 1; id <= 5000; id++)
		ck_assert_int_eq(store_use_of(uses, id), id == 8 ? 1000000 : id * 10);
	ck_assert_int_eq(store_use_of(uses, 5001), 0);
	store_use_free(uses);
	store_use_free(NULL);
	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_MALLOC, n);
		fails(store_use_new(&uses, &fx.err), STORE_MEMORY);
		ck_assert(fault_disarm());
	}
}
END_TEST

START_TEST(without_memory_a_note_is_lost)
{
	struct store_uses *uses;
	int lost = 0;

	ok(store_use_new(&uses, &fx.err));
	fault_arm_lasting(FAULT_MALLOC, 1);
	for (int64_t id = 1; id <= 100; id++)
		store_use_note(uses, id, id);
	ck_assert(fault_disarm());
	for (int64_t id = 1; id <= 100; id++)
		lost += store_use_of(uses, id) != id;
	ck_assert_int_gt(lost, 0);
	ck_assert_int_lt(lost, 100);
	store_use_note(uses, 100, 100);
	ck_assert_int_eq(store_use_of(uses, 100), 100);
	store_use_free(uses);
}
END_TEST

START_TEST(a_use_is_seen_at_once_and_survives)
{
	struct store_file file;
	int64_t before = (int64_t)time(NULL);

	fixture_import("m", "main", "a", "1", NULL);
	ck_assert_int_eq(used(), 0);
	ok(store_file_find(fx.store, "m", "main", "a", &file, &fx.err));
	ck_assert_int_ge(used(), before);
	ok(store_use_flush(fx.store, &fx.err));
	ck_assert_int_ge(used(), before);
	fixture_crash();
	fixture_open();
	ck_assert_int_ge(used(), before);
}
END_TEST

START_TEST(close_writes_it)
{
	struct store_file file;

	fixture_import("m", "main", "a", "1", NULL);
	ok(store_file_find(fx.store, "m", "main", "a", &file, &fx.err));
	fixture_reopen();
	ck_assert_int_gt(used(), 0);
}
END_TEST

START_TEST(a_failed_flush_keeps_it)
{
	static const enum fault_call calls[] = {FAULT_SQL_WRITE, FAULT_SQL_FULL, FAULT_SQL_SYNC,
						FAULT_MALLOC};
	struct store_file file;
	int64_t used_s;

	fixture_close();
	faultfs_install();
	fixture_open();
	fixture_import("m", "main", "a", "1", NULL);
	ok(store_file_find(fx.store, "m", "main", "a", &file, &fx.err));
	used_s = used();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		fault_arm(calls[i], 1);
		ck_assert_int_lt(store_use_flush(fx.store, &fx.err), 0);
		ck_assert(fault_disarm());
		ck_assert_int_eq(used(), used_s);
	}
	fixture_reopen();
	ck_assert_int_eq(used(), used_s);
}
END_TEST

Suite *check_store_use(void)
{
	Suite *s = suite_create("store_use");
	TCase *t = tcase_create("use");

	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, the_table);
	tcase_add_test(t, without_memory_a_note_is_lost);
	tcase_add_test(t, a_use_is_seen_at_once_and_survives);
	tcase_add_test(t, close_writes_it);
	tcase_add_test(t, a_failed_flush_keeps_it);
	suite_add_tcase(s, t);
	return s;
}
