/* SPDX-License-Identifier: MIT */
/*
 * main() of every check program: runs the suites that tests/<area>/suites.def names.
 *
 * Makefile.am compiles it once per area with SUITES set to that file. A row SUITE(store_blob)
 * stands for `Suite *check_store_blob(void)` in tests/store/check_blob.c. With arguments, only
 * the suites named by them run; CK_RUN_CASE, CK_FORK and the rest of check's environment apply.
 * Nothing about a single suite belongs here.
 */
#include <config.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUITE(name) Suite *check_##name(void);
#include SUITES
#undef SUITE

static const struct {
	const char *name;
	Suite *(*make)(void);
} suites[] = {
#define SUITE(name) {#name, check_##name},
#include SUITES
#undef SUITE
    {NULL, NULL},
};

/* Is the suite wanted? Without arguments all are. */
static int wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], name) == 0)
			return 1;
	}
	return argc < 2;
}

int main(int argc, char **argv)
{
	SRunner *runner = srunner_create(NULL);
	int failed;

	for (size_t i = 0; suites[i].name != NULL; i++) {
		if (wanted(suites[i].name, argc, argv))
			srunner_add_suite(runner, suites[i].make());
	}
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
