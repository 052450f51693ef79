/* SPDX-License-Identifier: MIT */
/*
 * Quantised graphs (runtime/pass_quant*.c, pass_layout_quant.c): the same numbers with
 * and without the passes, at every level, and what is left of the graph.  Without
 * them nodes run one by one as the operators define them.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/model.h"
#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

static uint32_t state;

static float number(void)
{
	state = state * 1103515245u + 12345u;
	return (float)(state >> 8) * 0x1p-23f - 1.0f;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

enum { U8 = 2, I8 = 3, I32 = 6 };

static void one_float(struct pbuild *m, const char *name, float x)
{
	pbuild_init_f32(m, name, 0, NULL, &x);
}

static void bytes(struct pbuild *m, const char *name, int type, int rank, const int64_t *dims)
{
	struct pbuild t = {0};
	uint8_t data[4096];
	size_t n = 1;
	for (int i = 0; i < rank; i++)
		n *= (size_t)dims[i];
	ck_assert(n <= sizeof data);
	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)(int)(number() * 127 + (type == U8 ? 128 : 0));
	pbuild_tensor(&t, name, type, rank, dims, data, n);
	pbuild_init(m, &t);
}

static void one_byte(struct pbuild *m, const char *name, int type, int x)
{
	const uint8_t byte = (uint8_t)x;
	struct pbuild t = {0};
	pbuild_tensor(&t, name, type, 0, NULL, &byte, 1);
	pbuild_init(m, &t);
}

/* ${in} quantised to bytes and back: ${out}. */
static void there_and_back(struct pbuild *m, const char *in, const char *out, int type, float scale,
			   int zero)
{
	char names[4][64];
	snprintf(names[0], 64, "%s_s", out);
	snprintf(names[1], 64, "%s_z", out);
	snprintf(names[2], 64, "%s %s_s %s_z", in, out, out);
	snprintf(names[3], 64, "%s_q", out);
	one_float(m, names[0], scale);
	one_byte(m, names[1], type, zero);
	pbuild_node(m, "QuantizeLinear", names[2], names[3], NULL);
	snprintf(names[2], 64, "%s_q %s_s %s_z", out, out, out);
	pbuild_node(m, "DequantizeLinear", names[2], out, NULL);
}

/* Weights [a][b][c][d] of int8 with a scale for each index of ${axis}, as floats: ${name}. */
static void weights(struct pbuild *m, const char *name, int rank, const int64_t *dims, int axis)
{
	struct pbuild attrs = {0};
	float scales[64];
	char names[3][64];
	ck_assert(dims[axis] <= 64);
	for (int64_t i = 0; i < dims[axis]; i++)
		scales[i] = 0.004f * (1.5f + number());
	snprintf(names[0], 64, "%s_q", name);
	snprintf(names[1], 64, "%s_s", name);
	snprintf(names[2], 64, "%s_q %s_s", name, name);
	bytes(m, names[0], I8, rank, dims);
	pbuild_init_f32(m, names[1], 1, &dims[axis], scales);
	pbuild_attr_int(&attrs, "axis", axis);
	pbuild_node(m, "DequantizeLinear", names[2], name, &attrs);
}

static void conv(struct pbuild *m, const char *in, const char *out, const char *w, int64_t cout,
		 int64_t cin, int64_t k, int64_t group)
{
	struct pbuild attrs = {0};
	float bias[64];
	char names[64];
	weights(m, w, 4, (int64_t[]){cout, cin / group, k, k}, 0);
	for (int64_t i = 0; i < cout; i++)
		bias[i] = number();
	snprintf(names, 64, "%s_b", w);
	pbuild_init_f32(m, names, 1, &cout, bias);
	snprintf(names, 64, "%s %s %s_b", in, w, w);
	pbuild_attr_int(&attrs, "group", group);
	pbuild_attr_ints(&attrs, "pads", 4, (int64_t[]){k / 2, k / 2, k / 2, k / 2});
	pbuild_node(m, "Conv", names, out, &attrs);
}

/* ---- nets: x is [1][8][6][6] ----------------------------------------------------------------- */

static void chain(struct pbuild *m, int type, int zero)
{
	struct pbuild attrs = {0};
	there_and_back(m, "x", "a", type, 0.01f, zero - 3);
	conv(m, "a", "b", "w1", 24, 8, 3, 1);
	pbuild_node(m, "Relu", "b", "c", NULL);
	there_and_back(m, "c", "d", type, 0.02f, zero - 128);
	conv(m, "d", "e", "w2", 24, 24, 3, 24);
	one_float(m, "lo", -0.5f), one_float(m, "hi", 1.5f);
	pbuild_node(m, "Clip", "e lo hi", "f", NULL);
	there_and_back(m, "f", "g", type, 0.015f, zero);
	pbuild_node(m, "Add", "g d", "h", NULL);
	there_and_back(m, "h", "i", type, 0.03f, zero - 40);
	pbuild_node(m, "GlobalAveragePool", "i", "j", NULL);
	there_and_back(m, "j", "k", type, 0.02f, zero - 100);
	pbuild_node(m, "Flatten", "k", "l", NULL);
	there_and_back(m, "l", "n", type, 0.02f, zero - 100);
	weights(m, "w3", 2, (int64_t[]){10, 24}, 0);
	pbuild_attr_int(&attrs, "transB", 1);
	pbuild_node(m, "Gemm", "n w3", "o", &attrs);
	there_and_back(m, "o", "y", type, 0.03f, zero);
}

