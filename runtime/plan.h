/* SPDX-License-Identifier: MIT */
/*
 * plan.h — where in one arena each tensor of a plan lies.
 */
#ifndef LARDER_RUNTIME_PLAN_H
#define LARDER_RUNTIME_PLAN_H

#include "runtime/tensor.h"

#define RT_PLAN_ALIGN 64

/* A piece of memory that is needed from step ${first} to step ${last}, both included. */
struct rt_plan_buffer {
	size_t bytes;
	int first, last;
	size_t offset; /* the answer: a multiple of RT_PLAN_ALIGN */
};

/*
 * rt_plan_offsets(buffers, count, ret_bytes): give each buffer an offset so that
 * no two that are needed in the same step overlap; ${*ret_bytes} is the size of
 * the arena.  RT_BUDGET when that cannot be counted, RT_MEMORY.
 */
int rt_plan_offsets(struct rt_plan_buffer *buffers, int count, size_t *ret_bytes) RT_MUST_CHECK;

/*
 * rt_plan_peak(buffers, count, steps, ret_step): most bytes that are needed in
 * one step, which no arrangement can go below; ${*ret_step} is that step.
 * SIZE_MAX when out of memory.
 */
size_t rt_plan_peak(const struct rt_plan_buffer *buffers, int count, int steps, int *ret_step);

#endif
