/* SPDX-License-Identifier: MIT */
/*
 * Kernels that work on runs of elements: every variant that this machine can
 * run, against plain double arithmetic, at lengths around every vector width,
 * from pointers that are aligned to nothing, in place, and with what lies beyond
 * the output watched.
 */
#include <config.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "tests/runtime/suites.h"

#define LONGEST 70
#define CANARY 12345.0f

static uint32_t state = 1;

/* −range … range */
static float number(float range)
{
	state = state * 1103515245u + 12345u;
	return ((float)(state >> 8) * 0x1p-23f - 1.0f) * range;
}

static bool within(double want, float got, double abs_error, double rel_error)
{
	if (want != want || isinf(want) || fabs(want) > 3.4028235677973366e38)
		return want != want ? got != got : (float)want == got;
	return fabs((double)got - want) <= fmax(abs_error, rel_error * fabs(want));
}

/* ---- functions of one operand ---------------------------------------------------------------- */

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static double clamp(double x, double lo, double hi)
{
	return x < lo ? lo : x > hi ? hi : x;
}

/* The definition, in double. */
static double exact(enum rt_unary op, double x, double a, double b)
{
	switch (op) {
	case RT_UNARY_RELU:
		return x < 0 ? 0 : x;
	case RT_UNARY_LEAKY_RELU:
		return x < 0 ? a * x : x;
	case RT_UNARY_CLIP:
		return clamp(x, a, b);
	case RT_UNARY_ABS:
		return fabs(x);
	case RT_UNARY_NEG:
		return -x;
	case RT_UNARY_SQUARE:
		return x * x;
	case RT_UNARY_SQRT:
		return sqrt(x);
	case RT_UNARY_RECIPROCAL:
		return 1 / x;
	case RT_UNARY_FLOOR:
		return floor(x);
	case RT_UNARY_CEIL:
		return ceil(x);
	case RT_UNARY_ROUND:
		return rint(x);
	case RT_UNARY_AFFINE:
		return a * x + b;
	case RT_UNARY_EXP:
		return exp(x);
	case RT_UNARY_LOG:
		return log(x);
	case RT_UNARY_SIGMOID:
		return sigmoid(x);
	case RT_UNARY_TANH:
		return tanh(x);
	case RT_UNARY_ERF:
		return erf(x);
	case RT_UNARY_GELU:
		return x / 2 * erfc(-x / sqrt(2));
	case RT_UNARY_GELU_TANH:
		return x * sigmoid(2 * sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x));
	case RT_UNARY_SILU:
		return x * sigmoid(a * x);
	case RT_UNARY_HARD_SIGMOID:
		return clamp(a * x + b, 0, 1);
	case RT_UNARY_HARD_SWISH:
		return x * clamp(x / 6 + 0.5, 0, 1);
	case RT_UNARY_ELU:
		return b * (x > 0 ? x : a * expm1(x));
	case RT_UNARY_SOFTPLUS:
		return x > 30 ? x : log1p(exp(x));
	case RT_UNARY_SOFTSIGN:
		return x / (1 + fabs(x));
	case RT_UNARY_MISH:
		return x * tanh(x > 30 ? x : log1p(exp(x)));
	default:
		ck_abort_msg("no definition");
	}
}

static const struct {
	const char *name;
	double abs_error, rel_error;
} unaries[] = {
#define UNARY(id, name, abs, rel) {#name, abs, rel},
#include "runtime/kernels/unary.def"
#undef UNARY
};

static const struct {
	enum rt_cpu_level level;
	const char *name;
	const struct rt_f32_unary *variant;
} unary_rows[] = {
#define KERNEL(level, symbol) {level, #symbol, &symbol},
#include "runtime/kernels/f32_unary.def"
#undef KERNEL
};

#define ROWS(rows) (int)(sizeof(rows) / sizeof *(rows))

static bool takes(enum rt_unary op, float x)
{
	return (op != RT_UNARY_LOG && op != RT_UNARY_SQRT) || x >= 0;
}

