/* SPDX-License-Identifier: MIT */
/*
 * LSTM, GRU and RNN (runtime/ops/recurrent.c, cell.c) against the equations of
 * the ONNX operators, written down here once more in double precision and one
 * number at a time.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/runtime/one_op.h"
#include "tests/runtime/suites.h"

enum { S = 5, B = 3, I = 4, H = 6, G_MAX = 4 };

/* What a case turns on. */
struct with {
	const char *op;
	int gates, directions;
	bool reverse, bias, initial, peephole, lens, batch_first, before, constant;
};

struct data {
	float x[S * B * I], w[2 * G_MAX * H * I], r[2 * G_MAX * H * H], b[2 * 2 * G_MAX * H];
	float h0[2 * B * H], c0[2 * B * H], p[2 * 3 * H];
	int32_t lens[B];
	double y[S * 2 * B * H], yh[2 * B * H], yc[2 * B * H];
};

static double sigmoid(double v)
{
	return 1 / (1 + exp(-v));
}

static size_t x_at(const struct with *k, int t, int b)
{
	return (size_t)(k->batch_first ? (b * S + t) * I : (t * B + b) * I);
}

static size_t state_at(const struct with *k, int d, int b)
{
	return (size_t)(k->batch_first ? (b * k->directions + d) * H : (d * B + b) * H);
}

static size_t y_at(const struct with *k, int t, int d, int b)
{
	return (size_t)(k->batch_first ? ((b * S + t) * k->directions + d) * H
				       : ((t * k->directions + d) * B + b) * H);
}

/* x·W + h·R + both biases of gate ${g}, unit ${j}; ${parts}[0] without R, [1] with R alone. */
static double sum_gate(const struct with *k, const struct data *z, int d, const float *x,
		       const double *h, int g, int j, double parts[2])
{
	size_t row = (size_t)((d * k->gates + g) * H + j);
	const float *bias = z->b + (size_t)d * 2 * (size_t)(k->gates * H);
	double in = k->bias ? (double)bias[g * H + j] : 0;
	double back = k->bias ? (double)bias[(k->gates + g) * H + j] : 0;

	for (int i = 0; i < I; i++)
		in += (double)x[i] * (double)z->w[row * I + (size_t)i];
	for (int i = 0; i < H; i++)
		back += h[i] * (double)z->r[row * H + (size_t)i];
	parts[0] = in;
	parts[1] = back;
	return in + back;
}

static void lstm(const struct with *k, const struct data *z, int d, const float *x, double *h,
		 double *c)
{
	double old[H], parts[2];
	const float *p = z->p + d * 3 * H;

	memcpy(old, h, sizeof(old));
	for (int j = 0; j < H; j++) {
		double pi = k->peephole ? (double)p[j] : 0, po = k->peephole ? (double)p[H + j] : 0,
		       pf = k->peephole ? (double)p[2 * H + j] : 0;
		double i = sigmoid(sum_gate(k, z, d, x, old, 0, j, parts) + pi * c[j]);
		double f = sigmoid(sum_gate(k, z, d, x, old, 2, j, parts) + pf * c[j]);
		double n = tanh(sum_gate(k, z, d, x, old, 3, j, parts));
		double next = f * c[j] + i * n;
		double o = sigmoid(sum_gate(k, z, d, x, old, 1, j, parts) + po * next);
		c[j] = next;
		h[j] = o * tanh(next);
	}
}

static void gru(const struct with *k, const struct data *z, int d, const float *x, double *h)
{
	double old[H], reset[H], parts[2];
	const float *bias = z->b + (size_t)d * 2 * 3 * H;

	memcpy(old, h, sizeof(old));
	for (int j = 0; j < H; j++)
		reset[j] = sigmoid(sum_gate(k, z, d, x, old, 1, j, parts));
	for (int j = 0; j < H; j++) {
		double u = sigmoid(sum_gate(k, z, d, x, old, 0, j, parts)), n;
		(void)sum_gate(k, z, d, x, old, 2, j, parts);
		if (k->before) {
			n = tanh(parts[0] + reset[j] * parts[1]);
		} else {
			n = parts[0] + (k->bias ? (double)bias[(3 + 2) * H + j] : 0);
			for (int i = 0; i < H; i++)
				n +=
				    reset[i] * old[i] * (double)z->r[((d * 3 + 2) * H + j) * H + i];
			n = tanh(n);
		}
		h[j] = (1 - u) * n + u * old[j];
	}
}

