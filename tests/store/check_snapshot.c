/* SPDX-License-Identifier: MIT */
/* check_snapshot.c — from names to a snapshot: names, commits, beginnings of commits. */
#include <config.h>

#include "store/snapshot.h"
#include "store/state.h"
#include "tests/store/fixture.h"

#include <stdio.h>

static struct store_snapshot snap;

static int find(const char *model, const char *revision)
{
	struct store_conn *conn;
	int status;

	ok(store_index_reader(fx.store->index, &conn, &fx.err));
	status = store_snapshot_find(conn, model, revision, &snap, &fx.err);
	store_index_done(fx.store->index, conn);
	return status;
}

START_TEST(by_name_and_by_commit)
{
	char prefix[STORE_COMMIT_HEX + 1];

	fixture_import("org/m", "main", "a", "12345", "b", "678", NULL);
	ok(find("org/m", "main"));
	ck_assert(snap.by_name);
	ck_assert(!snap.by_commit);
	ck_assert_str_eq(snap.model, "org/m");
	ck_assert_str_eq(snap.commit, fx.commit);
	ck_assert_uint_eq(snap.file_count, 2);
	ck_assert_uint_eq(snap.size_bytes, 8);
	ck_assert_int_gt(snap.made_s, 1600000000);
	ok(find("org--m", fx.commit));
	ck_assert(!snap.by_name);
	ck_assert(snap.by_commit);
	memcpy(prefix, fx.commit, sizeof(prefix));
	for (size_t n = STORE_COMMIT_HEX - 1; n >= 7; n--) {
		prefix[n] = '\0';
		ok(find("org/m", prefix));
		ck_assert_str_eq(snap.commit, fx.commit);
		ck_assert(!snap.by_commit); /* a new snapshot may make it ambiguous */
	}
	prefix[6] = '\0';
	fails(find("org/m", prefix), STORE_NOT_FOUND);
}
END_TEST

START_TEST(what_is_not_there)
{
	fixture_import("m", "main", "a", "1", NULL);
	fails(find("n", "main"), STORE_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(fx.err.text, "'n'"));
	fails(find("m", "v2"), STORE_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(fx.err.text, "'v2'"));
	fails(find("m", "0000000"), STORE_NOT_FOUND);
	fails(find("m", ""), STORE_NOT_FOUND);
	fails(find("", "main"), STORE_NOT_FOUND);
	fails(find("..", "main"), STORE_NOT_FOUND);
	fails(find("m\xff\x01", "main"), STORE_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(fx.err.text, "'m?\?'"));
	/* upper case is not how commits are written; one digit more is none either */
	fails(find("m", "ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD"), STORE_NOT_FOUND);
	fx.commit[0] = fx.commit[0] == '0' ? '1' : '0';
	fails(find("m", fx.commit), STORE_NOT_FOUND);
}
END_TEST

START_TEST(the_beginning_of_two)
{
	static const char a[] = "abcdef0000000000000000000000000000000001";
	static const char b[] = "abcdef0000000000000000000000000000000002";

	fixture_import("m", "main", "a", "1", NULL);
	fixture_close();
	fixture_sql("UPDATE snapshot SET commit_id = 'abcdef0000000000000000000000000000000001'");
	fixture_sql("INSERT INTO snapshot (model_id, commit_id, made_s, file_count, size_bytes) "
		    "VALUES (1, 'abcdef0000000000000000000000000000000002', 1, 0, 0)");
	fixture_open();
	fails(find("m", "abcdef0"), STORE_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(fx.err.text, "several"));
	ok(find("m", a));
	ok(find("m", b));
}
END_TEST

START_TEST(a_name_comes_before_a_commit)
{
	char first[STORE_COMMIT_HEX + 1];

	fixture_import("m", "main", "a", "1", NULL);
	memcpy(first, fx.commit, sizeof(first));
	fixture_import("m", first, "a", "2", NULL);
	ok(find("m", first));
	ck_assert(snap.by_name);
	ck_assert(!snap.by_commit);
	ck_assert_str_eq(snap.commit, fx.commit);
}
END_TEST

Suite *check_store_snapshot(void)
{
	Suite *s = suite_create("store_snapshot");
	TCase *t = tcase_create("snapshot");

	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, by_name_and_by_commit);
	tcase_add_test(t, what_is_not_there);
	tcase_add_test(t, the_beginning_of_two);
	tcase_add_test(t, a_name_comes_before_a_commit);
	suite_add_tcase(s, t);
	return s;
}
