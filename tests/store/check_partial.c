/* SPDX-License-Identifier: MIT */
/* check_partial.c — downloads: out of order, over a kill, wrong bytes, full disks, left-overs. */
#include <config.h>

#include "tests/store/fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SIZE 100000

static unsigned char bytes[SIZE];
static struct store_digest key, whole;
static struct store_partial *p;

static void setup(void)
{
	fixture_setup();
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 251);
	key = fixture_digest("hub org/model file");
	ok(store_digest_of(bytes, SIZE, &whole));
	p = NULL;
}

static void teardown(void)
{
	store_partial_unref(p);
	fixture_teardown();
}

static void begin(void)
{
	ok(store_partial_open(fx.store, &key, &p, &fx.err));
	ck_assert_uint_eq(store_partial_size(p), STORE_PARTIAL_UNKNOWN);
	ok(store_partial_begin(p, SIZE, "\"tag\"", &fx.err));
}

static void put(size_t offset, size_t size)
{
	ok(store_partial_write(p, offset, bytes + offset, size, &fx.err));
}

/* What a new process finds. */
static void crash(void)
{
	store_partial_unref(p); /* writes nothing */
	p = NULL;
	fixture_crash();
	fixture_open();
	ok(store_partial_open(fx.store, &key, &p, &fx.err));
}

START_TEST(in_any_order)
{
	static const size_t order[] = {3, 0, 4, 1, 2};
	static unsigned char got[20000];
	struct store_digest digest;
	uint64_t at = 0, size = 0;

	begin();
	ck_assert(store_partial_gap(p, 0, &at, &size));
	ck_assert_uint_eq(at, 0);
	ck_assert_uint_eq(size, SIZE);
	for (size_t i = 0; i < 5; i++) {
		fails(store_partial_commit(p, &whole, &digest, &fx.err), STORE_INVALID);
		put(order[i] * (SIZE / 5), SIZE / 5);
		ok(store_partial_hash(p, 12345, &fx.err));
		if (i == 1) {
			ck_assert_uint_eq(store_partial_run(p, 10), SIZE / 5 - 10);
			ck_assert_uint_eq(store_partial_run(p, SIZE / 5), 0);
			ck_assert(store_partial_gap(p, 0, &at, &size));
			ck_assert_uint_eq(at, SIZE / 5);
			ck_assert_uint_eq(size, 2 * (SIZE / 5));
			ck_assert(store_partial_gap(p, 3 * (SIZE / 5) + 1, &at, &size));
			ck_assert_uint_eq(at, 4 * (SIZE / 5));
		}
	}
	ck_assert(!store_partial_gap(p, 0, &at, &size));
	ck_assert_uint_eq(store_partial_arrived(p), SIZE);
	ck_assert_mem_eq(store_partial_data(p), bytes, SIZE);
	ck_assert_int_eq(store_partial_read(p, 5000, got, sizeof(got)), sizeof(got));
	ck_assert_mem_eq(got, bytes + 5000, sizeof(got));
	ok(store_partial_populate(p, 5000, 20000, &fx.err));
	ck_assert(!store_blob_has(fx.store, &whole, NULL));
	ok(store_partial_commit(p, &whole, &digest, &fx.err));
	ck_assert(store_digest_equal(&digest, &whole));
	ck_assert(store_blob_has(fx.store, &whole, &size));
	ck_assert_uint_eq(size, SIZE);
	/* who reads on may do so, and nothing is left over */
	ck_assert_mem_eq(store_partial_data(p), bytes, SIZE);
	ck_assert_int_eq(fixture_count("partial"), 0);
	ck_assert_int_eq(fixture_count("tmp"), 0);
}
END_TEST

START_TEST(the_same_bytes_twice)
{
	struct store_digest digest;

	begin();
	put(0, 600);
	put(500, SIZE - 500);
	put(0, SIZE);
	ck_assert_uint_eq(store_partial_arrived(p), SIZE);
	ok(store_partial_commit(p, &whole, &digest, &fx.err));
	ck_assert(store_digest_equal(&digest, &whole));
}
END_TEST

START_TEST(a_kill_leaves_what_was_saved)
{
	struct store_digest digest;

	begin();
	put(0, 1000);
	put(50000, 1000);
	ok(store_partial_save(p, &fx.err));
	ck_assert_uint_eq(store_partial_saved(p), 2000);
	put(1000, 500); /* not saved: lost, but harmless */
	ck_assert_uint_eq(store_partial_saved(p), 2000);
	crash();
	ck_assert_uint_eq(store_partial_size(p), SIZE);
	ck_assert_str_eq(store_partial_tag(p), "\"tag\"");
	ck_assert_uint_eq(store_partial_arrived(p), 2000);
	ck_assert_uint_eq(store_partial_run(p, 50000), 1000);
	ck_assert_mem_eq((const char *)store_partial_data(p) + 50000, bytes + 50000, 1000);
	put(1000, 49000);
	put(51000, SIZE - 51000);
	ok(store_partial_commit(p, &whole, &digest, &fx.err));
}
END_TEST

