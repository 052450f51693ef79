/* SPDX-License-Identifier: MIT */
/*
 * Operators of one and two operands, element by element (ops/unary.c, binary.c,
 * compare.c, pow.c, clip.c, where.c): formulas in double precision for every
 * float type, exact cases for integers, broadcasting, refusals.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>

#include "runtime/ops/convert.h"
#include "tests/lib/op_case.h"
#include "tests/runtime/suites.h"

/* ---- formulas, in double ------------------------------------------------------------------------
 */

static double relu(double x)
{
	return x > 0 ? x : 0;
}
static double reciprocal(double x)
{
	return 1 / x;
}
static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}
static double softplus(double x)
{
	return log1p(exp(x));
}
static double softsign(double x)
{
	return x / (1 + fabs(x));
}
static double mish(double x)
{
	return x * tanh(log1p(exp(x)));
}
static double gelu(double x)
{
	return 0.5 * x * (1 + erf(x / sqrt(2)));
}
static double gelu_tanh(double x)
{
	return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
}
static double hard_sigmoid(double x)
{
	return fmax(0, fmin(1, 0.2 * x + 0.5));
}
static double hard_swish(double x)
{
	return x * fmax(0, fmin(1, x / 6 + 0.5));
}
static double elu(double x)
{
	return x > 0 ? x : 2 * (exp(x) - 1);
}
static double selu(double x)
{
	return 1.0507010221481323 * (x > 0 ? x : 1.6732631921768188 * (exp(x) - 1));
}
static double celu(double x)
{
	return fmax(0, x) + fmin(0, 2 * (exp(x / 2) - 1));
}
static double leaky(double x)
{
	return x < 0 ? 0.25 * x : x;
}
static double thresholded(double x)
{
	return x > 0.5 ? x : 0;
}
static double shrink(double x)
{
	return x < -1 ? x + 0.5 : x > 1 ? x - 0.5 : 0;
}
static double swish(double x)
{
	return x / (1 + exp(-1.5 * x));
}
static double sign(double x)
{
	return (x > 0) - (x < 0);
}
static double negative(double x)
{
	return -x;
}

static const struct {
	const char *op;
	int opset;
	const char *attrs;
	double (*f)(double x);
	double low, high;
} formulas[] = {
    {"Abs", 13, "", fabs, -5, 5},
    {"Acos", 22, "", acos, -0.99, 0.99},
    {"Acosh", 22, "", acosh, 1.01, 9},
    {"Asin", 22, "", asin, -0.99, 0.99},
    {"Asinh", 22, "", asinh, -9, 9},
    {"Atan", 22, "", atan, -9, 9},
    {"Atanh", 22, "", atanh, -0.9, 0.9},
    {"Ceil", 13, "", ceil, -9, 9},
    {"Celu", 12, "alpha=2.0", celu, -5, 5},
    {"Cos", 22, "", cos, -9, 9},
    {"Cosh", 22, "", cosh, -4, 4},
    {"Elu", 22, "alpha=2.0", elu, -5, 5},
    {"Erf", 13, "", erf, -3, 3},
    {"Exp", 13, "", exp, -6, 6},
    {"Floor", 13, "", floor, -9, 9},
    {"Gelu", 20, "", gelu, -5, 5},
    {"Gelu", 20, "approximate='tanh'", gelu_tanh, -5, 5},
    {"HardSigmoid", 22, "", hard_sigmoid, -5, 5},
    {"HardSwish", 22, "", hard_swish, -5, 5},
    {"LeakyRelu", 16, "alpha=0.25", leaky, -5, 5},
    {"Log", 13, "", log, 0.1, 9},
    {"Mish", 22, "", mish, -5, 5},
    {"Neg", 13, "", negative, -5, 5},
    {"Reciprocal", 13, "", reciprocal, 0.2, 5},
    {"Relu", 14, "", relu, -5, 5},
    {"Round", 22, "", nearbyint, -9, 9},
    {"Selu", 22, "", selu, -5, 5},
    {"Shrink", 9, "lambd=1.0 bias=0.5", shrink, -5, 5},
    {"Sigmoid", 13, "", sigmoid, -9, 9},
    {"Sign", 13, "", sign, -2, 2},
    {"Sin", 22, "", sin, -9, 9},
    {"Sinh", 22, "", sinh, -4, 4},
    {"Softplus", 22, "", softplus, -9, 9},
    {"Softsign", 22, "", softsign, -9, 9},
    {"Sqrt", 13, "", sqrt, 0.01, 9},
    {"Swish", 24, "alpha=1.5", swish, -5, 5},
    {"Tan", 22, "", tan, -1.2, 1.2},
    {"Tanh", 13, "", tanh, -5, 5},
    {"ThresholdedRelu", 22, "alpha=0.5", thresholded, -2, 2},
};

