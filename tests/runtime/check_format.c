/* SPDX-License-Identifier: MIT */
/* What is no ONNX model is called by its name (runtime/format.c). */
#include <config.h>

#include <string.h>

#include "runtime/format.h"
#include "runtime/runtime.h"
#include "tests/runtime/suites.h"

static const char *kind(const char *bytes, size_t size)
{
	return rt_format_of((struct rt_bytes){bytes, size})->what;
}

static bool is_onnx(const char *bytes, size_t size)
{
	const struct rt_format *f = rt_format_of((struct rt_bytes){bytes, size});

	return f->read == rt_onnx_read_model && strcmp(f->platform, "onnx_onnxv1") == 0;
}

START_TEST(others_are_called_by_name)
{
	ck_assert_ptr_nonnull(strstr(kind("\x1c\0\0\0TFL3", 8), "TensorFlow Lite"));
	ck_assert_ptr_nonnull(strstr(kind("{\"format\":", 10), "TensorFlow.js"));
	ck_assert_ptr_nonnull(strstr(kind("\xef\xbb\xbf\n {\"format\":", 15), "TensorFlow.js"));
	ck_assert_ptr_nonnull(strstr(kind("GGUF\3\0\0\0", 8), "GGUF"));
	ck_assert_ptr_nonnull(strstr(kind("<!doctype html>", 15), "HTML"));
	ck_assert_ptr_nonnull(strstr(kind("version https://git-lfs.github.com", 34), "LFS"));
}
END_TEST

START_TEST(onnx_and_the_unknown_are_left_alone)
{
	ck_assert(is_onnx("", 0));
	ck_assert(is_onnx("\x08\x08", 2));
	ck_assert(is_onnx("\x08\x07\x12\x07pytorch", 11));
	/* a producer_name of that spelling */
	ck_assert(is_onnx("\x08\x07\x12\x04TFL3", 8));
	/* every prefix of a signature is too short to tell */
	ck_assert(is_onnx("\x1c\0\0\0TFL", 7));
	ck_assert(is_onnx("GGU", 3));
}
END_TEST

START_TEST(opening_says_what_it_is)
{
	struct rt_model *m = NULL;
	struct rt_error err;
	struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR};
	struct rt_bytes file = {"GGUF\3\0\0\0", 8};

	ck_assert_int_eq(rt_model_open(file, &opts, &m, &err), RT_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.text, "GGUF"));
	ck_assert_ptr_null(m);
}
END_TEST

Suite *check_runtime_format(void)
{
	Suite *s = suite_create("runtime/format");
	TCase *t = tcase_create("format");

	tcase_add_test(t, others_are_called_by_name);
	tcase_add_test(t, onnx_and_the_unknown_are_left_alone);
	tcase_add_test(t, opening_says_what_it_is);
	suite_add_tcase(s, t);
	return s;
}
