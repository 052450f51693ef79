/* SPDX-License-Identifier: MIT */
/*
 * handle_api_tree.c — the files of a revision in the Hub's JSON: a folder, all of
 * them, or those that are named.  Pool threads.  Paths come in bytewise order,
 * so what lies in one folder comes together.
 */
#include <config.h>

#include <inttypes.h>
#include <string.h>

#include "daemon/hub.h"
#include "daemon/request.h"
#include "daemon/text.h"
#include "store/store.h"

#define JSON_TYPE "application/json"
#define PATHS_MAX 200 /* of one request for paths by name */

struct tree {
	struct request *rq;
	struct text t;
	const char *dir; /* "" or `a/b` */
	bool recursive, inside, more;
	struct hub_page page;
	/* keys of rows: the path, with a `/` behind that of a folder, so that keys come in order */
	char last[STORE_PATH_MAX + 2];
	char above[STORE_PATH_MAX + 2]; /* of the last folder */
	/* for paths by name */
	const json_t *paths;
	bool *given; /* [paths]: folders that have their row */
	const char *commit;
};

/* Whether the page has room; begins a row if it has. */
static bool row(struct tree *tr, const char *key, size_t size)
{
	if (tr->page.count == tr->page.limit) {
		tr->more = true;
		return false;
	}
	if (tr->page.count++ > 0)
		text_add(&tr->t, ",");
	memcpy(tr->last, key, size);
	tr->last[size] = '\0';
	return true;
}

/* ${path}[size], and the `/` behind it. */
static void add_folder(struct tree *tr, const char *path, size_t size)
{
	if (!row(tr, path, size + 1))
		return;
	text_add(&tr->t, "{\"type\":\"directory\",\"oid\":\"\",\"size\":0,\"path\":");
	text_json_n(&tr->t, path, size);
	text_add(&tr->t, "}");
}

static void add_file(struct tree *tr, const struct store_file_info *info)
{
	char hex[STORE_DIGEST_HEX + 1];

	if (!row(tr, info->path, strlen(info->path)))
		return;
	store_digest_hex(&info->digest, hex);
	text_printf(&tr->t, "{\"type\":\"file\",\"oid\":\"%s\",\"size\":%" PRIu64 ",\"path\":", hex,
		    info->size);
	text_json(&tr->t, info->path);
	text_printf(&tr->t, ",\"lfs\":{\"oid\":\"%s\",\"size\":%" PRIu64 ",\"pointerSize\":%u}",
		    hex, info->size, hub_pointer_bytes(info->size));
	if (tr->commit != NULL)
		text_printf(&tr->t, ",\"lastCommit\":{\"id\":\"%s\",\"title\":\"\"}", tr->commit);
	text_add(&tr->t, "}");
}

/*
 * Rows of the folders on the way to ${path}, whose part after the asked folder
 * begins at ${rest}: those that the file before did not lie in.  False when the
 * file itself lies too deep to be listed.
 */
