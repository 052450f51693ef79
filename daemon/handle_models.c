/* SPDX-License-Identifier: MIT */
/*
 * handle_models.c — the administration of models: list, show, remove, pin, load,
 * unload.  Everything runs on the pool.  A model's name may carry `@revision`,
 * or the revision comes as ?revision= (where it holds a slash).
 */
#include <config.h>

#include <string.h>

#include "daemon/request.h"
#include "daemon/residency.h"
#include "daemon/text.h"
#include "store/store.h"

#define JSON_TYPE "application/json"

/* What the URL names. */
struct named {
	const char *model;
	const char *revision; /* NULL = not given */
};

static int name_of(struct request *rq, struct named *out, struct fault *fault)
{
	const char *part = rq->part[PART_MODEL];
	const char *at = strrchr(part, '@');

	out->revision = request_query(rq, "revision");
	out->model = part;
	if (at == NULL)
		return 0;
	if (out->revision != NULL)
		return fault_set(fault, 400, "the revision is given twice");
	out->model = arena_copy(&rq->arena, part, (size_t)(at - part));
	out->revision = at + 1;
	if (out->model == NULL)
		return fault_set(fault, 503, "out of memory");
	if (out->model[0] == '\0' || out->revision[0] == '\0')
		return fault_set(fault, 400, "a model is named MODEL or MODEL@REVISION");
	return 0;
}

/* The fields of one model, without the closing brace. */
static void model_json(struct text *t, const struct store_model_info *info)
{
	text_add(t, "{\"id\":");
	text_json(t, info->model);
	text_add(t, ",\"revision\":");
	text_json(t, info->revision);
	text_add(t, ",\"commit\":");
	text_json(t, info->commit);
	text_printf(t, ",\"files\":%llu,\"bytes\":%llu,\"modified_s\":%lld,\"used_s\":%lld",
		    (unsigned long long)info->file_count, (unsigned long long)info->size_bytes,
		    (long long)info->modified_s, (long long)info->used_s);
	text_printf(t, ",\"pinned\":%s", info->pinned ? "true" : "false");
}

/* ---- list ---------------------------------------------------------------------- */

struct list {
	struct text t;
	unsigned count;
};

static int list_model(void *arg, const struct store_model_info *info)
{
	struct list *list = arg;

	text_add(&list->t, list->count++ == 0 ? "\n" : ",\n");
	model_json(&list->t, info);
	text_add(&list->t, "}");
	return 0;
}

int handle_models_list(struct request *rq, struct fault *fault)
{
	struct store_error err;
	struct list list = {.count = 0};

	text_init(&list.t, &rq->arena);
	text_add(&list.t, "{\"models\":[");
	if (store_model_list(rq->ctx->store, list_model, &list, &err) != 0)
		return fault_store(fault, err.status, err.text);
	text_add(&list.t, "]}\n");
	return reply_text(rq, 200, JSON_TYPE, &list.t);
}

/* ---- show ------------------------------------------------------------------------ */

struct show {
	struct text t;
	char commit[STORE_COMMIT_HEX + 1];
	char last[STORE_COMMIT_HEX + 1]; /* the snapshot that was shown last */
	unsigned count;
};

static int show_model(void *arg, const struct store_model_info *info)
{
	struct show *show = arg;

	memcpy(show->commit, info->commit, sizeof show->commit);
	model_json(&show->t, info);
	return 0;
}

static int show_file(void *arg, const struct store_file_info *info)
{
	struct show *show = arg;
	char hex[STORE_DIGEST_HEX + 1];

	store_digest_hex(&info->digest, hex);
	text_add(&show->t, show->count++ == 0 ? "\n{\"path\":" : ",\n{\"path\":");
	text_json(&show->t, info->path);
	text_printf(&show->t, ",\"bytes\":%llu,\"sha256\":\"%s\"}", (unsigned long long)info->size,
		    hex);
	return 0;
}

/* The snapshots of the model, each with its names. */
static int show_snapshot(void *arg, const struct store_usage_snapshot *s)
{
	struct show *show = arg;
	struct text *t = &show->t;

	if (strcmp(show->last, s->commit) != 0) {
		text_add(t, show->last[0] == '\0' ? "\n" : "]},\n");
		memcpy(show->last, s->commit, sizeof show->last);
		text_printf(t,
			    "{\"commit\":\"%s\",\"files\":%llu,\"bytes\":%llu,\"modified_s\":%lld,"
			    "\"used_s\":%lld,\"revisions\":[",
			    s->commit, (unsigned long long)s->file_count,
			    (unsigned long long)s->size_bytes, (long long)s->modified_s,
			    (long long)s->used_s);
	} else {
		text_add(t, ",");
	}
	if (s->revision != NULL)
		text_json(t, s->revision);
	return 0;
}

static int show_usage(struct store *store, const char *model, struct show *show,
		      struct store_error *err)
{
	struct store_usage u;
	int status = store_usage_get(store, model, &u, err);

