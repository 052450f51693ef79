/* SPDX-License-Identifier: MIT */
/*
 * move.h — operators that only move elements are a list of strided copies,
 * made by infer and done by rt_move_run.
 */
#ifndef LARDER_RUNTIME_OPS_MOVE_H
#define LARDER_RUNTIME_OPS_MOVE_H

#include "runtime/ops/walk.h"

struct rt_move {
	struct rt_walk walk;   /* operand 0: output, 1: input */
	int in, out;           /* which input and output */
	int64_t in_at, out_at; /* element where index 0 of the walk is */
};
struct rt_moves {
	int count;
	const struct rt_x32_transpose *x32; /* may be NULL */
	struct rt_move moves[];
};

/* rt_move_plan(f, count, err): room for ${count} moves as the shape_state; NULL = out of memory,
 * said in ${err}. */
struct rt_moves *rt_move_plan(struct rt_infer *f, int count, struct rt_error *err);
/* rt_move_run: the run of an operator whose shape_state is a struct rt_moves. */
rt_op_run_f rt_move_run;
/* rt_move_size(t): bytes of an element; 0: several are in a byte. */
size_t rt_move_size(enum rt_dtype t);
/* rt_move_unpack(t, to), rt_move_pack(from, t): the bits of each element of a tensor of a packed
 * type in a byte of its own, and back. */
void rt_move_unpack(const struct rt_tensor *t, uint8_t *to);
void rt_move_pack(const uint8_t *from, const struct rt_tensor *t);

#endif
