/* SPDX-License-Identifier: MIT */
/*
 * i8_product.h — whole products of matrices of bytes over a thread team, on the
 * tiles of kernels.h.  Called by ops/q*.c.
 *
 *	bind    rt_i8_product_bytes, rt_i8_product_pack: W once, for one kernel table
 *	infer   rt_i8_product_scratch
 *	run     rt_i8_product_run
 *
 * Zero points are not subtracted from bytes but made good afterwards.  With
 * W' = W − offset (rt_i8_product_offset), as it is packed,
 *
 *	Σ (a − za)(w − zw) = Σ a·w' − za·Σw' − (zw − offset)·(Σa − k·za)
 *
 * of which the second and the last term of the caller's are finish.add, and
 * −(zw − offset)·Σa is finish.row_mul times sums of rows that are made here.
 */
#ifndef LARDER_RUNTIME_KERNELS_I8_PRODUCT_H
#define LARDER_RUNTIME_KERNELS_I8_PRODUCT_H

#include "runtime/kernels/kernels.h"
#include "runtime/team.h"

/* Packed W [k][n]: panels as in gemm.h, each [⌈k/4⌉][width][4]. */
size_t rt_i8_product_bytes(const struct rt_kernels *kernels, size_t n, size_t k);
size_t rt_i8_product_panels(const struct rt_kernels *kernels, size_t n);
/* rt_i8_product_offset(a_signed, w_signed): what is taken off W so that it has the other sign. */
int32_t rt_i8_product_offset(bool a_signed, bool w_signed);

struct rt_i8_weights {
	const uint8_t *b; /* W[i][j] = b[i·row + j·col] */
	size_t n, k, row, col;
	bool is_signed, a_signed;
};
/* rt_i8_product_pack(kernels, w, first, count, packed, sums): panels ${first} … ${first} +
 * ${count} − 1 into ${packed}, the start of the whole, aligned to 64; sums[j] = Σ_k W'[k][j] of
 * their columns, ${sums} being that of column 0. */
void rt_i8_product_pack(const struct rt_kernels *kernels, const struct rt_i8_weights *w,
			size_t first, size_t count, uint8_t *packed, int32_t *sums);

/* rt_i8_product_rows_f(arg, item, first, count, to, ld): as rt_gemm_rows_f, of bytes. */
typedef void rt_i8_product_rows_f(const void *arg, size_t item, size_t first, size_t count,
				  uint8_t *to, size_t ld);

struct rt_i8_product {
	const struct rt_kernels *kernels;
	size_t m, n, k;
	size_t batch;
	/* A: either [m][k] in memory, row stride lda, or made by rows() when a is NULL. */
	const uint8_t *a;
	size_t lda;
	bool a_signed;
	rt_i8_product_rows_f *rows;
	const void *rows_arg;
	const uint8_t *w; /* packed */
	/* One of to_i32, to_f32, to_i8; of ${finish} all is read but m, n, sum, ld_sum and row.
	 * Columns are those of the first item; row_mul NULL: sums of rows are not needed. */
	void (*to)(const struct rt_i8_finish *f);
	size_t y_bytes; /* of an element of Y */
	struct rt_i8_finish finish;
	/* From one item of the batch to the next, in elements; or ${at} says, if it is set. */
	size_t a_step, w_step, y_step, column_step;
	void (*at)(const void *arg, size_t item, size_t offsets[4]); /* of a, w, y, columns */
	const void *at_arg;
	/* After to_f32, for what is no clamp; NULL = nothing. */
	rt_f32_unary_f *activation;
	struct rt_unary_params activation_params;
};
/* rt_i8_product_scratch(g, threads): bytes that run needs; ${g}: sizes, whether a is NULL. */
size_t rt_i8_product_scratch(const struct rt_i8_product *g, int threads);
/* rt_i8_product_run(g, team, scratch): inside rt_team_enter … _leave; ${scratch} aligned to 64. */
void rt_i8_product_run(const struct rt_i8_product *g, struct rt_team *team, void *scratch);

#endif
