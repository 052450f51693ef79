/* SPDX-License-Identifier: MIT */
/*
 * handle_api.c — the Hub's JSON, as far as its clients look: list of models,
 * one model, the tree of a revision.  Pool threads: the whole index may be read.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/request.h"
#include "daemon/runnable.h"
#include "daemon/text.h"
#include "store/store.h"

#define JSON_TYPE "application/json"

/* One (model, revision), copied out of the walk over the index. */
struct entry {
	struct entry *next;
	const char *model, *revision;
	char commit[STORE_COMMIT_HEX + 1];
	uint64_t size_bytes;
	int64_t modified_s;
};

struct listing {
	struct request *rq;
	struct entry *first, **last;
	bool short_of_memory;
};

static int keep_entry(void *arg, const struct store_model_info *info)
{
	struct listing *l = arg;
	struct entry *e = arena_zalloc(&l->rq->arena, sizeof(*e));

	if (e != NULL) {
		e->model = arena_copy(&l->rq->arena, info->model, strlen(info->model));
		e->revision = arena_copy(&l->rq->arena, info->revision, strlen(info->revision));
	}
	if (e == NULL || e->model == NULL || e->revision == NULL) {
		l->short_of_memory = true;
		return 1;
	}
	(void)snprintf(e->commit, sizeof(e->commit), "%s", info->commit);
	e->size_bytes = info->size_bytes;
	e->modified_s = info->modified_s;
	*l->last = e;
	l->last = &e->next;
	return 0;
}

/* 2026-01-02T03:04:05.000Z */
static void add_time(struct text *t, int64_t unix_s)
{
	time_t at = (time_t)unix_s;
	char out[40];
	struct tm tm;

	if (gmtime_r(&at, &tm) == NULL ||
	    strftime(out, sizeof(out), "\"%Y-%m-%dT%H:%M:%S.000Z\"", &tm) == 0)
		(void)snprintf(out, sizeof(out), "null");
	text_add(t, out);
}

/* ---- files ------------------------------------------------------------------------ */

struct files {
	struct text *t;
	struct runnable_choice choice;
	unsigned count;
};

static void add_file(struct text *t, const struct store_file_info *info)
{
	char hex[STORE_DIGEST_HEX + 1];

	store_digest_hex(&info->digest, hex);
	text_add(t, "{\"rfilename\":");
	text_json(t, info->path);
	text_printf(t,
		    ",\"size\":%" PRIu64 ",\"sha256\":\"%s\",\"blobId\":\"%s\""
		    ",\"lfs\":{\"sha256\":\"%s\",\"size\":%" PRIu64 ",\"pointerSize\":%zu}}",
		    info->size, hex, hex, hex, info->size, (size_t)127);
}

static int on_file(void *arg, const struct store_file_info *info)
{
	struct files *f = arg;

	if (f->count++ > 0)
		text_add(f->t, ",");
	add_file(f->t, info);
	runnable_look(&f->choice, info->path);
	return 0;
}

static int on_name(void *arg, const struct store_file_info *info)
{
	struct files *f = arg;

	if (f->count++ > 0)
		text_add(f->t, ",");
	text_add(f->t, "{\"rfilename\":");
	text_json(f->t, info->path);
	text_add(f->t, "}");
	return 0;
}

/* One model as an object.  ${full}: with sizes, digests and whether it can be run. */
static int add_model(struct request *rq, struct text *t, const struct entry *e, bool full,
		     bool siblings, struct fault *fault)
{
	struct files *f = arena_zalloc(&rq->arena, sizeof(*f));
	struct store_error err;
	int rc;

	if (f == NULL)
		return fault_set(fault, 507, "out of memory");
	f->t = t;
	text_add(t, "{\"id\":");
	text_json(t, e->model);
	text_add(t, ",\"modelId\":");
	text_json(t, e->model);
	text_printf(t, ",\"sha\":\"%s\",\"lastModified\":", e->commit);
	add_time(t, e->modified_s);
	text_printf(t,
		    ",\"private\":false,\"disabled\":false,\"gated\":false,\"downloads\":0,"
		    "\"likes\":0,\"tags\":[],\"usedStorage\":%" PRIu64 ",\"revision\":",
		    e->size_bytes);
	text_json(t, e->revision);
	if (siblings || full) {
		text_add(t, ",\"siblings\":[");
		rc = store_model_files(rq->ctx->store, e->model, e->commit,
				       full ? on_file : on_name, f, &err);
		if (rc != 0)
			return fault_store(fault, rc, err.text);
		text_add(t, "]");
	}
	if (full)
		text_printf(t, ",\"runnable\":%s",
			    runnable_choose(&f->choice) != NULL ? "true" : "false");
	text_add(t, "}");
	return 0;
}

static bool asked(struct request *rq, const char *key)
{
	const char *value = request_query(rq, key);

	return value != NULL && (strcmp(value, "true") == 0 || strcmp(value, "True") == 0 ||
				 strcmp(value, "1") == 0 || *value == '\0');
}

