/* SPDX-License-Identifier: MIT */
/*
 * check_fetch_head.c — daemon/fetch_head.c: header lines of upstreams, with
 * the answers of a Hub and with those of nobody's friends.
 */
#include <config.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "daemon/fetch_head.h"

Suite *check_fetch_head(void);

#define OID "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" /* of `hello` */
#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static struct fetch_lines lines;
static struct fetch_head head;

static void setup(void)
{
	memset(&lines, 0, sizeof(lines));
	fetch_head_again(&lines);
}

/* One hop's lines, up to NULL; what the first refused one says. */
static const char *hop(bool own, const char *const *line)
{
	for (; *line != NULL; line++) {
		char text[6000];
		int n = snprintf(text, sizeof(text), "%s\r\n", *line);
		const char *why = fetch_head_line(&lines, text, (size_t)n, own);

		if (why != NULL)
			return why;
	}
	return NULL;
}
#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void hello(void)
{
	struct store_digest want;

	ck_assert(store_digest_parse(OID, 64, &want));
	ck_assert(head.has_digest && store_digest_equal(&head.digest, &want));
}

START_TEST(test_a_large_file_of_a_hub)
{
	struct fetch_head linked;

	ck_assert_ptr_null(hop(true, LINES("HTTP/1.1 302 Found", "x-repo-commit: " COMMIT,
					   "X-Linked-ETag: \"" OID "\"", "X-Linked-Size: 5",
					   "Location: https://cdn.example/x", "ETag: \"front\"")));
	ck_assert_str_eq(lines.location, "https://cdn.example/x");
	ck_assert(fetch_head_linked(&lines, &linked));
	ck_assert_uint_eq(linked.total, 5);
	fetch_head_again(&lines);
	ck_assert_ptr_null(
	    hop(false, LINES("HTTP/1.1 200 OK", "Content-Length: 5", "ETag: \"cdn\"",
			     "X-Repo-Commit: ffffffffffffffffffffffffffffffffffffffff",
			     "X-Linked-ETag: \"evil\"")));
	ck_assert_ptr_null(fetch_head_read(&lines, true, 0, 99, &head));
	hello();
	ck_assert_str_eq(head.commit, COMMIT);
	ck_assert_str_eq(head.mark, "\"" OID "\"");
	ck_assert_uint_eq(head.total, 5);
	ck_assert_uint_eq(head.from, 0);
}
END_TEST

START_TEST(test_a_range)
{
	ck_assert_ptr_null(hop(true, LINES("HTTP/1.1 206 Partial Content", "Content-Length: 50",
					   "Content-Range: bytes 100-149/1000", "ETag: \"e\"")));
	ck_assert_ptr_null(fetch_head_read(&lines, true, 100, 149, &head));
	ck_assert_uint_eq(head.from, 100);
	ck_assert_uint_eq(head.length, 50);
	ck_assert_uint_eq(head.total, 1000);
	ck_assert_ptr_null(fetch_head_read(&lines, true, 100, 199, &head)); /* less may be sent */
	ck_assert_ptr_nonnull(fetch_head_read(&lines, true, 99, 149, &head));
	ck_assert_ptr_nonnull(fetch_head_read(&lines, true, 100, 148, &head));
	ck_assert_ptr_nonnull(fetch_head_read(&lines, false, 0, FETCH_UNKNOWN, &head));
}
END_TEST

START_TEST(test_repr_digest)
{
	/* printf hello | openssl dgst -sha256 -binary | base64 */
	ck_assert_ptr_null(hop(
	    true, LINES("HTTP/1.1 200 OK", "Content-Length: 5",
			"Repr-Digest: "
			"sha-512=:AAAA:, sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:")));
	ck_assert_ptr_null(fetch_head_read(&lines, false, 0, FETCH_UNKNOWN, &head));
	hello();
}
END_TEST

static const struct {
	const char *line;
	const char *why;
} refused[] = {
    {"Content-Encoding: gzip", "encoded"},
    {"Content-Encoding: br", "encoded"},
    {"Content-Range: bytes 0-4/4", "range"},
    {"Content-Range: bytes 4-0/5", "range"},
    {"Content-Range: bytes 0-99999999999999999999/5", "range"},
    {"Content-Range: bytes */5", "range"},
    {"Content-Range: lines 0-4/5", "range"},
    {"Content-Range: bytes 0-3/5", "length"},
};

