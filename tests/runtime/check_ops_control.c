/* SPDX-License-Identifier: MIT */
/*
 * If, Loop, Scan (ops/control.c, carry.c): both branches, values that change
 * places, stacked slices, no iterations at all, axes and directions, bad bodies.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"
#include "tests/lib/pbuild.h"
#include "tests/runtime/suites.h"

/* TensorProto.DataType */
enum { FLOAT = 1, INT64 = 7, BOOL = 9 };

static struct rt_error err;

/* A sub-graph under construction: pbuild_* write into it through ${m}. */
struct body {
	struct pbuild graph, m;
};

static struct pbuild *body_start(struct body *b)
{
	memset(b, 0, sizeof(*b));
	b->m.graph = &b->graph;
	return &b->m;
}

struct opened {
	struct pbuild m;
	struct rt_team *team;
	struct rt_model *model;
	struct rt_session *session;
	struct rt_tensor out[4];
};

static int run(struct opened *o, const struct rt_tensor *in)
{
	struct rt_model_opts opts = {.cpu_level = rt_cpu_best()};
	int status;

	o->team = rt_team_new(2);
	ck_assert_ptr_nonnull(o->team);
	status = rt_model_open(pbuild_finish(&o->m), &opts, &o->model, &err);
	if (status == RT_OK)
		status = rt_session_open(o->model, o->team, &o->session, &err);
	if (status == RT_OK)
		status = rt_session_run(o->session, in, o->out, NULL, NULL, &err);
	return status;
}

static void finish(struct opened *o)
{
	rt_session_close(o->session);
	rt_model_close(o->model);
	rt_team_free(o->team);
	pbuild_free(&o->m);
}

static void same(const struct rt_tensor *t, const float *want, int64_t n)
{
	ck_assert_int_eq(rt_tensor_elems(t), n);
	for (int64_t i = 0; i < n; i++)
		ck_assert_float_eq_tol(((const float *)t->data)[i], want[i], 1e-6f);
}

/* y = c ? x + x : x · x, x being of the outer graph */
START_TEST(if_takes_its_branch)
{
	int64_t one[] = {1}, three[] = {3};
	float x[] = {1, 2, 3}, twice[] = {2, 4, 6}, square[] = {1, 4, 9};
	uint8_t c = (uint8_t)_i;
	struct rt_tensor in[2] = {{RT_BOOL, {1, {1}}, &c}, {RT_F32, {1, {3}}, x}};
	struct opened o = {0};
	struct pbuild attrs = {0};
	struct body then_branch, else_branch;

	pbuild_model(&o.m, 16);
	pbuild_input(&o.m, "c", BOOL, 1, one);
	pbuild_input(&o.m, "x", FLOAT, 1, three);
	pbuild_node(body_start(&then_branch), "Add", "x x", "t", NULL);
	pbuild_output(&then_branch.m, "t", FLOAT);
	pbuild_node(body_start(&else_branch), "Mul", "x x", "e", NULL);
	pbuild_output(&else_branch.m, "e", FLOAT);
	pbuild_attr_graph(&attrs, "then_branch", &then_branch.graph);
	pbuild_attr_graph(&attrs, "else_branch", &else_branch.graph);
	pbuild_node(&o.m, "If", "c", "y", &attrs);
	pbuild_output(&o.m, "y", FLOAT);
	ck_assert_msg(run(&o, in) == RT_OK, "%s", err.text);
	same(&o.out[0], c ? twice : square, 3);
	finish(&o);
}
END_TEST

