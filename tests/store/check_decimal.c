/* SPDX-License-Identifier: MIT */
/* check_decimal.c — store/decimal.c. */
#include <config.h>

#include <check.h>
#include <string.h>

#include "store/decimal.h"

Suite *check_store_decimal(void);

static const struct {
	const char *text;
	int used; /* 0: no number */
	uint64_t value;
} texts[] = {
    {"0", 1, 0},
    {"7 8", 1, 7},
    {"00012x", 5, 12},
    {"18446744073709551615", 20, UINT64_MAX},
    {"18446744073709551616", 0, 0},
    {"99999999999999999999", 0, 0},
    {"184467440737095516150", 0, 0},
    {"", 0, 0},
    {" 1", 0, 0},
    {"-1", 0, 0},
    {"+1", 0, 0},
    {"x", 0, 0},
};

START_TEST(test_texts)
{
	const char *s = texts[_i].text;
	uint64_t value = 99;

	ck_assert(store_decimal_read(&s, s + strlen(s), &value) == (texts[_i].used != 0));
	ck_assert_int_eq(s - texts[_i].text, texts[_i].used);
	ck_assert_uint_eq(value, texts[_i].used == 0 ? 99 : texts[_i].value);
}
END_TEST

/* Not a byte behind the end is looked at. */
START_TEST(test_end)
{
	static const char text[] = "1234";
	const char *s = text;
	uint64_t value = 0;

	ck_assert(store_decimal_read(&s, text + 2, &value));
	ck_assert_uint_eq(value, 12);
	ck_assert_ptr_eq(s, text + 2);
	ck_assert(!store_decimal_read(&s, text + 2, &value));
}
END_TEST

Suite *check_store_decimal(void)
{
	Suite *s = suite_create("store_decimal");
	TCase *t = tcase_create("decimal");

	tcase_add_loop_test(t, test_texts, 0, sizeof(texts) / sizeof(texts[0]));
	tcase_add_test(t, test_end);
	suite_add_tcase(s, t);
	return s;
}
