/* SPDX-License-Identifier: MIT */
/*
 * check_guard.c — daemon/guard.c as pure functions.  tests/http/g*.http and
 * m*.http ask the same of the whole daemon.
 */
#include <config.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/fault.h"
#include "daemon/guard.h"
#include "daemon/origins.h"
#include "daemon/request.h"
#include "daemon/settings.h"

Suite *check_guard(void);

static const char *headers[HEADER_COUNT];
static const uint16_t ports[] = {8411, 80};
static const char *const names[] = {"larder.local"};
static struct settings settings;
static struct guard_view v;
static struct fault fault;
static struct origins *origins;
static char dir[] = "/tmp/check-guard-XXXXXX";

static void setup(void)
{
	static const char *allowed[] = {"https://app.example"};
	static const char *hosts[1];

	memset(headers, 0, sizeof(headers));
	hosts[0] = names[0];
	settings.hosts = (settings_words){hosts, 1};
	ck_assert_ptr_nonnull(mkdtemp(dir));
	settings.origins = (settings_words){allowed, 1};
	settings.state_dir = dir;
	ck_assert_int_eq(origins_open(&settings, &origins), 0);
	v = (struct guard_view){
	    .header = headers,
	    .target = "/",
	    .method = GET,
	    .ports = ports,
	    .port_count = 1,
	    .settings = &settings,
	    .origins = origins,
	};
}

static void teardown(void)
{
	origins_close(origins);
	(void)rmdir(dir);
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
}

/* RFC 9110 §5.6.2, written out. */
START_TEST(test_field_name)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		bool want = c != 0 && strchr(token, c) != NULL;

		ck_assert_msg(guard_field_name(&byte, 1) == want, "byte %d", c);
	}
	ck_assert(guard_field_name("Host", 4));
	ck_assert(!guard_field_name("Host ", 5));
	ck_assert(!guard_field_name("", 0));
}
END_TEST

static const struct {
	const char *length, *coding, *encoding, *expect;
	bool old;
	unsigned http; /* 0: fine */
	uint64_t body;
} framings[] = {
    {NULL, NULL, NULL, NULL, false, 0, 0},
    {"0", NULL, NULL, NULL, false, 0, 0},
    {"17", NULL, NULL, NULL, false, 0, 17},
    {"017", NULL, NULL, NULL, false, 0, 17},
    {"4611686018427387903", NULL, NULL, NULL, false, 0, INT64_C(4611686018427387903)},
    {"4611686018427387904", NULL, NULL, NULL, false, 400, 0},
    {"18446744073709551616", NULL, NULL, NULL, false, 400, 0},
    {"99999999999999999999", NULL, NULL, NULL, false, 400, 0},
    {"", NULL, NULL, NULL, false, 400, 0},
    {"-1", NULL, NULL, NULL, false, 400, 0},
    {"+1", NULL, NULL, NULL, false, 400, 0},
    {"1e3", NULL, NULL, NULL, false, 400, 0},
    {"0x10", NULL, NULL, NULL, false, 400, 0},
    {"1, 1", NULL, NULL, NULL, false, 400, 0},
    {"1 1", NULL, NULL, NULL, false, 400, 0},
    {NULL, "chunked", NULL, NULL, false, 0, UINT64_MAX},
    {NULL, "Chunked", NULL, NULL, false, 0, UINT64_MAX},
    {NULL, "chunked", NULL, NULL, true, 400, 0},
    {"5", "chunked", NULL, NULL, false, 400, 0},
    {NULL, "gzip", NULL, NULL, false, 501, 0},
    {NULL, "gzip, chunked", NULL, NULL, false, 501, 0},
    {NULL, "", NULL, NULL, false, 501, 0},
    {"5", NULL, "gzip", NULL, false, 415, 0},
    {"5", NULL, "identity", NULL, false, 0, 5},
    {"5", NULL, NULL, "100-continue", false, 0, 5},
    {"5", NULL, NULL, "100-Continue", false, 0, 5},
    {"5", NULL, NULL, "x", false, 417, 0},
};

