/* SPDX-License-Identifier: MIT */
/*
 * Read errors under a map (runtime/guard.c): a file of weights that is cut short
 * while it is mapped costs the run that touches it.
 */
#include <config.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/guard.h"
#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

enum { ELEMS = 1 << 16 };

static uint8_t *mapped;
static size_t mapped_size;

static int find(void *arg, const char *location, struct rt_bytes *out)
{
	(void)arg, (void)location;
	*out = (struct rt_bytes){mapped, mapped_size};
	return RT_OK;
}

static const struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR, .find = find};

/* A file of ones, mapped. */
static int map_weights(void)
{
	static float ones[ELEMS];
	int fd = memfd_create("weights", 0);

	for (int i = 0; i < ELEMS; i++)
		ones[i] = 1;
	mapped_size = sizeof(ones);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, ones, sizeof(ones)), (ssize_t)sizeof(ones));
	mapped = mmap(NULL, mapped_size, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert(mapped != MAP_FAILED);
	return fd;
}

/* y = x + w, or x · w with w packed; w in the mapped file. */
static void build(struct opened *o, const char *op)
{
	static int64_t dims[] = {ELEMS / 256, 256}, square[] = {256, ELEMS / 256};
	struct pbuild t = {0}, e = {0};
	bool add = strcmp(op, "Add") == 0;

	pbuild_model(&o->m, 13);
	pbuild_input(&o->m, "x", 1, 2, dims);
	pbuild_tensor(&t, "w", 1, 2, add ? dims : square, NULL, 0);
	pbuild_string(&e, 1, "location");
	pbuild_string(&e, 2, "w.bin");
	pbuild_message(&t, 13, &e);
	pbuild_int(&t, 14, 1);
	pbuild_init(&o->m, &t);
	pbuild_node(&o->m, op, "x w", "y", NULL);
	pbuild_output(&o->m, "y", 1);
}

START_TEST(a_lost_page_costs_a_copy)
{
	static char out[4 * ELEMS];
	int fd = map_weights();

	ck_assert_int_eq(rt_guard_install(), RT_OK);
	ck_assert_int_eq(rt_guard_copy(out, mapped, sizeof(out)), RT_OK);
	ck_assert_mem_eq(out, mapped, sizeof(out));
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	ck_assert_int_eq(rt_guard_copy(out, mapped, sizeof(out)), RT_IO);
	ck_assert_int_eq(rt_guard_copy(out, mapped, 4096), RT_OK);
	(void)munmap(mapped, mapped_size);
	(void)close(fd);
}
END_TEST

START_TEST(a_lost_page_costs_a_run)
{
	static float x[ELEMS];
	int64_t dims[] = {ELEMS / 256, 256};
	struct rt_tensor in = opened_f32(x, 2, dims), out;
	struct opened o = {.model = NULL};
	struct rt_session *second;
	int fd = map_weights();

	ck_assert_int_eq(rt_guard_install(), RT_OK);
	build(&o, "Add");
	opened_open(&o, &opts);
	opened_run(&o, &in, &out);
	ck_assert(((float *)out.data)[ELEMS - 1] == 1);
	for (int round = 0; round < 3; round++) {
		ck_assert_int_eq(ftruncate(fd, round * 4096), 0);
		ck_assert_int_eq(rt_session_open(o.model, opened_team, &second, &opened_err),
				 RT_OK);
		ck_assert_int_eq(rt_session_run(second, &in, &out, NULL, NULL, &opened_err), RT_IO);
		rt_session_close(second);
		/* The file is whole again, with zeros; the team works as before. */
		ck_assert_int_eq(ftruncate(fd, (off_t)mapped_size), 0);
		ck_assert_int_eq(rt_session_open(o.model, opened_team, &second, &opened_err),
				 RT_OK);
		ck_assert_int_eq(rt_session_run(second, &in, &out, NULL, NULL, &opened_err), RT_OK);
		ck_assert(((float *)out.data)[ELEMS - 1] == 0);
		rt_session_close(second);
	}
	opened_close(&o);
	(void)close(fd);
}
END_TEST

START_TEST(a_lost_page_costs_a_model)
{
	struct opened o = {.model = NULL};
	int fd = map_weights();

	ck_assert_int_eq(rt_guard_install(), RT_OK);
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	build(&o, "MatMul"); /* whose weights are packed when it is opened */
	ck_assert_int_eq(opened_try(&o, &opts), RT_IO);
	ck_assert_ptr_nonnull(strstr(opened_err.text, "cannot be read"));
	opened_close(&o);
	(void)close(fd);
}
END_TEST

/* The sanitizers' own handlers end the process in ways of their own: none for this signal. */
#define OPTIONS(name)                                                                              \
	__attribute__((visibility("default"))) const char *name(void);                             \
	const char *name(void)                                                                     \
	{                                                                                          \
		return "handle_sigbus=0";                                                          \
	}
OPTIONS(__asan_default_options) /* NOLINT(bugprone-reserved-identifier): theirs */
OPTIONS(__tsan_default_options) /* NOLINT(bugprone-reserved-identifier): theirs */

/* In a child: 0 reads without a guard, 1 sends the signal, 2 reads under a guard. */
static void die(int way, int fd)
{
	struct rt_guard g;

	(void)alarm(20);
	if (rt_guard_install() != RT_OK || rt_guard_install() != RT_OK)
		_exit(1);
	if (way != 1 && ftruncate(fd, 0) != 0)
		_exit(1);
	if (way == 0)
		_exit(((volatile uint8_t *)mapped)[100] + 3);
	rt_guard_push(&g);
	if (sigsetjmp(g.at, 0) != 0)
		_exit(2);
	if (way == 1)
		(void)raise(SIGBUS);
	_exit(((volatile uint8_t *)mapped)[100] + 3);
}

/* Without a guard, and when it is sent by hand, SIGBUS means what it always did. */
START_TEST(other_sigbus_still_kills)
{
	for (int way = 0; way < 3; way++) {
		int fd = map_weights(), status;
		pid_t child = fork();

		ck_assert_int_ge(child, 0);
		if (child == 0)
			die(way, fd);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		if (way < 2)
			ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
		else
			ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 2);
		(void)close(fd);
	}
}
END_TEST

/* Its handler of SIGBUS ends a process in its own way.  gcc says so by a macro, clang by a feature.
 */
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN true
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN false
#endif

Suite *check_runtime_guard(void)
{
	Suite *suite = suite_create("runtime_guard");
	TCase *c = tcase_create("guard");

	tcase_add_checked_fixture(c, opened_start, opened_stop);
	tcase_add_test(c, a_lost_page_costs_a_copy);
	tcase_add_test(c, a_lost_page_costs_a_run);
	tcase_add_test(c, a_lost_page_costs_a_model);
	if (!UNDER_ASAN)
		tcase_add_test(c, other_sigbus_still_kills);
	suite_add_tcase(suite, c);
	return suite;
}