static void rnn(const struct with *k, const struct data *z, int d, const float *x, double *h)
{
	double old[H], parts[2];

	memcpy(old, h, sizeof(old));
	for (int j = 0; j < H; j++)
		h[j] = tanh(sum_gate(k, z, d, x, old, 0, j, parts));
}

static void expect(const struct with *k, struct data *z)
{
	memset(z->y, 0, sizeof(z->y));
	for (int d = 0; d < k->directions; d++)
		for (int b = 0; b < B; b++) {
			double h[H], c[H];
			int len = k->lens ? z->lens[b] : S;
			for (int j = 0; j < H; j++) {
				size_t at = state_at(k, d, b) + (size_t)j;
				h[j] = k->initial ? (double)z->h0[at] : 0;
				c[j] = k->initial ? (double)z->c0[at] : 0;
			}
			for (int s = 0; s < len; s++) {
				int t = k->reverse || d == 1 ? len - 1 - s : s;
				const float *x = z->x + x_at(k, t, b);
				if (k->gates == 4)
					lstm(k, z, d, x, h, c);
				else if (k->gates == 3)
					gru(k, z, d, x, h);
				else
					rnn(k, z, d, x, h);
				memcpy(z->y + y_at(k, t, d, b), h, sizeof(h));
			}
			memcpy(z->yh + state_at(k, d, b), h, sizeof(h));
			memcpy(z->yc + state_at(k, d, b), c, sizeof(c));
		}
}

static void fill(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (float)one_op_random();
}

static void give(struct one_op *o, bool constant, int rank, const int64_t *dims, const float *x)
{
	if (constant)
		one_op_const(o, RT_F32, rank, dims, x);
	else
		one_op_in(o, RT_F32, rank, dims, x);
}

static void give_inputs(struct one_op *o, const struct with *k, const struct data *z)
{
	int64_t D = k->directions, GH = k->gates * H;
	const int64_t *x = k->batch_first ? (int64_t[]){B, S, I} : (int64_t[]){S, B, I};
	const int64_t *state = k->batch_first ? (int64_t[]){B, D, H} : (int64_t[]){D, B, H};

	one_op_in(o, RT_F32, 3, x, z->x);
	give(o, k->constant, 3, (int64_t[]){D, GH, I}, z->w);
	give(o, k->constant, 3, (int64_t[]){D, GH, H}, z->r);
	if (k->bias)
		give(o, k->constant, 2, (int64_t[]){D, 2 * GH}, z->b);
	else
		one_op_left_out(o);
	if (k->lens)
		one_op_in(o, RT_I32, 1, (int64_t[]){B}, z->lens);
	else
		one_op_left_out(o);
	if (k->initial)
		one_op_in(o, RT_F32, 3, state, z->h0);
	if (k->gates == 4 && (k->initial || k->peephole)) {
		if (!k->initial)
			one_op_left_out(o);
		if (k->initial)
			one_op_in(o, RT_F32, 3, state, z->c0);
		else
			one_op_left_out(o);
		if (k->peephole)
			give(o, k->constant, 2, (int64_t[]){D, 3 * H}, z->p);
	}
}