START_TEST(a_kill_before_the_row)
{
	struct store_digest digest;

	begin();
	put(0, SIZE);
	ok(store_partial_save(p, &fx.err));
	crash();
	ck_assert_uint_eq(store_partial_arrived(p), SIZE);
	ok(store_partial_commit(p, &whole, &digest, &fx.err));
	store_partial_unref(p);
	p = NULL;
	/* and once more: the content is stored, so it is claimed */
	begin();
	put(0, SIZE);
	ok(store_partial_commit(p, NULL, &digest, &fx.err));
	ck_assert(store_digest_equal(&digest, &whole));
	ck_assert_int_eq(fixture_count("partial"), 0);
}
END_TEST

START_TEST(wrong_bytes_are_never_published)
{
	struct store_digest digest;

	begin();
	ok(store_partial_write(p, 777, "x", 1, &fx.err));
	ck_assert_int_ne(bytes[777], 'x');
	put(0, SIZE);
	fails(store_partial_commit(p, &whole, &digest, &fx.err), STORE_DIGEST);
	ck_assert(!store_blob_has(fx.store, &whole, NULL));
	ck_assert_int_eq(fixture_count("blobs"), 0);
	ck_assert_int_eq(fixture_count("partial"), 0);
}
END_TEST

/* What has arrived may have been given out: it never changes. */
START_TEST(the_first_bytes_stay)
{
	struct store_digest digest;

	begin();
	put(0, SIZE - 1);
	ok(store_partial_write(p, 777, "x", 1, &fx.err));
	ck_assert_int_eq(((const unsigned char *)store_partial_data(p))[777], bytes[777]);
	put(0, SIZE);
	ok(store_partial_commit(p, &whole, &digest, &fx.err));
}
END_TEST

START_TEST(one_at_a_time)
{
	struct store_partial *other;

	begin();
	fails(store_partial_open(fx.store, &key, &other, &fx.err), STORE_BUSY);
	store_partial_unref(p);
	ok(store_partial_open(fx.store, &key, &p, &fx.err));
}
END_TEST

START_TEST(beyond_its_end)
{
	begin();
	fails(store_partial_write(p, SIZE - 1, "ab", 2, &fx.err), STORE_INVALID);
	fails(store_partial_write(p, UINT64_MAX, "a", 1, &fx.err), STORE_INVALID);
	fails(store_partial_begin(p, 10, "two\nlines", &fx.err), STORE_INVALID);
	fails(store_partial_begin(p, UINT64_MAX - 1, "t", &fx.err), STORE_FULL);
}
END_TEST

START_TEST(of_no_bytes)
{
	struct store_digest digest, none = fixture_digest("");

	ok(store_partial_open(fx.store, &key, &p, &fx.err));
	ok(store_partial_begin(p, 0, "", &fx.err));
	ok(store_partial_commit(p, &none, &digest, &fx.err));
	ck_assert(store_blob_has(fx.store, &none, NULL));
}
END_TEST

/* A map that says what cannot be: begin anew. */
START_TEST(bad_maps)
{
	static const char *const maps[] = {
	    "",
	    "larder-partial 2\n10\ntag\n",
	    "larder-partial 1\n",
	    "larder-partial 1\n100000\n",
	    "larder-partial 1\n100000\ntag",
	    "larder-partial 1\n100000\ntag\n0 100001\n",
	    "larder-partial 1\n100000\ntag\n5 5\n",
	    "larder-partial 1\n100000\ntag\n5 9\n10 \n",
	    "larder-partial 1\n100000\ntag\n0 99999999999999999999\n",
	    "larder-partial 1\n99999\ntag\n0 5\n",
	    "larder-partial 1\n18446744073709551615\ntag\n",
	    "larder-partial 1\n100000\ntag\n0 5 \n",
	};
	char hex[STORE_DIGEST_HEX + 1];

	store_digest_hex(&key, hex);
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		begin();
		put(0, 100);
		store_partial_unref(p);
		fixture_write_file(fixture_path("partial/%s.map", hex), maps[i], strlen(maps[i]));
		ck_assert_uint_eq(store_partial_peek(fx.store, &key), i == 9 ? 5 : 0);
		ok(store_partial_open(fx.store, &key, &p, &fx.err));
		ck_assert_msg(store_partial_size(p) == STORE_PARTIAL_UNKNOWN, "map %zu", i);
		store_partial_unref(p);
		p = NULL;
	}
}
END_TEST