START_TEST(unary_accuracy)
{
	enum { COUNT = 20011 };
	const struct rt_unary_params p = {0.75f, 1.25f};
	static float x[COUNT], y[COUNT];
	if (!rt_cpu_has(unary_rows[_i].level))
		return;
	for (int op = 0; op < RT_UNARY_COUNT; op++) {
		for (int i = 0; i < COUNT; i++)
			x[i] = (float)(i - COUNT / 2) * (50.0f / (float)(COUNT / 2)) *
			       (i % 3 == 0 ? 0.01f : 1.0f);
		unary_rows[_i].variant->fn[op](COUNT, x, y, &p);
		for (int i = 0; i < COUNT; i++) {
			double want = exact((enum rt_unary)op, (double)x[i], 0.75, 1.25);
			if (!takes((enum rt_unary)op, x[i]))
				continue;
			ck_assert_msg(within(want, y[i], unaries[op].abs_error + 1e-38,
					     unaries[op].rel_error),
				      "%s %s(%.9g) = %.9g instead of %.9g", unary_rows[_i].name,
				      unaries[op].name, (double)x[i], (double)y[i], want);
		}
	}
}
END_TEST

START_TEST(unary_extremes)
{
	static const float at[] = {0.0f,    1e-30f, -1e-30f, 88.0f,    -86.0f,    89.5f,
				   -110.0f, 1e6f,   -1e37f,  INFINITY, -INFINITY, 0x1p-140f};
	const enum rt_unary ops[] = {RT_UNARY_EXP, RT_UNARY_LOG,   RT_UNARY_SIGMOID,  RT_UNARY_TANH,
				     RT_UNARY_ERF, RT_UNARY_RELU,  RT_UNARY_SOFTPLUS, RT_UNARY_SQRT,
				     RT_UNARY_ABS, RT_UNARY_FLOOR, RT_UNARY_GELU_TANH};
	float x, y;
	if (!rt_cpu_has(unary_rows[_i].level))
		return;
	for (size_t o = 0; o < sizeof ops / sizeof *ops; o++) {
		for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
			if (!takes(ops[o], at[i]))
				continue;
			unary_rows[_i].variant->fn[ops[o]](1, &at[i], &y, NULL);
			ck_assert_msg(within(exact(ops[o], (double)at[i], 0, 0), y,
					     unaries[ops[o]].abs_error + 1.3e-38, 1e-6),
				      "%s %s(%g) = %g", unary_rows[_i].name, unaries[ops[o]].name,
				      (double)at[i], (double)y);
		}
	}
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		const struct rt_unary_params one = {1, 0};
		const double want =
		    isinf(at[i]) ? (double)at[i] : exact(RT_UNARY_SILU, (double)at[i], 1, 0);
		if (at[i] < -FLT_MAX) /* −∞ · 0 */
			continue;
		unary_rows[_i].variant->fn[RT_UNARY_SILU](1, &at[i], &y, &one);
		ck_assert_msg(within(want, y, unaries[RT_UNARY_SILU].abs_error, 1e-6),
			      "%s silu(%g) = %g", unary_rows[_i].name, (double)at[i], (double)y);
	}
	x = -1;
	unary_rows[_i].variant->fn[RT_UNARY_LOG](1, &x, &y, NULL);
	ck_assert(y != y);
	x = NAN;
	for (int op = 0; op < RT_UNARY_COUNT; op++) {
		const struct rt_unary_params p = {0.5f, 2.0f};
		unary_rows[_i].variant->fn[op](1, &x, &y, &p);
		ck_assert_msg(y != y, "%s %s(NaN)", unary_rows[_i].name, unaries[op].name);
	}
}
END_TEST

START_TEST(unary_lengths)
{
	const struct rt_unary_params p = {0.5f, 2.0f};
	float x[LONGEST + 3], y[LONGEST + 3], whole[LONGEST];
	if (!rt_cpu_has(unary_rows[_i].level))
		return;
	for (size_t i = 0; i < LONGEST + 3; i++)
		x[i] = fabsf(number(8)) + 0.01f;
	for (int op = 0; op < RT_UNARY_COUNT; op++) {
		unary_rows[_i].variant->fn[op](LONGEST, x + 1, whole, &p);
		for (size_t n = 0; n <= LONGEST; n++) {
			for (size_t i = 0; i < LONGEST + 3; i++)
				y[i] = i >= 1 && i <= n ? x[i] : CANARY;
			unary_rows[_i].variant->fn[op](n, y + 1, y + 1, &p);
			for (size_t i = 0; i < n; i++)
				ck_assert(within((double)whole[i], y[1 + i], 1e-6, 1e-6));
			ck_assert(y[0] == CANARY && y[n + 1] == CANARY && y[n + 2] == CANARY);
		}
	}
}
END_TEST

