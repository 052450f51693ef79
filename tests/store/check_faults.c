/* SPDX-License-Identifier: MIT */
/*
 * check_faults.c — every call of an import, of a removal, of a re-import, of an
 * eviction and of a derived blob failed in turn, each on a store that holds something already.
 * Whatever fails: the error is said in words, what was acknowledged stays, a name means the old
 * files or the new ones, nothing is left over, and the same thing done again succeeds.
 */
#include <config.h>

#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* How a kind of call fails: once with its usual errno, or in another way. */
static const struct way {
	enum fault_call call;
	int errnum; /* -1: the usual one; -2: that and all calls after it */
} ways[] = {
    {FAULT_WRITE, -1},    {FAULT_WRITE, -2},     {FAULT_WRITE, EIO},    {FAULT_FSYNC, -1},
    {FAULT_FSYNC, -2},    {FAULT_FSYNC, ENOSPC}, {FAULT_RENAME, -1},    {FAULT_RENAME, ENOSPC},
    {FAULT_OPEN, -1},     {FAULT_OPEN, ENOSPC},  {FAULT_MKDIR, -1},     {FAULT_STAT, -1},
    {FAULT_MALLOC, -1},   {FAULT_MALLOC, -2},    {FAULT_DIGEST, -1},    {FAULT_UNLINK, -1},
    {FAULT_UNLINK, -2},   {FAULT_SQL_WRITE, -1}, {FAULT_SQL_WRITE, -2}, {FAULT_SQL_FULL, -1},
    {FAULT_SQL_FULL, -2}, {FAULT_SQL_SYNC, -1},  {FAULT_SQL_SYNC, -2},  {FAULT_SQL_MALLOC, -1},
    {FAULT_SQL_READ, -1}, {FAULT_SQL_OPEN, -1},
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static void arm(const struct way *way, int n)
{
	if (way->errnum == -2)
		fault_arm_lasting(way->call, n);
	else if (way->errnum == -1)
		fault_arm(way->call, n);
	else
		fault_arm_errno(way->call, n, way->errnum);
}

/* Each call as long as there are tens of them, some everywhere when there are thousands. */
static int next(int n)
{
	return n + 1 + n / 40;
}

/* The work: one file after another, as the daemon does it. */
static int import(const char *model, const char *text)
{
	struct store_import *im = NULL;
	struct store_digest digest;
	char content[64];
	int status;

	status = store_import_begin(fx.store, model, "main", &im, &fx.err);
	for (int i = 0; i < 3 && status == 0; i++) {
		struct store_writer *w = NULL;
		char path[8];

		snprintf(path, sizeof(path), "%d", i);
		snprintf(content, sizeof(content), "%s %d", text, i);
		status = store_writer_open(fx.store, &w, &fx.err);
		if (status != 0)
			break;
		status = store_writer_append(w, content, strlen(content), &fx.err);
		if (status != 0) {
			store_writer_abort(w);
			break;
		}
		status = store_writer_commit(w, NULL, &digest, NULL, &fx.err);
		if (status == 0)
			status = store_import_add(im, path, &digest, &fx.err);
	}
	if (status == 0)
		return store_import_commit(im, fx.commit, &fx.err);
	store_import_abort(im);
	return status;
}

/* Are all three files those of ${text}? */
static bool holds(const char *model, const char *text)
{
	char content[64], path[8];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%d", i);
		snprintf(content, sizeof(content), "%s %d", text, i);
		if (!fixture_reads(model, "main", path, content))
			return false;
	}
	return true;
}

/* After a failure or a kill, and once more after the next start. */
static void expect_sound(bool replaced_for_sure)
{
	struct store_verify seen;

	ck_assert(holds("kept", "kept"));
	if (replaced_for_sure)
		ck_assert(holds("m", "new"));
	else
		ck_assert(holds("m", "old") || holds("m", "new"));
	ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
	ck_assert_uint_eq(seen.damaged, 0);
	ck_assert_uint_eq(seen.missing, 0);
}

static void start_over(void)
{
	fixture_close();
	fixture_teardown();
	fixture_setup();
	ok(import("kept", "kept"));
	ok(import("m", "old"));
}

START_TEST(every_call_of_an_import)
{
	const struct way *way = &ways[_i];

	fixture_close();
	faultfs_install();
	fixture_open();
	for (int n = 1;; n = next(n)) {
		struct store_stats stats;
		bool fired;
		int status;

		ck_assert_int_lt(n, 100000);
		start_over();
		arm(way, n);
		status = import("m", "new");
		fired = fault_disarm();
		if (!fired) {
			ok(status);
			expect_sound(true);
			break;
		}
		if (status != 0)
			fixture_check_error(status);
		if (n % 2 == 0) {
			expect_sound(status == 0);
			/* temporaries may only stay where removing them was what failed */
			if (way->call != FAULT_UNLINK)
				ck_assert_int_eq(fixture_count("tmp"), 0);
		}
		if (n % 3 == 0) /* an orderly end must not hide what is left */
			fixture_close();
		else
			fixture_crash();
		fixture_open();
		ck_assert_int_eq(fixture_count("tmp"), 0);
		ok(store_stats_get(fx.store, &stats, &fx.err));
		ck_assert_int_eq(fixture_count("blobs"), (int)stats.blobs);
		expect_sound(status == 0);
		ok(import("m", "new"));
		expect_sound(true);
	}
}
END_TEST

