/* SPDX-License-Identifier: MIT */
/*
 * check_oip_data.c — elements of tensors as JSON text (daemon/oip_data.c): the
 * range of every integer type, floats as bit patterns of IEEE 754, nested arrays.
 */
#include <config.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/oip_data.h"

Suite *check_oip_data(void);

static struct arena arena;
static struct fault fault;
static struct rt_tensor tensor;
static char *span; /* exactly as large as the text, so that a read beyond it shows */

static void setup(void)
{
	arena_init(&arena);
	span = NULL;
}

static void teardown(void)
{
	arena_release(&arena);
	free(span);
}

/* "[2,3]" */
static struct rt_shape shape_of(const char *s)
{
	struct rt_shape shape = {.rank = 0};
	char *end;

	for (s++; *s != ']' && *s != '\0'; s = *end == ',' ? end + 1 : end)
		shape.dims[shape.rank++] = strtoll(s, &end, 10);
	return shape;
}

static int parse_data(enum rt_dtype dtype, const char *shape, const char *data)
{
	size_t size = strlen(data);

	free(span);
	span = malloc(size);
	ck_assert_ptr_nonnull(span);
	memcpy(span, data, size);
	tensor = (struct rt_tensor){.dtype = dtype, .shape = shape_of(shape)};
	return oip_data_parse(&(struct oip_span){span, size}, "x", &tensor, &arena, &fault);
}

static void ok(int status)
{
	ck_assert_msg(status == 0, "refused: %u %s", fault.http, fault.text);
}

static void refused(int status, unsigned http, const char *part)
{
	ck_assert_msg(status == -1, "taken, but should say: %s", part);
	ck_assert_msg(fault.http == http && strstr(fault.text, part) != NULL,
		      "said %u \"%s\", should be %u with \"%s\"", fault.http, fault.text, http,
		      part);
}

static void same(const void *bytes, size_t size)
{
	ck_assert_uint_eq(rt_tensor_bytes(&tensor), size);
	ck_assert_mem_eq(tensor.data, bytes, size);
}

/* The least and greatest of each type, one beyond either, and what is not whole. */
static const struct {
	enum rt_dtype dtype;
	const char *least, *greatest, *below, *above;
	uint64_t least_bits, greatest_bits; /* as two's complement */
} ranges[] = {
    {RT_U8, "0", "255", "-1", "256", 0, 255},
    {RT_I8, "-128", "127", "-129", "128", 0x80, 0x7f},
    {RT_U16, "0", "65535", "-1", "65536", 0, 0xffff},
    {RT_I16, "-32768", "32767", "-32769", "32768", 0x8000, 0x7fff},
    {RT_U32, "0", "4294967295", "-1", "4294967296", 0, 0xffffffff},
    {RT_I32, "-2147483648", "2147483647", "-2147483649", "2147483648", 0x80000000, 0x7fffffff},
    {RT_U64, "0", "18446744073709551615", "-1", "18446744073709551616", 0, UINT64_MAX},
    {RT_I64, "-9223372036854775808", "9223372036854775807", "-9223372036854775809",
     "9223372036854775808", UINT64_C(1) << 63, INT64_MAX},
};

START_TEST(integers)
{
	static const char *const others[] = {"1.0", "1e0", "0.5", "true",  "\"1\"", "null", "01",
					     "-",   "+1",  "0x1", "1e400", "NaN",   "--1",  "1 2"};
	enum rt_dtype d = ranges[_i].dtype;
	size_t n = rt_dtype_bits(d) / 8;
	const unsigned char *at;

	ok(parse_data(
	    d, "[3]",
	    arena_printf(&arena, "[%s, -0 ,\n%s]", ranges[_i].least, ranges[_i].greatest)));
	at = tensor.data;
	ck_assert_mem_eq(at, &ranges[_i].least_bits, n);
	ck_assert_mem_eq(at + n, "\0\0\0\0\0\0\0", n);
	ck_assert_mem_eq(at + 2 * n, &ranges[_i].greatest_bits, n);
	refused(parse_data(d, "[1]", arena_printf(&arena, "[%s]", ranges[_i].below)), 400,
		"does not fit");
	refused(parse_data(d, "[1]", arena_printf(&arena, "[%s]", ranges[_i].above)), 400,
		"element 0");
	refused(parse_data(d, "[1]", "[123456789012345678901234567890]"), 400, "does not fit");
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		refused(parse_data(d, "[1]", arena_printf(&arena, "[%s]", others[i])), 400,
			"input \"x\"");
}
END_TEST

