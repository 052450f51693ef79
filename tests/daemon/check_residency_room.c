/* SPDX-License-Identifier: MIT */
/*
 * check_residency_room.c — the memory budget and how long unused models stay
 * (daemon/residency_room.c), over a real store and the real runtime.  A model here
 * is y = x + w with w of 1 MiB in the file, so it takes a MiB and a little more.
 */
#include <config.h>

#include <check.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/residency.h"
#include "daemon/tally.h"
#include "store/store.h"
#include "tests/lib/pbuild.h"

Suite *check_residency_room(void);

#define FLOAT 1
#define WEIGHTS (1 << 18) /* floats: 1 MiB */
#define MB (UINT64_C(1) << 20)

static char dir[64];
static struct store *store;
static struct residency *residency;
static struct fault fault;

/* ${model}@main is a file m.onnx; ${m} is freed. */
static void put(const char *model, struct pbuild *m)
{
	struct store_writer *writer;
	struct store_import *im;
	struct store_digest digest;
	struct store_error err;
	struct rt_bytes file = pbuild_finish(m);
	char commit[STORE_COMMIT_HEX + 1];
	uint64_t size;

	ck_assert_int_eq(store_writer_open(store, &writer, &err), 0);
	ck_assert_int_eq(store_writer_append(writer, file.data, file.size, &err), 0);
	ck_assert_int_eq(store_writer_commit(writer, NULL, &digest, &size, &err), 0);
	pbuild_free(m);
	ck_assert_int_eq(store_import_begin(store, model, "main", &im, &err), 0);
	ck_assert_int_eq(store_import_add(im, "m.onnx", &digest, &err), 0);
	ck_assert_msg(store_import_commit(im, commit, &err) == 0, "%s", err.text);
}

/* With ${n} floats of ${value}. */
static void import_of(const char *model, float value, int64_t n)
{
	static float w[WEIGHTS];
	struct pbuild m = {0};

	for (int64_t i = 0; i < n; i++)
		w[i] = value;
	pbuild_model(&m, 13);
	pbuild_input(&m, "x", FLOAT, 1, (int64_t[]){1});
	pbuild_init_f32(&m, "w", 1, (int64_t[]){n}, w);
	pbuild_node(&m, "Add", "x w", "y", NULL);
	pbuild_output(&m, "y", FLOAT);
	put(model, &m);
}

static void import(const char *model, float value)
{
	import_of(model, value, WEIGHTS);
}

static void open_with(uint64_t budget, int64_t keep_s)
{
	struct residency_opts opts = {.store = store,
				      .threads = 1,
				      .cpu_level = rt_cpu_best(),
				      .memory_budget = budget,
				      .keep_alive_s = keep_s};

	residency = residency_new(&opts);
	ck_assert_ptr_nonnull(residency);
}

