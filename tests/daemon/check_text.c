/* SPDX-License-Identifier: MIT */
/*
 * check_text.c — daemon/text.c, utf8.c, arena.c and fault.c: JSON strings are
 * compared by reading them back with jansson.
 */
#include <config.h>

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/text.h"
#include "daemon/utf8.h"
#include "runtime/runtime.h"
#include "store/store.h"

Suite *check_text(void);

static struct arena arena;

static void setup(void)
{
	arena_init(&arena);
}

static void teardown(void)
{
	arena_release(&arena);
}

static const struct {
	const char *in;
	const char *out;
} strings[] = {
    {"", "\"\""},
    {"plain", "\"plain\""},
    {"a\"b\\c", "\"a\\\"b\\\\c\""},
    {"\n\r\t", "\"\\n\\r\\t\""},
    {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {"a\xff"
     "b",
     "\"a\xef\xbf\xbd"
     "b\""},
    {"\xc3", "\"\xef\xbf\xbd\""},
    {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"</script>", "\"</script>\""},
};

START_TEST(test_json)
{
	struct text t;
	json_t *v;

	text_init(&t, &arena);
	text_json(&t, strings[_i].in);
	ck_assert(text_ok(&t));
	ck_assert_str_eq(t.data, strings[_i].out);
	v = json_loads(t.data, JSON_DECODE_ANY, NULL);
	ck_assert_ptr_nonnull(v);
	if (utf8_ok(strings[_i].in, strlen(strings[_i].in)))
		ck_assert_str_eq(json_string_value(v), strings[_i].in);
	json_decref(v);
}
END_TEST

/* Any bytes at all give a JSON string. */
START_TEST(test_json_bytes)
{
	unsigned seed = 1;

	for (int round = 0; round < 2000; round++) {
		char in[24];
		struct text t;
		json_t *v;

		for (size_t i = 0; i < sizeof(in); i++) {
			seed = seed * 1103515245 + 12345;
			in[i] = (char)(unsigned char)(1 + (seed >> 16) % 255);
		}
		text_init(&t, &arena);
		text_json_n(&t, in, sizeof(in));
		v = json_loadb(t.data, t.size, JSON_DECODE_ANY, NULL);
		ck_assert_ptr_nonnull(v);
		json_decref(v);
	}
}
END_TEST

START_TEST(test_growth)
{
	struct text t;

	text_init(&t, &arena);
	for (int i = 0; i < 20000; i++)
		text_printf(&t, "%05d,", i);
	text_u64(&t, UINT64_MAX);
	ck_assert(text_ok(&t));
	ck_assert_uint_eq(t.size, 20000 * 6 + 20);
	ck_assert_str_eq(t.data + 19999 * 6, "19999,18446744073709551615");
}
END_TEST

static const struct {
	const char *s;
	size_t width; /* of the first character; 0: malformed */
} characters[] = {
    {"a", 1},
    {"\x7f", 1},
    {"\xc2\x80", 2},
    {"\xdf\xbf", 2},
    {"\xe0\xa0\x80", 3},
    {"\xed\x9f\xbf", 3},
    {"\xee\x80\x80", 3},
    {"\xef\xbf\xbf", 3},
    {"\xf0\x90\x80\x80", 4},
    {"\xf4\x8f\xbf\xbf", 4},
    {"\x80", 0},
    {"\xbf", 0},
    {"\xc0\x80", 0},
    {"\xc1\xbf", 0},
    {"\xc2", 0},
    {"\xc2\x41", 0},
    {"\xe0\x9f\xbf", 0},
    {"\xed\xa0\x80", 0},
    {"\xed\xbf\xbf", 0},
    {"\xe2\x82", 0},
    {"\xf0\x8f\xbf\xbf", 0},
    {"\xf4\x90\x80\x80", 0},
    {"\xf5\x80\x80\x80", 0},
    {"\xf0\x9f\x98", 0},
    {"\xfe", 0},
    {"\xff", 0},
};

START_TEST(test_utf8)
{
	ck_assert_uint_eq(utf8_width(characters[_i].s, strlen(characters[_i].s)),
			  characters[_i].width);
}
END_TEST

START_TEST(test_utf8_cut)
{
	static const char s[] = "a\xe2\x82\xac";

	ck_assert_uint_eq(utf8_cut(s, 4), 4);
	ck_assert_uint_eq(utf8_cut(s, 3), 1);
	ck_assert_uint_eq(utf8_cut(s, 2), 1);
	ck_assert_uint_eq(utf8_cut(s, 1), 1);
	ck_assert_uint_eq(utf8_cut(s, 0), 0);
}
END_TEST

static int order[3], ran;

static void hook(void *arg)
{
	order[ran++] = *(int *)arg;
}

START_TEST(test_arena)
{
	static int ids[] = {1, 2, 3};
	char *small = arena_alloc(&arena, 3), *big, *text;

	ck_assert_uint_eq((uintptr_t)small % 16, 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(arena_defer(&arena, hook, &ids[i]), 0);
	big = arena_alloc(&arena, 1u << 20);
	ck_assert_ptr_nonnull(big);
	memset(big, 1, 1u << 20);
	for (int i = 0; i < 1000; i++) {
		text = arena_printf(&arena, "%d", i);
		ck_assert_uint_eq((uintptr_t)text % 16, 0);
		ck_assert_int_eq((int)strtol(text, NULL, 10), i);
	}
	ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - 8));
	ck_assert_ptr_null(arena_copy(&arena, "", SIZE_MAX));
	ck_assert_str_eq(arena_copy(&arena, "abc", 2), "ab");
	arena_release(&arena);
	ck_assert_int_eq(ran, 3);
	ck_assert(order[0] == 3 && order[1] == 2 && order[2] == 1);
}
END_TEST

