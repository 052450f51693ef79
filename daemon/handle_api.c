/* SPDX-License-Identifier: MIT */
/*
 * handle_api.c — the Hub's JSON, as far as its clients look: list of models,
 * one model (handle_api_tree.c has its files).  Pool threads: the whole index
 * may be read.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/hub.h"
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
		    ",\"lfs\":{\"sha256\":\"%s\",\"size\":%" PRIu64 ",\"pointerSize\":%u}}",
		    info->size, hex, hex, hex, info->size, hub_pointer_bytes(info->size));
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

/* What the Hub has for a database key: 24 digits that stay the model's own. */
static void add_id(struct text *t, const char *model)
{
	char hex[STORE_DIGEST_HEX + 1] = "";
	struct store_digest digest;

	if (store_digest_of(model, strlen(model), &digest) == 0)
		store_digest_hex(&digest, hex);
	text_printf(t, "\"%.24s\"", hex);
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
	text_add(t, "{\"_id\":");
	add_id(t, e->model);
	text_add(t, ",\"id\":");
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

/* `search`: a part of the name, in any case; `author`: what stands before the slash. */
static bool matches(const char *model, const char *search, const char *author)
{
	size_t n = author == NULL ? 0 : strlen(author);

	return (search == NULL || strcasestr(model, search) != NULL) &&
	       (n == 0 || (strncmp(model, author, n) == 0 && model[n] == '/'));
}

int handle_api_models(struct request *rq, struct fault *fault)
{
	const char *search = request_query(rq, "search"), *author = request_query(rq, "author");
	const struct entry *last = NULL;
	struct listing l = {.rq = rq};
	bool full = asked(rq, "full");
	struct store_error err;
	struct hub_page page;
	struct text t;
	int rc;

	l.last = &l.first;
	hub_page_begin(rq, &page);
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
		if (!hub_page_has(&page, shown->model) || !matches(shown->model, search, author))
			continue;
		if (page.count == page.limit) {
			/* fanalyzer-suppress null-dereference: a limit is not 0 */
			/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a limit is not 0 */
			hub_page_next(rq, last->model);
			break;
		}
		if (page.count++ > 0)
			text_add(&t, ",");
		last = shown;
		if (add_model(rq, &t, shown, full, full, fault) != 0)
			return -1;
	}
	text_add(&t, "]\n");
	return reply_text(rq, 200, JSON_TYPE, &t);
}

/*
 * The model and revision of the URL; `HEAD` is `main` where nothing is called so.
 * 0; or 1 when the request was answered (404); or -1 with the fault.
 */
static int find(struct request *rq, struct listing *l, struct fault *fault)
{
	const char *revision = rq->part[PART_REV] != NULL ? rq->part[PART_REV] : "main";
	struct store_error err;
	int rc;

	*l = (struct listing){.rq = rq};
	l->last = &l->first;
	rc = store_model_find(rq->ctx->store, rq->part[PART_MODEL], revision, keep_entry, l, &err);
	if (rc == STORE_NOT_FOUND && strcmp(revision, "HEAD") == 0)
		rc = store_model_find(rq->ctx->store, rq->part[PART_MODEL], "main", keep_entry, l,
				      &err);
	if (l->short_of_memory)
		return fault_set(fault, 507, "out of memory");
	if (rc == 0)
		return 0;
	(void)fault_store(fault, rc, err.text);
	if (rc != STORE_NOT_FOUND)
		return -1;
	(void)reply_fault(rq, fault);
	hub_missing(rq);
	return 1;
}

int handle_api_model(struct request *rq, struct fault *fault)
{
	bool full = asked(rq, "full") || asked(rq, "blobs");
	struct listing l;
	struct text t;
	int rc = find(rq, &l, fault);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	text_init(&t, &rq->arena);
	if (add_model(rq, &t, l.first, full, true, fault) != 0)
		return -1;
	text_add(&t, "\n");
	return reply_text(rq, 200, JSON_TYPE, &t);
}
