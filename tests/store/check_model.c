/* SPDX-License-Identifier: MIT */
/* check_model.c — lists, single models, their files; removal in all its forms; pins. */
#include <config.h>

#include "tests/store/fixture.h"

#include <stdio.h>

/* Everything that a walk said, as one text. */
static char said[2000];

static int say_model(void *arg, const struct store_model_info *info)
{
	size_t at = strlen(said);

	(void)arg;
	ck_assert_uint_eq(strlen(info->commit), STORE_COMMIT_HEX);
	snprintf(said + at, sizeof(said) - at, "%s@%s %llu %llu%s\n", info->model, info->revision,
		 (unsigned long long)info->file_count, (unsigned long long)info->size_bytes,
		 info->pinned ? " pinned" : "");
	return 0;
}

static int say_file(void *arg, const struct store_file_info *info)
{
	size_t at = strlen(said);
	struct store_digest *digest = arg;

	if (digest != NULL)
		*digest = info->digest;
	snprintf(said + at, sizeof(said) - at, "%s %llu\n", info->path,
		 (unsigned long long)info->size);
	return 0;
}

static const char *list(void)
{
	said[0] = '\0';
	ok(store_model_list(fx.store, say_model, NULL, &fx.err));
	return said;
}

START_TEST(lists_are_ordered)
{
	ck_assert_str_eq(list(), "");
	fixture_import("zeta", "main", "a", "1", NULL);
	fixture_import("alpha/m", "main", "a", "1", "b", "22", NULL);
	fixture_import("alpha/m", "dev", "a", "1", NULL);
	fixture_import("Beta", "main", "a", "1", NULL);
	ck_assert_str_eq(list(),
			 "Beta@main 1 1\nalpha/m@dev 1 1\nalpha/m@main 2 3\nzeta@main 1 1\n");
}
END_TEST

START_TEST(one_model)
{
	char by_commit[100];

	fixture_import("org/m", "main", "a", "1", "b", "22", NULL);
	said[0] = '\0';
	ok(store_model_find(fx.store, "org--m", "main", say_model, NULL, &fx.err));
	ck_assert_str_eq(said, "org/m@main 2 3\n");
	said[0] = '\0';
	ok(store_model_find(fx.store, "org/m", fx.commit, say_model, NULL, &fx.err));
	snprintf(by_commit, sizeof(by_commit), "org/m@%s 2 3\n", fx.commit);
	ck_assert_str_eq(said, by_commit);
	fails(store_model_find(fx.store, "org/m", "dev", say_model, NULL, &fx.err),
	      STORE_NOT_FOUND);
	fails(store_model_find(fx.store, "org", "main", say_model, NULL, &fx.err), STORE_NOT_FOUND);
}
END_TEST

START_TEST(files_are_ordered_bytewise)
{
	struct store_digest digest, expected = fixture_digest("55555");

	fixture_import("m", "main", "b", "1", "a/z", "22", "a-", "333", "Z", "4444", "\xc3\xa9",
		       "55555", "a0", "", NULL);
	said[0] = '\0';
	ok(store_model_files(fx.store, "m", "main", say_file, &digest, &fx.err));
	ck_assert_str_eq(said, "Z 4\na- 3\na/z 2\na0 0\nb 1\n\xc3\xa9 5\n");
	ck_assert(store_digest_equal(&digest, &expected));
	said[0] = '\0';
	ok(store_model_files(fx.store, "m", fx.commit, say_file, NULL, &fx.err));
	ck_assert_uint_gt(strlen(said), 0);
	fails(store_model_files(fx.store, "m", "dev", say_file, NULL, &fx.err), STORE_NOT_FOUND);
}
END_TEST

static int stop_model(void *arg, const struct store_model_info *info)
{
	(void)info;
	return ++*(int *)arg == 2 ? 42 : 0;
}

static int stop_file(void *arg, const struct store_file_info *info)
{
	(void)info;
	return ++*(int *)arg == 2 ? -7 : 0;
}

START_TEST(a_callback_may_stop_the_walk)
{
	int calls = 0;

	fixture_import("m", "1", "a", "1", "b", "2", "c", "3", NULL);
	fixture_import("m", "2", "a", "1", NULL);
	fixture_import("m", "3", "a", "1", NULL);
	ck_assert_int_eq(store_model_list(fx.store, stop_model, &calls, &fx.err), 42);
	ck_assert_int_eq(calls, 2);
	calls = 0;
	ck_assert_int_eq(store_model_files(fx.store, "m", "1", stop_file, &calls, &fx.err), -7);
	ck_assert_int_eq(calls, 2);
	calls = 1;
	ck_assert_int_eq(store_model_find(fx.store, "m", "1", stop_model, &calls, &fx.err), 42);
	ck_assert_str_ne(list(), "");
}
END_TEST

/* Each model of a list with its files, from within the walk. */
static int nested(void *arg, const struct store_model_info *info)
{
	struct store_stats stats;

	ok(say_model(arg, info));
	ok(store_stats_get(fx.store, &stats, &fx.err));
	return store_model_files(fx.store, info->model, info->revision, say_file, NULL, &fx.err);
}

START_TEST(a_callback_may_call_the_store)
{
	fixture_import("a", "main", "x", "1", NULL);
	fixture_import("b", "main", "y", "22", NULL);
	said[0] = '\0';
	ok(store_model_list(fx.store, nested, NULL, &fx.err));
	ck_assert_str_eq(said, "a@main 1 1\nx 1\nb@main 1 2\ny 2\n");
}
END_TEST

