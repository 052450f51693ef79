/* SPDX-License-Identifier: MIT */
/*
 * check_threads.c — writers, readers, removers and mappers at once.  What it
 * proves by itself is that nobody sees a mixture or wrong bytes; under
 * ThreadSanitizer it also proves the locks.
 */
#include <config.h>

#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { IMPORTS = 60, READERS = 3, UPLOADERS = 2, UPLOADS = 40 };

static atomic_bool done;
static atomic_int reads, found;

/* In a thread there is no test to fail, only a process: say what and end it. */
#define must_be(cond)                                                                              \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static struct store_digest put(const char *text)
{
	struct store_digest digest;
	struct store_error err;
	struct store_writer *w;

	must_be(store_writer_open(fx.store, &w, &err) == 0);
	must_be(store_writer_append(w, text, strlen(text), &err) == 0);
	must_be(store_writer_commit(w, NULL, &digest, NULL, &err) == 0);
	return digest;
}

/* Two files with the same content, a new one each time; sometimes the model goes away. */
static void *import_and_remove(void *arg)
{
	char commit[STORE_COMMIT_HEX + 1];
	struct store_digest digest;
	struct store_error err;
	struct store_import *im;
	char text[32];

	(void)arg;
	for (int i = 0; i < IMPORTS; i++) {
		snprintf(text, sizeof(text), "content %d", i % 7);
		digest = put(text);
		must_be(store_import_begin(fx.store, "m", "main", &im, &err) == 0);
		must_be(store_import_add(im, "a", &digest, &err) == 0);
		digest = put(text); /* once for each path: a name uses up one upload */
		must_be(store_import_add(im, "b", &digest, &err) == 0);
		must_be(store_import_commit(im, commit, &err) == 0);
		if (i % 5 == 4)
			must_be(store_model_remove(fx.store, "m", NULL, &err) == 0);
		if (i % 10 == 9) {
			must_be(store_use_flush(fx.store, &err) == 0);
		}
	}
	atomic_store(&done, true);
	return NULL;
}

/* The digests of a snapshot's files must all be one. */
struct both {
	int count;
	struct store_digest digest;
};

static int same(void *arg, const struct store_file_info *info)
{
	struct both *both = arg;

	must_be(both->count == 0 || store_digest_equal(&both->digest, &info->digest));
	both->digest = info->digest;
	both->count++;
	return 0;
}

/* The bytes behind a digest are right, or it is gone. */
static void look(const struct store_digest *digest)
{
	struct store_digest actual;
	struct store_error err;
	struct store_map *map;
	int status = store_map_open(fx.store, digest, &map, &err);

	must_be(status == 0 || status == STORE_NOT_FOUND);
	if (status != 0)
		return;
	must_be(store_digest_of(store_map_data(map), store_map_size(map), &actual) == 0);
	must_be(store_digest_equal(&actual, digest));
	store_map_unref(store_map_ref(map));
	store_map_unref(map);
	atomic_fetch_add(&found, 1);
}

static int see_model(void *arg, const struct store_model_info *info)
{
	(void)arg;
	must_be(info->file_count > 0);
	return 0;
}

static void *read_all_the_time(void *arg)
{
	struct store_error err;

	(void)arg;
	while (!atomic_load(&done)) {
		struct both both = {.count = 0};
		struct store_stats stats;
		struct store_file file;
		int status = store_file_find(fx.store, "m", "main", "a", &file, &err);

		must_be(status == 0 || status == STORE_NOT_FOUND);
		if (status == 0)
			look(&file.digest);
		status = store_model_files(fx.store, "m", "main", same, &both, &err);
		must_be(status == 0 || status == STORE_NOT_FOUND);
		must_be(both.count == (status == 0 ? 2 : 0));
		must_be(store_model_list(fx.store, see_model, NULL, &err) == 0);
		must_be(store_stats_get(fx.store, &stats, &err) == 0);
		must_be(store_generation(fx.store) > 0);
		atomic_fetch_add(&reads, 1);
	}
	return NULL;
}

/* Uploads of what others remove: whoever was told that it is stored can name it. */
static void *upload_and_name(void *arg)
{
	char commit[STORE_COMMIT_HEX + 1];
	const char *model = arg;
	struct store_error err;
	char text[32];

	for (int i = 0; i < UPLOADS; i++) {
		struct store_digest digest;
		struct store_import *im;

		snprintf(text, sizeof(text), "content %d", i % 7);
		digest = put(text);
		must_be(store_blob_has(fx.store, &digest, NULL));
		must_be(store_import_begin(fx.store, model, "main", &im, &err) == 0);
		must_be(store_import_add(im, "x", &digest, &err) == 0);
		must_be(store_import_commit(im, commit, &err) == 0);
		look(&digest);
		must_be(store_model_remove(fx.store, model, NULL, &err) == 0);
	}
	return NULL;
}

static void *verify_all_the_time(void *arg)
{
	struct store_verify seen;
	struct store_error err;

	(void)arg;
	while (!atomic_load(&done)) {
		must_be(store_verify(fx.store, NULL, NULL, NULL, &seen, &err) == 0);
		must_be(seen.damaged == 0 && seen.missing == 0 && seen.foreign == 0);
	}
	return NULL;
}

