/* SPDX-License-Identifier: MIT */
/* The builder of graphs that front ends other than ONNX share (runtime/lower.c). */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/lower.h"
#include "tests/runtime/suites.h"

static struct rt_lower l;
static struct rt_graph *graph;
static struct rt_error err;

static void begin(void)
{
	static const struct rt_onnx_opts opts = {.memory_budget = (size_t)1 << 20};

	ck_assert_int_eq(rt_lower_begin(&l, &opts, "tensorflow", &graph, &err), RT_OK);
	rt_lower_ports(&l, 2, 2);
}

static void end(void)
{
	rt_graph_free(graph);
	graph = NULL;
}

static int image(void)
{
	struct rt_shape s = rt_shape_of(4, (int64_t)1, (int64_t)5, (int64_t)6, (int64_t)3);

	return rt_lower_input(&l, "x", RT_F32, &s);
}

START_TEST(nodes_are_resolved)
{
	int64_t strides[2] = {2, 1};
	struct rt_tensor w = {
	    RT_F32, rt_shape_of(4, (int64_t)3, (int64_t)3, (int64_t)3, (int64_t)2), (float[54]){0}};
	int y;

	l.at = "conv";
	y = rt_lower_op2(&l, "Conv", rt_lower_to_nchw(&l, image(), 4),
			 rt_lower_kernel(&l, rt_lower_copy(&l, &w), RT_KERNEL_HWIO));
	rt_lower_set_ints(&l, "strides", 2, strides);
	rt_lower_output(&l, rt_lower_to_nhwc(&l, y, 4), "y");
	ck_assert_int_eq(l.status, RT_OK);
	ck_assert_int_eq(rt_lower_dtype(&l, y), RT_F32);
	ck_assert_int_eq(rt_graph_sort(graph, &err), RT_OK);
	ck_assert_msg(rt_graph_resolve(graph, &err) == RT_OK, "%s", err.text);
	ck_assert_int_eq(graph->node_count,
			 4); /* two transposes of the image, one of the weights */
	ck_assert_str_eq(graph->nodes[2].op_type, "Conv");
	ck_assert_str_eq(graph->nodes[2].name, "conv");
	ck_assert_str_eq(graph->values[graph->outputs[0]].name, "y");
	ck_assert_int_eq(rt_lower_end(&l, &graph), RT_OK);
}
END_TEST

START_TEST(the_first_error_sticks)
{
	int x = image();

	l.at = "node";
	ck_assert_int_eq(rt_lower_fail(&l, RT_MALFORMED, "number %d", 1), RT_NO_VALUE);
	(void)rt_lower_fail(&l, RT_BUDGET, "number %d", 2);
	ck_assert_int_eq(rt_lower_op1(&l, "Relu", x), RT_NO_VALUE);
	rt_lower_set_int(&l, "axis", 1); /* of no node: nothing happens */
	ck_assert_int_eq(rt_lower_i64(&l, 3), RT_NO_VALUE);
	rt_lower_output(&l, x, "y");
	ck_assert_int_eq(rt_lower_end(&l, &graph), RT_MALFORMED);
	ck_assert_str_eq(err.text, "'node': number 1");
	ck_assert_ptr_null(graph);
}
END_TEST

START_TEST(all_that_is_missing_is_told)
{
	int x = image(), y;

	l.at = "first";
	y = rt_lower_missing(&l, "Foo", NULL, 1, &x, 1);
	l.at = "second";
	y = rt_lower_op1(&l, "Relu", y);
	y = rt_lower_missing(&l, "Bar", "on Sundays", 1, &y, 1);
	rt_lower_output(&l, y, "y");
	ck_assert_int_eq(rt_lower_end(&l, &graph), RT_OK);
	ck_assert_int_eq(rt_graph_resolve(graph, &err), RT_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.text, "Foo (tensorflow"));
	ck_assert_ptr_nonnull(strstr(err.text, "no such operator; 1 node: 'first'"));
	ck_assert_ptr_nonnull(strstr(err.text, "Bar (tensorflow, opset 1): on Sundays; 1 node: "
					       "'second'"));
}
END_TEST

