/* SPDX-License-Identifier: MIT */
/* check_pull_marks.c — daemon/pull_marks.c: marks that share a set, and when they are written. */
#include <config.h>

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/job.h"
#include "daemon/pull_marks.h"
#include "daemon/settings.h"

Suite *check_pull_marks(void);

#define FILE_NAME "upstream-marks"
#define WAYS 8u

static char path[40];
static struct settings settings;
static uv_loop_t loop;
static struct context ctx = {.loop = &loop, .settings = &settings};
static struct pull_marks *m;

static void setup(void)
{
	memcpy(path, "/tmp/check-marks-XXXXXX", sizeof("/tmp/check-marks-XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(path));
	settings = (struct settings){.state_dir = path};
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	m = pull_marks_open(&ctx);
	ck_assert_ptr_nonnull(m);
}

static void close_marks(void)
{
	pull_marks_close(m);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
}

static void reopen(void)
{
	close_marks();
	m = pull_marks_open(&ctx);
}

static void teardown(void)
{
	char name[80];

	close_marks();
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	(void)snprintf(name, sizeof(name), "%s/" FILE_NAME, path);
	(void)unlink(name);
	ck_assert_int_eq(rmdir(path), 0);
}

/* Keys whose first two bytes are the same are of one set. */
static struct store_digest digest(unsigned set, unsigned n)
{
	struct store_digest d = {.bytes = {(unsigned char)(set >> 8), (unsigned char)set}};

	d.bytes[30] = (unsigned char)(n >> 8);
	d.bytes[31] = (unsigned char)n;
	return d;
}

static void set(unsigned of, unsigned n)
{
	struct store_digest key = digest(of, n), content = digest(77, n);

	pull_marks_set(m, &key, "\"an ETag\"", 1000 + n, &content);
}

static bool knows(unsigned of, unsigned n)
{
	struct store_digest key = digest(of, n), content = digest(77, n), found;

	return pull_marks_find(m, &key, "\"an ETag\"", 1000 + n, &found) &&
	       store_digest_equal(&found, &content);
}

START_TEST(test_found)
{
	struct store_digest key = digest(5, 1), found;

	set(5, 1);
	ck_assert(knows(5, 1));
	ck_assert(!knows(5, 2));
	ck_assert(!pull_marks_find(m, &key, "\"another\"", 1001, &found));
	ck_assert(!pull_marks_find(m, &key, "\"an ETag\"", 1002, &found));
	/* what says nothing is not known again */
	pull_marks_set(m, &key, "", 1001, &key);
	ck_assert(!pull_marks_find(m, &key, "", 1001, &found));
	ck_assert(knows(5, 1));
}
END_TEST

/* Files whose keys meet do not drive each other out; of more than there is room for, the oldest. */
START_TEST(test_sets)
{
	for (unsigned n = 0; n < WAYS; n++)
		set(9, n);
	for (unsigned n = 0; n < WAYS; n++)
		ck_assert_msg(knows(9, n), "%u", n);
	set(9, 0); /* seen again: now 1 is the oldest */
	reopen();  /* the order is kept, too */
	set(9, WAYS);
	for (unsigned n = 0; n <= WAYS; n++)
		ck_assert_msg(knows(9, n) == (n != 1), "%u", n);
}
END_TEST

START_TEST(test_many)
{
	unsigned known = 0;

	for (unsigned n = 0; n < 4000; n++)
		set(n * 7919, n);
	reopen();
	for (unsigned n = 0; n < 4000; n++)
		known += knows(n * 7919, n);
	ck_assert_uint_eq(known, 4000); /* by 1024 sets in turn: 4 in each */
}
END_TEST

/* The file as it is: 0 when there is none. */
static ino_t file(void)
{
	char name[80];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%s/" FILE_NAME, path);
	return stat(name, &st) == 0 ? st.st_ino : 0;
}

START_TEST(test_written_together)
{
	uint64_t begin = uv_hrtime();

	for (unsigned n = 0; n < 100; n++)
		set(n, n);
	ck_assert_uint_eq(job_background_count(), 0);
	ck_assert_uint_eq(file(), 0);
	(void)uv_run(&loop, UV_RUN_DEFAULT); /* until nothing is left to be done */
	ck_assert_uint_ge((uv_hrtime() - begin) / 1000000, 900);
	ck_assert_uint_ne(file(), 0);
	/* nothing new: nothing is written */
	set(3, 3);
	begin = uv_hrtime();
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_uint_lt((uv_hrtime() - begin) / 1000000, 500);
}
END_TEST

Suite *check_pull_marks(void)
{
	Suite *s = suite_create("pull_marks");
	TCase *tc = tcase_create("pull_marks");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_found);
	tcase_add_test(tc, test_sets);
	tcase_add_test(tc, test_many);
	tcase_add_test(tc, test_written_together);
	suite_add_tcase(s, tc);
	return s;
}
