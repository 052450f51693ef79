/* SPDX-License-Identifier: MIT */
/* check_import.c — snapshots: their id, what may be in them, the moment they get a name. */
#include <config.h>

#include "tests/lib/fault.h"
#include "tests/store/fixture.h"

#include <stdio.h>

static struct store_import *begin(const char *model, const char *revision)
{
	struct store_import *im;

	ok(store_import_begin(fx.store, model, revision, &im, &fx.err));
	return im;
}

START_TEST(the_commit_is_the_digest_of_the_list)
{
	/* sum() { printf %s "$1" | sha256sum | cut -c 1-64; }
	 * printf 'a\0%s\0001\nb/c\0%s\0002\n' $(sum 1) $(sum 22) | sha256sum | cut -c 1-40
	 */
	static const char expected[] = "508fe421809312edf89ce8670fc25a912b2962d7";
	char first[STORE_COMMIT_HEX + 1];

	fixture_import("m", "main", "b/c", "22", "a", "1", NULL);
	ck_assert_str_eq(fx.commit, expected);
	memcpy(first, fx.commit, sizeof(first));
	/* the order of adding does not matter, the model neither */
	fixture_import("other/model", "v1", "a", "1", "b/c", "22", NULL);
	ck_assert_str_eq(fx.commit, first);
	/* everything else does */
	fixture_import("m", "main", "b/c", "22", "a", "2", NULL);
	ck_assert_str_ne(fx.commit, first);
	fixture_import("m", "main", "b/d", "22", "a", "1", NULL);
	ck_assert_str_ne(fx.commit, first);
}
END_TEST

START_TEST(a_revision_moves_and_the_old_snapshot_stays)
{
	char old[STORE_COMMIT_HEX + 1];
	uint64_t generation = store_generation(fx.store);

	fixture_import("m", "main", "a", "old", NULL);
	ck_assert_uint_ne(store_generation(fx.store), generation);
	memcpy(old, fx.commit, sizeof(old));
	ck_assert(fixture_reads("m", "main", "a", "old"));
	fixture_import("m", "main", "a", "new", "b", "more", NULL);
	ck_assert(fixture_reads("m", "main", "a", "new"));
	ck_assert(fixture_reads("m", "main", "b", "more"));
	ck_assert(fixture_reads("m", old, "a", "old"));
	ck_assert(fixture_reads("m", fx.commit, "a", "new"));
	/* and back: the same list is the same snapshot */
	fixture_import("m", "main", "a", "old", NULL);
	ck_assert_str_eq(fx.commit, old);
	ck_assert(fixture_reads("m", "main", "a", "old"));
	fixture_close();
	ck_assert_int_eq(fixture_sql("SELECT count(*) FROM snapshot"), 2);
	ck_assert_int_eq(fixture_sql("SELECT sum(claims) FROM blob"), 0);
	fixture_open();
}
END_TEST

START_TEST(what_may_not_be_added)
{
	struct store_digest digest = fixture_put("x");
	struct store_digest nothing = fixture_digest("not stored");
	struct store_import *im = begin("m", "main");

	ok(store_import_add(im, "a", &digest, &fx.err));
	fails(store_import_add(im, "a", &digest, &fx.err), STORE_EXISTS);
	fails(store_import_add(im, "b", &nothing, &fx.err), STORE_NOT_FOUND);
	fails(store_import_add(im, "../b", &digest, &fx.err), STORE_INVALID);
	fails(store_import_add(im, "/b", &digest, &fx.err), STORE_INVALID);
	fails(store_import_add(im, "", &digest, &fx.err), STORE_INVALID);
	ok(store_import_add(im, "A", &digest, &fx.err)); /* case counts */
	ok(store_import_commit(im, fx.commit, &fx.err));
	ck_assert(fixture_reads("m", "main", "a", "x"));
	fails(store_import_begin(fx.store, "a--b--c", "main", &im, &fx.err), STORE_INVALID);
	fails(store_import_begin(fx.store, "m", "..", &im, &fx.err), STORE_INVALID);
	fault_arm(FAULT_MALLOC, 1);
	fails(store_import_begin(fx.store, "m", "main", &im, &fx.err), STORE_MEMORY);
	fault_disarm();
}
END_TEST

START_TEST(a_path_is_a_file_or_a_folder)
{
	struct store_digest digest = fixture_put("x");
	struct store_import *im = begin("m", "main");

	ok(store_import_add(im, "a/b", &digest, &fx.err));
	ok(store_import_add(im, "a-b", &digest, &fx.err));
	ok(store_import_add(im, "a0", &digest, &fx.err));
	ok(store_import_add(im, "a", &digest, &fx.err));
	fails(store_import_commit(im, fx.commit, &fx.err), STORE_INVALID);
	ck_assert_ptr_nonnull(strstr(fx.err.text, "'a'"));
	im = begin("m", "main");
	ok(store_import_add(im, "a/b", &digest, &fx.err));
	ok(store_import_add(im, "a-b", &digest, &fx.err));
	ok(store_import_add(im, "a0", &digest, &fx.err));
	ok(store_import_add(im, "a.", &digest, &fx.err));
	ok(store_import_commit(im, fx.commit, &fx.err));
}
END_TEST

START_TEST(an_import_without_files)
{
	fails(store_import_commit(begin("m", "main"), fx.commit, &fx.err), STORE_INVALID);
	store_import_abort(begin("m", "main"));
	store_import_abort(NULL);
	fails(store_model_files(fx.store, "m", "main", NULL, NULL, &fx.err), STORE_NOT_FOUND);
}
END_TEST

