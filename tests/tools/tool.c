/* SPDX-License-Identifier: MIT */
/* tool.c — see tool.h.  Used by tests/tools only. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tools/tool.h"

long tool_number(const char *name, const char *text, long min, long max)
{
	char *end = NULL;
	long v;

	errno = 0;
	v = text ? strtol(text, &end, 10) : 0;
	if (!text || end == text || *end || errno || v < min || v > max) {
		fprintf(stderr, "%s takes a number from %ld to %ld\n", name, min, max);
		exit(2);
	}
	return v;
}

bool tool_option(struct tool_opts *o, int argc, char **argv, int *i)
{
	const char *name = argv[*i];
	const char *value = *i + 1 < argc ? argv[*i + 1] : NULL;

	if (strcmp(name, "--list") == 0) {
		o->list = true;
		return true;
	}
	if (strcmp(name, "--threads") == 0) {
		o->threads = (int)tool_number(name, value, 1, 256);
		++*i;
		return true;
	}
	if (strcmp(name, "--cpu-level") == 0) {
		if (!value || !rt_cpu_level_parse(value, &o->cpu_level)) {
			fprintf(stderr, "--cpu-level takes scalar, sse41, avx2, avx512, …\n");
			exit(2);
		}
		if (!rt_cpu_has(o->cpu_level)) {
			fprintf(stderr, "this machine has no %s\n", value);
			exit(2);
		}
		++*i;
		return true;
	}
	return false;
}

/* What the child leaves for the parent. */
struct result {
	enum tool_outcome outcome;
	char text[8192];
};

static void run_child(struct result *r, int seconds, tool_case_f *fn, void *arg)
{
	pid_t child;
	int status = 0;

	fflush(NULL);
	child = fork();
	if (child < 0) {
		snprintf(r->text, sizeof r->text, "fork: %s", strerror(errno));
		return;
	}
	if (child == 0) {
		alarm((unsigned)seconds);
		r->outcome = fn(arg, r->text, sizeof r->text);
		fflush(NULL);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		r->outcome = TOOL_FAILED;
		if (WTERMSIG(status) == SIGALRM)
			snprintf(r->text, sizeof r->text, "did not end within %d s", seconds);
		else
			snprintf(r->text, sizeof r->text, "crashed: %s",
				 strsignal(WTERMSIG(status)));
	} else if (WEXITSTATUS(status) != 0) {
		r->outcome = TOOL_FAILED;
		snprintf(r->text, sizeof r->text, "stopped with exit code %d", WEXITSTATUS(status));
	}
}

void tool_case(struct tool_tally *t, const char *name, bool always, int seconds, tool_case_f *fn,
	       void *arg)
{
	struct result *r =
	    mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (r == MAP_FAILED) {
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	r->outcome = TOOL_FAILED;
	run_child(r, seconds, fn, arg);
	if (r->outcome == TOOL_PASSED) {
		t->passed++;
		if (always)
			printf("pass %s: %s\n", name, r->text);
	} else if (r->outcome == TOOL_SKIPPED) {
		t->skipped++;
		printf("SKIP %s: %s\n", name, r->text);
	} else {
		t->failed++;
		printf("FAIL %s: %s\n", name, r->text);
	}
	munmap(r, sizeof *r);
}

int tool_finish(const struct tool_tally *t)
{
	printf("%d passed, %d failed, %d skipped\n", t->passed, t->failed, t->skipped);
	return t->failed > 0 || t->passed + t->skipped == 0 ? 1 : 0;
}
