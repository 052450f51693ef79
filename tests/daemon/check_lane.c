/* SPDX-License-Identifier: MIT */
/*
 * check_lane.c — daemon/lane.c: whose turn it is, who is told to come back, who shares a turn.
 * Four are on at a time (LANE_RUNNING_MAX), three of one model (LANE_MODEL_MAX), two of a quick
 * one (LANE_QUICK_MAX), one that is bulk (LANE_BULK_MAX).
 */
#include <config.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lane.h"

Suite *check_lane(void);

#define LIMIT 8

static const struct lane_limits limits = {.waiting = LIMIT};
static struct lane_ticket running[4]; /* zeroed: of no stream */
static unsigned models;

/* Into the line, each of a model of its own. */
static enum lane_answer enter(struct lane_ticket *t, const char *origin)
{
	char model[16];

	(void)snprintf(model, sizeof(model), "m%u", models++);
	return lane_enter(t, origin, model, &limits);
}

/* All turns are taken; each test runs in a process of its own. */
static void setup(void)
{
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(enter(&running[i], NULL), LANE_WAIT);
		ck_assert_ptr_eq(lane_next(0), &running[i]);
	}
}

/* One of those ends. */
static void leave(void)
{
	static int gone;

	lane_leave(&running[gone++]);
}

START_TEST(in_order)
{
	struct lane_ticket t[3] = {0};

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(enter(&t[i], "a"), LANE_WAIT);
	ck_assert_uint_eq(lane_waiting(), 3);
	ck_assert_ptr_null(lane_next(0));
	for (int i = 0; i < 3; i++) {
		leave();
		ck_assert_ptr_eq(lane_next(0), &t[i]);
		ck_assert_ptr_null(lane_next(0));
	}
	leave();
	ck_assert_ptr_null(lane_next(0));
	ck_assert_uint_eq(lane_waiting(), 0);
	lane_leave(&t[1]);
	ck_assert_int_eq(enter(&t[1], "a"), LANE_WAIT);
	ck_assert_ptr_eq(lane_next(0), &t[1]);
}
END_TEST

START_TEST(by_turns)
{
	struct lane_ticket a[4] = {0}, b[2] = {0}, c = {0};
	struct lane_ticket *want[] = {&a[0], &b[0], &c, &a[1], &b[1], &a[2], &a[3]}, *before = NULL;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(enter(&a[i], "a"), LANE_WAIT);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(enter(&b[i], "b"), LANE_WAIT);
	ck_assert_int_eq(enter(&c, "c"), LANE_WAIT);
	for (size_t i = 0; i < 7; i++) {
		if (before == NULL)
			leave();
		else
			lane_leave(before);
		ck_assert_ptr_eq(lane_next(0), want[i]);
		before = want[i];
	}
}
END_TEST

START_TEST(full)
{
	struct lane_ticket a[LIMIT] = {0}, more = {0}, b[LIMIT] = {0};
	int got = 0;

	for (int i = 0; i < LIMIT; i++)
		ck_assert_int_eq(enter(&a[i], "a"), LANE_WAIT);
	ck_assert_int_eq(enter(&more, "a"), LANE_FULL);
	/* who asks beforehand is told the same */
	ck_assert(lane_is_full("a", &limits));
	ck_assert(!lane_is_full("b", &limits));
	ck_assert(!lane_is_full(NULL, &limits));
	/* another origin has a share of its own, and not more than that */
	for (int i = 0; i < LIMIT; i++)
		got += enter(&b[i], "b") == LANE_WAIT;
	ck_assert_int_eq(got, LIMIT / 2);
	ck_assert_int_eq(enter(&more, "a"), LANE_FULL);
	leave();
	ck_assert_ptr_eq(lane_next(0), &a[0]);
	lane_forget(&a[LIMIT - 1]);
	lane_forget(&a[3]);
	ck_assert_uint_eq(lane_waiting(), LIMIT - 3 + LIMIT / 2);
}
END_TEST

/* A limit of its own for each origin: of what waits and what is on. */
START_TEST(origin_limit)
{
	struct lane_limits two = {.waiting = LIMIT, .origin = 2};
	struct lane_ticket t[4] = {0}, other = {0};

	ck_assert_int_eq(lane_enter(&t[0], "a", "x", &two), LANE_WAIT);
	leave();
	ck_assert_ptr_eq(lane_next(0), &t[0]);
	ck_assert_int_eq(lane_enter(&t[1], "a", "x", &two), LANE_WAIT);
	ck_assert_int_eq(lane_enter(&t[2], "a", "x", &two), LANE_FULL);
	ck_assert_int_eq(lane_enter(&other, "b", "x", &two), LANE_WAIT);
	lane_leave(&t[0]);
	ck_assert_int_eq(lane_enter(&t[2], "a", "x", &two), LANE_WAIT);
}
END_TEST