START_TEST(all_at_once)
{
	static char names[UPLOADERS][8] = {"u0", "u1"};
	pthread_t importer, verifier, readers[READERS], uploaders[UPLOADERS];
	struct store_verify seen;

	atomic_store(&done, false);
	pthread_create(&importer, NULL, import_and_remove, NULL);
	pthread_create(&verifier, NULL, verify_all_the_time, NULL);
	for (int i = 0; i < READERS; i++)
		pthread_create(&readers[i], NULL, read_all_the_time, NULL);
	for (int i = 0; i < UPLOADERS; i++)
		pthread_create(&uploaders[i], NULL, upload_and_name, names[i]);
	for (int i = 0; i < UPLOADERS; i++)
		pthread_join(uploaders[i], NULL);
	pthread_join(importer, NULL);
	pthread_join(verifier, NULL);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	ck_assert_int_gt(atomic_load(&reads), 0);
	ck_assert_int_gt(atomic_load(&found), 0);
	ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
	ck_assert_uint_eq(seen.damaged + seen.missing + seen.foreign, 0);
	fixture_reopen();
	ck_assert_int_eq(fixture_count("tmp"), 0);
}
END_TEST

static void *pin(void *arg)
{
	struct store_error err;

	must_be(store_model_pin(fx.store, "m", true, &err) == 0);
	return arg;
}

static int count_model(void *arg, const struct store_model_info *info)
{
	must_be(!info->pinned);
	++*(int *)arg;
	return 0;
}

static int count_file(void *arg, const struct store_file_info *info)
{
	(void)info;
	++*(int *)arg;
	return 0;
}

START_TEST(readers_do_not_wait_for_a_writer_that_waits_for_the_disk)
{
	struct store_digest digest = fixture_digest("1");
	struct store_stats stats;
	struct store_file file;
	struct store_map *map;
	pthread_t writer;
	int count = 0;

	fixture_close();
	faultfs_install();
	fixture_open();
	fixture_import("m", "main", "a", "1", NULL);
	faultfs_hold_syncs(true);
	pthread_create(&writer, NULL, pin, NULL);
	while (faultfs_syncs_held() == 0)
		usleep(1000);
	/* if one of these waits, the test ends by its timeout */
	ok(store_file_find(fx.store, "m", "main", "a", &file, &fx.err));
	ok(store_file_find(fx.store, "m", "main", "a", &file, &fx.err));
	fails(store_file_find(fx.store, "m", "main", "b", &file, &fx.err), STORE_NOT_FOUND);
	ok(store_map_open(fx.store, &file.digest, &map, &fx.err));
	ok(store_map_populate(map, 0, 1, &fx.err));
	store_map_unref(map);
	ck_assert(store_blob_has(fx.store, &digest, NULL));
	ok(store_model_list(fx.store, count_model, &count, &fx.err));
	ok(store_model_find(fx.store, "m", "main", count_model, &count, &fx.err));
	ok(store_model_files(fx.store, "m", "main", count_file, &count, &fx.err));
	ck_assert_int_eq(count, 3);
	ok(store_stats_get(fx.store, &stats, &fx.err));
	ck_assert_int_eq(faultfs_syncs_held(), 1);
	faultfs_hold_syncs(false);
	pthread_join(writer, NULL);
}
END_TEST

static pthread_t publisher, releaser;

static void *put_content(void *arg)
{
	put("content");
	return arg;
}

static void *release_soon(void *arg)
{
	usleep(100 * 1000); /* time for the other to come to the lock */
	faultfs_hold_syncs(false);
	return arg;
}

/* Another thread has renamed its blob and waits for the disk to take the row. */
static void publish_halfway(void)
{
	struct store_digest digest = fixture_digest("content");

	fault_disarm();
	faultfs_hold_syncs(true);
	pthread_create(&publisher, NULL, put_content, NULL);
	while (faultfs_syncs_held() == 0)
		usleep(1000);
	must_be(access(fixture_blob_path(&digest), F_OK) == 0);
	must_be(!store_blob_has(fx.store, &digest, NULL));
	pthread_create(&releaser, NULL, release_soon, NULL);
}

START_TEST(a_blob_between_its_file_and_its_row_is_not_foreign)
{
	struct store_digest digest = fixture_digest("content");
	struct store_verify seen;

	fixture_close();
	faultfs_install();
	fixture_open();
	fixture_import("m", "main", "a", "content", NULL); /* so that its folder is there */
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	fault_arm_hook(FAULT_OPENDIR, 1, publish_halfway);
	ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
	pthread_join(publisher, NULL);
	pthread_join(releaser, NULL);
	ck_assert_uint_eq(seen.foreign, 0);
	ck_assert(store_blob_has(fx.store, &digest, NULL));
	atomic_store(&found, 0);
	look(&digest);
	ck_assert_int_eq(atomic_load(&found), 1);
}
END_TEST

Suite *check_store_threads(void)
{
	Suite *s = suite_create("store_threads");
	TCase *t = tcase_create("threads");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, all_at_once);
	tcase_add_test(t, readers_do_not_wait_for_a_writer_that_waits_for_the_disk);
	tcase_add_test(t, a_blob_between_its_file_and_its_row_is_not_foreign);
	suite_add_tcase(s, t);
	return s;
}
