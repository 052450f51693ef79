/* SPDX-License-Identifier: MIT */
/* check_derived.c — found by source and kind, gone with the source, counted apart. */
#include <config.h>

#include "store/collect.h"
#include "store/use.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int put(const char *source, const char *kind, const char *text)
{
	struct store_digest digest = fixture_digest(source);
	struct store_derived made;
	int status = store_derived_put(fx.store, &digest, kind, text, strlen(text), &made, &fx.err);

	if (status == 0) {
		struct store_digest want = fixture_digest(text);

		ck_assert(store_digest_equal(&made.digest, &want));
		ck_assert_uint_eq(made.size, strlen(text));
	}
	return status;
}

/* Is what is found the given text?  NULL: nothing is found. */
static void expect(const char *source, const char *kind, const char *text)
{
	struct store_digest digest = fixture_digest(source);
	struct store_derived found;
	struct store_map *map;

	if (text == NULL) {
		fails(store_derived_find(fx.store, &digest, kind, &found, &fx.err),
		      STORE_NOT_FOUND);
		return;
	}
	ok(store_derived_find(fx.store, &digest, kind, &found, &fx.err));
	ck_assert_uint_eq(found.size, strlen(text));
	ok(store_map_open(fx.store, &found.digest, &map, &fx.err));
	ck_assert_uint_eq(store_map_size(map), strlen(text));
	ck_assert_mem_eq(store_map_data(map), text, strlen(text));
	store_map_unref(map);
}

static void expect_stats(uint64_t blobs, uint64_t derived, uint64_t derived_bytes)
{
	struct store_stats stats;

	ok(store_stats_get(fx.store, &stats, &fx.err));
	ck_assert_uint_eq(stats.blobs, blobs);
	ck_assert_uint_eq(stats.derived, derived);
	ck_assert_uint_eq(stats.derived_bytes, derived_bytes);
	ck_assert_int_eq(fixture_count("blobs"), (int)blobs);
}

START_TEST(found_by_source_and_kind)
{
	fixture_import("m", "main", "a", "source", "b", "other", NULL);
	expect("source", "gzip", NULL);
	ok(put("source", "gzip", "zipped"));
	ok(put("source", "packed:avx512:1", "packed"));
	expect("source", "gzip", "zipped");
	expect("source", "packed:avx512:1", "packed");
	expect("source", "packed:avx512:2", NULL);
	expect("other", "gzip", NULL);
	expect("never seen", "gzip", NULL);
	expect_stats(4, 2, 12);
	fixture_reopen(); /* nothing of it waits for a name */
	expect("source", "gzip", "zipped");
	expect_stats(4, 2, 12);
}
END_TEST

START_TEST(one_takes_the_place_of_another)
{
	fixture_import("m", "main", "a", "source", NULL);
	ok(put("source", "gzip", "first"));
	ok(put("source", "gzip", "second!"));
	expect("source", "gzip", "second!");
	ok(store_collect(fx.store, &fx.err));
	expect_stats(2, 1, 7);
	ok(put("source", "gzip", "second!")); /* the same again changes nothing */
	ok(store_collect(fx.store, &fx.err));
	expect_stats(2, 1, 7);
}
END_TEST

START_TEST(it_goes_with_its_source)
{
	fixture_import("m", "main", "a", "source", NULL);
	fixture_import("n", "main", "a", "other", NULL);
	ok(put("source", "gzip", "zipped"));
	ok(put("zipped", "chunks:1", "cut")); /* derived of what was derived */
	ok(put("source", "zstd", "shared"));
	ok(put("other", "zstd", "shared")); /* the same content made of two */
	expect_stats(5, 3, 15);
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	expect_stats(2, 1, 6);
	expect("source", "gzip", NULL);
	expect("zipped", "chunks:1", NULL);
	expect("other", "zstd", "shared");
	ok(store_model_remove(fx.store, "n", NULL, &fx.err));
	expect_stats(0, 0, 0);
}
END_TEST

START_TEST(what_has_a_name_too_is_not_counted)
{
	fixture_import("m", "main", "a", "source", NULL);
	ok(put("source", "gzip", "zipped"));
	fixture_import("n", "main", "a", "zipped", NULL);
	expect_stats(2, 0, 0);
	ok(store_model_remove(fx.store, "n", NULL, &fx.err));
	expect_stats(2, 1, 6);
	fixture_import("n", "main", "a", "zipped", NULL);
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	expect_stats(1, 0, 0);
	ck_assert(fixture_reads("n", "main", "a", "zipped"));
}
END_TEST