START_TEST(test_framing)
{
	uint64_t body = 99;
	int rc;

	headers[HEADER_CONTENT_LENGTH] = framings[_i].length;
	headers[HEADER_TRANSFER_ENCODING] = framings[_i].coding;
	headers[HEADER_CONTENT_ENCODING] = framings[_i].encoding;
	headers[HEADER_EXPECT] = framings[_i].expect;
	v.http_1_0 = framings[_i].old;
	rc = guard_framing(&v, &body, &fault);
	ck_assert_int_eq(rc, framings[_i].http == 0 ? 0 : -1);
	if (rc == 0)
		ck_assert_uint_eq(body, framings[_i].body);
	else
		ck_assert_uint_eq(fault.http, framings[_i].http);
}
END_TEST

static const struct {
	const char *host; /* NULL: missing */
	unsigned http;
} hosts[] = {
    {"localhost", 0},
    {"LocalHost:8411", 0},
    {"127.0.0.1:8411", 0},
    {"[::1]:8411", 0},
    {"[::1]", 0},
    {"larder.local", 0},
    {NULL, 400},
    {"", 400},
    {"localhost:80", 421},
    {"localhost:8412", 421},
    {"localhost.", 421},
    {"localhost:", 421},
    {"localhost:0", 421},
    {"localhost:084110", 421},
    {"localhost:08411", 421},
    {"[::1]:08411", 421},
    {"localhost:8411x", 400},
    {"evil.example", 421},
    {"xlocalhost", 421},
    {"localhostx", 421},
    {"local host", 400},
    {"localhost/", 400},
    {"a@localhost", 400},
    {"::1", 400},
    {"[::1", 400},
    {"[::1]x", 400},
    {"[::ffff:127.0.0.1]", 421},
    {"2130706433", 421},
    {"0.0.0.0:8411", 421},
    {"127.0.0.1.", 421},
    {":8411", 400},
    {"localhost:8411:1", 421},
    {"localhost,evil", 400},
    {"\xc3\xa9", 400},
};

START_TEST(test_host)
{
	int rc;

	headers[HEADER_HOST] = hosts[_i].host;
	rc = guard_host(&v, &fault);
	ck_assert_msg(rc == (hosts[_i].http == 0 ? 0 : -1), "%s",
		      hosts[_i].host == NULL ? "none" : hosts[_i].host);
	if (rc != 0)
		ck_assert_msg(fault.http == hosts[_i].http, "%s: %u", hosts[_i].host, fault.http);
}
END_TEST

START_TEST(test_target)
{
	const char *path, *query;
	size_t size;

	v.target = "/a/b?c=d?e";
	ck_assert_int_eq(guard_target(&v, &path, &size, &query, &fault), 0);
	ck_assert_uint_eq(size, 4);
	ck_assert_str_eq(query, "c=d?e");
	v.target = "http://localhost:8411/x";
	ck_assert_int_eq(guard_target(&v, &path, &size, &query, &fault), 0);
	ck_assert_str_eq(path, "/x");
	ck_assert_str_eq(query, "");
	v.target = "HTTP://LOCALHOST:8411?q";
	ck_assert_int_eq(guard_target(&v, &path, &size, &query, &fault), 0);
	ck_assert_uint_eq(size, 1);
	ck_assert_mem_eq(path, "/", 1);
	ck_assert_str_eq(query, "q");
	v.target = "http://evil.example/x";
	ck_assert_int_eq(guard_target(&v, &path, &size, &query, &fault), -1);
	ck_assert_uint_eq(fault.http, 421);
	v.target = "http://localhost/x"; /* port 80 is not ours */
	ck_assert_int_eq(guard_target(&v, &path, &size, &query, &fault), -1);
	v.port_count = 2;
	ck_assert_int_eq(guard_target(&v, &path, &size, &query, &fault), 0);
	v.target = "*";
	ck_assert_int_eq(guard_target(&v, &path, &size, &query, &fault), -1);
	ck_assert_uint_eq(fault.http, 400);
	v.method = OPTIONS;
	ck_assert_int_eq(guard_target(&v, &path, &size, &query, &fault), 0);
}
END_TEST