START_TEST(every_call_of_a_removal)
{
	const struct way *way = &ways[_i];

	fixture_close();
	faultfs_install();
	fixture_open();
	for (int n = 1;; n = next(n)) {
		struct store_stats stats;
		struct store_verify seen;
		bool fired, there;
		int status;

		ck_assert_int_lt(n, 100000);
		start_over();
		arm(way, n);
		status = store_model_remove(fx.store, "m", NULL, &fx.err);
		fired = fault_disarm();
		if (status != 0)
			fixture_check_error(status);
		there = holds("m", "old");
		ck_assert(there || !fixture_reads("m", "main", "0", "old 0"));
		ck_assert_int_eq(there, status != 0);
		ck_assert(holds("kept", "kept"));
		fixture_crash();
		fixture_open();
		ck_assert(status != 0 || !holds("m", "old"));
		ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
		ck_assert_uint_eq(seen.damaged + seen.missing, 0);
		ok(store_stats_get(fx.store, &stats, &fx.err));
		ck_assert_int_eq(fixture_count("blobs"), (int)stats.blobs);
		ck_assert_uint_eq(stats.blobs, holds("m", "old") ? 6 : 3);
		if (!fired)
			break;
	}
}
END_TEST

/* A verify says what failed, and finds damage in nothing that is only hard to reach just now. */
START_TEST(every_call_of_a_verify)
{
	const struct way *way = &ways[_i];

	fixture_close();
	faultfs_install();
	fixture_open();
	for (int n = 1;; n = next(n)) {
		struct store_verify seen;
		bool fired;
		int status;

		ck_assert_int_lt(n, 100000);
		start_over();
		arm(way, n);
		status = store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err);
		fired = fault_disarm();
		if (status != 0)
			fixture_check_error(status);
		else
			ck_assert_uint_eq(seen.damaged + seen.missing, 0);
		ck_assert(holds("kept", "kept"));
		ck_assert(holds("m", "old"));
		fixture_crash();
		fixture_open();
		ck_assert_int_eq(fixture_count("snapshots"), 2);
		ck_assert_int_eq(fixture_count("models"), 2);
		expect_sound(false);
		if (!fired)
			break;
	}
}
END_TEST

START_TEST(every_call_of_a_first_start)
{
	const struct way *way = &ways[_i];

	fixture_close();
	faultfs_install();
	for (int n = 1;; n = next(n)) {
		int status;

		ck_assert_int_lt(n, 100000);
		fixture_teardown();
		fixture_setup_closed();
		arm(way, n);
		status = store_open(&(struct store_opts){.dir = fx.dir}, &fx.store, &fx.err);
		if (!fault_disarm()) {
			ok(status);
			break;
		}
		if (status != 0) {
			fixture_check_error(status);
			fixture_open();
		}
		ok(import("m", "new"));
		ck_assert(holds("m", "new"));
	}
}
END_TEST

/* ---- eviction, derived blobs ---------------------------------------------------------------- */

/* 62 bytes are stored at first (start_full), and 15 come; 33 can never go. */
enum { ROOM = 48 };

static struct store_digest source; /* of what is derived; not computed while calls fail */

static int put_derived(const char *kind, const char *text)
{
	struct store_derived made;

	return store_derived_put(fx.store, &source, kind, text, strlen(text), &made, &fx.err);
}

/* NULL: there is none. */
static bool derived_is(const char *kind, const char *text)
{
	struct store_digest want = fixture_digest(text != NULL ? text : "");
	struct store_derived found;

	if (store_derived_find(fx.store, &source, kind, &found, NULL) != 0)
		return text == NULL;
	return text != NULL && store_digest_equal(&found.digest, &want) &&
	       store_blob_has(fx.store, &want, NULL);
}

/* kept is pinned; m has an old snapshot without a name; o is a model; something is derived. */
static void start_full(void)
{
	fixture_close();
	fixture_teardown();
	fixture_setup();
	source = fixture_digest("kept 0");
	ok(import("kept", "kept"));
	ok(store_model_pin(fx.store, "kept", true, &fx.err));
	ok(import("m", "late"));
	ok(import("m", "old"));
	ok(import("o", "o"));
	ok(put_derived("gzip", "gz"));
}

static void limit(uint64_t max_bytes, uint64_t keep)
{
	store_evict_limits(fx.store,
			   &(struct store_limits){.max_bytes = max_bytes, .keep_snapshots = keep});
}

