/* SPDX-License-Identifier: MIT */
/*
 * check_oip_number.c — numbers of JSON text (daemon/oip_number.c).  The peer of its
 * short way is the C library, which rounds correctly: random decimals of every
 * length, and decimals that lie on, just under and just above the middle of two floats.
 */
#include <config.h>

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/oip_number.h"

Suite *check_oip_number(void);

static uint64_t state = 1;

static uint64_t next(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return state ^ state >> 29;
}

/* ${text} as both float types, against the C library. */
static void compare(const char *text)
{
	float f = -1, want_f = strtof(text, NULL);
	double d = -1, want_d = strtod(text, NULL);
	enum oip_number a = oip_number_parse(text, strlen(text), RT_F32, &f),
			b = oip_number_parse(text, strlen(text), RT_F64, &d);

	ck_assert_msg(a == (isfinite(want_f) ? OIP_NUMBER_OK : OIP_NUMBER_RANGE), "%s", text);
	ck_assert_msg(b == (isfinite(want_d) ? OIP_NUMBER_OK : OIP_NUMBER_RANGE), "%s", text);
	if (a == OIP_NUMBER_OK)
		ck_assert_msg(memcmp(&f, &want_f, sizeof f) == 0, "%s: %a, not %a", text, (double)f,
			      (double)want_f);
	if (b == OIP_NUMBER_OK)
		ck_assert_msg(memcmp(&d, &want_d, sizeof d) == 0, "%s: %a, not %a", text, d,
			      want_d);
}

START_TEST(random_decimals)
{
	char text[96];

	for (int i = 0; i < 200000; i++) {
		uint64_t digits = next() >> (next() % 64);
		int n =
		    snprintf(text, sizeof text, "%s%" PRIu64, next() % 2 != 0 ? "-" : "", digits);

		if (next() % 2 != 0)
			n += snprintf(text + n, sizeof text - (size_t)n, ".%0*" PRIu64,
				      (int)(next() % 24), next() >> (next() % 64));
		if (next() % 2 != 0)
			snprintf(text + n, sizeof text - (size_t)n, "e%d",
				 (int)(next() % 100) - 50);
		compare(text);
	}
}
END_TEST

/* The middle of a float and the next one, in all its digits; and a last digit more or less. */
START_TEST(half_way)
{
	char text[256];

	for (int i = 0; i < 50000; i++) {
		uint32_t bits = (uint32_t)next();
		float f, above;
		double middle;
		size_t n;

		bits = (bits & 0x807fffffu) | (uint32_t)(90 + next() % 80) << 23;
		memcpy(&f, &bits, sizeof f);
		above = nextafterf(f, INFINITY);
		middle = ((double)f + (double)above) / 2;
		snprintf(text, sizeof text, "%.17g", middle);
		compare(text);
		snprintf(text, sizeof text, "%.*f", 60, middle);
		compare(text);
		n = strlen(text);
		text[n - 1] = (char)('1' + next() % 9);
		compare(text);
		snprintf(text, sizeof text, "%.15g", middle);
		compare(text);
	}
}
END_TEST

START_TEST(corners)
{
	static const char *const texts[] = {
	    "0",
	    "-0",
	    "0.0",
	    "-0.0e5",
	    "0e999999999999",
	    "1e-999999999999",
	    "1e999999999999",
	    "9007199254740992",
	    "9007199254740993",
	    "9007199254740991e22",
	    "1e22",
	    "1e23",
	    "1e-22",
	    "1e-23",
	    "18446744073709551615",
	    "18446744073709551616",
	    "16777217",
	    "16777219",
	    "8388608.5",
	    "3.4028235677973366e38",
	    "3.4028235677973365e38",
	    "1.1754943508222875e-38",
	    "7.006492321624085e-46",
	    "7.006492321624086e-46",
	    "2.2250738585072011e-308",
	    "4.9406564584124654e-324",
	    "2.4703282292062327e-324",
	    "1.7976931348623159e308",
	    "0.000000000000000000000000000000000000000000000000000000000000000000001",
	    "100000000000000000000000000000000000000000000000000e-50"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		compare(texts[i]);
}
END_TEST

/* Ten thousand zeros behind the point, and as many digits before it. */
START_TEST(long_ones)
{
	enum { LENGTH = 200000 };
	char *text = malloc(LENGTH + 16);

	ck_assert_ptr_nonnull(text);
	memset(text, '0', LENGTH);
	text[1] = '.';
	memcpy(text + LENGTH, "7e200000", 9);
	compare(text);
	memset(text, '9', LENGTH);
	memcpy(text + LENGTH, "e-199990", 9);
	compare(text);
	free(text);
}
END_TEST

static const struct {
	const char *text;
	enum rt_dtype d;
	enum oip_number result;
} results[] = {
    {"", RT_F32, OIP_NUMBER_NONE},       {"-", RT_F32, OIP_NUMBER_NONE},
    {"+1", RT_F32, OIP_NUMBER_NONE},     {"01", RT_F32, OIP_NUMBER_NONE},
    {"1.", RT_F32, OIP_NUMBER_NONE},     {".1", RT_F32, OIP_NUMBER_NONE},
    {"1e", RT_F32, OIP_NUMBER_NONE},     {"1e+", RT_F32, OIP_NUMBER_NONE},
    {"1e1.5", RT_F32, OIP_NUMBER_NONE},  {"0x1", RT_F32, OIP_NUMBER_NONE},
    {"nan", RT_F32, OIP_NUMBER_NONE},    {"-inf", RT_F64, OIP_NUMBER_NONE},
    {"1e39", RT_F32, OIP_NUMBER_RANGE},  {"-1e309", RT_F64, OIP_NUMBER_RANGE},
    {"1.5", RT_I8, OIP_NUMBER_FRACTION}, {"1e0", RT_I64, OIP_NUMBER_FRACTION},
    {"128", RT_I8, OIP_NUMBER_RANGE},    {"-129", RT_I8, OIP_NUMBER_RANGE},
    {"-0", RT_U8, OIP_NUMBER_OK},        {"-1", RT_U64, OIP_NUMBER_RANGE},
    {"-128", RT_I8, OIP_NUMBER_OK},      {"00", RT_U8, OIP_NUMBER_NONE},
};

START_TEST(result)
{
	uint64_t room = UINT64_C(0xaaaaaaaaaaaaaaaa);
	const char *text = results[_i].text;

	ck_assert_int_eq(oip_number_parse(text, strlen(text), results[_i].d, &room),
			 results[_i].result);
	if (results[_i].result != OIP_NUMBER_OK)
		ck_assert_uint_eq(room, UINT64_C(0xaaaaaaaaaaaaaaaa));
	ck_assert_int_eq(oip_number_parse(text, strlen(text), results[_i].d, NULL),
			 results[_i].result);
}
END_TEST

Suite *check_oip_number(void)
{
	Suite *s = suite_create("oip_number");
	TCase *c = tcase_create("oip_number");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, random_decimals);
	tcase_add_test(c, half_way);
	tcase_add_test(c, corners);
	tcase_add_test(c, long_ones);
	tcase_add_loop_test(c, result, 0, (int)(sizeof results / sizeof *results));
	suite_add_tcase(s, c);
	return s;
}
