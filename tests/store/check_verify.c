/* SPDX-License-Identifier: MIT */
/* check_verify.c — damage of every kind is found, exactly that, and served to nobody. */
#include <config.h>

#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char said[1000];

static int say(void *arg, const struct store_digest *digest, const char *what)
{
	size_t at = strlen(said);
	char hex[STORE_DIGEST_HEX + 1];

	(void)arg;
	store_digest_hex(digest, hex);
	snprintf(said + at, sizeof(said) - at, "%.8s %s\n", hex, what);
	return 0;
}

static struct store_verify verify(void)
{
	struct store_verify seen;

	said[0] = '\0';
	ok(store_verify(fx.store, say, NULL, NULL, &seen, &fx.err));
	return seen;
}

static void expect_said(const struct store_digest *digest, const char *what)
{
	char line[200];
	char hex[STORE_DIGEST_HEX + 1];

	store_digest_hex(digest, hex);
	snprintf(line, sizeof(line), "%.8s %s\n", hex, what);
	ck_assert_msg(strstr(said, line) != NULL, "not in %s: %s", said, line);
}

static void flip(const struct store_digest *digest, off_t at)
{
	const char *path = fixture_blob_path(digest);
	char byte;
	int fd;

	ck_assert_int_eq(chmod(path, 0600), 0);
	fd = open(path, O_RDWR);
	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

START_TEST(a_sound_store)
{
	struct store_verify seen = verify();

	ck_assert_uint_eq(seen.blobs, 0);
	fixture_import("m", "main", "a", "11", "b", "", "c", "333", NULL);
	fixture_put("uploaded");
	seen = verify();
	ck_assert_uint_eq(seen.blobs, 4);
	ck_assert_uint_eq(seen.bytes, 13);
	ck_assert_uint_eq(seen.damaged + seen.missing + seen.foreign, 0);
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(damage_of_every_kind)
{
	struct store_digest flipped, cut, longer, gone, foreign = fixture_digest("foreign");
	struct store_digest empty = fixture_digest("");
	struct store_verify seen;
	struct store_map *map;

	fixture_import("m", "main", "1", "a byte of this is flipped", "2", "this is cut short", "3",
		       "this gets longer", "4", "this disappears", "5", "this stays", "6", "",
		       NULL);
	flipped = fixture_digest("a byte of this is flipped");
	cut = fixture_digest("this is cut short");
	longer = fixture_digest("this gets longer");
	gone = fixture_digest("this disappears");
	for (int i = 1; i <= 6; i++) { /* all names hot, all blobs mapped */
		struct store_file file;
		char path[2] = {(char)('0' + i), '\0'};

		ok(store_file_find(fx.store, "m", "main", path, &file, &fx.err));
		ok(store_map_open(fx.store, &file.digest, &map, &fx.err));
		store_map_unref(map);
	}
	flip(&flipped, 24);
	ck_assert_int_eq(truncate(fixture_blob_path(&cut), 5), 0);
	fixture_write_file(fixture_blob_path(&longer), "this gets longer.", 17);
	unlink(fixture_blob_path(&gone));
	mkdir(fixture_path("blobs/%02x", foreign.bytes[0]), 0700);
	fixture_write_file(fixture_blob_path(&foreign), "foreign", 7);

	seen = verify();
	ck_assert_uint_eq(seen.blobs, 6);
	ck_assert_uint_eq(seen.damaged, 3);
	ck_assert_uint_eq(seen.missing, 1);
	ck_assert_uint_eq(seen.foreign, 1);
	expect_said(&flipped, "damaged: the content does not match its digest");
	expect_said(&cut, "damaged: 5 bytes instead of 17");
	expect_said(&longer, "damaged: 17 bytes instead of 16");
	expect_said(&gone, "missing");
	ck_assert_int_eq(access(fixture_blob_path(&foreign), F_OK), -1);

	fails(store_map_open(fx.store, &flipped, &map, &fx.err), STORE_DAMAGED);
	fails(store_map_open(fx.store, &cut, &map, &fx.err), STORE_DAMAGED);
	fails(store_map_open(fx.store, &gone, &map, &fx.err), STORE_DAMAGED);
	ck_assert(!store_blob_has(fx.store, &flipped, NULL));
	ck_assert(store_blob_has(fx.store, &empty, NULL));
	ck_assert(fixture_reads("m", "main", "5", "this stays"));
	ck_assert(fixture_reads("m", "main", "6", ""));

	/* once more: the same findings, nothing new */
	fixture_reopen();
	seen = verify();
	ck_assert_uint_eq(seen.damaged, 3);
	ck_assert_uint_eq(seen.missing, 1);
	ck_assert_uint_eq(seen.foreign, 0);
	expect_said(&flipped, "quarantined");

	fixture_import("m", "main", "1", "a byte of this is flipped", "2", "this is cut short", "3",
		       "this gets longer", "4", "this disappears", NULL);
	ck_assert(fixture_reads("m", "main", "1", "a byte of this is flipped"));
	seen = verify();
	ck_assert_uint_eq(seen.damaged + seen.missing, 0);
}
END_TEST

START_TEST(a_mapping_of_damage_is_not_handed_out_again)
{
	struct store_digest digest;
	struct store_verify seen;
	struct store_map *map, *fresh;

	fixture_import("m", "main", "a", "content", NULL);
	digest = fixture_digest("content");
	ok(store_map_open(fx.store, &digest, &map, &fx.err));
	flip(&digest, 0);
	seen = verify();
	ck_assert_uint_eq(seen.damaged, 1);
	fails(store_map_open(fx.store, &digest, &fresh, &fx.err), STORE_DAMAGED);
	fixture_put("content");
	ok(store_map_open(fx.store, &digest, &fresh, &fx.err));
	ck_assert_ptr_ne(fresh, map);
	ck_assert_mem_eq(store_map_data(fresh), "content", 7);
	store_map_unref(map);
	store_map_unref(fresh);
}
END_TEST

START_TEST(what_cannot_be_read_is_damaged)
{
	struct store_verify seen;

	fixture_import("m", "main", "a", "1", "b", "2", NULL);
	fault_arm(FAULT_READ, 1);
	seen = verify();
	ck_assert(fault_disarm());
	ck_assert_uint_eq(seen.damaged, 1);
	ck_assert_ptr_nonnull(strstr(said, "damaged: the disk cannot read it"));
}
END_TEST

static int stop(void *arg, const struct store_digest *digest, const char *what)
{
	(void)arg;
	(void)digest;
	(void)what;
	return 9;
}

START_TEST(failures_and_stopping)
{
	static const enum fault_call calls[] = {FAULT_MALLOC,     FAULT_DIGEST,    FAULT_OPEN,
						FAULT_OPENDIR,    FAULT_SQL_WRITE, FAULT_SQL_SYNC,
						FAULT_SQL_MALLOC, FAULT_SQL_FULL};
	struct store_digest digest = fixture_digest("content");
	struct store_verify seen;
	struct store_map *map;

	fixture_close();
	faultfs_install();
	fixture_open();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (int n = 1; n < 300; n++) {
			int status;

			fixture_import("m", "main", "a", "content", NULL);
			flip(&digest, 3);
			fault_arm(calls[i], n);
			status = store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err);
			if (!fault_disarm()) {
				ok(status);
				break;
			}
			if (status != 0)
				fixture_check_error(status);
			ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
			ck_assert_uint_eq(seen.damaged, 1);
			fails(store_map_open(fx.store, &digest, &map, &fx.err), STORE_DAMAGED);
		}
	}
	ck_assert_int_eq(store_verify(fx.store, stop, NULL, NULL, &seen, &fx.err), 9);
}
END_TEST

