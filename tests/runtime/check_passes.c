/* SPDX-License-Identifier: MIT */
/*
 * What the passes of the core do to a graph (runtime/pass_clean.c, pass_fold.c,
 * pass_narrow.c), seen on the graph itself.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "runtime/onnx.h"
#include "tests/lib/pbuild.h"
#include "tests/runtime/suites.h"

static struct rt_error err;

static int64_t one[] = {1}, two[] = {2}, three[] = {3};

/* Read, resolve, and run one pass. */
static struct rt_graph *after(struct pbuild *m, rt_pass_f *pass)
{
	static const struct rt_onnx_opts opts = {.memory_budget = 64 << 20};
	struct rt_graph *g;

	ck_assert_int_eq(rt_onnx_read_model(pbuild_finish(m), &opts, &g, &err), RT_OK);
	g->kernels = rt_kernels_select(RT_CPU_SCALAR);
	ck_assert_msg(rt_graph_resolve(g, &err) == RT_OK, "%s", err.text);
	ck_assert_msg(pass(g, &err) == RT_OK, "%s", err.text);
	return g;
}

static int count(const struct rt_graph *g, const char *op)
{
	int n = 0;

	for (int i = 0; i < g->node_count; i++)
		n += strcmp(g->nodes[i].op_type, op) == 0;
	return n;
}

static void finish(struct pbuild *m, struct rt_graph *g)
{
	rt_graph_free(g);
	pbuild_free(m);
}

START_TEST(clean_takes_out_what_hands_on)
{
	struct pbuild m = {0}, to = {0};
	struct rt_graph *g;

	pbuild_model(&m, 13);
	pbuild_input(&m, "x", 1, 1, three);
	pbuild_node(&m, "Identity", "x", "a", NULL);
	pbuild_node(&m, "Dropout", "a", "b mask", NULL);
	pbuild_attr_int(&to, "to", 1);
	pbuild_node(&m, "Cast", "b", "c", &to);
	pbuild_node(&m, "Relu", "c", "d", NULL);
	pbuild_node(&m, "Identity", "d", "y", NULL);
	pbuild_node(&m, "Neg", "d", "unused", NULL);
	pbuild_output(&m, "y", 1);
	g = after(&m, rt_pass_clean);
	ck_assert_int_eq(g->node_count, 1);
	ck_assert_str_eq(g->nodes[0].op_type, "Relu");
	ck_assert_int_eq(g->nodes[0].in[0], g->inputs[0]);
	ck_assert_int_eq(g->outputs[0], g->nodes[0].out[0]);
	ck_assert(g->values[g->outputs[0]].is_output);
	finish(&m, g);
}
END_TEST

START_TEST(clean_leaves_what_changes)
{
	struct pbuild m = {0}, to = {0};
	struct rt_graph *g;

	pbuild_model(&m, 13);
	pbuild_input(&m, "x", 1, 1, three);
	pbuild_node(&m, "Dropout", "x", "b mask", NULL); /* its mask is an output */
	pbuild_attr_int(&to, "to", 7);
	pbuild_node(&m, "Cast", "b", "y", &to);
	pbuild_output(&m, "y", 7);
	pbuild_output(&m, "mask", 9);
	g = after(&m, rt_pass_clean);
	ck_assert_int_eq(g->node_count, 2);
	finish(&m, g);
}
END_TEST

START_TEST(fold_computes_constants)
{
	static const float a[] = {1, 2, 3}, b[] = {10};
	static int64_t shape[] = {2, 3};
	struct pbuild m = {0};
	const float *c;
	struct rt_graph *g;

	pbuild_model(&m, 13);
	pbuild_input(&m, "x", 1, 2, shape);
	pbuild_init_f32(&m, "a", 1, three, a);
	pbuild_init_f32(&m, "b", 1, one, b);
	pbuild_init_i64(&m, "shape", 1, two, shape);
	pbuild_node(&m, "Mul", "a b", "c", NULL);
	pbuild_node(&m, "Expand", "c shape", "d", NULL);
	pbuild_node(&m, "Add", "x d", "y", NULL);
	pbuild_output(&m, "y", 1);
	g = after(&m, rt_pass_fold);
	ck_assert_int_eq(g->node_count, 1);
	ck_assert_str_eq(g->nodes[0].op_type, "Add");
	ck_assert(g->values[g->nodes[0].in[1]].is_constant);
	c = g->values[g->nodes[0].in[1]].constant.data;
	for (int i = 0; i < 6; i++)
		ck_assert(c[i] == 10 * a[i % 3]);
	finish(&m, g);
}
END_TEST

