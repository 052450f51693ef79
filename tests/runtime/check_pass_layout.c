/* SPDX-License-Identifier: MIT */
/*
 * The layout and fusion passes (runtime/pass_layout*.c, pass_fuse*.c): small nets
 * give the same with and without them, and become the nodes that they should.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/model.h"
#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

static uint32_t state = 1;

static float number(void)
{
	state = state * 1103515245u + 12345u;
	return (float)(state >> 8) * 0x1p-23f - 1.0f;
}

/* ---- words for building nets ------------------------------------------------------------------
 */

static void constant(struct pbuild *m, const char *name, int rank, const int64_t *dims)
{
	float data[4096];
	int64_t n = 1;
	for (int i = 0; i < rank; i++)
		n *= dims[i];
	ck_assert(n <= 4096);
	for (int64_t i = 0; i < n; i++)
		data[i] = number();
	pbuild_init_f32(m, name, rank, dims, data);
}

static void scalar(struct pbuild *m, const char *name, float value)
{
	pbuild_init_f32(m, name, 0, NULL, &value);
}

/* A 3 × 3 convolution with pads of 1, or 1 × 1. */
static void conv(struct pbuild *m, const char *in, const char *out, const char *w, int64_t from,
		 int64_t to, int64_t kernel)
{
	struct pbuild a = {0};
	char names[64];
	constant(m, w, 4, (int64_t[]){to, from, kernel, kernel});
	if (kernel == 3)
		pbuild_attr_ints(&a, "pads", 4, (int64_t[]){1, 1, 1, 1});
	snprintf(names, sizeof names, "%s %s", in, w);
	pbuild_node(m, "Conv", names, out, &a);
}

static void batch_norm(struct pbuild *m, const char *in, const char *out, int64_t channels)
{
	float v[64];
	char names[64];
	constant(m, "bn_s", 1, &channels);
	constant(m, "bn_b", 1, &channels);
	constant(m, "bn_m", 1, &channels);
	for (int64_t i = 0; i < channels; i++)
		v[i] = 0.5f + fabsf(number());
	pbuild_init_f32(m, "bn_v", 1, &channels, v);
	snprintf(names, sizeof names, "%s bn_s bn_b bn_m bn_v", in);
	pbuild_node(m, "BatchNormalization", names, out, NULL);
}

static void transpose(struct pbuild *m, const char *in, const char *out, const int64_t *perm)
{
	struct pbuild a = {0};
	pbuild_attr_ints(&a, "perm", 4, perm);
	pbuild_node(m, "Transpose", in, out, &a);
}

static void axis(struct pbuild *m, const char *op, const char *in, const char *out, int64_t value)
{
	struct pbuild a = {0};
	pbuild_attr_int(&a, "axis", value);
	pbuild_node(m, op, in, out, &a);
}

/* ---- nets: x is [1][8][H][W] ----------------------------------------------------------------- */

static void conv_bn_relu(struct pbuild *m)
{
	conv(m, "x", "a", "w1", 8, 8, 3);
	batch_norm(m, "a", "b", 8);
	pbuild_node(m, "Relu", "b", "y", NULL);
}

static void residual(struct pbuild *m)
{
	conv(m, "x", "a", "w1", 8, 8, 3);
	pbuild_node(m, "Relu", "a", "b", NULL);
	conv(m, "b", "c", "w2", 8, 8, 1);
	pbuild_node(m, "Add", "c b", "d", NULL);
	pbuild_node(m, "Relu", "d", "e", NULL);
	conv(m, "e", "y", "w3", 8, 4, 1);
}

/* The sum broadcasts, one way and the other. */
static void small_sum(struct pbuild *m)
{
	conv(m, "x", "a", "w1", 8, 8, 3);
	pbuild_node(m, "GlobalAveragePool", "a", "b", NULL);
	conv(m, "b", "c", "w2", 8, 8, 1);
	pbuild_node(m, "Add", "a c", "d", NULL);
	pbuild_node(m, "GlobalAveragePool", "d", "e", NULL);
	conv(m, "e", "f", "w3", 8, 8, 1);
	pbuild_node(m, "Add", "f d", "g", NULL);
	pbuild_node(m, "Relu", "g", "y", NULL);
}

static void squeeze_excite(struct pbuild *m)
{
	conv(m, "x", "a", "w1", 8, 8, 3);
	pbuild_node(m, "HardSwish", "a", "b", NULL);
	pbuild_node(m, "GlobalAveragePool", "b", "c", NULL);
	conv(m, "c", "d", "w2", 8, 4, 1);
	pbuild_node(m, "Relu", "d", "e", NULL);
	conv(m, "e", "f", "w3", 4, 8, 1);
	pbuild_node(m, "HardSigmoid", "f", "g", NULL);
	pbuild_node(m, "Mul", "b g", "y", NULL);
}

