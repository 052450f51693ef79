/* SPDX-License-Identifier: MIT */
/*
 * warm_keep.c — jobs over restarts: one file each in the folder `jobs` of the
 * state folder, replaced by rename.  Called by warm.c and handle_jobs.c.
 */
#include <config.h>

#include "daemon/warm_keep.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/context.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/must.h"
#include "daemon/warm_run.h"

#define TEXT_MAX ((long)16 << 20)

bool warm_keep_write(struct warm *w, const char *id, const char *text)
{
	char name[40], fresh[40];
	size_t size = strlen(text);
	FILE *f;
	int fd;
	bool ok;

	(void)snprintf(name, sizeof(name), "%s.json", id);
	(void)snprintf(fresh, sizeof(fresh), "%s.new", id);
	fd = openat(w->dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	ok = fwrite(text, 1, size, f) == size && fflush(f) == 0 && fsync(fd) == 0;
	ok = fclose(f) == 0 && ok;
	return ok && renameat(w->dir, fresh, w->dir, name) == 0;
}

char *warm_keep_text(const struct warm_job *job)
{
	json_t *v = warm_job_json(job, true);
	char *text = json_dumps(v, JSON_COMPACT);

	json_decref(v);
	must(text != NULL);
	return text;
}

static void save_work(void *arg)
{
	struct warm_job *job = arg;

	if (!warm_keep_write(job->warm, job->id, job->text))
		log_warning("job", "id=%s error=\"it could not be written down\"", job->id);
}

static void saved(void *arg)
{
	struct warm_job *job = arg;

	free(job->text);
	job->text = NULL;
	job->saving = false;
	if (job->save_again)
		warm_keep_job(job);
	warm_kick(job->warm);
}

void warm_keep_job(struct warm_job *job)
{
	job->save_again = job->saving;
	if (job->saving || job->hidden)
		return;
	job->saving = true;
	job->text = warm_keep_text(job);
	job_background(job->warm->ctx, save_work, saved, job);
}

static char *read_whole(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char *text = NULL;
	long size = -1;

	if (f != NULL && fseek(f, 0, SEEK_END) == 0)
		size = ftell(f);
	if (size >= 0 && size <= TEXT_MAX && fseek(f, 0, SEEK_SET) == 0)
		text = calloc(1, (size_t)size + 1);
	if (text != NULL && fread(text, 1, (size_t)size, f) != (size_t)size) {
		free(text);
		text = NULL;
	}
	if (f != NULL)
		(void)fclose(f);
	return text;
}

static void resume(struct warm *w, struct warm_job *job)
{
	warm_append(w, job);
	if (warm_over(job))
		return;
	for (size_t i = 0; i < job->file_count; i++) {
		struct warm_file *f = job->file[i];
		struct warm_item *item = &job->item[f->item];
		struct pull_want want = {.upstream = item->up,
					 .model = item->model,
					 .revision = item->revision,
					 .path = f->path};
		struct store_digest key;
		uint64_t left;

		f->state = WARM_QUEUED;
		pull_key(&want, &key);
		left = store_partial_peek(w->ctx->store, &key);
		f->done = left > f->done ? left : f->done;
	}
	job->dirty = true;
}

void warm_keep_load(struct warm *w)
{
	int fd = dup(w->dir);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		size_t n = strlen(e->d_name);
		struct warm_job *job;
		char *text;

		if (n != WARM_ID_CHARS + 5 || strcmp(e->d_name + WARM_ID_CHARS, ".json") != 0)
			continue;
		text = read_whole(w->dir, e->d_name);
		job = text == NULL ? NULL : warm_job_load(w->pull, text);
		free(text);
		if (job == NULL)
			log_warning("job",
				    "file=%s error=\"cannot be read, or its upstream is gone\"",
				    e->d_name);
		else
			resume(w, job);
	}
	if (d != NULL)
		(void)closedir(d);
	else if (fd >= 0)
		(void)close(fd);
}
