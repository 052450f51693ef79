/* SPDX-License-Identifier: MIT */
/* check_chunk_list.c — chunk lists as bytes, kept beside blobs; updates put together by them. */
#include <config.h>

#include "tests/store/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE ((size_t)8 << 20)

static unsigned char *old, *new;
static struct store_chunk_list list;

static void setup(void)
{
	uint64_t x = 88172645463325252u;

	fixture_setup();
	old = malloc(SIZE + 100);
	new = malloc(SIZE + 100);
	ck_assert(old != NULL && new != NULL);
	for (size_t i = 0; i < SIZE; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(old + i, &x, 8);
	}
	memcpy(new, old, SIZE);
	list = (struct store_chunk_list){.size = 0};
}

static void teardown(void)
{
	store_chunk_list_drop(&list);
	free(old);
	free(new);
	fixture_teardown();
}

START_TEST(there_and_back)
{
	struct store_chunk_list back;
	struct store_digest whole;
	uint64_t at = 0;
	size_t size;
	void *text;

	ok(store_chunk_list_make(old, SIZE, &list, &fx.err));
	ok(store_chunk_list_print(&list, &text, &size, &fx.err));
	ck_assert_int_eq(strncmp(text, "larder-chunks 1\n", 16), 0);
	ok(store_chunk_list_parse(text, size, &back, &fx.err));
	ck_assert_uint_eq(back.size, SIZE);
	ck_assert_uint_eq(back.count, list.count);
	ck_assert(store_digest_equal(&back.digest, &list.digest));
	for (size_t i = 0; i < back.count; i++) {
		struct store_digest d;

		ok(store_digest_of(old + at, back.chunk[i].size, &d));
		ck_assert(store_digest_equal(&d, &back.chunk[i].digest));
		at += back.chunk[i].size;
	}
	ck_assert_uint_eq(at, SIZE);
	ok(store_digest_of(old, SIZE, &whole));
	ck_assert(store_digest_equal(&whole, &back.digest));
	store_chunk_list_drop(&back);
	/* a list is a small part of what it tells of */
	ck_assert_uint_lt(size, SIZE / 1000);
	free(text);
}
END_TEST

START_TEST(of_a_file)
{
	struct store_chunk_list of_file;
	const char *path = fixture_path("a-file");
	int fd;

	ok(store_chunk_list_make(old, SIZE, &list, &fx.err));
	fixture_write_file(path, old, SIZE);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ok(store_chunk_list_file(fd, &of_file, &fx.err));
	(void)close(fd);
	ck_assert_uint_eq(of_file.size, SIZE);
	ck_assert_uint_eq(of_file.count, list.count);
	ck_assert(store_digest_equal(&of_file.digest, &list.digest));
	ck_assert_mem_eq(of_file.chunk, list.chunk, list.count * sizeof(list.chunk[0]));
	store_chunk_list_drop(&of_file);
	fixture_write_file(path, "", 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	fails(store_chunk_list_file(fd, &of_file, &fx.err), STORE_INVALID);
	(void)close(fd);
	fd = open(fx.dir, O_RDONLY | O_CLOEXEC);
	fails(store_chunk_list_file(fd, &of_file, &fx.err), STORE_INVALID);
	(void)close(fd);
	fails(store_chunk_list_file(-1, &of_file, &fx.err), STORE_IO);
}
END_TEST

START_TEST(lists_that_are_none)
{
	struct store_chunk_list back;
	unsigned char *text;
	void *made;
	size_t size;

	ok(store_chunk_list_make(old, SIZE, &list, &fx.err));
	ok(store_chunk_list_print(&list, &made, &size, &fx.err));
	text = made;
	for (size_t n = 0; n < size; n += n < 200 ? 1 : 997)
		fails(store_chunk_list_parse(text, n, &back, &fx.err), STORE_INVALID);
	text[size - 36]++; /* the last size */
	fails(store_chunk_list_parse(text, size, &back, &fx.err), STORE_INVALID);
	text[size - 36]--;
	text[size - 33] = 1; /* its highest byte */
	fails(store_chunk_list_parse(text, size, &back, &fx.err), STORE_INVALID);
	text[size - 33] = 0;
	text[20] = 'x'; /* in the digest */
	fails(store_chunk_list_parse(text, size, &back, &fx.err), STORE_INVALID);
	free(made);
}
END_TEST

/* Numbers are digits, with one space before each: nothing that sscanf() would take as well. */
START_TEST(heads)
{
	static const char digest[] =
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	static const struct {
		const char *numbers;
		bool good;
	} lines[] = {
	    {" 0 0\n", true},
	    {" -0 0\n", false},
	    {" +0 0\n", false},
	    {"  0 0\n", false},
	    {" 0  0\n", false},
	    {"\t0 0\n", false},
	    {" 0\n0\n", false},
	    {" 0 0", false},
	    {" 0 0 \n", false},
	    {" 0 0x\n", false},
	    {" 0\n", false},
	    {" 0 18446744073709551616\n", false},
	    {" 18446744073709551616 0\n", false},
	};
	struct store_chunk_list back;
	char text[160];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const int n =
		    snprintf(text, sizeof(text), "larder-chunks 1\n%s%s", digest, lines[i].numbers);
		const int status = store_chunk_list_parse(text, (size_t)n, &back, &fx.err);

		ck_assert_msg(status == (lines[i].good ? 0 : STORE_INVALID), "'%s': %d",
			      lines[i].numbers, status);
		if (status == 0)
			store_chunk_list_drop(&back);
	}
}
END_TEST

