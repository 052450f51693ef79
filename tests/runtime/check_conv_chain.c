/* SPDX-License-Identifier: MIT */
/*
 * A depthwise convolution with 1 × 1 convolutions before and behind it as one node
 * (runtime/pass_chain.c, runtime/ops/conv_chain.c), against plain loops in double: in one
 * band of rows and in several, one after the other, with sums and activations, at every level.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/model.h"
#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

enum act { NO_ACT, RELU, SIGMOID };
enum sum { NO_SUM, SUM_X, SUM_MEAN }; /* with x, or with its mean, which broadcasts */

struct net {
	int64_t from, wide, to; /* channels; from or to 0: without that convolution */
	int64_t batch, rows, cols, kernel, stride, pad, dilation;
	enum act acts[3];
	enum sum sum;
};

static const struct net nets[] = {
    {8, 24, 8, 1, 9, 11, 3, 1, 1, 1, {RELU, RELU, NO_ACT}, SUM_X},
    {5, 17, 7, 2, 10, 13, 3, 2, 1, 1, {RELU, RELU, NO_ACT}, NO_SUM},
    {8, 96, 8, 2, 41, 64, 3, 1, 1, 1, {SIGMOID, RELU, RELU}, SUM_X}, /* bands */
    {8, 96, 8, 1, 41, 64, 3, 2, 1, 1, {RELU, SIGMOID, SIGMOID}, NO_SUM},
    {8, 64, 8, 1, 60, 64, 5, 1, 2, 1, {RELU, RELU, NO_ACT}, SUM_MEAN},
    {4, 64, 6, 1, 60, 66, 3, 1, 2, 2, {RELU, RELU, NO_ACT}, NO_SUM},
    {64, 200, 64, 2, 6, 5, 3, 1, 1, 1, {RELU, SIGMOID, NO_ACT}, SUM_X}, /* one after the other */
    {64, 200, 64, 1, 7, 7, 3, 2, 1, 1, {RELU, RELU, NO_ACT}, NO_SUM},
    {64, 200, 64, 1, 6, 5, 3, 1, 1, 1, {NO_ACT, RELU, RELU}, SUM_MEAN},
    {16, 33, 0, 1, 12, 9, 3, 1, 1, 1, {RELU, SIGMOID, NO_ACT}, NO_SUM},
    {16, 200, 0, 1, 50, 40, 3, 2, 0, 1, {SIGMOID, NO_ACT, NO_ACT}, NO_SUM},
    {0, 31, 12, 1, 12, 9, 3, 1, 1, 1, {NO_ACT, SIGMOID, RELU}, NO_SUM},
    {0, 64, 64, 1, 80, 70, 3, 1, 1, 1, {NO_ACT, RELU, NO_ACT}, SUM_X},
    {0, 200, 200, 1, 4, 4, 3, 1, 1, 1, {NO_ACT, RELU, NO_ACT}, SUM_X},
    {8, 16, 8, 1, 1, 1, 3, 1, 1, 1, {RELU, RELU, NO_ACT}, SUM_X},
};

static float number(void)
{
	static uint32_t state = 1;
	state = state * 1103515245u + 12345u;
	return (float)(state >> 8) * 0x1p-23f - 1.0f;
}

static void *numbers(int64_t n, size_t size)
{
	void *to = calloc((size_t)n + 1, size);
	ck_assert_ptr_nonnull(to);
	return to;
}

static double activated(enum act act, double x)
{
	return act == RELU ? fmax(x, 0) : act == SIGMOID ? 1 / (1 + exp(-x)) : x;
}

/* An image [N][C][H][W] in double. */
struct image {
	int64_t n, c, h, w;
	double *data;
};

static double *at(const struct image *i, int64_t n, int64_t c, int64_t h, int64_t w)
{
	return &i->data[((n * i->c + c) * i->h + h) * i->w + w];
}

