/* SPDX-License-Identifier: MIT */
/*
 * ops.def (runtime/op_table.c): rows that contradict themselves or each other,
 * and operators that cannot be run as they are declared.
 */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "runtime/op.h"
#include "tests/runtime/suites.h"

START_TEST(ranges_do_not_overlap)
{
	for (size_t i = 0; i < rt_op_count(); i++) {
		const struct rt_op_row *a = rt_op_row_get(i);

		ck_assert_msg(a->since >= 1 && a->since <= a->last, "%s", a->op_type);
		ck_assert_msg(a->dtypes != 0, "%s has no element type", a->op_type);
		for (size_t k = 0; k < i; k++) {
			const struct rt_op_row *b = rt_op_row_get(k);

			ck_assert_msg(a->domain != b->domain ||
					  strcmp(a->op_type, b->op_type) != 0 ||
					  a->last < b->since || b->last < a->since,
				      "two rows for %s", a->op_type);
		}
	}
}
END_TEST

START_TEST(operators_are_complete)
{
	for (size_t i = 0; i < rt_op_count(); i++) {
		const struct rt_op_row *row = rt_op_row_get(i);
		const struct rt_op *op = row->op;

		ck_assert_msg(op->in_min <= op->in_max && op->out_min <= op->out_max, "%s",
			      row->op_type);
		if (op->eval != NULL) {
			ck_assert_msg(op->run == NULL && op->infer == NULL, "%s", row->op_type);
			continue;
		}
		ck_assert_msg(op->infer != NULL, "%s has no infer", row->op_type);
		ck_assert_msg((op->run != NULL) != op->is_view, "%s", row->op_type);
		ck_assert_msg(!op->is_view || op->in_min >= 1, "%s", row->op_type);
		ck_assert_msg(row->dtype_input < op->in_max || op->in_max == RT_VARIADIC, "%s",
			      row->op_type);
	}
}
END_TEST

/* Every row is found by its own name at both ends of its range, and not beyond. */
START_TEST(every_row_is_found)
{
	for (size_t i = 0; i < rt_op_count(); i++) {
		const struct rt_op_row *a = rt_op_row_get(i), *b;

		ck_assert_ptr_eq(rt_op_find(a->domain, a->op_type, a->since), a);
		ck_assert_ptr_eq(rt_op_find(a->domain, a->op_type, a->last), a);
		b = rt_op_find(a->domain, a->op_type, a->since - 1);
		ck_assert(b != a && (b == NULL || strcmp(b->op_type, a->op_type) == 0));
	}
}
END_TEST

START_TEST(lookup_minds_domain_and_opset)
{
	const struct rt_op_row *row = rt_op_find(RT_ONNX, "Relu", 13);

	ck_assert_ptr_nonnull(row);
	ck_assert_str_eq(row->op_type, "Relu");
	ck_assert_ptr_null(rt_op_find(RT_OTHER, "Relu", 13));
	ck_assert_ptr_null(rt_op_find(RT_ONNX, "Relu", 0));
	ck_assert_ptr_null(rt_op_find(RT_ONNX, "relu", 13));
	ck_assert(rt_op_known(RT_ONNX, "Relu"));
	ck_assert(!rt_op_known(RT_ONNX, "NoSuchOperator"));
}
END_TEST

START_TEST(the_list_is_printed)
{
	char text[512];
	FILE *f = tmpfile();
	size_t lines = 0, operators;

	ck_assert_ptr_nonnull(f);
	operators = rt_ops_print(f);
	rewind(f);
	while (fgets(text, sizeof(text), f) != NULL)
		lines++;
	ck_assert_uint_gt(operators, 50);
	ck_assert_uint_ge(lines, operators);
	ck_assert_int_eq(fclose(f), 0);
}
END_TEST

Suite *check_runtime_op_table(void)
{
	Suite *suite = suite_create("runtime_op_table");
	TCase *c = tcase_create("op_table");

	tcase_add_test(c, ranges_do_not_overlap);
	tcase_add_test(c, operators_are_complete);
	tcase_add_test(c, every_row_is_found);
	tcase_add_test(c, lookup_minds_domain_and_opset);
	tcase_add_test(c, the_list_is_printed);
	suite_add_tcase(suite, c);
	return suite;
}
