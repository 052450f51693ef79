/* SPDX-License-Identifier: MIT */
/*
 * ctl_follow.c — a job watched to its end: bars on a terminal, lines where
 * there is none.  Called by ctl_warm.c and ctl_jobs.c.
 */
#include <config.h>

#include "daemon/ctl_follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "daemon/ctl.h"

#define POLL_NS 200000000L
#define LINE_EVERY_S 5
#define LEFT_MAX_S (1000.0 * 3600) /* what takes longer is not told */
#define BARS_MAX 20
#define BAR_CHARS 24

struct follow {
	struct ctl *ctl;
	unsigned drawn; /* lines on the terminal */
	char *told;     /* [file]: its state was said */
	size_t told_room;
	double begin_s, last_s, line_s;
	uint64_t last_done;
	double rate; /* bytes per second, smoothed */
};

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int ctl_follow_ask(struct ctl *ctl, const char *id, json_t **out)
{
	char *encoded = ctl_encode(id), *target = NULL;

	if (asprintf(&target, "/admin/v1/jobs/%s", encoded) < 0)
		abort();
	free(encoded);
	return ctl_ask(ctl, "GET", target, out);
}

void ctl_follow_line(const json_t *job)
{
	const json_t *models = json_object_get(job, "models"), *m;
	char done[16], total[16];
	size_t i;

	printf("%s  %-9s  %s of %s ", ctl_text(job, "id"), ctl_text(job, "state"),
	       ctl_bytes(ctl_count(job, "bytes_done"), done),
	       ctl_bytes(ctl_count(job, "bytes_total"), total));
	json_array_foreach(models, i, m)
	{
		if (i < 3)
			printf(" %s@%s", ctl_text(m, "model"), ctl_text(m, "revision"));
	}
	printf("%s\n", json_array_size(models) > 3 ? " ..." : "");
	if (json_is_string(json_object_get(job, "error")))
		printf("  %s\n", ctl_text(job, "error"));
}

/* ---- rate --------------------------------------------------------------------------------- */

static void measure(struct follow *f, const json_t *job)
{
	uint64_t done = ctl_count(job, "bytes_done");
	double now = now_s(), span = now - f->last_s;

	if (f->last_s > 0 && span > 0.05) {
		double rate = (double)(done - f->last_done) / span;

		f->rate = f->rate == 0 ? rate : f->rate * 0.9 + rate * 0.1;
	}
	f->last_s = now;
	f->last_done = done;
}

static void print_left(const struct follow *f, const json_t *job)
{
	uint64_t done = ctl_count(job, "bytes_done"), total = ctl_count(job, "bytes_total");
	double left = f->rate > 1 && total > done ? (double)(total - done) / f->rate : 0;
	char a[16], b[16], c[16];

	if (left > LEFT_MAX_S)
		left = LEFT_MAX_S;
	fprintf(stderr, "%s of %s  %s/s", ctl_bytes(done, a), ctl_bytes(total, b),
		ctl_bytes(f->rate > 0 ? (uint64_t)f->rate : 0, c));
	if (left >= 1)
		fprintf(stderr, "  %u:%02u:%02u left", (unsigned)left / 3600,
			(unsigned)left / 60 % 60, (unsigned)left % 60);
}

/* ---- bars ----------------------------------------------------------------------------------- */

static void wipe(struct follow *f)
{
	if (f->drawn > 0)
		fprintf(stderr, "\033[%uA\033[J", f->drawn);
	f->drawn = 0;
}

static void bar(const json_t *file, int width)
{
	uint64_t done = ctl_count(file, "bytes_done"), total = ctl_count(file, "bytes_total");
	unsigned full = total == 0 ? 0 : (unsigned)(done * BAR_CHARS / total);
	const char *path = ctl_text(file, "path");
	char text[BAR_CHARS + 1], size[16];
	int name = width - BAR_CHARS - 26, n = (int)strlen(path);

	memset(text, '.', BAR_CHARS);
	memset(text, '#', full < BAR_CHARS ? full : BAR_CHARS);
	text[BAR_CHARS] = '\0';
	name = name < 8 ? 8 : name;
	/* the end of a path says more than its beginning */
	fprintf(stderr, "%-*s [%s] %3u%% %10s\n", name, n > name ? path + n - name : path, text,
		total == 0 ? 0 : (unsigned)(done * 100 / total), ctl_bytes(total, size));
}