/* ---- functions of two operands ----------------------------------------------------------------
 */

static const struct {
	enum rt_cpu_level level;
	const char *name;
	const struct rt_f32_binary *variant;
} binary_rows[] = {
#define KERNEL(level, symbol) {level, #symbol, &symbol},
#include "runtime/kernels/f32_binary.def"
#undef KERNEL
};

static float two(enum rt_binary op, float a, float b)
{
	switch (op) {
	case RT_BINARY_ADD:
		return a + b;
	case RT_BINARY_SUB:
		return a - b;
	case RT_BINARY_MUL:
		return a * b;
	case RT_BINARY_DIV:
		return a / b;
	case RT_BINARY_MIN:
		return a != a ? a : b != b ? b : a < b ? a : b;
	case RT_BINARY_MAX:
		return a != a ? a : b != b ? b : a > b ? a : b;
	case RT_BINARY_PRELU:
		return a < 0 ? a * b : a;
	case RT_BINARY_SQDIFF:
		return (float)(((double)a - (double)b) * ((double)a - (double)b));
	default:
		ck_abort_msg("no definition");
	}
}

static bool alike(float want, float got)
{
	return want == got || (want != want && got != got) ||
	       fabsf(want - got) <= 2.4e-7f * fabsf(want);
}

START_TEST(binary)
{
	const struct rt_f32_binary *v = binary_rows[_i].variant;
	float a[LONGEST + 2], b[LONGEST + 2], y[LONGEST + 2];
	if (!rt_cpu_has(binary_rows[_i].level))
		return;
	for (size_t i = 0; i < LONGEST + 2; i++)
		a[i] = number(4), b[i] = number(4);
	a[5] = b[7] = a[20] = b[20] = NAN;
	a[9] = INFINITY, b[11] = -INFINITY;
	for (int i = 0; i < RT_BINARY_COUNT * (LONGEST + 1); i++) {
		enum rt_binary op = (enum rt_binary)(i / (LONGEST + 1));
		size_t n = (size_t)(i % (LONGEST + 1));
		y[0] = y[n + 1] = CANARY;
		v->vv[op](n, a + 1, b + 1, y + 1);
		for (size_t k = 1; k <= n; k++)
			ck_assert_msg(alike(two(op, a[k], b[k]), y[k]), "%s op %d at %zu",
				      binary_rows[_i].name, (int)op, k);
		ck_assert(y[0] == CANARY && y[n + 1] == CANARY);
		v->vs[op](n, a + 1, b + 2, y + 1);
		for (size_t k = 1; k <= n; k++)
			ck_assert(alike(two(op, a[k], b[2]), y[k]));
		ck_assert(y[0] == CANARY && y[n + 1] == CANARY);
		v->sv[op](n, a + 2, b + 1, y + 1);
		for (size_t k = 1; k <= n; k++)
			ck_assert(alike(two(op, a[2], b[k]), y[k]));
		ck_assert(y[0] == CANARY && y[n + 1] == CANARY);
		memcpy(y, b, sizeof y);
		v->vv[op](n, a + 1, y + 1, y + 1);
		for (size_t k = 1; k <= n; k++)
			ck_assert(alike(two(op, a[k], b[k]), y[k]));
	}
	for (size_t n = 0; n <= LONGEST; n++) {
		y[n + 1] = CANARY;
		v->muladd(n, a + 1, b + 1, a, y + 1);
		for (size_t k = 1; k <= n; k++)
			ck_assert(a[k] != a[k] || b[k] != b[k] || a[k - 1] != a[k - 1] ||
				  within((double)a[k] * (double)b[k] + (double)a[k - 1], y[k], 4e-6,
					 4e-7));
		ck_assert(y[n + 1] == CANARY);
	}
}
END_TEST

/* ---- rows ---------------------------------------------------------------------------------------
 */

