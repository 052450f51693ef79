/* SPDX-License-Identifier: MIT */
/*
 * check_clock.c — a store whose clock is set back, forward and right again, as a machine without a
 * battery does at every start: nothing that has a name is lost, nothing that has none is kept for
 * ever, and every call goes on. The program is linked with a --wrap for time().
 */
#include <config.h>

#include "store/collect.h"
#include "tests/store/fixture.h"

#include <time.h>

#define YEAR (INT64_C(365) * 24 * 3600)

time_t __wrap_time(time_t *ret);
time_t __real_time(time_t *ret);

static int64_t offset_s;

/* NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's name */
time_t __wrap_time(time_t *ret)
{
	time_t t = __real_time(NULL) + (time_t)offset_s;

	if (ret != NULL)
		*ret = t;
	return t;
}

/* From where the clock jumps, and to where; seconds from now. */
static const struct {
	int64_t before, after;
} jumps[] = {
    {0, -10 * YEAR}, {0, 10 * YEAR}, {0, -3600}, {-50 * YEAR, 0}, /* 1970-something at the start */
    {70 * YEAR, 0},
};
enum { JUMPS = sizeof(jumps) / sizeof(jumps[0]) };

static int evict_all(void)
{
	struct store_evicted gone;

	return store_evict(fx.store, 0, NULL, NULL, &gone, &fx.err);
}

static void expect_sound(void)
{
	struct store_verify seen;

	ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
	ck_assert_uint_eq(seen.damaged + seen.missing, 0);
}

START_TEST(names_stay)
{
	for (int how = 0; how < 3; how++) { /* running on, in order, after a kill */
		fixture_teardown();
		offset_s = jumps[_i].before;
		fixture_setup();
		fixture_import("kept", "main", "a", "one", NULL);
		fixture_import("m", "main", "a", "two", "b", "three", NULL);
		offset_s = jumps[_i].after;
		if (how == 1)
			fixture_close();
		else if (how == 2)
			fixture_crash();
		if (how > 0)
			fixture_open();
		ck_assert(fixture_reads("kept", "main", "a", "one"));
		fixture_import("m", "main", "a", "four", NULL);
		fixture_import("n", "main", "a", "five", NULL);
		ok(store_collect(fx.store, &fx.err));
		ok(evict_all());
		ok(store_use_flush(fx.store, &fx.err));
		ck_assert(fixture_reads("kept", "main", "a", "one"));
		ck_assert(fixture_reads("m", "main", "a", "four"));
		ck_assert(fixture_reads("n", "main", "a", "five"));
		expect_sound();
		offset_s = jumps[_i].before;
		fixture_import("o", "main", "a", "six", NULL);
		fixture_crash();
		fixture_open();
		ck_assert(fixture_reads("kept", "main", "a", "one"));
		ck_assert(fixture_reads("m", "main", "a", "four"));
		ck_assert(fixture_reads("o", "main", "a", "six"));
		expect_sound();
	}
}
END_TEST

/* An upload waits for its name through the jump, or is plainly not there; then it comes again. */
START_TEST(an_import_under_way)
{
	struct store_import *im = NULL;
	struct store_digest digest;
	int status;

	offset_s = jumps[_i].before;
	fixture_reopen();
	ok(store_import_begin(fx.store, "m", "main", &im, &fx.err));
	digest = fixture_put("uploaded");
	ok(store_import_add(im, "a", &digest, &fx.err));
	digest = fixture_put("uploaded, not listed yet");
	offset_s = jumps[_i].after;
	ok(store_collect(fx.store, &fx.err));
	status = store_import_add(im, "b", &digest, &fx.err);
	if (status != 0) {
		ck_assert_int_eq(status, STORE_NOT_FOUND);
		fixture_check_error(status);
		digest = fixture_put("uploaded, not listed yet");
		ok(store_import_add(im, "b", &digest, &fx.err));
	}
	ok(store_import_commit(im, fx.commit, &fx.err));
	ck_assert(fixture_reads("m", "main", "a", "uploaded"));
	ck_assert(fixture_reads("m", "main", "b", "uploaded, not listed yet"));
	expect_sound();
}
END_TEST

/* What nobody named while the clock was wrong goes once the grace period of the right one is over.
 */
START_TEST(nothing_is_kept_for_ever)
{
	offset_s = jumps[_i].before;
	fixture_reopen();
	fixture_put("never named");
	offset_s = jumps[_i].after;
	ok(store_collect(fx.store, &fx.err));
	if (jumps[_i].after - jumps[_i].before == -3600)
		ck_assert_int_eq(fixture_count("blobs"), 1); /* within the grace period */
	offset_s += 24 * 3600;
	ok(store_collect(fx.store, &fx.err));
	ck_assert_int_eq(fixture_count("blobs"), 0);
}
END_TEST

/* The scrub neither rests for years nor goes round without end. */
START_TEST(the_scrub_goes_on)
{
	struct store_scrub_state state;
	struct store_scrub *scrub;
	int64_t began_s;

	offset_s = jumps[_i].before;
	fixture_reopen();
	fixture_import("m", "main", "a", "one", NULL);
	ok(store_scrub_new(fx.store, 7 * 24 * 3600, &scrub, &fx.err));
	do {
		ok(store_scrub_step(scrub, 1 << 20, NULL, NULL, &state, &fx.err));
	} while (!state.resting);
	began_s = state.began_s;
	offset_s = jumps[_i].after;
	for (int i = 0; i < 100; i++)
		ok(store_scrub_step(scrub, 1 << 20, NULL, NULL, &state, &fx.err));
	ck_assert(state.resting);
	ck_assert(jumps[_i].after - jumps[_i].before != -10 * YEAR || state.began_s < began_s);
	offset_s += 8 * 24 * 3600;
	ok(store_scrub_step(scrub, 1 << 20, NULL, NULL, &state, &fx.err));
	ck_assert(state.began_s >= __wrap_time(NULL) - 60);
	store_scrub_free(scrub);
}
END_TEST

/* What is used now goes last, also when it was used before the clock was set back. */
START_TEST(the_quota_holds)
{
	const struct store_limits limits = {.max_bytes = 30};

	offset_s = jumps[_i].before;
	fixture_reopen();
	fixture_import("old", "main", "a", "0123456789", NULL);
	fixture_import("other", "main", "a", "1123456789", NULL);
	offset_s = jumps[_i].after;
	store_evict_limits(fx.store, &limits);
	for (char c = '2'; c <= '9'; c++) {
		char text[] = "?123456789", name[] = "m?";
		struct store_stats stats;

		text[0] = name[1] = c;
		fixture_import(name, "main", "a", text, NULL);
		ck_assert(fixture_reads(name, "main", "a", text));
		ok(store_stats_get(fx.store, &stats, &fx.err));
		ck_assert_uint_le(stats.blob_bytes, 30);
	}
	expect_sound();
}
END_TEST

static void teardown(void)
{
	offset_s = 0;
	fixture_teardown();
}

Suite *check_store_clock(void)
{
	Suite *s = suite_create("store_clock");
	TCase *t = tcase_create("jumps");

	tcase_add_checked_fixture(t, fixture_setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, names_stay, 0, JUMPS);
	tcase_add_loop_test(t, an_import_under_way, 0, JUMPS);
	tcase_add_loop_test(t, nothing_is_kept_for_ever, 0, JUMPS);
	tcase_add_loop_test(t, the_scrub_goes_on, 0, JUMPS);
	tcase_add_loop_test(t, the_quota_holds, 0, JUMPS);
	suite_add_tcase(s, t);
	return s;
}
