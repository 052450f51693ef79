/* SPDX-License-Identifier: MIT */
/*
 * check_runnable.c — which file of a model runs (daemon/runnable.c).  The rule is
 * the one that the browser module follows too: the only *.onnx, *.tflite or
 * model.json, else model.onnx, else onnx/model.onnx, else the client must say.
 */
#include <config.h>

#include <check.h>
#include <string.h>

#include "daemon/runnable.h"

Suite *check_runnable(void);

static const struct {
	const char *files[6];
	const char *chosen; /* NULL: none */
} cases[] = {
    {{"a.onnx"}, "a.onnx"},
    {{"config.json", "deep/er/x.onnx", "w.bin"}, "deep/er/x.onnx"},
    {{"model.onnx", "onnx/model.onnx"}, "model.onnx"},
    {{"onnx/model.onnx", "onnx/model_quantized.onnx"}, "onnx/model.onnx"},
    {{"a.onnx", "onnx/model.onnx", "z.onnx"}, "onnx/model.onnx"},
    {{"a.onnx", "b.onnx"}, NULL},
    {{"a.onnx", "x/model.onnx"}, NULL},
    {{"a.onnx_data", "a.onnx"}, "a.onnx"},
    {{"A.ONNX"}, NULL},
    {{"model.json", "group1-shard1of1.bin"}, "model.json"},
    {{"config.json", "web/model.json"}, "web/model.json"},
    {{"config.json", "mymodel.json"}, NULL},
    {{"a.tflite", "labels.txt"}, "a.tflite"},
    {{"a.tflite", "model.json"}, NULL},
    {{"a.tflite", "model.onnx"}, "model.onnx"},
    {{NULL}, NULL},
};

START_TEST(choice)
{
	struct runnable_choice c = {.count = 0};
	const char *got;

	for (size_t i = 0; cases[_i].files[i] != NULL; i++)
		runnable_look(&c, cases[_i].files[i]);
	got = runnable_choose(&c);
	if (cases[_i].chosen == NULL)
		ck_assert_ptr_null(got);
	else
		ck_assert_str_eq(got, cases[_i].chosen);
}
END_TEST

/* Many and long names: the message stays within its room and ends with an ellipsis. */
START_TEST(many)
{
	struct runnable_choice c = {.count = 0};
	char path[STORE_PATH_MAX + 1];

	for (int i = 0; i < 100; i++) {
		memset(path, 'a', sizeof path);
		path[0] = (char)('a' + i % 26);
		memcpy(path + 30 + i * 40, ".onnx", 6);
		runnable_look(&c, path);
	}
	ck_assert_uint_eq(c.count, 100);
	ck_assert_uint_lt(strlen(c.names), sizeof c.names);
	ck_assert_str_eq(c.names + strlen(c.names) - 3, "…");
	ck_assert_ptr_null(runnable_choose(&c));
}
END_TEST

Suite *check_runnable(void)
{
	Suite *s = suite_create("runnable");
	TCase *c = tcase_create("runnable");

	tcase_add_loop_test(c, choice, 0, (int)(sizeof cases / sizeof *cases));
	tcase_add_test(c, many);
	suite_add_tcase(s, c);
	return s;
}