/* Leaving the line from any place in it. */
START_TEST(forget)
{
	struct lane_ticket t[5] = {0}, last = {0};

	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(enter(&t[i], i % 2 == 0 ? "a" : "b"), LANE_WAIT);
	lane_forget(&t[4]); /* the last of a */
	lane_forget(&t[0]); /* the first */
	lane_forget(&t[1]);
	lane_forget(&t[3]); /* b is gone */
	ck_assert_int_eq(enter(&last, "a"), LANE_WAIT);
	leave();
	ck_assert_ptr_eq(lane_next(0), &t[2]);
	leave();
	ck_assert_ptr_eq(lane_next(0), &last);
	ck_assert_uint_eq(lane_waiting(), 0);
}
END_TEST

START_TEST(latest_only)
{
	struct lane_ticket t[4] = {
	    {.stream = "cam"}, {.stream = NULL}, {.stream = "cam"}, {.stream = "other"}};
	static const char *const origins[] = {"a", "a", "b", "a"};

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(enter(&t[i], origins[i]), LANE_WAIT);
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
	struct lane_limits none = {.waiting = 0};
	struct lane_ticket t[2] = {0};

	/* one per origin all the same */
	ck_assert_int_eq(lane_enter(&t[0], NULL, "x", &none), LANE_WAIT);
	ck_assert_int_eq(lane_enter(&t[1], NULL, "x", &none), LANE_FULL);
}
END_TEST

/* Of one model three; another one's first finds a turn. */
START_TEST(by_model)
{
	struct lane_ticket t[5] = {0}, other = {0};

	for (int i = 0; i < 4; i++)
		leave();
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(lane_enter(&t[i], "a", "x", &limits), LANE_WAIT);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_eq(lane_next(0), &t[i]);
	ck_assert_ptr_null(lane_next(0));
	ck_assert_int_eq(lane_enter(&other, "a", "y", &limits), LANE_WAIT);
	ck_assert_ptr_eq(lane_next(0), &other);
	lane_leave(&t[1]);
	ck_assert_ptr_eq(lane_next(0), &t[3]);
}
END_TEST

/* Bulk ones come after the others, one at a time, and come at last. */
START_TEST(bulk_last)
{
	struct lane_ticket bulk[3] = {{.bulk = true}, {.bulk = true}, {.bulk = true}};
	struct lane_ticket t[20] = {0}, *on = &running[0];
	struct lane_limits many = {.waiting = 100};
	int turns = 0;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(enter(&bulk[i], "a"), LANE_WAIT);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(lane_enter(&t[i], "a", i % 2 == 0 ? "x" : "y", &many), LANE_WAIT);
	do {
		lane_leave(on);
		on = lane_next(0);
		turns++;
		ck_assert_int_le(turns, 20);
	} while (!on->bulk);
	ck_assert_ptr_eq(on, &bulk[0]);
	ck_assert_int_eq(turns, 9); /* LANE_PATIENCE of the others went before it */
	/* it is on: no second one, whatever else there is */
	lane_leave(&running[1]);
	while ((on = lane_next(0)) != NULL)
		ck_assert(!on->bulk);
	lane_leave(&bulk[0]);
	lane_leave(&running[2]);
	lane_leave(&running[3]);
	for (int i = 0; i < 2; i++)
		(void)lane_next(0);
}
END_TEST

START_TEST(only_bulk)
{
	struct lane_ticket t[2] = {{.bulk = true}, {.bulk = true}};

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(enter(&t[i], "a"), LANE_WAIT);
	for (int i = 0; i < 4; i++)
		leave();
	ck_assert_ptr_eq(lane_next(0), &t[0]);
	ck_assert_ptr_null(lane_next(0));
	lane_leave(&t[0]);
	ck_assert_ptr_eq(lane_next(0), &t[1]);
}
END_TEST

/* ---- batches ---------------------------------------------------------------------------- */

static struct lane_ticket batched(uint64_t hold_ms, unsigned max)
{
	return (struct lane_ticket){.batch = true, .hold_ms = hold_ms, .enough = max};
}

