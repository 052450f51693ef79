/* SPDX-License-Identifier: MIT */
/* check_map.c — mappings: one per blob, valid for as long as someone holds it, never of damage. */
#include <config.h>

#include "store/map.h"
#include "store/state.h"
#include "tests/lib/fault.h"
#include "tests/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

static struct store_map *open_map(const struct store_digest *digest)
{
	struct store_map *map;

	ok(store_map_open(fx.store, digest, &map, &fx.err));
	ck_assert(store_digest_equal(store_map_digest(map), digest));
	return map;
}

static void expect_text(const struct store_map *map, const char *text)
{
	ck_assert_uint_eq(store_map_size(map), strlen(text));
	ck_assert_mem_eq(store_map_data(map), text, strlen(text));
}

START_TEST(one_mapping_however_many_users)
{
	struct store_digest digest = fixture_put("shared");
	struct store_map *a = open_map(&digest);
	struct store_map *b = open_map(&digest);

	ck_assert_ptr_eq(a, b);
	ck_assert_ptr_eq(store_map_ref(a), a);
	ck_assert_uint_eq(store_map_count(fx.store->maps), 1);
	store_map_unref(a);
	store_map_unref(a);
	expect_text(b, "shared");
	store_map_unref(b);
	store_map_unref(NULL);
}
END_TEST

START_TEST(an_empty_blob)
{
	struct store_digest digest = fixture_put("");
	struct store_map *map = open_map(&digest);

	ck_assert_uint_eq(store_map_size(map), 0);
	ck_assert_ptr_nonnull(store_map_data(map));
	ck_assert(store_map_resident(map, 0, 0));
	ok(store_map_populate(map, 0, 0, &fx.err));
	store_map_unref(map);
}
END_TEST

START_TEST(what_is_not_stored)
{
	struct store_digest digest = fixture_digest("nothing");
	struct store_map *map;

	fails(store_map_open(fx.store, &digest, &map, &fx.err), STORE_NOT_FOUND);
}
END_TEST

START_TEST(a_file_that_is_not_as_recorded)
{
	struct store_digest digest = fixture_put("0123456789");
	struct store_map *map;

	fixture_write_file(fixture_blob_path(&digest), "01234", 5);
	fails(store_map_open(fx.store, &digest, &map, &fx.err), STORE_DAMAGED);
	fixture_write_file(fixture_blob_path(&digest), "0123456789a", 11);
	fails(store_map_open(fx.store, &digest, &map, &fx.err), STORE_DAMAGED);
	unlink(fixture_blob_path(&digest));
	fails(store_map_open(fx.store, &digest, &map, &fx.err), STORE_DAMAGED);
	fixture_put("0123456789");
	map = open_map(&digest);
	expect_text(map, "0123456789");
	store_map_unref(map);
}
END_TEST

START_TEST(a_file_that_was_cut_short_after_it_was_mapped)
{
	struct store_digest digest = fixture_put("0123456789");
	struct store_map *map = open_map(&digest);

	store_map_unref(map); /* kept, but nobody's */
	ck_assert_uint_eq(store_map_count(fx.store->maps), 1);
	ck_assert_int_eq(truncate(fixture_blob_path(&digest), 4), 0);
	fails(store_map_open(fx.store, &digest, &map, &fx.err), STORE_DAMAGED);
	ck_assert_uint_eq(store_map_count(fx.store->maps), 0);
	fixture_put("0123456789");
	map = open_map(&digest);
	expect_text(map, "0123456789");
	store_map_unref(map);
}
END_TEST

START_TEST(removal_and_close_leave_users_alone)
{
	struct store_digest digest;
	struct store_map *map, *none;

	fixture_import("m", "main", "a", "in use", NULL);
	digest = fixture_digest("in use");
	map = open_map(&digest);
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	ck_assert_int_eq(fixture_count("blobs"), 0);
	fails(store_map_open(fx.store, &digest, &none, &fx.err), STORE_NOT_FOUND);
	expect_text(map, "in use");
	/* the same content, stored again, is another file and another mapping */
	fixture_put("in use");
	none = open_map(&digest);
	ck_assert_ptr_ne(none, map);
	fixture_close();
	expect_text(map, "in use");
	expect_text(none, "in use");
	store_map_unref(map);
	store_map_unref(none);
}
END_TEST

static struct store_map *mapped_meanwhile;

static void remove_meanwhile(void)
{
	fault_disarm();
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
}

static void replace_meanwhile(void)
{
	remove_meanwhile();
	fixture_put("content");
}

static void map_meanwhile(void)
{
	struct store_digest digest = fixture_digest("content");

	fault_disarm();
	mapped_meanwhile = open_map(&digest);
}