static bool add_folders(struct tree *tr, const char *path, const char *rest)
{
	for (const char *slash = strchr(rest, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		size_t size = (size_t)(slash - path);

		if (strncmp(tr->above, path, size + 1) != 0) {
			memcpy(tr->above, path, size + 1);
			tr->above[size + 1] = '\0';
			if (hub_page_has(&tr->page, tr->above))
				add_folder(tr, path, size);
		}
		if (!tr->recursive)
			return false;
	}
	return true;
}

static int on_tree(void *arg, const struct store_file_info *info)
{
	struct tree *tr = arg;
	size_t n = strlen(tr->dir);
	const char *rest = info->path;

	if (n > 0) {
		if (strncmp(info->path, tr->dir, n) != 0 || info->path[n] != '/')
			return 0;
		rest += n + 1;
	}
	tr->inside = true;
	if (add_folders(tr, info->path, rest) && hub_page_has(&tr->page, info->path))
		add_file(tr, info);
	return 0;
}

/* The walk over all files, and its end: 0, or -1 with the fault. */
static int list(struct tree *tr, store_file_f *fn, struct fault *fault)
{
	struct request *rq = tr->rq;
	struct store_error err;
	int rc;

	text_add(&tr->t, "[");
	rc = store_model_files(rq->ctx->store, rq->part[PART_MODEL], rq->part[PART_REV], fn, tr,
			       &err);
	if (rc == 0 && *tr->dir != '\0' && !tr->inside) {
		(void)fault_set(fault, 404, "there is no such folder in this revision");
		rc = STORE_NOT_FOUND;
	} else if (rc != 0) {
		(void)fault_store(fault, rc, err.text);
	}
	if (rc == STORE_NOT_FOUND) {
		(void)reply_fault(rq, fault);
		hub_missing(rq);
		return 0;
	}
	if (rc != 0)
		return -1;
	text_add(&tr->t, "]\n");
	if (tr->more)
		hub_page_next(rq, tr->last);
	return reply_text(rq, 200, JSON_TYPE, &tr->t);
}

static bool yes(const char *value)
{
	return value != NULL && (strcmp(value, "true") == 0 || strcmp(value, "True") == 0 ||
				 strcmp(value, "1") == 0 || *value == '\0');
}

int handle_api_tree(struct request *rq, struct fault *fault)
{
	struct tree *tr = arena_zalloc(&rq->arena, sizeof(*tr));

	if (tr == NULL)
		return fault_set(fault, 507, "out of memory");
	tr->rq = rq;
	tr->dir = rq->part[PART_PATH] != NULL ? rq->part[PART_PATH] : "";
	tr->recursive = yes(request_query(rq, "recursive"));
	hub_page_begin(rq, &tr->page);
	text_init(&tr->t, &rq->arena);
	return list(tr, on_tree, fault);
}

/* ---- paths by name ------------------------------------------------------------------ */

/* Is ${path} asked for, or a folder that it lies in? */
static int on_path(void *arg, const struct store_file_info *info)
{
	struct tree *tr = arg;
	const json_t *value;
	size_t i;

	json_array_foreach(tr->paths, i, value)
	{
		const char *want = json_string_value(value);
		size_t n = strlen(want);

		if (strcmp(info->path, want) == 0) {
			add_file(tr, info);
		} else if (!tr->given[i] && strncmp(info->path, want, n) == 0 &&
			   info->path[n] == '/') {
			tr->given[i] = true;
			add_folder(tr, info->path, n);
		}
	}
	return 0;
}

static int keep_commit(void *arg, const struct store_model_info *info)
{
	struct tree *tr = arg;

	tr->commit = arena_copy(&tr->rq->arena, info->commit, strlen(info->commit));
	return 0;
}

int handle_api_tree_paths(struct request *rq, struct fault *fault)
{
	struct tree *tr = arena_zalloc(&rq->arena, sizeof(*tr));
	const json_t *value;
	struct store_error err;
	size_t i;

	if (tr == NULL)
		return fault_set(fault, 507, "out of memory");
	tr->rq = rq;
	tr->dir = "";
	tr->page = (struct hub_page){.after = "", .limit = UINT64_MAX};
	tr->paths = json_object_get(rq->json, "paths");
	if (!json_is_array(tr->paths) || json_array_size(tr->paths) > PATHS_MAX)
		return fault_set(fault, 400, "`paths` must be a list of at most %d", PATHS_MAX);
	json_array_foreach(tr->paths, i, value)
	{
		if (!json_is_string(value))
			return fault_set(fault, 400, "`paths` holds what is not a string");
	}
	tr->given = arena_zalloc(&rq->arena, json_array_size(tr->paths) + 1);
	if (tr->given == NULL)
		return fault_set(fault, 507, "out of memory");
	/* an unknown model has no commit, and list() says so */
	if (json_is_true(json_object_get(rq->json, "expand")) &&
	    store_model_find(rq->ctx->store, rq->part[PART_MODEL], rq->part[PART_REV], keep_commit,
			     tr, &err) != 0)
		tr->commit = NULL;
	text_init(&tr->t, &rq->arena);
	return list(tr, on_path, fault);
}
