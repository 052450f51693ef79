/* SPDX-License-Identifier: MIT */
/*
 * handle_stats.c — the statistics and repository extensions of the Open Inference
 * Protocol (Triton, extension_statistics.md, extension_model_repository.md): what
 * became of a model's inferences, and which models there are.  Runs on the pool;
 * must never load a model.
 */
#include <config.h>

#include <string.h>

#include "daemon/request.h"
#include "daemon/residency.h"
#include "daemon/runnable.h"
#include "daemon/tally.h"
#include "daemon/text.h"
#include "store/store.h"

#define JSON_TYPE "application/json"

/* ---- statistics --------------------------------------------------------------------- */

struct stats {
	struct text *t;
	const char *file; /* NULL = any */
	unsigned count;
};

static void duration(struct text *t, const char *name, uint64_t count, uint64_t ns)
{
	text_printf(t, "\"%s\":{\"count\":%llu,\"ns\":%llu}", name, (unsigned long long)count,
		    (unsigned long long)ns);
}

static void add_batch(struct text *t, const struct tally_batch *b, const char *comma)
{
	text_printf(t, "%s{\"batch_size\":%llu,", comma, (unsigned long long)b->size);
	duration(t, "compute_input", b->count, b->input);
	text_add(t, ",");
	duration(t, "compute_infer", b->count, b->infer);
	text_add(t, ",");
	duration(t, "compute_output", b->count, b->output);
	text_add(t, "}");
}

static void add_stats(void *arg, const struct tally_view *v)
{
	struct stats *s = arg;
	struct text *t = s->t;
	uint64_t n = v->count[TALLY_SUCCESS];

	if (s->file != NULL && strcmp(s->file, v->file) != 0)
		return;
	text_add(t, s->count++ > 0 ? ",{\"name\":" : "{\"name\":");
	text_json(t, v->model);
	text_add(t, ",\"version\":");
	text_json(t, v->commit);
	text_add(t, ",\"file\":");
	text_json(t, v->file);
	text_printf(t,
		    ",\"last_inference\":%llu,\"inference_count\":%llu,\"execution_count\":%llu,"
		    "\"inference_stats\":{",
		    (unsigned long long)v->last_ms, (unsigned long long)v->rows,
		    (unsigned long long)v->runs);
	duration(t, "success", n, v->sum.total);
	text_add(t, ",");
	duration(t, "fail", v->count[TALLY_FAILED], v->total_ns[TALLY_FAILED]);
	text_add(t, ",");
	duration(t, "cancel", v->count[TALLY_CANCELLED], v->total_ns[TALLY_CANCELLED]);
	text_add(t, ",");
	duration(t, "queue", n, v->sum.queue);
	text_add(t, ",");
	duration(t, "compute_input", n, v->sum.input);
	text_add(t, ",");
	duration(t, "compute_infer", n, v->sum.infer);
	text_add(t, ",");
	duration(t, "compute_output", n, v->sum.output);
	text_add(t, ",");
	duration(t, "cache_hit", 0, 0);
	text_add(t, ",");
	duration(t, "cache_miss", 0, 0);
	text_add(t, "},\"batch_stats\":[");
	for (unsigned i = 0; i < v->batch_count; i++)
		add_batch(t, &v->batch[i], i == 0 ? "" : ",");
	text_add(t, "],\"memory_usage\":[");
	if (v->loaded)
		text_printf(t, "{\"type\":\"CPU\",\"id\":0,\"byte_size\":%llu}",
			    (unsigned long long)v->cost);
	text_add(t, "]}");
}

static int reply_stats(struct request *rq, const char *model, const char *commit, const char *file)
{
	struct text t;
	struct stats s = {.t = &t, .file = file};

	text_init(&t, &rq->arena);
	text_add(&t, "{\"model_stats\":[");
	tally_each(residency_tallies(rq->ctx->residency), model, commit, add_stats, &s);
	text_add(&t, "]}");
	return reply_text(rq, 200, JSON_TYPE, &t);
}

int handle_stats_all(struct request *rq, struct fault *fault)
{
	if (rq->ctx->residency == NULL)
		return fault_set(fault, 503, "models are not run here");
	return reply_stats(rq, NULL, NULL, NULL);
}

