/* SPDX-License-Identifier: MIT */
/*
 * quant_result.c — see quant_result.h.  Called by ops/quant_*.c and qconv.c.
 */
#include <config.h>

#include "runtime/ops/quant_result.h"

#define MULTIPLIERS_MAX (1 << 24)

static enum rt_dtype type_of(const struct rt_node *n)
{
	return rt_node_string_is(n, "to", "int8", "")    ? RT_I8
	       : rt_node_string_is(n, "to", "uint8", "") ? RT_U8
	       : rt_node_string_is(n, "to", "int16", "") ? RT_I16
							 : RT_I32;
}

int rt_quant_result_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			 struct rt_error *err)
{
	(void)g, (void)err;
	out[0] = type_of(n);
	return RT_OK;
}

void rt_quant_result_limits(enum rt_dtype t, int32_t *lo, int32_t *hi)
{
	*lo = t == RT_U8 ? 0 : t == RT_I8 ? -128 : t == RT_I16 ? -32768 : INT32_MIN;
	*hi = t == RT_U8 ? 255 : t == RT_I8 ? 127 : t == RT_I16 ? 32767 : INT32_MAX;
}

int rt_quant_result_read(struct rt_bind *b, struct rt_quant_result *out, struct rt_error *err)
{
	const struct rt_node *n = b->node;
	int64_t count, shifts;
	const int64_t *mult = rt_node_ints(n, "mult", &count);
	const int64_t *shift = rt_node_ints(n, "shift", &shifts);
	int32_t lo, hi, *to;

	*out = (struct rt_quant_result){.type = type_of(n)};
	rt_quant_result_limits(out->type, &lo, &hi);
	out->zero = (int32_t)rt_node_int(n, "y_zero", 0);
	out->lo = (int32_t)rt_fixed_clamp(rt_node_int(n, "lo", lo), lo, hi);
	out->hi = (int32_t)rt_fixed_clamp(rt_node_int(n, "hi", hi), out->lo, hi);
	if (count == 0)
		return RT_OK;
	if (shifts != count || count > MULTIPLIERS_MAX)
		return rt_error_set(err, RT_MALFORMED, "multipliers and shifts do not pair");
	to = rt_bind_alloc(b, (size_t)count * 2 * sizeof(*to));
	if (to == NULL)
		return rt_error_set(err, RT_MEMORY, "no memory for multipliers");
	for (int64_t i = 0; i < count; i++) {
		if (mult[i] < 0 || mult[i] > INT32_MAX || shift[i] < -31 || shift[i] > 30)
			return rt_error_set(err, RT_MALFORMED, "a multiplier out of range");
		to[i] = (int32_t)mult[i];
		to[count + i] = (int32_t)shift[i];
	}
	out->count = (int)count;
	out->mult = to;
	out->shift = to + count;
	return RT_OK;
}
