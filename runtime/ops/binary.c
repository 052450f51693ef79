/* SPDX-License-Identifier: MIT */
/*
 * binary.c — arithmetic of two operands and their folds, with broadcasting:
 * Add Sub Mul Div Pow Mod PRelu BitShift Bitwise*, Min Max Sum Mean.
 *
 * Opset changes that matter: from 7 on broadcasting is NumPy's (before: the
 * attributes `broadcast` and `axis`, rt_op_binary_6); PRelu's slope broadcasts to x
 * alone; Pow (12) lets the exponent have another type; Mod has `fmod`: the sign
 * of the dividend instead of the divisor.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/binary.h"
#include "runtime/ops/ops.h"

/* ---- loops --------------------------------------------------------------------------------------
 */

/* x to the power y, wrapping; a negative exponent leaves only ±1. */
static uint64_t power(uint64_t x, bool is_signed, bool negative, uint64_t y)
{
	uint64_t p = 1;

	if (negative)
		return x == 1 ? 1 : is_signed && x == UINT64_MAX ? (y % 2 != 0 ? x : 1) : 0;
	for (; y != 0; y >>= 1, x *= x) {
		if (y % 2 != 0)
			p *= x;
	}
	return p;
}

/* The sign of the divisor, as for integers. */
static double floor_mod(double x, double y)
{
	double m = fmod(x, y);

	return m != 0 && (m < 0) != (y < 0) ? m + y : m;
}

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define LOOP(op, expr)                                                                             \
	static void PASTE(op, ID)(size_t n, const void *a, int sa, const void *b, int sb,          \
				  void *out)                                                       \
	{                                                                                          \
		const T *xs = a, *ys = b;                                                          \
		T *zs = out;                                                                       \
		if (sa && sb) {                                                                    \
			for (size_t i = 0; i < n; i++) {                                           \
				const T x = xs[i], y = ys[i];                                      \
				zs[i] = (T)(expr);                                                 \
			}                                                                          \
		} else if (sa) {                                                                   \
			const T y = ys[0];                                                         \
			for (size_t i = 0; i < n; i++) {                                           \
				const T x = xs[i];                                                 \
				zs[i] = (T)(expr);                                                 \
			}                                                                          \
		} else {                                                                           \
			const T x = xs[0];                                                         \
			for (size_t i = 0; i < n; i++) {                                           \
				const T y = ys[sb ? i : 0];                                        \
				zs[i] = (T)(expr);                                                 \
			}                                                                          \
		}                                                                                  \
	}

#define ID _f32
#define T float
#define F(name) name##f
#include "runtime/ops/binary.body.h"
#define ID _f64
#define T double
#define F(name) name
#include "runtime/ops/binary.body.h"
#define SIGNED 1
#define ID _i8
#define T int8_t
#include "runtime/ops/binary_int.body.h"
#define ID _i16
#define T int16_t
#include "runtime/ops/binary_int.body.h"
#define ID _i32
#define T int32_t
#include "runtime/ops/binary_int.body.h"
#define ID _i64
#define T int64_t
#include "runtime/ops/binary_int.body.h"
#undef SIGNED
#define SIGNED 0
#define ID _u8
#define T uint8_t
#include "runtime/ops/binary_int.body.h"
#define ID _u16
#define T uint16_t
#include "runtime/ops/binary_int.body.h"
#define ID _u32
#define T uint32_t
#include "runtime/ops/binary_int.body.h"
#define ID _u64
#define T uint64_t
#include "runtime/ops/binary_int.body.h"

/* ---- which loop an operator takes ------------------------------------------------------------ */

#define NO_KERNEL RT_BINARY_COUNT
#define FLOATS(op) [RT_F32] = op##_f32, [RT_F64] = op##_f64
#define INTS(op)                                                                                   \
	[RT_I8] = op##_i8, [RT_I16] = op##_i16, [RT_I32] = op##_i32, [RT_I64] = op##_i64,          \
	[RT_U8] = op##_u8, [RT_U16] = op##_u16, [RT_U32] = op##_u32, [RT_U64] = op##_u64

