/* SPDX-License-Identifier: MIT */
/*
 * check_origins.c — daemon/origins.c, origins_rule.c and origins_limit.c: who may, what, and
 * how often.  The forms of an origin are in check_request.c.
 */
#include <config.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/fault.h"
#include "daemon/origins.h"
#include "daemon/origins_limit.h"
#include "daemon/origins_rule.h"
#include "daemon/settings.h"

Suite *check_origins(void);

#define SECOND UINT64_C(1000000000)
#define TOKEN "0123456789abcdef"
/* printf %s 0123456789abcdef | sha256sum */
#define TOKEN_SHA256 "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f"

static struct fault fault;
static char dir[32];
static struct settings settings;

static void setup(void)
{
	memcpy(dir, "/tmp/check-origins-XXXXXX", sizeof("/tmp/check-origins-XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	settings = (struct settings){.state_dir = dir};
}

static void teardown(void)
{
	char file[64];

	(void)snprintf(file, sizeof(file), "%s/origins", dir);
	(void)unlink(file);
	(void)rmdir(dir);
}

static int add(struct origins *o, const char *origin)
{
	struct origins_rule rule;

	if (!origins_rule_init(&rule, origin))
		return fault_set(&fault, 400, ORIGINS_FORM);
	return origins_add(o, &rule, &fault);
}

static void count_origin(void *arg, const struct origins_rule *rule, bool fixed)
{
	(void)rule;
	*(int *)arg += fixed ? 100 : 1;
}

START_TEST(test_lists)
{
	static const char *items[] = {"https://Fixed.example/"};
	struct origins *o;
	int count = 0;

	settings.origins = (settings_words){items, 1};
	ck_assert_int_eq(origins_open(&settings, &o), 0);
	ck_assert(origins_allow(o, "https://fixed.example"));
	ck_assert(!origins_allow(o, "https://new.example"));
	ck_assert_int_eq(add(o, "https://New.example:443/"), 0);
	ck_assert_int_eq(add(o, "https://new.example"), 0);
	ck_assert(origins_allow(o, "https://new.example"));
	ck_assert_int_eq(add(o, "https://fixed.example"), 0);
	ck_assert_int_eq(add(o, "nonsense"), -1);
	origins_close(o);
	/* kept */
	ck_assert_int_eq(origins_open(&settings, &o), 0);
	ck_assert(origins_allow(o, "https://new.example"));
	origins_each(o, count_origin, &count);
	ck_assert_int_eq(count, 101);
	ck_assert_int_eq(origins_remove(o, "https://fixed.example", &fault), -1);
	ck_assert_uint_eq(fault.http, 409);
	ck_assert_int_eq(origins_remove(o, "https://other.example", &fault), -1);
	ck_assert_uint_eq(fault.http, 404);
	ck_assert_int_eq(origins_remove(o, "nonsense", &fault), -1);
	ck_assert_uint_eq(fault.http, 400);
	ck_assert_int_eq(origins_remove(o, "https://new.example", &fault), 0);
	ck_assert(!origins_allow(o, "https://new.example"));
	settings.origins = (settings_words){NULL, 0};
	origins_configure(o, &settings);
	ck_assert(!origins_allow(o, "https://fixed.example"));
	origins_close(o);
}
END_TEST

/* A rule is kept as it was, and replaced as a whole. */
START_TEST(test_kept_rule)
{
	struct origins_rule rule, got;
	struct origins *o;

	ck_assert(origins_rule_init(&rule, "https://a.example"));
	ck_assert_ptr_null(origins_rule_set(&rule, "rights", "serve"));
	ck_assert_ptr_null(origins_rule_set(&rule, "models", "org/*, digits"));
	ck_assert_ptr_null(origins_rule_set(&rule, "rate", "7"));
	ck_assert_ptr_null(origins_rule_set(&rule, "requests", "3"));
	ck_assert_ptr_null(origins_rule_set(&rule, "token", TOKEN));
	ck_assert_int_eq(origins_open(&settings, &o), 0);
	ck_assert_int_eq(origins_add(o, &rule, &fault), 0);
	origins_close(o);
	ck_assert_int_eq(origins_open(&settings, &o), 0);
	ck_assert(origins_find(o, "https://a.example", &got));
	ck_assert(got.serve && !got.infer && got.has_token);
	ck_assert_uint_eq(got.rate, 7);
	ck_assert_uint_eq(got.requests, 3);
	ck_assert_str_eq(got.models, "org/* digits");
	ck_assert(origins_rule_token(&got, TOKEN));
	ck_assert(!origins_rule_token(&got, TOKEN "0"));
	ck_assert(!origins_rule_token(&got, "0123456789abcdeg"));
	ck_assert(!origins_rule_token(&got, ""));
	ck_assert_int_eq(add(o, "https://a.example"), 0);
	ck_assert(origins_find(o, "https://a.example", &got));
	ck_assert(got.infer && !got.has_token && got.models[0] == '\0');
	origins_close(o);
}
END_TEST

static const struct {
	const char *line;
	bool ok;
} lines[] = {
    {"https://a.example", true},
    {"https://a.example rights=infer models=a,b/* rate=1 requests=2", true},
    {"https://a.example token_sha256=" TOKEN_SHA256, true},
    {"https://a.example token_sha256=9f9f", false},
    {"https://a.example "
     "token_sha256=ZZ9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f",
     false},
    {"https://a.example rights=admin", false},
    {"https://a.example rights=", false},
    {"https://a.example rate=-1", false},
    {"https://a.example rate=1x", false},
    {"https://a.example rate=99999999", false},
    {"https://a.example models=../etc;x", false},
    {"https://a.example future=1", false},
    {"https://a.example rights", false},
    {"https://a.example token_file=/etc/shadow", false},
    {"a.example", false},
    {"", false},
};

/* What is not understood is no right. */
START_TEST(test_line)
{
	struct origins_rule rule;

	ck_assert_msg(origins_rule_parse(lines[_i].line, &rule) == lines[_i].ok, "`%s`",
		      lines[_i].line);
}
END_TEST

START_TEST(test_token_digest)
{
	struct origins_rule rule;

	ck_assert(origins_rule_parse("https://a.example token_sha256=" TOKEN_SHA256, &rule));
	ck_assert(origins_rule_token(&rule, TOKEN));
	ck_assert_ptr_nonnull(origins_rule_set(&rule, "token", "short"));
}
END_TEST

static const struct {
	const char *patterns, *model;
	bool fits;
} globs[] = {
    {"", "org/m", true},
    {"org/*", "org/m", true},
    {"org/*", "organ/m", false},
    {"org/m", "org/mm", false},
    {"a b org/?", "org/m", true},
    {"*", "org/m", true},
    {"digits", "other/digits", false},
    {"ORG/*", "org/m", false},
};

START_TEST(test_model)
{
	struct origins_rule rule;

	ck_assert(origins_rule_init(&rule, "https://a.example"));
	ck_assert_ptr_null(origins_rule_set(&rule, "models", globs[_i].patterns));
	ck_assert_msg(origins_rule_model(&rule, globs[_i].model) == globs[_i].fits, "%s %s",
		      globs[_i].patterns, globs[_i].model);
}
END_TEST

/* Three a second: three at once, then one for every third of a second. */
START_TEST(test_rate)
{
	struct origins_slot *slot;
	uint64_t now = 100 * SECOND;
	unsigned passed = 0;

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(origins_limit_enter("https://a", 3, 0, now, &slot, &fault), 0);
		origins_limit_leave(slot);
	}
	ck_assert_int_eq(origins_limit_enter("https://a", 3, 0, now, &slot, &fault), -1);
	ck_assert_uint_eq(fault.http, 429);
	ck_assert_uint_eq(fault.retry_after_s, 1);
	/* another origin has a bucket of its own */
	ck_assert_int_eq(origins_limit_enter("https://b", 3, 0, now, &slot, &fault), 0);
	origins_limit_leave(slot);
	for (int ms = 0; ms < 10000; ms += 10) {
		if (origins_limit_enter("https://a", 3, 0, now + (uint64_t)ms * 1000000, &slot,
					&fault) != 0)
			continue;
		passed++;
		origins_limit_leave(slot);
	}
	ck_assert_uint_ge(passed, 29);
	ck_assert_uint_le(passed, 30);
	origins_limit_clear();
}
END_TEST

START_TEST(test_at_once)
{
	struct origins_slot *slot[2], *more;

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(origins_limit_enter("https://a", 0, 2, 0, &slot[i], &fault), 0);
	ck_assert_int_eq(origins_limit_enter("https://a", 0, 2, 0, &more, &fault), -1);
	ck_assert_uint_eq(fault.http, 503);
	origins_limit_leave(slot[0]);
	ck_assert_int_eq(origins_limit_enter("https://a", 0, 2, 0, &more, &fault), 0);
	origins_limit_leave(more);
	origins_limit_leave(slot[1]);
	origins_limit_clear();
}
END_TEST

Suite *check_origins(void)
{
	Suite *s = suite_create("origins");
	TCase *t = tcase_create("lists");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_lists);
	tcase_add_test(t, test_kept_rule);
	suite_add_tcase(s, t);
	t = tcase_create("rules");
	tcase_add_loop_test(t, test_line, 0, sizeof(lines) / sizeof(lines[0]));
	tcase_add_loop_test(t, test_model, 0, sizeof(globs) / sizeof(globs[0]));
	tcase_add_test(t, test_token_digest);
	suite_add_tcase(s, t);
	t = tcase_create("limits");
	tcase_add_test(t, test_rate);
	tcase_add_test(t, test_at_once);
	suite_add_tcase(s, t);
	return s;
}