START_TEST(a_blob_that_came_through_a_writer)
{
	struct store_digest source = fixture_digest("source");
	struct store_digest big;

	fixture_import("m", "main", "a", "source", NULL);
	big = fixture_put("big");
	ok(store_derived_name(fx.store, &source, "packed:1", &big, &fx.err));
	expect("source", "packed:1", "big");
	/* the claim of its upload is used up */
	ok(store_derived_drop(fx.store, &source, "packed:1", &fx.err));
	fails(store_derived_drop(fx.store, &source, "packed:1", &fx.err), STORE_NOT_FOUND);
	ok(store_collect(fx.store, &fx.err));
	expect_stats(1, 0, 0);
}
END_TEST

START_TEST(what_cannot_be)
{
	struct store_digest source = fixture_put("source");
	struct store_digest never = fixture_digest("never");
	struct store_derived out;
	char longest[STORE_KIND_MAX + 2];

	memset(longest, 'k', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	fails(put("source", longest, "x"), STORE_INVALID);
	fails(put("source", "", "x"), STORE_INVALID);
	fails(put("source", "Gzip", "x"), STORE_INVALID);
	fails(put("source", "g zip", "x"), STORE_INVALID);
	fails(store_derived_find(fx.store, &source, "a/b", &out, &fx.err), STORE_INVALID);
	longest[STORE_KIND_MAX] = '\0';
	ok(put("source", longest, "x"));
	fails(put("never", "gzip", "x"), STORE_NOT_FOUND);
	fails(store_derived_name(fx.store, &source, "gzip", &never, &fx.err), STORE_NOT_FOUND);
	fails(store_derived_name(fx.store, &never, "gzip", &source, &fx.err), STORE_NOT_FOUND);
	fails(store_derived_name(fx.store, &source, "gzip", &source, &fx.err), STORE_INVALID);
}
END_TEST

START_TEST(damage)
{
	struct store_digest zipped = fixture_digest("zipped");
	struct store_digest source = fixture_digest("source");
	struct store_verify seen;

	fixture_import("m", "main", "a", "source", NULL);
	ok(put("source", "gzip", "zipped"));
	fixture_write_file(fixture_blob_path(&zipped), "ZIPPED", 6);
	ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
	ck_assert_uint_eq(seen.damaged, 1);
	expect("source", "gzip", NULL);
	ok(put("source", "gzip", "zipped")); /* made again, it is well again */
	expect("source", "gzip", "zipped");
	fixture_write_file(fixture_blob_path(&source), "SOURCE", 6);
	ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
	fails(put("source", "zstd", "x"), STORE_NOT_FOUND); /* nor is it stored for others */
	fails(store_derived_name(fx.store, &source, "zstd", &zipped, &fx.err), STORE_DAMAGED);
}
END_TEST

START_TEST(a_use_is_noted_and_written)
{
	struct store_digest source = fixture_digest("source");
	struct store_derived found;

	fixture_import("m", "main", "a", "source", NULL);
	ok(put("source", "gzip", "zipped"));
	fixture_close();
	fixture_sql("UPDATE derived SET used_s = 1000");
	fixture_open();
	ok(store_derived_find(fx.store, &source, "gzip", &found, &fx.err));
	ok(store_use_flush(fx.store, &fx.err));
	fixture_close();
	ck_assert_int_gt(fixture_sql("SELECT used_s FROM derived"), 1000);
	/* it is no snapshot of the same number */
	ck_assert_int_eq(fixture_sql("SELECT used_s FROM snapshot"), 0);
}
END_TEST

START_TEST(nothing_is_written_read_only)
{
	struct store_digest source = fixture_digest("source");
	struct store_derived out;

	fixture_import("m", "main", "a", "source", NULL);
	ok(put("source", "gzip", "zipped"));
	fixture_close();
	ok(store_open(&(struct store_opts){.dir = fx.dir, .read_only = true}, &fx.store, &fx.err));
	expect("source", "gzip", "zipped");
	fails(store_derived_put(fx.store, &source, "zstd", "x", 1, &out, &fx.err), STORE_INVALID);
	fails(store_derived_drop(fx.store, &source, "gzip", &fx.err), STORE_INVALID);
}
END_TEST

Suite *check_store_derived(void)
{
	Suite *s = suite_create("store_derived");
	TCase *t = tcase_create("derived");

	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, found_by_source_and_kind);
	tcase_add_test(t, one_takes_the_place_of_another);
	tcase_add_test(t, it_goes_with_its_source);
	tcase_add_test(t, what_has_a_name_too_is_not_counted);
	tcase_add_test(t, a_blob_that_came_through_a_writer);
	tcase_add_test(t, what_cannot_be);
	tcase_add_test(t, damage);
	tcase_add_test(t, a_use_is_noted_and_written);
	tcase_add_test(t, nothing_is_written_read_only);
	suite_add_tcase(s, t);
	return s;
}
