/* SPDX-License-Identifier: MIT */
/* check_blob.c — whole files as blobs, walking over many, asking for one. */
#include <config.h>

#include "store/blob.h"
#include "store/state.h"
#include "tests/lib/fault.h"
#include "tests/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BIG = 20 * 1000 * 1000 + 7 };

START_TEST(a_whole_file)
{
	struct store_digest digest, expected;
	uint8_t *data = malloc(BIG);
	struct store_map *map;
	uint64_t size = 0;
	int fd;

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < BIG; i++)
		data[i] = (uint8_t)(i * 2654435761U >> 13);
	fixture_write_file(fixture_path("in"), data, BIG);
	fd = open(fixture_path("in"), O_RDONLY);
	ok(store_blob_put_fd(fx.store, fd, &digest, &size, &fx.err));
	close(fd);
	ck_assert_uint_eq(size, BIG);
	ok(store_digest_of(data, BIG, &expected));
	ck_assert(store_digest_equal(&digest, &expected));
	ok(store_map_open(fx.store, &digest, &map, &fx.err));
	ck_assert_uint_eq(store_map_size(map), BIG);
	ck_assert_mem_eq(store_map_data(map), data, BIG);
	store_map_unref(map);
	free(data);
}
END_TEST

START_TEST(from_a_pipe)
{
	struct store_digest digest;
	uint64_t size;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "piped", 5), 5);
	close(ends[1]);
	ok(store_blob_put_fd(fx.store, ends[0], &digest, &size, &fx.err));
	close(ends[0]);
	ck_assert_uint_eq(size, 5);
}
END_TEST

START_TEST(a_file_that_cannot_be_read)
{
	static const enum fault_call calls[] = {FAULT_READ, FAULT_MALLOC, FAULT_WRITE, FAULT_OPEN,
						FAULT_FSYNC};
	struct store_digest digest;
	uint64_t size;
	int fd;

	fixture_write_file(fixture_path("in"), "content", 7);
	fd = open(fixture_path("in"), O_RDONLY);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (int n = 1;; n++) {
			int status;

			lseek(fd, 0, SEEK_SET);
			fault_arm(calls[i], n);
			status = store_blob_put_fd(fx.store, fd, &digest, &size, &fx.err);
			if (!fault_disarm())
				break;
			ck_assert_int_lt(status, 0);
			fixture_check_error(status);
			ck_assert_int_eq(fixture_count("tmp"), 0);
		}
		unlink(fixture_blob_path(&digest)); /* so that the next one writes again */
	}
	lseek(fd, 0, SEEK_SET);
	fault_arm_errno(FAULT_READ, 1, EINTR);
	ok(store_blob_put_fd(fx.store, fd, &digest, &size, &fx.err));
	ck_assert(fault_disarm());
	close(fd);
	fails(store_blob_put_fd(fx.store, fd, &digest, &size, &fx.err), STORE_IO);
	fd = open(fx.dir, O_RDONLY);
	fails(store_blob_put_fd(fx.store, fd, &digest, &size, &fx.err), STORE_IO);
	close(fd);
}
END_TEST

START_TEST(has_answers_from_the_index)
{
	struct store_digest digest = fixture_digest("nowhere");
	uint64_t size = 99;

	ck_assert(!store_blob_has(fx.store, &digest, &size));
	ck_assert_uint_eq(size, 99);
	digest = fixture_put("here");
	ck_assert(store_blob_has(fx.store, &digest, NULL));
	ck_assert(store_blob_has(fx.store, &digest, &size));
	ck_assert_uint_eq(size, 4);
}
END_TEST

START_TEST(a_walk_sees_each_once)
{
	enum { COUNT = 2 * STORE_BLOB_PAGE + 3 };
	struct store_blob_page page = {.after = 0};
	struct store_conn *conn;
	bool seen[COUNT] = {false};
	char text[32];
	size_t pages = 0;

	for (int i = 0; i < COUNT; i++) {
		snprintf(text, sizeof(text), "%d", i);
		fixture_put(text);
	}
	ok(store_index_reader(fx.store->index, &conn, &fx.err));
	for (;;) {
		ok(store_blob_next(conn, &page, &fx.err));
		if (page.count == 0)
			break;
		pages++;
		for (size_t i = 0; i < page.count; i++) {
			ck_assert_int_ge(page.rows[i].id, 1);
			ck_assert_int_le(page.rows[i].id, COUNT);
			ck_assert(!seen[page.rows[i].id - 1]);
			seen[page.rows[i].id - 1] = true;
			snprintf(text, sizeof(text), "%d", (int)page.rows[i].id - 1);
			ck_assert_uint_eq((uint64_t)page.rows[i].size, strlen(text));
			ck_assert(!page.rows[i].damaged);
		}
	}
	store_index_done(fx.store->index, conn);
	ck_assert_uint_eq(pages, 3);
	for (size_t i = 0; i < COUNT; i++)
		ck_assert(seen[i]);
}
END_TEST

Suite *check_store_blob(void)
{
	Suite *s = suite_create("store_blob");
	TCase *t = tcase_create("blob");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, fixture_setup_disk, fixture_teardown);
	tcase_add_test(t, a_whole_file);
	tcase_add_test(t, from_a_pipe);
	tcase_add_test(t, a_file_that_cannot_be_read);
	tcase_add_test(t, has_answers_from_the_index);
	tcase_add_test(t, a_walk_sees_each_once);
	suite_add_tcase(s, t);
	return s;
}