START_TEST(test_fault)
{
	static struct fault f;
	char *longer = malloc(20000);

	ck_assert_int_eq(fault_store(&f, STORE_NOT_FOUND, "no model `x`"), -1);
	ck_assert_uint_eq(f.http, 404);
	ck_assert_str_eq(f.text, "no model `x`");
	/* the world's errors are not shown */
	ck_assert_int_eq(fault_store(&f, STORE_IO, "open /var/lib/larder/x: EIO"), -1);
	ck_assert_uint_eq(f.http, 500);
	ck_assert_str_eq(f.text, store_status_text(STORE_IO));
	ck_assert_int_eq(fault_store(&f, -12345, "x"), -1);
	ck_assert_uint_eq(f.http, 500);
	ck_assert_uint_eq(fault_rt_http(RT_UNSUPPORTED), 501);
	/* a model is never a 500 */
#define STATUS(code, text) ck_assert_uint_ne(fault_rt_http(RT_##code), 500);
#include "runtime/status.def"
#undef STATUS
	/* cut between characters */
	ck_assert_ptr_nonnull(longer);
	for (size_t i = 0; i + 3 < 20000; i += 3)
		memcpy(longer + i, "\xe2\x82\xac", 4);
	(void)fault_set(&f, 400, "x%s", longer);
	free(longer);
	ck_assert(utf8_ok(f.text, strlen(f.text)));
	ck_assert_uint_gt(strlen(f.text), sizeof(f.text) - 5);
}
END_TEST

#define LOOP_TEST(t, f, table) tcase_add_loop_test(t, f, 0, (int)(sizeof(table) / sizeof(table[0])))

Suite *check_text(void)
{
	Suite *s = suite_create("text");
	TCase *t = tcase_create("text");

	tcase_add_checked_fixture(t, setup, teardown);
	LOOP_TEST(t, test_json, strings);
	tcase_add_test(t, test_json_bytes);
	tcase_add_test(t, test_growth);
	LOOP_TEST(t, test_utf8, characters);
	tcase_add_test(t, test_utf8_cut);
	tcase_add_test(t, test_arena);
	tcase_add_test(t, test_fault);
	suite_add_tcase(s, t);
	return s;
}
