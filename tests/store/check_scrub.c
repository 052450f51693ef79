/* SPDX-License-Identifier: MIT */
/* check_scrub.c — the slow verify: its steps, its place over restarts, what it finds. */
#include <config.h>

#include "store/state.h"
#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { WEEK_S = 7 * 24 * 3600 };

static struct store_scrub *scrub;
static struct store_scrub_state state;
static int told;
static struct store_digest told_of;

static int note(void *arg, const struct store_digest *digest, const char *what)
{
	(void)arg;
	ck_assert_ptr_nonnull(what);
	told_of = *digest;
	told++;
	return 0;
}

static void teardown(void)
{
	store_scrub_free(scrub);
	scrub = NULL;
	state = (struct store_scrub_state){0};
	told = 0;
	fixture_teardown();
}

static void begin(int64_t rest_s)
{
	store_scrub_free(scrub);
	scrub = NULL;
	ok(store_scrub_new(fx.store, rest_s, &scrub, &fx.err));
}

static int step(uint64_t bytes)
{
	return store_scrub_step(scrub, bytes, note, NULL, &state, &fx.err);
}

/* Steps until it rests; how many. */
static int pass(uint64_t bytes)
{
	int steps = 0;

	do {
		ok(step(bytes));
		ck_assert_int_lt(++steps, 100000);
	} while (!state.resting);
	return steps;
}

static void put_many(int count)
{
	char text[32];

	for (int i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "blob %d", i);
		fixture_put(text);
	}
}

/* A large blob whose bytes are known. */
static struct store_digest put_large(size_t size)
{
	static char bytes[3 << 20];

	ck_assert_uint_le(size, sizeof(bytes));
	memset(bytes, 7, size);
	return fixture_put_bytes(bytes, size);
}

START_TEST(an_empty_store)
{
	begin(WEEK_S);
	ck_assert_int_eq(pass(1), 1);
	ck_assert_int_gt(state.began_s, 0);
	ck_assert_int_ge(state.ended_s, state.began_s);
	ck_assert_uint_eq(state.blobs, 0);
}
END_TEST

START_TEST(a_pass_sees_everything_once)
{
	put_many(600);
	put_large(3 << 20);
	begin(WEEK_S);
	/* 600 small ones at 8 KiB each and 3 MiB: a good 7.7 MiB, about 1 MiB a step */
	ck_assert_int_gt(pass(1 << 20), 5);
	ck_assert_uint_eq(state.blobs, 601);
	ck_assert_uint_eq(state.bytes, (3 << 20) + 10 * 6 + 90 * 7 + 500 * 8);
	ck_assert_uint_eq(state.damaged, 0);
	ck_assert_int_eq(told, 0);
	/* then it rests */
	ok(step(1 << 20));
	ck_assert(state.resting);
	ck_assert_uint_eq(state.blobs, 601);
}
END_TEST

START_TEST(a_step_is_no_longer_than_asked)
{
	put_large(3 << 20);
	begin(WEEK_S);
	ok(step(1));
	ck_assert_uint_eq(state.bytes, 256 * 1024); /* one read */
	ok(step(1 << 20));
	ck_assert_uint_le(state.bytes, (1 << 20) + 2 * 256 * 1024);
	ck_assert(!state.resting);
}
END_TEST

START_TEST(what_it_finds)
{
	struct store_digest well = fixture_put("well"), hurt = fixture_put("hurt");
	struct store_digest gone = fixture_put("gone"), cut = put_large(1 << 20);
	struct store_map *map;
	uint64_t generation = store_generation(fx.store);

	ok(store_map_open(fx.store, &hurt, &map, &fx.err));
	fixture_write_file(fixture_blob_path(&hurt), "hurT", 4);
	unlink(fixture_blob_path(&gone));
	fixture_write_file(fixture_blob_path(&cut), "short", 5);
	begin(WEEK_S);
	pass(100);
	ck_assert_uint_eq(state.damaged, 3);
	ck_assert_int_eq(told, 3);
	ck_assert(store_digest_equal(&told_of, &cut));
	ck_assert_mem_eq(store_map_data(map), "hurt", 4); /* who has it keeps it */
	store_map_unref(map);
	fails(store_map_open(fx.store, &hurt, &map, &fx.err), STORE_DAMAGED);
	fails(store_map_open(fx.store, &gone, &map, &fx.err), STORE_DAMAGED);
	ck_assert(store_blob_has(fx.store, &well, NULL));
	ck_assert_uint_gt(store_generation(fx.store), generation);
	/* known damage is not told again */
	begin(0);
	pass(1 << 20);
	ck_assert_int_eq(told, 3);
	ck_assert_uint_eq(state.blobs, 1);
}
END_TEST

