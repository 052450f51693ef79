/* SPDX-License-Identifier: MIT */
/*
 * Conv and the pools, plain and channels last (runtime/ops/conv*.c, pool*.c),
 * against their definitions in double: kernels, strides, dilations, pads, groups,
 * one to three dims, at the scalar and the best level, on two threads.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

#define ELEMS_MAX 180000

static uint32_t state = 1;

static float number(void)
{
	state = state * 1103515245u + 12345u;
	return (float)(state >> 8) * 0x1p-23f - 1.0f;
}

/* Three spatial dims; ${rank} of them are in the model, the first ones are 1. */
struct spatial {
	int rank;
	int64_t batch, in_channels, out_channels, group;
	int64_t in[3], kernel[3], stride[3], dilation[3], begin[3], end[3];
};

static int64_t out_dim(const struct spatial *s, int d)
{
	int64_t reach = (s->kernel[d] - 1) * s->dilation[d] + 1;
	return (s->in[d] + s->begin[d] + s->end[d] - reach) / s->stride[d] + 1;
}

/* Input position of tap ${k} for output ${o} along ${d}; −1 outside. */
static int64_t place(const struct spatial *s, int d, int64_t o, int64_t k)
{
	int64_t i = o * s->stride[d] - s->begin[d] + k * s->dilation[d];
	return i < s->in[d] ? i : -1;
}

/* Offset in the input plane of tap number ${t} for output element ${o}; −1 outside. */
static int64_t tap(const struct spatial *s, int64_t o, int64_t t)
{
	const int64_t ow = out_dim(s, 2), oh = out_dim(s, 1);
	int64_t w = place(s, 2, o % ow, t % s->kernel[2]);
	int64_t h = place(s, 1, o / ow % oh, t / s->kernel[2] % s->kernel[1]);
	int64_t d = place(s, 0, o / ow / oh, t / s->kernel[2] / s->kernel[1]);
	return w < 0 || h < 0 || d < 0 ? -1 : (d * s->in[1] + h) * s->in[2] + w;
}

static void attributes(struct pbuild *a, const struct spatial *s)
{
	const int skip = 3 - s->rank;
	int64_t pads[6];
	for (int i = 0; i < s->rank; i++) {
		pads[i] = s->begin[skip + i];
		pads[s->rank + i] = s->end[skip + i];
	}
	pbuild_attr_ints(a, "kernel_shape", s->rank, s->kernel + skip);
	pbuild_attr_ints(a, "strides", s->rank, s->stride + skip);
	pbuild_attr_ints(a, "dilations", s->rank, s->dilation + skip);
	pbuild_attr_ints(a, "pads", 2 * s->rank, pads);
}

/* A description by a number: all kinds of windows come up. */
static struct spatial spatial_at(int i)
{
	struct spatial s = {.rank = 1 + i % 3, .batch = 1 + i / 3 % 2};
	static const int64_t channels[][3] = {{3, 5, 1},    {8, 16, 1}, {6, 6, 6}, {33, 33, 33},
					      {4, 40, 1},   {12, 8, 4}, {1, 1, 1}, {16, 35, 1},
					      {20, 20, 20}, {5, 10, 5}};
	s.in_channels = channels[i % 10][0];
	s.out_channels = channels[i % 10][1];
	s.group = channels[i % 10][2];
	for (int d = 0; d < 3; d++) {
		bool used = d >= 3 - s.rank;
		s.in[d] = !used ? 1 : s.rank == 3 ? 4 + (i + d) % 3 : 5 + (i * 7 + d * 5) % 19;
		s.kernel[d] = used ? 1 + (i / 2 + d) % 3 : 1;
		s.stride[d] = used ? 1 + (i / 4 + d) % 2 : 1;
		s.dilation[d] = used && s.in[d] > 6 ? 1 + i / 8 % 2 : 1;
		s.begin[d] = used ? (i + d) % 3 % s.kernel[d] : 0;
		s.end[d] = used ? (i / 3 + d) % 2 % s.kernel[d] : 0;
	}
	return s;
}