START_TEST(unary_formulas)
{
	static const struct {
		enum rt_dtype t;
		double error;
	} types[] = {{RT_F32, 2e-6}, {RT_F64, 1e-12}, {RT_F16, 1e-3}, {RT_BF16, 8e-3}};

	for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
		enum { N = 1037 };
		static _Alignas(8) char data[N * 8];
		struct rt_tensor in = {types[k].t, {1, {N}}, data}, out;

		for (int i = 0; i < N; i++) {
			double x = formulas[_i].low +
				   (formulas[_i].high - formulas[_i].low) * (i * 619 % N) / N;
			rt_convert_from_f64(in.dtype, &x, 1, data, i, true);
		}
		op_case_run(formulas[_i].op, formulas[_i].opset, formulas[_i].attrs, &in, 1, &out);
		ck_assert(out.dtype == in.dtype && rt_shape_equal(&out.shape, &in.shape));
		for (int i = 0; i < N; i++) {
			double x = rt_convert_get_f64(&in, i), want = formulas[_i].f(x);
			double got = rt_convert_get_f64(&out, i);
			ck_assert_msg(fabs(got - want) <= types[k].error * fmax(1, fabs(want)),
				      "%s(%g) as %s is %.9g, not %.9g", formulas[_i].op, x,
				      rt_dtype_name(in.dtype), got, want);
		}
		free(out.data);
	}
}
END_TEST

/* ---- cases ----------------------------------------------------------------------------------- */

