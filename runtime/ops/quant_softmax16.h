/* SPDX-License-Identifier: MIT */
/*
 * quant_softmax16.h — softmax of int16 rows as the reference kernel of TensorFlow
 * Lite has it.  Private to quant_row.c.
 */
#ifndef LARDER_RUNTIME_OPS_QUANT_SOFTMAX16_H
#define LARDER_RUNTIME_OPS_QUANT_SOFTMAX16_H

#include <stdint.h>

#define RT_QUANT_SOFTMAX16_STEPS 512

struct rt_quant_softmax16 {
	/* e^x from −10 to 0, 1 / (1 + x) from 0 to 1, in 32768ths */
	int16_t power[RT_QUANT_SOFTMAX16_STEPS + 1], inverse[RT_QUANT_SOFTMAX16_STEPS + 1];
	int32_t mult; /* differences to 65535ths of 10 */
	int shift;
};

/* rt_quant_softmax16_init(s, scale): the tables; ${scale} of an element, times beta. */
void rt_quant_softmax16_init(struct rt_quant_softmax16 *s, float scale);
/* rt_quant_softmax16_row(s, n, x, y): x, y [n]; in 32768ths. */
void rt_quant_softmax16_row(const struct rt_quant_softmax16 *s, int64_t n, const int16_t *x,
			    int16_t *y);

#endif