/* What was pinned and what is new are whole; what could be evicted is whole or gone. */
static void expect_full(bool there_for_sure)
{
	struct store_verify seen;
	struct store_stats stats;

	ck_assert(holds("kept", "kept"));
	ck_assert(holds("m", "old") || !fixture_reads("m", "main", "0", "old 0"));
	ck_assert(holds("o", "o") || !fixture_reads("o", "main", "0", "o 0"));
	ck_assert(holds("n", "new") || !fixture_reads("n", "main", "0", "new 0"));
	ck_assert(derived_is("gzip", "gz") || derived_is("gzip", NULL));
	if (there_for_sure)
		ck_assert(holds("n", "new"));
	ok(store_stats_get(fx.store, &stats, &fx.err));
	ck_assert_uint_eq(stats.reserved_bytes, 0);
	ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
	ck_assert_uint_eq(seen.damaged + seen.missing, 0);
	ok(store_stats_get(fx.store, &stats, &fx.err));
	ck_assert_int_eq(fixture_count("blobs"), (int)stats.blobs);
}

/* An import for which derived blobs, an old snapshot and a model have to go. */
START_TEST(every_call_of_an_import_that_evicts)
{
	const struct way *way = &ways[_i];

	fixture_close();
	faultfs_install();
	fixture_open();
	for (int n = 1;; n = next(n)) {
		struct store_stats stats;
		bool fired;
		int status;

		ck_assert_int_lt(n, 100000);
		start_full();
		limit(ROOM, STORE_KEEP_ALL);
		arm(way, n);
		status = import("n", "new");
		fired = fault_disarm();
		if (status != 0)
			fixture_check_error(status);
		ok(store_stats_get(fx.store, &stats, &fx.err));
		ck_assert(!fired || status != STORE_QUOTA);
		if (status == 0)
			ck_assert_uint_le(stats.blob_bytes, ROOM);
		if (n % 2 == 0)
			expect_full(status == 0);
		if (n % 3 == 0)
			fixture_close();
		else
			fixture_crash();
		fixture_open();
		expect_full(status == 0);
		limit(ROOM, STORE_KEEP_ALL);
		ok(import("n", "new"));
		expect_full(true);
		if (!fired) {
			ok(status);
			break;
		}
	}
}
END_TEST

/* Down to a lower limit, and without old snapshots. */
START_TEST(every_call_of_an_eviction)
{
	const struct way *way = &ways[_i];

	fixture_close();
	faultfs_install();
	fixture_open();
	for (int n = 1;; n = next(n)) {
		struct store_evicted out;
		struct store_stats stats;
		bool fired;
		int status;

		ck_assert_int_lt(n, 100000);
		start_full();
		limit(30, 0);
		arm(way, n);
		status = store_evict(fx.store, 0, NULL, NULL, &out, &fx.err);
		fired = fault_disarm();
		if (status != 0)
			fixture_check_error(status);
		ok(store_stats_get(fx.store, &stats, &fx.err));
		ck_assert_uint_eq(stats.evicted.models, out.models);
		ck_assert_uint_eq(stats.evicted.blobs, out.blobs);
		if (n % 2 == 0)
			expect_full(false);
		if (n % 3 == 0)
			fixture_close();
		else
			fixture_crash();
		fixture_open();
		expect_full(false);
		limit(30, 0);
		ok(store_evict(fx.store, 0, NULL, NULL, &out, &fx.err));
		ok(store_stats_get(fx.store, &stats, &fx.err));
		ck_assert_uint_le(stats.blob_bytes, 30);
		expect_full(false);
		if (!fired) {
			ok(status);
			break;
		}
	}
}
END_TEST

START_TEST(every_call_of_a_derived_put)
{
	const struct way *way = &ways[_i];

	fixture_close();
	faultfs_install();
	fixture_open();
	for (int n = 1;; n = next(n)) {
		struct store_verify seen;
		bool fired;
		int status;

		ck_assert_int_lt(n, 100000);
		start_full();
		arm(way, n);
		status = put_derived("gzip", "better");
		fired = fault_disarm();
		if (status != 0)
			fixture_check_error(status);
		ck_assert(derived_is("gzip", "better") ||
			  (status != 0 && derived_is("gzip", "gz")));
		if (n % 3 == 0)
			fixture_close();
		else
			fixture_crash();
		fixture_open();
		ck_assert(derived_is("gzip", "better") ||
			  (status != 0 && derived_is("gzip", "gz")));
		ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
		ck_assert_uint_eq(seen.damaged + seen.missing, 0);
		ok(put_derived("gzip", "better"));
		ck_assert(derived_is("gzip", "better"));
		ck_assert(holds("kept", "kept"));
		if (!fired) {
			ok(status);
			break;
		}
	}
}
END_TEST

Suite *check_store_faults(void)
{
	Suite *s = suite_create("store_faults");
	TCase *t = tcase_create("faults");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_loop_test(t, every_call_of_an_import, 0, WAYS);
	tcase_add_loop_test(t, every_call_of_a_removal, 0, WAYS);
	tcase_add_loop_test(t, every_call_of_a_verify, 0, WAYS);
	tcase_add_loop_test(t, every_call_of_a_first_start, 0, WAYS);
	tcase_add_loop_test(t, every_call_of_an_import_that_evicts, 0, WAYS);
	tcase_add_loop_test(t, every_call_of_an_eviction, 0, WAYS);
	tcase_add_loop_test(t, every_call_of_a_derived_put, 0, WAYS);
	suite_add_tcase(s, t);
	return s;
}
