/* SPDX-License-Identifier: MIT */
/*
 * The runner behind tests/cross/check.h. Used only by cross-compiled tests; counts what passed and
 * failed and says so in the closing line that tests/run reads.
 */
#include <config.h>

#include <setjmp.h>

#include "tests/cross/check.h"

#define ENTRIES_MAX 256

struct cross_entry {
	cross_test_f *fn;
	const char *name;
	int first, end;
};
struct cross_case {
	struct cross_entry entries[ENTRIES_MAX];
	int count;
	void (*setup)(void), (*teardown)(void);
	TCase *next;
};
struct cross_suite {
	const char *name;
	TCase *cases, **tail;
	Suite *next;
};
struct cross_runner {
	Suite *suites, **tail;
	int passed, failed;
};

static jmp_buf failed_here;

/* Zeroed memory that lives until the process ends. */
static void *keep(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL) {
		fputs("out of memory\n", stderr);
		exit(2);
	}
	return p;
}

Suite *suite_create(const char *name)
{
	Suite *suite = keep(sizeof(*suite));

	suite->name = name;
	suite->tail = &suite->cases;
	return suite;
}

TCase *tcase_create(const char *name)
{
	(void)name;
	return keep(sizeof(TCase));
}

void suite_add_tcase(Suite *suite, TCase *tcase)
{
	*suite->tail = tcase;
	suite->tail = &tcase->next;
}

void tcase_set_timeout(TCase *tcase, double seconds)
{
	(void)tcase;
	(void)seconds;
}

void tcase_add_checked_fixture(TCase *tcase, void (*setup)(void), void (*teardown)(void))
{
	tcase->setup = setup;
	tcase->teardown = teardown;
}

void tcase_add_unchecked_fixture(TCase *tcase, void (*setup)(void), void (*teardown)(void))
{
	tcase_add_checked_fixture(tcase, setup, teardown);
}

void cross_add(TCase *tcase, cross_test_f *fn, const char *name, int first, int end)
{
	if (tcase->count == ENTRIES_MAX) {
		fputs("more tests in one case than ENTRIES_MAX\n", stderr);
		exit(2);
	}
	tcase->entries[tcase->count++] =
	    (struct cross_entry){.fn = fn, .name = name, .first = first, .end = end};
}

SRunner *srunner_create(Suite *suite)
{
	SRunner *runner = keep(sizeof(*runner));

	runner->tail = &runner->suites;
	if (suite != NULL)
		srunner_add_suite(runner, suite);
	return runner;
}

void srunner_add_suite(SRunner *runner, Suite *suite)
{
	*runner->tail = suite;
	runner->tail = &suite->next;
}

void cross_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	printf("%s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	longjmp(failed_here, 1);
}

/* One test; what it asserts comes back here. */
static bool test_passes(const TCase *tcase, const struct cross_entry *entry, int i)
{
	if (setjmp(failed_here) != 0)
		return false;
	if (tcase->setup != NULL)
		tcase->setup();
	entry->fn(i);
	if (tcase->teardown != NULL)
		tcase->teardown();
	return true;
}

static void run_entry(SRunner *runner, const TCase *tcase, const struct cross_entry *entry)
{
	for (int i = entry->first; i < entry->end; i++) {
		if (test_passes(tcase, entry, i)) {
			runner->passed++;
			continue;
		}
		runner->failed++;
		printf("FAIL %s(%d)\n", entry->name, i);
	}
}

void srunner_run_all(SRunner *runner, enum print_output mode)
{
	(void)mode;
	for (const Suite *s = runner->suites; s != NULL; s = s->next) {
		for (const TCase *c = s->cases; c != NULL; c = c->next) {
			for (int i = 0; i < c->count; i++)
				run_entry(runner, c, &c->entries[i]);
		}
	}
	printf("%d passed, %d failed, 0 skipped\n", runner->passed, runner->failed);
}

int srunner_ntests_failed(SRunner *runner)
{
	return runner->failed;
}

void srunner_free(SRunner *runner)
{
	(void)runner; /* everything lives until the process ends */
}