/* ${x} becomes its convolution: 1 × 1 over all channels, or of each channel alone. */
static void convolve(struct image *x, const struct net *net, bool deep, int64_t to, const float *w,
		     const float *bias, enum act act)
{
	const int64_t kernel = deep ? net->kernel : 1, stride = deep ? net->stride : 1;
	const int64_t pad = deep ? net->pad : 0, dilation = deep ? net->dilation : 1;
	const int64_t seen = (kernel - 1) * dilation + 1;
	struct image y = {x->n, to, (x->h + 2 * pad - seen) / stride + 1,
			  (x->w + 2 * pad - seen) / stride + 1, NULL};
	y.data = numbers(y.n * y.c * y.h * y.w, sizeof(double));
	for (int64_t k = 0; k < y.n * y.c * y.h * y.w; k++) {
		const int64_t col = k % y.w, row = k / y.w % y.h, m = k / (y.w * y.h) % to;
		double sum = (double)bias[m];
		for (int64_t t = 0; t < kernel * kernel; t++) {
			const int64_t h = row * stride - pad + t / kernel * dilation;
			const int64_t v = col * stride - pad + t % kernel * dilation;
			if (h < 0 || h >= x->h || v < 0 || v >= x->w)
				continue;
			if (deep)
				sum += *at(x, k / (y.w * y.h * to), m, h, v) *
				       (double)w[m * kernel * kernel + t];
			for (int64_t c = 0; !deep && c < x->c; c++)
				sum +=
				    *at(x, k / (y.w * y.h * to), c, h, v) * (double)w[m * x->c + c];
		}
		y.data[k] = activated(act, sum);
	}
	free(x->data);
	*x = y;
}

/* One convolution of the model: "${in}" → "${out}", weights and bias named by ${out}. */
static void add_conv(struct opened *o, const struct net *net, bool deep, const char *in,
		     const char *out, int64_t from, int64_t to, const float *w, const float *bias)
{
	const int64_t kernel = deep ? net->kernel : 1;
	struct pbuild a = {0};
	char names[3][32];
	snprintf(names[0], sizeof names[0], "w%s", out);
	snprintf(names[1], sizeof names[1], "b%s", out);
	snprintf(names[2], sizeof names[2], "%s w%s b%s", in, out, out);
	pbuild_init_f32(&o->m, names[0], 4, (int64_t[]){to, deep ? 1 : from, kernel, kernel}, w);
	pbuild_init_f32(&o->m, names[1], 1, &to, bias);
	if (deep) {
		pbuild_attr_int(&a, "group", to);
		pbuild_attr_ints(&a, "pads", 4,
				 (int64_t[]){net->pad, net->pad, net->pad, net->pad});
		pbuild_attr_ints(&a, "strides", 2, (int64_t[]){net->stride, net->stride});
		pbuild_attr_ints(&a, "dilations", 2, (int64_t[]){net->dilation, net->dilation});
	}
	pbuild_node(&o->m, "Conv", names[2], out, &a);
}

static void add_act(struct opened *o, enum act act, const char *in, const char *out)
{
	static const char *const names[] = {"Identity", "Relu", "Sigmoid"};
	pbuild_node(&o->m, names[act], in, out, NULL);
}

static bool has_chain(const struct rt_graph *g)
{
	for (int i = 0; i < g->node_count; i++)
		if (!strcmp(g->nodes[i].op_type, "ConvChain"))
			return true;
	return false;
}

