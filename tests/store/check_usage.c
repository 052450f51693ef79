/* SPDX-License-Identifier: MIT */
/* check_usage.c — bytes of a model, those it shares, those derived of it; its snapshots. */
#include <config.h>

#include "tests/store/fixture.h"

#include <stdio.h>

static void expect(const char *model, uint64_t stored, uint64_t shared, uint64_t derived)
{
	struct store_usage u;

	ok(store_usage_get(fx.store, model, &u, &fx.err));
	ck_assert_uint_eq(u.stored, stored);
	ck_assert_uint_eq(u.shared, shared);
	ck_assert_uint_eq(u.derived, derived);
}

static void derive(const char *source, const char *kind, const char *text)
{
	struct store_digest digest = fixture_digest(source);
	struct store_derived made;

	ok(store_derived_put(fx.store, &digest, kind, text, strlen(text), &made, &fx.err));
}

START_TEST(bytes_are_counted_once)
{
	fixture_import("m", "main", "a", "12345", "b", "12345", "c", "1", NULL);
	expect("m", 6, 0, 0);
	fixture_import("m", "main", "a", "12345", "d", "123", NULL); /* a second snapshot */
	expect("m", 9, 0, 0);
	fixture_import("org/n", "main", "x", "12345", "y", "12", NULL);
	expect("m", 9, 5, 0);
	expect("org--n", 7, 5, 0);
	derive("12345", "gzip", "zz");
	derive("12345", "zstd", "zzz");
	derive("1", "gzip", "zzzz");
	derive("1", "zstd", "zz"); /* the same bytes: once */
	expect("m", 9, 5, 9);
	expect("org/n", 7, 5, 5);
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	expect("org/n", 7, 0, 5);
	fails(store_usage_get(fx.store, "m", &(struct store_usage){.stored = 0}, &fx.err),
	      STORE_NOT_FOUND);
}
END_TEST

static char seen[512];

static int see(void *arg, const struct store_usage_snapshot *s)
{
	ck_assert_ptr_eq(arg, seen);
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.4s:%s:%d:%d:%s ", s->commit,
		 s->revision != NULL ? s->revision : "-", (int)s->file_count, (int)s->size_bytes,
		 s->used_s > 0 ? "used" : "never");
	ck_assert_int_gt(s->modified_s, 0);
	return strstr(seen, "stop") != NULL ? 42 : 0;
}

START_TEST(snapshots_with_their_names)
{
	char first[STORE_COMMIT_HEX + 1], second[STORE_COMMIT_HEX + 1], want[512];
	struct store_file file;

	fixture_import("m", "v1", "a", "1", NULL);
	fixture_import("m", "main", "a", "1", NULL);
	memcpy(first, fx.commit, sizeof(first));
	fixture_import("m", "main", "a", "12", "b", "3", NULL);
	memcpy(second, fx.commit, sizeof(second));
	fixture_import("m", "main", "a", "123", NULL);
	ok(store_file_find(fx.store, "m", "v1", "a", &file, &fx.err));
	ok(store_usage_snapshots(fx.store, "m", see, seen, &fx.err));
	snprintf(want, sizeof(want), "%.4s:main:1:3:never %.4s:-:2:3:never %.4s:v1:1:1:used ",
		 fx.commit, second, first);
	ck_assert_str_eq(seen, want);
	fixture_import("m", "stop", "a", "1", NULL);
	fixture_import("m", "also", "a", "1", NULL);
	seen[0] = '\0';
	ck_assert_int_eq(store_usage_snapshots(fx.store, "m", see, seen, &fx.err), 42);
	snprintf(want, sizeof(want),
		 "%.4s:main:1:3:never %.4s:-:2:3:never %.4s:also:1:1:used %.4s:stop:1:1:used ",
		 fx.commit, second, first, first);
	ck_assert_str_eq(strchr(seen, ' '), strchr(want, ' '));
	fails(store_usage_snapshots(fx.store, "n", see, seen, &fx.err), STORE_NOT_FOUND);
}
END_TEST

static char held[4][100];
static unsigned holders;

static int hold(void *arg, const struct store_holder *h)
{
	ck_assert_ptr_eq(arg, held);
	ck_assert_uint_lt(holders, 4);
	ck_assert_uint_eq(strlen(h->commit), STORE_COMMIT_HEX);
	snprintf(held[holders++], sizeof(held[0]), "%s@%s:%s%s", h->model,
		 h->revision != NULL ? h->revision : "-", h->path,
		 strcmp(h->commit, fx.commit) == 0 ? " last" : "");
	return strcmp(h->path, "stop") == 0 ? 42 : 0;
}

static bool is_held(const char *what)
{
	for (unsigned i = 0; i < holders; i++) {
		if (strcmp(held[i], what) == 0)
			return true;
	}
	return false;
}

START_TEST(who_names_a_content)
{
	struct store_digest one = fixture_digest("one"), none = fixture_digest("none");

	fixture_import("m", "main", "a", "one", NULL);
	fixture_import("m", "main", "a", "two", NULL);
	fixture_import("org/n", "v1", "x", "one", "y/z", "one", "b", "two", NULL);
	fixture_put("none");
	ok(store_usage_holders(fx.store, &none, hold, held, &fx.err));
	ck_assert_uint_eq(holders, 0);
	ok(store_usage_holders(fx.store, &one, hold, held, &fx.err));
	ck_assert_uint_eq(holders, 3);
	ck_assert(is_held("m@-:a") && is_held("org/n@v1:x last") && is_held("org/n@v1:y/z last"));
	holders = 0;
	fixture_import("o", "main", "stop", "three", NULL);
	one = fixture_digest("three");
	ck_assert_int_eq(store_usage_holders(fx.store, &one, hold, held, &fx.err), 42);
	ck_assert_str_eq(held[0], "o@main:stop last");
}
END_TEST

Suite *check_store_usage(void)
{
	Suite *s = suite_create("store_usage");
	TCase *t = tcase_create("usage");

	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, bytes_are_counted_once);
	tcase_add_test(t, snapshots_with_their_names);
	tcase_add_test(t, who_names_a_content);
	suite_add_tcase(s, t);
	return s;
}