static const struct {
	const char *origin, *site, *mode, *dest;
	enum route_method method;
	unsigned guards;
	enum route_plane plane;
	bool ok, echoed;
} asks[] = {
    {NULL, NULL, NULL, NULL, GET, ORIGIN, DATA, true, false},
    {"https://app.example", NULL, NULL, NULL, GET, ORIGIN, DATA, true, true},
    {"https://app.example", "cross-site", "cors", "empty", POST, ORIGIN, DATA, true, true},
    {"https://app.example", NULL, "no-cors", NULL, POST, ORIGIN, DATA, false, false},
    {"https://app.example", NULL, "navigate", NULL, POST, ORIGIN, DATA, false, false},
    {"https://app.example", NULL, NULL, NULL, GET, ORIGIN, ADMIN, false, false},
    {"http://localhost:8411", NULL, NULL, NULL, GET, ORIGIN, DATA, true, true},
    {"http://larder.local:8411", NULL, NULL, NULL, GET, ORIGIN, DATA, true, true},
    {"http://localhost", NULL, NULL, NULL, GET, ORIGIN, DATA, false, false},
    {"https://localhost:8411", NULL, NULL, NULL, GET, ORIGIN, DATA, false, false},
    {"http://localhost:8411", NULL, NULL, NULL, GET, ORIGIN, ADMIN, true, false},
    {"https://evil.example", NULL, NULL, NULL, GET, ORIGIN, DATA, false, false},
    {"https://evil.example", "same-origin", NULL, NULL, GET, ORIGIN, DATA, false, false},
    {"null", NULL, NULL, NULL, GET, ORIGIN, DATA, false, false},
    {"https://evil.example", NULL, NULL, NULL, GET, PUBLIC_CODE, DATA, true, false},
    {"https://evil.example", NULL, NULL, NULL, GET, PUBLIC_PROBE, DATA, true, false},
    {"https://evil.example", NULL, NULL, NULL, POST, PUBLIC_PROBE, DATA, false, false},
    {"https://evil.example", NULL, NULL, NULL, GET, PUBLIC_CODE, ADMIN, false, false},
    {NULL, "same-origin", "cors", "empty", POST, ORIGIN, DATA, true, false},
    {NULL, "none", "navigate", "document", GET, ORIGIN, DATA, true, false},
    {NULL, "same-site", NULL, NULL, GET, ORIGIN, DATA, false, false},
    {NULL, "cross-site", NULL, NULL, GET, ORIGIN, DATA, false, false},
    {NULL, "cross-site", "navigate", "document", GET, ORIGIN, DATA, false, false},
    {NULL, "cross-site", "navigate", "document", GET, PAGE, DATA, true, false},
    {NULL, "cross-site", "navigate", "iframe", GET, PAGE, DATA, false, false},
    {NULL, "cross-site", "no-cors", "script", GET, PAGE, DATA, false, false},
    {NULL, "cross-site", "navigate", "document", POST, PAGE, DATA, false, false},
    {NULL, "cross-site", "no-cors", "script", GET, PUBLIC_CODE, DATA, true, false},
    {NULL, "cross-site", NULL, NULL, GET, ORIGIN, ADMIN, false, false},
};

START_TEST(test_origin)
{
	struct guard_cors cors;
	int rc;

	headers[HEADER_ORIGIN] = asks[_i].origin;
	headers[HEADER_SEC_FETCH_SITE] = asks[_i].site;
	headers[HEADER_SEC_FETCH_MODE] = asks[_i].mode;
	headers[HEADER_SEC_FETCH_DEST] = asks[_i].dest;
	v.method = asks[_i].method;
	rc = guard_origin(&v, asks[_i].guards, asks[_i].plane, &cors, &fault);
	ck_assert_int_eq(rc, asks[_i].ok ? 0 : -1);
	if (rc != 0) {
		ck_assert_uint_eq(fault.http, 403);
		ck_assert_ptr_nonnull(strstr(fault.text, "larderctl origins add"));
		return;
	}
	ck_assert((cors.origin != NULL) == asks[_i].echoed);
	ck_assert(cors.any == (asks[_i].guards == PUBLIC_CODE));
}
END_TEST

