/* SPDX-License-Identifier: MIT */
/*
 * check_upstream.c — daemon/upstream.c: what a section may say, where an
 * upstream may lead to, which addresses may be reached, how fast it is read.
 */
#include <config.h>

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/upstream.h"

Suite *check_upstream(void);

static struct upstream up;

static void setup(void)
{
	up = (struct upstream){.name = "hub", .url = "https://hub.example/base", .concurrency = 4};
	ck_assert(upstream_origin_of(up.url, &up.origin));
}

/* ---- addresses (IANA special-purpose address registries) ---------------------------------- */

static const struct {
	const char *address;
	char public, private; /* y: may be reached */
} addresses[] = {
    {"93.184.216.34", 'y', 'y'},
    {"8.8.8.8", 'y', 'y'},
    {"127.0.0.1", 'n', 'y'},
    {"127.255.255.254", 'n', 'y'},
    {"10.1.2.3", 'n', 'y'},
    {"172.16.0.1", 'n', 'y'},
    {"172.31.255.255", 'n', 'y'},
    {"172.32.0.1", 'y', 'y'},
    {"172.15.255.255", 'y', 'y'},
    {"192.168.7.7", 'n', 'y'},
    {"100.64.0.1", 'n', 'y'},
    {"100.128.0.1", 'y', 'y'},
    {"169.254.169.254", 'n', 'n'},
    {"0.0.0.0", 'n', 'n'},
    {"0.1.2.3", 'n', 'n'},
    {"224.0.0.1", 'n', 'n'},
    {"255.255.255.255", 'n', 'n'},
    {"192.0.2.1", 'n', 'n'},
    {"198.18.0.1", 'n', 'y'},
    {"::1", 'n', 'y'},
    {"::", 'n', 'n'},
    {"::127.0.0.1", 'n', 'n'},
    {"::ffff:127.0.0.1", 'n', 'y'},
    {"::ffff:169.254.169.254", 'n', 'n'},
    {"::ffff:8.8.8.8", 'y', 'y'},
    {"64:ff9b::7f00:1", 'n', 'y'},
    {"64:ff9b::808:808", 'y', 'y'},
    {"2002:7f00:1::", 'n', 'y'},
    {"2002:a9fe:a9fe::", 'n', 'n'},
    {"fe80::1", 'n', 'n'},
    {"fc00::1", 'n', 'y'},
    {"fd12:3456::1", 'n', 'y'},
    {"fec0::1", 'n', 'y'},
    {"ff02::1", 'n', 'n'},
    {"2606:2800:220:1::1", 'y', 'y'},
    {"2001:db8::1", 'n', 'n'},
    {"2001::1", 'n', 'n'},
    {"4000::1", 'n', 'n'},
};

START_TEST(test_addresses)
{
	const char *text = addresses[_i].address;
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const struct sockaddr *addr = (const struct sockaddr *)&in;

	if (inet_pton(AF_INET, text, &in.sin_addr) != 1) {
		ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
		addr = (const struct sockaddr *)&in6;
	}
	up.is_private = false;
	ck_assert_msg((upstream_may_connect(&up, addr) == NULL) == (addresses[_i].public == 'y'),
		      "%s, public", text);
	up.is_private = true;
	ck_assert_msg((upstream_may_connect(&up, addr) == NULL) == (addresses[_i].private == 'y'),
		      "%s, private", text);
}
END_TEST

START_TEST(test_other_families)
{
	struct sockaddr addr = {.sa_family = AF_UNIX};

	up.is_private = true;
	ck_assert_ptr_nonnull(upstream_may_connect(&up, &addr));
}
END_TEST

/* ---- URLs ----------------------------------------------------------------------------------- */

static const char *const hosts[] = {
    "cdn.example", "lfs.example:8443", "[2600:db8::5]:444", "127.0.0.1", "[::1]", "[2001:db8::5]"};

