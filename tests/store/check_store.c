/* SPDX-License-Identifier: MIT */
/* check_store.c — the store as a whole: opening in all circumstances, figures, reading only. */
#include <config.h>

#include "store/state.h"
#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(open_and_close)
{
	struct stat st;

	store_close(NULL);
	ck_assert_uint_gt(store_generation(fx.store), 0);
	fixture_close();
	ck_assert_int_eq(stat(fixture_path("index.sqlite"), &st), 0);
	ck_assert_int_ne(stat(fixture_path("index.sqlite-wal"), &st), 0);
}
END_TEST

START_TEST(a_relative_folder_and_a_chdir)
{
	struct store_opts opts = {.dir = "state"};

	fixture_close();
	ck_assert_int_eq(chdir(fx.parent), 0);
	ok(store_open(&opts, &fx.store, &fx.err));
	ck_assert_int_eq(chdir("/"), 0);
	fixture_import("m", "main", "a", "1", NULL);
	ck_assert(fixture_reads("m", "main", "a", "1"));
}
END_TEST

/* In another process: the status of opening the same folder. */
static int open_in_child(void)
{
	int status = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct store *store;
		int rc = store_open(&(struct store_opts){.dir = fx.dir}, &store, &fx.err);

		_exit(rc == 0 ? 0 : -rc);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

START_TEST(two_processes_on_one_folder)
{
	struct store *second;

	fails(store_open(&(struct store_opts){.dir = fx.dir}, &second, &fx.err), STORE_LOCKED);
	ck_assert_int_eq(open_in_child(), STORE_LOCKED);
	fixture_import("m", "main", "a", "1", NULL); /* the first one is not disturbed */
	fixture_close();
	ck_assert_int_eq(open_in_child(), 0);
	fixture_open(); /* a process that ended without closing holds nothing */
	ck_assert(fixture_reads("m", "main", "a", "1"));
}
END_TEST

START_TEST(figures)
{
	struct store_stats stats;
	struct store_digest digest;
	struct store_map *map;

	ok(store_stats_get(fx.store, &stats, &fx.err));
	ck_assert_uint_eq(stats.models + stats.files + stats.blobs + stats.blob_bytes + stats.maps,
			  0);
	fixture_import("m", "main", "a", "12345", "b", "12345", "c", "678", NULL);
	fixture_import("n", "main", "a", "12345", NULL);
	digest = fixture_digest("678");
	ok(store_map_open(fx.store, &digest, &map, &fx.err));
	ok(store_stats_get(fx.store, &stats, &fx.err));
	ck_assert_uint_eq(stats.models, 2);
	ck_assert_uint_eq(stats.files, 4);
	ck_assert_uint_eq(stats.blobs, 2);
	ck_assert_uint_eq(stats.blob_bytes, 8);
	ck_assert_uint_eq(stats.maps, 1);
	store_map_unref(map);
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	ok(store_stats_get(fx.store, &stats, &fx.err));
	ck_assert_uint_eq(stats.models, 1);
	ck_assert_uint_eq(stats.files, 1);
	ck_assert_uint_eq(stats.blobs, 1);
	ck_assert_uint_eq(stats.blob_bytes, 5);
}
END_TEST

/* Everything that writes says so, everything that reads works. */
static void use_read_only(struct store *store)
{
	struct store_verify seen;
	struct store_import *im;
	struct store_writer *w;
	struct store_file file;
	struct store_map *map;

	fails(store_writer_open(store, &w, &fx.err), STORE_INVALID);
	fails(store_import_begin(store, "m", "main", &im, &fx.err), STORE_INVALID);
	fails(store_model_remove(store, "m", NULL, &fx.err), STORE_INVALID);
	fails(store_model_pin(store, "m", true, &fx.err), STORE_INVALID);
	fails(store_verify(store, NULL, NULL, NULL, &seen, &fx.err), STORE_INVALID);
	ok(store_file_find(store, "m", "main", "a", &file, &fx.err));
	ok(store_map_open(store, &file.digest, &map, &fx.err));
	ck_assert_mem_eq(store_map_data(map), "content", 7);
	store_map_unref(map);
	ok(store_use_flush(store, &fx.err));
}

START_TEST(reading_only)
{
	struct store_opts opts = {.dir = fx.dir, .read_only = true};
	struct store *store;

	fixture_import("m", "main", "a", "content", NULL);
	ok(store_open(&opts, &store, &fx.err)); /* beside the one that writes */
	use_read_only(store);
	store_close(store);
	fixture_close();
	ok(store_open(&opts, &store, &fx.err)); /* alone */
	use_read_only(store);
	store_close(store);
	ck_assert_int_eq(fixture_sql("SELECT used_s FROM snapshot"), 0);
	opts.dir = fixture_path("nothing");
	fails(store_open(&opts, &store, &fx.err), STORE_IO);
	ck_assert_int_ne(access(opts.dir, F_OK), 0);
}
END_TEST

START_TEST(reading_only_what_a_kill_left)
{
	struct store_opts opts = {.dir = fx.dir, .read_only = true};
	struct store *store;

	fixture_import("m", "main", "a", "content", NULL);
	fixture_crash();
	ck_assert_int_eq(access(fixture_path("index.sqlite-wal"), F_OK), 0);
	ok(store_open(&opts, &store, &fx.err));
	use_read_only(store);
	store_close(store);
	fixture_open();
	ck_assert(fixture_reads("m", "main", "a", "content"));
}
END_TEST

START_TEST(a_folder_without_write_permission)
{
	struct store_opts opts = {.dir = fx.dir, .read_only = true};
	struct store_digest digest = fixture_digest("content");
	struct store *store;

	fixture_import("m", "main", "a", "content", NULL);
	fixture_close();
	/* what a process of another user may read but not write */
	ck_assert_int_eq(chmod(fx.parent, 0755), 0);
	ck_assert_int_eq(chmod(fx.dir, 0555), 0);
	ck_assert_int_eq(chmod(fixture_path("blobs"), 0555), 0);
	for (int i = 0; i < 256; i++)
		chmod(fixture_path("blobs/%02x", (unsigned)i), 0555);
	ck_assert_int_eq(chmod(fixture_blob_path(&digest), 0444), 0);
	if (fork() == 0) {
		struct store *none;

		if (!fixture_as_nobody())
			_exit(0);
		fails(store_open(&(struct store_opts){.dir = fx.dir}, &none, &fx.err),
		      STORE_READONLY);
		ok(store_open(&opts, &store, &fx.err));
		use_read_only(store);
		store_close(store);
		_exit(0);
	} else {
		int status;

		ck_assert_int_gt(wait(&status), 0);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
	}
	chmod(fx.dir, 0700);
	chmod(fixture_path("blobs"), 0700);
	for (int i = 0; i < 256; i++)
		chmod(fixture_path("blobs/%02x", (unsigned)i), 0700);
}
END_TEST

START_TEST(a_read_only_file_system)
{
	struct store *store;

	fixture_import("m", "main", "a", "content", NULL);
	fixture_close();
	fault_arm_errno(FAULT_OPEN, 2, EROFS); /* the lock */
	fails(store_open(&(struct store_opts){.dir = fx.dir}, &store, &fx.err), STORE_READONLY);
	ck_assert_ptr_nonnull(strstr(fx.err.text, "Read-only file system"));
	ck_assert(fault_disarm());
}
END_TEST

START_TEST(every_failure_to_open)
{
	static const enum fault_call calls[] = {FAULT_MALLOC,     FAULT_OPEN,     FAULT_MKDIR,
						FAULT_FSYNC,      FAULT_FLOCK,    FAULT_OPENDIR,
						FAULT_SQL_OPEN,   FAULT_SQL_READ, FAULT_SQL_WRITE,
						FAULT_SQL_MALLOC, FAULT_SQL_FULL, FAULT_SQL_SYNC};

	fixture_import("m", "main", "a", "content", NULL);
	fixture_put("unnamed");
	fixture_crash();
	faultfs_install();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		/* thousands of allocations: not each, but some everywhere */
		for (int n = 1;; n += 1 + n / 20) {
			bool fired;
			int status;

			ck_assert_int_lt(n, 100000);
			fixture_sql("UPDATE total SET clean = 0");
			fault_arm(calls[i], n);
			status =
			    store_open(&(struct store_opts){.dir = fx.dir}, &fx.store, &fx.err);
			fired = fault_disarm();
			if (status != 0) {
				ck_assert_msg(fired, "%s %d: %s", fault_name(calls[i]), n,
					      fx.err.text);
				fixture_check_error(status);
				fx.store = NULL;
				fixture_open();
			}
			ck_assert(fixture_reads("m", "main", "a", "content"));
			fixture_close();
			if (!fired)
				break;
		}
	}
}
END_TEST

Suite *check_store(void)
{
	Suite *s = suite_create("store");
	TCase *t = tcase_create("store");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, open_and_close);
	tcase_add_test(t, a_relative_folder_and_a_chdir);
	tcase_add_test(t, two_processes_on_one_folder);
	tcase_add_test(t, figures);
	tcase_add_test(t, reading_only);
	tcase_add_test(t, reading_only_what_a_kill_left);
	tcase_add_test(t, a_folder_without_write_permission);
	tcase_add_test(t, a_read_only_file_system);
	tcase_add_test(t, every_failure_to_open);
	suite_add_tcase(s, t);
	return s;
}
