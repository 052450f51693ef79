/* SPDX-License-Identifier: MIT */
/*
 * check_manifest.c — the files beside the blobs, byte by byte as store/manifest.h
 * describes them; and that they are there after anything that changes a name.
 */
#include <config.h>

#include "store/manifest.h"
#include "store/manifest_text.h"
#include "store/state.h"
#include "tests/store/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* A whole file as text; NULs are shown as `|`. */
static const char *slurp(const char *path)
{
	static char text[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	ck_assert_msg(fd >= 0, "%s is not there", path);
	close(fd);
	for (ssize_t i = 0; i < n; i++)
		text[i] = text[i] == '\0' ? '|' : text[i];
	text[n] = '\0';
	return text;
}

static const char *model_path(const char *name)
{
	struct store_digest digest = fixture_digest(name);
	char hex[STORE_DIGEST_HEX + 1];

	store_digest_hex(&digest, hex);
	return fixture_path("models/%s", hex);
}

static const char *hex_of(const char *text)
{
	static char hex[4][STORE_DIGEST_HEX + 1];
	static unsigned turn;
	struct store_digest digest = fixture_digest(text);

	store_digest_hex(&digest, hex[++turn % 4]);
	return hex[turn % 4];
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

START_TEST(the_list_of_a_snapshot)
{
	char want[1000];

	fixture_import("org/m", "main", "b/two", "22", "a", "1", "b.one", "22", NULL);
	/* "." is before "/" */
	snprintf(want, sizeof(want), "a|%s|1\nb.one|%s|2\nb/two|%s|2\n", hex_of("1"), hex_of("22"),
		 hex_of("22"));
	ck_assert_str_eq(slurp(fixture_path("snapshots/%s", fx.commit)), want);
	ck_assert_int_eq(fixture_count("snapshots"), 1);
	ck_assert_int_eq(fixture_count("tmp"), 0);
}
END_TEST

START_TEST(the_names_of_a_model)
{
	char first[STORE_COMMIT_HEX + 1];
	char want[2000], sum[80];

	fixture_import("org/m", "main", "a", "1", NULL);
	memcpy(first, fx.commit, sizeof(first));
	fixture_import("org/m", "refs/pr/1 \xc3\xa9", "a", "2", NULL);
	ok(store_model_pin(fx.store, "org/m", true, &fx.err));
	snprintf(want, sizeof(want),
		 "larder model 1\nname org/m\npinned 1\nsnapshot %s %lld\nsnapshot %s %lld\n"
		 "revision %s main\nrevision %s refs/pr/1 \xc3\xa9\n",
		 first, fixture_sql("SELECT made_s FROM snapshot WHERE id = 1"), fx.commit,
		 fixture_sql("SELECT made_s FROM snapshot WHERE id = 2"), first, fx.commit);
	snprintf(sum, sizeof(sum), "sum %s\n", hex_of(want));
	memcpy(want + strlen(want), sum, strlen(sum) + 1);
	ck_assert_str_eq(slurp(model_path("org/m")), want);
	ok(store_model_pin(fx.store, "org/m", false, &fx.err));
	ck_assert_ptr_nonnull(strstr(slurp(model_path("org/m")), "\npinned 0\n"));
}
END_TEST

START_TEST(they_go_with_what_they_are_of)
{
	char first[STORE_COMMIT_HEX + 1];

	fixture_import("a", "main", "f", "1", NULL);
	memcpy(first, fx.commit, sizeof(first));
	fixture_import("b", "main", "f", "1", NULL);
	ck_assert_str_eq(first, fx.commit);
	ck_assert_int_eq(fixture_count("snapshots"), 1);
	ok(store_model_remove(fx.store, "a", NULL, &fx.err));
	ck_assert(!exists(model_path("a")));
	ck_assert(exists(fixture_path("snapshots/%s", first)));
	fixture_import("b", "main", "f", "2", NULL);
	ok(store_model_remove(fx.store, "b", first, &fx.err));
	ck_assert(!exists(fixture_path("snapshots/%s", first)));
	ck_assert_ptr_null(strstr(slurp(model_path("b")), first));
	ok(store_model_remove(fx.store, "b", NULL, &fx.err));
	ck_assert_int_eq(fixture_count("snapshots") + fixture_count("models"), 0);
	ck_assert_int_eq(fixture_sql("SELECT count(*) FROM stale"), 0);
}
END_TEST

/* What a larder of before manifests left: the schema of version 2 and no files. */
START_TEST(stores_of_before_get_theirs)
{
	static const char *const undo[] = {
	    "DROP TRIGGER snapshot_stale_came",     "DROP TRIGGER snapshot_stale_went",
	    "DROP TRIGGER revision_stale_came",     "DROP TRIGGER revision_stale_moved",
	    "DROP TRIGGER revision_stale_went",     "DROP TRIGGER model_stale_pinned",
	    "DROP TRIGGER model_stale_went",        "DROP TABLE stale",
	    "DROP INDEX snapshot_commit",           "DROP INDEX blob_damaged",
	    "ALTER TABLE total DROP scrub_id",      "ALTER TABLE total DROP scrub_began_s",
	    "ALTER TABLE total DROP scrub_ended_s", "PRAGMA user_version = 2",
	};
	char name[16];

	for (int i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		fixture_import(name, "main", "f", name, NULL);
	}
	fixture_close();
	for (size_t i = 0; i < sizeof(undo) / sizeof(undo[0]); i++)
		fixture_sql(undo[i]);
	fixture_empty("snapshots");
	fixture_empty("models");
	fixture_open();
	ck_assert_int_eq(fixture_count("snapshots"), 150);
	ck_assert_int_eq(fixture_count("models"), 150);
	ck_assert_int_eq(fixture_sql("SELECT count(*) FROM stale"), 0);
	ck_assert_int_eq(fixture_count("tmp"), 0);
}
END_TEST

START_TEST(a_crash_has_them_compared)
{
	char first[STORE_COMMIT_HEX + 1];
	const char *orphan = "0123456789abcdef0123456789abcdef01234567";

	fixture_import("a", "main", "f", "1", NULL);
	memcpy(first, fx.commit, sizeof(first));
	fixture_import("b", "main", "f", "2", NULL);
	fixture_import("c", "main", "f", "3", NULL);
	fixture_write_file(fixture_path("snapshots/%s", orphan), "x", 1);
	fixture_write_file(fixture_path("snapshots/a note"), "x", 1);
	fixture_write_file(fixture_path("snapshots/%s", first), "damaged", 7);
	fixture_write_file(model_path("gone"), "damaged", 7);
	fixture_write_file(model_path("b"), "damaged", 7);
	unlink(model_path("c"));
	fixture_crash();
	fixture_open();
	ck_assert(!exists(fixture_path("snapshots/%s", orphan)));
	ck_assert(exists(fixture_path("snapshots/a note")));
	ck_assert(!exists(model_path("gone")));
	ck_assert_ptr_nonnull(strstr(slurp(fixture_path("snapshots/%s", first)), hex_of("1")));
	ck_assert_ptr_nonnull(strstr(slurp(model_path("b")), "\nname b\n"));
	ck_assert_ptr_nonnull(strstr(slurp(model_path("c")), "\nname c\n"));
	ck_assert_int_eq(fixture_count("models"), 3);
}
END_TEST

/* ---- reading ------------------------------------------------------------------------- */

static int count_line(void *arg, const struct store_manifest_line *line, struct store_error *err)
{
	(void)line;
	(void)err;
	++*(int *)arg;
	return 0;
}

static int count_file(void *arg, const struct store_file_info *info, struct store_error *err)
{
	(void)info;
	(void)err;
	++*(int *)arg;
	return 0;
}

/* The lines with a right sum behind them. */
static int read_model(const char *lines, int *count)
{
	char text[2000], name[STORE_NAME_MAX + 1];

	*count = 0;
	snprintf(text, sizeof(text), "%ssum %s\n", lines, hex_of(lines));
	return store_manifest_model(text, strlen(text), name, count_line, count, &fx.err);
}

#define C40 "0123456789abcdef0123456789abcdef01234567"

START_TEST(manifests_that_are_none)
{
	static const char *const models[] = {
	    "",
	    "larder model 2\nname a\npinned 0\n",
	    "larder model 1\nname \npinned 0\n",
	    "larder model 1\nname a/b/c\npinned 0\n",
	    "larder model 1\nname a\npinned 2\n",
	    "larder model 1\nname a\npinned 0",
	    "larder model 1\nname a\npinned 0\nsnapshot " C40 "\n",
	    "larder model 1\nname a\npinned 0\nsnapshot " C40 " \n",
	    "larder model 1\nname a\npinned 0\nsnapshot " C40 " -1\n",
	    "larder model 1\nname a\npinned 0\nsnapshot " C40 " 99999999999999999999\n",
	    "larder model 1\nname a\npinned 0\nsnapshot " C40 "0 1\n",
	    "larder model 1\nname a\npinned 0\nsnapshot G" C40 " 1\n",
	    "larder model 1\nname a\npinned 0\nrevision " C40 " \n",
	    "larder model 1\nname a\npinned 0\nrevision " C40 " a//b\n",
	    "larder model 1\nname a\npinned 0\nrevision " C40 " ../b\n",
	    "larder model 1\nname a\npinned 0\nfile x\n",
	};
	char name[STORE_NAME_MAX + 1];
	int count;

	ok(read_model("larder model 1\nname a\npinned 1\nsnapshot " C40 " 7\nrevision " C40 " r\n",
		      &count));
	ck_assert_int_eq(count, 3);
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		ck_assert_msg(read_model(models[i], &count) == STORE_DAMAGED, "%s", models[i]);
		ck_assert_int_eq(count, 0);
	}
	fails(store_manifest_model("sum 00\n", 7, name, count_line, &count, &fx.err),
	      STORE_DAMAGED);
	fails(store_manifest_model("", 0, name, count_line, &count, &fx.err), STORE_DAMAGED);
}
END_TEST

/* A list of one file, its commit made to fit; `|` stands for NUL. */
static int read_list(const char *text, int *count)
{
	struct store_digest digest;
	char bytes[1000], commit[STORE_DIGEST_HEX + 1];
	size_t size = strlen(text);

	*count = 0;
	memcpy(bytes, text, size + 1);
	for (size_t i = 0; i < size; i++)
		bytes[i] = bytes[i] == '|' ? '\0' : bytes[i];
	ok(store_digest_of(bytes, size, &digest));
	store_digest_hex(&digest, commit);
	return store_manifest_files(bytes, size, commit, count_file, count, &fx.err);
}

#define D64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(lists_that_are_none)
{
	static const char *const lists[] = {
	    "a",
	    "a|",
	    "a|" D64,
	    "a|" D64 "|",
	    "a|" D64 "|\n",
	    "a|" D64 "|1",
	    "a|" D64 "|-1\n",
	    "a|" D64 "|1x\n",
	    "a|" D64 "0|1\n",
	    "a|0" D64 "|1\n",
	    "/a|" D64 "|1\n",
	    "a/../b|" D64 "|1\n",
	    "|" D64 "|1\n",
	    "a|" D64 "|1\n\n",
	    "a\nb|" D64 "|1\n",
	    "\xff|" D64 "|1\n",
	    "a|" D64 "|1\nb|",
	    "a|" D64 "|9223372036854775808\n",
	};
	int count;

	ok(read_list("a|" D64 "|9223372036854775807\nb|" D64 "|0\n", &count));
	ck_assert_int_eq(count, 2);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		ck_assert_msg(read_list(lists[i], &count) == STORE_DAMAGED, "%s", lists[i]);
		ck_assert_int_eq(count, 0);
	}
	fails(store_manifest_files("a", 1, C40, count_file, &count, &fx.err), STORE_DAMAGED);
}
END_TEST

Suite *check_store_manifest(void)
{
	Suite *s = suite_create("store_manifest");
	TCase *t = tcase_create("manifest");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, the_list_of_a_snapshot);
	tcase_add_test(t, the_names_of_a_model);
	tcase_add_test(t, they_go_with_what_they_are_of);
	tcase_add_test(t, stores_of_before_get_theirs);
	tcase_add_test(t, a_crash_has_them_compared);
	tcase_add_test(t, manifests_that_are_none);
	tcase_add_test(t, lists_that_are_none);
	suite_add_tcase(s, t);
	return s;
}