static int64_t product(const int64_t *dims)
{
	return dims[0] * dims[1] * dims[2];
}

static int64_t shape_of(const struct spatial *s, int64_t channels, int64_t *dims)
{
	int64_t elems = s->batch * channels;
	dims[0] = s->batch;
	dims[1] = channels;
	for (int i = 0; i < s->rank; i++)
		elems *= dims[2 + i] = s->in[3 - s->rank + i];
	return elems;
}

/* Opens ${o} at level ${how & 1}, optimised or not by ${how & 2}, and runs it. */
static void open_and_run(struct opened *o, int how, const struct rt_tensor *x, struct rt_tensor *y)
{
	const struct rt_model_opts opts = {.cpu_level = how & 1 ? rt_cpu_best() : RT_CPU_SCALAR,
					   .no_optimise = how & 2};
	opened_open(o, &opts);
	opened_run(o, x, y);
}

static float x[ELEMS_MAX], w[ELEMS_MAX], bias[150];

/* Numbers are −1 … 1; results are within ${bound} of the definition. */
static void one_conv(const struct spatial *of, bool with_bias, int i, int how, double bound)
{
	const struct spatial s = *of;
	const int64_t per_group = s.in_channels / s.group, taps = product(s.kernel);
	const int64_t out[3] = {out_dim(&s, 0), out_dim(&s, 1), out_dim(&s, 2)};
	const int64_t plane = product(out), each = per_group * taps;
	int64_t dims[5], w_dims[5] = {s.out_channels, per_group};
	struct opened o = {.model = NULL};
	struct pbuild attrs = {0};
	struct rt_tensor in, y;
	const int64_t elems = shape_of(&s, s.in_channels, dims);
	ck_assert(elems < ELEMS_MAX && s.out_channels * each < ELEMS_MAX);
	for (int64_t k = 0; k < elems; k++)
		x[k] = number();
	for (int64_t k = 0; k < s.out_channels * each; k++)
		w[k] = number();
	for (int k = 0; k < 150; k++)
		bias[k] = number();
	memcpy(w_dims + 2, s.kernel + 3 - s.rank, sizeof *w_dims * (size_t)s.rank);
	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, 2 + s.rank, dims);
	pbuild_init_f32(&o.m, "w", 2 + s.rank, w_dims, w);
	pbuild_init_f32(&o.m, "b", 1, &s.out_channels, bias);
	attributes(&attrs, &s);
	pbuild_attr_int(&attrs, "group", s.group);
	pbuild_node(&o.m, "Conv", with_bias ? "x w b" : "x w", "y", &attrs);
	pbuild_output(&o.m, "y", 1);
	in = opened_f32(x, 2 + s.rank, dims);
	open_and_run(&o, how, &in, &y);
	ck_assert_int_eq(rt_tensor_elems(&y), s.batch * s.out_channels * plane);
	for (int64_t k = 0; k < rt_tensor_elems(&y); k++) {
		int64_t n = k / plane / s.out_channels, m = k / plane % s.out_channels;
		int64_t first = m / (s.out_channels / s.group) * per_group;
		double want = with_bias ? (double)bias[m] : 0;
		for (int64_t t = 0; t < each; t++) {
			int64_t at = tap(&s, k % plane, t % taps), c = first + t / taps;
			if (at >= 0)
				want += (double)x[(n * s.in_channels + c) * product(s.in) + at] *
					(double)w[m * each + t];
		}
		ck_assert_msg(fabs(want - (double)((float *)y.data)[k]) < bound,
			      "conv %d how %d: %g instead of %g at %lld", i, how,
			      (double)((float *)y.data)[k], want, (long long)k);
	}
	opened_close(&o);
}

START_TEST(convolutions)
{
	for (int i = 0; i < 120; i++) {
		const struct spatial s = spatial_at(i);
		one_conv(&s, i % 2, i, _i, 2e-5);
	}
}
END_TEST