START_TEST(two_imports_at_once)
{
	struct store_digest one = fixture_put("1"), two = fixture_put("2");
	struct store_import *a = begin("m", "main");
	struct store_import *b = begin("m", "main");

	ok(store_import_add(a, "x", &one, &fx.err));
	ok(store_import_add(b, "x", &two, &fx.err));
	ok(store_import_commit(b, fx.commit, &fx.err));
	ck_assert(fixture_reads("m", "main", "x", "2"));
	ok(store_import_commit(a, fx.commit, &fx.err));
	ck_assert(fixture_reads("m", "main", "x", "1"));
}
END_TEST

START_TEST(an_open_import_protects_its_blobs)
{
	struct store_digest digest;
	struct store_import *im;

	fixture_import("other", "main", "a", "shared", NULL);
	digest = fixture_digest("shared");
	im = begin("m", "main");
	ok(store_import_add(im, "a", &digest, &fx.err));
	ok(store_model_remove(fx.store, "other", NULL, &fx.err));
	ck_assert_int_eq(fixture_count("blobs"), 1);
	ok(store_import_commit(im, fx.commit, &fx.err));
	ck_assert(fixture_reads("m", "main", "a", "shared"));
	/* and one that was given up does not any more */
	im = begin("n", "main");
	ok(store_import_add(im, "a", &digest, &fx.err));
	store_import_abort(im);
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	ck_assert_int_eq(fixture_count("blobs"), 0);
}
END_TEST

START_TEST(damaged_content_is_not_published)
{
	struct store_digest digest = fixture_put("0123456789");
	struct store_import *im = begin("m", "main");
	struct store_verify seen;

	ok(store_import_add(im, "a", &digest, &fx.err));
	fixture_write_file(fixture_blob_path(&digest), "012345678x", 10);
	ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
	fails(store_import_commit(im, fx.commit, &fx.err), STORE_DAMAGED);
	im = begin("m", "main");
	fails(store_import_add(im, "a", &digest, &fx.err), STORE_DAMAGED);
	store_import_abort(im);
	fixture_import("m", "main", "a", "0123456789", NULL);
	ck_assert(fixture_reads("m", "main", "a", "0123456789"));
}
END_TEST

START_TEST(many_files_with_long_names)
{
	enum { COUNT = 3000 };
	struct store_digest digest = fixture_put("x");
	struct store_import *im = begin("m", "main");
	static char path[STORE_PATH_MAX + 1];

	for (int i = 0; i < COUNT; i++) {
		memset(path, 'p', STORE_PATH_MAX);
		snprintf(path + STORE_PATH_MAX - 10, 11, "/%09d", i);
		ok(store_import_add(im, path, &digest, &fx.err));
	}
	ok(store_import_commit(im, fx.commit, &fx.err));
	ck_assert(fixture_reads("m", "main", path, "x"));
	fixture_crash();
	fixture_open();
	ck_assert(fixture_reads("m", fx.commit, path, "x"));
	fixture_close();
	ck_assert_int_eq(fixture_sql("SELECT files FROM total"), COUNT);
	ck_assert_int_eq(fixture_sql("SELECT names FROM blob"), COUNT);
	fixture_open();
}
END_TEST

START_TEST(the_longest_names_of_all)
{
	static char model[STORE_NAME_MAX + 1], revision[STORE_REV_MAX + 1],
	    path[STORE_PATH_MAX + 1];

	memset(model, 'm', STORE_NAME_MAX);
	memset(revision, 'r', STORE_REV_MAX);
	memset(path, 'p', STORE_PATH_MAX);
	fixture_import(model, revision, path, "text", NULL);
	ck_assert(fixture_reads(model, revision, path, "text"));
	fixture_import("\xe6\xa8\xa1/\xf0\x9f\xa6\x86", "\xc3\xa9/1", "\xd9\x85/e\xcc\x81 x", "u",
		       NULL);
	ck_assert(fixture_reads("\xe6\xa8\xa1/\xf0\x9f\xa6\x86", "\xc3\xa9/1",
				"\xd9\x85/e\xcc\x81 x", "u"));
	/* two spellings of one accent are two names */
	ck_assert(!fixture_reads("\xe6\xa8\xa1/\xf0\x9f\xa6\x86", "\xc3\xa9/1",
				 "\xd9\x85/\xc3\xa9 x", "u"));
}
END_TEST

START_TEST(sums_that_do_not_fit)
{
	struct store_digest digest = fixture_put("x");
	struct store_import *im;

	fixture_close();
	fixture_sql("UPDATE blob SET size = 9223372036854775807");
	fixture_open();
	im = begin("m", "main");
	ok(store_import_add(im, "a", &digest, &fx.err));
	ok(store_import_add(im, "b", &digest, &fx.err));
	fails(store_import_commit(im, fx.commit, &fx.err), STORE_INVALID);
}
END_TEST

Suite *check_store_import(void)
{
	Suite *s = suite_create("store_import");
	TCase *t = tcase_create("import");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, the_commit_is_the_digest_of_the_list);
	tcase_add_test(t, a_revision_moves_and_the_old_snapshot_stays);
	tcase_add_test(t, what_may_not_be_added);
	tcase_add_test(t, a_path_is_a_file_or_a_folder);
	tcase_add_test(t, an_import_without_files);
	tcase_add_test(t, two_imports_at_once);
	tcase_add_test(t, an_open_import_protects_its_blobs);
	tcase_add_test(t, damaged_content_is_not_published);
	tcase_add_test(t, many_files_with_long_names);
	tcase_add_test(t, the_longest_names_of_all);
	tcase_add_test(t, sums_that_do_not_fit);
	suite_add_tcase(s, t);
	return s;
}
