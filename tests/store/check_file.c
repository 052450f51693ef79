/* SPDX-License-Identifier: MIT */
/* check_file.c — store_file_find: the right answer, hot and cold, and never an old one. */
#include <config.h>

#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <stdio.h>
#include <time.h>

static struct store_file file;

static int find(const char *model, const char *revision, const char *path)
{
	return store_file_find(fx.store, model, revision, path, &file, &fx.err);
}

START_TEST(all_of_the_answer)
{
	struct store_digest digest = fixture_digest("text");
	int64_t before = (int64_t)time(NULL);

	fixture_import("org/m", "main", "sub/a", "text", NULL);
	for (int hot = 0; hot <= 1; hot++) {
		ok(find("org/m", "main", "sub/a"));
		ck_assert(store_digest_equal(&file.digest, &digest));
		ck_assert_uint_eq(file.size, 4);
		ck_assert_int_ge(file.modified_s, before);
		ck_assert_str_eq(file.commit, fx.commit);
		ck_assert(!file.by_commit);
		ok(find("org--m", fx.commit, "sub/a"));
		ck_assert(file.by_commit);
		ck_assert_str_eq(file.commit, fx.commit);
	}
}
END_TEST

START_TEST(what_is_missing_is_named)
{
	fixture_import("m", "main", "a", "1", NULL);
	fails(find("n", "main", "a"), STORE_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(fx.err.text, "model 'n' is not stored"));
	fails(find("m", "dev", "a"), STORE_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(fx.err.text, "no revision 'dev'"));
	fails(find("m", "main", "b"), STORE_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(fx.err.text, "no file 'b'"));
	fails(find("m", "main", "a/"), STORE_NOT_FOUND);
	fails(find("m", "main", ""), STORE_NOT_FOUND);
	fails(find("m", "main", "A"), STORE_NOT_FOUND);
}
END_TEST

START_TEST(a_hot_answer_is_never_an_old_one)
{
	char text[32];

	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "content %d", i);
		fixture_import("m", "main", "a", text, NULL);
		for (int hot = 0; hot <= 1; hot++)
			ck_assert(fixture_reads("m", "main", "a", text));
	}
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	fails(find("m", "main", "a"), STORE_NOT_FOUND);
}
END_TEST

START_TEST(names_too_long_to_be_kept_are_found_too)
{
	char path[1001];

	memset(path, 'p', 1000);
	path[1000] = '\0';
	fixture_import("m", "main", path, "1", NULL);
	ok(find("m", "main", path));
	ok(find("m", "main", path));
	path[999] = 'q';
	fails(find("m", "main", path), STORE_NOT_FOUND);
}
END_TEST

START_TEST(a_failing_index_is_an_error_not_an_absence)
{
	int failures = 0;

	fixture_import("m", "main", "a", "1", NULL);
	fixture_close();
	faultfs_install();
	for (int n = 1; n < 40; n++) {
		int status;

		fixture_open();
		fault_arm(FAULT_SQL_READ, n);
		status = find("m", "main", "a");
		if (!fault_disarm()) {
			ok(status);
			fixture_close();
			break;
		}
		ck_assert_int_eq(status, STORE_IO);
		fixture_check_error(status);
		failures++;
		ok(find("m", "main", "a"));
		fixture_close();
	}
	for (int n = 1; n < 400; n++) {
		int status;

		fixture_open();
		fault_arm(FAULT_SQL_MALLOC, n);
		status = find("m", "main", "a");
		if (!fault_disarm()) {
			ok(status);
			break;
		}
		ck_assert(status == 0 || status == STORE_MEMORY);
		failures += status != 0;
		fixture_close();
	}
	ck_assert_int_gt(failures, 0);
}
END_TEST

START_TEST(reading_only)
{
	struct store_opts opts = {.dir = fx.dir, .read_only = true};
	struct store *reader;

	fixture_import("m", "main", "a", "old", NULL);
	ok(store_open(&opts, &reader, &fx.err));
	ok(store_file_find(reader, "m", "main", "a", &file, &fx.err));
	ck_assert_str_eq(file.commit, fx.commit);
	fixture_import("m", "main", "a", "new", NULL);
	/* another process changed it: nothing was kept that could be old */
	ok(store_file_find(reader, "m", "main", "a", &file, &fx.err));
	ck_assert_str_eq(file.commit, fx.commit);
	store_close(reader);
}
END_TEST

Suite *check_store_file(void)
{
	Suite *s = suite_create("store_file");
	TCase *t = tcase_create("file");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, all_of_the_answer);
	tcase_add_test(t, what_is_missing_is_named);
	tcase_add_test(t, a_hot_answer_is_never_an_old_one);
	tcase_add_test(t, names_too_long_to_be_kept_are_found_too);
	tcase_add_test(t, a_failing_index_is_an_error_not_an_absence);
	tcase_add_test(t, reading_only);
	suite_add_tcase(s, t);
	return s;
}
