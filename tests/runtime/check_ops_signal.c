/* SPDX-License-Identifier: MIT */
/*
 * DFT, STFT and windows (runtime/ops/dft.c, fft.c, window.c) against the sums
 * that define them, in double precision.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>

#include "tests/runtime/one_op.h"
#include "tests/runtime/suites.h"

#define PI 3.14159265358979323846
#define MOST 512

/* X[k] of n complex numbers; the sign of the exponent is that of ${sign}. */
static void slow(size_t n, const double *x, int sign, double *out)
{
	for (size_t k = 0; k < n; k++) {
		double re = 0, im = 0;
		for (size_t j = 0; j < n; j++) {
			double a = sign * 2 * PI * (double)(j * k % n) / (double)n;
			re += x[2 * j] * cos(a) - x[2 * j + 1] * sin(a);
			im += x[2 * j] * sin(a) + x[2 * j + 1] * cos(a);
		}
		out[2 * k] = re;
		out[2 * k + 1] = im;
	}
}

static const int lengths[] = {1, 2, 3, 4, 5, 7, 8, 12, 16, 30, 31, 64, 97, 128, 180, 256};

START_TEST(complex_lines_of_any_length)
{
	static float x[2 * MOST];
	static double wide[2 * MOST], want[2 * MOST];
	int n = lengths[_i];
	struct one_op o;

	for (int inverse = 0; inverse < 2; inverse++) {
		one_op_begin(&o, "", 20);
		one_op_int(&o, "inverse", inverse);
		for (int i = 0; i < 2 * n; i++)
			wide[i] = (double)(x[i] = (float)one_op_random());
		one_op_in(&o, RT_F32, 3, (int64_t[]){1, n, 2}, x);
		one_op_run(&o, "DFT", 1);
		slow((size_t)n, wide, inverse ? 1 : -1, want);
		for (int i = 0; inverse && i < 2 * n; i++)
			want[i] /= n;
		one_op_shape(&o, 0, 3, 1, n, 2);
		one_op_near(&o, 0, want, 2 * n, 1e-6);
		one_op_end(&o);
	}
}
END_TEST

/* Along a middle axis, cut and padded; real in, half of the bins out. */
START_TEST(an_axis_in_the_middle_and_one_side)
{
	enum { A = 2, N = 6, B = 3, LEN = 9, BINS = LEN / 2 + 1 };
	static float x[A * N * B];
	static double want[A * BINS * B * 2];
	int64_t length = LEN, axis = 1;
	struct one_op o;

	for (int i = 0; i < A * N * B; i++)
		x[i] = (float)one_op_random();
	for (int a = 0; a < A; a++)
		for (int b = 0; b < B; b++) {
			double line[2 * LEN] = {0}, out[2 * LEN];
			for (int k = 0; k < N; k++)
				line[2 * k] = (double)x[(a * N + k) * B + b];
			slow(LEN, line, -1, out);
			for (int k = 0; k < BINS * 2; k++)
				want[((a * BINS + k / 2) * B + b) * 2 + k % 2] = out[k];
		}
	one_op_begin(&o, "", 20);
	one_op_int(&o, "onesided", 1);
	one_op_in(&o, RT_F32, 4, (int64_t[]){A, N, B, 1}, x);
	one_op_const(&o, RT_I64, 0, NULL, &length);
	one_op_const(&o, RT_I64, 0, NULL, &axis);
	one_op_run(&o, "DFT", 1);
	one_op_shape(&o, 0, 4, A, BINS, B, 2);
	one_op_near(&o, 0, want, A * BINS * B * 2, 1e-6);
	one_op_end(&o);
}
END_TEST

/* A real signal comes back from its one-sided bins. */
START_TEST(one_sided_bins_go_back_to_the_signal)
{
	enum { N = 10, BINS = N / 2 + 1 };
	static float bins[BINS * 2];
	double signal[N], line[2 * N] = {0}, out[2 * N];
	struct one_op o;

	for (int k = 0; k < N; k++)
		line[2 * k] = signal[k] = one_op_random();
	slow(N, line, -1, out);
	for (int k = 0; k < BINS * 2; k++)
		bins[k] = (float)out[k];
	one_op_begin(&o, "", 17);
	one_op_int(&o, "onesided", 1);
	one_op_int(&o, "inverse", 1);
	one_op_in(&o, RT_F32, 3, (int64_t[]){1, BINS, 2}, bins);
	one_op_run(&o, "DFT", 1);
	one_op_shape(&o, 0, 3, 1, N, 1);
	one_op_near(&o, 0, signal, N, 1e-6);
	one_op_end(&o);
}
END_TEST

