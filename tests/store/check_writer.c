/* SPDX-License-Identifier: MIT */
/* check_writer.c — a blob piece by piece: right, wrong, twice, aborted, failing. */
#include <config.h>

#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has(const char *text)
{
	struct store_digest digest = fixture_digest(text);
	uint64_t size = 0;

	if (!store_blob_has(fx.store, &digest, &size))
		return false;
	ck_assert_uint_eq(size, strlen(text));
	return true;
}

/* Write ${text} expecting the digest of ${expected}, or none. */
static int put(const char *text, const char *expected)
{
	struct store_digest expect, digest;
	struct store_writer *w;
	uint64_t size;
	int status;

	status = store_writer_open(fx.store, &w, &fx.err);
	if (status != 0)
		return status;
	status = store_writer_append(w, text, strlen(text), &fx.err);
	if (status != 0) {
		store_writer_abort(w);
		return status;
	}
	if (expected != NULL)
		expect = fixture_digest(expected);
	return store_writer_commit(w, expected != NULL ? &expect : NULL, &digest, &size, &fx.err);
}

START_TEST(in_pieces_of_any_size)
{
	struct store_digest digest;
	struct store_writer *w;
	uint64_t size = 0;

	ok(store_writer_open(fx.store, &w, &fx.err));
	ck_assert_int_eq(fixture_count("tmp"), 1);
	ok(store_writer_append(w, "he", 2, &fx.err));
	ok(store_writer_append(w, "", 0, &fx.err));
	ok(store_writer_append(w, "llo", 3, &fx.err));
	ck_assert(!has("hello"));
	ok(store_writer_commit(w, NULL, &digest, &size, &fx.err));
	ck_assert_uint_eq(size, 5);
	ck_assert(has("hello"));
	ck_assert_int_eq(fixture_count("tmp"), 0);
	ck_assert_int_eq(fixture_count("blobs"), 1);
}
END_TEST

START_TEST(no_bytes_at_all)
{
	struct store_digest digest;
	struct store_writer *w;

	ok(store_writer_open(fx.store, &w, &fx.err));
	ok(store_writer_commit(w, NULL, &digest, NULL, &fx.err));
	ck_assert(has(""));
}
END_TEST

START_TEST(the_expected_digest_decides)
{
	ok(put("right", "right"));
	ck_assert(has("right"));
	fails(put("wrong", "expected"), STORE_DIGEST);
	ck_assert(!has("wrong"));
	ck_assert(!has("expected"));
	ck_assert_int_eq(fixture_count("tmp"), 0);
	ck_assert_int_eq(fixture_count("blobs"), 1);
}
END_TEST

