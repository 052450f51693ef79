/* SPDX-License-Identifier: MIT */
/*
 * unary.c — operators of one operand, element by element, activations among
 * them: formulas in unary.body.h, one row of `functions` per operator.
 *
 * Opset changes that matter: none of meaning.  HardSwish (14) is HardSigmoid
 * with 1/6 and 1/2 times x; Gelu (20) has the attribute `approximate`; Swish
 * (24) has `alpha`; IsInf (10) chooses signs.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/elementwise.h"
#include "runtime/ops/ops.h"

/* ---- loops --------------------------------------------------------------------------------------
 */

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define LOOP(op, expr)                                                                             \
	static void PASTE(op, ID)(size_t n, const void *in, void *out, const double *p)            \
	{                                                                                          \
		const T *xs = in;                                                                  \
		T *ys = out;                                                                       \
		const T a = (T)p[0], b = (T)p[1];                                                  \
		(void)a, (void)b;                                                                  \
		for (size_t i = 0; i < n; i++) {                                                   \
			const T x = xs[i];                                                         \
			ys[i] = (T)(expr);                                                         \
		}                                                                                  \
	}
#define TEST(op, expr)                                                                             \
	static void PASTE(op, ID)(size_t n, const void *in, void *out, const double *p)            \
	{                                                                                          \
		const T *xs = in;                                                                  \
		uint8_t *ys = out;                                                                 \
		const T a = (T)p[0], b = (T)p[1];                                                  \
		(void)a, (void)b;                                                                  \
		for (size_t i = 0; i < n; i++) {                                                   \
			const T x = xs[i];                                                         \
			ys[i] = (uint8_t)((expr) != 0);                                            \
		}                                                                                  \
	}

#define ID _f32
#define T float
#define F(name) name##f
#include "runtime/ops/unary.body.h"
#define ID _f64
#define T double
#define F(name) name
#include "runtime/ops/unary.body.h"

/* Shrink of an integer: its attributes are floats; what comes out is truncated. */
static int64_t shrunk(double x, const double *p)
{
	double y = x < -p[0] ? x + p[1] : x > p[0] ? x - p[1] : 0;

	return (int64_t)fmin(fmax(y, -9e18), 9e18);
}

#define NEGATIVE (x < 0)
#define ID _i8
#define T int8_t
#include "runtime/ops/unary_int.body.h"
#define ID _i16
#define T int16_t
#include "runtime/ops/unary_int.body.h"
#define ID _i32
#define T int32_t
#include "runtime/ops/unary_int.body.h"
#define ID _i64
#define T int64_t
#include "runtime/ops/unary_int.body.h"
#undef NEGATIVE
#define NEGATIVE 0
#define ID _u8
#define T uint8_t
#include "runtime/ops/unary_int.body.h"
#define ID _u16
#define T uint16_t
#include "runtime/ops/unary_int.body.h"
#define ID _u32
#define T uint32_t
#include "runtime/ops/unary_int.body.h"
#define ID _u64
#define T uint64_t
#include "runtime/ops/unary_int.body.h"
#define ID _bool
#define T uint8_t
TEST(Not, x == 0)
#undef ID

/* 8-bit floats: which bits are NaN, which infinite. */
#define SIGNED_INF(inf) ((x & 0x7f) == (inf) && (x < 0x80 ? a != 0 : b != 0))
#define ID _e4m3fn
TEST(IsNaN, (x & 0x7f) == 0x7f)
#undef ID
#define ID _fnuz
TEST(IsNaN, x == 0x80)
#undef ID
#define ID _e5m2
TEST(IsNaN, (x & 0x7f) > 0x7c)
TEST(IsInf, SIGNED_INF(0x7c))
#undef ID
#define ID _e8m0
TEST(IsNaN, x == 0xff)
#undef ID
#define ID _never
TEST(IsInf, (x & 0) != 0)
#undef ID
#undef T

/* ---- which loop an operator takes ------------------------------------------------------------ */

#define NO_KERNEL RT_UNARY_COUNT
#define FLOATS(op) [RT_F32] = op##_f32, [RT_F64] = op##_f64
#define INTS(op)                                                                                   \
	[RT_I8] = op##_i8, [RT_I16] = op##_i16, [RT_I32] = op##_i32, [RT_I64] = op##_i64,          \
	[RT_U8] = op##_u8, [RT_U16] = op##_u16, [RT_U32] = op##_u32, [RT_U64] = op##_u64

