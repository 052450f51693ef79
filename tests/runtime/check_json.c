/* SPDX-License-Identifier: MIT */
/* JSON text to a tree (runtime/json.c), against RFC 8259. */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json.h"
#include "tests/runtime/suites.h"

static struct rt_memory memory;
static struct rt_error err;

/* A copy of exactly that size, so that a sanitizer sees one byte past it. */
static const struct rt_json *parse(const char *text, int *status)
{
	size_t size = strlen(text);
	char *copy = malloc(size + 1);
	const struct rt_json *j = NULL;

	ck_assert_ptr_nonnull(copy);
	memmove(copy, text, size);
	*status = rt_json_parse((struct rt_bytes){copy, size}, &memory, &j, &err);
	ck_assert(*status == RT_OK || *status == RT_MALFORMED);
	free(copy); /* only escapes and numbers are looked at afterwards, or nothing */
	return j;
}

static void release(void)
{
	rt_memory_release(&memory);
}

START_TEST(values_are_what_the_text_says)
{
	static const char text[] = "\xef\xbb\xbf {\"a\": [1, -2.5e1, true, null, \"x\"], \"b\": {},"
				   " \"n\": \"-7\", \"big\": \"9007199254740993\"}\n";
	const struct rt_json *j = NULL, *a;

	ck_assert_int_eq(
	    rt_json_parse((struct rt_bytes){text, sizeof(text) - 1}, &memory, &j, &err), RT_OK);
	a = rt_json_get(j, "a");
	ck_assert_int_eq(rt_json_count(a), 5);
	ck_assert_int_eq(rt_json_int(rt_json_at(a, 0), 0), 1);
	ck_assert_double_eq(rt_json_number(rt_json_at(a, 1), 0), -25);
	ck_assert(rt_json_bool(rt_json_at(a, 2), false));
	ck_assert_int_eq(rt_json_at(a, 3)->kind, RT_JSON_NULL);
	ck_assert(rt_json_is(rt_json_at(a, 4), "x"));
	ck_assert_ptr_null(rt_json_at(a, 5));
	ck_assert_int_eq(rt_json_count(rt_json_get(j, "b")), 0);
	ck_assert_ptr_null(rt_json_get(j, "c"));
	ck_assert_int_eq(rt_json_int(rt_json_get(j, "n"), 0), -7);
	/* protobuf writes 64-bit numbers as strings so that none is lost in a double */
	ck_assert_int_eq(rt_json_int(rt_json_get(j, "big"), 0), 9007199254740993);
	ck_assert_int_eq(rt_json_int(rt_json_at(a, 1), 5), -25);
	ck_assert_int_eq(rt_json_int(rt_json_at(a, 4), 5), 5);
}
END_TEST

START_TEST(escapes_are_undone)
{
	int status;
	const struct rt_json *j = parse("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac"
					"\\ud83d\\ude00\\ud800x\"]",
					&status);

	ck_assert_int_eq(status, RT_OK);
	ck_assert(rt_json_is(rt_json_at(j, 0), "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac"
					       "\xf0\x9f\x98\x80\xef\xbf\xbdx"));
}
END_TEST

START_TEST(python_numbers)
{
	int status;
	const struct rt_json *j = parse("[NaN, Infinity, -Infinity]", &status);

	ck_assert_int_eq(status, RT_OK);
	ck_assert(isnan(rt_json_number(rt_json_at(j, 0), 0)));
	ck_assert(rt_json_number(rt_json_at(j, 1), 0) > 1e300);
	ck_assert(rt_json_number(rt_json_at(j, 2), 0) < -1e300);
	ck_assert_int_eq(rt_json_int(rt_json_at(j, 0), 3), 3);
	ck_assert_int_eq(rt_json_int(rt_json_at(j, 1), 3), 3);
}
END_TEST

static const char *const bad[] = {
    "",
    " ",
    "{",
    "[",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "[1 2]",
    "[1}",
    "{\"a\":1]",
    "[01x]",
    "[-]",
    "[1.]",
    "[1e]",
    "[tru]",
    "[nul]",
    "[\"abc]",
    "[\"a\\\"]",
    "[\"\\q\"]",
    "[\"\\u12g4\"]",
    "[\"\\u12\"]",
    "[\"a\nb\"]",
    "[\"\xc3(\"]",
    "[\"\xed\xa0\x80\"]",
    "[1] x",
    "[0.11111111111111111111111111111111111111111111111111111111111111111111]",
};

START_TEST(what_is_no_json)
{
	int status;

	(void)parse(bad[_i], &status);
	ck_assert_msg(status == RT_MALFORMED, "'%s' was read", bad[_i]);
	ck_assert_ptr_nonnull(strstr(err.text, "byte "));
}
END_TEST

START_TEST(depth_has_an_end)
{
	char text[2 * RT_JSON_DEPTH_MAX + 4];
	int status;

	memset(text, '[', RT_JSON_DEPTH_MAX);
	memset(text + RT_JSON_DEPTH_MAX, ']', RT_JSON_DEPTH_MAX);
	text[2 * RT_JSON_DEPTH_MAX] = '\0';
	(void)parse(text, &status);
	ck_assert_int_eq(status, RT_OK);
	memset(text, '[', RT_JSON_DEPTH_MAX + 1);
	memset(text + RT_JSON_DEPTH_MAX + 1, ']', RT_JSON_DEPTH_MAX + 1);
	text[2 * RT_JSON_DEPTH_MAX + 2] = '\0';
	(void)parse(text, &status);
	ck_assert_int_eq(status, RT_MALFORMED);
	ck_assert_ptr_nonnull(strstr(err.text, "deep"));
}
END_TEST

START_TEST(memory_has_an_end)
{
	struct rt_memory little = {.budget = 128 << 10};
	const struct rt_json *j = NULL;
	size_t size = 20001;
	char *text = malloc(size);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < size; i++)
		text[i] = i == 0 ? '[' : i == size - 1 ? ']' : i % 2 == 1 ? '1' : ',';
	ck_assert_int_eq(rt_json_parse((struct rt_bytes){text, size}, &little, &j, &err),
			 RT_BUDGET);
	rt_memory_release(&little);
	free(text);
}
END_TEST

Suite *check_runtime_json(void)
{
	Suite *s = suite_create("runtime/json");
	TCase *t = tcase_create("json");

	tcase_add_checked_fixture(t, NULL, release);
	tcase_add_test(t, values_are_what_the_text_says);
	tcase_add_test(t, escapes_are_undone);
	tcase_add_test(t, python_numbers);
	tcase_add_loop_test(t, what_is_no_json, 0, (int)(sizeof(bad) / sizeof(*bad)));
	tcase_add_test(t, depth_has_an_end);
	tcase_add_test(t, memory_has_an_end);
	suite_add_tcase(s, t);
	return s;
}