static const struct {
	const char *url;
	bool ok; /* for a public upstream with the hosts above */
} hops[] = {
    {"https://hub.example/elsewhere", true},
    {"https://HUB.example:443/x", true},
    {"https://hub.example./x", true},
    {"https://cdn.example/x?sig=1", true},
    {"https://cdn.example:444/x", true},
    {"https://lfs.example:8443/x", true},
    {"https://[2600:db8::5]:444/x", true},
    {"https://[2001:db8::5]/x", false}, /* documentation */
    {"https://127.0.0.1/x", false},
    {"https://[::1]/x", false},
    {"http://hub.example/x", false},
    {"http://cdn.example/x", false},
    {"https://hub.example:8443/x", false},
    {"https://lfs.example/x", false},
    {"https://cdn.example.evil.example/x", false},
    {"https://evil-cdn.example/x", false},
    {"https://user@hub.example/x", false},
    {"https://hub.example@evil.example/x", false},
    {"file:///etc/passwd", false},
    {"gopher://hub.example/", false},
    {"ftp://cdn.example/x", false},
    {"//cdn.example/x", false},
    {"", false},
};

START_TEST(test_redirects)
{
	up.redirect_host = hosts;
	up.redirect_count = 6;
	ck_assert_msg((upstream_may_fetch(&up, hops[_i].url) == NULL) == hops[_i].ok, "%s",
		      hops[_i].url);
}
END_TEST

START_TEST(test_private_redirects)
{
	up.is_private = true;
	ck_assert_ptr_null(upstream_may_fetch(&up, "http://box.lan:81/x"));
	ck_assert_ptr_nonnull(upstream_may_fetch(&up, "file:///etc/passwd"));
	up.redirect_host = hosts;
	up.redirect_count = 1;
	ck_assert_ptr_nonnull(upstream_may_fetch(&up, "http://box.lan:81/x"));
	ck_assert_ptr_null(upstream_may_fetch(&up, "http://cdn.example/x"));
}
END_TEST

START_TEST(test_token)
{
	ck_assert(!upstream_gets_token(&up, "https://hub.example/x"));
	up.token = "secret";
	ck_assert(upstream_gets_token(&up, "https://hub.example/x"));
	ck_assert(!upstream_gets_token(&up, "http://hub.example/x"));
	ck_assert(!upstream_gets_token(&up, "https://hub.example:444/x"));
	ck_assert(!upstream_gets_token(&up, "https://cdn.example/x"));
	ck_assert(!upstream_gets_token(&up, "https://hub.example.evil.example/x"));
}
END_TEST

static void same(char *url, const char *want)
{
	ck_assert_str_eq(url, want);
	free(url);
}

START_TEST(test_urls)
{
	same(upstream_file_url(&up, "org/m", "main", "onnx/a b#?.onnx"),
	     "https://hub.example/base/org/m/resolve/main/onnx/a%20b%23%3F.onnx");
	same(upstream_file_url(&up, "m", "refs/pr/1", "\xc3\xa4"),
	     "https://hub.example/base/m/resolve/refs%2Fpr%2F1/%C3%A4");
	same(upstream_api_url(&up, "org/m", "refs/pr/1", false),
	     "https://hub.example/base/api/models/org/m/revision/refs%2Fpr%2F1?blobs=true");
	same(upstream_api_url(&up, "m", "main", true),
	     "https://hub.example/base/api/models/m/tree/main?recursive=true");
	up.layout = UPSTREAM_PLAIN;
	same(upstream_file_url(&up, "org/m", "main", "a.bin"),
	     "https://hub.example/base/org/m/a.bin");
}
END_TEST

/* ---- values -----------------------------------------------------------------------------------
 */

static const struct {
	const char *key, *value;
	bool ok;
} values[] = {
    {"url", "https://hub.example", true},
    {"url", "http://127.0.0.1:8000/base/", true},
    {"url", "ftp://hub.example", false},
    {"url", "https://u:p@hub.example", false},
    {"url", "https://hub.example/?q", false},
    {"url", "hub.example", false},
    {"layout", "hub", true},
    {"layout", "plain", true},
    {"layout", "flat", false},
    {"redirect_hosts", "a.example b.example:8443", true},
    {"redirect_hosts", "https://a.example", false},
    {"redirect_hosts", "*.example", false},
    {"max_rate", "10M", true},
    {"max_rate", "fast", false},
    {"schedule", "22:00-06:00=0 08:00-18:00=1M 12:00-13:00=off", true},
    {"schedule", "22-06=1M", false},
    {"schedule", "08:00-24:00=1M", true},
    {"schedule", "08:00-24:01=1M", false},
    {"schedule", "08:61-09:00=1M", false},
    {"concurrency", "4", true},
    {"concurrency", "0", false},
    {"concurrency", "65", false},
    {"private", "yes", true},
    {"private", "maybe", false},
    {"revalidate", "never", true},
    {"revalidate", "10 minutes", true},
    {"revalidate", "1 minute", true},
    {"revalidate", "2h", true},
    {"revalidate", "often", false},
    {"stall_timeout", "0", false},
    {"negative", "1m", true},
    {"retries", "-1", false},
};

