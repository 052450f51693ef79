/* SPDX-License-Identifier: MIT */
/* check_folder.c — the state folder as files: lock, temporaries, publishing, walking. */
#include <config.h>

#include "store/folder.h"
#include "tests/lib/fault.h"
#include "tests/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct store_folder folder;

static void setup(void)
{
	fixture_setup_closed();
	ok(store_folder_open(fx.dir, false, &folder, &fx.err));
}

static void teardown(void)
{
	store_folder_close(&folder);
	fixture_teardown();
}

/* A blob by the folder's own means. */
static struct store_digest publish(const char *text)
{
	struct store_digest digest = fixture_digest(text);
	char name[STORE_TEMP_NAME];
	int fd;

	ok(store_folder_temp(&folder, name, &fd, &fx.err));
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ok(store_folder_publish(&folder, name, &digest, &fx.err));
	return digest;
}

START_TEST(open_makes_what_is_missing)
{
	struct stat st;

	ck_assert_int_eq(stat(fx.dir, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0700);
	ck_assert_int_eq(fixture_count("tmp"), 0);
	ck_assert_int_eq(fixture_count("blobs"), 0);
	store_folder_close(&folder);
	ok(store_folder_open(fx.dir, false, &folder, &fx.err));
}
END_TEST

START_TEST(one_at_a_time)
{
	struct store_folder second;

	fails(store_folder_open(fx.dir, false, &second, &fx.err), STORE_LOCKED);
	ck_assert_int_eq(second.dir, -1);
	ok(store_folder_open(fx.dir, true, &second, &fx.err));
	ck_assert_int_eq(second.lock, -1);
	store_folder_close(&second);
	store_folder_close(&folder);
	ok(store_folder_open(fx.dir, false, &second, &fx.err));
	store_folder_close(&second);
}
END_TEST

START_TEST(open_fails_cleanly)
{
	static const enum fault_call calls[] = {FAULT_MKDIR, FAULT_OPEN, FAULT_FLOCK};
	struct store_folder f;

	store_folder_close(&folder);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int n = 0;
		int status;

		do {
			fault_arm(calls[i], ++n);
			status = store_folder_open(fx.dir, false, &f, &fx.err);
			ck_assert_int_eq(fault_disarm(), status != 0);
			if (status == 0)
				break;
			fixture_check_error(status);
			ck_assert_int_eq(f.dir, -1);
			ck_assert_int_eq(f.lock, -1);
		} while (n < 20);
		ck_assert_int_gt(n, 1);
		store_folder_close(&f);
	}
	fails(store_folder_open("", false, &f, &fx.err), STORE_IO);
	fails(store_folder_open(fixture_path("no/such"), false, &f, &fx.err), STORE_IO);
	fixture_write_file(fixture_path("file"), "x", 1);
	fails(store_folder_open(fixture_path("file"), false, &f, &fx.err), STORE_IO);
	fails(store_folder_open(fixture_path("nothing"), true, &f, &fx.err), STORE_IO);
}
END_TEST

/* Both the folder of blobs and the one around it. */
START_TEST(syncing_fails_cleanly)
{
	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_FSYNC, n);
		fails(store_folder_sync_roots(&folder, &fx.err), STORE_IO);
		ck_assert(fault_disarm());
	}
	ok(store_folder_sync_roots(&folder, &fx.err));
}
END_TEST

START_TEST(a_blob_from_temporary_to_removal)
{
	struct store_digest digest = publish("hello");
	struct stat st;
	int fd;

	ck_assert_int_eq(fixture_count("tmp"), 0);
	ck_assert_int_eq(stat(fixture_blob_path(&digest), &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0400);
	ck_assert_int_eq(store_folder_size(&folder, &digest), 5);
	fd = store_folder_blob(&folder, &digest);
	ck_assert_int_ge(fd, 0);
	ck_assert(store_folder_is(&folder, &digest, fd));
	/* the same content once more is another file */
	publish("hello");
	ck_assert(!store_folder_is(&folder, &digest, fd));
	ck_assert_int_eq(store_folder_remove(&folder, &digest), 0);
	ck_assert(!store_folder_is(&folder, &digest, fd));
	close(fd);
	ck_assert_int_eq(store_folder_remove(&folder, &digest), -ENOENT);
	ck_assert_int_eq(store_folder_size(&folder, &digest), -ENOENT);
	ck_assert_int_eq(store_folder_blob(&folder, &digest), -ENOENT);
}
END_TEST

START_TEST(publish_fails_cleanly)
{
	static const struct {
		enum fault_call call;
		int nth;
	} rows[] = {{FAULT_MKDIR, 1},
		    {FAULT_FSYNC, 1},
		    {FAULT_FSYNC, 2},
		    {FAULT_OPEN, 1},
		    {FAULT_RENAME, 1}};
	struct store_digest digest = fixture_digest("x");
	char name[STORE_TEMP_NAME];
	int fd;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ok(store_folder_temp(&folder, name, &fd, &fx.err));
		close(fd);
		fault_arm(rows[i].call, rows[i].nth);
		ck_assert_int_lt(store_folder_publish(&folder, name, &digest, &fx.err), 0);
		ck_assert_msg(fault_disarm(), "row %zu", i);
		ck_assert_int_eq(fixture_count("tmp"), 0);
		ck_assert_int_eq(fixture_count("blobs"), 0);
	}
}
END_TEST