/* (a, b) → (b, a + b), each a stacked: Fibonacci; the values change places every time. */
static void fibonacci(struct opened *o)
{
	int64_t none[] = {0}, one[] = {1};
	struct pbuild attrs = {0};
	struct body b;

	pbuild_model(&o->m, 16);
	pbuild_input(&o->m, "trips", INT64, 0, none);
	pbuild_input(&o->m, "a0", FLOAT, 1, one);
	pbuild_input(&o->m, "b0", FLOAT, 1, one);
	body_start(&b);
	pbuild_input(&b.m, "i", INT64, 0, none);
	pbuild_input(&b.m, "go", BOOL, 0, none);
	pbuild_input(&b.m, "a", FLOAT, 1, one);
	pbuild_input(&b.m, "b", FLOAT, 1, one);
	pbuild_node(&b.m, "Identity", "go", "go_on", NULL);
	pbuild_node(&b.m, "Identity", "b", "next_a", NULL);
	pbuild_node(&b.m, "Add", "a b", "next_b", NULL);
	pbuild_node(&b.m, "Identity", "a", "slice", NULL);
	pbuild_output(&b.m, "go_on", BOOL);
	pbuild_output(&b.m, "next_a", FLOAT);
	pbuild_output(&b.m, "next_b", FLOAT);
	pbuild_output(&b.m, "slice", FLOAT);
	pbuild_attr_graph(&attrs, "body", &b.graph);
	pbuild_node(&o->m, "Loop", "trips - a0 b0", "a1 b1 all", &attrs);
	pbuild_output(&o->m, "a1", FLOAT);
	pbuild_output(&o->m, "b1", FLOAT);
	pbuild_output(&o->m, "all", FLOAT);
}

START_TEST(loop_carries_and_stacks)
{
	int64_t trips = 7;
	float a = 0, b = 1, a1[] = {13}, b1[] = {21}, all[] = {0, 1, 1, 2, 3, 5, 8};
	struct rt_tensor in[3] = {
	    {RT_I64, {.rank = 0}, &trips}, {RT_F32, {1, {1}}, &a}, {RT_F32, {1, {1}}, &b}};
	struct opened o = {0};

	fibonacci(&o);
	ck_assert_msg(run(&o, in) == RT_OK, "%s", err.text);
	same(&o.out[0], a1, 1);
	same(&o.out[1], b1, 1);
	same(&o.out[2], all, 7);
	ck_assert_int_eq(o.out[2].shape.rank, 2);
	finish(&o);
}
END_TEST

START_TEST(loop_without_a_trip)
{
	int64_t trips = 0;
	float a = 5, b = 6;
	struct rt_tensor in[3] = {
	    {RT_I64, {.rank = 0}, &trips}, {RT_F32, {1, {1}}, &a}, {RT_F32, {1, {1}}, &b}};
	struct opened o = {0};

	fibonacci(&o);
	ck_assert_msg(run(&o, in) == RT_OK, "%s", err.text);
	same(&o.out[0], &a, 1);
	same(&o.out[1], &b, 1);
	ck_assert_int_eq(o.out[2].shape.dims[0], 0);
	finish(&o);
}
END_TEST

START_TEST(loop_of_the_wrong_form)
{
	int64_t none[] = {0};
	struct opened o = {0};
	struct pbuild attrs = {0};
	struct body b;

	pbuild_model(&o.m, 16);
	pbuild_input(&o.m, "trips", INT64, 0, none);
	body_start(&b);
	pbuild_input(&b.m, "i", INT64, 0, none);
	pbuild_input(&b.m, "go", BOOL, 0, none);
	pbuild_node(&b.m, "Identity", "go", "go_on", NULL);
	pbuild_output(&b.m, "go_on", BOOL);
	pbuild_attr_graph(&attrs, "body", &b.graph);
	pbuild_node(&o.m, "Loop", "trips", "y", &attrs); /* the body has no output for y */
	pbuild_output(&o.m, "y", FLOAT);
	ck_assert_int_lt(run(&o, NULL), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "body"));
	finish(&o);
}
END_TEST

