/* SPDX-License-Identifier: MIT */
/*
 * The protobuf cursor (runtime/wire.c): examples of protobuf.dev "Encoding", and
 * bytes that end early or lie.
 */
#include <config.h>

#include <string.h>

#include "runtime/wire.h"
#include "tests/lib/pbuild.h"
#include "tests/runtime/suites.h"

static struct rt_error err;

#define CURSOR(...)                                                                                \
	rt_wire_open((struct rt_bytes){(const uint8_t[]){__VA_ARGS__},                             \
				       sizeof((const uint8_t[]){__VA_ARGS__})})

START_TEST(fields_of_every_type)
{
	struct rt_wire w = CURSOR(0x08, 0x96, 0x01, 0x12, 0x03, 'a', 'b', 'c', 0x1d, 0, 0, 0x80,
				  0x3f, 0x21, 1, 0, 0, 0, 0, 0, 0, 0x80);
	struct rt_field f;
	struct rt_str s;
	int64_t i;
	float x;

	ck_assert_int_eq(rt_wire_next(&w, &f, &err), 1);
	ck_assert_uint_eq(f.number, 1);
	ck_assert_int_eq(rt_wire_int(&f, &i, &err), RT_OK);
	ck_assert_int_eq(i, 150);
	ck_assert_int_eq(rt_wire_float(&f, &x, &err), RT_MALFORMED);
	ck_assert_int_eq(rt_wire_next(&w, &f, &err), 1);
	ck_assert_uint_eq(f.offset, 3);
	ck_assert_int_eq(rt_wire_string(&f, &s, &err), RT_OK);
	ck_assert_uint_eq(s.size, 3);
	ck_assert(memcmp(s.bytes, "abc", 3) == 0);
	ck_assert_int_eq(rt_wire_int(&f, &i, &err), RT_MALFORMED);
	ck_assert_int_eq(rt_wire_next(&w, &f, &err), 1);
	ck_assert_int_eq(rt_wire_float(&f, &x, &err), RT_OK);
	ck_assert(x == 1.0f);
	ck_assert_int_eq(rt_wire_next(&w, &f, &err), 1);
	ck_assert_uint_eq(f.value, 0x8000000000000001u);
	ck_assert_int_eq(rt_wire_next(&w, &f, &err), 0);
}
END_TEST

START_TEST(negative_numbers_take_ten_bytes)
{
	struct pbuild b = {0};
	struct rt_wire w;
	struct rt_field f;
	int64_t i;

	pbuild_int(&b, 3, -2);
	ck_assert_uint_eq(b.size, 11);
	w = rt_wire_open((struct rt_bytes){b.data, b.size});
	ck_assert_int_eq(rt_wire_next(&w, &f, &err), 1);
	ck_assert_int_eq(rt_wire_int(&f, &i, &err), RT_OK);
	ck_assert_int_eq(i, -2);
	pbuild_free(&b);
}
END_TEST

/* Every way to end early or lie is refused, with the offset. */
START_TEST(broken_bytes_are_refused)
{
	struct rt_wire broken[] = {
	    CURSOR(0x80),                      /* key without an end */
	    CURSOR(0x00, 0x00),                /* field 0 */
	    CURSOR(0x08),                      /* no varint */
	    CURSOR(0x08, 0x80, 0x80),          /* varint without an end */
	    CURSOR(0x12, 0x05, 'a'),           /* longer than the file */
	    CURSOR(0x0d, 1, 2, 3),             /* fixed32 of three bytes */
	    CURSOR(0x09, 1, 2, 3, 4, 5, 6, 7), /* fixed64 of seven */
	    CURSOR(0x0b, 0x0c),                /* group */
	    CURSOR(0x0e),                      /* wire type 6 */
	    CURSOR(0x0f),                      /* wire type 7 */
	    CURSOR(0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
	    CURSOR(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02), /* 65 bits */
	    CURSOR(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00),
	    CURSOR(0xf8, 0xff, 0xff, 0xff, 0x1f, 0x00), /* field number over 2^29 − 1 */
	};
	struct rt_field f;

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		ck_assert_msg(rt_wire_next(&broken[i], &f, &err) == RT_MALFORMED, "case %zu", i);
		ck_assert(strstr(err.text, "byte 0") != NULL);
	}
}
END_TEST

static void sum(void *arg, uint64_t raw)
{
	*(uint64_t *)arg += raw;
}

START_TEST(lists_packed_or_not)
{
	struct rt_wire w = CURSOR(0x08, 0x05, 0x0a, 0x03, 0x01, 0x96, 0x01, 0x0a, 0x00);
	uint64_t total = 0;
	size_t count = 0;
	struct rt_field f;

	while (rt_wire_next(&w, &f, &err) == 1) {
		ck_assert_int_eq(rt_wire_count(&f, RT_WIRE_VARINT, &count, &err), RT_OK);
		ck_assert_int_eq(rt_wire_values(&f, RT_WIRE_VARINT, sum, &total, &err), RT_OK);
	}
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(total, 5 + 1 + 150);
	w = CURSOR(0x0a, 0x03, 1, 2, 3); /* three bytes are no fixed32 */
	ck_assert_int_eq(rt_wire_next(&w, &f, &err), 1);
	ck_assert_int_eq(rt_wire_count(&f, RT_WIRE_FIXED32, &count, &err), RT_MALFORMED);
	ck_assert_int_eq(rt_wire_values(&f, RT_WIRE_FIXED32, sum, &total, &err), RT_MALFORMED);
	w = CURSOR(0x0a, 0x02, 0x01, 0x80); /* the last one does not end */
	ck_assert_int_eq(rt_wire_next(&w, &f, &err), 1);
	ck_assert_int_eq(rt_wire_values(&f, RT_WIRE_VARINT, sum, &total, &err), RT_MALFORMED);
}
END_TEST

START_TEST(messages_nest_to_a_depth)
{
	struct pbuild b = {0};
	struct rt_wire w;
	struct rt_field f;
	int depth = 0, status;

	for (int i = 0; i < 100; i++) {
		struct pbuild outer = {0};

		pbuild_message(&outer, 1, &b);
		b = outer;
	}
	w = rt_wire_open((struct rt_bytes){b.data, b.size});
	do {
		struct rt_wire sub;

		ck_assert_int_eq(rt_wire_next(&w, &f, &err), 1);
		status = rt_wire_enter(&w, &f, &sub, &err);
		w = sub;
		depth += status == RT_OK;
	} while (status == RT_OK);
	ck_assert_int_eq(depth, RT_WIRE_DEPTH_MAX);
	pbuild_free(&b);
}
END_TEST

START_TEST(nothing_is_a_legal_message)
{
	struct rt_wire w = rt_wire_open((struct rt_bytes){NULL, 0});
	struct rt_field f;

	ck_assert_int_eq(rt_wire_next(&w, &f, &err), 0);
}
END_TEST

Suite *check_runtime_wire(void)
{
	Suite *suite = suite_create("runtime_wire");
	TCase *c = tcase_create("wire");

	tcase_add_test(c, fields_of_every_type);
	tcase_add_test(c, negative_numbers_take_ten_bytes);
	tcase_add_test(c, broken_bytes_are_refused);
	tcase_add_test(c, lists_packed_or_not);
	tcase_add_test(c, messages_nest_to_a_depth);
	tcase_add_test(c, nothing_is_a_legal_message);
	suite_add_tcase(suite, c);
	return suite;
}