static const struct {
	enum rt_cpu_level level;
	const char *name;
	const struct rt_f32_row *variant;
} row_rows[] = {
#define KERNEL(level, symbol) {level, #symbol, &symbol},
#include "runtime/kernels/f32_row.def"
#undef KERNEL
};

START_TEST(reductions)
{
	const struct rt_f32_row *v = row_rows[_i].variant;
	float x[LONGEST + 1];
	if (!rt_cpu_has(row_rows[_i].level))
		return;
	for (size_t n = 0; n <= LONGEST; n++) {
		double sum = 0, square = 0, magnitude = 0;
		float max = -INFINITY, min = INFINITY;
		for (size_t i = 1; i <= n; i++) {
			/* of one sign in turn: zeros beyond the end must not win */
			x[i] = n % 2 ? fabsf(number(4)) + 1 : -fabsf(number(4)) - 1;
			sum += (double)x[i];
			square += (double)x[i] * (double)x[i];
			magnitude += fabs((double)x[i]);
			max = x[i] > max ? x[i] : max;
			min = x[i] < min ? x[i] : min;
		}
		ck_assert(within(sum, v->reduce[RT_REDUCE_SUM](n, x + 1), 1e-6, 2e-6));
		ck_assert(within(square, v->reduce[RT_REDUCE_SUM_SQUARE](n, x + 1), 1e-6, 2e-6));
		ck_assert(within(magnitude, v->reduce[RT_REDUCE_SUM_ABS](n, x + 1), 1e-6, 2e-6));
		ck_assert(v->reduce[RT_REDUCE_MAX](n, x + 1) == max);
		ck_assert(v->reduce[RT_REDUCE_MIN](n, x + 1) == min);
		for (size_t at = 1; at <= n; at += 5) {
			float kept = x[at], got;
			x[at] = NAN;
			got = v->reduce[RT_REDUCE_MAX](n, x + 1);
			ck_assert(got != got);
			got = v->reduce[RT_REDUCE_MIN](n, x + 1);
			ck_assert(got != got);
			x[at] = kept;
		}
	}
}
END_TEST

START_TEST(softmaxes)
{
	const struct rt_f32_row *v = row_rows[_i].variant;
	float x[LONGEST + 2], y[LONGEST + 2];
	if (!rt_cpu_has(row_rows[_i].level))
		return;
	for (size_t n = 1; n <= LONGEST; n++) {
		double max = -INFINITY, sum = 0;
		for (size_t i = 1; i <= n; i++)
			x[i] = number(20) + (n % 2 ? 1000.0f : -1000.0f);
		if (n > 3)
			x[2] = -INFINITY;
		for (size_t i = 1; i <= n; i++)
			max = fmax(max, (double)x[i]);
		for (size_t i = 1; i <= n; i++)
			sum += exp((double)x[i] - max);
		memcpy(y, x, sizeof y);
		y[0] = y[n + 1] = CANARY;
		v->softmax(n, y + 1, y + 1);
		for (size_t i = 1; i <= n; i++)
			ck_assert(within(exp((double)x[i] - max) / sum, y[i], 1e-38, 2e-6));
		ck_assert(y[0] == CANARY && y[n + 1] == CANARY);
		sum = 0;
		for (size_t i = 1; i <= n; i++)
			sum += exp(0.3125 * ((double)x[i] - max));
		memcpy(y, x, sizeof y);
		y[0] = y[n + 1] = CANARY;
		ck_assert(within(sum, v->exp_sum(n, y + 1, 0.3125f, y + 1), 1e-38, 2e-6));
		for (size_t i = 1; i <= n; i++)
			ck_assert(within(exp(0.3125 * ((double)x[i] - max)), y[i], 1e-38, 2e-6));
		ck_assert(y[0] == CANARY && y[n + 1] == CANARY);
		sum = 0;
		for (size_t i = 1; i <= n; i++)
			sum += exp((double)x[i] - max);
		memcpy(y, x, sizeof y);
		y[0] = y[n + 1] = CANARY;
		v->log_softmax(n, y + 1, y + 1);
		for (size_t i = 1; i <= n; i++)
			ck_assert(within((double)x[i] - max - log(sum), y[i], 4e-6, 1e-6));
		ck_assert(y[0] == CANARY && y[n + 1] == CANARY);
	}
}
END_TEST

