/* SPDX-License-Identifier: MIT */
/*
 * As much of the check framework's interface as tests of pure functions need, for targets that
 * have no libcheck: the cross-compiled kernel tests (check_neon.sh). Tests run in one process, in
 * order; the first failed assertion ends a test. The native tests use the real framework.
 */
#ifndef LARDER_TESTS_CROSS_CHECK_H
#define LARDER_TESTS_CROSS_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct cross_suite Suite;
typedef struct cross_case TCase;
typedef struct cross_runner SRunner;
typedef void cross_test_f(int _i);

enum print_output { CK_SILENT, CK_MINIMAL, CK_NORMAL, CK_VERBOSE, CK_ENV };

/* All objects live until the process ends. A NULL suite for a runner is allowed. */
Suite *suite_create(const char *name);
TCase *tcase_create(const char *name);
void suite_add_tcase(Suite *suite, TCase *tcase);
void tcase_set_timeout(TCase *tcase, double seconds); /* without effect: nothing forks */
void tcase_add_checked_fixture(TCase *tcase, void (*setup)(void), void (*teardown)(void));
void tcase_add_unchecked_fixture(TCase *tcase, void (*setup)(void), void (*teardown)(void));
/* Calls fn(first), …, fn(end - 1), each a test of its own. */
void cross_add(TCase *tcase, cross_test_f *fn, const char *name, int first, int end);

SRunner *srunner_create(Suite *suite);
void srunner_add_suite(SRunner *runner, Suite *suite);
void srunner_run_all(SRunner *runner, enum print_output mode); /* prints the closing line */
int srunner_ntests_failed(SRunner *runner);
void srunner_free(SRunner *runner);

/* Ends the running test as failed, with a message. */
_Noreturn void cross_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define START_TEST(name) static void name(int _i __attribute__((unused)))
#define END_TEST
#define tcase_add_test(tcase, fn) cross_add(tcase, fn, #fn, 0, 1)
#define tcase_add_loop_test(tcase, fn, first, end) cross_add(tcase, fn, #fn, first, end)

#define ck_abort_msg(...) cross_fail(__FILE__, __LINE__, __VA_ARGS__)
#define ck_assert_msg(cond, ...) ((cond) ? (void)0 : cross_fail(__FILE__, __LINE__, __VA_ARGS__))
#define ck_assert(cond) ck_assert_msg(cond, "%s", #cond)

#define CROSS_COMPARE(type, format, a, op, b)                                                      \
	do {                                                                                       \
		type cross_a = (a), cross_b = (b);                                                 \
		ck_assert_msg(cross_a op cross_b, "%s " #op " %s: " format ", " format, #a, #b,    \
			      cross_a, cross_b);                                                   \
	} while (0)
#define ck_assert_int_eq(a, b) CROSS_COMPARE(intmax_t, "%jd", a, ==, b)
#define ck_assert_int_ne(a, b) CROSS_COMPARE(intmax_t, "%jd", a, !=, b)
#define ck_assert_int_lt(a, b) CROSS_COMPARE(intmax_t, "%jd", a, <, b)
#define ck_assert_int_le(a, b) CROSS_COMPARE(intmax_t, "%jd", a, <=, b)
#define ck_assert_int_gt(a, b) CROSS_COMPARE(intmax_t, "%jd", a, >, b)
#define ck_assert_int_ge(a, b) CROSS_COMPARE(intmax_t, "%jd", a, >=, b)
#define ck_assert_uint_eq(a, b) CROSS_COMPARE(uintmax_t, "%ju", a, ==, b)
#define ck_assert_uint_ne(a, b) CROSS_COMPARE(uintmax_t, "%ju", a, !=, b)
#define ck_assert_uint_lt(a, b) CROSS_COMPARE(uintmax_t, "%ju", a, <, b)
#define ck_assert_uint_le(a, b) CROSS_COMPARE(uintmax_t, "%ju", a, <=, b)
#define ck_assert_uint_gt(a, b) CROSS_COMPARE(uintmax_t, "%ju", a, >, b)
#define ck_assert_uint_ge(a, b) CROSS_COMPARE(uintmax_t, "%ju", a, >=, b)
#define ck_assert_ptr_eq(a, b) CROSS_COMPARE(const void *, "%p", a, ==, b)
#define ck_assert_ptr_ne(a, b) CROSS_COMPARE(const void *, "%p", a, !=, b)
#define ck_assert_ptr_null(a) CROSS_COMPARE(const void *, "%p", a, ==, NULL)
#define ck_assert_ptr_nonnull(a) CROSS_COMPARE(const void *, "%p", a, !=, NULL)
#define ck_assert_float_eq(a, b) CROSS_COMPARE(double, "%g", a, ==, b)
#define ck_assert_double_eq(a, b) CROSS_COMPARE(double, "%g", a, ==, b)
#define ck_assert_double_le(a, b) CROSS_COMPARE(double, "%g", a, <=, b)
#define ck_assert_double_lt(a, b) CROSS_COMPARE(double, "%g", a, <, b)
#define ck_assert_str_eq(a, b) ck_assert_msg(strcmp(a, b) == 0, "%s == %s: %s, %s", #a, #b, a, b)
#define ck_assert_mem_eq(a, b, n) ck_assert_msg(memcmp(a, b, n) == 0, "%s == %s", #a, #b)
#define ck_assert_float_eq_tol(a, b, tol) ck_assert_double_eq_tol(a, b, tol)
#define ck_assert_double_eq_tol(a, b, tol)                                                         \
	do {                                                                                       \
		double cross_a = (a), cross_b = (b), cross_d = cross_a - cross_b;                  \
		ck_assert_msg((cross_d < 0 ? -cross_d : cross_d) < (tol),                          \
			      "%s == %s within %s: %g, %g", #a, #b, #tol, cross_a, cross_b);       \
	} while (0)

#endif