static void setup(void)
{
	struct store_error err;

	(void)snprintf(dir, sizeof(dir), "/tmp/check_room.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_msg(store_open(&(struct store_opts){.dir = dir}, &store, &err) == 0, "%s",
		      err.text);
	import("a", 1);
	import("b", 2);
	import("c", 3);
	import("d", 4);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void teardown(void)
{
	residency_free(residency);
	residency = NULL;
	store_close(store);
	(void)nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int get(const char *model, const atomic_bool *cancel, struct resident **out,
	       struct fault *why)
{
	struct residency_want want = {.model = model, .cancel = cancel};
	int status;
	struct arena arena;

	arena_init(&arena);
	want.arena = &arena;
	status = residency_get(residency, &want, out, NULL, why);
	arena_release(&arena);
	return status;
}

static struct resident *got(const char *model)
{
	struct resident *m = NULL;

	ck_assert_msg(get(model, NULL, &m, &fault) == 0, "%u %s", fault.http, fault.text);
	return m;
}

static void use(const char *model)
{
	residency_unref(got(model));
}

struct names {
	char text[64];
	uint64_t bytes;
};

static void add_name(void *arg, const struct residency_info *info)
{
	struct names *n = arg;
	size_t at = strlen(n->text);

	(void)snprintf(n->text + at, sizeof(n->text) - at, "%s", info->model);
	n->bytes += info->mapped_bytes + info->heap_bytes;
}

/* The models in memory, newest first. */
static const char *loaded(void)
{
	static struct names names;

	names = (struct names){.bytes = 0};
	residency_each(residency, add_name, &names);
	return names.text;
}

START_TEST(oldest_makes_way)
{
	open_with(4 * MB, -1);
	use("a");
	use("b");
	use("a"); /* b is the one that was used longest ago */
	use("c");
	ck_assert_ptr_nonnull(strchr(loaded(), 'c'));
	ck_assert_ptr_null(strchr(loaded(), 'b'));
	use("d");
	use("a");
	use("b");
	ck_assert_uint_le(strlen(loaded()), 4);
}
END_TEST

START_TEST(budget_holds)
{
	static const char *const models[] = {"a", "b", "c", "d"};
	struct names names;

	open_with(5 * MB, -1);
	for (int i = 0; i < 40; i++) {
		use(models[(i * 7) % 4]);
		names = (struct names){.bytes = 0};
		residency_each(residency, add_name, &names);
		ck_assert_msg(names.bytes <= 5 * MB, "%d: %llu", i,
			      (unsigned long long)names.bytes);
	}
}
END_TEST

/* Too large for good: 507 at once, and what is loaded stays. */
START_TEST(never_fits)
{
	struct resident *m;

	open_with(MB / 2, -1);
	ck_assert_int_eq(get("a", NULL, &m, &fault), -1);
	ck_assert_uint_eq(fault.http, 507);
	ck_assert_ptr_nonnull(strstr(fault.text, "memory_budget"));
	ck_assert_int_eq(get("a", NULL, &m, &fault), -1);
	ck_assert_uint_eq(fault.http, 507);
}
END_TEST

/*
 * The file fits, but not what is made of it: that is found out once, and from then on
 * nobody has to go for it.
 */
START_TEST(never_fits_loaded)
{
	struct resident *m;

	import_of("small", 5, 64);
	open_with(WEIGHTS * sizeof(float) + 4096, -1);
	ck_assert_int_eq(get("a", NULL, &m, &fault), -1);
	ck_assert_uint_eq(fault.http, 507);
	ck_assert_msg(strstr(fault.text, "memory_budget") != NULL, "%s", fault.text);
	use("small");
	ck_assert_int_eq(get("a", NULL, &m, &fault), -1);
	ck_assert_uint_eq(fault.http, 507);
	ck_assert_msg(strstr(fault.text, "memory_budget") != NULL, "%s", fault.text);
	ck_assert_str_eq(loaded(), "small");
}
END_TEST

/* One file of a model. */
static void add(struct store_import *im, const char *path, const void *data, size_t size)
{
	struct store_writer *writer;
	struct store_digest digest;
	struct store_error err;
	uint64_t written;

	ck_assert_int_eq(store_writer_open(store, &writer, &err), 0);
	ck_assert_int_eq(store_writer_append(writer, data, size, &err), 0);
	ck_assert_int_eq(store_writer_commit(writer, NULL, &digest, &written, &err), 0);
	ck_assert_int_eq(store_import_add(im, path, &digest, &err), 0);
}

/* A model.json is small; the shards that it names count, and no other file. */
START_TEST(shards_count)
{
	static const char json[] = "{\"weightsManifest\":[{\"paths\":[\"w.bin\"]}]}";
	static const char shard[2 << 20];
	char commit[STORE_COMMIT_HEX + 1], bytes[64];
	struct store_import *im;
	struct store_error err;
	struct resident *m;

	ck_assert_int_eq(store_import_begin(store, "t", "main", &im, &err), 0);
	add(im, "web/model.json", json, sizeof json - 1);
	add(im, "web/w.bin", shard, sizeof shard);
	add(im, "web/other.bin", shard, 7);
	ck_assert_msg(store_import_commit(im, commit, &err) == 0, "%s", err.text);
	open_with(MB, -1);
	ck_assert_int_eq(get("t", NULL, &m, &fault), -1);
	ck_assert_uint_eq(fault.http, 507);
	(void)snprintf(bytes, sizeof bytes, "has %zu bytes", sizeof json - 1 + sizeof shard);
	ck_assert_msg(strstr(fault.text, bytes) != NULL, "%s", fault.text);
}
END_TEST

/* One that is used never goes; who needs its room waits until it is given back. */
struct waiter {
	atomic_bool cancel, done;
	int status;
	struct fault fault;
	struct resident *m;
};

static void *wait_for_b(void *arg)
{
	struct waiter *w = arg;

	w->status = get("b", &w->cancel, &w->m, &w->fault);
	atomic_store(&w->done, true);
	return NULL;
}

START_TEST(waits)
{
	static struct waiter w;
	struct resident *a;
	pthread_t thread;

	open_with(2 * MB + MB / 2, -1);
	a = got("a");
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_b, &w), 0);
	usleep(100000);
	ck_assert(!atomic_load(&w.done));
	ck_assert_str_eq(loaded(), "ba"); /* b: being loaded */
	residency_unref(a);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_msg(w.status == 0, "%s", w.fault.text);
	ck_assert_str_eq(loaded(), "b");
	residency_unref(w.m);
}
END_TEST

