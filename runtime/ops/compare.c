/* SPDX-License-Identifier: MIT */
/*
 * compare.c — operators of two operands with a bool result, with broadcasting:
 * Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor.
 *
 * Opset changes that matter: from 7 on broadcasting is NumPy's; Equal (19)
 * compares strings.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/elementwise.h"
#include "runtime/ops/ops.h"

#define LOOP(op, id, T, expr)                                                                      \
	static void op##_##id(size_t n, const void *a, int sa, const void *b, int sb, void *out)   \
	{                                                                                          \
		const T *xs = a, *ys = b;                                                          \
		uint8_t *zs = out;                                                                 \
		for (size_t i = 0; i < n; i++) {                                                   \
			const T x = xs[sa ? i : 0], y = ys[sb ? i : 0];                            \
			zs[i] = (uint8_t)(expr);                                                   \
		}                                                                                  \
	}
#define LOOPS(id, T)                                                                               \
	LOOP(Equal, id, T, x == y)                                                                 \
	LOOP(Greater, id, T, x > y)                                                                \
	LOOP(GreaterOrEqual, id, T, x >= y)                                                        \
	LOOP(Less, id, T, x < y)                                                                   \
	LOOP(LessOrEqual, id, T, x <= y)
LOOPS(f32, float)
LOOPS(f64, double)
LOOPS(i8, int8_t)
LOOPS(i16, int16_t)
LOOPS(i32, int32_t)
LOOPS(i64, int64_t)
LOOPS(u8, uint8_t)
LOOPS(u16, uint16_t)
LOOPS(u32, uint32_t)
LOOPS(u64, uint64_t)
LOOP(Equal, bool, uint8_t, (x != 0) == (y != 0))
LOOP(And, bool, uint8_t, x != 0 && y != 0)
LOOP(Or, bool, uint8_t, x != 0 || y != 0)
LOOP(Xor, bool, uint8_t, (x != 0) != (y != 0))

static bool same_text(struct rt_str x, struct rt_str y)
{
	return x.size == y.size && (x.size == 0 || memcmp(x.bytes, y.bytes, x.size) == 0);
}
LOOP(Equal, str, struct rt_str, same_text(x, y))

#define NUMBERS(op)                                                                                \
	[RT_F32] = op##_f32, [RT_F64] = op##_f64, [RT_I8] = op##_i8, [RT_I16] = op##_i16,          \
	[RT_I32] = op##_i32, [RT_I64] = op##_i64, [RT_U8] = op##_u8, [RT_U16] = op##_u16,          \
	[RT_U32] = op##_u32, [RT_U64] = op##_u64

static const struct {
	const char *op_type;
	rt_elementwise_2_f *fn[RT_DTYPE_COUNT];
} functions[] = {
    {"Equal", {NUMBERS(Equal), [RT_BOOL] = Equal_bool, [RT_STR] = Equal_str}},
    {"Greater", {NUMBERS(Greater)}},
    {"GreaterOrEqual", {NUMBERS(GreaterOrEqual)}},
    {"Less", {NUMBERS(Less)}},
    {"LessOrEqual", {NUMBERS(LessOrEqual)}},
    {"And", {[RT_BOOL] = And_bool}},
    {"Or", {[RT_BOOL] = Or_bool}},
    {"Xor", {[RT_BOOL] = Xor_bool}},
};

static int compare_bind(struct rt_bind *b, struct rt_error *err)
{
	struct rt_elementwise_2 *e = b->state;
	enum rt_dtype t = rt_elementwise_bound(b, 0);

	if (rt_elementwise_bound(b, 1) != t)
		return rt_error_set(err, RT_MALFORMED, "input 0 is %s, but input 1 is %s",
				    rt_dtype_name(t), rt_dtype_name(rt_elementwise_bound(b, 1)));
	e->in = t;
	e->out = RT_BOOL;
	e->half = rt_elementwise_is_half(t);
	e->f16 = b->kernels->f16_convert;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strcmp(functions[i].op_type, b->node->op_type) == 0)
			e->fn = functions[i].fn[e->half ? RT_F32 : t];
	}
	if (e->fn == NULL)
		return rt_error_set(err, RT_UNSUPPORTED, "element type %s", rt_dtype_name(t));
	return RT_OK;
}

static void compare_run(const struct rt_run *r)
{
	rt_elementwise_2_run(r->state, r->team, r->shape_state, r->in[0].data, r->in[1].data,
			     r->out[0].data);
}

const struct rt_op rt_op_compare = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct rt_elementwise_2),
    .type = rt_op_type_bool,
    .bind = compare_bind,
    .infer = rt_elementwise_infer,
    .run = compare_run,
};

const struct rt_op rt_op_compare_6 = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct rt_elementwise_2),
    .type = rt_op_type_bool,
    .bind = compare_bind,
    .infer = rt_elementwise_infer_6,
    .run = compare_run,
};