	if (status != 0)
		return status;
	text_printf(&show->t,
		    ",\"stored_bytes\":%llu,\"shared_bytes\":%llu,\"derived_bytes\":%llu,"
		    "\"snapshots\":[",
		    (unsigned long long)u.stored, (unsigned long long)u.shared,
		    (unsigned long long)u.derived);
	status = store_usage_snapshots(store, model, show_snapshot, show, err);
	text_add(&show->t, show->last[0] != '\0' ? "]}]" : "]");
	return status;
}

int handle_models_show(struct request *rq, struct fault *fault)
{
	struct store *store = rq->ctx->store;
	struct show show = {.count = 0};
	struct store_error err;
	struct named named;

	if (name_of(rq, &named, fault) != 0)
		return -1;
	if (named.revision == NULL)
		named.revision = "main";
	text_init(&show.t, &rq->arena);
	if (store_model_find(store, named.model, named.revision, show_model, &show, &err) != 0)
		return fault_store(fault, err.status, err.text);
	if (show_usage(store, named.model, &show, &err) != 0)
		return fault_store(fault, err.status, err.text);
	text_add(&show.t, ",\n\"list\":[");
	if (store_model_files(store, named.model, show.commit, show_file, &show, &err) != 0)
		return fault_store(fault, err.status, err.text);
	text_add(&show.t, "]}\n");
	return reply_text(rq, 200, JSON_TYPE, &show.t);
}

/* What a model and its revision are called, and mean. */
struct names {
	char model[STORE_NAME_MAX + 1];
	char commit[STORE_COMMIT_HEX + 1];
};

static int note_names(void *arg, const struct store_model_info *info)
{
	struct names *names = arg;

	memcpy(names->model, info->model, strlen(info->model) + 1);
	memcpy(names->commit, info->commit, strlen(info->commit) + 1);
	return 0;
}

/* ---- remove, pin -------------------------------------------------------------------- */

/* What is removed is not kept in memory either, but for those who use it now. */
int handle_models_remove(struct request *rq, struct fault *fault)
{
	struct store *store = rq->ctx->store;
	struct store_error err;
	struct names names;
	struct named named;
	const char *model;

	if (name_of(rq, &named, fault) != 0)
		return -1;
	model = named.model;
	if (store_model_find(store, model, "main", note_names, &names, NULL) == 0)
		model = names.model;
	if (store_model_remove(store, model, named.revision, &err) != 0)
		return fault_store(fault, err.status, err.text);
	if (named.revision == NULL && rq->ctx->residency != NULL)
		(void)residency_unload(rq->ctx->residency, model, NULL);
	return reply_empty(rq, 204);
}

static int pin(struct request *rq, bool pinned, struct fault *fault)
{
	struct store_error err;

	if (store_model_pin(rq->ctx->store, rq->part[PART_MODEL], pinned, &err) != 0)
		return fault_store(fault, err.status, err.text);
	return reply_empty(rq, 204);
}

int handle_models_pin(struct request *rq, struct fault *fault)
{
	return pin(rq, true, fault);
}

int handle_models_unpin(struct request *rq, struct fault *fault)
{
	return pin(rq, false, fault);
}

/* ---- memory ---------------------------------------------------------------------------- */

int handle_models_load(struct request *rq, struct fault *fault)
{
	struct residency_want want = {.cancel = request_cancel_flag(rq), .arena = &rq->arena};
	const char *detail;
	struct resident *m;
	struct named named;
	struct text t;

	if (name_of(rq, &named, fault) != 0)
		return -1;
	if (rq->ctx->residency == NULL)
		return fault_set(fault, 503, "models are not run here");
	want.model = named.model;
	want.revision = named.revision;
	want.file = request_query(rq, "file");
	text_init(&t, &rq->arena);
	if (residency_get(rq->ctx->residency, &want, &m, &detail, fault) != 0) {
		if (detail == NULL)
			return -1;
		text_add(&t, "{\"error\":");
		text_json(&t, detail);
		text_add(&t, "}\n");
		return reply_text(rq, fault->http, JSON_TYPE, &t);
	}
	text_add(&t, "{\"id\":");
	text_json(&t, residency_model(m));
	text_add(&t, ",\"commit\":");
	text_json(&t, residency_commit(m));
	text_add(&t, ",\"file\":");
	text_json(&t, residency_file(m));
	text_add(&t, "}\n");
	residency_unref(m);
	return reply_text(rq, 200, JSON_TYPE, &t);
}

int handle_models_unload(struct request *rq, struct fault *fault)
{
	struct names names;
	struct store_error err;
	struct named named;
	struct text t;
	unsigned count;

	if (name_of(rq, &named, fault) != 0)
		return -1;
	if (rq->ctx->residency == NULL)
		return fault_set(fault, 503, "models are not run here");
	if (store_model_find(rq->ctx->store, named.model,
			     named.revision != NULL ? named.revision : "main", note_names, &names,
			     &err) != 0)
		return fault_store(fault, err.status, err.text);
	count = residency_unload(rq->ctx->residency, named.revision == NULL ? names.model : NULL,
				 names.commit);
	text_init(&t, &rq->arena);
	text_printf(&t, "{\"unloaded\":%u}\n", count);
	return reply_text(rq, 200, JSON_TYPE, &t);
}
