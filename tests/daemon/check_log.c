/* SPDX-License-Identifier: MIT */
/*
 * check_log.c — daemon/log_json.c, daemon/log.c (how many lines) and daemon/lockout.c.
 */
#include <config.h>

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/lockout.h"
#include "daemon/log.h"
#include "daemon/log_json.h"

Suite *check_log(void);

#define SECOND UINT64_C(1000000000)

static json_t *parsed(const char *pairs, size_t room)
{
	char line[4096];
	size_t size = log_json(line, room, "info", "request", pairs, 0);
	json_error_t error;
	json_t *v = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(v != NULL, "%.*s: %s", (int)size, line, error.text);
	ck_assert_uint_le(size, room);
	return v;
}

static const char *text(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s == NULL ? "(none)" : s;
}

START_TEST(test_json)
{
	json_t *v = parsed(
	    "id=1f target=\"/a b\" error=\"not \\\"x\\\" but \\\\y\" empty= last=\"\"", 4000);

	ck_assert_str_eq(text(v, "level"), "info");
	ck_assert_str_eq(text(v, "event"), "request");
	ck_assert_str_eq(text(v, "id"), "1f");
	ck_assert_str_eq(text(v, "target"), "/a b");
	ck_assert_str_eq(text(v, "error"), "not \"x\" but \\y");
	ck_assert_str_eq(text(v, "empty"), "");
	ck_assert_str_eq(text(v, "last"), "");
	ck_assert_uint_eq(strlen(text(v, "time")), strlen("2026-01-01T00:00:00.000Z"));
	json_decref(v);
}
END_TEST

/* However little room there is, and whatever is in the line, it is an object. */
START_TEST(test_json_room)
{
	char pairs[1024];
	json_t *v;

	memset(pairs, '"', sizeof(pairs));
	memcpy(pairs, "a=b c=\"", 7);
	pairs[sizeof(pairs) - 1] = '\0';
	for (size_t room = 140; room < 2600; room++) {
		v = parsed(pairs, room);
		json_decref(v);
	}
	for (size_t room = 140; room < 400; room++) {
		v = parsed("a=\"no end\\", room);
		json_decref(v);
	}
	v = parsed("a=\"no end", 400);
	ck_assert_str_eq(text(v, "a"), "no end");
	json_decref(v);
}
END_TEST

/* What larderd says, once, on another standard error; the bytes. */
static size_t said_of(const char *model, bool as_json, char *said, size_t room)
{
	char name[] = "/tmp/check-log-XXXXXX";
	int fd = mkstemp(name), was = dup(STDERR_FILENO);
	ssize_t n;

	ck_assert(fd >= 0 && was >= 0);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_format_set(as_json);
	log_audit("model=\"%s\" status=%d", model, 200);
	log_format_set(false);
	(void)dup2(was, STDERR_FILENO);
	n = pread(fd, said, room - 1, 0);
	ck_assert_int_gt((int)n, 0);
	said[n] = '\0';
	(void)close(fd);
	(void)close(was);
	(void)unlink(name);
	return (size_t)n;
}

/* No text can end its value and add pairs, in neither form. */
START_TEST(test_forged)
{
	static const char forged[] = "a\" status=500 by=\"root\\\" x=\"\x01\n\\";
	char said[4096];
	size_t size = said_of(forged, false, said, sizeof(said));
	json_t *v;

	ck_assert_ptr_nonnull(
	    strstr(said, " audit model=\"a\\\" status=500 by=\\\"root\\\\\\\" x=\\\"??\\\\\" "
			 "status=200\n"));
	size = said_of(forged, true, said, sizeof(said));
	v = json_loadb(said, size, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(v);
	ck_assert_str_eq(text(v, "model"), "a\" status=500 by=\"root\\\" x=\"??\\");
	ck_assert_str_eq(text(v, "status"), "200");
	ck_assert_str_eq(text(v, "by"), "(none)");
	json_decref(v);
}
END_TEST

/* 20 lines of an event in ten seconds, and all of the audit. */
START_TEST(test_suppressed)
{
	char name[] = "/tmp/check-log-XXXXXX", said[16384];
	int fd = mkstemp(name), was = dup(STDERR_FILENO);
	unsigned lines = 0, audits = 0;
	ssize_t n;

	ck_assert(fd >= 0 && was >= 0);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_level_set(LOG_LEVEL_ERROR);
	log_warning("quiet", "x=1");
	for (int i = 0; i < 100; i++) {
		log_error("flood", "n=%d", i);
		log_audit("n=%d", i);
	}
	log_level_set(LOG_LEVEL_INFO);
	(void)dup2(was, STDERR_FILENO);
	n = pread(fd, said, sizeof(said) - 1, 0);
	ck_assert_int_gt((int)n, 0);
	said[n] = '\0';
	for (const char *p = said; (p = strstr(p, " flood ")) != NULL; p++)
		lines++;
	for (const char *p = said; (p = strstr(p, " audit ")) != NULL; p++)
		audits++;
	ck_assert_ptr_null(strstr(said, "quiet"));
	ck_assert_uint_eq(lines, 20);
	ck_assert_uint_eq(audits, 100);
	(void)close(fd);
	(void)close(was);
	(void)unlink(name);
}
END_TEST

/* Priorities for the journal, and only where standard error is the journal. */
START_TEST(test_journal)
{
	static const char *const want[] = {"<3>here n=1\n", "larderd: error here n=1\n"};
	char name[] = "/tmp/check-log-XXXXXX", said[256], stream[48];
	int fd = mkstemp(name), was = dup(STDERR_FILENO);
	struct stat st;

	ck_assert(fd >= 0 && was >= 0 && fstat(fd, &st) == 0);
	(void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
		       (uintmax_t)st.st_ino + (uintmax_t)_i);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_error("here", "n=1");
	(void)dup2(was, STDERR_FILENO);
	(void)unsetenv("JOURNAL_STREAM");
	memset(said, 0, sizeof(said));
	ck_assert_int_gt((int)pread(fd, said, sizeof(said) - 1, 0), 0);
	ck_assert_str_eq(said, want[_i]);
	(void)close(fd);
	(void)close(was);
	(void)unlink(name);
}
END_TEST

/* Five are free, then 1, 2, 4, … seconds, never more than a quarter of an hour. */
START_TEST(test_lockout)
{
	uint64_t now = 1000 * SECOND;
	unsigned wait = 0;

	lockout_passed();
	for (int i = 0; i < 4; i++) {
		lockout_failed(now);
		ck_assert_uint_eq(lockout_wait_s(now), 0);
	}
	for (unsigned want = 1; want <= 8; want *= 2) {
		lockout_failed(now);
		ck_assert_uint_eq(lockout_wait_s(now), want);
		now += want * SECOND;
		ck_assert_uint_eq(lockout_wait_s(now), 0);
	}
	for (int i = 0; i < 100; i++) {
		lockout_failed(now);
		wait = lockout_wait_s(now);
		ck_assert_uint_le(wait, 900);
	}
	ck_assert_uint_eq(wait, 900);
	lockout_passed();
	ck_assert_uint_eq(lockout_wait_s(now), 0);
}
END_TEST

Suite *check_log(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");

	tcase_add_test(t, test_json);
	tcase_add_test(t, test_json_room);
	tcase_add_test(t, test_forged);
	tcase_add_test(t, test_suppressed);
	tcase_add_loop_test(t, test_journal, 0, 2);
	tcase_add_test(t, test_lockout);
	suite_add_tcase(s, t);
	return s;
}
