/* SPDX-License-Identifier: MIT */
/*
 * partial_map.c — which bytes of a download have come, on the disk:
 * partial/KEY.map.  Called for downloads.  It must never say that bytes have
 * come that write(2) has not taken.
 *
 * A head, the size and the tag, each a line; then `begin end` per stretch, in
 * any order, and stretches may overlap.  What comes is added at the end, with
 * one write(2): a killed process leaves whole lines but for the last.  (To
 * replace the file each time costs milliseconds: where ext4 renames over a file,
 * it begins to write the new one to the disk.)  When it has become long, it is
 * replaced by rename.
 */
#include <config.h>

#include "store/partial.h"

#include "store/decimal.h"
#include "store/status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	RUNS_MAX = 4096, /* in a map; what there is more is fetched again after a kill */
	LINE_BYTES_MAX = 42,
	LONG_BYTES = 192 * 1024,
	MAP_BYTES_MAX = 256 * 1024,
};
static const char head_line[] = "larder-partial 1\n";

static void map_name(const struct store_partial *p, const char *end, char out[80])
{
	snprintf(out, 80, "%s%s", p->name, end);
}

/* ---- reading ---------------------------------------------------------------------------- */

static bool number(const char **s, char end, uint64_t *out)
{
	if (!store_decimal_read(s, *s + strnlen(*s, LINE_BYTES_MAX), out) || **s != end)
		return false;
	(*s)++;
	return true;
}

static bool parse(struct store_partial *p, const char *s)
{
	uint64_t begin, end;
	size_t n = sizeof(head_line) - 1;

	if (strncmp(s, head_line, n) != 0)
		return false;
	s += n;
	if (!number(&s, '\n', &p->size) || p->size > INT64_MAX)
		return false;
	n = strcspn(s, "\n");
	if (n > STORE_PARTIAL_TAG_MAX || s[n] != '\n')
		return false;
	memcpy(p->tag, s, n);
	p->tag[n] = '\0';
	s += n + 1;
	/* not a line that was broken off */
	while (strchr(s, '\n') != NULL && p->run_count < RUNS_MAX) {
		if (!number(&s, ' ', &begin) || !number(&s, '\n', &end) || begin >= end ||
		    end > p->size || !store_partial_add(p, begin, end))
			return false;
	}
	p->saved = p->arrived;
	return true;
}

bool store_partial_map_read(struct store_partial *p)
{
	char name[80], *text = malloc(MAP_BYTES_MAX + 1);
	ssize_t n = -1;
	bool good;
	int fd;

	map_name(p, ".map", name);
	fd = openat(p->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && text != NULL)
		n = read(fd, text, MAP_BYTES_MAX);
	if (fd >= 0)
		close(fd);
	good = n >= 0 && n < MAP_BYTES_MAX && memchr(text, '\0', (size_t)n) == NULL;
	if (good) {
		text[n] = '\0';
		good = parse(p, text);
	}
	free(text);
	return good;
}

/* ---- writing ---------------------------------------------------------------------------- */

void store_partial_map_note(struct store_partial *p, uint64_t begin, uint64_t end)
{
	struct run *last = p->fresh_count == 0 ? NULL : &p->fresh[p->fresh_count - 1];

	if (last != NULL && last->end == begin) {
		last->end = end;
	} else if (p->fresh_count < STORE_PARTIAL_NEW_MAX) {
		p->fresh[p->fresh_count++] = (struct run){begin, end};
	} else if (p->map >= 0) {
		close(p->map); /* all of it, then */
		p->map = -1;
	}
}

void store_partial_map_forget(struct store_partial *p)
{
	if (p->map >= 0)
		close(p->map);
	p->map = -1;
	p->fresh_count = 0;
}

static bool write_whole(int fd, const char *s, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, s, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s += n;
		size -= (size_t)n;
	}
	return true;
}

static char *print_runs(char *at, const struct run *run, size_t count)
{
	for (size_t i = 0; i < count; i++)
		at += snprintf(at, LINE_BYTES_MAX, "%" PRIu64 " %" PRIu64 "\n", run[i].begin,
			       run[i].end);
	return at;
}

/* The whole map as text; the caller frees it. */
static char *print_map(struct store_partial *p, size_t *ret_size)
{
	const size_t head = sizeof(head_line) + sizeof(p->tag) + 64;
	char *text = NULL, *end;
	size_t count;

	pthread_mutex_lock(&p->lock);
	count = p->run_count < RUNS_MAX ? p->run_count : RUNS_MAX;
	text = malloc(head + count * LINE_BYTES_MAX);
	if (text != NULL) {
		end =
		    text + snprintf(text, head, "%s%" PRIu64 "\n%s\n", head_line, p->size, p->tag);
		end = print_runs(end, p->runs, count);
		*ret_size = (size_t)(end - text);
	}
	pthread_mutex_unlock(&p->lock);
	return text;
}

/* All of it, by way of KEY.new; p->map is what can be added to then. */
static int write_map(struct store_partial *p, struct store_error *err)
{
	char name[80], fresh[80], *text;
	int status = 0;
	size_t size;

	store_partial_map_forget(p);
	text = print_map(p, &size);
	if (text == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	map_name(p, ".map", name);
	map_name(p, ".new", fresh);
	p->map = openat(p->dir, fresh,
			O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->map < 0 || !write_whole(p->map, text, size) ||
	    renameat(p->dir, fresh, p->dir, name) != 0) {
		status = store_status_errno(err, errno, "writing the map of a download");
		store_partial_map_forget(p);
	}
	p->map_bytes = size;
	free(text);
	return status;
}

/* What is new, at its end; false: it has to be written anew. */
static bool add_to_map(struct store_partial *p)
{
	char text[STORE_PARTIAL_NEW_MAX * LINE_BYTES_MAX];
	size_t size = (size_t)(print_runs(text, p->fresh, p->fresh_count) - text);

	if (p->map < 0 || p->map_bytes + size > LONG_BYTES || !write_whole(p->map, text, size))
		return false;
	p->map_bytes += size;
	p->fresh_count = 0;
	return true;
}

int store_partial_save(struct store_partial *p, struct store_error *err)
{
	int status = 0;

	if (p->size == STORE_PARTIAL_UNKNOWN || p->finished)
		return 0;
	if (!add_to_map(p))
		status = write_map(p, err);
	if (status == 0) {
		pthread_mutex_lock(&p->lock);
		p->saved = p->arrived;
		pthread_mutex_unlock(&p->lock);
	}
	return status;
}