START_TEST(test_refused)
{
	const char *why;

	ck_assert_ptr_null(hop(
	    true, LINES("HTTP/1.1 206 Partial Content", "Content-Length: 5", refused[_i].line)));
	if (strncmp(refused[_i].line, "Content-Enc", 11) == 0)
		ck_assert_ptr_null(hop(true, LINES("Content-Range: bytes 0-4/5")));
	why = fetch_head_read(&lines, true, 0, 4, &head);
	ck_assert_msg(why != NULL && strstr(why, refused[_i].why) != NULL, "%s: %s",
		      refused[_i].line, why == NULL ? "fine" : why);
}
END_TEST

START_TEST(test_linked_size)
{
	ck_assert_ptr_null(hop(
	    true, LINES("HTTP/1.1 302 Found", "X-Linked-ETag: \"" OID "\"", "X-Linked-Size: 5")));
	fetch_head_again(&lines);
	ck_assert_ptr_null(hop(false, LINES("HTTP/1.1 200 OK", "Content-Length: 6")));
	ck_assert_ptr_nonnull(fetch_head_read(&lines, false, 0, FETCH_UNKNOWN, &head));
}
END_TEST

/* A range of a file whose size a redirect said. */
START_TEST(test_range_beyond)
{
	ck_assert_ptr_null(hop(
	    true, LINES("HTTP/1.1 302 Found", "X-Linked-ETag: \"" OID "\"", "X-Linked-Size: 5")));
	fetch_head_again(&lines);
	ck_assert_ptr_null(
	    hop(false, LINES("HTTP/1.1 206 Partial Content", "Content-Range: bytes 2-9/*")));
	ck_assert_ptr_nonnull(fetch_head_read(&lines, true, 2, 9, &head));
	fetch_head_again(&lines);
	ck_assert_ptr_null(
	    hop(false, LINES("HTTP/1.1 206 Partial Content", "Content-Range: bytes 2-4/*")));
	ck_assert_ptr_null(fetch_head_read(&lines, true, 2, 9, &head));
}
END_TEST

START_TEST(test_floods)
{
	static const char *const more[] = {"X-More: 1", NULL};
	char *big[2] = {NULL, NULL};
	static char long_line[5500];
	const char *why = NULL;
	unsigned n = 0;

	memset(long_line, 'x', sizeof(long_line) - 1);
	big[0] = long_line;
	while (why == NULL && n++ < 10000)
		why = hop(true, more);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_le(n, FETCH_LINES_MAX + 1);
	setup();
	why = NULL;
	for (n = 0; why == NULL && n < 10000; n++)
		why = hop(true, (const char *const *)big);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_le(n, FETCH_LINE_BYTES_MAX / 5000 + 2);
}
END_TEST

START_TEST(test_odd_lines)
{
	ck_assert_ptr_nonnull(hop(true, LINES("HTTP/1.1 ok")));
	setup();
	ck_assert_ptr_nonnull(hop(true, LINES("HTTP/1.1 999 x")));
	setup();
	ck_assert_ptr_null(hop(true, LINES("HTTP/1.1 100 Continue", "HTTP/1.1 200 OK", "no colon",
					   "Content-Length: -5", "X-Repo-Commit: ../../etc",
					   "Retry-After: 7", "ETag:   \"e\"  ")));
	ck_assert_uint_eq(lines.status, 200);
	ck_assert_uint_eq(lines.length, FETCH_UNKNOWN);
	ck_assert_str_eq(lines.commit, "");
	ck_assert_uint_eq(lines.retry_after_s, 7);
	ck_assert_str_eq(lines.etag, "\"e\"");
	ck_assert_ptr_null(hop(true, LINES("Retry-After: 99999999999")));
	ck_assert_uint_le(lines.retry_after_s, 86400);
}
END_TEST

Suite *check_fetch_head(void)
{
	Suite *s = suite_create("fetch_head");
	TCase *t = tcase_create("fetch_head");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_a_large_file_of_a_hub);
	tcase_add_test(t, test_a_range);
	tcase_add_test(t, test_repr_digest);
	tcase_add_loop_test(t, test_refused, 0, sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(t, test_linked_size);
	tcase_add_test(t, test_range_beyond);
	tcase_add_test(t, test_floods);
	tcase_add_test(t, test_odd_lines);
	suite_add_tcase(s, t);
	return s;
}
