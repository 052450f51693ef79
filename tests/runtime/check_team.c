/* SPDX-License-Identifier: MIT */
/*
 * The team (runtime/team.c): every item once, whatever the numbers; callers from
 * several threads; long pauses, so that workers sleep; loops that are stopped.
 */
#include <config.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/team.h"
#include "tests/runtime/suites.h"

struct job {
	atomic_int *hits; /* [n] */
	size_t grain, n;
	int threads;
	atomic_int bad;
};

static void hit(void *arg, size_t begin, size_t end, int thread)
{
	struct job *j = arg;

	if (begin >= end || end > j->n || thread < 0 || thread >= j->threads)
		atomic_fetch_add(&j->bad, 1);
	if (end - begin < j->grain && end != j->n && begin != 0)
		atomic_fetch_add(&j->bad, 1);
	for (size_t i = begin; i < end; i++)
		atomic_fetch_add(&j->hits[i], 1);
}

static void run_job(struct rt_team *team, size_t n, size_t grain)
{
	struct job j = {.n = n, .grain = grain, .threads = rt_team_threads(team)};

	j.hits = calloc(n + 1, sizeof(*j.hits));
	ck_assert_ptr_nonnull(j.hits);
	rt_team_for(team, n, grain, hit, &j);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(atomic_load(&j.hits[i]), 1);
	ck_assert_int_eq(atomic_load(&j.bad), 0);
	free(j.hits);
}

START_TEST(every_item_once)
{
	static const size_t sizes[] = {0, 1, 2, 3, 5, 7, 16, 17, 100, 1001, 4096};
	static const size_t grains[] = {0, 1, 2, 3, 8, 50, 5000};

	for (int threads = 1; threads <= 5; threads++) {
		struct rt_team *team = rt_team_new(threads);

		ck_assert_int_eq(rt_team_threads(team), threads);
		rt_team_enter(team);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			for (size_t k = 0; k < sizeof(grains) / sizeof(grains[0]); k++)
				run_job(team, sizes[i], grains[k]);
		}
		rt_team_leave(team);
		rt_team_free(team);
	}
}
END_TEST

/* Many jobs one right after the other: a late thread must not take pieces of the next. */
START_TEST(jobs_in_a_row)
{
	struct rt_team *team = rt_team_new(4);

	rt_team_enter(team);
	for (size_t i = 0; i < 3000; i++)
		run_job(team, 1 + i % 37, 1);
	rt_team_leave(team);
	rt_team_free(team);
}
END_TEST

START_TEST(sleepers_wake)
{
	struct rt_team *team = rt_team_new(3);
	struct timespec pause = {0, 3000000};

	for (int i = 0; i < 20; i++) {
		(void)nanosleep(&pause, NULL);
		rt_team_enter(team);
		run_job(team, 64, 1);
		rt_team_leave(team);
	}
	rt_team_free(team);
}
END_TEST

static void *caller(void *arg)
{
	struct rt_team *team = arg;

	for (size_t i = 0; i < 300; i++) {
		rt_team_enter(team);
		run_job(team, 10 + i % 50, 1);
		run_job(team, 5, 1);
		rt_team_leave(team);
	}
	return NULL;
}

START_TEST(callers_take_turns)
{
	struct rt_team *team = rt_team_new(3);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, caller, team), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	rt_team_free(team);
	rt_team_free(NULL);
}
END_TEST

struct stopping {
	atomic_bool cancel;
	atomic_size_t done;
	size_t after; /* items, then it is cancelled */
	int64_t pause_ns;
};

static void work_then_cancel(void *arg, size_t begin, size_t end, int thread)
{
	struct stopping *s = arg;
	struct timespec pause = {0, s->pause_ns};

	(void)thread;
	if (atomic_fetch_add(&s->done, end - begin) + (end - begin) >= s->after)
		atomic_store(&s->cancel, true);
	if (s->pause_ns > 0)
		(void)nanosleep(&pause, NULL);
}

/* A loop that is cancelled does little more; what follows in the same turn does nothing. */
START_TEST(cancelled_in_a_loop)
{
	enum { ITEMS = 1000000, AFTER = 5000 };

	for (int threads = 1; threads <= 3; threads++) {
		struct rt_team *team = rt_team_new(threads);
		struct stopping s = {.after = AFTER, .pause_ns = 2000000};

		rt_team_enter(team);
		rt_team_watch(team, &s.cancel, 0);
		ck_assert(!rt_team_to_stop(team));
		rt_team_for(team, ITEMS, 10, work_then_cancel, &s);
		ck_assert(rt_team_stopped(team));
		ck_assert_uint_ge(atomic_load(&s.done), AFTER);
		ck_assert_uint_le(atomic_load(&s.done), AFTER + 4 * 128 * 10);
		atomic_store(&s.cancel, false);
		atomic_store(&s.done, 0);
		rt_team_for(team, 100, 1, work_then_cancel, &s);
		rt_team_for(team, 1, 1, work_then_cancel, &s);
		ck_assert_uint_eq(atomic_load(&s.done), 0);
		rt_team_leave(team);

		rt_team_enter(team);
		ck_assert(!rt_team_stopped(team));
		run_job(team, 1000, 1);
		rt_team_leave(team);
		rt_team_free(team);
	}
}
END_TEST

/* A loop of an hour and more, until the deadline. */
START_TEST(late_in_a_loop)
{
	for (int threads = 1; threads <= 3; threads += 2) {
		struct rt_team *team = rt_team_new(threads);
		struct stopping s = {.after = SIZE_MAX, .pause_ns = 1000000};
		struct timespec now;

		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		rt_team_enter(team);
		rt_team_watch(team, NULL,
			      (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + 20000000);
		rt_team_for(team, 100000000, 1, work_then_cancel, &s);
		ck_assert(rt_team_stopped(team));
		ck_assert_uint_gt(atomic_load(&s.done), 0);
		rt_team_leave(team);
		rt_team_free(team);
	}
}
END_TEST

Suite *check_runtime_team(void)
{
	Suite *suite = suite_create("runtime_team");
	TCase *c = tcase_create("team");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, every_item_once);
	tcase_add_test(c, jobs_in_a_row);
	tcase_add_test(c, sleepers_wake);
	tcase_add_test(c, callers_take_turns);
	tcase_add_test(c, cancelled_in_a_loop);
	tcase_add_test(c, late_in_a_loop);
	suite_add_tcase(suite, c);
	return suite;
}