/* The first waits until its time has come; who came meanwhile shares its turn. */
START_TEST(window)
{
	struct lane_ticket t[4] = {batched(110, 9), batched(115, 9), batched(120, 9), {0}};

	for (int i = 0; i < 4; i++)
		leave();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(lane_enter(&t[i], "a", i == 2 ? "other" : "x", &limits),
				 LANE_WAIT);
	ck_assert_ptr_null(lane_next(109));
	ck_assert_uint_eq(lane_due(109), 110);
	/* who does not gather waits for nobody */
	ck_assert_int_eq(lane_enter(&t[3], "a", "x", &limits), LANE_WAIT);
	ck_assert_ptr_eq(lane_next(109), &t[3]);
	ck_assert_ptr_null(lane_mate(&t[3]));
	ck_assert_ptr_eq(lane_next(110), &t[0]);
	ck_assert_ptr_eq(lane_mate(&t[0]), &t[1]);
	ck_assert_ptr_null(lane_mate(&t[0]));
	ck_assert_ptr_null(lane_next(110));
	ck_assert_uint_eq(lane_due(110), 120);
	ck_assert_uint_eq(lane_due(120), UINT64_MAX);
	lane_leave(&t[0]); /* in any order */
	lane_leave(&t[1]);
	ck_assert_ptr_eq(lane_next(120), &t[2]);
}
END_TEST

START_TEST(batch_is_full)
{
	struct lane_ticket t[4] = {batched(110, 3), batched(111, 3), batched(112, 3),
				   batched(113, 3)};

	for (int i = 0; i < 4; i++)
		leave();
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(lane_enter(&t[i], "a", "x", &limits), LANE_WAIT);
	ck_assert_ptr_null(lane_next(100));
	for (int i = 2; i < 4; i++)
		ck_assert_int_eq(lane_enter(&t[i], "a", "x", &limits), LANE_WAIT);
	ck_assert_ptr_eq(lane_next(100), &t[0]);
	ck_assert_ptr_eq(lane_mate(&t[0]), &t[1]);
	ck_assert_ptr_eq(lane_mate(&t[0]), &t[2]);
	ck_assert_ptr_null(lane_next(100)); /* the last one waits for others again */
	ck_assert_uint_eq(lane_waiting(), 1);
}
END_TEST

/* Mates are taken in turns by origin, too; and none of them counts as a turn. */
START_TEST(mates_by_turns)
{
	struct lane_ticket a[3] = {batched(0, 9), batched(0, 9), batched(0, 9)};
	struct lane_ticket b[2] = {batched(0, 9), batched(0, 9)}, more[3] = {0};
	struct lane_ticket *want[] = {&b[0], &a[1], &b[1], &a[2]};

	for (int i = 0; i < 4; i++)
		leave();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(lane_enter(&a[i], "a", "x", &limits), LANE_WAIT);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(lane_enter(&b[i], "b", "x", &limits), LANE_WAIT);
	ck_assert_ptr_eq(lane_next(1), &a[0]);
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_eq(lane_mate(&a[0]), want[i]);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(enter(&more[i], "c"), LANE_WAIT);
		ck_assert_ptr_eq(lane_next(1), &more[i]);
	}
	for (int i = 0; i < 4; i++)
		lane_leave(want[i]);
	lane_leave(&a[0]);
}
END_TEST

/* Quick ones share turns without waiting for each other, two turns of a model at a time. */
START_TEST(quick)
{
	struct lane_ticket t[5] = {0}, slow = {0};

	for (int i = 0; i < 4; i++)
		leave();
	for (int i = 0; i < 5; i++) {
		t[i].quick = true;
		ck_assert_int_eq(lane_enter(&t[i], "a", "x", &limits), LANE_WAIT);
	}
	ck_assert_int_eq(lane_enter(&slow, "a", "x", &limits), LANE_WAIT);
	ck_assert_uint_eq(lane_company(&t[0]), 6);
	ck_assert_ptr_eq(lane_next(0), &t[0]);
	ck_assert_ptr_eq(lane_mate(&t[0]), &t[1]);
	ck_assert_ptr_eq(lane_next(0), &t[2]);
	ck_assert_ptr_eq(lane_next(0), &slow); /* a turn of its own, nobody's mate */
	ck_assert_ptr_null(lane_mate(&slow));
	lane_leave(&slow);
	ck_assert_ptr_null(lane_next(0));
	lane_leave(&t[0]);
	lane_leave(&t[1]);
	ck_assert_ptr_eq(lane_next(0), &t[3]);
	ck_assert_ptr_eq(lane_mate(&t[3]), &t[4]);
	ck_assert_ptr_null(lane_mate(&t[3]));
	ck_assert_uint_eq(lane_company(&t[2]), 3);
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
	tcase_add_test(t, origin_limit);
	tcase_add_test(t, forget);
	tcase_add_test(t, latest_only);
	tcase_add_test(t, no_line);
	tcase_add_test(t, by_model);
	tcase_add_test(t, bulk_last);
	tcase_add_test(t, only_bulk);
	tcase_add_test(t, window);
	tcase_add_test(t, batch_is_full);
	tcase_add_test(t, mates_by_turns);
	tcase_add_test(t, quick);
	suite_add_tcase(s, t);
	return s;
}