static void check(const struct net *net, enum rt_cpu_level level)
{
	const struct rt_model_opts opts = {.cpu_level = level};
	const int64_t from = net->from ? net->from : net->wide;
	const int64_t to = net->to ? net->to : net->wide;
	const int64_t dims[] = {net->batch, from, net->rows, net->cols};
	const int64_t elems = dims[0] * dims[1] * dims[2] * dims[3];
	const int64_t sizes[] = {from * net->wide, net->kernel * net->kernel * net->wide,
				 net->wide * to};
	struct opened o = {.model = NULL};
	struct image want = {net->batch, from, net->rows, net->cols, NULL}, x = want;
	struct rt_tensor in, y;
	float *data = numbers(elems, sizeof(float)), *w[3], bias[200];
	x.data = numbers(elems, sizeof(double));
	want.data = numbers(elems, sizeof(double));
	for (int64_t i = 0; i < elems; i++)
		want.data[i] = x.data[i] = (double)(data[i] = number());
	for (int i = 0; i < 200; i++)
		bias[i] = number();
	for (int k = 0; k < 3; k++) {
		w[k] = numbers(sizes[k], sizeof(float));
		for (int64_t i = 0; i < sizes[k]; i++)
			w[k][i] = number() * 0.5f;
	}
	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, 4, (int64_t[]){-1, -1, -1, -1});
	if (net->from) {
		add_conv(&o, net, false, "x", "c1", from, net->wide, w[0], bias);
		add_act(&o, net->acts[0], "c1", "a1");
		convolve(&want, net, false, net->wide, w[0], bias, net->acts[0]);
	}
	add_conv(&o, net, true, net->from ? "a1" : "x", "c2", net->wide, net->wide, w[1], bias);
	add_act(&o, net->acts[1], "c2", "a2");
	convolve(&want, net, true, net->wide, w[1], bias, net->acts[1]);
	if (net->to) {
		add_conv(&o, net, false, "a2", "c3", net->wide, to, w[2], bias);
		convolve(&want, net, false, to, w[2], bias, NO_ACT);
	}
	if (net->sum == SUM_MEAN)
		pbuild_node(&o.m, "GlobalAveragePool", "x", "other", NULL);
	if (net->sum != NO_SUM)
		pbuild_node(&o.m, "Add", net->sum == SUM_X ? "c3 x" : "other c3", "s", NULL);
	add_act(&o, net->acts[2], net->sum != NO_SUM ? "s" : net->to ? "c3" : "a2", "y");
	pbuild_output(&o.m, "y", 1);
	opened_open(&o, &opts);
	ck_assert_msg(has_chain(o.model->graph), "net %d", (int)(net - nets));
	in = opened_f32(data, 4, dims);
	opened_run(&o, &in, &y);
	ck_assert_int_eq(rt_tensor_elems(&y), want.n * want.c * want.h * want.w);
	for (int64_t k = 0; k < rt_tensor_elems(&y); k++) {
		const int64_t plane = k / (want.h * want.w), pixels = net->rows * net->cols;
		double other = net->sum == SUM_X ? x.data[k] : 0, v;
		for (int64_t i = 0; net->sum == SUM_MEAN && i < pixels; i++)
			other += x.data[plane * pixels + i] / (double)pixels;
		v = activated(net->acts[2], want.data[k] + other);
		ck_assert_msg(
		    fabs(v - (double)((float *)y.data)[k]) < 2e-4 + 2e-5 * fabs(want.data[k]),
		    "net %d, %s: %g instead of %g at %lld", (int)(net - nets),
		    rt_cpu_level_name(level), (double)((float *)y.data)[k], v, (long long)k);
	}
	opened_close(&o);
	for (int k = 0; k < 3; k++)
		free(w[k]);
	free(data), free(x.data), free(want.data);
}

START_TEST(chains)
{
	for (int level = 0; level < RT_CPU_LEVEL_COUNT; level++)
		if (rt_cpu_has((enum rt_cpu_level)level))
			check(&nets[_i], (enum rt_cpu_level)level);
}
END_TEST

Suite *check_runtime_conv_chain(void)
{
	Suite *s = suite_create("runtime_conv_chain");
	TCase *c = tcase_create("chain");
	tcase_add_checked_fixture(c, opened_start, opened_stop);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, chains, 0, (int)(sizeof nets / sizeof *nets));
	suite_add_tcase(s, c);
	return s;
}
