/* SPDX-License-Identifier: MIT */
/*
 * residual.h — the sum with another tensor that pass_fuse.c has put into a
 * product or convolution.  When the tensor has the shape of the result it is
 * added where the result is stored; when it broadcasts (which the pass cannot
 * know), the result is made in scratch memory and the sum afterwards.
 */
#ifndef LARDER_RUNTIME_OPS_RESIDUAL_H
#define LARDER_RUNTIME_OPS_RESIDUAL_H

#include "runtime/kernels/gemm.h"
#include "runtime/ops/activation.h"

struct rt_residual {
	bool broadcasts;
	struct rt_shape own; /* of the product alone */
	size_t own_bytes;    /* of scratch, a multiple of 64 */
};

/* rt_residual_infer(f, k, r, err): after out 0 and scratch_bytes are set; input ${k} may be left
 * out.  Changes both when the tensor broadcasts. */
int rt_residual_infer(struct rt_infer *f, int k, struct rt_residual *res,
		      struct rt_error *err) RT_MUST_CHECK;
/* rt_residual_scratch(r, res): where the product's own scratch begins. */
void *rt_residual_scratch(const struct rt_run *r, const struct rt_residual *res);
/* rt_residual_before(r, k, res, g): puts the tensor into the epilogue of ${g}, or diverts it. */
void rt_residual_before(const struct rt_run *r, int k, const struct rt_residual *res,
			struct rt_gemm *g);
/* rt_residual_after(r, k, res, act): the sum and the activation when they were put off. */
void rt_residual_after(const struct rt_run *r, int k, const struct rt_residual *res,
		       const struct rt_activation *act);

#endif