START_TEST(removing_a_model)
{
	uint64_t generation;

	fixture_import("m", "main", "a", "only here", "b", "shared", NULL);
	fixture_import("m", "dev", "a", "and here", NULL);
	fixture_import("n", "main", "b", "shared", NULL);
	generation = store_generation(fx.store);
	fails(store_model_remove(fx.store, "x", NULL, &fx.err), STORE_NOT_FOUND);
	fails(store_model_remove(fx.store, "m", "x", &fx.err), STORE_NOT_FOUND);
	ck_assert_uint_eq(store_generation(fx.store), generation);
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	ck_assert_uint_ne(store_generation(fx.store), generation);
	ck_assert_str_eq(list(), "n@main 1 6\n");
	ck_assert_int_eq(fixture_count("blobs"), 1);
	ck_assert(fixture_reads("n", "main", "b", "shared"));
	fixture_close();
	ck_assert_int_eq(fixture_sql("SELECT models * 1000 + files * 100 + blobs FROM total"),
			 1101);
	ck_assert_int_eq(fixture_sql("SELECT blob_bytes FROM total"), 6);
	ck_assert_int_eq(fixture_sql("SELECT count(*) FROM pragma_foreign_key_check"), 0);
	fixture_open();
}
END_TEST

START_TEST(removing_a_revision)
{
	char old[STORE_COMMIT_HEX + 1];

	fixture_import("m", "main", "a", "1", NULL);
	memcpy(old, fx.commit, sizeof(old));
	fixture_import("m", "v1", "a", "1", NULL);
	fixture_import("m", "dev", "a", "2", NULL);
	/* v1 still names the same snapshot */
	ok(store_model_remove(fx.store, "m", "main", &fx.err));
	ck_assert_str_eq(list(), "m@dev 1 1\nm@v1 1 1\n");
	ck_assert(fixture_reads("m", old, "a", "1"));
	ok(store_model_remove(fx.store, "m", "v1", &fx.err));
	ck_assert(!fixture_reads("m", old, "a", "1"));
	ck_assert_int_eq(fixture_count("blobs"), 1);
	/* the last name takes the model with it */
	ok(store_model_remove(fx.store, "m", "dev", &fx.err));
	ck_assert_str_eq(list(), "");
	ck_assert_int_eq(fixture_count("blobs"), 0);
	fails(store_model_remove(fx.store, "m", NULL, &fx.err), STORE_NOT_FOUND);
}
END_TEST

START_TEST(removing_a_commit)
{
	char old[STORE_COMMIT_HEX + 1];

	fixture_import("m", "main", "a", "old", NULL);
	memcpy(old, fx.commit, sizeof(old));
	fixture_import("m", "main", "a", "new", NULL);
	/* a snapshot without a name */
	ok(store_model_remove(fx.store, "m", old, &fx.err));
	ck_assert(!fixture_reads("m", old, "a", "old"));
	ck_assert(fixture_reads("m", "main", "a", "new"));
	ck_assert_int_eq(fixture_count("blobs"), 1);
	/* one with two names loses both */
	fixture_import("m", "v1", "a", "new", NULL);
	fixture_import("m", "dev", "a", "dev", NULL);
	ok(store_model_find(fx.store, "m", "v1", say_model, NULL, &fx.err));
	fixture_import("m", "v1", "a", "new", NULL);
	ok(store_model_remove(fx.store, "m", fx.commit, &fx.err));
	ck_assert_str_eq(list(), "m@dev 1 3\n");
	/* and snapshots without a name go with the last one that has */
	memcpy(old, fx.commit, sizeof(old));
	fixture_import("m", "dev", "a", "newest", NULL);
	ok(store_model_remove(fx.store, "m", "dev", &fx.err));
	ck_assert_str_eq(list(), "");
	ck_assert_int_eq(fixture_count("blobs"), 0);
}
END_TEST

START_TEST(pins)
{
	fixture_import("org/m", "main", "a", "1", NULL);
	ok(store_model_pin(fx.store, "org--m", true, &fx.err));
	ck_assert_str_eq(list(), "org/m@main 1 1 pinned\n");
	fixture_import("org/m", "main", "a", "2", NULL);
	ck_assert_str_eq(list(), "org/m@main 1 1 pinned\n");
	fixture_reopen();
	said[0] = '\0';
	ok(store_model_find(fx.store, "org/m", "main", say_model, NULL, &fx.err));
	ck_assert_str_eq(said, "org/m@main 1 1 pinned\n");
	ok(store_model_pin(fx.store, "org/m", false, &fx.err));
	ck_assert_str_eq(list(), "org/m@main 1 1\n");
	fails(store_model_pin(fx.store, "x", true, &fx.err), STORE_NOT_FOUND);
}
END_TEST

Suite *check_store_model(void)
{
	Suite *s = suite_create("store_model");
	TCase *t = tcase_create("model");

	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, lists_are_ordered);
	tcase_add_test(t, one_model);
	tcase_add_test(t, files_are_ordered_bytewise);
	tcase_add_test(t, a_callback_may_stop_the_walk);
	tcase_add_test(t, a_callback_may_call_the_store);
	tcase_add_test(t, removing_a_model);
	tcase_add_test(t, removing_a_revision);
	tcase_add_test(t, removing_a_commit);
	tcase_add_test(t, pins);
	suite_add_tcase(s, t);
	return s;
}
