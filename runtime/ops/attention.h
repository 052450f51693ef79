/* SPDX-License-Identifier: MIT */
/*
 * attention.h — scaled dot-product attention over any layout of its operands.
 * attention_op.c (ai.onnx Attention) and the com.microsoft attentions describe
 * their tensors with strides and call it.
 *
 *	x = scale · q·kᵀ;  x = softcap · tanh(x / softcap) if softcap > 0
 *	x += mask, −inf where causal or padding forbids;  p = softmax(x), 0 where all is −inf
 *	y = p · v
 *
 * All strides are in elements.  Key head of query head h: h / (q_heads / kv_heads).
 */
#ifndef LARDER_RUNTIME_OPS_ATTENTION_H
#define LARDER_RUNTIME_OPS_ATTENTION_H

#include "runtime/kernels/kernels.h"
#include "runtime/team.h"

struct rt_attention_operand {
	const float *data; /* [batch][head][row][size], the last contiguous */
	size_t batch, head, row;
};

struct rt_attention {
	const struct rt_kernels *kernels;
	size_t batch, q_heads, kv_heads; /* q_heads is a multiple of kv_heads */
	size_t rows, cols;               /* queries S, keys T */
	size_t size, v_size;             /* of a head: D, Dv */
	struct rt_attention_operand q, k, v, y;
	float *y_data; /* [batch][q_head][S][Dv] with the strides of ${y} */
	float scale, softcap;

	/* Added to x: float32, or bool where false forbids.  Columns beyond mask_cols are
	 * forbidden. */
	const void *mask; /* NULL = none */
	enum rt_dtype mask_type;
	size_t mask_batch, mask_head, mask_row; /* 0 = the same for all */
	size_t mask_cols;
	bool as_written; /* the mask is float32, of T columns or 1, and is added, no more: what is
			  * all −inf is NaN */

	bool causal; /* column c > row + offset is forbidden */
	int64_t offset;
	const int64_t *lengths; /* [batch] columns that are there, or NULL; causal then counts from
				 * the end: offset = lengths[b] − S */

	float *x;    /* [batch][q_heads][S][T]: what was computed, or NULL */
	int x_stage; /* 0 scaled products, 1 after softcap, 2 after masks, 3 probabilities */
};

/* rt_attention_scratch_bytes(a, threads): of ${a} only kernels and sizes are read. */
size_t rt_attention_scratch_bytes(const struct rt_attention *a, int threads);
/* rt_attention_run(a, team, scratch): ${scratch} aligned to 64. */
void rt_attention_run(const struct rt_attention *a, struct rt_team *team, void *scratch);

/* The same in float64 (attention_f64.c): sizes, strides and masks of a struct rt_attention, the
 * data of this; the mask may be float64 as well. */
struct rt_attention_f64 {
	const double *q, *k, *v;
	double *y, *x;
	double scale;
};
size_t rt_attention_f64_scratch(const struct rt_attention *a);
void rt_attention_f64_run(const struct rt_attention *a, const struct rt_attention_f64 *d,
			  void *scratch);

#endif