START_TEST(frames_of_a_signal)
{
	enum { L = 40, N = 12, STEP = 5, FRAMES = (L - N) / STEP + 1, BINS = N / 2 + 1 };
	static float x[2 * L], window[N];
	static double want[2 * FRAMES * BINS * 2];
	int64_t step = STEP;
	struct one_op o;

	for (int i = 0; i < 2 * L; i++)
		x[i] = (float)one_op_random();
	for (int i = 0; i < N; i++)
		window[i] = (float)one_op_random();
	for (int f = 0; f < 2 * FRAMES; f++) {
		double line[2 * N] = {0}, out[2 * N];
		for (int k = 0; k < N; k++)
			line[2 * k] =
			    (double)x[f / FRAMES * L + f % FRAMES * STEP + k] * (double)window[k];
		slow(N, line, -1, out);
		for (int k = 0; k < BINS * 2; k++)
			want[f * BINS * 2 + k] = out[k];
	}
	one_op_begin(&o, "", 17);
	one_op_in(&o, RT_F32, 3, (int64_t[]){2, L, 1}, x);
	one_op_const(&o, RT_I64, 0, NULL, &step);
	one_op_in(&o, RT_F32, 1, (int64_t[]){N}, window);
	one_op_run(&o, "STFT", 1);
	one_op_shape(&o, 0, 4, 2, FRAMES, BINS, 2);
	one_op_near(&o, 0, want, 2 * FRAMES * BINS * 2, 1e-6);
	one_op_end(&o);
}
END_TEST

START_TEST(windows_are_sums_of_cosines)
{
	static const struct {
		const char *op;
		double a0, a1, a2;
	} rows[] = {{"HannWindow", .5, .5, 0},
		    {"HammingWindow", 25.0 / 46, 21.0 / 46, 0},
		    {"BlackmanWindow", .42, .5, .08}};
	enum { N = 11 };
	int64_t size = N;

	for (int periodic = 0; periodic < 2; periodic++) {
		double want[N];
		struct one_op o;
		for (int i = 0; i < N; i++) {
			double t = 2 * PI * i / (periodic ? N : N - 1);
			want[i] = rows[_i].a0 - rows[_i].a1 * cos(t) + rows[_i].a2 * cos(2 * t);
		}
		one_op_begin(&o, "", 17);
		one_op_int(&o, "periodic", periodic);
		one_op_in(&o, RT_I64, 0, NULL, &size);
		one_op_run(&o, rows[_i].op, 1);
		one_op_near(&o, 0, want, N, 1e-6);
		one_op_end(&o);
	}
}
END_TEST

START_TEST(a_frame_longer_than_the_signal_is_refused)
{
	static float x[8], window[9];
	int64_t step = 1;
	struct one_op o;

	one_op_begin(&o, "", 17);
	one_op_in(&o, RT_F32, 3, (int64_t[]){1, 8, 1}, x);
	one_op_const(&o, RT_I64, 0, NULL, &step);
	one_op_in(&o, RT_F32, 1, (int64_t[]){9}, window);
	one_op_refused(&o, "STFT", "frames of 9");
	one_op_end(&o);
}
END_TEST

Suite *check_ops_signal(void)
{
	Suite *s = suite_create("ops/signal");
	TCase *t = tcase_create("signal");

	tcase_add_loop_test(t, complex_lines_of_any_length, 0,
			    (int)(sizeof(lengths) / sizeof(*lengths)));
	tcase_add_test(t, an_axis_in_the_middle_and_one_side);
	tcase_add_test(t, one_sided_bins_go_back_to_the_signal);
	tcase_add_test(t, frames_of_a_signal);
	tcase_add_loop_test(t, windows_are_sums_of_cosines, 0, 3);
	tcase_add_test(t, a_frame_longer_than_the_signal_is_refused);
	suite_add_tcase(s, t);
	return s;
}
