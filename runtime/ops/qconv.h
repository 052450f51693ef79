/* SPDX-License-Identifier: MIT */
/*
 * qconv.h — what the convolutions of bytes share: which input is what, the int16
 * product of the plain form, and the form on kernels for bytes (qconv_nhwc.c).
 */
#ifndef LARDER_RUNTIME_OPS_QCONV_H
#define LARDER_RUNTIME_OPS_QCONV_H

#include "runtime/kernels/i8_product.h"
#include "runtime/ops/activation.h"
#include "runtime/ops/spatial.h"

/* rt_qconv_dot(n, a, b): Σ a[i]·b[i], wrapping; every element is within −255..255. */
int32_t rt_qconv_dot(int64_t n, const int16_t *a, const int16_t *b);

/* Which input is what; −1 = there is none.  x is input 0. */
struct rt_qconv_inputs {
	int w, bias, x_zero, w_zero, y_zero, x_scale, w_scale, y_scale;
	int real_bias; /* float32, added to float32 results */
};

/* Once per model: weights packed for channels-last tensors. */
struct rt_qconv_nhwc {
	const struct rt_kernels *kernels;
	const struct rt_qconv_inputs *at;
	int rank; /* spatial dims: 1 or 2 */
	int64_t group, out_channels, in_per_group;
	int64_t kernel[2]; /* height, width */
	bool x_signed, w_signed, is_depthwise;
	bool flips;             /* rows of X are copied, int8 as uint8 */
	bool a_signed;          /* what the product is of, then */
	const uint8_t *w;       /* NULL: this form can't be used */
	const int32_t *sums;    /* [out_channels] of packed weights */
	size_t each;            /* bytes of a packed group */
	int32_t *add, *row_mul; /* [out_channels], when everything they are made of is constant */
	float *scale;
	bool rows; /* row_mul is not all 0 */
	int64_t
	    fold; /* pixels that are one (qconv_fold.h), else 0; weights, add and scale are so */
	struct rt_activation act;
	float lo, hi; /* of a quantised result, before the zero point is added; ±inf */
};
struct rt_qconv_nhwc_shape {
	struct rt_spatial s;
	int64_t batch;
	size_t columns, pointers, sums, each; /* bytes of scratch: of columns; per thread */
	int64_t pixels;                       /* depthwise: of a run */
	size_t line;                          /* of qconv_fold.c: bytes of a row of input */
};

/* rt_qconv_nhwc_bind(b, at, c, err): packs where this form can be used (constant weights, one or
 * two spatial dims); else c->w stays NULL. */
int rt_qconv_nhwc_bind(struct rt_bind *b, const struct rt_qconv_inputs *at, struct rt_qconv_nhwc *c,
		       struct rt_error *err) RT_MUST_CHECK;
/* rt_qconv_nhwc_infer(f, c, s, out, err): ${s}: the geometry; sets scratch_bytes. */
int rt_qconv_nhwc_infer(struct rt_infer *f, const struct rt_qconv_nhwc *c,
			const struct rt_spatial *s, struct rt_qconv_nhwc_shape **out,
			struct rt_error *err) RT_MUST_CHECK;
void rt_qconv_nhwc_run(const struct rt_run *r, const struct rt_qconv_nhwc *c,
		       const struct rt_qconv_nhwc_shape *st);

#endif