START_TEST(stopped_from_outside)
{
	struct store_digest digest = fixture_digest("content");
	atomic_bool now = true;
	struct store_verify seen;
	struct store_rebuild made;

	fixture_import("m", "main", "a", "content", NULL);
	flip(&digest, 3);
	said[0] = '\0';
	fails(store_verify(fx.store, say, NULL, &now, &seen, &fx.err), STORE_STOPPED);
	fails(store_rebuild(fx.store, say, NULL, &now, &made, &fx.err), STORE_STOPPED);
	ck_assert_str_eq(said, "");
	now = false;
	ok(store_verify(fx.store, say, NULL, &now, &seen, &fx.err));
	ck_assert_uint_eq(seen.damaged, 1);
	ok(store_rebuild(fx.store, say, NULL, &now, &made, &fx.err));
	ck_assert_uint_eq(made.models, 1);
}
END_TEST

/* One blob, as somebody found it who wanted to send it. */
START_TEST(a_single_one)
{
	struct store_digest well = fixture_put("one that is well"), rotten = fixture_put("rotten");
	struct store_digest gone = fixture_put("gone"), none = fixture_digest("never was");

	flip(&rotten, 3);
	ck_assert_int_eq(unlink(fixture_blob_path(&gone)), 0);
	said[0] = '\0';
	ok(store_verify_blob(fx.store, &well, say, NULL, NULL, &fx.err));
	ck_assert_str_eq(said, "");
	ok(store_verify_blob(fx.store, &rotten, say, NULL, NULL, &fx.err));
	expect_said(&rotten, "damaged: the content does not match its digest");
	ok(store_verify_blob(fx.store, &gone, say, NULL, NULL, &fx.err));
	expect_said(&gone, "missing");
	fails(store_verify_blob(fx.store, &none, say, NULL, NULL, &fx.err), STORE_NOT_FOUND);
	/* so that they can come anew */
	ck_assert(store_blob_has(fx.store, &well, NULL));
	ck_assert(!store_blob_has(fx.store, &rotten, NULL));
	ck_assert(!store_blob_has(fx.store, &gone, NULL));
	said[0] = '\0';
	ok(store_verify_blob(fx.store, &rotten, say, NULL, NULL, &fx.err));
	expect_said(&rotten, "quarantined");
}
END_TEST

Suite *check_store_verify(void)
{
	Suite *s = suite_create("store_verify");
	TCase *t = tcase_create("verify");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, a_sound_store);
	tcase_add_test(t, damage_of_every_kind);
	tcase_add_test(t, a_single_one);
	tcase_add_test(t, a_mapping_of_damage_is_not_handed_out_again);
	tcase_add_test(t, what_cannot_be_read_is_damaged);
	tcase_add_test(t, failures_and_stopping);
	tcase_add_test(t, stopped_from_outside);
	suite_add_tcase(s, t);
	return s;
}
