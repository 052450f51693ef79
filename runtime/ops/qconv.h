/* SPDX-License-Identifier: MIT */
/*
 * qconv.h — the int16 product that plain integer operators share.
 */
#ifndef LARDER_RUNTIME_OPS_QCONV_H
#define LARDER_RUNTIME_OPS_QCONV_H

#include <stdint.h>

/* rt_qconv_dot(n, a, b): Σ a[i]·b[i], wrapping; every element is within −255..255. */
int32_t rt_qconv_dot(int64_t n, const int16_t *a, const int16_t *b);

#endif