START_TEST(temporaries)
{
	char a[STORE_TEMP_NAME], b[STORE_TEMP_NAME];
	int fa, fb;

	ok(store_folder_temp(&folder, a, &fa, &fx.err));
	ok(store_folder_temp(&folder, b, &fb, &fx.err));
	ck_assert_str_ne(a, b);
	ck_assert_int_eq(fixture_count("tmp"), 2);
	store_folder_drop_temp(&folder, a);
	ck_assert_int_eq(fixture_count("tmp"), 1);
	fault_arm(FAULT_UNLINK, 1);
	fails(store_folder_clear_tmp(&folder, &fx.err), STORE_READONLY);
	fault_arm(FAULT_OPEN, 1);
	fails(store_folder_clear_tmp(&folder, &fx.err), STORE_FILES);
	fault_arm(FAULT_OPENDIR, 1);
	fails(store_folder_clear_tmp(&folder, &fx.err), STORE_MEMORY);
	fault_disarm();
	ok(store_folder_clear_tmp(&folder, &fx.err));
	ck_assert_int_eq(fixture_count("tmp"), 0);
	fault_arm_errno(FAULT_OPEN, 1, EROFS);
	fails(store_folder_temp(&folder, a, &fa, &fx.err), STORE_READONLY);
	ck_assert(fault_disarm());
	/* a name that is there already is passed over, and left as it is */
	snprintf(b, sizeof(b), "%llx", strtoull(a, NULL, 16) + 1);
	fixture_write_file(fixture_path("tmp/%s", b), "mine", 4);
	ok(store_folder_temp(&folder, a, &fa, &fx.err));
	ck_assert_str_ne(a, b);
	fault_arm_errno(FAULT_OPEN, 1, EEXIST);
	ok(store_folder_temp(&folder, a, &fb, &fx.err));
	ck_assert(fault_disarm());
}
END_TEST

START_TEST(lists_hold_blobs_only)
{
	struct store_digest a = publish("a"), other;
	struct store_folder_list list;
	char hex[STORE_DIGEST_HEX + 1];
	unsigned ab = a.bytes[0];
	int found = 0;

	ok(store_folder_list(&folder, ab ^ 1, &list, &fx.err));
	ck_assert_uint_eq(list.count, 0);
	store_folder_list_free(&list);
	/* a blob's name in another folder, a stray file, a folder and a link named as blobs */
	other = a;
	other.bytes[0] ^= 1;
	store_digest_hex(&other, hex);
	fixture_write_file(fixture_path("blobs/%02x/%s", ab, hex), "b", 1);
	fixture_write_file(fixture_path("blobs/%02x/README", ab), "b", 1);
	other = a;
	other.bytes[31] ^= 1;
	store_digest_hex(&other, hex);
	mkdir(fixture_path("blobs/%02x/%s", ab, hex), 0700);
	other.bytes[31] ^= 3;
	store_digest_hex(&other, hex);
	ck_assert_int_eq(symlink("README", fixture_path("blobs/%02x/%s", ab, hex)), 0);
	/* and 100 more that count */
	for (int i = 0; i < 100; i++) {
		other = a;
		other.bytes[1] = (uint8_t)(i * 7);
		other.bytes[2] = 5;
		store_digest_hex(&other, hex);
		fixture_write_file(fixture_path("blobs/%02x/%s", ab, hex), "b", 1);
	}
	ok(store_folder_list(&folder, ab, &list, &fx.err));
	ck_assert_uint_eq(list.count, 101);
	for (size_t i = 0; i < list.count; i++) {
		found += store_digest_equal(&list.digests[i], &a);
		ck_assert(i == 0 || memcmp(&list.digests[i - 1], &list.digests[i], 32) < 0);
	}
	ck_assert_int_eq(found, 1);
	store_folder_list_free(&list);
	fault_arm(FAULT_OPEN, 1);
	fails(store_folder_list(&folder, ab, &list, &fx.err), STORE_FILES);
	fault_arm(FAULT_OPENDIR, 1);
	fails(store_folder_list(&folder, ab, &list, &fx.err), STORE_MEMORY);
	for (int n = 1; n <= 8; n++) { /* 1, 2, 4, … 64, 128 */
		fault_arm(FAULT_MALLOC, n);
		fails(store_folder_list(&folder, ab, &list, &fx.err), STORE_MEMORY);
		ck_assert(fault_disarm());
	}
}
END_TEST

Suite *check_store_folder(void)
{
	Suite *s = suite_create("store_folder");
	TCase *t = tcase_create("folder");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, open_makes_what_is_missing);
	tcase_add_test(t, one_at_a_time);
	tcase_add_test(t, open_fails_cleanly);
	tcase_add_test(t, syncing_fails_cleanly);
	tcase_add_test(t, a_blob_from_temporary_to_removal);
	tcase_add_test(t, publish_fails_cleanly);
	tcase_add_test(t, temporaries);
	tcase_add_test(t, lists_hold_blobs_only);
	suite_add_tcase(s, t);
	return s;
}