/* All versions of a model that ran since the start; of one version where the URL says so. */
int handle_stats_model(struct request *rq, struct fault *fault)
{
	const char *version = rq->part[PART_VERSION], *file = request_query(rq, "file");
	struct runnable what;

	if (rq->ctx->residency == NULL)
		return fault_set(fault, 503, "models are not run here");
	if (runnable_find(rq->ctx->store, rq->part[PART_MODEL], version == NULL ? "main" : version,
			  file, &what, fault) != 0)
		return -1;
	return reply_stats(rq, what.model, version == NULL ? NULL : what.file.commit, file);
}

/* ---- repository index --------------------------------------------------------------- */

struct entry {
	struct entry *next;
	const char *model, *commit, *state, *reason;
};

struct index {
	struct request *rq;
	struct entry *first, **last;
	bool short_of_memory;
};

static int keep_entry(void *arg, const struct store_model_info *info)
{
	struct index *x = arg;
	struct entry *e = arena_zalloc(&x->rq->arena, sizeof(*e));

	if (e == NULL)
		goto fail;
	e->model = arena_copy(&x->rq->arena, info->model, strlen(info->model));
	e->commit = arena_copy(&x->rq->arena, info->commit, strlen(info->commit));
	if (e->model == NULL || e->commit == NULL)
		goto fail;
	*x->last = e;
	x->last = &e->next;
	return 0;
fail:
	x->short_of_memory = true;
	return -1;
}

static void mark_loaded(void *arg, const struct residency_info *info)
{
	struct index *x = arg;

	for (struct entry *e = x->first; e != NULL; e = e->next) {
		if (strcmp(e->model, info->model) == 0 && strcmp(e->commit, info->commit) == 0)
			e->state = info->loading ? "LOADING" : "READY";
	}
}

/* Why a model that is not in memory is not. */
static void explain(struct request *rq, struct entry *e)
{
	struct runnable what;
	struct fault why;

	if (e->state != NULL)
		return;
	e->state = "UNAVAILABLE";
	if (runnable_find(rq->ctx->store, e->model, e->commit, NULL, &what, &why) == 0)
		e->reason = "not loaded: the first request loads it";
	else
		e->reason = arena_copy(&rq->arena, why.text, strlen(why.text));
}

/* {"ready":true}: only those that are in memory. */
static int only_ready(const struct request *rq, bool *out, struct fault *fault)
{
	const json_t *ready = json_object_get(rq->json, "ready");

	*out = false;
	if (rq->json != NULL && !json_is_object(rq->json))
		return fault_set(fault, 400, "the body must be an object");
	if (ready == NULL)
		return 0;
	if (!json_is_boolean(ready))
		return fault_set(fault, 400, "\"ready\" must be true or false");
	*out = json_is_true(ready);
	return 0;
}

static int reply_index(struct request *rq, const struct index *x)
{
	struct text t;

	text_init(&t, &rq->arena);
	text_add(&t, "[");
	for (const struct entry *e = x->first; e != NULL; e = e->next) {
		if (e->state == NULL)
			continue;
		text_add(&t, t.size > 1 ? ",{\"name\":" : "{\"name\":");
		text_json(&t, e->model);
		text_printf(&t, ",\"version\":\"%s\",\"state\":\"%s\",\"reason\":", e->commit,
			    e->state);
		text_json(&t, e->reason == NULL ? "" : e->reason);
		text_add(&t, "}");
	}
	text_add(&t, "]");
	return reply_text(rq, 200, JSON_TYPE, &t);
}

int handle_stats_index(struct request *rq, struct fault *fault)
{
	struct index x = {.rq = rq};
	struct store_error err;
	bool ready;
	int rc;

	x.last = &x.first;
	if (only_ready(rq, &ready, fault) != 0)
		return -1;
	if (rq->ctx->residency == NULL)
		return fault_set(fault, 503, "models are not run here");
	rc = store_model_list(rq->ctx->store, keep_entry, &x, &err);
	if (x.short_of_memory)
		return fault_set(fault, 507, "out of memory");
	if (rc != 0)
		return fault_store(fault, rc, err.text);
	residency_each(rq->ctx->residency, mark_loaded, &x);
	for (struct entry *e = x.first; e != NULL && !ready; e = e->next)
		explain(rq, e);
	return reply_index(rq, &x);
}