static const struct function {
	const char *op_type;
	int kernel;           /* enum rt_unary: what float32 uses */
	const char *names[2]; /* attributes of a and b */
	double defaults[2];
	rt_elementwise_1_f *fn[RT_DTYPE_COUNT];
} functions[] = {
    {"Abs", RT_UNARY_ABS, {0}, {0}, {FLOATS(Abs), INTS(Abs)}},
    {"Acos", NO_KERNEL, {0}, {0}, {FLOATS(Acos)}},
    {"Acosh", NO_KERNEL, {0}, {0}, {FLOATS(Acosh)}},
    {"Asin", NO_KERNEL, {0}, {0}, {FLOATS(Asin)}},
    {"Asinh", NO_KERNEL, {0}, {0}, {FLOATS(Asinh)}},
    {"Atan", NO_KERNEL, {0}, {0}, {FLOATS(Atan)}},
    {"Atanh", NO_KERNEL, {0}, {0}, {FLOATS(Atanh)}},
    {"BitwiseNot", NO_KERNEL, {0}, {0}, {INTS(BitwiseNot)}},
    {"Ceil", RT_UNARY_CEIL, {0}, {0}, {FLOATS(Ceil)}},
    {"Celu", NO_KERNEL, {"alpha"}, {1}, {FLOATS(Celu)}},
    {"Cos", NO_KERNEL, {0}, {0}, {FLOATS(Cos)}},
    {"Cosh", NO_KERNEL, {0}, {0}, {FLOATS(Cosh)}},
    {"Elu", RT_UNARY_ELU, {"alpha"}, {1, 1}, {FLOATS(Elu)}},
    {"Erf", RT_UNARY_ERF, {0}, {0}, {FLOATS(Erf), INTS(Erf)}},
    {"Exp", RT_UNARY_EXP, {0}, {0}, {FLOATS(Exp)}},
    {"Floor", RT_UNARY_FLOOR, {0}, {0}, {FLOATS(Floor)}},
    {"Gelu", RT_UNARY_GELU, {0}, {0}, {FLOATS(Gelu)}},
    {"GeluTanh", RT_UNARY_GELU_TANH, {0}, {0}, {FLOATS(GeluTanh)}},
    {"HardSigmoid", RT_UNARY_HARD_SIGMOID, {"alpha", "beta"}, {0.2, 0.5}, {FLOATS(HardSigmoid)}},
    {"HardSwish", RT_UNARY_HARD_SWISH, {0}, {0}, {FLOATS(HardSwish)}},
    {"IsInf",
     NO_KERNEL,
     {"detect_positive", "detect_negative"},
     {1, 1},
     {FLOATS(IsInf), [RT_F8E5M2] = IsInf_e5m2, [RT_F8E4M3FN] = IsInf_never,
      [RT_F8E4M3FNUZ] = IsInf_never, [RT_F8E5M2FNUZ] = IsInf_never, [RT_F8E8M0] = IsInf_never}},
    {"IsNaN",
     NO_KERNEL,
     {0},
     {0},
     {FLOATS(IsNaN), [RT_F8E5M2] = IsNaN_e5m2, [RT_F8E4M3FN] = IsNaN_e4m3fn,
      [RT_F8E4M3FNUZ] = IsNaN_fnuz, [RT_F8E5M2FNUZ] = IsNaN_fnuz, [RT_F8E8M0] = IsNaN_e8m0}},
    {"LeakyRelu", RT_UNARY_LEAKY_RELU, {"alpha"}, {0.01}, {FLOATS(LeakyRelu)}},
    {"Log", RT_UNARY_LOG, {0}, {0}, {FLOATS(Log)}},
    {"Mish", RT_UNARY_MISH, {0}, {0}, {FLOATS(Mish)}},
    {"Neg", RT_UNARY_NEG, {0}, {0}, {FLOATS(Neg), INTS(Neg)}},
    {"Not", NO_KERNEL, {0}, {0}, {[RT_BOOL] = Not_bool}},
    {"Reciprocal", RT_UNARY_RECIPROCAL, {0}, {0}, {FLOATS(Reciprocal)}},
    {"Relu", RT_UNARY_RELU, {0}, {0}, {FLOATS(Relu), INTS(Relu)}},
    {"Round", RT_UNARY_ROUND, {0}, {0}, {FLOATS(Round)}},
    {"Selu",
     RT_UNARY_ELU,
     {"alpha", "gamma"},
     {1.67326319217681884765625, 1.05070102214813232421875},
     {FLOATS(Elu)}},
    {"Shrink", NO_KERNEL, {"lambd", "bias"}, {0.5, 0}, {FLOATS(Shrink), INTS(Shrink)}},
    {"Sigmoid", RT_UNARY_SIGMOID, {0}, {0}, {FLOATS(Sigmoid)}},
    {"Sign", NO_KERNEL, {0}, {0}, {FLOATS(Sign), INTS(Sign)}},
    {"Sin", NO_KERNEL, {0}, {0}, {FLOATS(Sin)}},
    {"Sinh", NO_KERNEL, {0}, {0}, {FLOATS(Sinh)}},
    {"Softplus", RT_UNARY_SOFTPLUS, {0}, {0}, {FLOATS(Softplus)}},
    {"Softsign", RT_UNARY_SOFTSIGN, {0}, {0}, {FLOATS(Softsign)}},
    {"Sqrt", RT_UNARY_SQRT, {0}, {0}, {FLOATS(Sqrt)}},
    {"Swish", RT_UNARY_SILU, {"alpha"}, {1}, {FLOATS(Swish)}},
    {"Tan", NO_KERNEL, {0}, {0}, {FLOATS(Tan)}},
    {"Tanh", RT_UNARY_TANH, {0}, {0}, {FLOATS(Tanh)}},
    {"ThresholdedRelu", NO_KERNEL, {"alpha"}, {1}, {FLOATS(ThresholdedRelu)}},
};

