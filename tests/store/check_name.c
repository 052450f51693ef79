/* SPDX-License-Identifier: MIT */
/* check_name.c — legal and illegal names of models, revisions and paths (name.c, rev.c, path.c). */
#include <config.h>

#include <stdio.h>

#include "store/name.h"
#include "tests/store/fixture.h"

#define NAMES(x) (sizeof(x) / sizeof((x)[0]))

/* ${n} times ${c}, in a static buffer. */
static const char *many(char c, size_t n)
{
	static char buf[STORE_PATH_MAX + 8];

	memset(buf, c, n);
	buf[n] = '\0';
	return buf;
}

/* Legal and illegal as one segment, wherever segments stand. */
static const char *const good_segments[] = {
    "a",
    "A-b_c.d",
    "...",
    ".gitattributes",
    " ",
    "with space",
    "-",
    "\xc3\xa9t\xc3\xa9",                /* été */
    "\xe6\xa8\xa1\xe5\x9e\x8b",         /* 模型 */
    "\xf0\x9f\xa6\x86",                 /* U+1F986 */
    "\xc2\xa0",                         /* U+00A0: the first after the controls */
    "\xed\x9f\xbf",                     /* U+D7FF: the last before the surrogates */
    "\xee\x80\x80",                     /* U+E000: the first after them */
    "\xf4\x8f\xbf\xbf",                 /* U+10FFFF */
    "e\xcc\x81",                        /* e and a combining accent */
    "\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8", /* right to left */
    "%2e%2e",
    "a\"b'c<d>e&f;g|h*i?j:k",
};
static const char *const bad_segments[] = {
    "",
    ".",
    "..",
    "a\\b",
    "a\nb",
    "\t",
    "\x01",
    "\x1f",
    "\x7f",
    "\xc2\x80",         /* U+0080 */
    "\xc2\x9f",         /* U+009F */
    "\x80",             /* a continuation alone */
    "\xc3",             /* a character cut short */
    "\xe2\x82",         /* the same */
    "\xf0\x9f\xa6",     /* the same */
    "\xc3(",            /* not a continuation */
    "\xc0\xaf",         /* a slash in two bytes */
    "\xc1\xbf",         /* overlong */
    "\xe0\x80\xaf",     /* overlong */
    "\xe0\x9f\xbf",     /* overlong */
    "\xf0\x80\x80\xaf", /* overlong */
    "\xf0\x8f\xbf\xbf", /* overlong */
    "\xed\xa0\x80",     /* a surrogate */
    "\xed\xbf\xbf",     /* a surrogate */
    "\xf4\x90\x80\x80", /* above U+10FFFF */
    "\xf5\x80\x80\x80",
    "\xfe",
    "\xff",
};

START_TEST(segments)
{
	char two[100];

	for (size_t i = 0; i < NAMES(good_segments); i++) {
		ck_assert_msg(store_path_ok(good_segments[i]), "%s", good_segments[i]);
		ck_assert_msg(store_rev_ok(good_segments[i]), "%s", good_segments[i]);
		ck_assert_msg(store_name_ok(good_segments[i]), "%s", good_segments[i]);
		snprintf(two, sizeof(two), "a/%s/b", good_segments[i]);
		ck_assert_msg(store_path_ok(two), "%s", two);
	}
	for (size_t i = 0; i < NAMES(bad_segments); i++) {
		ck_assert_msg(!store_path_ok(bad_segments[i]), "row %zu", i);
		ck_assert_msg(!store_rev_ok(bad_segments[i]), "row %zu", i);
		ck_assert_msg(!store_name_ok(bad_segments[i]), "row %zu", i);
		snprintf(two, sizeof(two), "%s/b", bad_segments[i]);
		ck_assert_msg(!store_path_ok(two), "row %zu", i);
		snprintf(two, sizeof(two), "a/%s", bad_segments[i]);
		ck_assert_msg(!store_path_ok(two), "row %zu", i);
		ck_assert_msg(!store_name_ok(two), "row %zu", i);
	}
}
END_TEST

START_TEST(how_many_and_how_long)
{
	ck_assert_uint_eq(store_name_segments("a", 9), 1);
	ck_assert_uint_eq(store_name_segments("a/b/c", 9), 3);
	ck_assert_uint_eq(store_name_segments("/a", 9), 0);
	ck_assert_uint_eq(store_name_segments("a/", 9), 0);
	ck_assert_uint_eq(store_name_segments("a//b", 9), 0);
	ck_assert(store_name_ok("org/name"));
	ck_assert(!store_name_ok("org/name/more"));
	ck_assert(store_rev_ok("refs/pr/1"));
	ck_assert(store_path_ok(many('p', STORE_PATH_MAX)));
	ck_assert(!store_path_ok(many('p', STORE_PATH_MAX + 1)));
	ck_assert(store_rev_ok(many('r', STORE_REV_MAX)));
	ck_assert(!store_rev_ok(many('r', STORE_REV_MAX + 1)));
	ck_assert(store_name_ok(many('m', STORE_NAME_MAX)));
	ck_assert(!store_name_ok(many('m', STORE_NAME_MAX + 1)));
}
END_TEST

START_TEST(the_alias_of_two_segments)
{
	static const struct {
		const char *given, *real; /* NULL: no such name can exist */
	} rows[] = {
	    {"name", "name"},
	    {"org/name", "org/name"},
	    {"org--name", "org/name"},
	    {"o-r-g--na-me", "o-r-g/na-me"},
	    {"a--b--c", NULL},
	    {"a--b/c", NULL},
	    {"a/b--c", NULL},
	    {"--b", NULL},
	    {"a--", NULL},
	    {"--", NULL},
	    {"a---b", NULL},
	    {"a-/b", NULL},
	    {"a/-b", NULL},
	    {"", NULL},
	    {"..--name", NULL},
	};
	char out[STORE_NAME_MAX + 1];
	char longest[STORE_NAME_MAX + 3];

	for (size_t i = 0; i < NAMES(rows); i++) {
		ck_assert_msg(store_name_real(rows[i].given, out) == (rows[i].real != NULL), "%s",
			      rows[i].given);
		if (rows[i].real != NULL)
			ck_assert_str_eq(out, rows[i].real);
	}
	/* the alias of the longest name is one byte longer than that */
	memset(longest, 'x', sizeof(longest));
	longest[10] = longest[11] = '-';
	longest[STORE_NAME_MAX + 1] = '\0';
	ck_assert(store_name_real(longest, out));
	ck_assert_uint_eq(strlen(out), STORE_NAME_MAX);
	longest[STORE_NAME_MAX + 1] = 'x';
	longest[STORE_NAME_MAX + 2] = '\0';
	ck_assert(!store_name_real(longest, out));
}
END_TEST

Suite *check_store_name(void)
{
	Suite *s = suite_create("store_name");
	TCase *t = tcase_create("name");

	tcase_add_test(t, segments);
	tcase_add_test(t, how_many_and_how_long);
	tcase_add_test(t, the_alias_of_two_segments);
	suite_add_tcase(s, t);
	return s;
}
