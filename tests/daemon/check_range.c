/* SPDX-License-Identifier: MIT */
/*
 * check_range.c — daemon/range.c: RFC 9110 §13.2.2 and §14 as tables.  Dates were
 * computed with date(1).
 */
#include <config.h>

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/range.h"

Suite *check_range(void);

#define NOW INT64_C(1800000000)      /* 2027-01-15 08:00:00 */
#define MODIFIED INT64_C(1700000000) /* Tue, 14 Nov 2023 22:13:20 GMT */
#define SAME "Tue, 14 Nov 2023 22:13:20 GMT"
#define EARLIER "Tue, 14 Nov 2023 22:13:19 GMT"
#define LATER "Tue, 14 Nov 2023 22:13:21 GMT"

static const struct {
	const char *what;
	const char *range, *if_range, *if_match, *if_none_match, *since, *unmodified;
	unsigned status;
} decisions[] = {
    {"nothing", NULL, NULL, NULL, NULL, NULL, NULL, 200},
    {"range", "bytes=0-0", NULL, NULL, NULL, NULL, NULL, 206},
    {"range beyond", "bytes=10-", NULL, NULL, NULL, NULL, NULL, 416},
    {"range nonsense", "bytes=x", NULL, NULL, NULL, NULL, NULL, 200},
    {"match", NULL, NULL, "\"a\"", NULL, NULL, NULL, 200},
    {"match in list", NULL, NULL, "\"b\" , \"a\"", NULL, NULL, NULL, 200},
    {"match any", NULL, NULL, "*", NULL, NULL, NULL, 200},
    {"match other", NULL, NULL, "\"b\"", NULL, NULL, NULL, 412},
    {"match is strong", NULL, NULL, "W/\"a\"", NULL, NULL, NULL, 412},
    {"match nonsense", NULL, NULL, "a", NULL, NULL, NULL, 412},
    {"none-match", NULL, NULL, NULL, "\"a\"", NULL, NULL, 304},
    {"none-match is weak", NULL, NULL, NULL, "W/\"a\"", NULL, NULL, 304},
    {"none-match any", NULL, NULL, NULL, "*", NULL, NULL, 304},
    {"none-match other", NULL, NULL, NULL, "\"b\"", NULL, NULL, 200},
    {"none-match prefix", NULL, NULL, NULL, "\"aa\"", NULL, NULL, 200},
    {"none-match list with blanks", NULL, NULL, NULL, ", ,\"b\",,\"a\"", NULL, NULL, 304},
    {"since same", NULL, NULL, NULL, NULL, SAME, NULL, 304},
    {"since later", NULL, NULL, NULL, NULL, LATER, NULL, 304},
    {"since earlier", NULL, NULL, NULL, NULL, EARLIER, NULL, 200},
    {"since nonsense", NULL, NULL, NULL, NULL, "now", NULL, 200},
    {"unmodified same", NULL, NULL, NULL, NULL, NULL, SAME, 200},
    {"unmodified later", NULL, NULL, NULL, NULL, NULL, LATER, 200},
    {"unmodified earlier", NULL, NULL, NULL, NULL, NULL, EARLIER, 412},
    {"unmodified nonsense", NULL, NULL, NULL, NULL, NULL, "x", 200},
    /* precedence */
    {"match before unmodified", NULL, NULL, "\"a\"", NULL, NULL, EARLIER, 200},
    {"none-match before since", NULL, NULL, NULL, "\"b\"", SAME, NULL, 200},
    {"match before none-match", NULL, NULL, "\"b\"", "\"a\"", NULL, NULL, 412},
    {"match, then none-match", NULL, NULL, "\"a\"", "\"a\"", NULL, NULL, 304},
    {"unmodified, then since", NULL, NULL, NULL, NULL, SAME, SAME, 304},
    {"none-match before range", "bytes=0-0", NULL, NULL, "\"a\"", NULL, NULL, 304},
    {"match before range", "bytes=10-", NULL, "\"b\"", NULL, NULL, NULL, 412},
    {"match, then range", "bytes=0-0", NULL, "\"a\"", NULL, NULL, NULL, 206},
    /* If-Range */
    {"if-range same", "bytes=0-0", "\"a\"", NULL, NULL, NULL, NULL, 206},
    {"if-range other", "bytes=0-0", "\"b\"", NULL, NULL, NULL, NULL, 200},
    {"if-range weak", "bytes=0-0", "W/\"a\"", NULL, NULL, NULL, NULL, 200},
    {"if-range date", "bytes=0-0", SAME, NULL, NULL, NULL, NULL, 206},
    {"if-range earlier", "bytes=0-0", EARLIER, NULL, NULL, NULL, NULL, 200},
    {"if-range later", "bytes=0-0", LATER, NULL, NULL, NULL, NULL, 200},
    {"if-range nonsense", "bytes=0-0", "a", NULL, NULL, NULL, NULL, 200},
    {"if-range silences 416", "bytes=10-", "\"b\"", NULL, NULL, NULL, NULL, 200},
    {"if-range without range", NULL, "\"b\"", NULL, NULL, NULL, NULL, 200},
};

