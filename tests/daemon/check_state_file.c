/* SPDX-License-Identifier: MIT */
/* check_state_file.c — daemon/state_file.c: the old text or the new one, whatever goes wrong. */
#include <config.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/job.h"
#include "daemon/state_file.h"

Suite *check_state_file(void);

static char path[32];
static int dir;

static void setup(void)
{
	memcpy(path, "/tmp/check-state-XXXXXX", sizeof("/tmp/check-state-XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir, 0);
}

static void teardown(void)
{
	(void)unlinkat(dir, "list", 0);
	(void)unlinkat(dir, "list", AT_REMOVEDIR);
	(void)unlinkat(dir, "list" STATE_FILE_NEW, 0);
	(void)close(dir);
	ck_assert_int_eq(rmdir(path), 0); /* nothing else was left there */
}

static void has(const char *text)
{
	char *found = state_file_read(dir, "list", 1000);

	ck_assert_ptr_nonnull(found);
	ck_assert_str_eq(found, text);
	free(found);
}

static bool is_there(const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

START_TEST(test_replaced)
{
	struct stat st;

	ck_assert(state_file_write(dir, "list", "one\n"));
	has("one\n");
	ck_assert_int_eq(fstatat(dir, "list", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	/* what a process that was killed left behind is in nobody's way */
	ck_assert_int_eq(linkat(dir, "list", dir, "list" STATE_FILE_NEW, 0), 0);
	ck_assert_int_eq(unlinkat(dir, "list", 0), 0);
	ck_assert(state_file_write(dir, "list", ""));
	has("");
	ck_assert(state_file_write(dir, "list", "three"));
	has("three");
	ck_assert(!is_there("list" STATE_FILE_NEW));
}
END_TEST

static void unread(int why)
{
	errno = 0;
	ck_assert_ptr_null(state_file_read(dir, "list", 4));
	ck_assert_int_eq(errno, why);
}

START_TEST(test_unreadable)
{
	int fd;

	unread(ENOENT);
	ck_assert(state_file_write(dir, "list", "12345"));
	unread(EFBIG);
	ck_assert(state_file_write(dir, "list", "1234"));
	has("1234");
	fd = openat(dir, "list", O_WRONLY | O_TRUNC | O_CLOEXEC);
	ck_assert_int_eq(write(fd, "1\0002", 3), 3);
	(void)close(fd);
	unread(EINVAL);
	ck_assert_int_eq(unlinkat(dir, "list", 0), 0);
	ck_assert_int_eq(symlinkat("/etc/hostname", dir, "list"), 0);
	unread(ELOOP);
	ck_assert_int_eq(unlinkat(dir, "list", 0), 0);
	ck_assert_int_eq(mkfifoat(dir, "list", 0600), 0); /* nobody waits for it */
	unread(EINVAL);
	ck_assert_int_eq(unlinkat(dir, "list", 0), 0);
	ck_assert_int_eq(mkdirat(dir, "list", 0700), 0);
	unread(EINVAL);
}
END_TEST

/* A write that breaks off in the middle, as on a disk that is full. */
START_TEST(test_broken_off)
{
	static char big[100001];
	struct rlimit was, less;

	memset(big, 'x', sizeof(big) - 1);
	ck_assert(state_file_write(dir, "list", "old"));
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
	less = was;
	less.rlim_cur = 50000;
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &less), 0);
	errno = 0;
	ck_assert(!state_file_write(dir, "list", big));
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
	(void)signal(SIGXFSZ, SIG_DFL);
	has("old");
	ck_assert(!is_there("list" STATE_FILE_NEW));
}
END_TEST

START_TEST(test_no_place)
{
	ck_assert_int_eq(mkdirat(dir, "list", 0700), 0); /* no file can take its place */
	errno = 0;
	ck_assert(!state_file_write(dir, "list", "new"));
	ck_assert_int_eq(errno, EISDIR);
	ck_assert(!is_there("list" STATE_FILE_NEW));
	ck_assert_int_eq(unlinkat(dir, "list", AT_REMOVEDIR), 0);
	errno = 0;
	ck_assert(!state_file_write(-1, "list", "new"));
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

/* ---- keepers ------------------------------------------------------------------------------------
 */

static uv_loop_t loop;
static struct context ctx = {.loop = &loop};
static int number, texts;

static char *text_of(void *arg)
{
	char text[16];

	ck_assert_ptr_eq(arg, &number);
	texts++;
	(void)snprintf(text, sizeof(text), "%d", number);
	return strdup(text);
}

START_TEST(test_keeper)
{
	struct state_file_keeper k;

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	state_file_keep(&k, &ctx, dir, "list", text_of, &number);
	texts = 0;
	for (number = 1; number <= 5; number++) {
		state_file_touch(&k);
		ck_assert_uint_eq(job_background_count(), 1); /* never two of one file */
	}
	number = 6;
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	has("6"); /* as it was when the second write began: after all changes */
	ck_assert_int_eq(texts, 2);
	number = 7;
	state_file_touch(&k);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	has("7");
	ck_assert_int_eq(texts, 3);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

/* Texts of several requests are written by several threads, in whichever order. */
START_TEST(test_older_text_comes_later)
{
	struct state_file_keeper k;
	uint64_t first, second, third;
	char *text;

	state_file_keep(&k, &ctx, dir, "list", text_of, &number);
	number = 1;
	text = state_file_text(&k, &first);
	ck_assert_str_eq(text, "1");
	free(text);
	free(state_file_text(&k, &second));
	free(state_file_text(&k, &third));
	ck_assert(state_file_put(&k, "2", second));
	ck_assert(state_file_put(&k, "1", first)); /* something newer is there: that will do */
	has("2");
	ck_assert(state_file_put(&k, "3", third));
	has("3");
}
END_TEST

/* A newer one that could not be written does not keep an older one out. */
START_TEST(test_newer_text_fails)
{
	struct state_file_keeper k;
	uint64_t first, second;

	state_file_keep(&k, &ctx, dir, "list", text_of, &number);
	free(state_file_text(&k, &first));
	free(state_file_text(&k, &second));
	ck_assert_int_eq(mkdirat(dir, "list", 0700), 0);
	ck_assert(!state_file_put(&k, "2", second));
	ck_assert_int_eq(unlinkat(dir, "list", AT_REMOVEDIR), 0);
	ck_assert(state_file_put(&k, "1", first));
	has("1");
}
END_TEST

Suite *check_state_file(void)
{
	Suite *s = suite_create("state_file");
	TCase *tc = tcase_create("state_file");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_replaced);
	tcase_add_test(tc, test_unreadable);
	tcase_add_test(tc, test_broken_off);
	tcase_add_test(tc, test_no_place);
	tcase_add_test(tc, test_keeper);
	tcase_add_test(tc, test_older_text_comes_later);
	tcase_add_test(tc, test_newer_text_fails);
	suite_add_tcase(s, tc);
	return s;
}
