/* SPDX-License-Identifier: MIT */
/*
 * Models (runtime/model.c, bind.c, trim.c, graph_resolve.c): what is refused when
 * they are opened, and what they keep in memory.
 */
#include <config.h>

#include <string.h>

#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

static int64_t one[] = {1}, two[] = {2}, three[] = {3};

START_TEST(everything_unsupported_is_listed)
{
	struct opened o = {.model = NULL};

	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, 1, three);
	pbuild_node(&o.m, "NoSuchThing", "x", "a", NULL);
	pbuild_node(&o.m, "NoSuchThing", "a", "b", NULL);
	pbuild_node(&o.m, "OtherThing", "b", "c", NULL);
	pbuild_node(&o.m, "Relu", "c", "y", NULL);
	pbuild_output(&o.m, "y", 1);
	ck_assert_int_eq(opened_try(&o, NULL), RT_UNSUPPORTED);
	ck_assert_ptr_nonnull(
	    strstr(opened_err.text,
		   "NoSuchThing (ai.onnx, opset 13): no such operator; 2 nodes: 'a', 'b'"));
	ck_assert_ptr_nonnull(strstr(opened_err.text, "OtherThing"));
	ck_assert_ptr_null(strstr(opened_err.text, "Relu"));
	opened_close(&o);

	pbuild_model(&o.m, 13); /* a type that the operator does not take */
	pbuild_input(&o.m, "x", 9, 1, three);
	pbuild_node(&o.m, "Exp", "x", "y", NULL);
	pbuild_output(&o.m, "y", 9);
	ck_assert_int_eq(opened_try(&o, NULL), RT_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(opened_err.text, "Exp (ai.onnx, opset 13): not for bool"));
	opened_close(&o);

	pbuild_model(&o.m, 13); /* too many inputs */
	pbuild_input(&o.m, "x", 1, 1, three);
	pbuild_node(&o.m, "Relu", "x x", "y", NULL);
	pbuild_output(&o.m, "y", 1);
	ck_assert_int_eq(opened_try(&o, NULL), RT_MALFORMED);
	opened_close(&o);
}
END_TEST

/* Packed weights replace what they were made from, unless somebody else reads that. */
START_TEST(weights_are_kept_once)
{
	static int64_t square[] = {512, 512}, row[] = {1, 512}, index = 3;
	const size_t weights = sizeof(float) * 512 * 512;
	static float x[512];
	size_t resident[2];

	x[0] = 1;
	for (int reader = 0; reader < 2; reader++) {
		struct opened o = {.model = NULL};
		struct rt_tensor in = opened_f32(x, 2, row), out[2];

		pbuild_model(&o.m, 13);
		pbuild_input(&o.m, "x", 1, 2, row);
		pbuild_init_i64(&o.m, "shape", 1, two, square);
		pbuild_init_i64(&o.m, "index", 1, one, &index);
		pbuild_node(&o.m, "ConstantOfShape", "shape", "zeros", NULL);
		pbuild_node(&o.m, "Cos", "zeros", "w", NULL);
		pbuild_node(&o.m, "MatMul", "x w", "y", NULL);
		pbuild_output(&o.m, "y", 1);
		if (reader == 1) { /* an embedding that is tied to the product */
			pbuild_input(&o.m, "i", 7, 1, one);
			pbuild_node(&o.m, "Gather", "w i", "e", NULL);
			pbuild_output(&o.m, "e", 1);
		}
		opened_open(&o, NULL);
		resident[reader] = rt_model_resident_bytes(o.model);
		if (reader == 0) {
			opened_run(&o, &in, out);
			for (int i = 0; i < 512; i++)
				ck_assert(((float *)out[0].data)[i] == 1);
		} else {
			struct rt_tensor both[] = {in, opened_i64(&index, 1, one)};

			opened_run(&o, both, out);
			for (int i = 0; i < 512; i++)
				ck_assert(((float *)out[1].data)[i] == 1);
		}
		opened_close(&o);
	}
	ck_assert_uint_ge(resident[0], weights);
	ck_assert_uint_lt(resident[0], weights + weights / 2);
	ck_assert_uint_ge(resident[1], 2 * weights);
	ck_assert_uint_lt(resident[1], 2 * weights + weights / 2);
}
END_TEST

/* Two products whose weights are one memory under two shapes. */
START_TEST(shared_weights_stay)
{
	static int64_t square[] = {256, 256}, again[] = {1, 256, 256}, row[] = {1, 256};
	static float x[256];
	struct opened o = {.model = NULL};
	struct rt_tensor in = opened_f32(x, 2, row), out[2];

	x[0] = 1;
	pbuild_model(&o.m, 13);
	pbuild_input(&o.m, "x", 1, 2, row);
	pbuild_init_i64(&o.m, "shape", 1, two, square);
	pbuild_init_i64(&o.m, "again", 1, three, again);
	pbuild_node(&o.m, "ConstantOfShape", "shape", "zeros", NULL);
	pbuild_node(&o.m, "Cos", "zeros", "w", NULL);
	pbuild_node(&o.m, "Reshape", "w again", "w2", NULL);
	pbuild_node(&o.m, "MatMul", "x w", "y", NULL);
	pbuild_node(&o.m, "MatMul", "x w2", "y2", NULL);
	pbuild_output(&o.m, "y", 1);
	pbuild_output(&o.m, "y2", 1);
	opened_open(&o, NULL);
	opened_run(&o, &in, out);
	for (int i = 0; i < 256; i++) {
		ck_assert(((float *)out[0].data)[i] == 1);
		ck_assert(((float *)out[1].data)[i] == 1);
	}
	opened_close(&o);
}
END_TEST

Suite *check_runtime_model(void)
{
	Suite *suite = suite_create("runtime_model");
	TCase *c = tcase_create("model");

	tcase_add_checked_fixture(c, opened_start, opened_stop);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, everything_unsupported_is_listed);
	tcase_add_test(c, weights_are_kept_once);
	tcase_add_test(c, shared_weights_stay);
	suite_add_tcase(suite, c);
	return suite;
}
