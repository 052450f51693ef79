/* SPDX-License-Identifier: MIT */
/*
 * pull_names.c — the names that belong to upstreams, in memory and in the file
 * `upstream-names` of the state folder, and how files get such a name.  Called
 * by pull*.c and warm.c.  It must never take away a file of a name whose
 * successor is not complete.
 *
 * The file: one line per name, fields separated by tabs (no name holds one).
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

#define BUCKETS 256
#define NAMES_MAX 20000
#define FILE_NAME "upstream-names"
#define FILE_BYTES_MAX ((size_t)64 << 20)

struct pull_names {
	int dir;
	struct pull_name *bucket[BUCKETS];
	unsigned count;
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

struct pull_name *pull_names_set(struct pull_names *n, const char *model, const char *revision,
				 const char *upstream, const char *commit)
{
	struct pull_name *name = pull_names_find(n, model, revision), **at;
	char *text;

	if (name == NULL) {
		size_t a = strlen(model) + 1, b = strlen(revision) + 1, c = strlen(upstream) + 1;

		name = n->count >= NAMES_MAX ? NULL : calloc(1, sizeof(*name) + a + b + c);
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
	return name;
}

/* ---- the file ------------------------------------------------------------------------- */

static void parse_line(struct pull_names *n, char *line)
{
	char *field[5], *save = line;
	struct pull_name *name;

	for (int i = 0; i < 5; i++) {
		field[i] = strsep(&save, "\t");
		if (field[i] == NULL)
			return;
	}
	if (!store_name_ok(field[0]) || !store_rev_ok(field[1]) || strlen(field[3]) > 40)
		return;
	name = pull_names_set(n, field[0], field[1], field[2], field[3]);
	if (name != NULL) {
		name->checked_s = strtoll(field[4], NULL, 10);
		name->kept = name->stored = true;
	}
}

/* All that are kept, as lines; the caller frees it. */
static char *text_of(void *arg)
{
	const struct pull_names *n = arg;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	must(f != NULL);
	for (size_t i = 0; i < BUCKETS; i++) {
		for (const struct pull_name *name = n->bucket[i]; name != NULL; name = name->next) {
			if (name->kept)
				(void)fprintf(f, "%s\t%s\t%s\t%s\t%" PRId64 "\n", name->model,
					      name->revision, name->upstream, name->commit,
					      name->checked_s);
		}
	}
	must(fclose(f) == 0);
	return text;
}

struct pull_names *pull_names_open(struct context *ctx)
{
	struct pull_names *n = calloc(1, sizeof(*n));
	char *text, *rest, *line;

	must(n != NULL);
	n->dir = open(ctx->settings->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (n->dir < 0) {
		log_error("upstream", "error=\"the state folder cannot be opened\"");
		free(n);
		return NULL;
	}
	state_file_keep(&n->keeper, ctx, n->dir, FILE_NAME, text_of, n);
	text = rest = state_file_read(n->dir, FILE_NAME, FILE_BYTES_MAX);
	if (text == NULL && errno != ENOENT)
		log_error("upstream", "error=\"the list of names cannot be read: %s\"",
			  strerror(errno));
	while ((line = strsep(&rest, "\n")) != NULL)
		parse_line(n, line);
	free(text);
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
	free(n);
}

void pull_names_keep(struct pull_names *n, struct pull_name *name)
{
	name->kept = name->stored = true;
	state_file_touch(&n->keeper);
}

void pull_names_drop(struct pull_names *n, struct pull_name *name)
{
	if (name->stored)
		return; /* by somebody else */
	name->kept = false;
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
