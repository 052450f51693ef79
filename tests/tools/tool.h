/* SPDX-License-Identifier: MIT */
/*
 * tool.h — what the test tools share beyond files: the common options, the
 * tally with its closing line, and a case run in a process of its own, so that
 * a crash or a hang of one case is that case's failure.
 */
#ifndef LARDER_TESTS_TOOLS_TOOL_H
#define LARDER_TESTS_TOOLS_TOOL_H

#include "runtime/runtime.h"

struct tool_opts {
	enum rt_cpu_level cpu_level;
	int threads;
	bool list;
};

/* tool_option(o, argc, argv, i): takes `--cpu-level L`, `--threads N`, `--list` at argv[*i]; true
 * if it was one of them.  Exits 2 with a message when its value is missing or wrong. */
bool tool_option(struct tool_opts *o, int argc, char **argv, int *i);
/* tool_number(name, text, min, max): a decimal number, or exit 2. */
long tool_number(const char *name, const char *text, long min, long max);

enum tool_outcome { TOOL_PASSED, TOOL_FAILED, TOOL_SKIPPED };
struct tool_tally {
	int passed, failed, skipped;
};
/* A case: returns its outcome, and for all but a quiet pass says why in ${text}. */
typedef enum tool_outcome tool_case_f(void *arg, char *text, size_t size);

/*
 * tool_case(tally, name, always, seconds, fn, arg): run fn in a child, at most
 * ${seconds} long; count it; print `FAIL name: text` (or SKIP) unless it passed,
 * and with ${always} a line for a pass too.
 */
void tool_case(struct tool_tally *t, const char *name, bool always, int seconds, tool_case_f *fn,
	       void *arg);
/* tool_finish(t): print the closing line; the exit code. */
int tool_finish(const struct tool_tally *t);

#endif
