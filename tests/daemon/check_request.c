/* SPDX-License-Identifier: MIT */
/*
 * check_request.c — daemon/request.c: the state table, bodies, query values; and
 * daemon/origins.c, metrics.c.
 */
#include <config.h>

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/metrics.h"
#include "daemon/origins.h"
#include "daemon/request.h"
#include "daemon/settings.h"
#include "daemon/text.h"

Suite *check_request(void);

static struct settings settings = {.refs = 1};
static struct context ctx = {.settings = &settings};
static struct request *rq;
static struct fault fault;

static void setup(void)
{
	rq = request_new(&ctx);
	ck_assert_ptr_nonnull(rq);
}

static void teardown(void)
{
	request_free(rq);
}

/* The picture in request.h, as a matrix: row = from, column = to. */
static const char *const moves[REQUEST_STATE_COUNT] = {
    /* NEW BODY READY WORKING ANSWERED DONE */
    "-xx-xx", "--xxxx", "---xxx", "-xx-x-", "-----x", "------",
};

START_TEST(test_moves)
{
	for (int from = 0; from < REQUEST_STATE_COUNT; from++) {
		for (int to = 0; to < REQUEST_STATE_COUNT; to++)
			ck_assert_msg(
			    request_can_move((enum request_state)from, (enum request_state)to) ==
				(moves[from][to] == 'x'),
			    "%d to %d", from, to);
	}
	ck_assert_str_eq(request_state_name(REQUEST_WORKING), "WORKING");
}
END_TEST

START_TEST(test_forbidden_move)
{
	request_move(rq, REQUEST_WORKING); /* NEW → WORKING: aborts */
}
END_TEST

START_TEST(test_new_is_clean)
{
	char id[REQUEST_ID_CHARS + 1];

	memcpy(id, rq->id, sizeof(id));
	rq->header[HEADER_ORIGIN] = "x";
	rq->close_after = true;
	rq->cors_any = true;
	rq->body_limit = 3;
	atomic_store(&rq->cancel_flag, true);
	request_free(rq);
	rq = request_new(&ctx);
	ck_assert_ptr_null(rq->header[HEADER_ORIGIN]);
	ck_assert(!rq->close_after && !rq->cors_any && rq->body_limit == 0);
	ck_assert(!request_cancelled(rq));
	ck_assert_int_eq(rq->state, REQUEST_NEW);
	ck_assert_uint_eq(rq->reply.status, 0);
	ck_assert_str_ne(rq->id, id);
	ck_assert_uint_eq(strlen(rq->id), REQUEST_ID_CHARS);
}
END_TEST

START_TEST(test_body)
{
	rq->body_limit = 10;
	rq->body_declared = UINT64_MAX;
	ck_assert_int_eq(request_body_add(rq, "hello", 5, &fault), 0);
	ck_assert_int_eq(request_body_add(rq, "world", 5, &fault), 0);
	ck_assert_uint_eq(rq->body_size, 10);
	ck_assert_mem_eq(rq->body, "helloworld", 10);
	ck_assert_int_eq(request_body_add(rq, "!", 1, &fault), -1);
	ck_assert_uint_eq(fault.http, 413);
	ck_assert_uint_eq(rq->body_size, 10);
}
END_TEST

START_TEST(test_query)
{
	rq->query = "a=1&b=%20x&c&d=&a=2&e=%zz&long=y";
	ck_assert_str_eq(request_query(rq, "a"), "1");
	ck_assert_str_eq(request_query(rq, "b"), " x");
	ck_assert_str_eq(request_query(rq, "c"), "");
	ck_assert_str_eq(request_query(rq, "d"), "");
	ck_assert_ptr_null(request_query(rq, "e"));
	ck_assert_str_eq(request_query(rq, "long"), "y");
	ck_assert_ptr_null(request_query(rq, "lon"));
	ck_assert_ptr_null(request_query(rq, "f"));
	rq->query = "";
	ck_assert_ptr_null(request_query(rq, "a"));
}
END_TEST

static int handler_ran;

static int handler(struct request *r, struct fault *f)
{
	(void)r;
	(void)f;
	handler_ran++;
	return 0;
}