START_TEST(what_happens_while_a_blob_is_being_mapped)
{
	struct store_digest digest = fixture_digest("content");
	struct store_map *map;

	/* removed between the index and the file, and between the file and the table */
	for (int late = 0; late <= 1; late++) {
		fixture_import("m", "main", "a", "content", NULL);
		fault_arm_hook(late ? FAULT_MMAP : FAULT_OPEN, 1, remove_meanwhile);
		fails(store_map_open(fx.store, &digest, &map, &fx.err), STORE_NOT_FOUND);
		ck_assert_uint_eq(store_map_count(fx.store->maps), 0);
	}
	/* removed and written anew: the new file is what is mapped and shared */
	fixture_import("m", "main", "a", "content", NULL);
	fault_arm_hook(FAULT_MMAP, 1, replace_meanwhile);
	map = open_map(&digest);
	expect_text(map, "content");
	ck_assert_ptr_eq(open_map(&digest), map);
	store_map_unref(map);
	store_map_unref(map);
	store_map_forget(fx.store->maps, &digest);
	/* mapped by somebody else: there is still one mapping */
	fault_arm_hook(FAULT_MMAP, 1, map_meanwhile);
	map = open_map(&digest);
	ck_assert_ptr_eq(map, mapped_meanwhile);
	ck_assert_uint_eq(store_map_count(fx.store->maps), 1);
	store_map_unref(map);
	expect_text(mapped_meanwhile, "content");
	store_map_unref(mapped_meanwhile);
}
END_TEST

/* A blob of ${size} bytes that begins with ${i}. */
static struct store_digest put_sized(size_t size, unsigned i)
{
	char *data = calloc(1, size);
	struct store_digest digest;

	ck_assert_ptr_nonnull(data);
	memcpy(data, &i, sizeof(i));
	digest = fixture_put_bytes(data, size);
	free(data);
	return digest;
}

START_TEST(idle_mappings_are_kept_within_bounds)
{
	struct store_digest digest = put_sized(1000, 1000);
	struct store_map *map = open_map(&digest);
	const void *data = store_map_data(map);

	store_map_unref(map);
	ck_assert_uint_eq(store_map_count(fx.store->maps), 1);
	map = open_map(&digest);
	ck_assert_ptr_eq(store_map_data(map), data);
	store_map_unref(map);
	for (unsigned i = 0; i < 300; i++) {
		digest = put_sized(1000, i);
		store_map_unref(open_map(&digest));
	}
	ck_assert_uint_eq(store_map_count(fx.store->maps), 256);
	/* five of 15 MB are too much together; one of 20 MB is too much alone */
	for (unsigned i = 0; i < 5; i++) {
		digest = put_sized(15 * 1000 * 1000, i);
		store_map_unref(open_map(&digest));
	}
	ck_assert_uint_eq(store_map_count(fx.store->maps), 4);
	digest = put_sized(20 * 1000 * 1000, 9);
	store_map_unref(open_map(&digest));
	ck_assert_uint_eq(store_map_count(fx.store->maps), 4);
}
END_TEST

START_TEST(failures_leave_nothing)
{
	static const struct {
		enum fault_call call;
		int status;
	} rows[] = {{FAULT_OPEN, STORE_FILES},
		    {FAULT_MALLOC, STORE_MEMORY},
		    {FAULT_STAT, STORE_IO},
		    {FAULT_MMAP, STORE_MEMORY}};
	struct store_digest digest = fixture_put("content");
	struct store_maps *maps;
	struct store_map *map;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fault_arm(rows[i].call, 1);
		fails(store_map_open(fx.store, &digest, &map, &fx.err), rows[i].status);
		ck_assert(fault_disarm());
		ck_assert_uint_eq(store_map_count(fx.store->maps), 0);
	}
	fault_arm(FAULT_MALLOC, 1);
	fails(store_map_table_new(&maps, &fx.err), STORE_MEMORY);
	fault_disarm();
	store_map_table_close(NULL);
}
END_TEST

START_TEST(residency_and_population)
{
	enum { SIZE = 9 * 1000 * 1000 };
	struct store_digest digest = put_sized(SIZE, 7);
	struct store_map *map = open_map(&digest);

	ok(store_map_populate(map, 0, SIZE, &fx.err));
	ck_assert(store_map_resident(map, 0, SIZE));
	ck_assert(store_map_resident(map, SIZE - 1, 1));
	ck_assert(store_map_resident(map, SIZE - 1, SIZE_MAX));
	ck_assert(store_map_resident(map, SIZE, 1)); /* nothing is missing of nothing */
	ck_assert(store_map_resident(map, SIZE_MAX, SIZE_MAX));
	ok(store_map_populate(map, SIZE, 1, &fx.err));
	fault_arm(FAULT_MINCORE, 1);
	ck_assert(!store_map_resident(map, 0, SIZE));
	ck_assert(fault_disarm());
	store_map_unref(map);
}
END_TEST