START_TEST(test_service_worker)
{
	struct guard_cors cors;

	headers[HEADER_SEC_FETCH_SITE] = "same-origin";
	headers[HEADER_SEC_FETCH_MODE] = "same-origin";
	headers[HEADER_SEC_FETCH_DEST] = "serviceworker";
	ck_assert_int_eq(guard_origin(&v, ORIGIN, DATA, &cors, &fault), -1);
	ck_assert_uint_eq(fault.http, 403);
	ck_assert_int_eq(guard_origin(&v, PUBLIC_CODE, DATA, &cors, &fault), -1);
	headers[HEADER_SEC_FETCH_DEST] = "worker";
	ck_assert_int_eq(guard_origin(&v, ORIGIN, DATA, &cors, &fault), 0);
	/* what another origin's worker imports, which was allowed */
	headers[HEADER_SEC_FETCH_DEST] = "serviceworker";
	headers[HEADER_SEC_FETCH_SITE] = "cross-site";
	headers[HEADER_SEC_FETCH_MODE] = "cors";
	headers[HEADER_ORIGIN] = "https://app.example";
	ck_assert_int_eq(guard_origin(&v, ORIGIN, DATA, &cors, &fault), 0);
}
END_TEST

START_TEST(test_unix_socket)
{
	struct guard_cors cors;

	v.unix_socket = true;
	headers[HEADER_HOST] = "whatever";
	ck_assert_int_eq(guard_host(&v, &fault), 0);
	ck_assert_int_eq(guard_origin(&v, ORIGIN, ADMIN, &cors, &fault), 0);
	headers[HEADER_ORIGIN] = "http://localhost:8411";
	ck_assert_int_eq(guard_origin(&v, ORIGIN, ADMIN, &cors, &fault), -1);
	headers[HEADER_ORIGIN] = NULL;
	headers[HEADER_SEC_FETCH_SITE] = "none";
	ck_assert_int_eq(guard_origin(&v, ORIGIN, DATA, &cors, &fault), -1);
	ck_assert_int_eq(guard_admin(&v, ADMIN, NULL, &fault), 0);
}
END_TEST

static const struct {
	enum route_body body;
	const char *type;
	uint64_t size;
	unsigned http;
} bodies[] = {
    {NO_BODY, NULL, 0, 0},
    {NO_BODY, "text/plain", 0, 0},
    {NO_BODY, NULL, 1, 413},
    {NO_BODY, NULL, UINT64_MAX, 413},
    {JSON, NULL, 0, 0},
    {JSON, NULL, 5, 415},
    {JSON, "application/json", 5, 0},
    {JSON, "application/json;charset=utf-8", 5, 0},
    {JSON, "application/json ; x", 5, 0},
    {JSON, "APPLICATION/JSON", 5, 0},
    {JSON, "application/json5", 5, 415},
    {JSON, "application/octet-stream", 5, 415},
    {JSON, "text/plain", 5, 415},
    {JSON, "application/json", 10, 0},
    {JSON, "application/json", 11, 413},
    {JSON, "application/json", UINT64_MAX, 0},
    {JSON, "text/plain", 11, 415}, /* the type comes first */
    {BYTES, "application/json", 5, 0},
    {BYTES, "application/octet-stream", 5, 0},
    {BYTES, "application/x-www-form-urlencoded", 5, 415},
    {STREAM, "application/octet-stream", 5, 0},
    {STREAM, "application/json", 5, 415},
};

START_TEST(test_body)
{
	const struct route route = {.body = bodies[_i].body};
	int rc;

	headers[HEADER_CONTENT_TYPE] = bodies[_i].type;
	rc = guard_body(&v, &route, bodies[_i].size, 10, &fault);
	ck_assert_int_eq(rc, bodies[_i].http == 0 ? 0 : -1);
	if (rc != 0)
		ck_assert_uint_eq(fault.http, bodies[_i].http);
}
END_TEST

START_TEST(test_admin)
{
	static const char token[] = "0123456789abcdef";

	ck_assert_int_eq(guard_admin(&v, DATA, NULL, &fault), 0);
	ck_assert_int_eq(guard_admin(&v, ADMIN, token, &fault), -1);
	ck_assert_uint_eq(fault.http, 403);
	settings.admin_tcp = true;
	ck_assert_int_eq(guard_admin(&v, ADMIN, token, &fault), -1);
	ck_assert_uint_eq(fault.http, 401);
	headers[HEADER_AUTHORIZATION] = "Bearer 0123456789abcdef";
	ck_assert_int_eq(guard_admin(&v, ADMIN, token, &fault), 0);
	ck_assert_int_eq(guard_admin(&v, ADMIN, NULL, &fault), -1);
	headers[HEADER_AUTHORIZATION] = "Bearer 0123456789abcdeX";
	ck_assert_int_eq(guard_admin(&v, ADMIN, token, &fault), -1);
	headers[HEADER_AUTHORIZATION] = "Bearer 0123456789abcde";
	ck_assert_int_eq(guard_admin(&v, ADMIN, token, &fault), -1);
	headers[HEADER_AUTHORIZATION] = "Basic 0123456789abcdef";
	ck_assert_int_eq(guard_admin(&v, ADMIN, token, &fault), -1);
	headers[HEADER_AUTHORIZATION] = "Bearer ";
	ck_assert_int_eq(guard_admin(&v, ADMIN, token, &fault), -1);
	ck_assert_uint_eq(fault.http, 401);
	settings.admin_tcp = false;
}
END_TEST