START_TEST(waits_in_vain)
{
	static struct waiter w;
	struct resident *a, *b;
	pthread_t thread;

	open_with(2 * MB + MB / 2, -1);
	a = got("a");
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_b, &w), 0);
	usleep(50000);
	atomic_store(&w.cancel, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(w.status, -1);
	ck_assert_uint_eq(w.fault.http, 503);
	residency_unref(a);
	b = got("b"); /* and it is not held against the model */
	residency_unref(b);
}
END_TEST

/* Past the second that a model may stay unused. */
static void later(void)
{
	(void)sleep(1);
	usleep(100000);
}

START_TEST(stays_its_time)
{
	struct resident *m;

	open_with(64 * MB, 1);
	use("a");
	m = got("b");
	residency_expire(residency);
	ck_assert_str_eq(loaded(), "ba");
	later();
	residency_expire(residency);
	ck_assert_str_eq(loaded(), "b"); /* it is used */
	residency_keep(m, -1);
	residency_unref(m);
	later();
	residency_expire(residency);
	ck_assert_str_eq(loaded(), "b");
	ck_assert(!residency_idle(residency));
}
END_TEST

START_TEST(not_longer_than_its_request)
{
	struct resident *m;

	open_with(64 * MB, 0);
	m = got("a");
	ck_assert_str_eq(loaded(), "a");
	residency_unref(m);
	ck_assert_str_eq(loaded(), "");
	ck_assert(residency_idle(residency));
}
END_TEST

/* Many threads, more models than fit: nobody fails, nothing is lost. */
static void *use_all(void *arg)
{
	static const char *const models[] = {"a", "b", "c", "d"};
	const int *seed = arg;

	for (int i = 0; i < 60; i++) {
		struct resident *m = NULL;
		struct fault why;

		if (get(models[(i * 3 + *seed) % 4], NULL, &m, &why) != 0)
			return arg; /* not NULL */
		residency_unref(m);
	}
	return NULL;
}

