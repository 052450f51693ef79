/* SPDX-License-Identifier: MIT */
/*
 * gemm.h — whole matrix products over a thread team, on the tiles of
 * kernels.h.  Called by ops/matmul.c and ops/conv*.c.
 *
 *	bind    rt_gemm_pack_elems, rt_gemm_pack: W once, for one kernel table
 *	infer   rt_gemm_scratch_bytes
 *	run     rt_gemm_run
 */
#ifndef LARDER_RUNTIME_KERNELS_GEMM_H
#define LARDER_RUNTIME_KERNELS_GEMM_H

#include "runtime/kernels/kernels.h"
#include "runtime/team.h"

/*
 * Packed W [K][N]: panels of nr columns, each [K][nr]; when at most nr/2
 * columns are left for the last, it is [K][nr/2].  Missing columns are 0.
 */
size_t rt_gemm_pack_elems(const struct rt_kernels *kernels, size_t n, size_t k);
/* rt_gemm_panels(kernels, n): how many panels n columns make. */
size_t rt_gemm_panels(const struct rt_kernels *kernels, size_t n);
/*
 * rt_gemm_pack(kernels, n, k, b, row, col, first, count, packed): panels
 * ${first} … ${first} + ${count} − 1 of W[i][j] = b[i·row + j·col] into
 * ${packed}, the start of the whole.  ${packed} is aligned to 64.
 */
void rt_gemm_pack(const struct rt_kernels *kernels, size_t n, size_t k, const float *b, size_t row,
		  size_t col, size_t first, size_t count, float *packed);

/* rt_gemm_pack16: the same for W of 16 bits, all panels; they stay as they are. */
void rt_gemm_pack16(const struct rt_kernels *kernels, size_t n, size_t k, const uint16_t *b,
		    size_t row, size_t col, uint16_t *packed);

/*
 * rt_gemm_rows_f(arg, item, first, count, to, ld): write rows ${first} …
 * ${first} + ${count} − 1 of A of the batch item, K elements each, to ${to},
 * row stride ${ld}.
 */
typedef void rt_gemm_rows_f(const void *arg, size_t item, size_t first, size_t count, float *to,
			    size_t ld);

/*
 * rt_gemm_panel_f(arg, panel, first, count, to): write rows ${first} … ${first} + ${count} − 1 of a
 * panel of W, as rt_gemm_pack would, to ${to}; also from several threads at once.
 */
typedef void rt_gemm_panel_f(const void *arg, size_t panel, size_t first, size_t count, float *to);

/* C[i] = activation(clamp(A[i] · W[i] + bias + residual[i])) for a batch of products. */
struct rt_gemm {
	const struct rt_kernels *kernels;
	size_t m, n, k;
	size_t batch; /* ≥ 0 products of this size */
	/* A: either [m][k] in memory, row stride lda, or made by rows() when a is NULL. */
	const float *a;
	size_t lda;
	rt_gemm_rows_f *rows;
	const void *rows_arg;
	const float *w; /* packed */
	/* Instead of w: packed halves, or bfloat16s, widened a stretch of a panel at a time and
	 * multiplied by w16_scale. */
	const uint16_t *w16;
	bool w16_is_bf16;
	float w16_scale;
	/* Instead of both: panels made by panel(), whose ${first} is a multiple of k_unit, at least
	 * 1; of a batch all the same. */
	rt_gemm_panel_f *panel;
	const void *panel_arg;
	size_t k_unit;
	float *c; /* [m][n], row stride ldc */
	size_t ldc;
	/* From one item of the batch to the next, in elements; or ${at} says, if it is set. */
	size_t a_step, w_step, c_step, bias_step, residual_step;
	/* at(arg, item, offsets): element offsets of a, w, c of the item. */
	void (*at)(const void *arg, size_t item, size_t offsets[3]);
	const void *at_arg;
	struct rt_epilogue epilogue;
	/* After the epilogue, for what is no clamp; NULL = nothing. */
	rt_f32_unary_f *activation;
	struct rt_unary_params activation_params;
};
/* rt_gemm_scratch_bytes(g, threads): what run needs, or is faster with; of ${g} the sizes and
 * a/rows are read (a and w16 only for being NULL), panel and k_unit. */
size_t rt_gemm_scratch_bytes(const struct rt_gemm *g, int threads);
/* rt_gemm_run(g, team, scratch): inside rt_team_enter … _leave; ${scratch} aligned to 64, or NULL
 * where A and W are in memory as floats. */
void rt_gemm_run(const struct rt_gemm *g, struct rt_team *team, void *scratch);
/* rt_gemm_run_alone(g, scratch): on the caller alone, also inside of rt_team_for; scratch as above,
 * for one thread. */
void rt_gemm_run_alone(const struct rt_gemm *g, void *scratch);

#endif
