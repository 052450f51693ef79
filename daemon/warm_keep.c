/* SPDX-License-Identifier: MIT */
/*
 * warm_keep.c — jobs over restarts: one file each in the folder `jobs` of the
 * state folder, replaced by rename.  Called by warm.c and handle_jobs.c.
 */
#include <config.h>

#include "daemon/warm_keep.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/context.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/must.h"
#include "daemon/state_file.h"
#include "daemon/warm_run.h"

#define TEXT_BYTES_MAX ((size_t)16 << 20)
#define END ".json"

bool warm_keep_write(struct warm *w, const char *id, const char *text)
{
	char name[40];

	(void)snprintf(name, sizeof(name), "%s" END, id);
	return state_file_write(w->dir, name, text);
}

static char *text_of(const struct warm_job *job)
{
	json_t *v = warm_job_json(job, true);
	char *text = json_dumps(v, JSON_COMPACT);

	json_decref(v);
	must(text != NULL);
	return text;
}

char *warm_keep_hold(struct warm_job *job)
{
	must(!job->saving);
	job->saving = true;
	return text_of(job);
}

void warm_keep_release(struct warm_job *job)
{
	job->saving = false;
	if (job->save_again)
		warm_keep_job(job);
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
	warm_keep_release(job);
	warm_kick(job->warm);
}

void warm_keep_job(struct warm_job *job)
{
	job->save_again = job->saving;
	if (job->saving || job->hidden)
		return;
	job->saving = true;
	job->text = text_of(job);
	job_background(job->warm->ctx, save_work, saved, job);
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

static void load(struct warm *w, const char *name)
{
	char *text = state_file_read(w->dir, name, TEXT_BYTES_MAX);
	struct warm_job *job = text == NULL ? NULL : warm_job_load(w->pull, text);

	free(text);
	if (job == NULL)
		log_warning("job", "file=%s error=\"cannot be read, or its upstream is gone\"",
			    name);
	else
		resume(w, job);
}

void warm_keep_load(struct warm *w)
{
	int fd = dup(w->dir);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strlen(e->d_name) < WARM_ID_CHARS)
			continue;
		if (strcmp(e->d_name + WARM_ID_CHARS, END) == 0)
			load(w, e->d_name);
		else if (strcmp(e->d_name + WARM_ID_CHARS, END STATE_FILE_NEW) == 0)
			(void)unlinkat(w->dir, e->d_name, 0); /* of a process that was killed */
	}
	if (d != NULL)
		(void)closedir(d);
	else if (fd >= 0)
		(void)close(fd);
}