static const struct op_case cases[] = {
    {"Abs", 13, "", "i8[4] -128 -1 0 127", "i8[4] -128 1 0 127"},
    {"Abs", 13, "", "u64[2] 1 18446744073709551615", "u64[2] 1 18446744073709551615"},
    {"Neg", 13, "", "i32[3] 5 -2147483648 0", "i32[3] -5 -2147483648 0"},
    {"Sign", 13, "", "i64[3] -9 0 9", "i64[3] -1 0 1"},
    {"Relu", 14, "", "i16[3] -5 0 5", "i16[3] 0 0 5"},
    {"BitwiseNot", 18, "", "u8[2] 0 240", "u8[2] 255 15"},
    {"Not", 1, "", "bool[3] 0 1 0", "bool[3] 1 0 1"},
    {"Round", 11, "", "f32[5] 0.5 1.5 2.5 -0.5 -1.5", "f32[5] 0 2 2 0 -2"},
    {"IsNaN", 20, "", "f16[3] nan 1 inf", "bool[3] 1 0 0"},
    {"IsNaN", 20, "", "f8[3] nan 1 inf", "bool[3] 1 0 0"},
    {"IsNaN", 20, "", "f8e4[3] nan 1 448", "bool[3] 1 0 0"},
    {"IsInf", 20, "detect_positive=0", "f8[4] -inf inf 1 nan", "bool[4] 1 0 0 0"},
    {"IsInf", 20, "", "f8e4[2] 448 nan", "bool[2] 0 0"},
    {"Erf", 13, "", "i32[5] -9 -3 0 1 9", "i32[5] -1 0 0 0 1"},
    {"IsInf", 20, "", "f32[4] -inf inf nan 1", "bool[4] 1 1 0 0"},
    {"IsInf", 20, "detect_negative=0", "f32[3] -inf inf nan", "bool[3] 0 1 0"},
    {"Relu", 14, "", "f32[2] nan -1", "f32[2] nan 0"},
    {"Abs", 13, "", "str[1] a", "refused: string"},
    /* broadcasting, in both directions and both at once */
    {"Add", 14, "", "f32[2,3] 1 2 3 4 5 6; f32[3] 10 20 30", "f32[2,3] 11 22 33 14 25 36"},
    {"Sub", 14, "", "f32[3] 1 2 3; f32[2,1] 10 20", "f32[2,3] -9 -8 -7 -19 -18 -17"},
    {"Mul", 14, "", "f32[2,1,2] 1 2 3 4; f32[3,1] 1 10 100",
     "f32[2,3,2] 1 2 10 20 100 200 3 4 30 40 300 400"},
    {"Div", 14, "", "f32[] 6; f32[2] 2 4", "f32[2] 3 1.5"},
    {"Add", 14, "", "f32[0,3]; f32[3] 1 2 3", "f32[0,3]"},
    {"Add", 14, "", "f32[2] 1 2; f32[3] 1 2 3", "refused: does not broadcast"},
    {"Add", 14, "", "f32[2] 1 2; f64[2] 1 2", "refused: float64"},
    {"Add", 14, "", "f16[3] 1 2 3; f16[1] 0.5", "f16[3] 1.5 2.5 3.5"},
    {"Add", 14, "", "bf16[2] 1 2; bf16[2] 3 4", "bf16[2] 4 6"},
    /* integers wrap; division by zero is 0 */
    {"Add", 14, "", "i8[2] 127 -128; i8[2] 1 -1", "i8[2] -128 127"},
    {"Mul", 14, "", "u16[1] 65535; u16[1] 65535", "u16[1] 1"},
    {"Div", 14, "", "i32[4] 7 -7 5 -2147483648; i32[4] 2 2 0 -1", "i32[4] 3 -3 0 -2147483648"},
    {"Div", 14, "", "u8[2] 200 7; u8[2] 3 2", "u8[2] 66 3"},
    {"Mod", 13, "", "i64[4] -4 7 5 -7; i64[4] 3 -3 8 -3", "i64[4] 2 -2 5 -1"},
    {"Mod", 13, "fmod=1", "i64[3] -4 7 5; i64[3] 3 -3 8", "i64[3] -1 1 5"},
    {"Mod", 13, "fmod=1", "f32[2] -4.5 7.5; f32[2] 3 -3", "f32[2] -1.5 1.5"},
    {"Mod", 13, "", "u8[2] 7 7; u8[2] 0 4", "u8[2] 0 3"},
    {"BitShift", 11, "direction='LEFT'", "u8[3] 1 255 3; u8[3] 7 1 9", "u8[3] 128 254 0"},
    {"BitShift", 11, "direction='RIGHT'", "u32[2] 16 4; u32[2] 1 40", "u32[2] 8 0"},
    {"BitShift", 11, "", "u8[1] 1; u8[1] 1", "refused: direction"},
    {"BitwiseAnd", 18, "", "i32[2] 6 -1; i32[2] 3 5", "i32[2] 2 5"},
    {"BitwiseXor", 18, "", "u64[1] 6; u64[1] 3", "u64[1] 5"},
    {"BitwiseOr", 18, "", "i8[1] 6; i8[1] 3", "i8[1] 7"},
    {"PRelu", 16, "", "f32[2,2] -1 2 -3 4; f32[2] 0.5 0.25", "f32[2,2] -0.5 2 -1.5 4"},
    {"PRelu", 16, "", "f32[2] 1 2; f32[2,2] 1 2 3 4", "refused: broadcast"},
    {"Pow", 15, "", "f32[3] 2 3 4; f32[] 2", "f32[3] 4 9 16"},
    {"Pow", 15, "", "f32[2] 2 9; i64[2] 3 1", "f32[2] 8 9"},
    {"Pow", 15, "", "i32[3] 2 -3 5; i32[3] 10 3 0", "i32[3] 1024 -27 1"},
    {"Pow", 15, "", "i64[2] 4 9; f32[2] 0.5 0.5", "i64[2] 2 3"},
    {"Pow", 15, "", "i64[2] 3 2; i32[] 5", "i64[2] 243 32"},
    /* folds */
    {"Sum", 13, "", "f32[2] 1 2; f32[1] 10; f32[2,1] 100 200", "f32[2,2] 111 112 211 212"},
    {"Mean", 13, "", "f32[2] 1 2; f32[2] 3 4; f32[2] 5 9", "f32[2] 3 5"},
    {"Max", 13, "", "i32[3] 1 5 -3", "i32[3] 1 5 -3"},
    {"Max", 13, "", "f32[3] 1 nan 3; f32[3] 2 2 nan", "f32[3] 2 nan nan"},
    {"Min", 13, "", "u8[2] 3 200; u8[2] 4 100; u8[1] 150", "u8[2] 3 100"},
    /* comparisons and logic */
    {"Equal", 19, "", "str[2] ab ''; str[2] ab x", "bool[2] 1 0"},
    {"Equal", 13, "", "f16[2] 1 2; f16[1] 2", "bool[2] 0 1"},
    {"Greater", 13, "", "u64[2] 18446744073709551615 0; u64[2] 1 1", "bool[2] 1 0"},
    {"Less", 13, "", "f32[3] 1 nan 3; f32[] 2", "bool[3] 1 0 0"},
    {"LessOrEqual", 16, "", "i8[2] -1 2; i8[2] -1 1", "bool[2] 1 0"},
    {"GreaterOrEqual", 16, "", "f64[2] 1 2; f64[2] 2 2", "bool[2] 0 1"},
    {"And", 7, "", "bool[2,1] 1 0; bool[2] 1 0", "bool[2,2] 1 0 0 0"},
    {"Or", 7, "", "bool[2] 1 0; bool[2] 0 0", "bool[2] 1 0"},
    {"Xor", 7, "", "bool[2] 1 1; bool[2] 0 1", "bool[2] 1 0"},
    {"Where", 16, "", "bool[2,1] 1 0; f32[2] 1 2; f32[1] 9", "f32[2,2] 1 2 9 9"},
    {"Where", 16, "", "bool[2] 0 1; str[2] a b; str[2] c d", "str[2] c b"},
    {"Where", 16, "", "bool[1] 1; i64[1] 4; i32[1] 5", "refused: int32"},
    {"Clip", 13, "", "f32[4] -2 0 2 nan; f32[] -1; f32[] 1", "f32[4] -1 0 1 nan"},
    {"Clip", 13, "", "i8[3] -9 0 9; -; i8[] 3", "i8[3] -9 0 3"},
    {"Clip", 13, "", "i64[2] -9 9; !i64[] -4", "i64[2] -4 9"},
    {"Clip", 6, "min=-1.0 max=0.5", "f32[3] -2 0 2", "f32[3] -1 0 0.5"},
    {"Clip", 13, "", "f16[2] -2 2; f16[] -1; f16[] 1", "f16[2] -1 1"},
    {"Clip", 13, "", "f32[1] 1; f32[2] 0 1", "refused: not one number"},
};

START_TEST(elementwise_cases)
{
	op_case_check(&cases[_i]);
}
END_TEST

Suite *check_runtime_ops_elementwise(void)
{
	Suite *s = suite_create("runtime/ops/elementwise");
	TCase *t = tcase_create("elementwise");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, unary_formulas, 0, sizeof(formulas) / sizeof(formulas[0]));
	tcase_add_loop_test(t, elementwise_cases, 0, sizeof(cases) / sizeof(cases[0]));
	suite_add_tcase(s, t);
	return s;
}
