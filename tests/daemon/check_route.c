/* SPDX-License-Identifier: MIT */
/*
 * check_route.c — daemon/route.c: which row, which parts, what is refused.
 */
#include <config.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/route.h"

Suite *check_route(void);

static struct arena arena;
static struct fault fault;
static struct route_match match;

static void setup(void)
{
	arena_init(&arena);
}

static void teardown(void)
{
	arena_release(&arena);
}

static int find(enum route_method method, const char *path)
{
	return route_find(method, path, strlen(path), &arena, &match, &fault);
}

static const struct {
	const char *path;
	const char *name; /* of the row; NULL: 404; "400": refused */
	enum route_part part;
	const char *value; /* of the part */
} paths[] = {
    {"/", "www_page", PART_COUNT, NULL},
    {"/healthz", "status_health", PART_COUNT, NULL},
    {"/%68ealthz", "status_health", PART_COUNT, NULL},
    {"/healthz/", NULL, PART_COUNT, NULL},
    {"/demo/", "www_page", PART_COUNT, NULL},
    {"/demo/x/y.js", "www_asset", PART_PATH, "x/y.js"},
    {"/m/resolve/main/f", "files_resolve", PART_MODEL, "m"},
    {"/o/m/resolve/main/f", "files_resolve", PART_MODEL, "o/m"},
    {"/o%2Fm/resolve/main/f", "files_resolve", PART_MODEL, "o/m"},
    {"/o--m/resolve/main/f", "files_resolve", PART_MODEL, "o--m"},
    {"/o/m/resolve/refs%2Fpr%2F1/f", "files_resolve", PART_REV, "refs/pr/1"},
    {"/o/m/resolve/main/a/b/c", "files_resolve", PART_PATH, "a/b/c"},
    {"/o/m/resolve/main/a%2Fb/c", "files_resolve", PART_PATH, "a/b/c"},
    {"/o/m/resolve/main/%C3%BC%20%25", "files_resolve", PART_PATH, "\xc3\xbc %"},
    {"/o/m/resolve/main/%252e%252e", "files_resolve", PART_PATH, "%2e%2e"},
    /* one segment is tried before two */
    {"/m/resolve/resolve/resolve/f", "files_resolve", PART_MODEL, "m"},
    {"/resolve/resolve/main/f", "files_resolve", PART_MODEL, "resolve"},
    {"/a%2Fb%2Fc/resolve/main/f", NULL, PART_COUNT, NULL},
    {"/a/b/c/resolve/main/f", NULL, PART_COUNT, NULL},
    {"/o/m/resolve/main", NULL, PART_COUNT, NULL},
    {"/o/m/resolve/main/", NULL, PART_COUNT, NULL},
    {"/o/m/resolve/main/f/", NULL, PART_COUNT, NULL},
    {"/api/models", "api_models", PART_COUNT, NULL},
    {"/api/models/o/m", "api_model", PART_MODEL, "o/m"},
    {"/api/models/m/tree/main", "api_tree", PART_REV, "main"},
    {"/api/models/o/m/tree/main/a/b", "api_tree", PART_PATH, "a/b"},
    {"/api/models/o/m/revision/v1", "api_model", PART_REV, "v1"},
    {"/v2/models/o%2Fm/infer", NULL, PART_COUNT, NULL}, /* POST only */
    {"/v2/models/o--m", "v2_model", PART_MODEL, "o--m"},
    {"/blobs/sha256/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "files_blob",
     PART_DIGEST, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
    {"/blobs/sha256/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", NULL,
     PART_COUNT, NULL},
    {"/blobs/sha256/0123", NULL, PART_COUNT, NULL},
    {"", "400", PART_COUNT, NULL},
    {"x", "400", PART_COUNT, NULL},
    {"//", "400", PART_COUNT, NULL},
    {"/a//b", "400", PART_COUNT, NULL},
    {"/../a", "400", PART_COUNT, NULL},
    {"/a/..", "400", PART_COUNT, NULL},
    {"/a/%2e%2E/b", "400", PART_COUNT, NULL},
    {"/a/./b", "400", PART_COUNT, NULL},
    {"/a%2f..%2fb", "400", PART_COUNT, NULL},
    {"/a%2f/b", "400", PART_COUNT, NULL},
    {"/a%00b", "400", PART_COUNT, NULL},
    {"/a%1fb", "400", PART_COUNT, NULL},
    {"/a%7fb", "400", PART_COUNT, NULL},
    {"/a\\b", "400", PART_COUNT, NULL},
    {"/a%5Cb", "400", PART_COUNT, NULL},
    {"/a%", "400", PART_COUNT, NULL},
    {"/a%4", "400", PART_COUNT, NULL},
    {"/a%g0", "400", PART_COUNT, NULL},
    {"/%c0%af", "400", PART_COUNT, NULL},
    {"/%e0%80%af", "400", PART_COUNT, NULL},
    {"/%ed%a0%80", "400", PART_COUNT, NULL},
    {"/%f4%90%80%80", "400", PART_COUNT, NULL},
    {"/%ff", "400", PART_COUNT, NULL},
    {"/%c3", "400", PART_COUNT, NULL},
};

START_TEST(test_paths)
{
	const char *want = paths[_i].name;
	int rc = find(GET, paths[_i].path);

	if (want != NULL && strcmp(want, "400") == 0) {
		ck_assert_msg(rc == -1 && fault.http == 400, "%s", paths[_i].path);
		return;
	}
	ck_assert_msg(rc == 0, "%s: %s", paths[_i].path, fault.text);
	if (want == NULL) {
		ck_assert_msg(match.route == NULL, "%s is %s", paths[_i].path,
			      match.route == NULL ? "" : match.route->name);
		return;
	}
	ck_assert_msg(match.route != NULL, "%s", paths[_i].path);
	ck_assert_str_eq(match.route->name, want);
	if (paths[_i].value != NULL)
		ck_assert_str_eq(match.part[paths[_i].part], paths[_i].value);
}
END_TEST

START_TEST(test_methods)
{
	char text[64];

	ck_assert_int_eq(find(HEAD, "/healthz"), 0);
	ck_assert_str_eq(match.route->name, "status_health");
	ck_assert_int_eq(find(POST, "/healthz"), 0);
	ck_assert_ptr_null(match.route);
	ck_assert_ptr_nonnull(match.first);
	ck_assert_uint_eq(match.allowed, GET);
	route_methods_text(match.allowed, text);
	ck_assert_str_eq(text, "GET, HEAD, OPTIONS");
	ck_assert_int_eq(find(OPTIONS, "/v2/models/m/infer"), 0);
	ck_assert_ptr_null(match.route);
	ck_assert_uint_ne(match.allowed & POST, 0);
	/* a row of another method is a 405, also where a model could be named like its end */
	ck_assert_int_eq(find(GET, "/v2/models/m/infer"), 0);
	ck_assert_ptr_null(match.route);
	ck_assert_uint_eq(match.allowed, POST);
	ck_assert_int_eq(find(GET, "/v2/models/o/infer/infer"), 0);
	ck_assert_ptr_null(match.route);
	ck_assert_uint_eq(match.allowed, POST);
	ck_assert_int_eq(find(GET, "/admin/v1/models/m/pin"), 0);
	ck_assert_ptr_null(match.route);
	ck_assert_uint_eq(match.allowed, PUT | DELETE);
	ck_assert_int_eq(find(GET, "/admin/v1/models/m--pin"), 0);
	ck_assert_str_eq(match.route->name, "models_show");
	ck_assert_int_eq(find(METHOD_OTHER, "/healthz"), 0);
	ck_assert_ptr_null(match.route);
	ck_assert_int_eq(route_method_of("GET"), GET);
	ck_assert_int_eq(route_method_of("get"), METHOD_OTHER);
	ck_assert_int_eq(route_method_of("PATCH"), METHOD_OTHER);
}
END_TEST

START_TEST(test_too_many_segments)
{
	char path[1024];

	for (size_t i = 0; i < sizeof(path) - 1; i += 2)
		memcpy(path + i, "/a", 2);
	ck_assert_int_eq(route_find(GET, path, 1022, &arena, &match, &fault), -1);
	ck_assert_uint_eq(fault.http, 400);
}
END_TEST

/* Every row is reached by its own pattern with plain values, and by no wrong method. */
START_TEST(test_every_row)
{
	const struct route *r = route_at((size_t)_i);
	char path[512] = "", *to = path;
	const char *s = r->pattern;

	while (*s != '\0') {
		if (*s != '{') {
			*to++ = *s++;
			continue;
		}
		if (strncmp(s, "{digest}", 8) == 0) {
			memset(to, 'a', 64);
			to += 64;
		} else {
			memcpy(to, "zz", 2);
			to += 2;
		}
		s = strchr(s, '}') + 1;
	}
	*to = '\0';
	for (unsigned bit = GET; bit <= DELETE; bit <<= 1) {
		unsigned asked = bit == HEAD ? (unsigned)GET : bit; /* HEAD comes with GET */

		ck_assert_int_eq(find((enum route_method)bit, path), 0);
		if ((r->methods & asked) != 0) {
			ck_assert_msg(match.route == r, "%s: %s", r->pattern,
				      match.route == NULL ? "none" : match.route->pattern);
		} else {
			ck_assert_msg(match.route != r, "%s", r->pattern);
		}
	}
	ck_assert((r->handler == NULL) == (r->body == STREAM));
	ck_assert((r->stream == NULL) == (r->body != STREAM));
	ck_assert_msg((r->plane == ADMIN) == (strncmp(r->pattern, "/admin/", 7) == 0), "%s",
		      r->pattern);
}
END_TEST

START_TEST(test_decode)
{
	ck_assert_str_eq(route_decode("a%20b", 5, &arena), "a b");
	ck_assert_ptr_null(route_decode("%00", 3, &arena));
	ck_assert_ptr_null(route_decode("%f", 2, &arena));
	ck_assert_ptr_null(route_decode("%ff", 3, &arena));
	ck_assert_str_eq(route_decode("", 0, &arena), "");
}
END_TEST

Suite *check_route(void)
{
	Suite *s = suite_create("route");
	TCase *t = tcase_create("route");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, test_paths, 0, (int)(sizeof(paths) / sizeof(paths[0])));
	tcase_add_test(t, test_methods);
	tcase_add_test(t, test_too_many_segments);
	tcase_add_loop_test(t, test_every_row, 0, (int)route_count());
	tcase_add_test(t, test_decode);
	suite_add_tcase(s, t);
	return s;
}