START_TEST(norms)
{
	const struct rt_f32_row *v = row_rows[_i].variant;
	float x[LONGEST + 2], s[LONGEST], b[LONGEST], y[LONGEST + 2];
	if (!rt_cpu_has(row_rows[_i].level))
		return;
	for (size_t n = 1; n <= LONGEST; n++) {
		const float *scale = n % 3 == 1 ? NULL : s, *bias = n % 3 == 2 ? NULL : b;
		double mean = 0, variance = 0, square = 0;
		for (size_t i = 0; i < n; i++) {
			x[1 + i] = number(4), s[i] = number(2), b[i] = number(2);
			mean += (double)x[1 + i] / (double)n;
			square += (double)x[1 + i] * (double)x[1 + i] / (double)n;
		}
		for (size_t i = 1; i <= n; i++)
			variance += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
		memcpy(y, x, sizeof y);
		y[0] = y[n + 1] = CANARY;
		v->layer_norm(n, y + 1, scale, bias, 1e-3f, y + 1);
		for (size_t i = 0; i < n; i++) {
			double want = ((double)x[1 + i] - mean) / sqrt(variance + 1e-3) *
					  (scale ? (double)s[i] : 1) +
				      (bias ? (double)b[i] : 0);
			ck_assert(within(want, y[1 + i], 1e-5, 1e-5));
		}
		ck_assert(y[0] == CANARY && y[n + 1] == CANARY);
		v->rms_norm(n, x + 1, scale, 1e-3f, y + 1);
		for (size_t i = 0; i < n; i++)
			ck_assert(within((double)x[1 + i] / sqrt(square + 1e-3) *
					     (scale ? (double)s[i] : 1),
					 y[1 + i], 1e-6, 1e-6));
		ck_assert(y[0] == CANARY && y[n + 1] == CANARY);
	}
}
END_TEST

/* ---- conversions and moves ------------------------------------------------------------------- */

static const struct {
	enum rt_cpu_level level;
	const char *name;
	const struct rt_f16_convert *variant;
} convert_rows[] = {
#define KERNEL(level, symbol) {level, #symbol, &symbol},
#include "runtime/kernels/f16_convert.def"
#undef KERNEL
};

START_TEST(half_precision)
{
	const struct rt_f16_convert *v = convert_rows[_i].variant;
	static uint16_t all[65536], back[65536];
	static float wide[65536];
	if (!rt_cpu_has(convert_rows[_i].level))
		return;
	for (size_t i = 0; i < 65536; i++)
		all[i] = (uint16_t)i;
	v->to_f32(65536, all, wide);
	v->from_f32(65536, wide, back);
	for (size_t i = 0; i < 65536; i++) {
		int e = (int)(i >> 10 & 31);
		double m = (double)(i & 1023), sign = i >> 15 ? -1 : 1;
		double want = e == 0    ? ldexp(m, -24)
			      : e == 31 ? (m == 0 ? INFINITY : NAN)
					: ldexp(m + 1024, e - 25);
		ck_assert(within(sign * want, wide[i], 0, 0));
		ck_assert(want != want ? (back[i] & 0x7fff) > 0x7c00 : back[i] == all[i]);
	}
	for (size_t n = 0; n <= LONGEST; n++) {
		/* halfway between two: to the even one */
		float x[LONGEST];
		uint16_t y[LONGEST + 1];
		for (size_t i = 0; i < n; i++)
			x[i] = 1.0f + (float)(2 * i + 1) * 0x1p-11f;
		y[n] = 7;
		v->from_f32(n, x, y);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(y[i], 0x3c00 + i + i % 2);
		ck_assert_uint_eq(y[n], 7);
		wide[n] = CANARY;
		v->to_f32(n, y, wide);
		ck_assert(wide[n] == CANARY);
	}
}
END_TEST

static const struct {
	enum rt_cpu_level level;
	const char *name;
	const struct rt_x32_transpose *variant;
} transpose_rows[] = {
#define KERNEL(level, symbol) {level, #symbol, &symbol},
#include "runtime/kernels/x32_transpose.def"
#undef KERNEL
};