START_TEST(what_the_disk_has_and_memory_has_not)
{
	enum { SIZE = 3 * 1000 * 1000 };
	struct store_digest digest = put_sized(SIZE, 7);
	struct store_map *map;
	struct statfs fs;
	int fd = open(fixture_blob_path(&digest), O_RDONLY);

	ck_assert_int_eq(fstatfs(fd, &fs), 0);
	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
	map = open_map(&digest);
	if (fs.f_type != TMPFS_MAGIC) /* which is nothing but memory */
		ck_assert(!store_map_resident(map, 0, SIZE));
	ok(store_map_populate(map, 0, SIZE, &fx.err));
	ck_assert(store_map_resident(map, 0, SIZE));
	store_map_unref(map);
}
END_TEST

START_TEST(population_reports_what_the_disk_cannot_give)
{
	struct store_digest digest = put_sized(10 * 4096, 7);
	struct store_map *map = open_map(&digest);

	/* the end of the file goes away under the mapping: touching it would be SIGBUS */
	ck_assert_int_eq(truncate(fixture_blob_path(&digest), 4096), 0);
	ok(store_map_populate(map, 0, 4096, &fx.err));
	fails(store_map_populate(map, 0, 10 * 4096, &fx.err), STORE_IO);
	/* a kernel without MADV_POPULATE_READ: the same answers */
	fault_arm_errno(FAULT_MADVISE, 1, EINVAL);
	ok(store_map_populate(map, 5, 4000, &fx.err));
	ck_assert(fault_disarm());
	fault_arm_errno(FAULT_MADVISE, 1, EINVAL);
	fails(store_map_populate(map, 0, 10 * 4096, &fx.err), STORE_IO);
	ck_assert(fault_disarm());
	fault_arm_errno(FAULT_MADVISE, 1, EINTR);
	ok(store_map_populate(map, 0, 4096, &fx.err));
	ck_assert(fault_disarm());
	fault_arm_errno(FAULT_MADVISE, 1, ENOMEM);
	fails(store_map_populate(map, 0, 4096, &fx.err), STORE_MEMORY);
	fault_disarm();
	store_map_unref(map);
}
END_TEST

START_TEST(more_than_four_gigabytes)
{
	const uint64_t size = 5ULL << 30;
	struct store_digest digest = fixture_put("sparse");
	char sql[200], hex[STORE_DIGEST_HEX + 1];
	struct store_map *map;

	/* a sparse file of that size, with the row that it would have */
	store_digest_hex(&digest, hex);
	fixture_close();
	ck_assert_int_eq(truncate(fixture_blob_path(&digest), (off_t)size), 0);
	snprintf(sql, sizeof(sql), "UPDATE blob SET size = %llu WHERE hex(digest) = upper('%s')",
		 (unsigned long long)size, hex);
	fixture_sql(sql);
	fixture_open();
	map = open_map(&digest);
	ck_assert_uint_eq(store_map_size(map), size);
	ck_assert_int_eq(((const char *)store_map_data(map))[size - 1], 0);
	ck_assert(store_map_resident(map, size - 1, 1));
	store_map_unref(map);
}
END_TEST

Suite *check_store_map(void)
{
	Suite *s = suite_create("store_map");
	TCase *t = tcase_create("map");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, fixture_setup_disk, fixture_teardown);
	tcase_add_test(t, one_mapping_however_many_users);
	tcase_add_test(t, an_empty_blob);
	tcase_add_test(t, what_is_not_stored);
	tcase_add_test(t, a_file_that_is_not_as_recorded);
	tcase_add_test(t, a_file_that_was_cut_short_after_it_was_mapped);
	tcase_add_test(t, removal_and_close_leave_users_alone);
	tcase_add_test(t, what_happens_while_a_blob_is_being_mapped);
	tcase_add_test(t, idle_mappings_are_kept_within_bounds);
	tcase_add_test(t, failures_leave_nothing);
	tcase_add_test(t, residency_and_population);
	tcase_add_test(t, what_the_disk_has_and_memory_has_not);
	tcase_add_test(t, population_reports_what_the_disk_cannot_give);
	tcase_add_test(t, more_than_four_gigabytes);
	suite_add_tcase(s, t);
	return s;
}