static void chain_u8(struct pbuild *m)
{
	chain(m, U8, 128);
}

static void chain_i8(struct pbuild *m)
{
	chain(m, I8, 0);
}

/* Functions by table, products of two tensors, tensors joined. */
static void others(struct pbuild *m)
{
	struct pbuild attrs = {0}, axis = {0};
	there_and_back(m, "x", "a", U8, 0.01f, 120);
	pbuild_node(m, "Sigmoid", "a", "b", NULL);
	there_and_back(m, "b", "c", U8, 1.0f / 256, 0);
	pbuild_node(m, "Mul", "a c", "d", NULL);
	there_and_back(m, "d", "e", U8, 0.01f, 80);
	pbuild_node(m, "Relu", "e", "f", NULL);
	there_and_back(m, "f", "g", U8, 0.005f, 0);
	pbuild_attr_ints(&attrs, "perm", 4, (int64_t[]){0, 1, 3, 2});
	pbuild_node(m, "Transpose", "e", "h", &attrs);
	there_and_back(m, "h", "i", U8, 0.01f, 80);
	pbuild_node(m, "MatMul", "g i", "j", NULL);
	there_and_back(m, "j", "k", U8, 0.02f, 30);
	pbuild_attr_int(&axis, "axis", 1);
	pbuild_node(m, "Concat", "k g", "l", &axis);
	there_and_back(m, "l", "y", U8, 0.02f, 30);
}

/* Results that stay floats. */
static void real(struct pbuild *m)
{
	there_and_back(m, "x", "a", U8, 0.01f, 128);
	conv(m, "a", "b", "w1", 16, 8, 3, 2);
	pbuild_node(m, "Relu", "b", "y", NULL);
}

static void dynamic(struct pbuild *m)
{
	float bias[7];
	for (int i = 0; i < 7; i++)
		bias[i] = number();
	pbuild_node(m, "DynamicQuantizeLinear", "x", "q s z", NULL);
	bytes(m, "w", I8, 2, (int64_t[]){6, 7});
	one_float(m, "w_s", 0.01f), one_byte(m, "w_z", I8, 3);
	pbuild_init_f32(m, "b", 1, (int64_t[]){7}, bias);
	pbuild_node(m, "MatMulInteger", "q w z w_z", "i", NULL);
	struct pbuild to = {0};
	pbuild_attr_int(&to, "to", 1);
	pbuild_node(m, "Cast", "i", "f", &to);
	pbuild_node(m, "Mul", "s w_s", "by", NULL);
	pbuild_node(m, "Mul", "f by", "g", NULL);
	pbuild_node(m, "Add", "b g", "h", NULL);
	pbuild_node(m, "Relu", "h", "y", NULL);
}

static void dynamic_conv(struct pbuild *m)
{
	struct pbuild to = {0}, pads = {0};
	float bias[5];
	for (int i = 0; i < 5; i++)
		bias[i] = number();
	pbuild_node(m, "DynamicQuantizeLinear", "x", "q s z", NULL);
	bytes(m, "w", U8, 4, (int64_t[]){5, 8, 3, 3});
	one_float(m, "w_s", 0.01f), one_byte(m, "w_z", U8, 130);
	pbuild_init_f32(m, "b", 4, (int64_t[]){1, 5, 1, 1}, bias);
	pbuild_attr_ints(&pads, "pads", 4, (int64_t[]){1, 1, 1, 1});
	pbuild_node(m, "ConvInteger", "q w z w_z", "i", &pads);
	pbuild_attr_int(&to, "to", 1);
	pbuild_node(m, "Cast", "i", "f", &to);
	pbuild_node(m, "Mul", "w_s s", "by", NULL);
	pbuild_node(m, "Mul", "by f", "g", NULL);
	pbuild_node(m, "Add", "g b", "h", NULL);
	pbuild_node(m, "Relu", "h", "y", NULL);
}