START_TEST(the_same_content_is_stored_once)
{
	struct store_digest digest = fixture_put("same");
	struct stat before, after;

	ck_assert_int_eq(stat(fixture_blob_path(&digest), &before), 0);
	fixture_put("same");
	ck_assert_int_eq(stat(fixture_blob_path(&digest), &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(fixture_count("blobs"), 1);
	ck_assert_int_eq(fixture_count("tmp"), 0);
}
END_TEST

START_TEST(a_file_of_the_wrong_size_is_replaced)
{
	struct store_digest digest = fixture_put("content");

	fixture_write_file(fixture_blob_path(&digest), "cont", 4);
	fixture_put("content");
	fixture_import("m", "main", "a", "content", NULL);
	ck_assert(fixture_reads("m", "main", "a", "content"));
	unlink(fixture_blob_path(&digest));
	fixture_put("content");
	ck_assert_int_eq(fixture_count("blobs"), 1);
}
END_TEST

START_TEST(abort_leaves_nothing)
{
	struct store_writer *w;

	store_writer_abort(NULL);
	ok(store_writer_open(fx.store, &w, &fx.err));
	ok(store_writer_append(w, "x", 1, &fx.err));
	store_writer_abort(w);
	ck_assert_int_eq(fixture_count("tmp"), 0);
	ck_assert(!has("x"));
}
END_TEST

START_TEST(after_a_failed_append_nothing_is_committed)
{
	struct store_digest digest;
	struct store_writer *w;

	ok(store_writer_open(fx.store, &w, &fx.err));
	ok(store_writer_append(w, "a", 1, &fx.err));
	fault_arm(FAULT_WRITE, 1);
	fails(store_writer_append(w, "b", 1, &fx.err), STORE_FULL);
	ck_assert(fault_disarm());
	fails(store_writer_append(w, "c", 1, &fx.err), STORE_FULL);
	fails(store_writer_commit(w, NULL, &digest, NULL, &fx.err), STORE_FULL);
	ck_assert_int_eq(fixture_count("tmp"), 0);
	ck_assert_int_eq(fixture_count("blobs"), 0);
}
END_TEST

START_TEST(short_and_interrupted_writes_are_continued)
{
	for (int n = 1; n <= 3; n++) {
		struct store_digest digest;
		struct store_writer *w;

		ok(store_writer_open(fx.store, &w, &fx.err));
		fault_arm_errno(FAULT_WRITE, 1, n == 1 ? EINTR : 0);
		ok(store_writer_append(w, "0123456789", 10 - (size_t)n, &fx.err));
		ck_assert(fault_disarm());
		ok(store_writer_commit(w, NULL, &digest, NULL, &fx.err));
		fixture_import("m", "main", "a",
			       n == 1   ? "012345678"
			       : n == 2 ? "01234567"
					: "0123456",
			       NULL);
	}
	ck_assert_int_eq(fixture_count("blobs"), 3);
}
END_TEST

START_TEST(each_failing_step_leaves_nothing)
{
	static const struct {
		enum fault_call call;
		int status;
	} rows[] = {
	    {FAULT_MALLOC, STORE_MEMORY}, {FAULT_OPEN, STORE_FILES}, {FAULT_DIGEST, STORE_MEMORY},
	    {FAULT_WRITE, STORE_FULL},    {FAULT_FSYNC, STORE_IO},   {FAULT_RENAME, STORE_IO},
	    {FAULT_MKDIR, STORE_FULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fault_arm(rows[i].call, 1);
		fails(put("content", NULL), rows[i].status);
		ck_assert(fault_disarm());
		ck_assert(!has("content"));
		ck_assert_int_eq(fixture_count("tmp"), 0);
		ck_assert_int_eq(fixture_count("blobs"), 0);
	}
	ok(put("content", NULL));
	ck_assert(has("content"));
}
END_TEST

/* How often putting ${text} syncs something, our own calls only. */
static int syncs_of(const char *text)
{
	struct store_digest digest = fixture_digest(text);
	int n = 0;

	for (;;) {
		int status;

		fault_arm(FAULT_FSYNC, ++n);
		status = put(text, NULL);
		if (!fault_disarm()) {
			ok(status);
			return n - 1;
		}
		ck_assert_int_eq(status, STORE_IO);
		rmdir(fixture_path("blobs/%02x", digest.bytes[0])); /* so that it is new again */
	}
}

START_TEST(nothing_is_said_to_be_stored_before_it_is_synced)
{
	struct store_digest digest = fixture_digest("content");

	/* the bytes, the folder of folders, the folder */
	ck_assert_int_eq(syncs_of("content"), 3);
	/* there already: nothing */
	ck_assert_int_eq(syncs_of("content"), 0);
	/* its folder there already: the bytes, the folder */
	unlink(fixture_blob_path(&digest));
	fixture_write_file(fixture_path("blobs/%02x/stray", digest.bytes[0]), "", 0);
	ck_assert_int_eq(syncs_of("content"), 2);
}
END_TEST

START_TEST(a_full_disk_is_not_filled_with_nameless_files)
{
	fixture_close();
	faultfs_install();
	fixture_open();
	ok(put("first", NULL)); /* so that nothing but the row is left to be written */
	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_SQL_FULL, n);
		fails(put("content", NULL), STORE_FULL);
		ck_assert(fault_disarm());
		ck_assert_int_eq(fixture_count("blobs"), 1);
		ck_assert(!has("content"));
	}
	ok(put("content", NULL));
	ck_assert_int_eq(fixture_count("blobs"), 2);
}
END_TEST

START_TEST(an_upload_without_a_name_survives_removals)
{
	fixture_import("m", "main", "a", "1", NULL);
	fixture_put("uploaded, named later");
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	ck_assert(has("uploaded, named later"));
	fixture_crash();
	fixture_open();
	ck_assert(has("uploaded, named later"));
	fixture_import("m", "main", "a", "uploaded, named later", NULL);
	ck_assert(fixture_reads("m", "main", "a", "uploaded, named later"));
}
END_TEST

/* A file in tmp/ under the digest of ${name}, and the attempt to take it over. */
static int adopt(const char *name, const char *content)
{
	struct store_digest digest = fixture_digest(name), got;
	char hex[STORE_DIGEST_HEX + 1];
	uint64_t size = 0;
	int status;

	store_digest_hex(&digest, hex);
	if (content != NULL)
		fixture_write_file(fixture_path("tmp/%s", hex), content, strlen(content));
	status = store_writer_adopt(fx.store, &digest, &got, &size, &fx.err);
	if (status == 0) {
		ck_assert(store_digest_equal(&digest, &got));
		ck_assert_uint_eq(size, strlen(name));
	}
	ck_assert_int_eq(fixture_count("tmp"), 0);
	return status;
}

START_TEST(a_file_that_is_there_is_taken_over)
{
	struct stat st;
	struct store_digest digest = fixture_digest("content");

	ok(adopt("content", "content"));
	ck_assert(has("content"));
	ck_assert_int_eq(stat(fixture_blob_path(&digest), &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0400);
	ok(adopt("content", "content")); /* it is stored already */
	ck_assert_int_eq(fixture_count("blobs"), 1);
	ok(adopt("", ""));
	fails(adopt("other", "else"), STORE_DIGEST);
	fails(adopt("absent", NULL), STORE_NOT_FOUND);
	ck_assert(!has("other"));
	fixture_import("m", "main", "a", "content", NULL);
	ck_assert(fixture_reads("m", "main", "a", "content"));
}
END_TEST

START_TEST(only_a_file_of_its_own_is_taken_over)
{
	struct store_digest digest = fixture_digest("content");
	char hex[STORE_DIGEST_HEX + 1];

	store_digest_hex(&digest, hex);
	fixture_write_file(fixture_path("elsewhere"), "content", 7);
	/* somebody else could change it under its other name */
	ck_assert_int_eq(link(fixture_path("elsewhere"), fixture_path("tmp/%s", hex)), 0);
	fails(adopt("content", NULL), STORE_INVALID);
	ck_assert_int_eq(symlink("../elsewhere", fixture_path("tmp/%s", hex)), 0);
	ck_assert_int_ne(adopt("content", NULL), 0);
	ck_assert_int_eq(mkfifo(fixture_path("tmp/%s", hex), 0600), 0);
	fails(adopt("content", NULL), STORE_INVALID);
	ck_assert(!has("content"));
	ck_assert_int_eq(access(fixture_path("elsewhere"), F_OK), 0);
}
END_TEST

START_TEST(taking_over_failed_at_every_call)
{
	static const enum fault_call calls[] = {FAULT_FSYNC,    FAULT_RENAME, FAULT_OPEN,
						FAULT_MALLOC,   FAULT_DIGEST, FAULT_STAT,
						FAULT_SQL_WRITE};

	fixture_close();
	faultfs_install();
	fixture_open();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (int n = 1;; n++) {
			struct store_digest digest = fixture_digest("content"), got;
			char hex[STORE_DIGEST_HEX + 1];
			uint64_t size;
			int status;

			fixture_close();
			fixture_teardown();
			fixture_setup();
			store_digest_hex(&digest, hex);
			fixture_write_file(fixture_path("tmp/%s", hex), "content", 7);
			fault_arm(calls[i], n);
			status = store_writer_adopt(fx.store, &digest, &got, &size, &fx.err);
			if (!fault_disarm()) {
				ok(status);
				break;
			}
			if (status != 0)
				fixture_check_error(status);
			fixture_reopen();
			ck_assert_int_eq(fixture_count("tmp"), 0);
			if (status == 0)
				ck_assert(has("content"));
			ok(adopt("content", "content"));
			ck_assert(has("content"));
		}
	}
}
END_TEST

Suite *check_store_writer(void)
{
	Suite *s = suite_create("store_writer");
	TCase *t = tcase_create("writer");

	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, in_pieces_of_any_size);
	tcase_add_test(t, no_bytes_at_all);
	tcase_add_test(t, the_expected_digest_decides);
	tcase_add_test(t, the_same_content_is_stored_once);
	tcase_add_test(t, a_file_of_the_wrong_size_is_replaced);
	tcase_add_test(t, abort_leaves_nothing);
	tcase_add_test(t, after_a_failed_append_nothing_is_committed);
	tcase_add_test(t, short_and_interrupted_writes_are_continued);
	tcase_add_test(t, each_failing_step_leaves_nothing);
	tcase_add_test(t, nothing_is_said_to_be_stored_before_it_is_synced);
	tcase_add_test(t, a_full_disk_is_not_filled_with_nameless_files);
	tcase_add_test(t, an_upload_without_a_name_survives_removals);
	tcase_add_test(t, a_file_that_is_there_is_taken_over);
	tcase_add_test(t, only_a_file_of_its_own_is_taken_over);
	tcase_add_test(t, taking_over_failed_at_every_call);
	suite_add_tcase(s, t);
	return s;
}
