/* SPDX-License-Identifier: MIT */
/*
 * nbits_panels.h — MatMulNBits with constant weights of four bits on the kernel
 * n4_gemm.  Used by nbits.c.
 */
#ifndef LARDER_RUNTIME_OPS_NBITS_PANELS_H
#define LARDER_RUNTIME_OPS_NBITS_PANELS_H

#include "runtime/op.h"

struct rt_nbits_panels {
	int64_t n, k, block;
	int parts; /* bytes of an element of A: 2 or 3 */
	const struct rt_kernels *kernels;
	const uint8_t *w; /* NULL: this way is not taken */
	const float *scale, *zero;
};
/* rt_nbits_panels_bind(b, p, err): packs inputs 1 (weights), 2 (scales) and 3 (zero points), and
 * drops the weights, if they are constants of the right sizes and the kernel is fast; else p->w
 * stays NULL.  n, k, block and parts are set. */
int rt_nbits_panels_bind(struct rt_bind *b, struct rt_nbits_panels *p,
			 struct rt_error *err) RT_MUST_CHECK;
/* bytes */
size_t rt_nbits_panels_scratch(const struct rt_nbits_panels *p, int64_t rows, int threads);
/* rt_nbits_panels_run(p, r, rows, bias): input 0 [rows][k] → output 0 [rows][n]; bias [n] or NULL.
 */
void rt_nbits_panels_run(const struct rt_nbits_panels *p, const struct rt_run *r, int64_t rows,
			 const float *bias);

#endif
