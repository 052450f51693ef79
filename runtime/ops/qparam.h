/* SPDX-License-Identifier: MIT */
/*
 * qparam.h — scale and zero point of an 8-bit tensor, as the QLinear operators
 * of com.microsoft have them: one number each, the zero point 0 if it is left
 * out.
 *
 *	real = scale · (q − zero)        q = saturate(round(real / scale) + zero)
 *
 * Rounding is to nearest even; NaN becomes the least value.
 */
#ifndef LARDER_RUNTIME_OPS_QPARAM_H
#define LARDER_RUNTIME_OPS_QPARAM_H

#include "runtime/kernels/kernels.h"
#include "runtime/op.h"
#include "runtime/team.h"

struct rt_qparam {
	float scale;
	int32_t zero;
	bool is_signed; /* int8, else uint8 */
};

/*
 * rt_qparam_check(f, t, scale, zero, err): inputs ${scale} (float32) and ${zero} (of the
 * 8-bit type ${t}, may be left out) have one element each.
 */
int rt_qparam_check(const struct rt_infer *f, enum rt_dtype t, int scale, int zero,
		    struct rt_error *err) RT_MUST_CHECK;
/* rt_qparam_read(r, t, scale, zero): what rt_qparam_check has seen. */
struct rt_qparam rt_qparam_read(const struct rt_run *r, enum rt_dtype t, int scale, int zero);

/* rt_qparam_reals(p, n, q, to): to[i] = scale · (q[i] − zero). */
void rt_qparam_reals(const struct rt_qparam *p, size_t n, const void *q, float *to);
/* rt_qparam_bytes(p, n, x, to): x[i] quantised. */
void rt_qparam_bytes(const struct rt_qparam *p, size_t n, const float *x, void *to);
/*
 * rt_qparam_extremes(team, kernels, n, x, scratch, to): the least and the largest of ${n} numbers,
 * on all threads; NaN if one of them is NaN, 0 and 0 where n is 0.  ${scratch} has
 * RT_QPARAM_EXTREMES bytes per thread of the team, aligned to 64.
 */
#define RT_QPARAM_EXTREMES 64
void rt_qparam_extremes(struct rt_team *team, const struct rt_kernels *kernels, size_t n,
			const float *x, void *scratch, float to[2]);
/* rt_qparam_all(p, to): what each of the 256 bytes stands for, by the byte. */
void rt_qparam_all(const struct rt_qparam *p, float to[256]);

#endif