START_TEST(transposes)
{
	static const size_t sizes[] = {0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33};
	enum { COUNT = sizeof sizes / sizeof *sizes, LD = 37 };
	uint32_t x[LD * LD], y[LD * LD];
	if (!rt_cpu_has(transpose_rows[_i].level))
		return;
	for (uint32_t i = 0; i < LD * LD; i++)
		x[i] = i * 2654435761u;
	for (size_t i = 0; i < COUNT * COUNT; i++) {
		size_t rows = sizes[i / COUNT], cols = sizes[i % COUNT];
		memset(y, 0xee, sizeof y);
		transpose_rows[_i].variant->run(rows, cols, x, LD, y, LD - 1);
		for (size_t c = 0; c < LD - 1; c++)
			for (size_t r = 0; r < LD - 1; r++)
				ck_assert_uint_eq(y[c * (LD - 1) + r], r < rows && c < cols
									   ? x[r * LD + c]
									   : 0xeeeeeeeeu);
		memset(y, 0xee, sizeof y); /* rows that lie together when turned */
		transpose_rows[_i].variant->run(rows, cols, x, LD, y, rows);
		for (size_t k = 0; k < rows * cols; k++)
			ck_assert_uint_eq(y[k], x[k % rows * LD + k / rows]);
		ck_assert_uint_eq(y[rows * cols], 0xeeeeeeeeu);
	}
}
END_TEST

/* ---- the table ------------------------------------------------------------------------------- */

START_TEST(table)
{
	for (int i = 0; i < RT_CPU_LEVEL_COUNT; i++) {
		const struct rt_kernels *k = rt_kernels_select((enum rt_cpu_level)i);
#define KIND(kind, what) ck_assert(k->kind != NULL);
#include "runtime/kernels/kinds.def"
#undef KIND
	}
	ck_assert(rt_kernels_select(RT_CPU_SCALAR)->f32_gemm == &rt_f32_gemm__scalar);
	/* No variant may have failed its self-test here. */
	for (int i = 0; i < ROWS(unary_rows); i++)
		if (rt_cpu_has(unary_rows[i].level))
			ck_assert(rt_kernels_select(unary_rows[i].level)->f32_unary ==
				  unary_rows[i].variant);
	for (int i = 0; i < ROWS(row_rows); i++)
		if (rt_cpu_has(row_rows[i].level))
			ck_assert(rt_kernels_select(row_rows[i].level)->f32_row ==
				  row_rows[i].variant);
	for (int i = 0; i < ROWS(binary_rows); i++)
		if (rt_cpu_has(binary_rows[i].level))
			ck_assert(rt_kernels_select(binary_rows[i].level)->f32_binary ==
				  binary_rows[i].variant);
	for (int i = 0; i < ROWS(convert_rows); i++)
		if (rt_cpu_has(convert_rows[i].level))
			ck_assert(rt_kernels_select(convert_rows[i].level)->f16_convert ==
				  convert_rows[i].variant);
	for (int i = 0; i < ROWS(transpose_rows); i++)
		if (rt_cpu_has(transpose_rows[i].level))
			ck_assert(rt_kernels_select(transpose_rows[i].level)->x32_transpose ==
				  transpose_rows[i].variant);
}
END_TEST

Suite *check_runtime_kernels(void)
{
	Suite *s = suite_create("runtime_kernels");
	TCase *c = tcase_create("kernels");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, unary_accuracy, 0, ROWS(unary_rows));
	tcase_add_loop_test(c, unary_extremes, 0, ROWS(unary_rows));
	tcase_add_loop_test(c, unary_lengths, 0, ROWS(unary_rows));
	tcase_add_loop_test(c, binary, 0, ROWS(binary_rows));
	tcase_add_loop_test(c, reductions, 0, ROWS(row_rows));
	tcase_add_loop_test(c, softmaxes, 0, ROWS(row_rows));
	tcase_add_loop_test(c, norms, 0, ROWS(row_rows));
	tcase_add_loop_test(c, half_precision, 0, ROWS(convert_rows));
	tcase_add_loop_test(c, transposes, 0, ROWS(transpose_rows));
	tcase_add_test(c, table);
	suite_add_tcase(s, c);
	return s;
}