START_TEST(test_json)
{
	static const struct route route = {.body = JSON, .handler = handler};
	static const char *const bad[] = {"{",   "{\"a\":1,\"a\":2}", "1",    "\"x\"", "{}{}",
					  "nul", "{\"a\":1e999}",     "\xff", "[1,]"};
	char deep[100];

	rq->route = &route;
	ck_assert_int_eq(request_run(rq, &fault), 0);
	ck_assert_ptr_null(rq->json);
	ck_assert_int_eq(handler_ran, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rq->body = bad[i];
		rq->body_size = strlen(bad[i]);
		ck_assert_msg(request_run(rq, &fault) == -1, "%s", bad[i]);
		ck_assert_uint_eq(fault.http, 400);
	}
	memset(deep, '[', 33);
	memset(deep + 33, ']', 33);
	rq->body = deep;
	rq->body_size = 66;
	ck_assert_int_eq(request_run(rq, &fault), -1);
	ck_assert_ptr_nonnull(strstr(fault.text, "nested"));
	rq->body = deep + 1;
	rq->body_size = 64;
	ck_assert_int_eq(request_run(rq, &fault), 0);
	ck_assert(json_is_array(rq->json));
	rq->body = "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"";
	rq->body = "[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"]";
	rq->body_size = strlen(rq->body);
	ck_assert_int_eq(request_run(rq, &fault), 0);
}
END_TEST

/* ---- origins --------------------------------------------------------------------- */

static const struct {
	const char *in, *out; /* NULL: not an origin */
} normal[] = {
    {"https://app.example", "https://app.example"},
    {"HTTPS://App.Example/", "https://app.example"},
    {"https://app.example:443", "https://app.example"},
    {"http://app.example:80", "http://app.example"},
    {"http://app.example:443", "http://app.example:443"},
    {"http://[::1]:8411", "http://[::1]:8411"},
    {"null", "null"},
    {"chrome-extension://abcdef", "chrome-extension://abcdef"},
    {"app.example", NULL},
    {"https://", NULL},
    {"https://a.example/x", NULL},
    {"https://a.example?x", NULL},
    {"https://a.example#x", NULL},
    {"https://u@a.example", NULL},
    {"https://a.example:0", NULL},
    {"https://a.example:65536", NULL},
    {"https://a.example:x", NULL},
    {"https://a example", NULL},
    {"https://*.example", NULL},
    {"*", NULL},
    {"", NULL},
};

START_TEST(test_normal)
{
	char out[256];
	bool ok = origins_normal(normal[_i].in, out);

	ck_assert_msg(ok == (normal[_i].out != NULL), "%s", normal[_i].in);
	if (ok)
		ck_assert_str_eq(out, normal[_i].out);
}
END_TEST

/* ---- metrics --------------------------------------------------------------------------- */

START_TEST(test_metrics)
{
	struct text t;

	metrics_add(METRIC_requests, 3);
	metrics_add(METRIC_connections, 2);
	metrics_sub(METRIC_connections, 1);
	metrics_stall(UINT64_C(60) * 1000);
	metrics_stall(UINT64_C(900) * 1000000);
	text_init(&t, &rq->arena);
	metrics_render(&ctx, &t);
	ck_assert(text_ok(&t));
	ck_assert_ptr_nonnull(strstr(t.data, "\nlarder_requests_total 3\n"));
	ck_assert_ptr_nonnull(strstr(t.data, "\nlarder_connections 1\n"));
	ck_assert_ptr_nonnull(strstr(t.data, "larder_loop_stall_seconds_bucket{le=\"5e-05\"} 0\n"));
	ck_assert_ptr_nonnull(
	    strstr(t.data, "larder_loop_stall_seconds_bucket{le=\"0.0001\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(t.data, "larder_loop_stall_seconds_bucket{le=\"+Inf\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(t.data, "larder_loop_stall_seconds_count 2\n"));
	ck_assert_ptr_nonnull(strstr(t.data, "process_cpu_seconds_total "));
}
END_TEST

Suite *check_request(void)
{
	Suite *s = suite_create("request");
	TCase *t = tcase_create("request");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_moves);
	if (getenv("CK_FORK") == NULL || strcmp(getenv("CK_FORK"), "no") != 0)
		tcase_add_test_raise_signal(t, test_forbidden_move, SIGABRT);
	tcase_add_test(t, test_new_is_clean);
	tcase_add_test(t, test_body);
	tcase_add_test(t, test_query);
	tcase_add_test(t, test_json);
	tcase_add_loop_test(t, test_normal, 0, (int)(sizeof(normal) / sizeof(normal[0])));
	tcase_add_test(t, test_metrics);
	suite_add_tcase(s, t);
	return s;
}