static void swish_and_scale(struct pbuild *m)
{
	constant(m, "k", 3, (int64_t[]){8, 1, 1});
	scalar(m, "two", 2);
	conv(m, "x", "a", "w1", 8, 8, 3);
	pbuild_node(m, "Mul", "a k", "b", NULL);
	pbuild_node(m, "Add", "b two", "c", NULL);
	pbuild_node(m, "Sigmoid", "c", "d", NULL);
	pbuild_node(m, "Mul", "c d", "y", NULL);
}

/* Weights that two scales go into, and that another convolution has as they are. */
static void scaled_twice(struct pbuild *m)
{
	struct pbuild a = {0};
	constant(m, "k", 3, (int64_t[]){8, 1, 1});
	conv(m, "x", "a", "w1", 8, 8, 3);
	batch_norm(m, "a", "b", 8);
	pbuild_node(m, "Mul", "b k", "c", NULL);
	pbuild_attr_ints(&a, "pads", 4, (int64_t[]){1, 1, 1, 1});
	pbuild_node(m, "Conv", "c w1", "y", &a);
}

static void hard_swish_in_pieces(struct pbuild *m)
{
	scalar(m, "three", 3);
	scalar(m, "six", 6);
	scalar(m, "zero", 0);
	conv(m, "x", "a", "w1", 8, 8, 1);
	pbuild_node(m, "Add", "a three", "b", NULL);
	pbuild_node(m, "Clip", "b zero six", "c", NULL);
	pbuild_node(m, "Mul", "a c", "d", NULL);
	pbuild_node(m, "Div", "d six", "y", NULL);
}

static void gelu_in_pieces(struct pbuild *m)
{
	scalar(m, "root", 1.41421356f);
	scalar(m, "one", 1);
	scalar(m, "half", 0.5f);
	conv(m, "x", "a", "w1", 8, 8, 1);
	pbuild_node(m, "Div", "a root", "b", NULL);
	pbuild_node(m, "Erf", "b", "c", NULL);
	pbuild_node(m, "Add", "c one", "d", NULL);
	pbuild_node(m, "Mul", "a d", "e", NULL);
	pbuild_node(m, "Mul", "e half", "y", NULL);
}

/* A model that is channels last outside, as converters from TensorFlow write them. */
static void last_outside(struct pbuild *m)
{
	transpose(m, "x", "t", (int64_t[]){0, 3, 1, 2});
	conv(m, "t", "a", "w1", 6, 4, 1);
	pbuild_node(m, "Relu", "a", "b", NULL);
	axis(m, "Softmax", "b", "c", 1);
	transpose(m, "c", "y", (int64_t[]){0, 2, 3, 1});
}

static void axes(struct pbuild *m)
{
	struct pbuild keep = {0}, drop = {0};
	int64_t starts[] = {1, 0}, ends[] = {7, 3}, which[] = {1, 3},
		pads[] = {0, 1, 0, 2, 0, 0, 1, 0};
	int64_t two = 2;
	conv(m, "x", "a", "w1", 8, 8, 3);
	axis(m, "Concat", "a a", "b", 1);
	pbuild_init_i64(m, "starts", 1, &two, starts);
	pbuild_init_i64(m, "ends", 1, &two, ends);
	pbuild_init_i64(m, "which", 1, &two, which);
	pbuild_node(m, "Slice", "b starts ends which", "c", NULL);
	pbuild_init_i64(m, "pads", 1, (int64_t[]){8}, pads);
	pbuild_node(m, "Pad", "c pads", "d", NULL);
	pbuild_attr_ints(&keep, "axes", 2, (int64_t[]){2, 3});
	pbuild_node(m, "ReduceMean", "d", "e", &keep);
	pbuild_node(m, "Sub", "d e", "f", NULL);
	pbuild_attr_ints(&drop, "axes", 1, (int64_t[]){2});
	pbuild_attr_int(&drop, "keepdims", 0);
	pbuild_node(m, "ReduceMax", "f", "g", &drop);
	axis(m, "LogSoftmax", "g", "y", -1);
}

