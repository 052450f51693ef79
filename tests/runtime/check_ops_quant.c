/* SPDX-License-Identifier: MIT */
/*
 * Operators on 8-bit integers (runtime/ops/qconv.c, qlinear.c, qreduce.c,
 * qgemm.c) against plain double arithmetic on numbers that look random.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "tests/runtime/one_op.h"
#include "tests/runtime/suites.h"

#define MS "com.microsoft"

/* What a byte of type ${t} is. */
static int value(enum rt_dtype t, uint8_t byte)
{
	return t == RT_I8 ? (int8_t)byte : byte;
}

static void fill(uint8_t *to, int n)
{
	for (int i = 0; i < n; i++)
		to[i] = (uint8_t)one_op_random_int(256);
}

static double quantise(enum rt_dtype t, double real, double scale, int zero)
{
	double q = nearbyint(real / scale) + zero, lo = t == RT_I8 ? -128 : 0;

	return fmin(fmax(q, lo), lo + 255);
}

/* Results near a half may be rounded either way: floats are not doubles. */
#define ONE_STEP 1.0

static void within_steps(const struct one_op *o, const double *want, int n, int most_off)
{
	int off = 0;

	one_op_near(o, 0, want, n, ONE_STEP);
	for (int i = 0; i < n; i++)
		off += value(o->out[0].dtype, ((uint8_t *)o->out[0].data)[i]) != (int)want[i];
	ck_assert_int_le(off, most_off);
}

/* ---- convolutions ---------------------------------------------------------------------------- */

