/* SPDX-License-Identifier: MIT */
/*
 * ms_mask.h — masks of the com.microsoft attentions: which keys are padding,
 * and what is added to the scores.
 */
#ifndef LARDER_RUNTIME_OPS_MS_MASK_H
#define LARDER_RUNTIME_OPS_MS_MASK_H

#include "runtime/op.h"
#include "runtime/ops/attention.h"

enum rt_ms_mask_kind {
	RT_MS_MASK_NONE,
	RT_MS_MASK_ENDS,   /* [B]: keys from there on are padding */
	RT_MS_MASK_RANGES, /* [2B]: such ends, then where the keys begin */
	RT_MS_MASK_KEYS,   /* [B][T]: 0 is padding */
	RT_MS_MASK_PAIRS,  /* [B][S][T]: 0 is forbidden */
};

struct rt_ms_mask {
	enum rt_ms_mask_kind kind;
	int mask, bias; /* inputs: int32; float32 [B or 1][H or 1][S][T]; −1 = none */
	float filter;   /* what is added for padding */
	size_t batch, heads, rows, cols;
	bool bias_batch, bias_heads; /* the bias differs by batch, by head */
	size_t elems;                /* floats of memory that rt_ms_mask_apply needs */
};

/*
 * rt_ms_mask_sizes(a, err): RT_INPUT when a head has no elements, or when the products of
 * the sizes in ${a} are beyond all memory (dims of an empty tensor may be anything).
 */
int rt_ms_mask_sizes(const struct rt_attention *a, struct rt_error *err) RT_MUST_CHECK;
/*
 * rt_ms_mask_infer(f, mask, bias, a, m, err): inputs ${mask} and ${bias} for the sizes in
 * ${a}; either may be left out.
 */
int rt_ms_mask_infer(const struct rt_infer *f, int mask, int bias, const struct rt_attention *a,
		     struct rt_ms_mask *m, struct rt_error *err) RT_MUST_CHECK;
/* rt_ms_mask_apply(r, m, to, a): sets the mask of ${a}; ${to} [elems] stays in use until it has
 * run. */
void rt_ms_mask_apply(const struct rt_run *r, const struct rt_ms_mask *m, float *to,
		      struct rt_attention *a);

#endif