/* s ← s + column, over columns from the last; each s goes to a column of the output. */
START_TEST(scan_axes_and_directions)
{
	int64_t two[] = {2}, matrix[] = {2, 3}, last[] = {1}, back[] = {1};
	float s0[] = {100, 200}, x[] = {1, 2, 3, 4, 5, 6}, s1[] = {106, 215};
	float columns[] = {103, 105, 106, 206, 211, 215};
	struct rt_tensor in[2] = {{RT_F32, {1, {2}}, s0}, {RT_F32, {2, {2, 3}}, x}};
	struct opened o = {0};
	struct pbuild attrs = {0};
	struct body b;

	pbuild_model(&o.m, 16);
	pbuild_input(&o.m, "s0", FLOAT, 1, two);
	pbuild_input(&o.m, "x", FLOAT, 2, matrix);
	body_start(&b);
	pbuild_input(&b.m, "s", FLOAT, 1, two);
	pbuild_input(&b.m, "column", FLOAT, 1, two);
	pbuild_node(&b.m, "Add", "s column", "next", NULL);
	pbuild_node(&b.m, "Identity", "next", "slice", NULL);
	pbuild_output(&b.m, "next", FLOAT);
	pbuild_output(&b.m, "slice", FLOAT);
	pbuild_attr_graph(&attrs, "body", &b.graph);
	pbuild_attr_int(&attrs, "num_scan_inputs", 1);
	pbuild_attr_ints(&attrs, "scan_input_axes", 1, last);
	pbuild_attr_ints(&attrs, "scan_input_directions", 1, back);
	pbuild_attr_ints(&attrs, "scan_output_axes", 1, last);
	pbuild_node(&o.m, "Scan", "s0 x", "s1 y", &attrs);
	pbuild_output(&o.m, "s1", FLOAT);
	pbuild_output(&o.m, "y", FLOAT);
	ck_assert_msg(run(&o, in) == RT_OK, "%s", err.text);
	same(&o.out[0], s1, 2);
	same(&o.out[1], columns, 6);
	finish(&o);
}
END_TEST

/*
 * Opset 8: two items of three steps, the second one of two; s ← s + x, and each s is a slice.  The
 * scanned input goes forwards or backwards.
 */
START_TEST(scan_of_opset_8)
{
	int64_t lens_dims[] = {2}, s_dims[] = {2, 1}, x_dims[] = {2, 3, 1}, one[] = {1};
	int64_t lens[] = {3, 2}, directions[] = {_i};
	float s0[] = {10, 20}, x[] = {1, 2, 3, 4, 5, 6};
	float s1[] = {16, 29};
	float ys[2][6] = {{11, 13, 16, 24, 29, 0}, {13, 15, 16, 25, 29, 0}};
	struct rt_tensor in[3] = {
	    {RT_I64, {1, {2}}, lens}, {RT_F32, {2, {2, 1}}, s0}, {RT_F32, {3, {2, 3, 1}}, x}};
	struct opened o = {0};
	struct pbuild attrs = {0};
	struct body b;

	pbuild_model(&o.m, 8);
	pbuild_input(&o.m, "lens", INT64, 1, lens_dims);
	pbuild_input(&o.m, "s0", FLOAT, 2, s_dims);
	pbuild_input(&o.m, "x", FLOAT, 3, x_dims);
	body_start(&b);
	pbuild_input(&b.m, "s", FLOAT, 1, one);
	pbuild_input(&b.m, "step", FLOAT, 1, one);
	pbuild_node(&b.m, "Add", "s step", "next", NULL);
	pbuild_node(&b.m, "Identity", "next", "slice", NULL);
	pbuild_output(&b.m, "next", FLOAT);
	pbuild_output(&b.m, "slice", FLOAT);
	pbuild_attr_graph(&attrs, "body", &b.graph);
	pbuild_attr_int(&attrs, "num_scan_inputs", 1);
	pbuild_attr_ints(&attrs, "directions", 1, directions);
	pbuild_node(&o.m, "Scan", "lens s0 x", "s1 y", &attrs);
	pbuild_output(&o.m, "s1", FLOAT);
	pbuild_output(&o.m, "y", FLOAT);
	ck_assert_msg(run(&o, in) == RT_OK, "%s", err.text);
	same(&o.out[0], s1, 2);
	same(&o.out[1], ys[_i], 6);
	ck_assert_int_eq(o.out[1].shape.rank, 3);
	lens[1] = 4;
	ck_assert_int_eq(rt_session_run(o.session, in, o.out, NULL, NULL, &err), RT_DATA);
	ck_assert_ptr_nonnull(strstr(err.text, "4 steps, of 3"));
	finish(&o);
}
END_TEST

/* What cannot run is told all at once, wherever it is: in the graph, in both branches of an If, in
 * the body of a Loop in one of them, and in a function. */