/* As libmicrohttpd leaves it: a NUL in place of what ended each thing. */
static const struct {
	char text[64];
	size_t url, version; /* where they begin */
	bool ok;
} lines[] = {
    {"GET\0/a?b\0HTTP/1.1", 4, 9, true},
    {"GET\0/\303\274\0HTTP/1.0", 4, 8, true},
    {"GET\0/a\0b\0HTTP/1.1", 4, 9, false},   /* NUL in the target */
    {"GET\0 /a\0HTTP/1.1", 5, 8, false},     /* two blanks */
    {"GET\0/a\0 HTTP/1.1", 4, 8, false},     /* two blanks */
    {"GET\0/a b\0HTTP/1.1", 4, 9, false},    /* a blank in the target */
    {"GET\0/a\tb\0HTTP/1.1", 4, 9, false},   /* a tab */
    {"GET\0/a\177b\0HTTP/1.1", 4, 9, false}, /* DEL */
    {"G@T\0/a\0HTTP/1.1", 4, 7, false},      /* no token */
    {"GET\0/a\0HTTP/1.10", 4, 7, false},     /* two digits */
    {"GET\0/a\0", 4, 7, false},              /* none */
    {"GET\0/a\0SHTTP/1.", 4, 7, false},      /* another protocol */
};

START_TEST(test_request_line)
{
	const char *text = lines[_i].text, *end;

	end = guard_request_line_end(text, text + lines[_i].url, text + lines[_i].url,
				     text + lines[_i].version);
	ck_assert_ptr_eq(end, lines[_i].ok ? text + lines[_i].version + 8 : NULL);
}
END_TEST

static const struct {
	char text[32]; /* from the end of the line before */
	size_t name, value;
	bool ok;
} header_lines[] = {
    {"\0\0Host\0 x", 2, 8, true},         {"\0\0Host\0x", 2, 7, true},
    {"\0\0Host\0 \t x", 2, 10, true},     {"\0\0Host\0", 2, 7, true}, /* no value */
    {"\0Host\0x", 1, 6, false},                                       /* a bare CR or LF */
    {"\0b\0\0Host\0x", 4, 9, false},      /* a NUL in the value before */
    {"\0\0\0x\0\0Host\0y", 6, 11, false}, /* a line without a name */
    {"x\0\0Host\0y", 3, 0, false},        /* copied away: folded */
    {"\0\0Host\0 yx", 2, 9, false},
};

START_TEST(test_header_line)
{
	const char *text = header_lines[_i].text;
	bool ok =
	    guard_line_whole(text, text + header_lines[_i].name, 4, text + header_lines[_i].value);

	ck_assert_int_eq(ok, header_lines[_i].ok);
	ck_assert(!guard_line_whole(NULL, text + 2, 4, text + 7));
}
END_TEST

#define LOOP_TEST(t, f, table) tcase_add_loop_test(t, f, 0, (int)(sizeof(table) / sizeof(table[0])))

Suite *check_guard(void)
{
	Suite *s = suite_create("guard");
	TCase *t = tcase_create("guard");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_field_name);
	LOOP_TEST(t, test_request_line, lines);
	LOOP_TEST(t, test_header_line, header_lines);
	LOOP_TEST(t, test_framing, framings);
	LOOP_TEST(t, test_host, hosts);
	tcase_add_test(t, test_target);
	LOOP_TEST(t, test_origin, asks);
	tcase_add_test(t, test_service_worker);
	tcase_add_test(t, test_unix_socket);
	LOOP_TEST(t, test_body, bodies);
	tcase_add_test(t, test_admin);
	suite_add_tcase(s, t);
	return s;
}
