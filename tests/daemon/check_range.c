/* SPDX-License-Identifier: MIT */
/*
 * check_range.c — daemon/range.c: RFC 9110 §13.2.2 and §14 as tables.  Dates were
 * computed with date(1).
 */
#include <config.h>

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
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

/* ${n} ranges of one byte each, with ${gap} bytes between them; the size of the first answered. */
static enum range_parse many(unsigned n, unsigned gap, unsigned *count, uint64_t *first)
{
	struct range out[RANGE_MAX] = {{0, 0}};
	static char spec[65536];
	enum range_parse what;
	size_t size = (size_t)snprintf(spec, sizeof(spec), "bytes=");

	for (unsigned i = 0; i < n; i++)
		size += (size_t)snprintf(spec + size, sizeof(spec) - size, "%u-%u,", (gap + 1) * i,
					 (gap + 1) * i);
	what = range_parse(spec, 1000000, out, count);
	*first = out[0].size;
	return what;
}

/* Few pieces are given as asked for, many near ones are put together, too many are the whole. */
START_TEST(test_many)
{
	uint64_t first;
	unsigned count;

	ck_assert_int_eq(many(RANGE_EXACT, 1, &count, &first), RANGE_SOME);
	ck_assert_uint_eq(count, RANGE_EXACT);
	ck_assert_int_eq(many(RANGE_EXACT + 1, 1, &count, &first), RANGE_SOME);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(first, 2 * RANGE_EXACT + 1);
	ck_assert_int_eq(many(RANGE_MAX, RANGE_NEAR_BYTES - 1, &count, &first), RANGE_SOME);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(many(RANGE_MAX, RANGE_NEAR_BYTES, &count, &first), RANGE_SOME);
	ck_assert_uint_eq(count, RANGE_MAX);
	ck_assert_uint_eq(first, 1);
	ck_assert_int_eq(many(RANGE_MAX + 1, RANGE_NEAR_BYTES, &count, &first), RANGE_NONE);
	ck_assert_int_eq(many(64, 0, &count, &first), RANGE_SOME);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(many(65, 0, &count, &first), RANGE_NONE);
	ck_assert_int_eq(many(5000, 0, &count, &first), RANGE_NONE);
}
END_TEST

/* What has no date has no condition about its date (RFC 9110 §13.1.3 to §13.1.5). */
START_TEST(test_no_date)
{
	struct range_ask ask = {
	    .get = true, .if_modified_since = LATER, .etag = "\"a\"", .length = 10, .now_s = NOW};
	struct range_answer answer;

	range_decide(&ask, &answer);
	ck_assert_uint_eq(answer.status, 200);
	ask.if_modified_since = NULL;
	ask.if_unmodified_since = "Wed, 31 Dec 1969 23:59:59 GMT";
	range_decide(&ask, &answer);
	ck_assert_uint_eq(answer.status, 200);
	ask.range = "bytes=0-0";
	ask.if_range = "Thu, 01 Jan 1970 00:00:00 GMT";
	range_decide(&ask, &answer);
	ck_assert_uint_eq(answer.status, 200);
}
END_TEST

#define E62 UINT64_C(4611686018427387904)  /* 2^62 */
#define E63 UINT64_C(9223372036854775808)  /* 2^63 */
#define E64 UINT64_C(18446744073709551615) /* 2^64 − 1 */