static void split_and_join(struct pbuild *m)
{
	conv(m, "x", "a", "w1", 8, 8, 3);
	axis(m, "Split", "a", "b c", 1);
	conv(m, "b", "d", "w2", 4, 4, 3);
	axis(m, "Concat", "d c", "e", 1);
	pbuild_node(m, "LeakyRelu", "e", "f", NULL);
	transpose(m, "f", "y", (int64_t[]){0, 2, 3, 1});
}

/* Each way of convolving writes its columns: Concat goes, but where somebody else reads a part,
 * where a part is depthwise, or where its activation is no clamp. */
static void joined(struct pbuild *m)
{
	conv(m, "x", "a", "w1", 8, 5, 1);
	pbuild_node(m, "Relu", "a", "b", NULL);
	conv(m, "x", "c", "w2", 8, 16, 3);
	conv(m, "x", "d", "w3", 8, 40, 1);
	axis(m, "Concat", "b c d", "e", 1);
	pbuild_node(m, "Relu", "e", "f", NULL);
	conv(m, "f", "g", "w4", 61, 12, 1);
	conv(m, "g", "h", "w5", 12, 16, 3);
	conv(m, "g", "i", "w6", 12, 3, 1);
	axis(m, "Concat", "h i", "y", 1);
}

static void joined_not(struct pbuild *m)
{
	struct pbuild a = {0};
	conv(m, "x", "a", "w1", 8, 4, 1);
	conv(m, "x", "b", "w2", 8, 4, 3);
	axis(m, "Concat", "a b", "c", 1);
	pbuild_node(m, "Add", "c x", "d", NULL);
	conv(m, "d", "e", "w3", 8, 2, 1);
	pbuild_node(m, "Sigmoid", "e", "f", NULL);
	conv(m, "d", "g", "w4", 8, 6, 1);
	axis(m, "Concat", "f g", "h", 1);
	pbuild_attr_int(&a, "group", 8);
	constant(m, "w5", 4, (int64_t[]){8, 1, 1, 1});
	pbuild_node(m, "Conv", "h w5", "i", &a);
	conv(m, "h", "j", "w6", 8, 4, 1);
	axis(m, "Concat", "i j", "k", 1);
	conv(m, "k", "l", "w7", 12, 4, 1);
	conv(m, "k", "m", "w8", 12, 4, 1);
	axis(m, "Concat", "l m", "n", 1);
	axis(m, "Concat", "n l m", "y", 1);
}

static void shuffle(struct pbuild *m)
{
	struct pbuild a = {0};
	int64_t apart[] = {1, 2, 4, 6, 6}, whole[] = {1, 8, 6, 6};
	conv(m, "x", "a", "w1", 8, 8, 1);
	pbuild_init_i64(m, "apart", 1, (int64_t[]){5}, apart);
	pbuild_init_i64(m, "whole", 1, (int64_t[]){4}, whole);
	pbuild_node(m, "Reshape", "a apart", "b", NULL);
	pbuild_attr_ints(&a, "perm", 5, (int64_t[]){0, 2, 1, 3, 4});
	pbuild_node(m, "Transpose", "b", "c", &a);
	pbuild_node(m, "Reshape", "c whole", "d", NULL);
	conv(m, "d", "y", "w2", 8, 8, 1);
}

static void pad_then_conv(struct pbuild *m)
{
	struct pbuild a = {0};
	int64_t pads[] = {0, 0, 0, 1, 0, 0, 2, 1};
	pbuild_init_i64(m, "pads", 1, (int64_t[]){8}, pads);
	pbuild_node(m, "Pad", "x pads", "a", NULL);
	constant(m, "w1", 4, (int64_t[]){8, 8, 3, 3});
	pbuild_attr_ints(&a, "strides", 2, (int64_t[]){2, 1});
	pbuild_node(m, "Conv", "a w1", "y", &a);
}

static void products(struct pbuild *m)
{
	constant(m, "w1", 2, (int64_t[]){6, 20});
	constant(m, "b1", 1, (int64_t[]){20});
	constant(m, "w2", 2, (int64_t[]){20, 6});
	pbuild_node(m, "MatMul", "x w1", "a", NULL);
	pbuild_node(m, "Add", "a b1", "b", NULL);
	pbuild_node(m, "Relu", "b", "c", NULL);
	pbuild_node(m, "MatMul", "c w2", "d", NULL);
	pbuild_node(m, "Add", "x d", "y", NULL);
}

static void local_norm(struct pbuild *m)
{
	struct pbuild a = {0};
	conv(m, "x", "a", "w1", 8, 8, 3);
	pbuild_attr_int(&a, "size", 4);
	pbuild_node(m, "LRN", "a", "b", &a);
	conv(m, "b", "y", "w2", 8, 8, 1);
}

