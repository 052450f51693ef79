/* SPDX-License-Identifier: MIT */
/*
 * The arena planner (runtime/plan.c) against the definition: no two buffers that
 * live in the same step overlap.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/plan.h"
#include "tests/runtime/suites.h"

static uint32_t state = 1;

static uint32_t random_below(uint32_t n)
{
	state = state * 1103515245 + 12345;
	return (state >> 8) % n;
}

static size_t rounded(size_t bytes)
{
	return (bytes + RT_PLAN_ALIGN - 1) / RT_PLAN_ALIGN * RT_PLAN_ALIGN;
}

/* Most bytes live in one step, step by step. */
static size_t peak_of(const struct rt_plan_buffer *b, int count, int steps)
{
	size_t peak = 0;

	for (int s = 0; s <= steps; s++) {
		size_t live = 0;

		for (int i = 0; i < count; i++)
			live += b[i].first <= s && s <= b[i].last ? rounded(b[i].bytes) : 0;
		peak = live > peak ? live : peak;
	}
	return peak;
}

static void check_plan(const struct rt_plan_buffer *b, int count, size_t arena)
{
	for (int i = 0; i < count; i++) {
		ck_assert_uint_eq(b[i].offset % RT_PLAN_ALIGN, 0);
		ck_assert_uint_le(b[i].offset + b[i].bytes, arena);
		for (int k = 0; k < i; k++) {
			bool together = b[i].first <= b[k].last && b[k].first <= b[i].last;
			bool apart = b[i].offset + b[i].bytes <= b[k].offset ||
				     b[k].offset + b[k].bytes <= b[i].offset;

			ck_assert(!together || apart || b[i].bytes == 0 || b[k].bytes == 0);
		}
	}
}

START_TEST(nothing_overlaps)
{
	struct rt_plan_buffer b[64];

	for (int round = 0; round < 3000; round++) {
		int count = 1 + (int)random_below(64), steps = 1 + (int)random_below(40), at;
		size_t arena, peak;

		for (int i = 0; i < count; i++) {
			int first = (int)random_below((uint32_t)steps);

			b[i] = (struct rt_plan_buffer){
			    .bytes = random_below(4) == 0 ? 0 : random_below(5000),
			    .first = first,
			    .last = first + (int)random_below((uint32_t)(steps - first + 1))};
		}
		ck_assert_int_eq(rt_plan_offsets(b, count, &arena), RT_OK);
		check_plan(b, count, arena);
		peak = peak_of(b, count, steps);
		ck_assert_uint_ge(arena, peak);
		ck_assert_uint_eq(rt_plan_peak(b, count, steps, &at), peak);
	}
}
END_TEST

/* A chain, where each tensor is needed by the next step only, takes two buffers' room. */
START_TEST(a_chain_takes_two)
{
	struct rt_plan_buffer b[100];
	size_t arena;
	int at;

	for (int i = 0; i < 100; i++)
		b[i] = (struct rt_plan_buffer){.bytes = 6400, .first = i, .last = i + 1};
	ck_assert_int_eq(rt_plan_offsets(b, 100, &arena), RT_OK);
	check_plan(b, 100, arena);
	ck_assert_uint_eq(arena, 12800);
	ck_assert_uint_eq(rt_plan_peak(b, 100, 100, &at), 12800);
}
END_TEST

/* So many that they are placed in the order of time: a chain of three, and a few that stay. */
START_TEST(very_many_are_placed)
{
	enum { N = 20000 };
	struct rt_plan_buffer *b = calloc(N, sizeof(*b));
	size_t arena;

	ck_assert_ptr_nonnull(b);
	for (int i = 0; i < N; i++)
		b[i] = (struct rt_plan_buffer){
		    .bytes = 64, .first = i, .last = i % 1000 == 0 ? N : i + 2};
	ck_assert_int_eq(rt_plan_offsets(b, N, &arena), RT_OK);
	for (int i = 0; i < N; i++) {
		int from = i > 5 ? i - 5 : 0;

		for (int k = 0; k < i; k = k < from && k % 1000 == 0 && k + 1000 < from ? k + 1000
					   : k < from                                   ? from
											: k + 1) {
			bool together = b[i].first <= b[k].last && b[k].first <= b[i].last;

			ck_assert(!together || b[i].offset != b[k].offset);
		}
		ck_assert_uint_le(b[i].offset + 64, arena);
	}
	ck_assert_uint_eq(arena, (size_t)64 * (N / 1000 + 3));
	free(b);
}
END_TEST

START_TEST(sums_are_checked)
{
	struct rt_plan_buffer b[4];
	size_t arena;

	for (int i = 0; i < 4; i++)
		b[i] = (struct rt_plan_buffer){.bytes = SIZE_MAX / 3, .first = 0, .last = 1};
	ck_assert_int_eq(rt_plan_offsets(b, 4, &arena), RT_BUDGET);
	b[0].bytes = SIZE_MAX - 1;
	ck_assert_int_eq(rt_plan_offsets(b, 1, &arena), RT_BUDGET);
	ck_assert_int_eq(rt_plan_offsets(b, 0, &arena), RT_OK);
	ck_assert_uint_eq(arena, 0);
}
END_TEST

Suite *check_runtime_plan(void)
{
	Suite *suite = suite_create("runtime_plan");
	TCase *c = tcase_create("plan");

	tcase_add_test(c, nothing_overlaps);
	tcase_add_test(c, a_chain_takes_two);
	tcase_add_test(c, very_many_are_placed);
	tcase_add_test(c, sums_are_checked);
	suite_add_tcase(suite, c);
	return suite;
}
