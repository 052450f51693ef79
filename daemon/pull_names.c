/* SPDX-License-Identifier: MIT */
/*
 * pull_names.c — the names that belong to upstreams, in memory and in the file
 * `upstream-names` of the state folder, and how files get such a name.  Called
 * by pull*.c and warm.c.  It must never take away a file of a name whose
 * successor is not complete.
 *
 * The file: one line per name, fields separated by tabs (no name holds one).  It is kept in memory
 * as it is written, each name knowing its line: with 20,000 of them nobody could put it together
 * on the event loop whenever one has changed.  A line that is no more is blank.
 */
#include <config.h>

#include "daemon/pull_names.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/context.h"
#include "daemon/log.h"
#include "daemon/must.h"
#include "daemon/settings.h"
#include "daemon/state_file.h"

#define BUCKETS 8192u
#define NAMES_MAX 20000
#define FILE_NAME "upstream-names"
#define FILE_BYTES_MAX ((size_t)64 << 20)
#define LINE_BYTES_MAX 2048
#define BLANK_MAX ((size_t)64 << 10) /* bytes of blank lines, before half of the file may be */

struct pull_names {
	int dir;
	struct pull_name *bucket[BUCKETS];
	unsigned count;
	char *text; /* what the file will be, without a NUL */
	size_t size, room, blank;
	struct state_file_keeper keeper;
};

static unsigned hash(const char *model, const char *revision)
{
	uint32_t h = 2166136261u;

	for (; *model != '\0'; model++)
		h = (h ^ (unsigned char)*model) * 16777619u;
	for (; *revision != '\0'; revision++)
		h = (h ^ (unsigned char)*revision) * 16777619u;
	return h % BUCKETS;
}

bool pull_names_any(const struct pull_names *n)
{
	return n->count > 0;
}

struct pull_name *pull_names_find(struct pull_names *n, const char *model, const char *revision)
{
	struct pull_name *name = n->bucket[hash(model, revision)];

	while (name != NULL &&
	       (strcmp(name->model, model) != 0 || strcmp(name->revision, revision) != 0))
		name = name->next;
	return name;
}

/* ---- the file ------------------------------------------------------------------------- */

static void blank_line(struct pull_names *n, struct pull_name *name)
{
	memset(n->text + name->line, '\n', name->line_bytes);
	n->blank += name->line_bytes;
	name->line_bytes = 0;
}

static void append_line(struct pull_names *n, struct pull_name *name, const char *line,
			size_t bytes)
{
	if (n->room - n->size < bytes) {
		n->room = (n->room + bytes) * 2;
		/* fanalyzer-suppress malloc-leak: abort() gives nothing back */
		n->text = realloc(n->text, n->room);
		must(n->text != NULL);
	}
	memcpy(n->text + n->size, line, bytes);
	name->line = n->size;
	name->line_bytes = (unsigned)bytes;
	n->size += bytes;
}

/* The blank lines go. */
static void close_up(struct pull_names *n)
{
	struct pull_names old = *n;

	n->room = n->size - n->blank + LINE_BYTES_MAX;
	n->text = malloc(n->room);
	must(n->text != NULL);
	n->size = n->blank = 0;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct pull_name *name = n->bucket[i]; name != NULL; name = name->next) {
			if (name->line_bytes > 0)
				append_line(n, name, old.text + name->line, name->line_bytes);
		}
	}
	free(old.text);
}

/* Its line says what it is now. */
static void write_line(struct pull_names *n, struct pull_name *name)
{
	char line[LINE_BYTES_MAX];
	int bytes = 0;

	if (name->kept)
		bytes = snprintf(line, sizeof(line), "%s\t%s\t%s\t%s\t%" PRId64 "\n", name->model,
				 name->revision, name->upstream, name->commit, name->checked_s);
	must(bytes >= 0 && (size_t)bytes < sizeof(line));
	if (name->line_bytes > 0 && name->line_bytes == (unsigned)bytes) {
		memcpy(n->text + name->line, line, (size_t)bytes);
		return;
	}
	if (name->line_bytes > 0)
		blank_line(n, name);
	if (bytes > 0)
		append_line(n, name, line, (size_t)bytes);
	if (n->blank > BLANK_MAX && n->blank > n->size / 2)
		close_up(n);
}

/* The caller frees it. */
static char *text_of(void *arg)
{
	const struct pull_names *n = arg;
	char *text = malloc(n->size + 1);

	must(text != NULL);
	if (n->size > 0)
		memcpy(text, n->text, n->size);
	text[n->size] = '\0';
	return text;
}

struct pull_name *pull_names_set(struct pull_names *n, const char *model, const char *revision,
				 const char *upstream, const char *commit)
{
	struct pull_name *name = pull_names_find(n, model, revision), **at;
	char *text;

	if (name == NULL) {
		size_t a = strlen(model) + 1, b = strlen(revision) + 1, c = strlen(upstream) + 1;

		if (n->count >= NAMES_MAX || a + b + c > LINE_BYTES_MAX - 100)
			return NULL;
		name = calloc(1, sizeof(*name) + a + b + c);
		if (name == NULL)
			return NULL;
		text = (char *)(name + 1);
		name->model = memcpy(text, model, a);
		name->revision = memcpy(text + a, revision, b);
		name->upstream = memcpy(text + a + b, upstream, c);
		at = &n->bucket[hash(model, revision)];
		name->next = *at;
		*at = name;
		n->count++;
	}
	(void)snprintf(name->commit, sizeof(name->commit), "%s", commit);
	name->checked_s = (int64_t)time(NULL);
	if (name->kept)
		write_line(n, name);
	return name;
}