/* An output of the model in the middle must not be taken in. */
static void output_between(struct pbuild *m)
{
	conv(m, "x", "y", "w1", 8, 8, 3);
	pbuild_node(m, "Relu", "y", "z", NULL);
	pbuild_output(m, "z", 1);
}

/* In a branch, on a value of the graph around it. */
static void in_branch(struct pbuild *m)
{
	struct pbuild attrs = {0}, condition = {0}, graph[2] = {{0}}, branch[2] = {{0}};
	branch[0].graph = &graph[0];
	branch[1].graph = &graph[1];
	conv(&branch[0], "x", "a", "w1", 8, 8, 3);
	pbuild_node(&branch[0], "Relu", "a", "b", NULL);
	conv(&branch[0], "b", "c", "w2", 8, 8, 1);
	pbuild_output(&branch[0], "c", 1);
	pbuild_node(&branch[1], "Neg", "x", "d", NULL);
	pbuild_output(&branch[1], "d", 1);
	pbuild_tensor(&condition, "yes", 9, 0, NULL, "\1", 1);
	pbuild_init(m, &condition);
	pbuild_attr_graph(&attrs, "then_branch", &graph[0]);
	pbuild_attr_graph(&attrs, "else_branch", &graph[1]);
	pbuild_node(m, "If", "yes", "y", &attrs);
}

/* A body whose input has another rank than the file says. */
static void wrong_rank_in_body(struct pbuild *m)
{
	const int64_t once = 1, six = 6;
	struct pbuild attrs = {0}, graph = {0}, body = {.graph = &graph};
	pbuild_input(&body, "i", 7, 0, NULL);
	pbuild_input(&body, "go", 9, 0, NULL);
	pbuild_input(&body, "row", 1, 0, NULL);
	conv(&body, "x", "a", "w1", 8, 8, 3);
	pbuild_node(&body, "Add", "a row", "slice", NULL);
	pbuild_node(&body, "Identity", "go", "go_on", NULL);
	pbuild_node(&body, "Identity", "row", "next", NULL);
	pbuild_output(&body, "go_on", 9);
	pbuild_output(&body, "next", 1);
	pbuild_output(&body, "slice", 1);
	pbuild_init_i64(m, "trips", 0, NULL, &once);
	constant(m, "first", 1, &six);
	pbuild_attr_graph(&attrs, "body", &graph);
	pbuild_node(m, "Loop", "trips - first", "last y", &attrs);
}

/* Pixels dealt out to channels, the rows by one Slice and the columns by the next. */
static void focus(struct pbuild *m)
{
	static const char *const rows[] = {"x zero end h two", "x one end h two"};
	static const char *const columns[] = {"r0 zero end w two", "r1 zero end w two",
					      "r0 one end w two", "r1 one end w two"};
	const int64_t one = 1, numbers[] = {0, 1, 2, 3, INT64_MAX};
	const char *const names[] = {"zero", "one", "two", "w", "end"};
	struct pbuild a = {0};
	for (int i = 0; i < 5; i++)
		pbuild_init_i64(m, names[i], 1, &one, &numbers[i]);
	pbuild_init_i64(m, "h", 1, &one, &numbers[2]);
	for (int i = 0; i < 2; i++)
		pbuild_node(m, "Slice", rows[i], i ? "r1" : "r0", NULL);
	for (int i = 0; i < 4; i++)
		pbuild_node(m, "Slice", columns[i], (const char *[]){"a", "b", "c", "d"}[i], NULL);
	axis(m, "Concat", "a b c d", "e", 1);
	constant(m, "weights", 4, (int64_t[]){5, 32, 3, 2});
	pbuild_attr_ints(&a, "pads", 4, (int64_t[]){1, 0, 1, 1});
	pbuild_attr_ints(&a, "strides", 2, (int64_t[]){2, 1});
	pbuild_attr_ints(&a, "kernel_shape", 2, (int64_t[]){3, 2});
	pbuild_node(m, "Conv", "e weights", "f", &a);
	pbuild_node(m, "Relu", "f", "y", NULL);
}

