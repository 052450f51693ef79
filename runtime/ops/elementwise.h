/* SPDX-License-Identifier: MIT */
/*
 * elementwise.h — the shared half of operators that compute each element of
 * the output from the same element of their inputs: types of the loops, the
 * 16-bit edges, threads, broadcasting.  unary.c, binary.c, compare.c and
 * others give the loops.
 */
#ifndef LARDER_RUNTIME_OPS_ELEMENTWISE_H
#define LARDER_RUNTIME_OPS_ELEMENTWISE_H

#include "runtime/ops/convert.h"
#include "runtime/ops/walk.h"

/* y[i] = f(x[i]); y may be x; ${p} [2] parameters. */
typedef void rt_elementwise_1_f(size_t n, const void *x, void *y, const double *p);
/* y[i] = f(a[i·sa], b[i·sb]), sa and sb 0 or 1; y may be a or b where its step is 1. */
typedef void rt_elementwise_2_f(size_t n, const void *a, int sa, const void *b, int sb, void *y);

/* One operand: which loop, chosen by bind. */
struct rt_elementwise_1 {
	rt_elementwise_1_f *fn; /* for the type, or for float32 if ${half} is set */
	rt_f32_unary_f *kernel; /* the same for float32, faster; may be NULL */
	const struct rt_f16_convert *f16;
	double p[2];
	struct rt_unary_params kernel_params;
	enum rt_dtype in, out;
	bool half; /* in is F16 or BF16: computed as float32 */
};
/* rt_elementwise_1_run(e, team, n, x, y): all elements, on all threads. */
void rt_elementwise_1_run(const struct rt_elementwise_1 *e, struct rt_team *team, int64_t n,
			  const void *x, void *y);

/* Two operands. */
struct rt_elementwise_2 {
	rt_elementwise_2_f *fn;
	rt_f32_binary_f *vv, *vs, *sv; /* the same for float32, faster; may be NULL */
	const struct rt_f16_convert *f16;
	enum rt_dtype in, out; /* of both operands; of the result */
	bool half;
};
/* rt_elementwise_2_run(e, team, w, a, b, y): over a walk of operands y, a, b. */
void rt_elementwise_2_run(const struct rt_elementwise_2 *e, struct rt_team *team,
			  const struct rt_walk *w, const void *a, const void *b, void *y);

/*
 * rt_elementwise_infer(f, err): output 0 = all inputs broadcast together;
 * shape_state = a walk per step of the fold: walk[0] over (out, in 0, in 1), walk[k] over
 * (out, out, in k+1).  With one input: walk[0] over (out, in 0).
 */
rt_op_infer_f rt_elementwise_infer;
/* rt_elementwise_infer_6: the same with the attributes `broadcast` and `axis` of opsets before 7.
 */
rt_op_infer_f rt_elementwise_infer_6;

/* rt_elementwise_is_half(t): F16 or BF16. */
bool rt_elementwise_is_half(enum rt_dtype t);
/* rt_elementwise_to_f32, _from_f32: 16-bit edges of a block, with the kernel where there is one. */
void rt_elementwise_to_f32(const struct rt_f16_convert *f16, enum rt_dtype t, size_t n,
			   const void *x, float *y);
void rt_elementwise_from_f32(const struct rt_f16_convert *f16, enum rt_dtype t, size_t n,
			     const float *x, void *y);

/* rt_elementwise_bound(b, i): element type of input ${i} of the node that is bound; RT_NONE = left
 * out. */
enum rt_dtype rt_elementwise_bound(const struct rt_bind *b, int i);
enum rt_dtype rt_elementwise_bound_out(const struct rt_bind *b, int i);

#endif