START_TEST(refusals_reach_everywhere)
{
	static const char *const says[] = {
	    "Outer (ai.onnx, opset 16): no such operator; 1 node: 'o'",
	    "InThen (ai.onnx, opset 16): no such operator; 1 node: 't'",
	    "InElse (ai.onnx, opset 16): no such operator; 1 node: 'e'",
	    "InLoop (ai.onnx, opset 16): no such operator; 1 node: 'n'",
	    "InFunction (ai.onnx, opset 16): no such operator; 2 nodes: 'b', 'b'",
	};
	int64_t none[] = {0}, one[] = {1};
	struct opened o = {0};
	struct pbuild attrs = {0}, loop = {0}, f = {0}, node = {0}, import = {0}, used = {0};
	struct body then_branch, else_branch, b;

	pbuild_model(&o.m, 16);
	pbuild_string(&import, 1, "own");
	pbuild_int(&import, 2, 1);
	pbuild_message(&o.m, 8, &import);
	pbuild_input(&o.m, "c", BOOL, 0, none);
	pbuild_input(&o.m, "x", FLOAT, 1, one);
	pbuild_node(&o.m, "Outer", "x", "o", NULL);
	body_start(&b);
	pbuild_input(&b.m, "i", INT64, 0, none);
	pbuild_input(&b.m, "go", BOOL, 0, none);
	pbuild_input(&b.m, "s", FLOAT, 1, one);
	pbuild_node(&b.m, "Identity", "go", "go_on", NULL);
	pbuild_node(&b.m, "InLoop", "s", "n", NULL);
	pbuild_output(&b.m, "go_on", BOOL);
	pbuild_output(&b.m, "n", FLOAT);
	pbuild_attr_graph(&loop, "body", &b.graph);
	body_start(&then_branch);
	pbuild_node(&then_branch.m, "Loop", "- - x", "l", &loop);
	pbuild_node(&then_branch.m, "InThen", "l", "t", NULL);
	pbuild_output(&then_branch.m, "t", FLOAT);
	pbuild_node(body_start(&else_branch), "InElse", "x", "e", NULL);
	pbuild_output(&else_branch.m, "e", FLOAT);
	pbuild_attr_graph(&attrs, "then_branch", &then_branch.graph);
	pbuild_attr_graph(&attrs, "else_branch", &else_branch.graph);
	pbuild_node(&o.m, "If", "c", "i", &attrs);
	/* own.F(a) = InFunction(a), called twice */
	pbuild_string(&f, 1, "F");
	pbuild_string(&f, 4, "a");
	pbuild_string(&f, 5, "b");
	pbuild_string(&node, 1, "a");
	pbuild_string(&node, 2, "b");
	pbuild_string(&node, 3, "b");
	pbuild_string(&node, 4, "InFunction");
	pbuild_message(&f, 7, &node);
	pbuild_string(&used, 1, "");
	pbuild_int(&used, 2, 16);
	pbuild_message(&f, 9, &used);
	pbuild_string(&f, 10, "own");
	pbuild_message(&o.m, 25, &f);
	for (int k = 0; k < 2; k++) {
		struct pbuild domain = {0};

		pbuild_string(&domain, 7, "own");
		pbuild_node(&o.m, "F", k ? "f" : "x", k ? "y" : "f", &domain);
	}
	pbuild_output(&o.m, "i", FLOAT);
	pbuild_output(&o.m, "y", FLOAT);
	ck_assert_int_eq(run(&o, NULL), RT_UNSUPPORTED);
	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++)
		ck_assert_msg(strstr(err.text, says[i]) != NULL, "'%s' does not say '%s'", err.text,
			      says[i]);
	finish(&o);
}
END_TEST

Suite *check_runtime_ops_control(void)
{
	Suite *s = suite_create("runtime/ops/control");
	TCase *t = tcase_create("control");

	tcase_add_loop_test(t, if_takes_its_branch, 0, 2);
	tcase_add_test(t, loop_carries_and_stacks);
	tcase_add_test(t, loop_without_a_trip);
	tcase_add_test(t, loop_of_the_wrong_form);
	tcase_add_test(t, scan_axes_and_directions);
	tcase_add_loop_test(t, scan_of_opset_8, 0, 2);
	tcase_add_test(t, refusals_reach_everywhere);
	suite_add_tcase(s, t);
	return s;
}
