/* SPDX-License-Identifier: MIT */
/* check_pull_names.c — daemon/pull_names.c: names over restarts, and the file that holds them. */
#include <config.h>

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/job.h"
#include "daemon/pull_names.h"
#include "daemon/settings.h"
#include "daemon/state_file.h"

Suite *check_pull_names(void);

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char path[40], file[80];
static struct settings settings;
static uv_loop_t loop;
static struct context ctx = {.loop = &loop, .settings = &settings};
static struct pull_names *names;

static void setup(void)
{
	memcpy(path, "/tmp/check-names-XXXXXX", sizeof("/tmp/check-names-XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(path));
	(void)snprintf(file, sizeof(file), "%s/upstream-names", path);
	settings = (struct settings){.state_dir = path};
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	names = pull_names_open(&ctx);
	ck_assert_ptr_nonnull(names);
}

/* What was touched is written, then it is closed. */
static void close_names(void)
{
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_uint_eq(job_background_count(), 0);
	pull_names_close(names);
}

static void reopen(void)
{
	close_names();
	names = pull_names_open(&ctx);
	ck_assert_ptr_nonnull(names);
}

static void teardown(void)
{
	close_names();
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	(void)unlink(file);
	ck_assert_int_eq(rmdir(path), 0);
}

static void keep(const char *model, const char *commit)
{
	struct pull_name *name = pull_names_set(names, model, "main", "hub", commit);

	ck_assert_ptr_nonnull(name);
	pull_names_keep(names, name);
}

static void is(const char *model, const char *commit)
{
	const struct pull_name *name = pull_names_find(names, model, "main");

	if (commit == NULL) {
		ck_assert_ptr_null(name);
		return;
	}
	ck_assert_ptr_nonnull(name);
	ck_assert_str_eq(name->upstream, "hub");
	ck_assert_str_eq(name->commit, commit);
	ck_assert(name->kept && name->stored);
	ck_assert_int_gt(name->checked_s, 1600000000);
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* Lines that are not blank. */
static unsigned lines(void)
{
	char line[3000];
	unsigned n = 0;
	FILE *f = fopen(file, "r");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += line[0] != '\n';
	(void)fclose(f);
	return n;
}

static off_t bytes(void)
{
	struct stat st;

	ck_assert_int_eq(stat(file, &st), 0);
	return st.st_size;
}

START_TEST(test_kept)
{
	keep("org/m", A);
	keep("n", "");
	/* nothing of it is stored: it is not written down */
	ck_assert_ptr_nonnull(pull_names_set(names, "o", "main", "hub", A));
	reopen();
	is("org/m", A);
	is("n", "");
	is("o", NULL);
	ck_assert_uint_eq(lines(), 2);
	ck_assert(pull_names_any(names));
}
END_TEST

START_TEST(test_moved)
{
	keep("m", A);
	keep("n", "");
	keep("o", A);
	reopen();
	/* as long as before, longer, shorter; and one that is set, and kept by another's write */
	keep("m", B);
	keep("n", B);
	keep("o", "");
	reopen();
	is("m", B);
	is("n", B);
	is("o", "");
	ck_assert_uint_eq(lines(), 3);
	ck_assert_ptr_nonnull(pull_names_set(names, "m", "main", "hub", A));
	keep("p", A);
	reopen();
	is("m", A);
	ck_assert_uint_eq(lines(), 4);
}
END_TEST

START_TEST(test_listed_for_nothing)
{
	struct pull_name *name = pull_names_set(names, "m", "main", "hub", A);
	uint64_t version;
	char *text = pull_names_list(names, name, &version);

	ck_assert_ptr_nonnull(strstr(text, "m\tmain\thub\t" A "\t1"));
	ck_assert(state_file_put(pull_names_keeper(names), text, version));
	free(text);
	ck_assert_uint_eq(lines(), 1);
	pull_names_drop(names, name);
	reopen();
	is("m", NULL);
	/* of one that has files it is not taken back */
	keep("m", A);
	pull_names_drop(names, pull_names_find(names, "m", "main"));
	reopen();
	is("m", A);
}
END_TEST

START_TEST(test_foreign_lines)
{
	char text[6000] = "m\tmain\thub\t" A "\t1700000000\n"
			  "\n"
			  "no tabs\n"
			  "../x\tmain\thub\t" A "\t1700000000\n"
			  "y\tmain\thub\t" A "x\t1700000000\n"
			  "m\tmain\thub\t" B "\t1700000001\n";
	size_t at = strlen(text);

	memset(text + at, 'z', 4000); /* a line that is longer than any of ours */
	(void)snprintf(text + at + 4000, sizeof(text) - at - 4000,
		       "\tmain\thub\t\t1700000000\nlast\tmain\thub\t\t1700000000");
	close_names();
	write_file(text);
	names = pull_names_open(&ctx);
	is("m", A);
	is("last", "");
	is("y", NULL);
	keep("n", B);
	reopen();
	ck_assert_uint_eq(lines(), 3);
	is("m", A);
	is("last", "");
	is("n", B);
}
END_TEST

/* Lines that come and go do not add up. */
START_TEST(test_blank_lines_go)
{
	char model[40];

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 1000; i++) {
			(void)snprintf(model, sizeof(model), "org/model-%u", i);
			keep(model, (round + i) % 2 == 0 ? A : "");
		}
	}
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_lt(bytes(), 400000);
	reopen();
	ck_assert_uint_eq(lines(), 1000);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(model, sizeof(model), "org/model-%u", i);
		is(model, (19 + i) % 2 == 0 ? A : "");
	}
}
END_TEST

Suite *check_pull_names(void)
{
	Suite *s = suite_create("pull_names");
	TCase *tc = tcase_create("pull_names");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_kept);
	tcase_add_test(tc, test_moved);
	tcase_add_test(tc, test_listed_for_nothing);
	tcase_add_test(tc, test_foreign_lines);
	tcase_add_test(tc, test_blank_lines_go);
	suite_add_tcase(s, tc);
	return s;
}
