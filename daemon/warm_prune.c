/* SPDX-License-Identifier: MIT */
/*
 * warm_prune.c — the end of a job: done, or first what no manifest names is
 * dropped.  Called by warm.c when all items have their names.  It must never
 * drop what a manifest that is kept names.
 */
#include <config.h>

#include "daemon/warm_prune.h"

#include <stdio.h>

#include "daemon/context.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/manifest.h"
#include "daemon/warm_run.h"

void warm_prune(struct warm_job *job, bool prune)
{
	job->prune = prune;
}

struct pruning {
	const json_t *keep;
	json_t *drop; /* [[model, revision]] */
};

static int look(void *arg, const struct store_model_info *info)
{
	struct pruning *p = arg;
	char key[STORE_NAME_MAX + STORE_REV_MAX + 2];

	(void)snprintf(key, sizeof(key), "%s\n%s", info->model, info->revision);
	if (json_object_get(p->keep, key) == NULL)
		(void)json_array_append_new(p->drop,
					    json_pack("[s, s]", info->model, info->revision));
	return 0;
}

static void prune_work(void *arg)
{
	struct warm_job *job = arg;
	struct store *store = job->warm->ctx->store;
	struct pruning p = {.keep = job->keeping, .drop = json_array()};
	json_t *pair;
	size_t i;

	job->status = store_model_list(store, look, &p, &job->store_error);
	json_array_foreach(p.drop, i, pair)
	{
		const char *model = json_string_value(json_array_get(pair, 0));
		const char *revision = json_string_value(json_array_get(pair, 1));

		if (job->status != 0)
			break;
		log_info("prune", "model=\"%s\" revision=%s", model, revision);
		job->status = store_model_remove(store, model, revision, &job->store_error);
		if (job->status == STORE_NOT_FOUND)
			job->status = 0; /* gone by itself */
	}
	json_decref(p.drop);
}

static void pruned(void *arg)
{
	struct warm_job *job = arg;

	job->busy = false;
	json_decref(job->keeping);
	job->keeping = NULL;
	warm_kick(job->warm);
	if (warm_over(job))
		return;
	if (job->status != 0)
		(void)snprintf(job->error, sizeof(job->error), "dropping the rest: %s",
			       job->store_error.text);
	warm_finish(job, job->status == 0 ? WARM_DONE : WARM_FAILED);
}

void warm_prune_end(struct warm_job *job)
{
	char key[STORE_NAME_MAX + STORE_REV_MAX + 2];

	if (!job->prune) {
		warm_finish(job, WARM_DONE);
		return;
	}
	job->keeping = manifest_names(job->warm->ctx->manifests);
	for (unsigned i = 0; i < job->item_count; i++) {
		(void)snprintf(key, sizeof(key), "%s\n%s", job->item[i].model,
			       job->item[i].revision);
		(void)json_object_set_new(job->keeping, key, json_true());
	}
	job->busy = true;
	job_background(job->warm->ctx, prune_work, pruned, job);
}