/* Bit patterns are IEEE 754 by hand; the last is a tie that a detour over double rounds wrong. */
START_TEST(floats)
{
	static const char text[] = "[0, -0, 1, -2.5, 1e-45, 3.4028234663852886e38, 0.1, 16777217,"
				   "1.00000005960464477539062500000000000001]";
	static const uint32_t bits[] = {0,          0x80000000, 0x3f800000, 0xc0200000, 1,
					0x7f7fffff, 0x3dcccccd, 0x4b800000, 0x3f800001};
	static const uint64_t wide[] = {0x3fb999999999999a, 0x7fefffffffffffff, 1};
	static const char *const bad[] = {
	    "1e39", "-1e39", "1e99999", "NaN",   "Infinity", "-Infinity", "nan",  "inf", "0x1p3",
	    "1.",   ".5",    "1e",      "\"1\"", "true",     "null",      "00.5", "1e+", "- 1"};

	ok(parse_data(RT_F32, "[9]", text));
	same(bits, sizeof bits);
	ok(parse_data(RT_F64, "[3]", "[0.1,1.7976931348623157e308,5e-324]"));
	same(wide, sizeof wide);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refused(parse_data(RT_F32, "[1]", arena_printf(&arena, "[%s]", bad[i])), 400,
			"input \"x\"");
	refused(parse_data(RT_F64, "[1]", "[1e309]"), 400, "does not fit FP64");
}
END_TEST

START_TEST(bools_and_strings)
{
	const struct rt_str *s;

	ok(parse_data(RT_BOOL, "[4]", "[true,0,1,false]"));
	same("\1\0\1\0", 4);
	refused(parse_data(RT_BOOL, "[1]", "[2]"), 400, "not true, false");
	refused(parse_data(RT_BOOL, "[1]", "[True]"), 400, "not true, false");
	ok(parse_data(RT_STR, "[2,1]", "[[\"a\\u00e9],\\\"\"],[\"\"]]"));
	s = tensor.data;
	ck_assert_uint_eq(s[0].size, 6);
	ck_assert_mem_eq(s[0].bytes, "a\xc3\xa9],\"", 6);
	ck_assert_uint_eq(s[1].size, 0);
	refused(parse_data(RT_STR, "[1]", "[7]"), 400, "not a string");
	refused(parse_data(RT_STR, "[1]", "[\"\xff\"]"), 400, "not a string");
	refused(parse_data(RT_STR, "[1]", "[\"\\ud800\"]"), 400, "not a string");
}
END_TEST

static const struct {
	const char *shape, *data, *says; /* says NULL: taken, elements are 1, 2, 3, … */
} nestings[] = {
    {"[2,3]", "[1,2,3,4,5,6]", NULL},
    {"[2,3]", "[[1,2,3],[4,5,6]]", NULL},
    {"[2,1,2]", "[ [ [ 1 , 2 ] ] ,\n[\t[ 3 , 4 ] ] ]", NULL},
    {"[]", "[1]", NULL},
    {"[1,1,1,1,1,1,1,1]", "[[[[[[[[1]]]]]]]]", NULL},
    {"[0]", "[]", NULL},
    {"[2,0]", "[[],[]]", NULL},
    {"[0,2]", "[]", NULL},
    {"[3]", "[[1,2,3]]", "nested otherwise"},
    {"[2,3]", "[[1,2],[3,4],[5,6]]", "nested otherwise"},
    {"[2,3]", "[[1,2,3],[4,5]]", "nested otherwise"},
    {"[2,3]", "[[1,2,3],4,5,6]", "nested otherwise"},
    {"[2,3]", "[[1,2,3]]", "nested otherwise"},
    {"[2,3]", "[[1,2,3],[4,5,6],[]]", "nested otherwise"},
    {"[2,3]", "[1,[2,3],4,5,6]", "nested otherwise"},
    {"[2,3]", "[[[1,2,3]],[[4,5,6]]]", "nested otherwise"},
    {"[]", "[[1]]", "nested otherwise"},
    {"[2,3]", "[1,2,3]", "data has 3 elements, shape [2,3] needs 6"},
    {"[3]", "[1,2,3,4]", "data has 4 elements, shape [3] needs 3"},
    {"[3]", "[]", "data has 0 elements"},
    {"[]", "[]", "data has 0 elements"},
    {"[2]", "[1,]", "not JSON after element 1"},
    {"[2]", "[,1]", "not JSON"},
    {"[2]", "[1 2]", "not JSON"},
    {"[2]", "[1,,2]", "not JSON"},
    {"[2]", "[1;2]", "not a number"},
    {"[1]", "[{}]", "not JSON"},
    {"[1]", "[1}]", "not JSON"},
    {"[1]", "[1", "not JSON"},
    {"[1]", "[", "not JSON"},
};

START_TEST(nesting)
{
	int status = parse_data(RT_F32, nestings[_i].shape, nestings[_i].data);

	if (nestings[_i].says != NULL) {
		refused(status, 400, nestings[_i].says);
		return;
	}
	ok(status);
	for (int64_t i = 0; i < rt_tensor_elems(&tensor); i++)
		ck_assert_float_eq(((const float *)tensor.data)[i], (float)(i + 1));
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

Suite *check_oip_data(void)
{
	Suite *s = suite_create("oip_data");
	TCase *c = tcase_create("oip_data");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, integers, 0, COUNT(ranges));
	tcase_add_test(c, floats);
	tcase_add_test(c, bools_and_strings);
	tcase_add_loop_test(c, nesting, 0, COUNT(nestings));
	suite_add_tcase(s, c);
	return s;
}
