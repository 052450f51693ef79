/* SPDX-License-Identifier: MIT */
/*
 * Instruction sets (runtime/cpu.c): names, and that a level includes those below.
 */
#include <config.h>

#include <string.h>

#include "runtime/runtime.h"
#include "tests/runtime/suites.h"

START_TEST(names_are_read_back)
{
	enum rt_cpu_level level;

	for (int i = 0; i < RT_CPU_LEVEL_COUNT; i++) {
		ck_assert(rt_cpu_level_parse(rt_cpu_level_name((enum rt_cpu_level)i), &level));
		ck_assert_int_eq((int)level, i);
	}
	ck_assert(rt_cpu_level_parse("best", &level));
	ck_assert_int_eq(level, rt_cpu_best());
	ck_assert(!rt_cpu_level_parse("AVX2", &level));
	ck_assert(!rt_cpu_level_parse("", &level));
}
END_TEST

START_TEST(levels_include_those_below)
{
	ck_assert(rt_cpu_has(RT_CPU_SCALAR));
	ck_assert(rt_cpu_has(rt_cpu_best()));
	ck_assert(!rt_cpu_has(RT_CPU_LEVEL_COUNT));
#if defined(__x86_64__)
	for (int i = RT_CPU_SSE41; i <= RT_CPU_AMX; i++) {
		if (rt_cpu_has((enum rt_cpu_level)i))
			ck_assert(rt_cpu_has((enum rt_cpu_level)(i - 1)));
	}
	ck_assert(!rt_cpu_has(RT_CPU_NEON));
#endif
}
END_TEST

Suite *check_runtime_cpu(void)
{
	Suite *suite = suite_create("runtime_cpu");
	TCase *c = tcase_create("cpu");

	tcase_add_test(c, names_are_read_back);
	tcase_add_test(c, levels_include_those_below);
	suite_add_tcase(suite, c);
	return suite;
}
