/* SPDX-License-Identifier: MIT */
/*
 * once.h — one node, run on its own: when constants are folded, and when the
 * value of a small tensor is needed to make a plan.
 */
#ifndef LARDER_RUNTIME_ONCE_H
#define LARDER_RUNTIME_ONCE_H

#include "runtime/memory.h"
#include "runtime/op.h"

/* rt_once_check(n, out, out_count, budget, ret_bytes, err): shapes that infer made; bytes of all.
 */
int rt_once_check(const struct rt_node *n, const struct rt_tensor *out, int out_count,
		  size_t budget, size_t *ret_bytes, struct rt_error *err) RT_MUST_CHECK;

/*
 * rt_once_run(f, team, memory, err): run the node of ${f}, which was inferred
 * and whose inputs all have data (or the operator reads shapes only).  Outputs
 * that are wanted get data from ${memory}.  ${team} has one thread.
 */
int rt_once_run(struct rt_infer *f, struct rt_team *team, struct rt_memory *memory,
		struct rt_error *err) RT_MUST_CHECK;

#endif
