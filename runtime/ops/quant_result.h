/* SPDX-License-Identifier: MIT */
/*
 * quant_result.h — how operators of the larder domain that compute as the
 * reference kernels of TensorFlow Lite do say what their results are:
 *
 *	to           "int8", "uint8", "int16", "int32"
 *	mult, shift  ints: multipliers (fixed.h), one or one per channel
 *	y_zero       added to what was multiplied
 *	lo, hi       bounds of the result
 */
#ifndef LARDER_RUNTIME_OPS_QUANT_RESULT_H
#define LARDER_RUNTIME_OPS_QUANT_RESULT_H

#include "runtime/fixed.h"
#include "runtime/op.h"

struct rt_quant_result {
	enum rt_dtype type;
	int32_t zero, lo, hi;
	int count; /* of multipliers */
	const int32_t *mult, *shift;
};

rt_op_type_f rt_quant_result_type; /* output 0 is what `to` says */
/* rt_quant_result_read(b, out, err): the attributes; multipliers are copied with bind's memory,
 * ${out->count} 0 when the node has none. */
int rt_quant_result_read(struct rt_bind *b, struct rt_quant_result *out,
			 struct rt_error *err) RT_MUST_CHECK;
/* rt_quant_result_limits(t, lo, hi): of an integer type of at most 32 bits. */
void rt_quant_result_limits(enum rt_dtype t, int32_t *lo, int32_t *hi);

/* Elements of tensors of these types. */
static inline int32_t rt_quant_result_get(enum rt_dtype t, const void *data, int64_t i)
{
	return t == RT_I8    ? ((const int8_t *)data)[i]
	       : t == RT_U8  ? ((const uint8_t *)data)[i]
	       : t == RT_I16 ? ((const int16_t *)data)[i]
			     : ((const int32_t *)data)[i];
}

static inline void rt_quant_result_put(enum rt_dtype t, void *data, int64_t i, int64_t y)
{
	if (t == RT_I16)
		((int16_t *)data)[i] = (int16_t)y;
	else if (t == RT_I32)
		((int32_t *)data)[i] = (int32_t)y;
	else
		((uint8_t *)data)[i] = (uint8_t)y;
}

#endif
