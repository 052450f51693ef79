/* SPDX-License-Identifier: MIT */
/*
 * check_negotiate.c — daemon/negotiate.c: Accept-Encoding by the rules of RFC
 * 9110 §12.5.3, Want-Repr-Digest by those of RFC 9530 §4 and RFC 8941 §4.2.2.
 */
#include <config.h>

#include <check.h>
#include <stddef.h>

#include "daemon/negotiate.h"

Suite *check_negotiate(void);

static const struct {
	const char *accept;
	enum negotiate_coding coding;
} codings[] = {
    {NULL, CODING_IDENTITY},
    {"", CODING_IDENTITY},
    {"gzip", CODING_GZIP},
    {"zstd", CODING_ZSTD},
    {"GZip", CODING_GZIP},
    {"x-gzip", CODING_GZIP}, /* §8.4.1.3 */
    {"x-zstd", CODING_IDENTITY},
    {"gzip, deflate, br", CODING_GZIP},
    {"gzip, deflate, br, zstd", CODING_ZSTD},
    {"br;q=1.0, gzip;q=0.8, *;q=0.1", CODING_GZIP},
    {"compress, gzip", CODING_GZIP},
    {"compress;q=0.5, gzip;q=1.0", CODING_GZIP},
    {"gzip;q=1.0, identity; q=0.5, *;q=0", CODING_GZIP},
    {"gzip;q=0.9, zstd;q=0.1", CODING_GZIP},
    {"gzip;q=0.1,zstd;q=0.9", CODING_ZSTD},
    {"gzip;q=0.5,zstd;q=0.5", CODING_ZSTD},
    {"gzip;q=0.123,zstd;q=0.124", CODING_ZSTD},
    {"gzip;q=0", CODING_IDENTITY},
    {"gzip;q=0.000", CODING_IDENTITY},
    {"gzip;q=0, zstd", CODING_ZSTD},
    {"gzip ; Q=1", CODING_GZIP},
    {"gzip\t;\tq=0.5\t,\tdeflate", CODING_GZIP},
    {", ,gzip,,", CODING_GZIP},
    {"identity", CODING_IDENTITY},
    {"identity, gzip;q=0.5", CODING_IDENTITY},
    {"identity;q=0.5, gzip", CODING_GZIP},
    {"identity;q=0.5, gzip;q=0.5", CODING_GZIP},
    {"identity;q=0", CODING_IDENTITY},
    {"identity;q=0, gzip;q=0.001", CODING_GZIP},
    {"*", CODING_IDENTITY},
    {"*;q=0", CODING_IDENTITY},
    {"*;q=0, gzip", CODING_GZIP},
    /* broken: as good as none */
    {"gzip;q=1.001", CODING_IDENTITY},
    {"gzip;q=2", CODING_IDENTITY},
    {"gzip;q=-1", CODING_IDENTITY},
    {"gzip;q=.5", CODING_IDENTITY},
    {"gzip;q=0.1234", CODING_IDENTITY},
    {"gzip;q=", CODING_IDENTITY},
    {"gzip;q = 1", CODING_IDENTITY},
    {"gzip;level=9", CODING_IDENTITY},
    {"gzip zstd", CODING_IDENTITY},
    {"gzip;q=1;q=0", CODING_IDENTITY},
    {"gzip/1", CODING_IDENTITY},
    {"\"gzip\"", CODING_IDENTITY},
    {";q=1", CODING_IDENTITY},
};

START_TEST(test_codings)
{
	enum negotiate_coding got = negotiate_coding(codings[_i].accept);

	ck_assert_msg(got == codings[_i].coding, "%s: %s", codings[_i].accept,
		      negotiate_coding_name(got));
}
END_TEST

static const struct {
	const char *want;
	int preference;
} wants[] = {
    {NULL, -1},
    {"", -1},
    {"sha-256=1", 1}, /* RFC 9530 §4 */
    {"sha-512=3, sha-256=10, unixsum=0", 10},
    {"sha-256=0", 0},
    {"sha-256=-0", 0},
    {"sha-512=10", -1},
    {"sha-2560=1", -1},
    {"sha-25=1", -1},
    {"sha-256=11", -1},
    {"sha-256=-1", -1},
    {"sha-256=1.0", -1},
    {"sha-256", -1}, /* ?1, no number */
    {"sha-256=?0", -1},
    {"sha-256=5;q=1;x", 5},
    {"sha-256=1, sha-256=0", 0}, /* the last one counts */
    {" sha-256=7 ", 7},
    {"a=\"x\\\"y\", sha-256=2", 2},
    {"a=:aGk=:, sha-256=2", 2},
    {"a=(1 \"b\" c;d), sha-256=2", 2},
    {"a=(), sha-256=2", 2},
    {"a=tok/en:x, sha-256=2", 2},
    {"*a=1,\tsha-256=2", 2},
    {"a=-1.125,sha-256=2", 2},
    /* broken anywhere: ignored as a whole (RFC 8941 §4.2) */
    {"sha-256=1,", -1},
    {"sha-256=1,,a=1", -1},
    {"SHA-256=1", -1},
    {"sha-256=1 a=1", -1},
    {"sha-256=", -1},
    {"sha-256=1, a=\"x", -1},
    {"sha-256=1, a=\"\\x\"", -1},
    {"sha-256=1, a=(1", -1},
    {"sha-256=1, a=(1\"b\")", -1},
    {"sha-256=1, a=:!:", -1},
    {"sha-256=1, a=?2", -1},
    {"sha-256=1, a=1.", -1},
    {"sha-256=1, a=1.1234", -1},
    {"sha-256=1, a=1234567890123456", -1},
    {"sha-256=1, a=-", -1},
    {"sha-256=1;", -1},
    {"sha-256=1;B=1", -1},
};

START_TEST(test_wants)
{
	int got = negotiate_digest(wants[_i].want, "sha-256");

	ck_assert_msg(got == wants[_i].preference, "%s: %d", wants[_i].want, got);
}
END_TEST

Suite *check_negotiate(void)
{
	Suite *s = suite_create("negotiate");
	TCase *t = tcase_create("negotiate");

	tcase_add_loop_test(t, test_codings, 0, (int)(sizeof(codings) / sizeof(codings[0])));
	tcase_add_loop_test(t, test_wants, 0, (int)(sizeof(wants) / sizeof(wants[0])));
	suite_add_tcase(s, t);
	return s;
}