static const struct with cases[] = {
    {.op = "LSTM", .gates = 4, .directions = 1, .constant = true},
    {.op = "LSTM", .gates = 4, .directions = 1, .reverse = true, .bias = true, .initial = true},
    {.op = "LSTM", .gates = 4, .directions = 2, .bias = true, .initial = true, .constant = true},
    {.op = "LSTM", .gates = 4, .directions = 2, .bias = true, .lens = true, .initial = true},
    {.op = "LSTM", .gates = 4, .directions = 1, .bias = true, .initial = true, .peephole = true},
    {.op = "LSTM", .gates = 4, .directions = 1, .peephole = true, .constant = true},
    {.op = "LSTM", .gates = 4, .directions = 2, .bias = true, .initial = true, .batch_first = true},
    {.op = "GRU", .gates = 3, .directions = 1, .constant = true},
    {.op = "GRU", .gates = 3, .directions = 2, .bias = true, .initial = true},
    {.op = "GRU", .gates = 3, .directions = 1, .bias = true, .before = true, .constant = true},
    {.op = "GRU", .gates = 3, .directions = 2, .bias = true, .before = true, .lens = true},
    {.op = "GRU",
     .gates = 3,
     .directions = 2,
     .bias = true,
     .initial = true,
     .batch_first = true,
     .lens = true},
    {.op = "RNN", .gates = 1, .directions = 1, .constant = true},
    {.op = "RNN", .gates = 1, .directions = 2, .bias = true, .initial = true, .lens = true},
    {.op = "RNN", .gates = 1, .directions = 1, .reverse = true, .batch_first = true},
};

START_TEST(as_the_equations_say)
{
	const struct with *k = &cases[_i];
	static struct data z;
	struct one_op o;
	int64_t n = k->directions * B * H;

	fill(z.x, S * B * I);
	fill(z.w, 2 * G_MAX * H * I);
	fill(z.r, 2 * G_MAX * H * H);
	fill(z.b, 2 * 2 * G_MAX * H);
	fill(z.h0, 2 * B * H);
	fill(z.c0, 2 * B * H);
	fill(z.p, 2 * 3 * H);
	memcpy(z.lens, (int32_t[B]){S, 0, 2}, sizeof(z.lens));
	expect(k, &z);
	one_op_begin(&o, "", 14);
	one_op_int(&o, "hidden_size", H);
	one_op_string(&o, "direction",
		      k->directions == 2 ? "bidirectional"
		      : k->reverse       ? "reverse"
					 : "forward");
	one_op_int(&o, "layout", k->batch_first);
	if (k->gates == 3)
		one_op_int(&o, "linear_before_reset", k->before);
	give_inputs(&o, k, &z);
	one_op_run(&o, k->op, k->gates == 4 ? 3 : 2);
	one_op_near(&o, 0, z.y, S * n, 1e-5);
	one_op_near(&o, 1, z.yh, n, 1e-5);
	if (k->gates == 4)
		one_op_near(&o, 2, z.yc, n, 1e-5);
	one_op_end(&o);
}
END_TEST

START_TEST(a_sequence_longer_than_time_is_refused)
{
	static struct data z;
	struct one_op o;

	memcpy(z.lens, (int32_t[B]){S, S + 1, 2}, sizeof(z.lens));
	one_op_begin(&o, "", 14);
	one_op_int(&o, "hidden_size", H);
	give_inputs(&o, &(struct with){.gates = 1, .directions = 1, .lens = true}, &z);
	one_op_refused(&o, "RNN", "sequence_lens[1] is 6");
	one_op_end(&o);
}
END_TEST

START_TEST(weights_that_do_not_fit_are_refused)
{
	static struct data z;
	struct one_op o;

	one_op_begin(&o, "", 14);
	one_op_int(&o, "hidden_size", H + 1);
	give_inputs(&o, &(struct with){.gates = 1, .directions = 1, .constant = true}, &z);
	one_op_refused(&o, "RNN", "hidden_size 7");
	one_op_end(&o);
}
END_TEST

Suite *check_ops_recurrent(void)
{
	Suite *s = suite_create("ops/recurrent");
	TCase *t = tcase_create("recurrent");

	tcase_add_loop_test(t, as_the_equations_say, 0, (int)(sizeof(cases) / sizeof(*cases)));
	tcase_add_test(t, a_sequence_longer_than_time_is_refused);
	tcase_add_test(t, weights_that_do_not_fit_are_refused);
	suite_add_tcase(s, t);
	return s;
}