/* Weights that conv_winograd.c takes: squares of 4 × 4, and the last ones of 2 × 2.  The bounds
 * are those of kernels.h; without the passes it is a plain sum. */
START_TEST(squares)
{
	static const int64_t channels[][2] = {{16, 16}, {17, 40}, {33, 31}, {128, 128}, {130, 129}};
	static const int64_t sizes[][2] = {{1, 1}, {4, 4}, {5, 7}, {14, 13}, {3, 29}, {2, 2}};
	for (int i = 0; i < 30; i++) {
		struct spatial s = {
		    .rank = 2, .batch = 1 + i % 2, .group = 1, .dilation = {1, 1, 1}};
		const double root = sqrt((double)channels[i % 5][0]);
		s.in_channels = channels[i % 5][0];
		s.out_channels = channels[i % 5][1];
		for (int d = 0; d < 3; d++) {
			s.in[d] = d ? sizes[i / 5][d - 1] : 1;
			s.kernel[d] = d ? 3 : 1;
			s.stride[d] = 1;
			s.begin[d] = d ? 1 + (i + d) % 3 / 2 : 0;
			s.end[d] = d ? 1 + i % 2 : 0;
		}
		one_conv(&s, i % 3, i, _i, (_i & 2 ? 2e-5 : i % 5 == 4 ? 3.5e-6 : 5.5e-5) * root);
	}
}
END_TEST

/* Windows that are neighbours as a whole: of one line, or over whole lines; strides, several
 * images, and neighbours of such windows that are none (a pad, a dilation, a narrower kernel). */
START_TEST(windows_in_place)
{
	static const struct spatial of[] = {
	    {1, 2, 5, 7, 1, {1, 1, 40}, {1, 1, 5}, {1, 1, 1}, {1, 1, 1}, {0}, {0}},
	    {1, 3, 40, 33, 1, {1, 1, 90}, {1, 1, 4}, {1, 1, 3}, {1, 1, 1}, {0}, {0}},
	    {1, 2, 5, 7, 1, {1, 1, 40}, {1, 1, 5}, {1, 1, 1}, {1, 1, 1}, {0}, {0, 0, 1}},
	    {1, 2, 5, 7, 1, {1, 1, 40}, {1, 1, 5}, {1, 1, 1}, {1, 1, 2}, {0}, {0}},
	    {2, 2, 33, 40, 1, {1, 60, 1}, {1, 5, 1}, {1, 1, 1}, {1, 1, 1}, {0}, {0}},
	    {2, 3, 6, 40, 1, {1, 20, 4}, {1, 3, 4}, {1, 2, 1}, {1, 1, 1}, {0}, {0}},
	    {2, 2, 6, 40, 1, {1, 20, 4}, {1, 3, 4}, {1, 1, 1}, {1, 2, 1}, {0}, {0}},
	    {2, 2, 6, 40, 1, {1, 20, 4}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0}, {0}},
	    {2, 2, 6, 40, 1, {1, 20, 4}, {1, 3, 4}, {1, 1, 1}, {1, 1, 1}, {0, 1}, {0}},
	    {2, 2, 8, 8, 2, {1, 20, 4}, {1, 3, 4}, {1, 1, 1}, {1, 1, 1}, {0}, {0}},
	};
	for (int i = 0; i < (int)(sizeof of / sizeof *of); i++)
		one_conv(&of[i], i % 2, i, _i, 5e-5);
}
END_TEST