static void draw(struct follow *f, const json_t *job)
{
	const json_t *files = json_object_get(job, "files"), *file;
	struct winsize ws = {.ws_col = 80};
	int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 40 ? ws.ws_col : 80;
	unsigned most = ws.ws_row > 4 && ws.ws_row < BARS_MAX ? ws.ws_row - 2u : BARS_MAX;
	size_t i;

	wipe(f);
	json_array_foreach(files, i, file)
	{
		if (strcmp(ctl_text(file, "state"), "running") == 0 && f->drawn < most) {
			bar(file, width);
			f->drawn++;
		}
	}
	fprintf(stderr, "%s  ", ctl_text(job, "state"));
	print_left(f, job);
	fputc('\n', stderr);
	f->drawn++;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static bool file_over(const json_t *file)
{
	const char *state = ctl_text(file, "state");

	return strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
}

/* Files that came to their end since the last time. */
static void say_files(struct follow *f, const json_t *job)
{
	const json_t *files = json_object_get(job, "files"), *file;
	char size[16];
	size_t i;

	if (json_array_size(files) > f->told_room) {
		size_t room = json_array_size(files);

		f->told = realloc(f->told, room);
		if (f->told == NULL)
			abort();
		memset(f->told + f->told_room, 0, room - f->told_room);
		f->told_room = room;
	}
	json_array_foreach(files, i, file)
	{
		/* fanalyzer-suppress null-dereference: one for each file */
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): one for each file */
		if (f->told[i] || !file_over(file))
			continue;
		/* fanalyzer-suppress null-dereference: one for each file */
		f->told[i] = 1;
		wipe(f);
		if (json_is_string(json_object_get(file, "error")))
			fprintf(stderr, "larderctl: %s\n", ctl_text(file, "error"));
		else if (!f->ctl->json)
			printf("%s %s %s %s\n", ctl_text(file, "model"), ctl_text(file, "path"),
			       ctl_text(file, "state"),
			       ctl_bytes(ctl_count(file, "bytes_total"), size));
	}
	(void)fflush(stdout);
}

static void say_line(struct follow *f, const json_t *job)
{
	if (f->ctl->json || f->last_s - f->line_s < LINE_EVERY_S)
		return;
	f->line_s = f->last_s;
	print_left(f, job);
	fputc('\n', stderr);
}

static int end(struct follow *f, json_t *job)
{
	bool done = strcmp(ctl_text(job, "state"), "done") == 0;

	wipe(f);
	if (f->ctl->json)
		ctl_print_json(job);
	else if (json_is_string(json_object_get(job, "error")))
		(void)ctl_fail("%s", ctl_text(job, "error"));
	else if (!done)
		(void)ctl_fail("the job is %s", ctl_text(job, "state"));
	json_decref(job);
	free(f->told);
	return done ? CTL_OK : CTL_FAILED;
}

int ctl_follow_job(struct ctl *ctl, const char *id)
{
	struct follow f = {.ctl = ctl, .begin_s = now_s()};
	struct timespec pause = {.tv_nsec = POLL_NS};
	json_t *job;
	int status;

	f.line_s = f.begin_s;
	for (;;) {
		status = ctl_follow_ask(ctl, id, &job);
		if (status != CTL_OK) {
			free(f.told);
			return status;
		}
		measure(&f, job);
		say_files(&f, job);
		if (file_over(job))
			return end(&f, job);
		if (ctl->terminal && !ctl->json)
			draw(&f, job);
		else
			say_line(&f, job);
		json_decref(job);
		(void)nanosleep(&pause, NULL);
	}
}