struct conv_case {
	int rank, group;
	int64_t x[5], w[5], strides[3], dilations[3], pads[6];
	enum rt_dtype xt, wt;
	bool per_channel, last;
};
static const struct conv_case conv_cases[] = {
    {1, 1, {2, 3, 11}, {4, 3, 3}, {1}, {1}, {0, 0}, RT_U8, RT_I8, false, false},
    {1, 3, {1, 6, 9}, {3, 2, 4}, {2}, {2}, {3, 2}, RT_I8, RT_U8, true, false},
    {2, 1, {1, 5, 7, 8}, {6, 5, 3, 2}, {1, 2}, {1, 1}, {1, 0, 2, 1}, RT_U8, RT_U8, true, false},
    {2, 4, {2, 4, 6, 9}, {8, 1, 3, 3}, {2, 1}, {1, 2}, {2, 2, 2, 2}, RT_I8, RT_I8, true, false},
    {2, 2, {1, 4, 12, 13}, {6, 2, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, RT_U8, RT_I8, false, false},
    {3,
     1,
     {1, 2, 4, 5, 6},
     {3, 2, 2, 3, 2},
     {1, 2, 1},
     {1, 1, 2},
     {1, 0, 1, 0, 1, 1},
     RT_U8,
     RT_I8,
     true,
     false},
    {2, 2, {2, 6, 5, 4}, {4, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, RT_U8, RT_I8, true, true},
    /* depthwise, few channels: 8 pixels are one, and 5 of 12; rows are copied with int8 as uint8 */
    {2, 8, {2, 8, 6, 11}, {8, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, RT_I8, RT_I8, true, true},
    {2, 8, {2, 8, 7, 19}, {8, 1, 3, 3}, {2, 2}, {1, 1}, {0, 1, 1, 0}, RT_I8, RT_I8, true, true},
    {2, 12, {1, 12, 7, 17}, {12, 1, 2, 3}, {1, 3}, {2, 2}, {1, 2, 1, 3}, RT_I8, RT_I8, true, true},
    {2, 1, {2, 3, 7, 11}, {8, 3, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, RT_I8, RT_I8, true, true},
    {2, 1, {1, 1, 7, 11}, {4, 1, 5, 5}, {1, 2}, {1, 1}, {2, 2, 2, 3}, RT_I8, RT_I8, true, true},
};

#define MOST 4096

struct conv {
	const struct conv_case *c;
	uint8_t x[MOST], w[MOST], w_zero[16];
	int x_zero, channels, taps, out_size[3], outputs;
	double sum[MOST]; /* [N][M][…], or with the channels last */
};

/* Element of X, [N][C][…]; what lies outside is the zero point. */
static int x_at(const struct conv *v, int n, int ch, const int64_t *at)
{
	const struct conv_case *c = v->c;
	int64_t i = (int64_t)n * c->x[1] + ch;

	for (int d = 0; d < c->rank; d++) {
		if (at[d] < 0 || at[d] >= c->x[2 + d])
			return 0;
		i = i * c->x[2 + d] + at[d];
	}
	return value(c->xt, v->x[i]) - v->x_zero;
}

static double conv_sum(const struct conv *v, int n, int m, int64_t o)
{
	const struct conv_case *c = v->c;
	int per = (int)c->w[1], group = m / (int)(c->w[0] / c->group);
	int zero = value(c->wt, v->w_zero[c->per_channel ? m : 0]);
	double sum = 0;

	for (int i = 0; i < per * v->taps; i++) {
		int64_t at[3], t = i % v->taps, p = o;
		for (int d = c->rank - 1; d >= 0; d--) {
			at[d] = p % v->out_size[d] * c->strides[d] - c->pads[d] +
				t % c->w[2 + d] * c->dilations[d];
			p /= v->out_size[d];
			t /= c->w[2 + d];
		}
		sum += (value(c->wt, v->w[m * per * v->taps + i]) - zero) *
		       x_at(v, n, group * per + i / v->taps, at);
	}
	return sum;
}

static void conv_expect(struct conv *v, const struct conv_case *c)
{
	int elems = (int)(c->x[0] * c->x[1]), positions = 1, M = (int)c->w[0];

	*v = (struct conv){.c = c, .x_zero = 117, .taps = 1};
	v->x_zero = c->xt == RT_I8 ? -9 : 117;
	for (int d = 0; d < c->rank; d++) {
		elems *= (int)c->x[2 + d];
		v->taps *= (int)c->w[2 + d];
		v->out_size[d] = (int)((c->x[2 + d] + c->pads[d] + c->pads[c->rank + d] -
					(c->w[2 + d] - 1) * c->dilations[d] - 1) /
					   c->strides[d] +
				       1);
		positions *= v->out_size[d];
	}
	ck_assert_int_le(elems, MOST);
	fill(v->x, elems);
	fill(v->w, (int)c->w[0] * (int)c->w[1] * v->taps);
	fill(v->w_zero, M);
	if (c->last && c->wt == c->xt) /* weights about 0, as TensorFlow Lite has them */
		memset(v->w_zero, 0, sizeof(v->w_zero));
	v->outputs = (int)c->x[0] * M * positions;
	ck_assert_int_le(v->outputs, MOST);
	for (int n = 0; n < c->x[0]; n++)
		for (int m = 0; m < M; m++)
			for (int o = 0; o < positions; o++)
				v->sum[c->last ? (n * positions + o) * M + m
					       : (n * M + m) * positions + o] =
				    conv_sum(v, n, m, o);
}

static void conv_attributes(struct one_op *o, const struct conv_case *c)
{
	one_op_ints(o, "strides", c->rank, c->strides);
	one_op_ints(o, "dilations", c->rank, c->dilations);
	one_op_ints(o, "pads", 2 * c->rank, c->pads);
	one_op_int(o, "group", c->group);
}

START_TEST(conv_integer)
{
	static struct conv v;
	const struct conv_case *c = &conv_cases[_i];
	uint8_t x_zero;
	struct one_op o;

	conv_expect(&v, c);
	if (c->last)
		return;
	x_zero = (uint8_t)v.x_zero;
	one_op_begin(&o, "", 10);
	conv_attributes(&o, c);
	one_op_in(&o, c->xt, c->rank + 2, c->x, v.x);
	one_op_in(&o, c->wt, c->rank + 2, c->w, v.w);
	one_op_in(&o, c->xt, 0, NULL, &x_zero);
	one_op_in(&o, c->wt, c->per_channel, c->w, v.w_zero);
	one_op_run(&o, "ConvInteger", 1);
	one_op_near(&o, 0, v.sum, v.outputs, 0);
	one_op_end(&o);
}
END_TEST

/* X with its channels behind its positions. */
static void turn_last(const struct conv_case *c, const uint8_t *x, uint8_t *to, int64_t dims[5])
{
	int64_t positions = 1, C = c->x[1];

	dims[0] = c->x[0];
	for (int d = 0; d < c->rank; d++) {
		dims[1 + d] = c->x[2 + d];
		positions *= c->x[2 + d];
	}
	dims[1 + c->rank] = C;
	for (int64_t n = 0; n < c->x[0]; n++)
		for (int64_t p = 0; p < positions; p++)
			for (int64_t ch = 0; ch < C; ch++)
				to[(n * positions + p) * C + ch] = x[(n * C + ch) * positions + p];
}

START_TEST(qlinear_conv)
{
	static struct conv v;
	static uint8_t turned[MOST];
	const struct conv_case *c = &conv_cases[_i];
	int M = (int)c->w[0], positions;
	float x_scale = 0.02f, y_scale = 1.5f, w_scale[16] = {0};
	uint8_t x_zero, y_zero = 90;
	int32_t bias[16] = {0};
	int64_t dims[5];
	struct one_op o;

	conv_expect(&v, c);
	positions = v.outputs / M / (int)c->x[0];
	for (int m = 0; m < M; m++) {
		w_scale[m] = 0.05f + 0.01f * (float)m;
		bias[m] = one_op_random_int(20000) - 10000;
	}
	for (int i = 0; i < v.outputs; i++) {
		int m = c->last ? i % M : i / positions % M;
		v.sum[i] = quantise(RT_U8,
				    (v.sum[i] + bias[m]) * (double)x_scale *
					(double)w_scale[c->per_channel ? m : 0],
				    (double)y_scale, y_zero);
	}
	x_zero = (uint8_t)v.x_zero;
	one_op_begin(&o, c->last ? MS : "", c->last ? 1 : 10);
	conv_attributes(&o, c);
	if (c->last) {
		one_op_int(&o, "channels_last", 1);
		turn_last(c, v.x, turned, dims);
		one_op_in(&o, c->xt, c->rank + 2, dims, turned);
	} else {
		one_op_in(&o, c->xt, c->rank + 2, c->x, v.x);
	}
	one_op_const(&o, RT_F32, 0, NULL, &x_scale);
	one_op_const(&o, c->xt, 0, NULL, &x_zero);
	one_op_const(&o, c->wt, c->rank + 2, c->w, v.w);
	one_op_const(&o, RT_F32, c->per_channel, c->w, w_scale);
	one_op_const(&o, c->wt, c->per_channel, c->w, v.w_zero);
	one_op_const(&o, RT_F32, 0, NULL, &y_scale);
	one_op_const(&o, RT_U8, 0, NULL, &y_zero);
	one_op_const(&o, RT_I32, 1, c->w, bias);
	one_op_run(&o, "QLinearConv", 1);
	within_steps(&o, v.sum, v.outputs, 1);
	one_op_end(&o);
}
END_TEST

START_TEST(conv_refusals)
{
	static uint8_t x[64], w[64];
	struct one_op o;

	one_op_begin(&o, "", 10);
	one_op_int(&o, "group", 3);
	one_op_in(&o, RT_U8, 3, (int64_t[]){1, 4, 8}, x);
	one_op_in(&o, RT_U8, 3, (int64_t[]){4, 4, 2}, w);
	one_op_refused(&o, "ConvInteger", "in 3 groups");
	one_op_end(&o);
	one_op_begin(&o, "", 10);
	one_op_in(&o, RT_U8, 3, (int64_t[]){1, 4, 8}, x);
	one_op_in(&o, RT_U8, 3, (int64_t[]){4, 4, 2}, w);
	one_op_left_out(&o);
	one_op_in(&o, RT_U8, 1, (int64_t[]){3}, w);
	one_op_refused(&o, "ConvInteger", "w_zero_point");
	one_op_end(&o);
}
END_TEST

/* ---- element by element ---------------------------------------------------------------------- */

static void scale_and_zero(struct one_op *o, enum rt_dtype t, float scale, int zero)
{
	uint8_t byte = (uint8_t)zero;

	one_op_const(o, RT_F32, 0, NULL, &scale);
	one_op_const(o, t, 0, NULL, &byte);
}

START_TEST(qlinear_add_mul)
{
	enum rt_dtype t = _i & 1 ? RT_I8 : RT_U8;
	bool mul = _i & 2;
	uint8_t a[2 * 3 * 5], b[3 * 1];
	double want[2 * 3 * 5];
	struct one_op o;

	fill(a, 30);
	fill(b, 3);
	for (int i = 0; i < 30; i++) {
		double x = (double)0.1f * (value(t, a[i]) - 3),
		       y = (double)0.05f * (value(t, b[i / 5 % 3]) - 7);
		want[i] = quantise(t, mul ? x * y : x + y, (double)(mul ? 0.7f : 0.15f), 11);
	}
	one_op_begin(&o, MS, 1);
	one_op_in(&o, t, 3, (int64_t[]){2, 3, 5}, a);
	scale_and_zero(&o, t, 0.1f, 3);
	one_op_in(&o, t, 2, (int64_t[]){3, 1}, b);
	scale_and_zero(&o, t, 0.05f, 7);
	scale_and_zero(&o, t, mul ? 0.7f : 0.15f, 11);
	one_op_run(&o, mul ? "QLinearMul" : "QLinearAdd", 1);
	one_op_shape(&o, 0, 3, 2, 3, 5);
	within_steps(&o, want, 30, 1);
	one_op_end(&o);
}
END_TEST

/* Longer than a block of the loops. */
START_TEST(qlinear_add_long)
{
	enum { N = 1300 };
	static uint8_t a[N], b[N];
	static double want[N];
	int n = _i ? N : 1; /* elements of B */
	struct one_op o;

	fill(a, N);
	fill(b, N);
	for (int i = 0; i < N; i++)
		want[i] =
		    quantise(RT_U8, (double)0.1f * (a[i] - 3) + (double)0.05f * (b[i % n] - 7),
			     (double)0.1513f, 11);
	one_op_begin(&o, MS, 1);
	one_op_in(&o, RT_U8, 1, (int64_t[]){N}, a);
	scale_and_zero(&o, RT_U8, 0.1f, 3);
	one_op_in(&o, RT_U8, 1, (int64_t[]){n}, b);
	scale_and_zero(&o, RT_U8, 0.05f, 7);
	scale_and_zero(&o, RT_U8, 0.1513f, 11);
	one_op_run(&o, "QLinearAdd", 1);
	within_steps(&o, want, N, 3);
	one_op_end(&o);
}
END_TEST

START_TEST(qlinear_unary)
{
	enum rt_dtype t = _i & 1 ? RT_I8 : RT_U8;
	bool leaky = _i & 2;
	uint8_t x[256];
	double want[256];
	float y_scale = leaky ? 0.043f : 1.0f / 256;
	int y_zero = leaky ? 60 : t == RT_I8 ? -128 : 0;
	struct one_op o;

	for (int i = 0; i < 256; i++) {
		double real = (double)0.05f * (value(t, (uint8_t)i) - 20);
		x[i] = (uint8_t)i;
		real = !leaky ? 1 / (1 + exp(-real)) : real < 0 ? (double)0.2f * real : real;
		want[i] = quantise(t, real, (double)y_scale, y_zero);
	}
	one_op_begin(&o, MS, 1);
	if (leaky)
		one_op_float(&o, "alpha", 0.2f);
	one_op_in(&o, t, 1, (int64_t[]){256}, x);
	scale_and_zero(&o, t, 0.05f, 20);
	scale_and_zero(&o, t, y_scale, y_zero);
	one_op_run(&o, leaky ? "QLinearLeakyRelu" : "QLinearSigmoid", 1);
	within_steps(&o, want, 256, 3);
	one_op_end(&o);
}
END_TEST

START_TEST(qlinear_where)
{
	bool yes[4] = {true, false, false, true};
	uint8_t x[3 * 4], y[1];
	double want[12];
	struct one_op o;

	fill(x, 12);
	fill(y, 1);
	for (int i = 0; i < 12; i++)
		want[i] = yes[i % 4] ? quantise(RT_U8, (double)0.1f * (x[i] - 5), (double)0.2f, 9)
				     : quantise(RT_U8, (double)0.3f * (y[0] - 1), (double)0.2f, 9);
	one_op_begin(&o, MS, 1);
	one_op_in(&o, RT_BOOL, 1, (int64_t[]){4}, yes);
	one_op_in(&o, RT_U8, 2, (int64_t[]){3, 4}, x);
	scale_and_zero(&o, RT_U8, 0.1f, 5);
	one_op_in(&o, RT_U8, 1, (int64_t[]){1}, y);
	scale_and_zero(&o, RT_U8, 0.3f, 1);
	scale_and_zero(&o, RT_U8, 0.2f, 9);
	one_op_run(&o, "QLinearWhere", 1);
	within_steps(&o, want, 12, 1);
	one_op_end(&o);
}
END_TEST

START_TEST(qlinear_concat)
{
	uint8_t a[2 * 3 * 2], b[2 * 1 * 2];
	double want[16];
	struct one_op o;

	fill(a, 12);
	fill(b, 4);
	for (int i = 0; i < 16; i++) {
		int n = i / 8, k = i % 8;
		want[i] = k < 6 ? quantise(RT_I8, (double)0.1f * ((int8_t)a[n * 6 + k] - 4),
					   (double)0.25f, -3)
				: quantise(RT_I8, (double)0.5f * ((int8_t)b[n * 2 + k - 6] + 2),
					   (double)0.25f, -3);
	}
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "axis", 1);
	scale_and_zero(&o, RT_I8, 0.25f, -3);
	one_op_in(&o, RT_I8, 3, (int64_t[]){2, 3, 2}, a);
	scale_and_zero(&o, RT_I8, 0.1f, 4);
	one_op_in(&o, RT_I8, 3, (int64_t[]){2, 1, 2}, b);
	scale_and_zero(&o, RT_I8, 0.5f, -2);
	one_op_run(&o, "QLinearConcat", 1);
	one_op_shape(&o, 0, 3, 2, 4, 2);
	within_steps(&o, want, 16, 1);
	one_op_end(&o);
}
END_TEST

/* ---- means ----------------------------------------------------------------------------------- */

/* X [1][2][4][5], windows of 3 × 2 with strides 2, 1 and a pad of 1 above and at the right. */
START_TEST(qlinear_average_pool)
{
	bool with_pads = _i & 1, last = _i & 2;
	uint8_t x[40], turned[40];
	double want[2 * 2 * 5];
	struct one_op o;

	fill(x, 40);
	for (int i = 0; i < 40; i++)
		turned[i % 20 * 2 + i / 20] = x[i];
	for (int i = 0; i < 20; i++) {
		int c = i / 10, h = i / 5 % 2 * 2 - 1, w = i % 5, n = 0;
		double sum = 0;
		for (int k = 0; k < 6; k++) {
			int y = h + k / 2, z = w + k % 2;
			if (y < 0 || y >= 4 || z >= 5)
				continue;
			sum += (double)0.1f * (x[(c * 4 + y) * 5 + z] - 30);
			n++;
		}
		want[last ? i % 10 * 2 + c : i] =
		    quantise(RT_U8, sum / (with_pads ? 6 : n), (double)0.08f, 25);
	}
	one_op_begin(&o, MS, 1);
	one_op_ints(&o, "kernel_shape", 2, (int64_t[]){3, 2});
	one_op_ints(&o, "strides", 2, (int64_t[]){2, 1});
	one_op_ints(&o, "pads", 4, (int64_t[]){1, 0, 0, 1});
	one_op_int(&o, "count_include_pad", with_pads);
	one_op_int(&o, "channels_last", last);
	if (last)
		one_op_in(&o, RT_U8, 4, (int64_t[]){1, 4, 5, 2}, turned);
	else
		one_op_in(&o, RT_U8, 4, (int64_t[]){1, 2, 4, 5}, x);
	scale_and_zero(&o, RT_U8, 0.1f, 30);
	scale_and_zero(&o, RT_U8, 0.08f, 25);
	one_op_run(&o, "QLinearAveragePool", 1);
	within_steps(&o, want, 20, 1);
	one_op_end(&o);
}
END_TEST

START_TEST(qlinear_global_average_pool)
{
	uint8_t x[2 * 3 * 4 * 5];
	double want[6] = {0};
	bool last = _i;
	struct one_op o;

	fill(x, 120);
	for (int i = 0; i < 120; i++)
		want[last ? i / 60 * 3 + i % 3 : i / 20] += (double)0.3f * (x[i] - 100) / 20;
	for (int i = 0; i < 6; i++)
		want[i] = quantise(RT_U8, want[i], (double)0.1f, 120);
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "channels_last", last);
	one_op_in(&o, RT_U8, 4, last ? (int64_t[]){2, 4, 5, 3} : (int64_t[]){2, 3, 4, 5}, x);
	scale_and_zero(&o, RT_U8, 0.3f, 100);
	scale_and_zero(&o, RT_U8, 0.1f, 120);
	one_op_run(&o, "QLinearGlobalAveragePool", 1);
	if (last)
		one_op_shape(&o, 0, 4, 2, 1, 1, 3);
	else
		one_op_shape(&o, 0, 4, 2, 3, 1, 1);
	within_steps(&o, want, 6, 1);
	one_op_end(&o);
}
END_TEST

START_TEST(qlinear_reduce_mean)
{
	uint8_t x[2 * 3 * 4];
	double want[3] = {0};
	struct one_op o;

	fill(x, 24);
	for (int i = 0; i < 24; i++)
		want[i / 4 % 3] += (double)0.3f * ((int8_t)x[i] - 10) / 8;
	for (int i = 0; i < 3; i++)
		want[i] = quantise(RT_I8, want[i], (double)0.2f, -20);
	one_op_begin(&o, MS, 1);
	one_op_ints(&o, "axes", 2, (int64_t[]){0, -1});
	one_op_int(&o, "keepdims", 0);
	one_op_in(&o, RT_I8, 3, (int64_t[]){2, 3, 4}, x);
	scale_and_zero(&o, RT_I8, 0.3f, 10);
	scale_and_zero(&o, RT_I8, 0.2f, -20);
	one_op_run(&o, "QLinearReduceMean", 1);
	one_op_shape(&o, 0, 1, 3);
	within_steps(&o, want, 3, 1);
	one_op_end(&o);
}
END_TEST

/* X [2][3][4] along axis 1: from opset 13 each column, before all of [3][4]. */
START_TEST(qlinear_softmax)
{
	bool flat = _i;
	uint8_t x[24];
	double want[24];
	struct one_op o;

	fill(x, 24);
	for (int i = 0; i < 24; i++) {
		double sum = 0;
		for (int k = 0; k < 24; k++)
			if (k / 12 == i / 12 && (flat || k % 4 == i % 4))
				sum += exp((double)0.05f * (x[k] - x[i]));
		want[i] = quantise(RT_U8, 1 / sum, 1.0 / 256, 0);
	}
	one_op_begin(&o, MS, 1);
	one_op_int(&o, "axis", 1);
	one_op_int(&o, "opset", flat ? 11 : 13);
	one_op_in(&o, RT_U8, 3, (int64_t[]){2, 3, 4}, x);
	scale_and_zero(&o, RT_U8, 0.05f, 77);
	scale_and_zero(&o, RT_U8, 1.0f / 256, 0);
	one_op_run(&o, "QLinearSoftmax", 1);
	within_steps(&o, want, 24, 1);
	one_op_end(&o);
}
END_TEST

/* ---- products -------------------------------------------------------------------------------- */

enum { PM = 5, PK = 70, PN = 41 };
struct product {
	uint8_t a[PM * PK], b[PK * PN], b_zero[PN];
	float b_scale[PN];
	double sum[PM * PN]; /* of (a − a_zero) · (b − b_zero) */
};

static void product_fill(struct product *p, enum rt_dtype at, int a_zero, enum rt_dtype bt)
{
	fill(p->a, PM * PK);
	fill(p->b, PK * PN);
	fill(p->b_zero, PN);
	for (int n = 0; n < PN; n++)
		p->b_scale[n] = 0.01f + 0.001f * (float)n;
	for (int i = 0; i < PM * PN; i++) {
		p->sum[i] = 0;
		for (int k = 0; k < PK; k++)
			p->sum[i] +=
			    (value(at, p->a[i / PN * PK + k]) - a_zero) *
			    (value(bt, p->b[k * PN + i % PN]) - value(bt, p->b_zero[i % PN]));
	}
}

static void transpose(const uint8_t *from, int rows, int cols, uint8_t *to)
{
	for (int i = 0; i < rows * cols; i++)
		to[i % cols * rows + i / cols] = from[i];
}

/* Bit 0: transposed; 1: C; 2: quantised result. */
START_TEST(qgemm)
{
	static struct product p;
	static uint8_t at[PM * PK], bt[PK * PN];
	bool turned = _i & 1, added = _i & 2, quantised = _i & 4;
	double want[PM * PN];
	int32_t c[PN];
	float alpha = 0.5f;
	struct one_op o;

	product_fill(&p, RT_U8, 12, RT_I8);
	for (int n = 0; n < PN; n++)
		c[n] = one_op_random_int(2000) - 1000;
	for (int i = 0; i < PM * PN; i++) {
		want[i] = (double)alpha * (double)0.02f * (double)p.b_scale[i % PN] *
			  (p.sum[i] + (added ? c[i % PN] : 0));
		if (quantised)
			want[i] = quantise(RT_U8, want[i], (double)0.5f, 128);
	}
	transpose(p.a, PM, PK, at);
	transpose(p.b, PK, PN, bt);
	one_op_begin(&o, MS, 1);
	one_op_float(&o, "alpha", alpha);
	one_op_int(&o, "transA", turned);
	one_op_int(&o, "transB", turned);
	one_op_in(&o, RT_U8, 2, turned ? (int64_t[]){PK, PM} : (int64_t[]){PM, PK},
		  turned ? at : p.a);
	scale_and_zero(&o, RT_U8, 0.02f, 12);
	one_op_const(&o, RT_I8, 2, turned ? (int64_t[]){PN, PK} : (int64_t[]){PK, PN},
		     turned ? bt : p.b);
	one_op_const(&o, RT_F32, 1, (int64_t[]){PN}, p.b_scale);
	one_op_const(&o, RT_I8, 1, (int64_t[]){PN}, p.b_zero);
	if (added)
		one_op_const(&o, RT_I32, 1, (int64_t[]){PN}, c);
	else
		one_op_left_out(&o);
	if (quantised)
		scale_and_zero(&o, RT_U8, 0.5f, 128);
	one_op_run(&o, "QGemm", 1);
	if (quantised)
		within_steps(&o, want, PM * PN, 2);
	else
		one_op_near(&o, 0, want, PM * PN, 1e-5);
	one_op_end(&o);
}
END_TEST

/* A [1][5][70] · B [2][70][41]: the product of the two matrices twice. */
START_TEST(matmul_integer_to_float)
{
	static struct product p;
	static uint8_t twice[2 * PK * PN];
	double want[2 * PM * PN];
	float bias[PN];
	struct one_op o;

	product_fill(&p, RT_I8, -5, RT_U8);
	memcpy(twice, p.b, sizeof(p.b));
	memcpy(twice + PK * PN, p.b, sizeof(p.b));
	for (int n = 0; n < PN; n++)
		bias[n] = (float)one_op_random();
	for (int i = 0; i < 2 * PM * PN; i++)
		want[i] = (double)0.02f * (double)p.b_scale[i % PN] * p.sum[i % (PM * PN)] +
			  (double)bias[i % PN];
	one_op_begin(&o, MS, 1);
	one_op_in(&o, RT_I8, 3, (int64_t[]){1, PM, PK}, p.a);
	one_op_in(&o, RT_U8, 3, (int64_t[]){2, PK, PN}, twice);
	one_op_const(&o, RT_F32, 0, NULL, &(float){0.02f});
	one_op_const(&o, RT_F32, 1, (int64_t[]){PN}, p.b_scale);
	one_op_const(&o, RT_I8, 0, NULL, &(int8_t){-5});
	one_op_const(&o, RT_U8, 1, (int64_t[]){PN}, p.b_zero);
	one_op_const(&o, RT_F32, 1, (int64_t[]){PN}, bias);
	one_op_run(&o, "MatMulIntegerToFloat", 1);
	one_op_shape(&o, 0, 3, 2, PM, PN);
	one_op_near(&o, 0, want, 2 * PM * PN, 1e-5);
	one_op_end(&o);
}
END_TEST

/* A is chosen so that its quantised form is known: range −1 … 1.55, scale 0.01, zero 100. */
START_TEST(dynamic_quantize_matmul)
{
	static struct product p;
	static float a[PM * PK];
	double want[PM * PN];
	struct one_op o;

	product_fill(&p, RT_U8, 100, RT_I8);
	p.a[0] = 0, p.a[1] = 255;
	for (int i = 0; i < PM * PK; i++)
		a[i] = (float)(p.a[i] - 100) * 0.01f;
	for (int i = 0; i < PM * PN; i++) {
		double sum = 0;
		for (int k = 0; k < PK; k++)
			sum += (p.a[i / PN * PK + k] - 100) *
			       ((int8_t)p.b[k * PN + i % PN] - (int8_t)p.b_zero[i % PN]);
		want[i] = sum * 0.01 * (double)p.b_scale[i % PN];
	}
	one_op_begin(&o, MS, 1);
	one_op_in(&o, RT_F32, 2, (int64_t[]){PM, PK}, a);
	one_op_const(&o, RT_I8, 2, (int64_t[]){PK, PN}, p.b);
	one_op_const(&o, RT_F32, 1, (int64_t[]){PN}, p.b_scale);
	one_op_const(&o, RT_I8, 1, (int64_t[]){PN}, p.b_zero);
	one_op_run(&o, "DynamicQuantizeMatMul", 1);
	one_op_near(&o, 0, want, PM * PN, 1e-5);
	one_op_end(&o);
}
END_TEST

/* Long enough for several threads, which must agree on the range: −1 … 1.55 only in two places. */
START_TEST(dynamic_quantize_long)
{
	enum { N = 100000 };
	static float x[N];
	static double want[N];
	struct one_op o;

	for (int at = 0; at < 3; at++) {
		for (int i = 0; i < N; i++)
			x[i] = (float)(i % 100) * 0.01f;
		x[at * (N / 3)] = -1.0f;
		x[N - 1 - at * (N / 5)] = 1.55f;
		for (int i = 0; i < N; i++)
			want[i] = 100 + rint((double)x[i] * 100);
		one_op_begin(&o, "", 17);
		one_op_in(&o, RT_F32, 1, (int64_t[]){N}, x);
		one_op_run(&o, "DynamicQuantizeLinear", 3);
		one_op_near(&o, 0, want, N, 0);
		one_op_near(&o, 1, (double[]){0.01}, 1, 1e-8);
		one_op_near(&o, 2, (double[]){100}, 1, 0);
		one_op_end(&o);
	}
}
END_TEST

Suite *check_runtime_ops_quant(void)
{
	Suite *s = suite_create("runtime/ops/quant");
	TCase *t = tcase_create("all");
	int convs = (int)(sizeof(conv_cases) / sizeof(*conv_cases));

	tcase_add_loop_test(t, conv_integer, 0, convs);
	tcase_add_loop_test(t, qlinear_conv, 0, convs);
	tcase_add_test(t, conv_refusals);
	tcase_add_loop_test(t, qlinear_add_mul, 0, 4);
	tcase_add_loop_test(t, qlinear_add_long, 0, 2);
	tcase_add_loop_test(t, qlinear_unary, 0, 4);
	tcase_add_test(t, qlinear_where);
	tcase_add_test(t, qlinear_concat);
	tcase_add_loop_test(t, qlinear_average_pool, 0, 4);
	tcase_add_loop_test(t, qlinear_global_average_pool, 0, 2);
	tcase_add_test(t, qlinear_reduce_mean);
	tcase_add_loop_test(t, qlinear_softmax, 0, 2);
	tcase_add_loop_test(t, qgemm, 0, 8);
	tcase_add_test(t, matmul_integer_to_float);
	tcase_add_test(t, dynamic_quantize_matmul);
	tcase_add_test(t, dynamic_quantize_long);
	suite_add_tcase(s, t);
	return s;
}