START_TEST(together)
{
	pthread_t thread[4];
	int seed[4] = {0, 1, 2, 3};
	void *failed;

	open_with(3 * MB, -1);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, use_all, &seed[i]), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(thread[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	(void)loaded();
}
END_TEST

static void take_view(void *arg, const struct tally_view *v)
{
	*(struct tally_view *)arg = *v;
}

/* What became of a model is known after it has left. */
START_TEST(tallied)
{
	struct tally_view v = {.loads = 0};
	struct resident *m;

	open_with(64 * MB, 0);
	m = got("a");
	tally_end(
	    residency_tally(m), TALLY_SUCCESS, 1,
	    &(struct tally_times){.total = 10, .queue = 1, .input = 2, .infer = 3, .output = 4});
	tally_end(residency_tally(m), TALLY_CANCELLED, 1, &(struct tally_times){.total = 5});
	residency_unref(m);
	use("a");
	tally_each(residency_tallies(residency), "a", NULL, take_view, &v);
	ck_assert_uint_eq(v.loads, 2);
	ck_assert_uint_eq(v.unloads, 2);
	ck_assert(!v.loaded);
	ck_assert_uint_gt(v.cost, MB);
	ck_assert_uint_eq(v.count[TALLY_SUCCESS], 1);
	ck_assert_uint_eq(v.count[TALLY_CANCELLED], 1);
	ck_assert_uint_eq(v.sum.total, 10);
	ck_assert_uint_eq(v.sum.infer, 3);
	ck_assert_uint_eq(v.total_ns[TALLY_CANCELLED], 5);
}
END_TEST

START_TEST(tallies_are_bounded)
{
	struct tally_book *book = tally_book_new();
	unsigned count = 0;
	char name[16];

	for (int i = 0; i < 2000; i++) {
		struct tally *t;

		(void)snprintf(name, sizeof(name), "m%d", i);
		t = tally_open(book, name, "c", "f");
		ck_assert_ptr_nonnull(t);
		tally_close(t);
	}
	for (int i = 0; i < 2000; i++) {
		struct tally_view v = {.model = NULL};

		(void)snprintf(name, sizeof(name), "m%d", i);
		tally_each(book, name, "c", take_view, &v);
		count += v.model != NULL;
	}
	ck_assert_uint_eq(count, 512);
	tally_book_free(book);
	open_with(MB, 0);
}
END_TEST

/* Of the files that are mapped. */
static size_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	unsigned long kib = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, "RssFile:", 8) == 0)
			kib = strtoul(line + 8, NULL, 10);
	fclose(f);
	ck_assert_uint_gt(kib, 0);
	return kib * 1024;
}

/* All of a file is read when it is loaded; of its pages those that are used stay. */
START_TEST(a_table_stays_in_its_file)
{
	enum { BYTES = 16 << 20 };
	struct pbuild m = {0}, w = {0};
	char *table = calloc(1, BYTES);
	struct resident *r;
	size_t before;

	ck_assert_ptr_nonnull(table);
	open_with(100 * MB, -1);
	pbuild_model(&m, 13);
	pbuild_input(&m, "i", 7, 1, (int64_t[]){1});
	pbuild_tensor(&w, "w", 2, 1, (int64_t[]){BYTES}, table, BYTES);
	pbuild_init(&m, &w);
	pbuild_node(&m, "Gather", "w i", "y", NULL);
	pbuild_output(&m, "y", 2);
	put("table", &m);
	before = resident_bytes();
	r = got("table");
	ck_assert_uint_lt(resident_bytes(), before + BYTES / 4);
	residency_unref(r);
	free(table);
}
END_TEST

Suite *check_residency_room(void)
{
	Suite *s = suite_create("residency_room");
	TCase *t = tcase_create("residency_room");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, oldest_makes_way);
	tcase_add_test(t, budget_holds);
	tcase_add_test(t, never_fits);
	tcase_add_test(t, never_fits_loaded);
	tcase_add_test(t, shards_count);
	tcase_add_test(t, waits);
	tcase_add_test(t, waits_in_vain);
	tcase_add_test(t, stays_its_time);
	tcase_add_test(t, not_longer_than_its_request);
	tcase_add_test(t, together);
	tcase_add_test(t, tallied);
	tcase_add_test(t, tallies_are_bounded);
	tcase_add_test(t, a_table_stays_in_its_file);
	suite_add_tcase(s, t);
	return s;
}