/* Relu before the pool gives the layout pass nothing to hold on to, Conv does. */
static void one_pool(int i, int how, bool max)
{
	struct spatial s = spatial_at(i);
	const int64_t out[3] = {out_dim(&s, 0), out_dim(&s, 1), out_dim(&s, 2)};
	const int64_t plane = product(out), taps = product(s.kernel), c = s.in_channels;
	int64_t dims[5], w_dims[5] = {c, c, 1, 1, 1};
	const bool with_pads = i % 4 == 3;
	struct opened o = {.model = NULL};
	struct pbuild attrs = {0};
	struct rt_tensor in, y;
	int64_t elems;
	if (!max)
		for (int d = 0; d < 3; d++)
			s.dilation[d] = 1;
	if (!max &&
	    (out_dim(&s, 0) != out[0] || out_dim(&s, 1) != out[1] || out_dim(&s, 2) != out[2]))
		return;
	elems = shape_of(&s, c, dims);
	for (int64_t k = 0; k < elems; k++)
		x[k] = number();
	for (int64_t k = 0; k < c * c; k++)
		w[k] = k / c == k % c ? 1 : 0;
	pbuild_model(&o.m, 19);
	pbuild_input(&o.m, "x", 1, 2 + s.rank, dims);
	pbuild_init_f32(&o.m, "w", 2 + s.rank, w_dims, w);
	pbuild_node(&o.m, "Conv", "x w", "same", NULL);
	attributes(&attrs, &s);
	if (!max)
		pbuild_attr_int(&attrs, "count_include_pad", with_pads);
	pbuild_node(&o.m, max ? "MaxPool" : "AveragePool", "same", "y", &attrs);
	pbuild_output(&o.m, "y", 1);
	in = opened_f32(x, 2 + s.rank, dims);
	open_and_run(&o, how, &in, &y);
	ck_assert_int_eq(rt_tensor_elems(&y), s.batch * c * plane);
	for (int64_t k = 0; k < rt_tensor_elems(&y); k++) {
		double best = -INFINITY, sum = 0, want;
		int64_t inside = 0;
		for (int64_t t = 0; t < taps; t++) {
			int64_t at = tap(&s, k % plane, t);
			double v = at < 0 ? 0 : (double)x[k / plane * product(s.in) + at];
			inside += at >= 0;
			sum += v;
			best = at >= 0 && v > best ? v : best;
		}
		want = max ? best : sum / (double)(with_pads ? taps : inside);
		if (inside > 0)
			ck_assert_msg(fabs(want - (double)((float *)y.data)[k]) < 1e-5,
				      "pool %d how %d: %g instead of %g at %lld", i, how,
				      (double)((float *)y.data)[k], want, (long long)k);
	}
	opened_close(&o);
}

START_TEST(pools)
{
	for (int i = 0; i < 60; i++) {
		one_pool(i, _i, true);
		one_pool(i, _i, false);
	}
}
END_TEST

/* What does not fit is refused with a word on what it was. */
START_TEST(refusals)
{
	struct opened o = {.model = NULL};
	const struct rt_model_opts opts = {.cpu_level = rt_cpu_best(), .no_optimise = _i & 2};
	int64_t dims[] = {1, 3, 5, 5}, w_dims[] = {4, 2, 3, 3};
	struct rt_tensor in = opened_f32(x, 4, dims);
	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, -1, NULL);
	pbuild_init_f32(&o.m, "w", 4, w_dims, w);
	pbuild_node(&o.m, "Conv", "x w", "y", NULL);
	pbuild_output(&o.m, "y", 1);
	opened_open(&o, &opts);
	opened_refuses(&o, &in, RT_INPUT, "weights");
	dims[1] = 2, dims[2] = 1;
	in = opened_f32(x, 4, dims);
	opened_refuses(&o, &in, RT_INPUT, "window");
	opened_close(&o);
}
END_TEST

Suite *check_runtime_conv(void)
{
	Suite *s = suite_create("runtime_conv");
	TCase *c = tcase_create("conv");
	tcase_add_checked_fixture(c, opened_start, opened_stop);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, convolutions, 0, 4);
	tcase_add_loop_test(c, squares, 0, 4);
	tcase_add_loop_test(c, windows_in_place, 0, 4);
	tcase_add_loop_test(c, pools, 0, 4);
	tcase_add_loop_test(c, refusals, 0, 4);
	suite_add_tcase(s, c);
	return s;
}
