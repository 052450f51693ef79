/* SPDX-License-Identifier: MIT */
/* ctl_jobs.c — `larderctl jobs [ID] [--follow|--cancel]`, `larderctl manifests [rm NAME]`. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/ctl.h"
#include "daemon/ctl_follow.h"

/* Take ${flag} out of the arguments. */
static bool take_flag(struct ctl *ctl, const char *flag)
{
	bool found = false;
	int n = 0;

	for (int i = 0; i < ctl->argc; i++) {
		if (strcmp(ctl->argv[i], flag) == 0)
			found = true;
		else
			ctl->argv[n++] = ctl->argv[i];
	}
	ctl->argc = n;
	return found;
}

static int list(struct ctl *ctl, json_t **ret_jobs)
{
	return ctl_ask(ctl, "GET", strdup("/admin/v1/jobs"), ret_jobs);
}

static int print_list(struct ctl *ctl)
{
	json_t *root, *job;
	size_t i;
	int status = list(ctl, &root);

	if (status != CTL_OK)
		return status;
	if (ctl->json) {
		ctl_print_json(root);
	} else {
		json_array_foreach(json_object_get(root, "jobs"), i, job) ctl_follow_line(job);
	}
	json_decref(root);
	return CTL_OK;
}

static int print_one(struct ctl *ctl, const char *id)
{
	json_t *job, *file;
	char done[16], total[16];
	size_t i;
	int status = ctl_follow_ask(ctl, id, &job);

	if (status != CTL_OK)
		return status;
	if (ctl->json) {
		ctl_print_json(job);
	} else {
		ctl_follow_line(job);
		json_array_foreach(json_object_get(job, "files"), i, file)
		    printf("  %-9s %10s of %10s  %s %s\n", ctl_text(file, "state"),
			   ctl_bytes(ctl_count(file, "bytes_done"), done),
			   ctl_bytes(ctl_count(file, "bytes_total"), total),
			   ctl_text(file, "model"), ctl_text(file, "path"));
	}
	json_decref(job);
	return CTL_OK;
}

static int cancel(struct ctl *ctl, const char *id)
{
	char *encoded = ctl_encode(id), *target = NULL;
	json_t *job;
	int status;

	if (asprintf(&target, "/admin/v1/jobs/%s", encoded) < 0)
		abort();
	free(encoded);
	status = ctl_ask(ctl, "DELETE", target, &job);
	if (status != CTL_OK)
		return status;
	if (ctl->json)
		ctl_print_json(job);
	else
		ctl_follow_line(job);
	json_decref(job);
	return CTL_OK;
}

/* --follow without an ID: the newest. */
static int follow_newest(struct ctl *ctl)
{
	json_t *root, *jobs, *job;
	int status = list(ctl, &root);

	if (status != CTL_OK)
		return status;
	jobs = json_object_get(root, "jobs");
	job = json_array_get(jobs, json_array_size(jobs) - 1);
	status =
	    job == NULL ? ctl_fail("there are no jobs") : ctl_follow_job(ctl, ctl_text(job, "id"));
	json_decref(root);
	return status;
}

int ctl_command_jobs(struct ctl *ctl)
{
	bool follow = take_flag(ctl, "--follow"), stop = take_flag(ctl, "--cancel");
	static const char *const none[] = {NULL};
	const char *values[1];

	if (!ctl_options(ctl, none, values))
		return CTL_USAGE;
	if (ctl->argc > 1 || (stop && (follow || ctl->argc == 0)))
		return ctl_usage(ctl, "one ID, please");
	if (stop)
		return cancel(ctl, ctl->argv[0]);
	if (follow)
		return ctl->argc == 0 ? follow_newest(ctl) : ctl_follow_job(ctl, ctl->argv[0]);
	return ctl->argc == 0 ? print_list(ctl) : print_one(ctl, ctl->argv[0]);
}

/* ---- manifests ----------------------------------------------------------------------------- */

static void print_manifest(const json_t *v)
{
	char when[32] = "never";
	time_t t = (time_t)ctl_count(v, "applied");
	struct tm tm;

	if (t != 0 && gmtime_r(&t, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("%s  %llu models  applied %s  job %s%s%s\n", ctl_text(v, "name"),
	       (unsigned long long)ctl_count(v, "models"), when, ctl_text(v, "job"),
	       json_is_true(json_object_get(v, "signed")) ? "  signed" : "",
	       json_is_true(json_object_get(v, "prune")) ? "  prunes" : "");
}

int ctl_command_manifests(struct ctl *ctl)
{
	json_t *root = NULL, *list, *v;
	size_t i;
	int status;

	if (ctl->argc == 2 && strcmp(ctl->argv[0], "rm") == 0) {
		status = ctl_ask(ctl, "DELETE",
				 ctl_target("/admin/v1/manifests/", ctl->argv[1], ""), &root);
		json_decref(root);
		return status;
	}
	if (ctl->argc != 0)
		return ctl_usage(ctl, "nothing, or rm NAME");
	status = ctl_ask(ctl, "GET", strdup("/admin/v1/manifests"), &root);
	if (status == CTL_OK && ctl->json)
		ctl_print_json(root);
	list = status == CTL_OK && !ctl->json ? json_object_get(root, "manifests") : NULL;
	for (i = 0; i < json_array_size(list); i++) {
		v = json_array_get(list, i);
		print_manifest(v);
	}
	json_decref(root);
	return status;
}
