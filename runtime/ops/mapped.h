/* SPDX-License-Identifier: MIT */
/*
 * mapped.h — copies where each axis has a table that says which input index an
 * output index comes from: Pad's reflect, edge and wrap, nearest Resize.
 */
#ifndef LARDER_RUNTIME_OPS_MAPPED_H
#define LARDER_RUNTIME_OPS_MAPPED_H

#include "runtime/op.h"

struct rt_mapped {
	int rank;
	int64_t dims[RT_RANK_MAX]; /* of the output */
	int64_t *from[RT_RANK_MAX]; /* [dims[d]]: input index, times the input's stride; −1: none */
	int64_t outer;              /* elements before the last axis */
};

/* rt_mapped_new(f, out, in, err): tables for ${out}, filled by the caller with input indices; NULL
 * = out of memory, said in ${err}. */
struct rt_mapped *rt_mapped_new(struct rt_infer *f, const struct rt_shape *out,
				struct rt_error *err);
/* rt_mapped_scale(m, in): indices to strides; call it once, when the tables are full. */
void rt_mapped_scale(struct rt_mapped *m, const struct rt_shape *in);
/* rt_mapped_copy(m, team, size, out, in, fill): where an index is −1 the element is *fill. */
void rt_mapped_copy(const struct rt_mapped *m, struct rt_team *team, size_t size, void *out,
		    const void *in, const void *fill);

#endif
