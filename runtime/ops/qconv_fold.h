/* SPDX-License-Identifier: MIT */
/*
 * qconv_fold.h — depthwise convolutions of few channels.  Private to qconv_nhwc.c.
 */
#ifndef LARDER_RUNTIME_OPS_QCONV_FOLD_H
#define LARDER_RUNTIME_OPS_QCONV_FOLD_H

#include "runtime/ops/qconv.h"

/*
 * rt_qconv_fold_bind(b, c, w, err): makes *${c} of this form (c->fold > 1) where it
 * pays: results are bytes, the columns constant, and two pixels or more fill a vector.
 * ${w}: the weights as they came, [M][kh][kw].  After all else of bind.
 */
int rt_qconv_fold_bind(struct rt_bind *b, struct rt_qconv_nhwc *c, const uint8_t *w,
		       struct rt_error *err) RT_MUST_CHECK;
/* rt_qconv_fold_infer(f, c, st, err): st->each and scratch_bytes. */
int rt_qconv_fold_infer(struct rt_infer *f, const struct rt_qconv_nhwc *c,
			struct rt_qconv_nhwc_shape *st, struct rt_error *err) RT_MUST_CHECK;
/* rt_qconv_fold_run(r, c, st, finish, x_zero): ${finish} as for one row of pixels. */
void rt_qconv_fold_run(const struct rt_run *r, const struct rt_qconv_nhwc *c,
		       const struct rt_qconv_nhwc_shape *st, const struct rt_i8_finish *finish,
		       uint8_t x_zero);

#endif
