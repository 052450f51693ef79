/* SPDX-License-Identifier: MIT */
/*
 * check_lane.c — daemon/lane.c: whose turn it is, who is told to come back.  Four
 * are on at a time (LANE_RUNNING_MAX).
 */
#include <config.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lane.h"

Suite *check_lane(void);

#define LIMIT 8

static struct lane_ticket running[4]; /* zeroed: of no stream */

/* All turns are taken; each test runs in a process of its own. */
static void setup(void)
{
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(lane_enter(&running[i], NULL, LIMIT), LANE_GO);
}

START_TEST(in_order)
{
	struct lane_ticket t[3] = {0};

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(lane_enter(&t[i], "a", LIMIT), LANE_WAIT);
	ck_assert_uint_eq(lane_waiting(), 3);
	ck_assert_ptr_null(lane_next());
	for (int i = 0; i < 3; i++) {
		lane_leave();
		ck_assert_ptr_eq(lane_next(), &t[i]);
		ck_assert_ptr_null(lane_next());
	}
	lane_leave();
	ck_assert_ptr_null(lane_next());
	ck_assert_uint_eq(lane_waiting(), 0);
	ck_assert_int_eq(lane_enter(&t[0], "a", LIMIT), LANE_GO);
}
END_TEST

START_TEST(by_turns)
{
	struct lane_ticket a[4] = {0}, b[2] = {0}, c = {0};
	struct lane_ticket *want[] = {&a[0], &b[0], &c, &a[1], &b[1], &a[2], &a[3]};

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(lane_enter(&a[i], "a", LIMIT), LANE_WAIT);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(lane_enter(&b[i], "b", LIMIT), LANE_WAIT);
	ck_assert_int_eq(lane_enter(&c, NULL, LIMIT), LANE_WAIT);
	for (size_t i = 0; i < 7; i++) {
		lane_leave();
		ck_assert_ptr_eq(lane_next(), want[i]);
	}
}
END_TEST

START_TEST(full)
{
	struct lane_ticket a[LIMIT] = {0}, more = {0}, b[LIMIT] = {0};
	int got = 0;

	for (int i = 0; i < LIMIT; i++)
		ck_assert_int_eq(lane_enter(&a[i], "a", LIMIT), LANE_WAIT);
	ck_assert_int_eq(lane_enter(&more, "a", LIMIT), LANE_FULL);
	/* another origin has a share of its own, and not more than that */
	for (int i = 0; i < LIMIT; i++)
		got += lane_enter(&b[i], "b", LIMIT) == LANE_WAIT;
	ck_assert_int_eq(got, LIMIT / 2);
	ck_assert_int_eq(lane_enter(&more, "a", LIMIT), LANE_FULL);
	lane_leave();
	ck_assert_ptr_eq(lane_next(), &a[0]);
	lane_forget(&a[LIMIT - 1]);
	lane_forget(&a[3]);
	ck_assert_uint_eq(lane_waiting(), LIMIT - 3 + LIMIT / 2);
}
END_TEST

/* Leaving the line from any place in it. */
START_TEST(forget)
{
	struct lane_ticket t[5] = {0}, last = {0};

	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(lane_enter(&t[i], i % 2 == 0 ? "a" : "b", LIMIT), LANE_WAIT);
	lane_forget(&t[4]); /* the last of a */
	lane_forget(&t[0]); /* the first */
	lane_forget(&t[1]);
	lane_forget(&t[3]); /* b is gone */
	ck_assert_int_eq(lane_enter(&last, "a", LIMIT), LANE_WAIT);
	lane_leave();
	ck_assert_ptr_eq(lane_next(), &t[2]);
	lane_leave();
	ck_assert_ptr_eq(lane_next(), &last);
	ck_assert_uint_eq(lane_waiting(), 0);
}
END_TEST

START_TEST(latest_only)
{
	struct lane_ticket t[4] = {
	    {.stream = "cam"}, {.stream = NULL}, {.stream = "cam"}, {.stream = "other"}};
	static const char *const origins[] = {"a", "a", "b", "a"};

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(lane_enter(&t[i], origins[i], LIMIT), LANE_WAIT);
	ck_assert_ptr_eq(lane_older("a", "cam"), &t[0]);
	ck_assert_ptr_eq(lane_older("b", "cam"), &t[2]);
	ck_assert_ptr_null(lane_older("a", "came"));
	ck_assert_ptr_null(lane_older("c", "cam"));
	ck_assert_ptr_null(lane_older(NULL, "cam"));
	lane_forget(&t[0]);
	ck_assert_ptr_null(lane_older("a", "cam"));
}
END_TEST

/* A limit of nothing: whoever cannot go at once is told to come back. */
START_TEST(no_line)
{
	struct lane_ticket t = {0};

	ck_assert_int_eq(lane_enter(&t, NULL, 0), LANE_WAIT); /* one per origin all the same */
	ck_assert_int_eq(lane_enter(&t, NULL, 0), LANE_FULL);
}
END_TEST

Suite *check_lane(void)
{
	Suite *s = suite_create("lane");
	TCase *t = tcase_create("lane");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, in_order);
	tcase_add_test(t, by_turns);
	tcase_add_test(t, full);
	tcase_add_test(t, forget);
	tcase_add_test(t, latest_only);
	tcase_add_test(t, no_line);
	suite_add_tcase(s, t);
	return s;
}