static const struct function *function_find(const struct rt_node *n)
{
	const char *name = n->op_type;

	if (strcmp(name, "Gelu") == 0 && rt_node_string_is(n, "approximate", "tanh", "none"))
		name = "GeluTanh";
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strcmp(functions[i].op_type, name) == 0)
			return &functions[i];
	}
	return NULL;
}

/* ---- the operator ---------------------------------------------------------------------------- */

static int unary_bind(struct rt_bind *b, struct rt_error *err)
{
	struct rt_elementwise_1 *e = b->state;
	const struct function *f = function_find(b->node);
	enum rt_dtype as;

	must(f != NULL);
	e->in = rt_elementwise_bound(b, 0);
	e->out = rt_elementwise_bound_out(b, 0);
	e->half = rt_elementwise_is_half(e->in);
	as = e->half ? RT_F32 : e->in;
	e->fn = f->fn[as];
	if (e->fn == NULL)
		return rt_error_set(err, RT_UNSUPPORTED, "element type %s", rt_dtype_name(e->in));
	for (int i = 0; i < 2; i++) {
		const struct rt_attr *a = f->names[i] ? rt_node_attr(b->node, f->names[i]) : NULL;
		e->p[i] = f->defaults[i];
		if (a != NULL)
			e->p[i] = a->kind == RT_ATTR_INT ? (double)a->i : (double)a->f;
	}
	e->f16 = b->kernels->f16_convert;
	e->kernel_params = (struct rt_unary_params){(float)e->p[0], (float)e->p[1]};
	if (as == RT_F32 && f->kernel != NO_KERNEL)
		e->kernel = b->kernels->f32_unary->fn[f->kernel];
	return RT_OK;
}

static void unary_run(const struct rt_run *r)
{
	rt_elementwise_1_run(r->state, r->team, rt_tensor_elems(&r->in[0]), r->in[0].data,
			     r->out[0].data);
}

const struct rt_op rt_op_unary = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .alias_inputs = 1,
    .state_bytes = sizeof(struct rt_elementwise_1),
    .bind = unary_bind,
    .infer = rt_op_infer_same,
    .run = unary_run,
};

/* IsNaN, IsInf: outputs are bool. */
const struct rt_op rt_op_unary_test = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct rt_elementwise_1),
    .type = rt_op_type_bool,
    .bind = unary_bind,
    .infer = rt_op_infer_same,
    .run = unary_run,
};
