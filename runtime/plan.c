/* SPDX-License-Identifier: MIT */
/*
 * plan.c — the arena planner, a pure function.  Large buffers are placed first,
 * each at the lowest offset where nothing that lives at the same time is in the
 * way ("greedy by size": within a few percent of the peak on networks).  That
 * takes time with the square of their number; beyond MANY, which no network
 * reaches, they are placed in the order of time instead.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/plan.h"

#define MANY 16384

/* Earlier first. */
static int by_time(const void *a, const void *b)
{
	const struct rt_plan_buffer *x = *(struct rt_plan_buffer *const *)a;
	const struct rt_plan_buffer *y = *(struct rt_plan_buffer *const *)b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Larger first; then earlier, so that the result does not depend on the sort. */
static int by_size(const void *a, const void *b)
{
	const struct rt_plan_buffer *x = *(struct rt_plan_buffer *const *)a;
	const struct rt_plan_buffer *y = *(struct rt_plan_buffer *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x < y ? -1 : x > y;
}

static bool live_together(const struct rt_plan_buffer *a, const struct rt_plan_buffer *b)
{
	return a->first <= b->last && b->first <= a->last;
}

/* Bytes that a buffer takes in the arena. */
static bool taken(const struct rt_plan_buffer *b, size_t *out)
{
	if (b->bytes > SIZE_MAX - RT_PLAN_ALIGN)
		return false;
	*out = (b->bytes + RT_PLAN_ALIGN - 1) / RT_PLAN_ALIGN * RT_PLAN_ALIGN;
	return true;
}

/* Place ${b}; ${placed} is sorted by offset.  Returns where it belongs in that list, or −1. */
static int place(struct rt_plan_buffer *b, struct rt_plan_buffer **placed, int count)
{
	size_t need, end = 0, other;
	int at = 0;

	if (!taken(b, &need))
		return -1;
	for (int i = 0; i < count; i++) {
		if (!live_together(b, placed[i]))
			continue;
		if (placed[i]->offset >= end && placed[i]->offset - end >= need)
			break; /* the gap before it is large enough */
		if (!taken(placed[i], &other))
			return -1;
		if (placed[i]->offset + other > end)
			end = placed[i]->offset + other;
	}
	if (need > SIZE_MAX / 2 - end)
		return -1;
	b->offset = end;
	while (at < count && placed[at]->offset <= end)
		at++;
	return at;
}

/* Drop from ${placed} what ends before step ${first}; returns how many are left. */
static int drop_ended(struct rt_plan_buffer **placed, int count, int first)
{
	int kept = 0;

	for (int i = 0; i < count; i++) {
		if (placed[i]->last >= first)
			placed[kept++] = placed[i];
	}
	return kept;
}

int rt_plan_offsets(struct rt_plan_buffer *buffers, int count, size_t *ret_bytes)
{
	size_t n = (size_t)count, need, arena = 0;
	struct rt_plan_buffer **order = calloc(2 * n + 1, sizeof(struct rt_plan_buffer *));
	struct rt_plan_buffer **placed;
	int placed_count = 0, at, status = RT_OK;

	if (order == NULL)
		return RT_MEMORY;
	placed = order + n;
	for (int i = 0; i < count; i++)
		order[i] = &buffers[i];
	qsort(order, n, sizeof(struct rt_plan_buffer *), count > MANY ? by_time : by_size);
	for (int i = 0; i < count && status == RT_OK; i++) {
		order[i]->offset = 0;
		if (order[i]->bytes == 0)
			continue;
		if (count > MANY)
			placed_count = drop_ended(placed, placed_count, order[i]->first);
		at = place(order[i], placed, placed_count);
		if (at < 0 || !taken(order[i], &need)) {
			status = RT_BUDGET;
			break;
		}
		memmove(placed + at + 1, placed + at,
			(size_t)(placed_count - at) * sizeof(struct rt_plan_buffer *));
		placed[at] = order[i];
		placed_count++;
		if (order[i]->offset + need > arena)
			arena = order[i]->offset + need;
	}
	free(order);
	*ret_bytes = arena;
	return status;
}

size_t rt_plan_peak(const struct rt_plan_buffer *buffers, int count, int steps, int *ret_step)
{
	size_t *delta = calloc(2 * ((size_t)steps + 2), sizeof(*delta));
	size_t *ends, live = 0, peak = 0, need;

	*ret_step = 0;
	if (delta == NULL)
		return SIZE_MAX;
	ends = delta + steps + 2;
	for (int i = 0; i < count; i++) {
		int last = buffers[i].last < steps ? buffers[i].last : steps;

		if (!taken(&buffers[i], &need))
			need = SIZE_MAX / 4;
		delta[buffers[i].first] += need;
		ends[last + 1] += need;
	}
	for (int s = 0; s <= steps; s++) {
		live += delta[s] - ends[s];
		if (live > peak) {
			peak = live;
			*ret_step = s;
		}
	}
	free(delta);
	return peak;
}