/* Gigabytes out of nothing stay a node; so do random numbers, and what would fail. */
START_TEST(fold_knows_its_limits)
{
	static int64_t huge[] = {1 << 20, 1 << 12}, far[] = {7};
	static const float a[] = {1};
	struct pbuild m = {0}, attrs = {0};
	struct rt_graph *g;

	pbuild_model(&m, 13);
	pbuild_init_f32(&m, "a", 1, one, a);
	pbuild_init_i64(&m, "huge", 1, two, huge);
	pbuild_init_i64(&m, "far", 1, one, far);
	pbuild_node(&m, "Expand", "a huge", "big", NULL);
	pbuild_node(&m, "ConstantOfShape", "huge", "filled", NULL);
	pbuild_node(&m, "Gather", "a far", "bad", NULL);
	pbuild_attr_ints(&attrs, "shape", 1, three);
	pbuild_node(&m, "RandomNormal", "", "noise", &attrs);
	pbuild_output(&m, "big", 1);
	pbuild_output(&m, "filled", 1);
	pbuild_output(&m, "bad", 1);
	pbuild_output(&m, "noise", 1);
	g = after(&m, rt_pass_fold);
	ck_assert_int_eq(count(g, "Expand"), 1);
	ck_assert_int_eq(count(g, "ConstantOfShape"), 1);
	ck_assert_int_eq(count(g, "Gather"), 1);
	ck_assert_int_eq(count(g, "RandomNormal"), 1);
	finish(&m, g);
}
END_TEST

/* Weights that are written as ConstantOfShape are worth megabytes. */
START_TEST(fold_fills_weights)
{
	static int64_t shape[] = {1 << 20, 5};
	struct pbuild m = {0};
	struct rt_graph *g;

	pbuild_model(&m, 13);
	pbuild_init_i64(&m, "shape", 1, two, shape);
	pbuild_node(&m, "ConstantOfShape", "shape", "w", NULL);
	pbuild_output(&m, "w", 1);
	g = after(&m, rt_pass_fold);
	ck_assert_int_eq(g->node_count, 0);
	ck_assert(g->values[g->outputs[0]].is_constant);
	finish(&m, g);
}
END_TEST

/*
 * float16 in, two nodes, float16 out: one conversion at each end and none between;
 * the weight is float32 from the beginning.
 */
START_TEST(narrow_converts_at_the_ends_only)
{
	static const uint16_t w[] = {0x3c00, 0xc000, 0x0001}; /* 1, −2, 2^-24 */
	struct pbuild m = {0}, t = {0};
	struct rt_graph *g;
	const float *wide;
	int v;

	pbuild_model(&m, 13);
	pbuild_input(&m, "x", 10, 1, three);
	pbuild_tensor(&t, "w", 10, 1, three, w, sizeof(w));
	pbuild_init(&m, &t);
	pbuild_node(&m, "Mul", "x w", "a", NULL);
	pbuild_node(&m, "Relu", "a", "b", NULL);
	pbuild_node(&m, "Add", "b w", "y", NULL);
	pbuild_output(&m, "y", 10);
	g = after(&m, rt_pass_narrow);
	ck_assert_int_eq(g->node_count, 5);
	ck_assert_int_eq(count(g, "Cast"), 2);
	ck_assert_str_eq(g->nodes[0].op_type, "Cast");
	ck_assert_str_eq(g->nodes[4].op_type, "Cast");
	ck_assert_int_eq(g->values[g->inputs[0]].dtype, RT_F16);
	ck_assert_int_eq(g->values[g->outputs[0]].dtype, RT_F16);
	for (int i = 1; i < 4; i++)
		ck_assert_int_eq(g->values[g->nodes[i].out[0]].dtype, RT_F32);
	v = g->nodes[1].in[1];
	ck_assert_int_eq(g->nodes[3].in[1], v); /* one twin for both */
	wide = g->values[v].constant.data;
	ck_assert(wide[0] == 1 && wide[1] == -2 && wide[2] == 0x1p-24f);
	finish(&m, g);
}
END_TEST

Suite *check_runtime_passes(void)
{
	Suite *suite = suite_create("runtime_passes");
	TCase *c = tcase_create("passes");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, clean_takes_out_what_hands_on);
	tcase_add_test(c, clean_leaves_what_changes);
	tcase_add_test(c, fold_computes_constants);
	tcase_add_test(c, fold_knows_its_limits);
	tcase_add_test(c, fold_fills_weights);
	tcase_add_test(c, narrow_converts_at_the_ends_only);
	suite_add_tcase(suite, c);
	return suite;
}