static const struct {
	const char *name;
	void (*build)(struct pbuild *m);
	float step; /* of the output, which may be rounded the other way */
	const char *ops[6];
	int counts[6]; /* after the passes */
} nets[] = {
    {"chain of uint8",
     chain_u8,
     0.03f,
     {"QLinearConv", "QLinearAdd", "QLinearGlobalAveragePool", "QGemm", "DequantizeLinear", "Conv"},
     {2, 1, 1, 1, 1, 0}},
    {"chain of int8",
     chain_i8,
     0.03f,
     {"QLinearConv", "QLinearAdd", "QLinearGlobalAveragePool", "QGemm", "DequantizeLinear", "Conv"},
     {2, 1, 1, 1, 1, 0}},
    {"functions and products",
     others,
     0.02f,
     {"QUnary", "QLinearMul", "QLinearMatMul", "QLinearConcat", "DequantizeLinear",
      "QuantizeLinear"},
     {2, 1, 1, 1, 1, 1}},
    {"real results", real, 1e-4f, {"ConvIntegerToFloat", "Conv", "Relu"}, {1, 0, 0}},
    {"dynamic product",
     dynamic,
     1e-5f,
     {"MatMulIntegerToFloat", "MatMulInteger", "Cast", "Mul", "Add", "Relu"},
     {1, 0, 0, 0, 0, 0}},
    {"dynamic convolution",
     dynamic_conv,
     1e-5f,
     {"ConvIntegerToFloat", "ConvInteger", "Cast", "Mul", "Add", "Relu"},
     {1, 0, 0, 0, 0, 0}},
};

static int count(const struct rt_graph *g, const char *op)
{
	int n = 0;
	for (int i = 0; i < g->node_count; i++)
		n += strcmp(g->nodes[i].op_type, op) == 0;
	return n;
}

static void run_net(int i, struct opened *o, const struct rt_model_opts *opts,
		    const struct rt_tensor *x, struct rt_tensor *y)
{
	state = (uint32_t)i + 5;
	pbuild_model(&o->m, 13);
	pbuild_input(&o->m, "x", 1, 4, (int64_t[]){1, 8, 6, 6});
	pbuild_output(&o->m, "y", 1);
	nets[i].build(&o->m);
	opened_open(o, opts);
	opened_run(o, x, y);
}

/* Few results may be a step away: where a number lies between two, floats decide. */
static void compare(int i, const char *level, const struct rt_tensor *want,
		    const struct rt_tensor *have)
{
	const int64_t n = rt_tensor_elems(want);
	int64_t off = 0;
	ck_assert(rt_shape_equal(&want->shape, &have->shape));
	for (int64_t k = 0; k < n; k++) {
		float p = ((float *)want->data)[k], q = ((float *)have->data)[k];
		ck_assert_msg(fabsf(p - q) <= 1.01f * nets[i].step * (1 + fabsf(p) * 1e-4f),
			      "%s at %s: %g instead of %g at %lld", nets[i].name, level, (double)q,
			      (double)p, (long long)k);
		off += fabsf(p - q) > 1e-4f * (1 + fabsf(p));
	}
	ck_assert_msg(off <= n / 20, "%s at %s: %lld of %lld are a step away", nets[i].name, level,
		      (long long)off, (long long)n);
}

START_TEST(same_with_and_without)
{
	const struct rt_model_opts plain = {.cpu_level = RT_CPU_SCALAR, .no_optimise = true};
	struct opened a = {.model = NULL};
	float data[8 * 36];
	const struct rt_tensor x = opened_f32(data, 4, (int64_t[]){1, 8, 6, 6});
	struct rt_tensor want[2], have[2];
	state = 77;
	for (size_t i = 0; i < sizeof data / sizeof *data; i++)
		data[i] = number();
	run_net(_i, &a, &plain, &x, want);
	for (int level = 0; level < RT_CPU_LEVEL_COUNT; level++) {
		const struct rt_model_opts opts = {.cpu_level = (enum rt_cpu_level)level};
		struct opened b = {.model = NULL};
		if (!rt_cpu_has((enum rt_cpu_level)level))
			continue;
		run_net(_i, &b, &opts, &x, have);
		compare(_i, rt_cpu_level_name((enum rt_cpu_level)level), want, have);
		for (int k = 0; k < 6 && nets[_i].ops[k]; k++)
			ck_assert_msg(count(b.model->graph, nets[_i].ops[k]) == nets[_i].counts[k],
				      "%s has %d %s", nets[_i].name,
				      count(b.model->graph, nets[_i].ops[k]), nets[_i].ops[k]);
		opened_close(&b);
	}
	opened_close(&a);
}
END_TEST

Suite *check_runtime_pass_quant(void)
{
	Suite *s = suite_create("runtime_pass_quant");
	TCase *c = tcase_create("quantised graphs");
	tcase_add_checked_fixture(c, opened_start, opened_stop);
	tcase_add_loop_test(c, same_with_and_without, 0, (int)(sizeof nets / sizeof *nets));
	suite_add_tcase(s, c);
	return s;
}
