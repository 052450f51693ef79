/* SPDX-License-Identifier: MIT */
/*
 * walk.h — the one place that turns shapes into loops.
 *
 * A walk visits the same index space in several operands at once, each with
 * its own strides (0 = the operand is broadcast along that dimension).  Making
 * one merges every pair of neighbouring dimensions that all operands cross in
 * one step, so what is left is one contiguous-as-possible inner run and an
 * odometer of outer dimensions.  Operators give a function for the run.
 */
#ifndef LARDER_RUNTIME_OPS_WALK_H
#define LARDER_RUNTIME_OPS_WALK_H

#include "runtime/op.h"

#define RT_WALK_OPERANDS 4 /* an output and up to three inputs */
#define RT_WALK_RANK 16    /* Tile and DepthToSpace split dimensions */

struct rt_walk {
	int operands;
	int rank;                                        /* of the odometer */
	int64_t dims[RT_WALK_RANK];                      /* [rank], slowest first */
	int64_t strides[RT_WALK_OPERANDS][RT_WALK_RANK]; /* elements */
	int64_t inner;                                   /* elements of a run; 0 = nothing at all */
	int64_t inner_strides[RT_WALK_OPERANDS];         /* elements */
	int64_t outer;                                   /* runs */
	int64_t cost; /* of an element, for cutting work; 0 is 1; the operator may set it */
};

/*
 * rt_walk_strided(w, operands, rank, dims, strides): any strides, of either
 * sign.  ${rank} ≤ RT_WALK_RANK; strides[k] belongs to operand k, [rank].
 */
void rt_walk_strided(struct rt_walk *w, int operands, int rank, const int64_t *dims,
		     const int64_t strides[][RT_WALK_RANK]);

/*
 * rt_walk_broadcast(w, out, in, count): operand 0 is dense in ${out}; operand
 * 1 + k is dense in ${in[k]}, which broadcasts to ${out} (rt_op_broadcast said so).
 */
void rt_walk_broadcast(struct rt_walk *w, const struct rt_shape *out,
		       const struct rt_shape *const *in, int count);

/* One run, or a piece of one: ${n} elements from element ${at[k]} of operand k on. */
typedef void rt_walk_f(void *arg, const int64_t *at, int64_t n);

/* rt_walk_each(w, team, fn, arg): all runs; long runs are cut, ranges go to all threads. */
void rt_walk_each(const struct rt_walk *w, struct rt_team *team, rt_walk_f *fn, void *arg);

/*
 * rt_walk_copy(w, team, size, out, in): copy elements of ${size} bytes (1, 2, 4, 8,
 * 16) from operand 1 to operand 0, tile by tile where the strides make a
 * transposition.  ${out} and ${in} are where index 0 of the space is.
 */
void rt_walk_copy(const struct rt_walk *w, struct rt_team *team, size_t size, void *out,
		  const void *in);
/* rt_walk_copy_with(…, x32): the same with a kernel for transpositions of 4-byte elements. */
void rt_walk_copy_with(const struct rt_walk *w, struct rt_team *team, size_t size, void *out,
		       const void *in, const struct rt_x32_transpose *x32);

/* rt_walk_grain(cost): items for rt_team_for so that a range is worth waking a thread, where one
 * item costs about ${cost} element operations. */
size_t rt_walk_grain(int64_t cost);

/* rt_walk_strides(shape, out): dense strides in elements, [shape->rank]; 0 where the dim is 1, and
 * everywhere when the tensor is empty. */
void rt_walk_strides(const struct rt_shape *shape, int64_t *out);

/* rt_walk_around(shape, axis, outer, inner): the products of the dims before and after ${axis};
 * both 0 when the tensor is empty, whatever its other dims are. */
void rt_walk_around(const struct rt_shape *shape, int axis, int64_t *outer, int64_t *inner);
/* rt_walk_is_empty(shape): a dimension is 0. */
bool rt_walk_is_empty(const struct rt_shape *shape);

#endif