static struct range_ask ask_of(int i)
{
	return (struct range_ask){
	    .get = true,
	    .range = decisions[i].range,
	    .if_range = decisions[i].if_range,
	    .if_match = decisions[i].if_match,
	    .if_none_match = decisions[i].if_none_match,
	    .if_modified_since = decisions[i].since,
	    .if_unmodified_since = decisions[i].unmodified,
	    .etag = "\"a\"",
	    .modified_s = MODIFIED,
	    .length = 10,
	    .now_s = NOW,
	};
}

START_TEST(test_decisions)
{
	struct range_ask ask = ask_of(_i);
	struct range_answer answer;

	range_decide(&ask, &answer);
	ck_assert_msg(answer.status == decisions[_i].status, "%s: %u, not %u", decisions[_i].what,
		      answer.status, decisions[_i].status);
	ck_assert_msg((answer.count > 0) == (answer.status == 206), "%s", decisions[_i].what);
	/* HEAD: the same, but ranges are ignored */
	ask.get = false;
	ask.head = true;
	range_decide(&ask, &answer);
	if (decisions[_i].status == 206 || decisions[_i].status == 416)
		ck_assert_uint_eq(answer.status, 200);
	else
		ck_assert_uint_eq(answer.status, decisions[_i].status);
}
END_TEST

START_TEST(test_not_get)
{
	struct range_ask ask = {.etag = "\"a\"", .length = 10, .if_none_match = "\"a\""};
	struct range_answer answer;

	range_decide(&ask, &answer);
	ck_assert_uint_eq(answer.status, 412);
	ask.if_none_match = NULL;
	ask.range = "bytes=0-0";
	range_decide(&ask, &answer);
	ck_assert_uint_eq(answer.status, 200);
}
END_TEST

/* A date may stand for the entity only when it is a minute old (RFC 9110 §8.8.2.2). */
START_TEST(test_fresh_date)
{
	struct range_ask ask = {.get = true,
				.range = "bytes=0-0",
				.if_range = SAME,
				.etag = "\"a\"",
				.modified_s = MODIFIED,
				.length = 10,
				.now_s = MODIFIED + 59};
	struct range_answer answer;

	range_decide(&ask, &answer);
	ck_assert_uint_eq(answer.status, 200);
	ask.now_s++;
	range_decide(&ask, &answer);
	ck_assert_uint_eq(answer.status, 206);
}
END_TEST

static const struct {
	const char *spec;
	uint64_t length;
	enum range_parse what;
	unsigned count;
	struct range first, second;
} ranges[] = {
    {"bytes=0-0", 10, RANGE_SOME, 1, {0, 1}, {0, 0}},
    {"bytes=0-", 10, RANGE_SOME, 1, {0, 10}, {0, 0}},
    {"bytes=9-9", 10, RANGE_SOME, 1, {9, 1}, {0, 0}},
    {"bytes=9-10", 10, RANGE_SOME, 1, {9, 1}, {0, 0}},
    {"bytes=-1", 10, RANGE_SOME, 1, {9, 1}, {0, 0}},
    {"bytes=-10", 10, RANGE_SOME, 1, {0, 10}, {0, 0}},
    {"bytes=-11", 10, RANGE_SOME, 1, {0, 10}, {0, 0}},
    {"bytes=-18446744073709551615", 10, RANGE_SOME, 1, {0, 10}, {0, 0}},
    {"bytes=-99999999999999999999999", 10, RANGE_SOME, 1, {0, 10}, {0, 0}},
    {"bytes=0-18446744073709551615", 10, RANGE_SOME, 1, {0, 10}, {0, 0}},
    {"bytes=1-99999999999999999999999", 10, RANGE_SOME, 1, {1, 9}, {0, 0}},
    {"bytes=6442450943-", UINT64_C(6442450944), RANGE_SOME, 1, {6442450943, 1}, {0, 0}},
    {"Bytes=0-0", 10, RANGE_SOME, 1, {0, 1}, {0, 0}},
    {"bytes= 0-0 , 5-6 ", 10, RANGE_SOME, 2, {0, 1}, {5, 2}},
    {"bytes=5-6,0-0", 10, RANGE_SOME, 2, {5, 2}, {0, 1}},
    {"bytes=,,0-0,,", 10, RANGE_SOME, 1, {0, 1}, {0, 0}},
    {"bytes=0-1,2-3", 10, RANGE_SOME, 1, {0, 4}, {0, 0}},
    {"bytes=2-3,0-1", 10, RANGE_SOME, 1, {0, 4}, {0, 0}},
    {"bytes=0-5,3-4", 10, RANGE_SOME, 1, {0, 6}, {0, 0}},
    {"bytes=0-1,6-7,1-6", 10, RANGE_SOME, 1, {0, 8}, {0, 0}},
    {"bytes=0-0,99-", 10, RANGE_SOME, 1, {0, 1}, {0, 0}},
    {"bytes=10-", 10, RANGE_UNSATISFIABLE, 0, {0, 0}, {0, 0}},
    {"bytes=-0", 10, RANGE_UNSATISFIABLE, 0, {0, 0}, {0, 0}},
    {"bytes=0-0", 0, RANGE_UNSATISFIABLE, 0, {0, 0}, {0, 0}},
    {"bytes=-5", 0, RANGE_UNSATISFIABLE, 0, {0, 0}, {0, 0}},
    {"bytes=18446744073709551615-", 10, RANGE_UNSATISFIABLE, 0, {0, 0}, {0, 0}},
    {"bytes=1-0", 10, RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=", 10, RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=,", 10, RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=-", 10, RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=1", 10, RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=--1", 10, RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=0 -1", 10, RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=0-1 2", 10, RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes 0-1", 10, RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"pages=0-1", 10, RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"", 10, RANGE_NONE, 0, {0, 0}, {0, 0}},
};