START_TEST(a_blob_that_cannot_be_read)
{
	struct store_digest digest = put_large(1 << 20);

	begin(WEEK_S);
	ok(step(1));
	fault_arm_lasting(FAULT_READ, 1);
	/* the page cache still has it: only what must come from the disk fails */
	(void)step(1);
	fault_disarm();
	pass(1 << 20);
	ck_assert_int_le(told, 1);
	ck_assert(told == 1 || store_blob_has(fx.store, &digest, NULL));
}
END_TEST

START_TEST(its_place_over_restarts)
{
	put_many(100);
	begin(WEEK_S);
	ok(step(50 * 8 * 1024));
	ck_assert_uint_ge(state.blobs, 49);
	ck_assert_uint_le(state.blobs, 51);
	store_scrub_free(scrub);
	scrub = NULL;
	fixture_reopen();
	begin(WEEK_S);
	pass(1 << 20);
	ck_assert_uint_ge(state.blobs, 49);
	ck_assert_uint_le(state.blobs, 51);
	/* and that it is done */
	begin(WEEK_S);
	ok(step(1 << 20));
	ck_assert(state.resting);
	ck_assert_uint_eq(state.blobs, 0);
	/* killed before its place was written down, it begins again and leaves nothing out */
	fixture_sql("UPDATE total SET scrub_began_s = 1");
	begin(WEEK_S);
	ok(step(50 * 8 * 1024));
	store_scrub_free(scrub);
	scrub = NULL;
	fixture_sql("UPDATE total SET scrub_id = 0");
	fixture_crash();
	fixture_open();
	begin(WEEK_S);
	pass(1 << 20);
	ck_assert_uint_eq(state.blobs, 100);
}
END_TEST

START_TEST(clocks)
{
	fixture_put("x");
	begin(WEEK_S);
	pass(1 << 20);
	begin(WEEK_S);
	ok(step(1));
	ck_assert(state.resting);
	/* a pass that "will begin" years from now: the clock was wrong then */
	fixture_sql("UPDATE total SET scrub_began_s = 9999999999, scrub_ended_s = 9999999999");
	begin(WEEK_S);
	pass(1);
	ck_assert_uint_eq(state.blobs, 1);
	ck_assert_int_lt(state.began_s, 9999999999);
	fixture_sql("UPDATE total SET scrub_began_s = scrub_began_s - 604800");
	begin(WEEK_S);
	pass(1);
	ck_assert_uint_eq(state.blobs, 1);
}
END_TEST

START_TEST(removed_while_it_is_read)
{
	struct store_import *im;
	struct store_digest digest = put_large(1 << 20);

	ok(store_import_begin(fx.store, "m", "main", &im, &fx.err));
	ok(store_import_add(im, "f", &digest, &fx.err));
	ok(store_import_commit(im, fx.commit, &fx.err));
	begin(WEEK_S);
	ok(step(1));
	ok(store_model_remove(fx.store, "m", NULL, &fx.err));
	pass(1 << 20);
	ck_assert_int_eq(told, 0);
}
END_TEST

static const enum fault_call calls[] = {FAULT_OPEN,     FAULT_MALLOC,    FAULT_DIGEST,
					FAULT_STAT,     FAULT_SQL_READ,  FAULT_SQL_WRITE,
					FAULT_SQL_SYNC, FAULT_SQL_MALLOC};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

START_TEST(every_call_of_a_pass)
{
	fixture_close();
	faultfs_install();
	fixture_open();
	put_many(5);
	put_large(600 * 1024);
	for (int n = 1;; n++) {
		int failures = 0, steps = 0, status = 0;
		bool fired;

		begin(0);
		fault_arm(calls[_i], n);
		do {
			status = step(100 * 1024);
			failures += status != 0;
			if (status != 0)
				state.ended_s = 0;
		} while (state.ended_s == 0 && ++steps < 1000);
		fired = fault_disarm();
		ok(status);
		ck_assert_int_le(failures, fired);
		ck_assert_int_eq(told, 0); /* an error is not damage */
		ck_assert_uint_eq(state.damaged, 0);
		ck_assert_int_lt(n, 10000);
		store_scrub_free(scrub);
		scrub = NULL;
		fixture_crash();
		fixture_open();
		if (!fired)
			break;
	}
}
END_TEST

Suite *check_store_scrub(void)
{
	Suite *s = suite_create("store_scrub");
	TCase *t = tcase_create("scrub");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, fixture_setup, teardown);
	tcase_add_test(t, an_empty_store);
	tcase_add_test(t, a_pass_sees_everything_once);
	tcase_add_test(t, a_step_is_no_longer_than_asked);
	tcase_add_test(t, what_it_finds);
	tcase_add_test(t, a_blob_that_cannot_be_read);
	tcase_add_test(t, its_place_over_restarts);
	tcase_add_test(t, clocks);
	tcase_add_test(t, removed_while_it_is_read);
	tcase_add_loop_test(t, every_call_of_a_pass, 0, CALLS);
	suite_add_tcase(s, t);
	return s;
}