int handle_api_models(struct request *rq, struct fault *fault)
{
	struct listing l = {.rq = rq};
	bool full = asked(rq, "full"), any = false;
	struct store_error err;
	struct text t;
	int rc;

	l.last = &l.first;
	rc = store_model_list(rq->ctx->store, keep_entry, &l, &err);
	if (l.short_of_memory)
		return fault_set(fault, 507, "out of memory");
	if (rc != 0)
		return fault_store(fault, rc, err.text);
	text_init(&t, &rq->arena);
	text_add(&t, "[");
	for (const struct entry *e = l.first; e != NULL; e = e->next) {
		const struct entry *shown = e;

		/* one object per model: its `main`, else its first revision */
		while (e->next != NULL && strcmp(e->next->model, e->model) == 0) {
			e = e->next;
			if (strcmp(e->revision, "main") == 0)
				shown = e;
		}
		if (any)
			text_add(&t, ",");
		any = true;
		if (add_model(rq, &t, shown, full, full, fault) != 0)
			return -1;
	}
	text_add(&t, "]\n");
	return reply_text(rq, 200, JSON_TYPE, &t);
}

/* The model and revision of the URL. */
static int find(struct request *rq, struct listing *l, struct fault *fault)
{
	const char *revision = rq->part[PART_REV] != NULL ? rq->part[PART_REV] : "main";
	struct store_error err;
	int rc;

	*l = (struct listing){.rq = rq};
	l->last = &l->first;
	rc = store_model_find(rq->ctx->store, rq->part[PART_MODEL], revision, keep_entry, l, &err);
	if (l->short_of_memory)
		return fault_set(fault, 507, "out of memory");
	return rc == 0 ? 0 : fault_store(fault, rc, err.text);
}

int handle_api_model(struct request *rq, struct fault *fault)
{
	bool full = asked(rq, "full") || asked(rq, "blobs");
	struct listing l;
	struct text t;

	if (find(rq, &l, fault) != 0)
		return -1;
	text_init(&t, &rq->arena);
	if (add_model(rq, &t, l.first, full, true, fault) != 0)
		return -1;
	text_add(&t, "\n");
	return reply_text(rq, 200, JSON_TYPE, &t);
}

/* ---- tree ------------------------------------------------------------------------------ */

struct tree {
	struct text *t;
	const char *dir; /* "" or `a/b` */
	bool recursive, any, inside;
	char folder[STORE_PATH_MAX + 1]; /* the last folder that was listed */
};

static void tree_comma(struct tree *tr)
{
	if (tr->any)
		text_add(tr->t, ",");
	tr->any = true;
}

static void add_folder(struct tree *tr, const char *path, size_t size)
{
	if (strlen(tr->folder) == size && memcmp(tr->folder, path, size) == 0)
		return;
	(void)snprintf(tr->folder, sizeof(tr->folder), "%.*s", (int)size, path);
	tree_comma(tr);
	text_add(tr->t, "{\"type\":\"directory\",\"oid\":\"\",\"size\":0,\"path\":");
	text_json_n(tr->t, path, size);
	text_add(tr->t, "}");
}

/* Folders on the way to ${rest}, which is what follows the asked folder in ${path}. */
static bool add_folders(struct tree *tr, const char *path, const char *rest)
{
	const char *slash = strchr(rest, '/');

	if (slash == NULL)
		return true;
	if (!tr->recursive) {
		add_folder(tr, path, (size_t)(slash - path));
		return false;
	}
	return true;
}

static int on_tree(void *arg, const struct store_file_info *info)
{
	struct tree *tr = arg;
	size_t n = strlen(tr->dir);
	const char *rest = info->path;
	char hex[STORE_DIGEST_HEX + 1];

	if (n > 0) {
		if (strncmp(info->path, tr->dir, n) != 0 || info->path[n] != '/')
			return 0;
		rest += n + 1;
	}
	tr->inside = true;
	if (!add_folders(tr, info->path, rest))
		return 0;
	store_digest_hex(&info->digest, hex);
	tree_comma(tr);
	text_printf(tr->t, "{\"type\":\"file\",\"oid\":\"%s\",\"size\":%" PRIu64 ",\"path\":", hex,
		    info->size);
	text_json(tr->t, info->path);
	text_printf(tr->t, ",\"lfs\":{\"oid\":\"%s\",\"size\":%" PRIu64 ",\"pointerSize\":%zu}}",
		    hex, info->size, (size_t)127);
	return 0;
}

int handle_api_tree(struct request *rq, struct fault *fault)
{
	struct tree *tr = arena_zalloc(&rq->arena, sizeof(*tr));
	struct store_error err;
	struct text t;
	int rc;

	if (tr == NULL)
		return fault_set(fault, 507, "out of memory");
	tr->t = &t;
	tr->dir = rq->part[PART_PATH] != NULL ? rq->part[PART_PATH] : "";
	tr->recursive = asked(rq, "recursive");
	text_init(&t, &rq->arena);
	text_add(&t, "[");
	rc = store_model_files(rq->ctx->store, rq->part[PART_MODEL], rq->part[PART_REV], on_tree,
			       tr, &err);
	if (rc != 0)
		return fault_store(fault, rc, err.text);
	if (*tr->dir != '\0' && !tr->inside)
		return fault_set(fault, 404, "there is no such folder in this revision");
	text_add(&t, "]\n");
	return reply_text(rq, 200, JSON_TYPE, &t);
}