static const struct function {
	const char *op_type;
	int kernel; /* enum rt_binary: what float32 uses */
	rt_elementwise_2_f *fn[RT_DTYPE_COUNT];
} functions[] = {
    {"Add", RT_BINARY_ADD, {FLOATS(Add), INTS(Add)}},
    {"Sum", RT_BINARY_ADD, {FLOATS(Add), INTS(Add)}},
    {"Mean", RT_BINARY_ADD, {FLOATS(Add), INTS(Add)}},
    {"Sub", RT_BINARY_SUB, {FLOATS(Sub), INTS(Sub)}},
    {"Mul", RT_BINARY_MUL, {FLOATS(Mul), INTS(Mul)}},
    {"Div", RT_BINARY_DIV, {FLOATS(Div), INTS(Div)}},
    {"Pow", NO_KERNEL, {FLOATS(Pow), INTS(Pow)}},
    {"PRelu", RT_BINARY_PRELU, {FLOATS(PRelu), INTS(PRelu)}},
    {"Min", RT_BINARY_MIN, {FLOATS(Min), INTS(Min)}},
    {"Max", RT_BINARY_MAX, {FLOATS(Max), INTS(Max)}},
    {"Fmod", NO_KERNEL, {FLOATS(Fmod), INTS(Fmod)}},
    {"Mod", NO_KERNEL, {FLOATS(Mod), INTS(Mod)}},
    {"BitwiseAnd", NO_KERNEL, {INTS(BitwiseAnd)}},
    {"BitwiseOr", NO_KERNEL, {INTS(BitwiseOr)}},
    {"BitwiseXor", NO_KERNEL, {INTS(BitwiseXor)}},
    {"ShiftLeft", NO_KERNEL, {INTS(ShiftLeft)}},
    {"ShiftRight", NO_KERNEL, {INTS(ShiftRight)}},
};

rt_elementwise_2_f *rt_binary_loop(const char *name, enum rt_dtype t)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strcmp(functions[i].op_type, name) == 0)
			return functions[i].fn[t];
	}
	return NULL;
}

bool rt_binary_choose(struct rt_elementwise_2 *e, const char *name, enum rt_dtype t,
		      const struct rt_kernels *k)
{
	*e = (struct rt_elementwise_2){.in = t, .out = t, .half = rt_elementwise_is_half(t)};
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		const struct function *f = &functions[i];
		if (strcmp(f->op_type, name) != 0)
			continue;
		e->fn = f->fn[e->half ? RT_F32 : t];
		e->f16 = k->f16_convert;
		if (t == RT_F32 && f->kernel != NO_KERNEL) {
			e->vv = k->f32_binary->vv[f->kernel];
			e->vs = k->f32_binary->vs[f->kernel];
			e->sv = k->f32_binary->sv[f->kernel];
		}
		return e->fn != NULL;
	}
	return false;
}

/* ---- the operators --------------------------------------------------------------------------- */

struct binary {
	struct rt_elementwise_2 loop;
	struct rt_elementwise_2 scale; /* Mean: times 1/n, or by n for integers */
	bool mean;
};

static const char *loop_name(const struct rt_node *n)
{
	if (strcmp(n->op_type, "Mod") == 0)
		return rt_node_int(n, "fmod", 0) != 0 ? "Fmod" : "Mod";
	if (strcmp(n->op_type, "BitShift") == 0)
		return rt_node_string_is(n, "direction", "LEFT", "") ? "ShiftLeft" : "ShiftRight";
	return n->op_type;
}

static int binary_bind(struct rt_bind *b, struct rt_error *err)
{
	struct binary *s = b->state;
	enum rt_dtype t = rt_elementwise_bound(b, 0);

	for (int i = 1; i < b->node->in_count; i++) {
		if (rt_elementwise_bound(b, i) != t)
			return rt_error_set(err, RT_MALFORMED, "input 0 is %s, but input %d is %s",
					    rt_dtype_name(t), i,
					    rt_dtype_name(rt_elementwise_bound(b, i)));
	}
	if (strcmp(b->node->op_type, "BitShift") == 0 &&
	    !rt_node_string_is(b->node, "direction", "LEFT", "") &&
	    !rt_node_string_is(b->node, "direction", "RIGHT", ""))
		return rt_error_set(err, RT_MALFORMED, "direction is neither LEFT nor RIGHT");
	s->mean = strcmp(b->node->op_type, "Mean") == 0;
	if (!rt_binary_choose(&s->loop, loop_name(b->node), t, b->kernels) ||
	    !rt_binary_choose(&s->scale, "Div", t, b->kernels))
		return rt_error_set(err, RT_UNSUPPORTED, "element type %s", rt_dtype_name(t));
	return RT_OK;
}