START_TEST(test_values)
{
	ck_assert_msg((upstream_check(values[_i].key, values[_i].value) == NULL) == values[_i].ok,
		      "%s = %s", values[_i].key, values[_i].value);
}
END_TEST

/* ---- rates -------------------------------------------------------------------------------------
 */

START_TEST(test_windows)
{
	/* 1970-01-01 in UTC: seconds are those of the day */
	ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
	up.max_rate = 5;
	up.window[0] = (struct upstream_window){22 * 60, 6 * 60, 0};
	up.window[1] = (struct upstream_window){8 * 60, 18 * 60, 7};
	up.window[2] = (struct upstream_window){12 * 60, 13 * 60, UPSTREAM_CLOSED};
	up.window_count = 3;
	ck_assert_uint_eq(upstream_rate(&up, 23 * 3600), 0);
	ck_assert_uint_eq(upstream_rate(&up, 0), 0);
	ck_assert_uint_eq(upstream_rate(&up, 6 * 3600 - 1), 0);
	ck_assert_uint_eq(upstream_rate(&up, 6 * 3600), 5);
	ck_assert_uint_eq(upstream_rate(&up, 8 * 3600), 7);
	ck_assert_uint_eq(upstream_rate(&up, 18 * 3600), 5);
	/* the first that fits counts */
	ck_assert_uint_eq(upstream_rate(&up, 12 * 3600 + 60), 7);
	up.window[1].to_min = 11 * 60;
	ck_assert_uint_eq(upstream_rate(&up, 12 * 3600 + 60), UPSTREAM_CLOSED);
}
END_TEST

/* A reader that takes as soon as it may gets the rate, in pieces of any size. */
START_TEST(test_bucket)
{
	static const size_t pieces[] = {100, 16384, 300000};
	const uint64_t rate = 1000000, second = UINT64_C(1000000000);

	for (size_t i = 0; i < 3; i++) {
		uint64_t now = second, got = 0;

		up.bucket = 0;
		up.bucket_ns = 0;
		while (now < 11 * second) {
			unsigned ms = upstream_take(&up, rate, pieces[i], now);

			if (ms == 0)
				got += pieces[i];
			else
				now += ms * (second / 1000);
		}
		ck_assert_msg(got > 9500000 && got < 10500000, "%zu: %llu", pieces[i],
			      (unsigned long long)got);
	}
	/* a pause is not made up for by more than an eighth of a second */
	up.bucket_ns = second;
	up.bucket = 0;
	ck_assert_uint_eq(upstream_take(&up, rate, 125000, 100 * second), 0);
	ck_assert_uint_ne(upstream_take(&up, rate, 1, 100 * second), 0);
	ck_assert_uint_eq(upstream_take(&up, 0, SIZE_MAX, second), 0);
	ck_assert_uint_ne(upstream_take(&up, UPSTREAM_CLOSED, 1, second), 0);
}
END_TEST

Suite *check_upstream(void)
{
	Suite *s = suite_create("upstream");
	TCase *t = tcase_create("upstream");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, test_addresses, 0, sizeof(addresses) / sizeof(addresses[0]));
	tcase_add_test(t, test_other_families);
	tcase_add_loop_test(t, test_redirects, 0, sizeof(hops) / sizeof(hops[0]));
	tcase_add_test(t, test_private_redirects);
	tcase_add_test(t, test_token);
	tcase_add_test(t, test_urls);
	tcase_add_loop_test(t, test_values, 0, sizeof(values) / sizeof(values[0]));
	tcase_add_test(t, test_windows);
	tcase_add_test(t, test_bucket);
	suite_add_tcase(s, t);
	return s;
}