/* Sizes beyond 32 bits, and as large as numbers get. */
static const struct {
	const char *spec;
	uint64_t length;
	unsigned count; /* 0: unsatisfiable */
	struct range first, second;
} large[] = {
    {"bytes=4294967295-4294967296", UINT64_C(6442450944), 1, {4294967295, 2}, {0, 0}},
    {"bytes=4294967296-", UINT64_C(4294967297), 1, {4294967296, 1}, {0, 0}},
    {"bytes=4294967296-", UINT64_C(4294967296), 0, {0, 0}, {0, 0}},
    {"bytes=-4294967297", UINT64_C(6442450944), 1, {2147483647, 4294967297}, {0, 0}},
    {"bytes=0-0,-1", UINT64_C(6442450944), 2, {0, 1}, {6442450943, 1}},
    {"bytes=9223372036854775806-", E63 - 1, 1, {E63 - 2, 1}, {0, 0}},
    {"bytes=9223372036854775807-", E63 - 1, 0, {0, 0}, {0, 0}},
    {"bytes=9223372036854775807-9223372036854775808", E63 + 1, 1, {E63 - 1, 2}, {0, 0}},
    {"bytes=-9223372036854775808", E63 + 1, 1, {1, E63}, {0, 0}},
    {"bytes=0-9223372036854775807,9223372036854775808-", E64, 1, {0, E64}, {0, 0}},
    {"bytes=18446744073709551614-", E64, 1, {E64 - 1, 1}, {0, 0}},
    {"bytes=18446744073709551614-18446744073709551615", E64, 1, {E64 - 1, 1}, {0, 0}},
    {"bytes=18446744073709551615-", E64, 0, {0, 0}, {0, 0}},
    {"bytes=-18446744073709551615", E64, 1, {0, E64}, {0, 0}},
    {"bytes=-18446744073709551616", E64, 1, {0, E64}, {0, 0}},
    {"bytes=0-", E64, 1, {0, E64}, {0, 0}},
    {"bytes=-1,0-0", E64, 2, {E64 - 1, 1}, {0, 1}},
    {"bytes=4611686018427387904-4611686018427387904,-1", E64, 2, {E62, 1}, {E64 - 1, 1}},
};

START_TEST(test_large)
{
	struct range out[RANGE_MAX];
	unsigned count = 99;
	enum range_parse what = range_parse(large[_i].spec, large[_i].length, out, &count);

	ck_assert_uint_eq(count, large[_i].count);
	ck_assert_int_eq(what, count == 0 ? RANGE_UNSATISFIABLE : RANGE_SOME);
	if (count > 0) {
		ck_assert_uint_eq(out[0].offset, large[_i].first.offset);
		ck_assert_uint_eq(out[0].size, large[_i].first.size);
	}
	if (count > 1) {
		ck_assert_uint_eq(out[1].offset, large[_i].second.offset);
		ck_assert_uint_eq(out[1].size, large[_i].second.size);
	}
}
END_TEST

/* Nine ranges and more are looked at for gaps: near the end of all numbers too. */
START_TEST(test_large_gaps)
{
	struct range out[RANGE_MAX];
	char spec[512] = "bytes=0-0";
	unsigned count;

	for (uint64_t at = E64 - 8 * RANGE_NEAR_BYTES; at < E64 - 1; at += RANGE_NEAR_BYTES)
		snprintf(spec + strlen(spec), sizeof(spec) - strlen(spec), ",%" PRIu64 "-%" PRIu64,
			 at, at);
	ck_assert_int_eq(range_parse(spec, E64, out, &count), RANGE_SOME);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(out[0].offset, 0);
	ck_assert_uint_eq(out[0].size, 1);
	ck_assert_uint_eq(out[1].offset, E64 - 8 * RANGE_NEAR_BYTES);
	ck_assert_uint_eq(out[1].size, 7 * RANGE_NEAR_BYTES + 1);
}
END_TEST

/* The order is that of the request, but for what was put together (RFC 9110 §15.3.7.2). */
START_TEST(test_order)
{
	struct range out[RANGE_MAX];
	unsigned count;

	ck_assert_int_eq(range_parse("bytes=900-909,100-109,905-919,0-9", 1000, out, &count),
			 RANGE_SOME);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(out[0].offset, 900);
	ck_assert_uint_eq(out[0].size, 20);
	ck_assert_uint_eq(out[1].offset, 100);
	ck_assert_uint_eq(out[2].offset, 0);
	/* one range over two: it stands where the first of them stood */
	ck_assert_int_eq(range_parse("bytes=900-909,0-9,500-509,5-505", 1000, out, &count),
			 RANGE_SOME);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(out[0].offset, 900);
	ck_assert_uint_eq(out[1].offset, 0);
	ck_assert_uint_eq(out[1].size, 510);
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
	tcase_add_test(t, test_no_date);
	tcase_add_loop_test(t, test_large, 0, (int)(sizeof(large) / sizeof(large[0])));
	tcase_add_test(t, test_large_gaps);
	tcase_add_test(t, test_order);
	tcase_add_loop_test(t, test_dates, 0, (int)(sizeof(dates) / sizeof(dates[0])));
	tcase_add_test(t, test_date_print);
	suite_add_tcase(s, t);
	return s;
}