/* The line at ${at}, of ${bytes} with its end, as a name; false: it is none, or a second one. */
static bool parse_line(struct pull_names *n, size_t at, size_t bytes)
{
	char line[LINE_BYTES_MAX], *field[5], *save = line;
	struct pull_name *name;

	if (bytes > sizeof(line))
		return false;
	memcpy(line, n->text + at, bytes);
	line[bytes - 1] = '\0';
	for (int i = 0; i < 5; i++) {
		field[i] = strsep(&save, "\t");
		if (field[i] == NULL)
			return false;
	}
	if (!store_name_ok(field[0]) || !store_rev_ok(field[1]) || strlen(field[3]) > 40)
		return false;
	name = pull_names_find(n, field[0], field[1]);
	if (name == NULL)
		name = pull_names_set(n, field[0], field[1], field[2], field[3]);
	else
		return false;
	if (name == NULL)
		return false;
	name->checked_s = strtoll(field[4], NULL, 10);
	name->kept = name->stored = true;
	name->line = at;
	name->line_bytes = (unsigned)bytes;
	return true;
}

static void parse(struct pull_names *n)
{
	size_t at = 0;

	while (at < n->size) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a size is of a text */
		const char *end = memchr(n->text + at, '\n', n->size - at);
		size_t bytes = (size_t)(end - (n->text + at)) + 1;

		if (!parse_line(n, at, bytes)) {
			memset(n->text + at, '\n', bytes);
			n->blank += bytes;
		}
		at += bytes;
	}
}

struct pull_names *pull_names_open(struct context *ctx)
{
	struct pull_names *n = calloc(1, sizeof(*n));

	must(n != NULL);
	n->dir = open(ctx->settings->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (n->dir < 0) {
		log_error("upstream", "error=\"the state folder cannot be opened\"");
		free(n);
		return NULL;
	}
	state_file_keep(&n->keeper, ctx, n->dir, FILE_NAME, text_of, n);
	n->text = state_file_read(n->dir, FILE_NAME, FILE_BYTES_MAX);
	if (n->text == NULL && errno != ENOENT)
		log_error("upstream", "error=\"the list of names cannot be read: %s\"",
			  strerror(errno));
	if (n->text != NULL && n->text[0] != '\0') {
		n->size = strlen(n->text);
		n->room = n->size + 1;
		if (n->text[n->size - 1] != '\n')
			n->text[n->size++] = '\n'; /* where the NUL was */
	}
	parse(n);
	return n;
}

void pull_names_close(struct pull_names *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (n->bucket[i] != NULL) {
			struct pull_name *name = n->bucket[i];

			n->bucket[i] = name->next;
			free(name);
		}
	}
	(void)close(n->dir);
	free(n->text);
	free(n);
}

void pull_names_keep(struct pull_names *n, struct pull_name *name)
{
	name->kept = name->stored = true;
	write_line(n, name);
	state_file_touch(&n->keeper);
}

char *pull_names_list(struct pull_names *n, struct pull_name *name, uint64_t *ret_version)
{
	name->kept = true;
	write_line(n, name);
	return state_file_text(&n->keeper, ret_version);
}

void pull_names_drop(struct pull_names *n, struct pull_name *name)
{
	if (name->stored)
		return; /* by somebody else */
	name->kept = false;
	write_line(n, name);
	state_file_touch(&n->keeper);
}

struct state_file_keeper *pull_names_keeper(struct pull_names *n)
{
	return &n->keeper;
}

/* ---- files get a name --------------------------------------------------------------------- */

struct add {
	struct store_import *im;
	const struct pull_names_file *file;
	size_t count, kept;
	bool same; /* all of them are there already, with that content */
	struct store_error *err;
};

/* A file that the revision has: kept, unless it is one of the new ones. */
static int keep_old(void *arg, const struct store_file_info *info)
{
	struct add *a = arg;

	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->file[i].path, info->path) == 0)
			return 0;
	}
	a->kept++;
	return store_import_add(a->im, info->path, &info->digest, a->err);
}

static int count_same(void *arg, const struct store_file_info *info)
{
	struct add *a = arg;

	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->file[i].path, info->path) == 0 &&
		    store_digest_equal(&a->file[i].digest, &info->digest))
			a->kept++;
	}
	return 0;
}

static int add(struct store *store, const char *model, const char *revision, struct add *a,
	       bool only)
{
	char commit[STORE_COMMIT_HEX + 1];
	int status = store_import_begin(store, model, revision, &a->im, a->err);

	if (status != 0)
		return status;
	if (!only) {
		status = store_model_files(store, model, revision, keep_old, a, a->err);
		if (status == STORE_NOT_FOUND)
			status = 0;
	}
	for (size_t i = 0; i < a->count && status == 0; i++)
		status = store_import_add(a->im, a->file[i].path, &a->file[i].digest, a->err);
	if (status != 0) {
		store_import_abort(a->im);
		return status;
	}
	return store_import_commit(a->im, commit, a->err);
}

int pull_names_add(struct store *store, const char *model, const char *revision,
		   const struct pull_names_file *file, size_t count, bool only,
		   struct store_error *err)
{
	/* a list is read and written back: nobody else of us may do so in between */
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct add a = {.file = file, .count = count, .err = err};
	int status = 0;

	(void)pthread_mutex_lock(&lock);
	if (only || store_model_files(store, model, revision, count_same, &a, err) != 0 ||
	    a.kept < count)
		status = add(store, model, revision, &a, only);
	(void)pthread_mutex_unlock(&lock);
	return status;
}