static const struct {
	const char *name;
	void (*build)(struct pbuild *m);
	int transposes, nodes; /* of the optimised graph and its sub-graphs */
} nets[] = {
    {"conv_bn_relu", conv_bn_relu, 2, 3},
    {"residual", residual, 2, 5},
    {"small_sum", small_sum, 2, 7},
    {"squeeze_excite", squeeze_excite, 2, 7},
    {"swish_and_scale", swish_and_scale, 2, 3},
    {"hard_swish_in_pieces", hard_swish_in_pieces, 2, 3},
    {"gelu_in_pieces", gelu_in_pieces, 2, 3},
    {"last_outside", last_outside, 0, 2},
    {"axes", axes, -1, -1},
    {"split_and_join", split_and_join, 1, -1},
    {"joined", joined, 2, 9},
    {"joined_not", joined_not, 2, 15},
    {"shuffle", shuffle, 3, 7},
    {"pad_then_conv", pad_then_conv, 2, 3},
    {"products", products, 0, 2},
    {"local_norm", local_norm, 2, 5},
    {"output_between", output_between, -1, -1},
    {"in_branch", in_branch, 2, 6},
    {"wrong_rank_in_body", wrong_rank_in_body, -1, -1},
    {"focus, shape declared", focus, 2, 3},
    {"focus of any size", focus, 2, 10},
    {"scaled_twice", scaled_twice, 2, 4},
};

static int count(const struct rt_graph *g, const char *op)
{
	int n = 0;
	for (int i = 0; i < g->node_count; i++) {
		const struct rt_node *node = &g->nodes[i];
		n += !op || strcmp(node->op_type, op) == 0;
		for (int k = 0; k < node->attr_count; k++)
			if (node->attrs[k].kind == RT_ATTR_GRAPH)
				n += count(node->attrs[k].graph, op);
	}
	return n;
}

/* The outputs of net ${i}; the numbers in it are the same each time. */
static void run_net(int i, struct opened *o, const struct rt_model_opts *opts,
		    const struct rt_tensor *x, struct rt_tensor *y)
{
	state = (uint32_t)i + 7;
	o->model = NULL;
	pbuild_model(&o->m, 14);
	pbuild_input(&o->m, "x", 1, 4,
		     strstr(nets[i].name, "declared") ? (int64_t[]){1, 8, 6, 6}
						      : (int64_t[]){-1, -1, -1, -1});
	pbuild_output(&o->m, "y", 1);
	nets[i].build(&o->m);
	opened_open(o, opts);
	opened_run(o, x, y);
}

START_TEST(same_with_and_without)
{
	const struct rt_model_opts plain = {.cpu_level = RT_CPU_SCALAR, .no_optimise = true};
	const struct rt_model_opts scalar_level = {.cpu_level = RT_CPU_SCALAR};
	const struct rt_model_opts best = {.cpu_level = rt_cpu_best()};
	const struct rt_model_opts *const fast[] = {&scalar_level, &best};
	struct opened a = {.model = NULL}, b = {.model = NULL};
	float data[8 * 36];
	const struct rt_tensor x = opened_f32(data, 4, (int64_t[]){1, 8, 6, 6});
	struct rt_tensor want[2], have[2];
	state = 99;
	for (size_t i = 0; i < sizeof data / sizeof *data; i++)
		data[i] = number();
	run_net(_i, &a, &plain, &x, want);
	for (int k = 0; k < 2; k++) {
		memset(&b, 0, sizeof b);
		run_net(_i, &b, fast[k], &x, have);
		ck_assert(rt_shape_equal(&want[0].shape, &have[0].shape));
		for (int64_t j = 0; j < rt_tensor_elems(&want[0]); j++) {
			float p = ((float *)want[0].data)[j], q = ((float *)have[0].data)[j];
			ck_assert_msg(fabsf(p - q) <= 2e-5f * (1 + fabsf(p)),
				      "%s: %g instead of %g at %lld", nets[_i].name, (double)q,
				      (double)p, (long long)j);
		}
		if (nets[_i].transposes >= 0)
			ck_assert_msg(count(b.model->graph, "Transpose") == nets[_i].transposes,
				      "%s has %d Transposes", nets[_i].name,
				      count(b.model->graph, "Transpose"));
		if (nets[_i].nodes >= 0)
			ck_assert_msg(count(b.model->graph, NULL) == nets[_i].nodes,
				      "%s has %d nodes", nets[_i].name,
				      count(b.model->graph, NULL));
		opened_close(&b);
	}
	opened_close(&a);
}
END_TEST

Suite *check_runtime_pass_layout(void)
{
	Suite *s = suite_create("runtime_pass_layout");
	TCase *c = tcase_create("layout");
	tcase_add_checked_fixture(c, opened_start, opened_stop);
	tcase_add_loop_test(c, same_with_and_without, 0, (int)(sizeof nets / sizeof *nets));
	suite_add_tcase(s, c);
	return s;
}
