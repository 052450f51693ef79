/* SPDX-License-Identifier: MIT */
/*
 * pull_marks.c — marks of files and the content behind them, in one file of the
 * state folder.  Called by pull*.c.  What it says is only ever a reason not to
 * fetch content that is stored: it must never vouch for bytes that come.
 *
 * A line per file: key, digest, size, mark.  A mark that is lost costs a fetch.
 */
#include <config.h>

#include "daemon/pull_marks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/context.h"
#include "daemon/fetch.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/must.h"
#include "daemon/settings.h"

#define SLOTS 8192u /* a mark that finds its slot taken takes it */
#define FILE_NAME "upstream-marks"
#define FILE_NEW "upstream-marks.new"

struct slot {
	struct store_digest key, digest;
	uint64_t size;
	char *mark; /* NULL = free */
};

struct pull_marks {
	struct context *ctx;
	int dir;
	struct slot slot[SLOTS];
	bool writing, again;
	char *text; /* while the pool writes it */
};

static unsigned place(const struct store_digest *key)
{
	return ((unsigned)key->bytes[0] << 8 | key->bytes[1]) % SLOTS;
}

bool pull_marks_find(const struct pull_marks *m, const struct store_digest *key, const char *mark,
		     uint64_t size, struct store_digest *out)
{
	const struct slot *s = &m->slot[place(key)];

	if (mark[0] == '\0' || s->mark == NULL || !store_digest_equal(&s->key, key) ||
	    s->size != size || strcmp(s->mark, mark) != 0)
		return false;
	*out = s->digest;
	return true;
}

/* ---- the file ------------------------------------------------------------------------- */

static void write_file(void *arg)
{
	struct pull_marks *m = arg;
	int fd =
	    openat(m->dir, FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	bool ok = f != NULL && m->text != NULL && fputs(m->text, f) >= 0;

	if (f != NULL)
		ok = fclose(f) == 0 && ok;
	else if (fd >= 0)
		(void)close(fd);
	if (!ok || renameat(m->dir, FILE_NEW, m->dir, FILE_NAME) != 0)
		log_warning("upstream", "error=\"the list of marks could not be written\"");
}

static void begin_write(struct pull_marks *m);

static void wrote(void *arg)
{
	struct pull_marks *m = arg;

	free(m->text);
	m->text = NULL;
	m->writing = false;
	if (m->again)
		begin_write(m);
}

static void begin_write(struct pull_marks *m)
{
	char key[STORE_DIGEST_HEX + 1], digest[STORE_DIGEST_HEX + 1];
	size_t size;
	FILE *f;

	m->again = m->writing;
	if (m->writing)
		return;
	f = open_memstream(&m->text, &size);
	must(f != NULL);
	for (unsigned i = 0; i < SLOTS; i++) {
		const struct slot *s = &m->slot[i];

		if (s->mark == NULL)
			continue;
		store_digest_hex(&s->key, key);
		store_digest_hex(&s->digest, digest);
		(void)fprintf(f, "%s %s %" PRIu64 " %s\n", key, digest, s->size, s->mark);
	}
	(void)fclose(f);
	m->writing = true;
	job_background(m->ctx, write_file, wrote, m);
}

/* false: it said so already, or cannot be kept. */
static bool put(struct pull_marks *m, const struct store_digest *key, const char *mark,
		uint64_t size, const struct store_digest *digest)
{
	struct slot *s = &m->slot[place(key)];
	struct store_digest was;
	char *copy;

	if (mark[0] == '\0' ||
	    (pull_marks_find(m, key, mark, size, &was) && store_digest_equal(&was, digest)))
		return false;
	copy = strdup(mark);
	if (copy == NULL)
		return false;
	free(s->mark);
	*s = (struct slot){.key = *key, .digest = *digest, .size = size, .mark = copy};
	return true;
}

void pull_marks_set(struct pull_marks *m, const struct store_digest *key, const char *mark,
		    uint64_t size, const struct store_digest *digest)
{
	if (put(m, key, mark, size, digest))
		begin_write(m);
}

static void parse_line(struct pull_marks *m, char *line)
{
	struct store_digest key, digest;
	const size_t n = STORE_DIGEST_HEX;
	char *end;
	uint64_t size;

	line[strcspn(line, "\n")] = '\0';
	if (strlen(line) < 2 * n + 5 || line[n] != ' ' || line[2 * n + 1] != ' ' ||
	    !store_digest_parse(line, n, &key) || !store_digest_parse(line + n + 1, n, &digest))
		return;
	size = strtoull(line + 2 * n + 2, &end, 10);
	if (*end == ' ' && strlen(end + 1) < FETCH_MARK_MAX)
		(void)put(m, &key, end + 1, size, &digest);
}

struct pull_marks *pull_marks_open(struct context *ctx)
{
	struct pull_marks *m = calloc(1, sizeof(*m));
	char *line = NULL;
	size_t room = 0;
	FILE *f;
	int fd;

	must(m != NULL);
	m->ctx = ctx;
	m->dir = open(ctx->settings->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = m->dir < 0 ? -1 : openat(m->dir, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	while (f != NULL && getline(&line, &room, f) > 0)
		parse_line(m, line);
	free(line);
	if (f != NULL)
		(void)fclose(f);
	return m;
}

void pull_marks_close(struct pull_marks *m)
{
	if (m == NULL)
		return;
	for (unsigned i = 0; i < SLOTS; i++)
		free(m->slot[i].mark);
	if (m->dir >= 0)
		(void)close(m->dir);
	free(m);
}
