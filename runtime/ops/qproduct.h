/* SPDX-License-Identifier: MIT */
/*
 * qproduct.h — what the operators that multiply matrices of bytes share: B
 * packed once, the columns' numbers of a run, the run on the driver
 * (kernels/i8_product.h).  Used by qmatmul.c and qgemm.c.
 */
#ifndef LARDER_RUNTIME_OPS_QPRODUCT_H
#define LARDER_RUNTIME_OPS_QPRODUCT_H

#include "runtime/kernels/i8_product.h"
#include "runtime/ops/matmul.h"

/* Once per model. */
struct rt_qproduct {
	const struct rt_kernels *kernels;
	bool trans_b;
	const uint8_t *w;    /* packed B when it is a constant, else NULL */
	const int32_t *sums; /* [matrices of B][n], of packed B */
	size_t each;         /* bytes of one packed matrix */
};
/* rt_qproduct_bind(b, input, a_type, q, err): packs constant input ${input}; trans_b is set by the
 * caller.  The input is not dropped. */
int rt_qproduct_bind(struct rt_bind *b, int input, enum rt_dtype a_type, struct rt_qproduct *q,
		     struct rt_error *err) RT_MUST_CHECK;

/* What a run multiplies with. */
struct rt_qproduct_args {
	const uint8_t *a, *b; /* b is not read when it is packed */
	bool a_signed, b_signed;
	int32_t a_zero;
	const struct rt_tensor *b_zero;  /* 1 or n elements, or NULL */
	const struct rt_tensor *b_scale; /* float32, 1 or n elements; NULL when Y is int32 */
	float before, after;             /* scale of a column: before · b_scale / after */
	const int32_t *plus;             /* added to the sums: [n], step plus_step; or NULL */
	size_t plus_step;
	const float *bias; /* [n], or NULL; Y is float32 */
	const float *residual;
	struct rt_qparam_out {
		int32_t zero;
		float lo, hi; /* to_i8: before zero is added; to_f32: of results */
	} out;
	rt_f32_unary_f *activation; /* Y is float32 */
	struct rt_unary_params params;
	enum rt_dtype y_type; /* RT_I32, RT_F32, RT_I8, RT_U8 */
	void *y;
};
/* rt_qproduct_scratch(q, st, threads, out): bytes that run needs; false when too many. */
bool rt_qproduct_scratch(const struct rt_qproduct *q, const struct rt_matmul_shape *st, int threads,
			 size_t *out);
/* rt_qproduct_run(q, st, args, team, scratch): Y; ${scratch} aligned to 64. */
void rt_qproduct_run(const struct rt_qproduct *q, const struct rt_matmul_shape *st,
		     const struct rt_qproduct_args *args, struct rt_team *team, void *scratch);

#endif
