/* SPDX-License-Identifier: MIT */
/*
 * check_threads.c — writers, readers, removers and mappers at once.  What it
 * proves by itself is that nobody sees a mixture or wrong bytes; under
 * ThreadSanitizer it also proves the locks.
 */
#include <config.h>

#include "tests/store/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

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
		must_be(store_verify(fx.store, NULL, NULL, &seen, &err) == 0);
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
	ok(store_verify(fx.store, NULL, NULL, &seen, &fx.err));
	ck_assert_uint_eq(seen.damaged + seen.missing + seen.foreign, 0);
	fixture_reopen();
	ck_assert_int_eq(fixture_count("tmp"), 0);
}
END_TEST

/* A writer that waits for the disk: readers must not wait for the writer. */
static void *hold_a_transaction(void *arg)
{
	struct store_error err;

	for (int i = 0; i < 200; i++)
		must_be(store_model_pin(fx.store, "m", i % 2 == 0, &err) == 0);
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

START_TEST(readers_get_through_while_others_write)
{
	static atomic_bool ended;
	struct store_file file;
	pthread_t writer;
	int during = 0;

	fixture_import("m", "main", "a", "1", NULL);
	atomic_store(&ended, false);
	pthread_create(&writer, NULL, hold_a_transaction, &ended);
	while (!atomic_load(&ended)) {
		fails(store_file_find(fx.store, "m", "main", "b", &file, &fx.err), STORE_NOT_FOUND);
		during++;
	}
	pthread_join(writer, NULL);
	ck_assert_int_gt(during, 200);
}
END_TEST

Suite *check_store_threads(void)
{
	Suite *s = suite_create("store_threads");
	TCase *t = tcase_create("threads");

	tcase_set_timeout(t, 300);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, all_at_once);
	tcase_add_test(t, readers_get_through_while_others_write);
	suite_add_tcase(s, t);
	return s;
}
