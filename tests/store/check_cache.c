/* SPDX-License-Identifier: MIT */
/* check_cache.c — kept answers: found again, never from another generation, never too many. */
#include <config.h>

#include "store/cache.h"
#include "tests/lib/fault.h"
#include "tests/store/fixture.h"

#include <stdio.h>

static struct store_cache *cache;

static void setup(void)
{
	ok(store_cache_new(&cache, &fx.err));
}

static void teardown(void)
{
	store_cache_free(cache);
}

static struct store_cache_key key_of(const char *model, const char *revision, const char *path)
{
	struct store_cache_key key;

	ck_assert(store_cache_key(cache, model, revision, path, &key));
	return key;
}

/* The size of what is found, or -1. */
static long find(const struct store_cache_key *key, uint64_t generation, int64_t now_s, int64_t *id)
{
	struct store_file file;

	if (!store_cache_find(cache, key, generation, now_s, &file, id))
		return -1;
	return (long)file.size;
}

START_TEST(what_was_put_is_found)
{
	struct store_cache_key key = key_of("m", "main", "a.onnx");
	struct store_file file = {.size = 7, .modified_s = 5, .by_commit = true};
	struct store_file out;
	int64_t id = -1;

	ck_assert_int_eq(find(&key, 1, 100, &id), -1);
	store_cache_put(cache, &key, 1, 100, 42, &file);
	ck_assert(store_cache_find(cache, &key, 1, 100, &out, &id));
	ck_assert_mem_eq(&out, &file, sizeof(out));
	ck_assert_int_eq(id, 0); /* its use in this second was noted by who put it */
	ck_assert_int_eq(find(&key, 1, 101, &id), 7);
	ck_assert_int_eq(id, 42);
	ck_assert_int_eq(find(&key, 1, 101, &id), 7);
	ck_assert_int_eq(id, 0);
	ck_assert_int_eq(find(&key, 1, 99, &id), 7); /* a clock set back is another second */
	ck_assert_int_eq(id, 42);
}
END_TEST

START_TEST(another_generation_knows_nothing)
{
	struct store_cache_key key = key_of("m", "main", "a");
	int64_t id;

	store_cache_put(cache, &key, 1, 0, 1, &(struct store_file){.size = 1});
	ck_assert_int_eq(find(&key, 2, 0, &id), -1);
	store_cache_put(cache, &key, 2, 0, 1, &(struct store_file){.size = 2});
	ck_assert_int_eq(find(&key, 2, 0, &id), 2);
	ck_assert_int_eq(find(&key, 1, 0, &id), -1); /* one answer per name */
}
END_TEST

START_TEST(names_do_not_run_together)
{
	struct store_cache_key a = key_of("ab", "c", "d");
	struct store_cache_key b = key_of("a", "bc", "d");
	struct store_cache_key c = key_of("a", "b", "cd");
	int64_t id;

	store_cache_put(cache, &a, 1, 0, 1, &(struct store_file){.size = 1});
	store_cache_put(cache, &b, 1, 0, 1, &(struct store_file){.size = 2});
	store_cache_put(cache, &c, 1, 0, 1, &(struct store_file){.size = 3});
	ck_assert_int_eq(find(&a, 1, 0, &id), 1);
	ck_assert_int_eq(find(&b, 1, 0, &id), 2);
	ck_assert_int_eq(find(&c, 1, 0, &id), 3);
	/* the same hash alone is not enough */
	b.hash = a.hash;
	ck_assert_int_eq(find(&b, 1, 0, &id), -1);
}
END_TEST

START_TEST(long_names_are_not_kept)
{
	char path[600];
	struct store_cache_key key;

	memset(path, 'p', sizeof(path));
	path[sizeof(key.bytes) - 5] = '\0'; /* m, main and three NULs make it one too many */
	ck_assert(!store_cache_key(cache, "m", "mai", path, &key));
	path[sizeof(key.bytes) - 7] = '\0';
	ck_assert(store_cache_key(cache, "m", "mai", path, &key));
	ck_assert_uint_eq(key.size, sizeof(key.bytes));
}
END_TEST

START_TEST(it_is_bounded_and_keeps_what_is_used)
{
	struct store_cache_key hot = key_of("hot", "main", "weights");
	char path[32];
	int64_t id;
	int kept = 0;

	store_cache_put(cache, &hot, 1, 0, 1, &(struct store_file){.size = 99});
	for (int i = 0; i < 40000; i++) {
		struct store_cache_key key;

		snprintf(path, sizeof(path), "%d", i);
		key = key_of("m", "main", path);
		store_cache_put(cache, &key, 1, 0, 1, &(struct store_file){.size = (uint64_t)i});
		ck_assert_int_eq(find(&key, 1, 0, &id), i);
		ck_assert_int_eq(find(&hot, 1, 0, &id), 99);
	}
	for (int i = 0; i < 40000; i++) {
		struct store_cache_key key;
		long size;

		snprintf(path, sizeof(path), "%d", i);
		key = key_of("m", "main", path);
		size = find(&key, 1, 0, &id);
		ck_assert(size == -1 || size == i);
		kept += size >= 0;
	}
	ck_assert_int_ge(kept, 7000);
	ck_assert_int_le(kept, 8200);
}
END_TEST

START_TEST(without_memory_it_forgets)
{
	struct store_cache_key key = key_of("m", "main", "a");
	struct store_cache *none;
	int64_t id;

	fault_arm(FAULT_MALLOC, 1);
	store_cache_put(cache, &key, 1, 0, 1, &(struct store_file){.size = 1});
	ck_assert(fault_disarm());
	ck_assert_int_eq(find(&key, 1, 0, &id), -1);
	fault_arm(FAULT_MALLOC, 1);
	fails(store_cache_new(&none, &fx.err), STORE_MEMORY);
	fault_disarm();
	store_cache_free(NULL);
}
END_TEST

Suite *check_store_cache(void)
{
	Suite *s = suite_create("store_cache");
	TCase *t = tcase_create("cache");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_was_put_is_found);
	tcase_add_test(t, another_generation_knows_nothing);
	tcase_add_test(t, names_do_not_run_together);
	tcase_add_test(t, long_names_are_not_kept);
	tcase_add_test(t, it_is_bounded_and_keeps_what_is_used);
	tcase_add_test(t, without_memory_it_forgets);
	suite_add_tcase(s, t);
	return s;
}