START_TEST(test_ranges)
{
	struct range out[RANGE_MAX];
	unsigned count = 99;
	enum range_parse what = range_parse(ranges[_i].spec, ranges[_i].length, out, &count);

	ck_assert_msg(what == ranges[_i].what, "%s: %d", ranges[_i].spec, (int)what);
	if (what != RANGE_SOME)
		return;
	ck_assert_uint_eq(count, ranges[_i].count);
	ck_assert_uint_eq(out[0].offset, ranges[_i].first.offset);
	ck_assert_uint_eq(out[0].size, ranges[_i].first.size);
	if (count > 1) {
		ck_assert_uint_eq(out[1].offset, ranges[_i].second.offset);
		ck_assert_uint_eq(out[1].size, ranges[_i].second.size);
	}
}
END_TEST

/* ${n} ranges of one byte each, two apart. */
static enum range_parse many(unsigned n, unsigned *count)
{
	struct range out[RANGE_MAX];
	char spec[4096] = "bytes=";

	for (unsigned i = 0; i < n; i++)
		snprintf(spec + strlen(spec), sizeof(spec) - strlen(spec), "%u-%u,", 2 * i, 2 * i);
	return range_parse(spec, 1000, out, count);
}

START_TEST(test_many)
{
	unsigned count;

	ck_assert_int_eq(many(RANGE_MAX, &count), RANGE_SOME);
	ck_assert_uint_eq(count, RANGE_MAX);
	ck_assert_int_eq(many(RANGE_MAX + 1, &count), RANGE_NONE);
	ck_assert_int_eq(many(300, &count), RANGE_NONE);
}
END_TEST

static const struct {
	const char *text;
	int64_t unix_s; /* -1: malformed */
} dates[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
    {"Sun Nov  6 08:49:37 1994", 784111777},
    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"Tue, 29 Feb 2000 12:00:00 GMT", 951825600},
    {"Fri, 01 Jan 2100 00:00:00 GMT", 4102444800},
    {"Tuesday, 01-Jan-30 00:00:00 GMT", 1893456000},
    {"Saturday, 01-Jan-83 00:00:00 GMT", 410227200},
    {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
    {"sun, 06 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 06 nov 1994 08:49:37 GMT", -1},
    {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 06 Nov 1994 08:49:37", -1},
    {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
    {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
    {"Sun, 06 Nov 1994 08:60:37 GMT", -1},
    {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 32 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 06 Nov 19x4 08:49:37 GMT", -1},
    {"Sunday, 06-Nov-1994 08:49:37 GMT", -1},
    {"Someday, 06-Nov-94 08:49:37 GMT", -1},
    {"Sun Nov 66 08:49:37 1994", -1},
    {"784111777", -1},
    {"", -1},
};

START_TEST(test_dates)
{
	int64_t got = -7;
	bool ok = range_date_parse(dates[_i].text, NOW, &got);

	ck_assert_msg(ok == (dates[_i].unix_s >= 0), "%s", dates[_i].text);
	if (ok)
		ck_assert_msg(got == dates[_i].unix_s, "%s: %" PRId64, dates[_i].text, got);
}
END_TEST

START_TEST(test_date_print)
{
	char out[32];
	int64_t back;

	range_date_print(784111777, out);
	ck_assert_str_eq(out, "Sun, 06 Nov 1994 08:49:37 GMT");
	for (int64_t t = 0; t < INT64_C(4102444800); t += 86400 * 13 + 12345) {
		range_date_print(t, out);
		ck_assert(range_date_parse(out, NOW, &back));
		ck_assert_int_eq(back, t);
	}
}
END_TEST

Suite *check_range(void)
{
	Suite *s = suite_create("range");
	TCase *t = tcase_create("range");

	tcase_add_loop_test(t, test_decisions, 0, (int)(sizeof(decisions) / sizeof(decisions[0])));
	tcase_add_test(t, test_not_get);
	tcase_add_test(t, test_fresh_date);
	tcase_add_loop_test(t, test_ranges, 0, (int)(sizeof(ranges) / sizeof(ranges[0])));
	tcase_add_test(t, test_many);
	tcase_add_loop_test(t, test_dates, 0, (int)(sizeof(dates) / sizeof(dates[0])));
	tcase_add_test(t, test_date_print);
	suite_add_tcase(s, t);
	return s;
}