/* An operator without what it needs is asked for no type; the graph is refused later. */
START_TEST(types_of_nodes_without_inputs)
{
	const int none = RT_NO_VALUE;
	const int y = (image(), rt_lower_opn(&l, "SplitToSequence", 1, &none));

	ck_assert_int_eq(rt_lower_dtype(&l, y), RT_NONE);
	rt_lower_output(&l, y, "y");
	ck_assert_int_eq(rt_lower_end(&l, &graph), RT_OK);
	ck_assert_int_lt(rt_graph_resolve(graph, &err), 0);
}
END_TEST

START_TEST(numbers_are_known)
{
	int64_t want[3] = {4, -1, INT64_MAX}, got[3];
	int v = rt_lower_i64s(&l, 3, want), f = rt_lower_f32(&l, 2.5f);

	ck_assert_int_eq(rt_lower_ints(&l, v, 3, got), 3);
	ck_assert_mem_eq(got, want, sizeof(want));
	ck_assert_int_eq(rt_lower_ints(&l, v, 2, got), -1);
	ck_assert_int_eq(rt_lower_ints(&l, f, 3, got), -1);
	ck_assert_int_eq(rt_lower_ints(&l, image(), 3, got), -1);
	ck_assert_float_eq(*(const float *)rt_lower_tensor(&l, f)->data, 2.5f);
	ck_assert_int_eq(
	    *(const int32_t *)rt_lower_tensor(&l, rt_lower_scalar(&l, RT_I32, -3))->data, -3);
	ck_assert_int_eq(rt_lower_rank(&l, v), 1);
	ck_assert_int_eq(rt_lower_dim(&l, v, -1), 3);
	ck_assert_int_eq(rt_lower_dim(&l, v, 1), -1);
}
END_TEST

START_TEST(bodies_stand_on_what_is_around)
{
	struct rt_shape scalar = rt_shape_of(0);
	int c = rt_lower_input(&l, "c", RT_BOOL, &scalar), x = image(), y;
	struct rt_graph *body[2];

	for (int i = 0; i < 2; i++) {
		struct rt_lower_place place = rt_lower_enter(&l);

		rt_lower_ports(&l, 0, 1);
		y = rt_lower_outer(&l, x);
		rt_lower_output(&l, i == 0 ? rt_lower_op1(&l, "Neg", y) : y, "o");
		body[i] = rt_lower_leave(&l, place);
	}
	y = rt_lower_node(&l, RT_ONNX, "If", 1, &c, 1);
	rt_lower_set_graph(&l, "then_branch", body[0]);
	rt_lower_set_graph(&l, "else_branch", body[1]);
	rt_lower_output(&l, y, "y");
	ck_assert_int_eq(rt_lower_dtype(&l, y), RT_F32);
	ck_assert_msg(rt_graph_resolve(graph, &err) == RT_OK, "%s", err.text);
	ck_assert_int_eq(rt_graph_use_count(graph, x), 2);
	ck_assert_int_eq(rt_lower_end(&l, &graph), RT_OK);
}
END_TEST

START_TEST(attributes_may_be_many)
{
	int64_t n;
	int y = rt_lower_op1(&l, "Relu", image());

	for (int i = 0; i < 20; i++)
		rt_lower_set_int(&l, "a", i);
	rt_lower_set_ints(&l, "b", 2, (int64_t[]){7, 8});
	ck_assert_int_eq(graph->nodes[0].attr_count, 21);
	ck_assert_int_eq(graph->nodes[0].attrs[19].i, 19);
	ck_assert_int_eq(rt_node_ints(&graph->nodes[0], "b", &n)[1], 8);
	ck_assert_int_eq(n, 2);
	rt_lower_output(&l, y, "y");
}
END_TEST

Suite *check_runtime_lower(void)
{
	Suite *s = suite_create("runtime/lower");
	TCase *t = tcase_create("lower");

	tcase_add_checked_fixture(t, begin, end);
	tcase_add_test(t, nodes_are_resolved);
	tcase_add_test(t, the_first_error_sticks);
	tcase_add_test(t, all_that_is_missing_is_told);
	tcase_add_test(t, types_of_nodes_without_inputs);
	tcase_add_test(t, numbers_are_known);
	tcase_add_test(t, bodies_stand_on_what_is_around);
	tcase_add_test(t, attributes_may_be_many);
	suite_add_tcase(s, t);
	return s;
}