START_TEST(kept_beside_its_blob)
{
	struct store_digest digest = fixture_put_bytes(old, SIZE), none = fixture_digest("none");
	struct store_derived one, two;

	ok(store_chunk_list_of(fx.store, &digest, NULL, &one, &fx.err));
	ok(store_derived_find(fx.store, &digest, STORE_CHUNK_KIND, &two, &fx.err));
	ck_assert(store_digest_equal(&one.digest, &two.digest));
	ok(store_chunk_list_of(fx.store, &digest, NULL, &two, &fx.err));
	ck_assert(store_digest_equal(&one.digest, &two.digest));
	fails(store_chunk_list_of(fx.store, &none, NULL, &one, &fx.err), STORE_NOT_FOUND);
}
END_TEST

static bool stop(void)
{
	return true;
}

START_TEST(told_to_stop)
{
	struct store_digest digest = fixture_put_bytes(old, SIZE);
	struct store_derived one;

	fails(store_chunk_list_of(fx.store, &digest, stop, &one, &fx.err), STORE_BUSY);
}
END_TEST

/* ---- updates -----------------------------------------------------------------------------------
 */

static struct store_partial *p;

/* The old version is stored as ${path} of org/a; how much of the new one is found? */
static uint64_t seed(const char *model, size_t size)
{
	struct store_digest digest = fixture_put_bytes(old, SIZE), key = fixture_digest("key");
	struct store_import *im;
	uint64_t found;
	bool any;

	ok(store_import_begin(fx.store, "org/a", "main", &im, &fx.err));
	ok(store_import_add(im, "model.bin", &digest, &fx.err));
	ok(store_import_commit(im, fx.commit, &fx.err));
	ck_assert(store_chunk_seed_kin(fx.store, "org/a", "model.bin", &any) && any);
	ck_assert(!store_chunk_seed_kin(fx.store, "org/a", "other.bin", &any) && any);
	ck_assert(!store_chunk_seed_kin(fx.store, "org/b", "model.bin", &any) && any);
	ok(store_chunk_list_make(new, size, &list, &fx.err));
	ok(store_partial_open(fx.store, &key, &p, &fx.err));
	ok(store_partial_begin(p, size, "tag", &fx.err));
	ok(store_chunk_seed(fx.store, p, &list, model, "model.bin", NULL, &found, &fx.err));
	return found;
}

