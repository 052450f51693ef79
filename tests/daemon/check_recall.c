/* SPDX-License-Identifier: MIT */
/*
 * check_recall.c — daemon/recall.c: what is remembered is what route_find says,
 * however often it is asked and whatever else was asked in between.
 */
#include <config.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/recall.h"

Suite *check_recall(void);

static struct fault fault;

static void same(enum route_method method, const char *path)
{
	struct route_match want, got;
	struct fault why;
	struct arena arena;
	size_t size = strlen(path);
	int rc;

	arena_init(&arena);
	rc = route_find(method, path, size, &arena, &want, &why);
	ck_assert_int_eq(recall_route(method, path, size, &arena, &got, &fault), rc);
	if (rc == 0) {
		ck_assert_ptr_eq(got.route, want.route);
		ck_assert_ptr_eq(got.first, want.first);
		ck_assert_uint_eq(got.allowed, want.allowed);
		for (unsigned i = 0; i < PART_COUNT; i++) {
			ck_assert_int_eq(got.part[i] == NULL, want.part[i] == NULL);
			if (want.part[i] != NULL)
				ck_assert_str_eq(got.part[i], want.part[i]);
		}
	} else {
		ck_assert_str_eq(fault.text, why.text);
	}
	arena_release(&arena);
}

static const char *const paths[] = {
    "/",
    "/healthz",
    "/m/resolve/main/f",
    "/o/m/resolve/refs%2Fpr%2F1/a/b%20c",
    "/m/resolve/main/f ",
    "/m/resolve/main/",
    "/v2/models/o--m/infer",
    "/api/models/o/m/tree/main/a/b",
    "/a//b",
    "/nothing/here",
    "/m/resolve/main/%ff",
};

START_TEST(test_again)
{
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
			same(GET, paths[i]);
			same(POST, paths[i]);
			same(HEAD, paths[i]);
		}
	}
}
END_TEST

/* More paths than places, so that all of them are taken away again. */
START_TEST(test_many)
{
	char path[64];

	for (int i = 0; i < 6000; i++) {
		(void)snprintf(path, sizeof(path), "/model%d/resolve/main/f%d", i % 1500, i % 700);
		same(i % 5 == 0 ? HEAD : GET, path);
	}
}
END_TEST

/* Around the longest path that is remembered. */
START_TEST(test_long)
{
	char path[400];

	for (size_t n = 190; n < sizeof(path); n++) {
		int at = snprintf(path, sizeof(path), "/m/resolve/main/");

		memset(path + at, 'a', n - (size_t)at);
		path[n] = '\0';
		same(GET, path);
		path[n - 1] = 'b';
		same(GET, path);
	}
}
END_TEST

/* The parts belong to the request: another one may take the place meanwhile. */
START_TEST(test_outlives)
{
	struct route_match first, other;
	struct arena arena;
	char path[64];

	arena_init(&arena);
	for (int round = 0; round < 2; round++)
		ck_assert_int_eq(
		    recall_route(GET, "/kept/resolve/main/file", 23, &arena, &first, &fault), 0);
	for (int i = 0; i < 3000; i++) {
		int n = snprintf(path, sizeof(path), "/x%d/resolve/main/y", i);

		ck_assert_int_eq(recall_route(GET, path, (size_t)n, &arena, &other, &fault), 0);
	}
	ck_assert_str_eq(first.part[PART_MODEL], "kept");
	ck_assert_str_eq(first.part[PART_REV], "main");
	ck_assert_str_eq(first.part[PART_PATH], "file");
	arena_release(&arena);
}
END_TEST

Suite *check_recall(void)
{
	Suite *suite = suite_create("recall");
	TCase *tc = tcase_create("recall");

	tcase_add_test(tc, test_again);
	tcase_add_test(tc, test_many);
	tcase_add_test(tc, test_long);
	tcase_add_test(tc, test_outlives);
	suite_add_tcase(suite, tc);
	return suite;
}
