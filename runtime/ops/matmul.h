/* SPDX-License-Identifier: MIT */
/*
 * matmul.h — what MatMul, Gemm and larder.MatMul share: the shapes of a batch of
 * products, and its run on the GEMM driver.
 */
#ifndef LARDER_RUNTIME_OPS_MATMUL_H
#define LARDER_RUNTIME_OPS_MATMUL_H

#include "runtime/kernels/gemm.h"
#include "runtime/ops/activation.h"
#include "runtime/ops/residual.h"

/* Once per model. */
struct rt_matmul {
	const struct rt_kernels *kernels;
	enum rt_dtype dtype;
	bool trans_a, trans_b; /* the last two dims */
	float alpha;           /* of the product */
	int rank;              /* of the output at least, of larder.MatMul */
	const float *w;        /* packed B, when it is a constant float32; else NULL */
	const uint16_t *w16;   /* the same of float16 or bfloat16, which the pass narrow leaves */
	bool is_bf16;
	size_t w_each; /* elements of one packed matrix */
	struct rt_activation act;
};

/* Once per input shapes. */
struct rt_matmul_shape {
	int64_t m, n, k;
	int64_t batch;                  /* products */
	int64_t b_batch;                /* different B */
	const int64_t *a_item, *b_item; /* [batch]: which A and which B */
	struct rt_shape out;
	struct rt_residual residual; /* of larder.MatMul's input 3 */
};

/* rt_matmul_bind(b, mm, err): dtype, kernels, packs input 1 if it is a constant of rank ≥ 2; the
 * caller has set trans_a, trans_b and alpha. */
int rt_matmul_bind(struct rt_bind *b, struct rt_matmul *mm, struct rt_error *err) RT_MUST_CHECK;

/*
 * rt_matmul_pack(b, mm, n, k, count, packed): ${count} matrices of input 1, float32 or half as
 * wide, to ${packed}, zeros; alpha is not in it.  matmul_pack.c.  False: out of memory.
 */
bool rt_matmul_pack(struct rt_bind *b, const struct rt_matmul *mm, size_t n, size_t k, size_t count,
		    void *packed) RT_MUST_CHECK;

/*
 * rt_matmul_infer(f, mm, out, err): the product of inputs 0 and 1 by the rules
 * of numpy.matmul (ONNX MatMul-13); sets scratch_bytes.  ${*out} is allocated
 * with the plan.
 */
int rt_matmul_infer(struct rt_infer *f, const struct rt_matmul *mm, struct rt_matmul_shape **out,
		    struct rt_error *err) RT_MUST_CHECK;

/* rt_matmul_run(r, mm, st, bias, residual): float32; out 0 = activation(alpha·A·B + bias +
 * residual); bias [n] and residual [batch][m][n] may be NULL; where st->residual broadcasts, it is
 * added instead. */
void rt_matmul_run(const struct rt_run *r, const struct rt_matmul *mm,
		   const struct rt_matmul_shape *st, const float *bias, const float *residual);

/* rt_matmul_plain(r, mm, st): out 0 = A·B for the element types that have no kernel. */
void rt_matmul_plain(const struct rt_run *r, const struct rt_matmul *mm,
		     const struct rt_matmul_shape *st);

#endif