/* What was not found comes; then it must be the new version. */
static unsigned complete(void)
{
	struct store_digest digest;
	uint64_t at = 0, size;
	unsigned gaps = 0;

	for (; store_partial_gap(p, 0, &at, &size); gaps++)
		ok(store_partial_write(p, at, new + at, (size_t)size, &fx.err));
	ok(store_partial_commit(p, &list.digest, &digest, &fx.err));
	store_partial_unref(p);
	return gaps;
}

START_TEST(one_part_changed)
{
	memset(new + 3000000, 'x', 262144);
	ck_assert_uint_gt(seed("org/a", SIZE), SIZE - 262144 - 3 * STORE_CHUNK_MAX);
	ck_assert_uint_eq(complete(), 1);
}
END_TEST

START_TEST(bytes_inserted)
{
	memmove(new + 1100, new + 1000, SIZE - 1000);
	memset(new + 1000, 'y', 100);
	ck_assert_uint_gt(seed("org/a", SIZE + 100), SIZE - 2 * STORE_CHUNK_MAX);
	ck_assert_uint_eq(complete(), 1);
}
END_TEST

START_TEST(from_another_model)
{
	memcpy(new, old + SIZE / 2, SIZE / 2);
	memcpy(new + SIZE / 2, old, SIZE / 2);
	ck_assert_uint_gt(seed("org/b", SIZE), SIZE - 8 * STORE_CHUNK_MAX);
	(void)complete();
}
END_TEST

START_TEST(everything_changed)
{
	for (size_t i = 0; i < SIZE; i++)
		new[i] = (unsigned char)(new[i] * 31 + i);
	ck_assert_uint_eq(seed("org/a", SIZE), 0);
	(void)complete();
}
END_TEST

START_TEST(repeated_content)
{
	memset(new, 0, SIZE);
	memset(old, 0, SIZE / 2);
	ck_assert_uint_gt(seed("org/a", SIZE), SIZE - 2 * STORE_CHUNK_MAX);
	(void)complete();
}
END_TEST

/* A list that promises other content: nothing is published. */
START_TEST(a_list_that_lies)
{
	struct store_digest digest;
	uint64_t found;

	memset(new + 3000000, 'x', 262144);
	(void)seed("org/a", SIZE);
	list.size++;
	fails(store_chunk_seed(fx.store, p, &list, "org/a", "model.bin", NULL, &found, &fx.err),
	      STORE_INVALID);
	list.size--;
	/* the same chunks, each at a wrong place */
	ok(store_partial_begin(p, SIZE, "tag", &fx.err));
	for (size_t i = 0; i + 1 < list.count; i += 2) {
		struct store_chunk c = list.chunk[i];

		list.chunk[i] = list.chunk[i + 1];
		list.chunk[i + 1] = c;
	}
	ok(store_chunk_seed(fx.store, p, &list, "org/a", "model.bin", NULL, &found, &fx.err));
	for (uint64_t at = 0, size; store_partial_gap(p, 0, &at, &size);)
		ok(store_partial_write(p, at, new + at, (size_t)size, &fx.err));
	fails(store_partial_commit(p, &list.digest, &digest, &fx.err), STORE_DIGEST);
	store_partial_unref(p);
}
END_TEST

Suite *check_store_chunk_list(void)
{
	Suite *s = suite_create("store_chunk_list");
	TCase *c = tcase_create("lists");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, there_and_back);
	tcase_add_test(c, of_a_file);
	tcase_add_test(c, lists_that_are_none);
	tcase_add_test(c, heads);
	tcase_add_test(c, kept_beside_its_blob);
	tcase_add_test(c, told_to_stop);
	suite_add_tcase(s, c);
	tcase_set_timeout(c, 60);
	c = tcase_create("updates");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, one_part_changed);
	tcase_add_test(c, bytes_inserted);
	tcase_add_test(c, from_another_model);
	tcase_add_test(c, everything_changed);
	tcase_add_test(c, repeated_content);
	tcase_add_test(c, a_list_that_lies);
	suite_add_tcase(s, c);
	return s;
}