static void binary_run(const struct rt_run *r)
{
	const struct binary *s = r->state;

	rt_elementwise_2_run(&s->loop, r->team, r->shape_state, r->in[0].data, r->in[1].data,
			     r->out[0].data);
}

const struct rt_op rt_op_binary = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .alias_inputs = 3,
    .state_bytes = sizeof(struct binary),
    .bind = binary_bind,
    .infer = rt_elementwise_infer,
    .run = binary_run,
};

const struct rt_op rt_op_binary_6 = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .alias_inputs = 1,
    .state_bytes = sizeof(struct binary),
    .bind = binary_bind,
    .infer = rt_elementwise_infer_6,
    .run = binary_run,
};

/* Before 7 a slope of rank 1 is one number per channel, or one for all. */
static int prelu_align_6(struct rt_infer *f, struct rt_error *err)
{
	struct rt_tensor in[2] = {f->in[0], f->in[1]};
	const struct rt_tensor *were = f->in;
	int status;

	for (int d = 2; d < in[0].shape.rank && in[1].shape.rank == 1; d++)
		in[1].shape.dims[d - 1] = 1;
	if (in[1].shape.rank == 1 && in[0].shape.rank > 1)
		in[1].shape.rank = in[0].shape.rank - 1;
	f->in = in;
	status = rt_elementwise_infer(f, err);
	f->in = were;
	return status;
}

static int prelu_infer(struct rt_infer *f, struct rt_error *err)
{
	char text[2][80];
	int status = f->node->opset < 7 ? prelu_align_6(f, err) : rt_elementwise_infer(f, err);

	if (status == RT_OK && !rt_shape_equal(&f->out[0].shape, &f->in[0].shape))
		return rt_error_set(err, RT_INPUT, "slope of shape %s does not broadcast to X, %s",
				    rt_shape_text(&f->in[1].shape, text[0], sizeof(text[0])),
				    rt_shape_text(&f->in[0].shape, text[1], sizeof(text[1])));
	return status;
}

const struct rt_op rt_op_prelu = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .alias_inputs = 1,
    .state_bytes = sizeof(struct binary),
    .bind = binary_bind,
    .infer = prelu_infer,
    .run = binary_run,
};

/* Sum, Mean, Min, Max: out = in 0 ∘ in 1, then out = out ∘ in k. */
static void fold_run(const struct rt_run *r)
{
	const struct binary *s = r->state;
	const struct rt_walk *walks = r->shape_state;
	void *out = r->out[0].data;

	if (r->in_count == 1) {
		rt_walk_copy(&walks[0], r->team, rt_dtype_bits(s->loop.in) / 8, out, r->in[0].data);
		return;
	}
	rt_elementwise_2_run(&s->loop, r->team, &walks[0], r->in[0].data, r->in[1].data, out);
	for (int k = 2; k < r->in_count; k++)
		rt_elementwise_2_run(&s->loop, r->team, &walks[k - 1], out, r->in[k].data, out);
	if (s->mean) {
		uint64_t n; /* room for one element of any type */
		struct rt_walk w;
		struct rt_shape one = {.rank = 0};
		const struct rt_shape *pair[2] = {&r->out[0].shape, &one};
		int64_t count = r->in_count;

		rt_convert_from_i64(s->loop.in, &count, 1, &n, 0);
		rt_walk_broadcast(&w, &r->out[0].shape, pair, 2);
		rt_elementwise_2_run(&s->scale, r->team, &w, out, &n, out);
	}
}

const struct rt_op rt_op_fold = {
    .in_min = 1,
    .in_max = RT_VARIADIC,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct binary),
    .bind = binary_bind,
    .infer = rt_elementwise_infer,
    .run = fold_run,
};