/* What it grew to: lines in any order that overlap, and one that a kill broke off. */
START_TEST(a_map_that_grew)
{
	static const char map[] = "larder-partial 1\n100000\ntag\n500 900\n0 100\n100 200\n"
				  "150 600\n2000 2001\n3000 40";
	char hex[STORE_DIGEST_HEX + 1];
	uint64_t at, size;

	store_digest_hex(&key, hex);
	begin();
	put(0, SIZE);
	store_partial_unref(p);
	fixture_write_file(fixture_path("partial/%s.map", hex), map, strlen(map));
	ck_assert_uint_eq(store_partial_peek(fx.store, &key), 901);
	ok(store_partial_open(fx.store, &key, &p, &fx.err));
	ck_assert_str_eq(store_partial_tag(p), "tag");
	ck_assert_uint_eq(store_partial_arrived(p), 901);
	ck_assert(store_partial_gap(p, 0, &at, &size));
	ck_assert_uint_eq(at, 900);
	ck_assert_uint_eq(size, 1100);
	/* and goes on: the line that was broken off is not in the way */
	put(900, 100);
	ok(store_partial_save(p, &fx.err));
	put(1000, 100);
	ok(store_partial_save(p, &fx.err));
	crash();
	ck_assert_uint_eq(store_partial_arrived(p), 1101);
}
END_TEST

/* The map does not grow without bound, nor does what is written at once. */
START_TEST(a_map_of_many_lines)
{
	struct store_digest digest;
	struct stat st;
	char hex[STORE_DIGEST_HEX + 1];
	size_t at = 0;

	store_digest_hex(&key, hex);
	begin();
	for (; at < SIZE / 2; at += 4) { /* half of them twice as large as their gaps */
		put(at, 2);
		if (at % 8 == 0)
			ok(store_partial_save(p, &fx.err));
	}
	ok(store_partial_save(p, &fx.err));
	ck_assert_uint_eq(store_partial_saved(p), SIZE / 4);
	ck_assert_int_eq(stat(fixture_path("partial/%s.map", hex), &st), 0);
	ck_assert_int_lt(st.st_size, 256 * 1024);
	crash();
	/* of 12500 stretches the map keeps as many as it has room for */
	ck_assert_uint_ge(store_partial_arrived(p), 2 * 4096);
	put(0, SIZE / 2);
	for (at = SIZE / 2; at < SIZE; at++) {
		put(at, 1);
		ok(store_partial_save(p, &fx.err));
	}
	ck_assert_int_eq(stat(fixture_path("partial/%s.map", hex), &st), 0);
	ck_assert_int_lt(st.st_size, 256 * 1024);
	crash();
	ck_assert_uint_eq(store_partial_arrived(p), SIZE);
	ok(store_partial_commit(p, &whole, &digest, &fx.err));
}
END_TEST

START_TEST(left_overs_are_swept)
{
	struct store_digest other = fixture_digest("another");
	struct store_partial *q;
	uint64_t freed = 0;

	begin();
	put(0, SIZE);
	ok(store_partial_open(fx.store, &other, &q, &fx.err));
	ok(store_partial_begin(q, SIZE, "", &fx.err));
	ok(store_partial_write(q, 0, bytes, SIZE, &fx.err));
	ok(store_partial_save(q, &fx.err));
	ck_assert_uint_eq(store_partial_peek(fx.store, &other), SIZE);
	ok(store_partial_sweep(fx.store, 0, &freed, &fx.err));
	ck_assert_uint_eq(freed, 0); /* both are open */
	store_partial_unref(q);
	ok(store_partial_sweep(fx.store, 3600, &freed, &fx.err));
	ck_assert_uint_eq(freed, 0); /* too young */
	ok(store_partial_sweep(fx.store, 0, &freed, &fx.err));
	ck_assert_uint_ge(freed, SIZE);
	ck_assert_uint_eq(store_partial_peek(fx.store, &other), 0);
	ck_assert_int_eq(fixture_count("partial"), 2); /* the one that is open, and its map */
}
END_TEST

Suite *check_store_partial(void)
{
	Suite *s = suite_create("store_partial");
	TCase *tc = tcase_create("partial");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, in_any_order);
	tcase_add_test(tc, the_same_bytes_twice);
	tcase_add_test(tc, a_kill_leaves_what_was_saved);
	tcase_add_test(tc, a_kill_before_the_row);
	tcase_add_test(tc, wrong_bytes_are_never_published);
	tcase_add_test(tc, the_first_bytes_stay);
	tcase_add_test(tc, one_at_a_time);
	tcase_add_test(tc, beyond_its_end);
	tcase_add_test(tc, of_no_bytes);
	tcase_add_test(tc, bad_maps);
	tcase_add_test(tc, a_map_that_grew);
	tcase_add_test(tc, a_map_of_many_lines);
	tcase_add_test(tc, left_overs_are_swept);
	suite_add_tcase(s, tc);
	return s;
}
