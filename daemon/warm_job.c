/* SPDX-License-Identifier: MIT */
/*
 * warm_job.c — jobs as data: from a request, from and to JSON, their files,
 * and what a Hub's listing says.  Called by warm.c.  It must never believe a
 * listing: paths are checked, counts and sizes bounded.
 */
#include <config.h>

#include "daemon/warm_job.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/must.h"
#include "daemon/pull_names.h"

static const char *const state_names[] = {"queued", "running", "done", "failed", "cancelled"};

const char *warm_job_state_name(enum warm_state state)
{
	return state_names[state];
}

/* ---- patterns ------------------------------------------------------------------------- */

static bool is_glob(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

/* fnmatch(3) may take exponential time for many stars. */
static bool pattern_ok(const char *pattern)
{
	unsigned stars = 0;

	for (const char *s = pattern; *s != '\0'; s++)
		stars += *s == '*';
	return pattern[0] != '\0' && strlen(pattern) <= 500 && stars <= 6 &&
	       (is_glob(pattern) || store_path_ok(pattern));
}

bool warm_job_wants(const struct warm_item *item, const char *path)
{
	for (unsigned i = 0; i < item->pattern_count; i++) {
		if (fnmatch(item->pattern[i], path, 0) == 0)
			return true;
	}
	return item->pattern_count == 0;
}

/* ---- a request ---------------------------------------------------------------------------- */

static const char *text_of(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

static bool say(char error[300], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The sentence of what is wrong; false. */
static bool say(char error[300], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(error, 300, fmt, ap);
	va_end(ap);
	return false;
}

static bool add_patterns(struct warm_item *item, const json_t *files, char error[300])
{
	size_t count = json_array_size(files), i;
	const json_t *v;

	if (files == NULL || json_is_null(files))
		return true;
	if (!json_is_array(files) || count > WARM_PATTERNS_MAX)
		return say(error, "files is %s", "not a list of at most 256 patterns");
	if (count == 0)
		return true; /* as without a list: digests may make one */
	item->pattern = calloc(count + 1, sizeof(item->pattern[0]));
	must(item->pattern != NULL);
	json_array_foreach(files, i, v)
	{
		const char *pattern = json_string_value(v);

		if (pattern == NULL || !pattern_ok(pattern))
			return say(error, "files: '%.200s' is not a path or pattern",
				   pattern == NULL ? "?" : pattern);
		item->pattern[item->pattern_count] = strdup(pattern);
		must(item->pattern[item->pattern_count] != NULL);
		item->pattern_count++;
		item->globs |= is_glob(pattern);
	}
	return true;
}

bool warm_job_digest(const struct warm_item *item, const char *path, struct store_digest *out)
{
	const char *hex = text_of(item->digests, path);

	return hex != NULL && store_digest_parse(hex, strlen(hex), out);
}

/* {path: SHA-256}; without a list of files, these are the files. */
static bool add_digests(struct warm_item *item, const json_t *digests, char error[300])
{
	bool all = item->pattern_count == 0;
	struct store_digest digest;
	const char *path;
	json_t *v;

	if (digests == NULL || json_is_null(digests))
		return true;
	if (!json_is_object(digests) || json_object_size(digests) > WARM_PATTERNS_MAX)
		return say(error, "digests is %s", "not an object of at most 256 files");
	if (all)
		item->pattern = calloc(json_object_size(digests) + 1, sizeof(item->pattern[0]));
	must(!all || item->pattern != NULL);
	item->digests = json_deep_copy(digests);
	must(item->digests != NULL);
	json_object_foreach(item->digests, path, v)
	{
		if (!store_path_ok(path) || strpbrk(path, "*?[") != NULL)
			return say(error, "digests: '%.200s' is not a path", path);
		if (!warm_job_digest(item, path, &digest))
			return say(error, "digests: %.200s: not 64 hex digits", path);
		if (all) {
			item->pattern[item->pattern_count] = strdup(path);
			must(item->pattern[item->pattern_count] != NULL);
			item->pattern_count++;
		}
	}
	return true;
}

static bool parse_item(struct pull *pull, const json_t *v, struct warm_item *item, char error[300])
{
	static const char *const keys[] = {"upstream", "model",  "revision", "files",
					   "pin",      "commit", "digests",  "exact"};
	const char *upstream = text_of(v, "upstream"), *model = text_of(v, "model");
	const char *revision = text_of(v, "revision"), *commit = text_of(v, "commit"), *key;
	json_t *value;

	if (!json_is_object(v))
		return say(error, "%s", "an object, or a list of objects, is needed");
	json_object_foreach((json_t *)(uintptr_t)v, key, value)
	{
		bool known = false;

		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			known |= strcmp(keys[i], key) == 0;
		if (!known)
			return say(error, "unknown key '%.100s'", key);
	}
	if (model == NULL || !store_name_ok(model))
		return say(error, "model: '%.200s' is not a model's name",
			   model == NULL ? "" : model);
	if (revision == NULL)
		revision = "main";
	if (!store_rev_ok(revision))
		return say(error, "revision: '%.200s' is not a revision", revision);
	item->up = upstream_find(pull_upstreams(pull), upstream);
	if (item->up == NULL)
		return upstream == NULL
			   ? say(error, "%s", "there is no default upstream: say which")
			   : say(error, "there is no upstream '%.100s'", upstream);
	item->pin = json_is_true(json_object_get(v, "pin"));
	item->unpin = json_is_false(json_object_get(v, "pin"));
	item->exact = item->only = json_is_true(json_object_get(v, "exact"));
	if (commit != NULL && commit[0] != '\0' &&
	    (strlen(commit) != 40 || strspn(commit, "0123456789abcdef") != 40))
		return say(error, "commit: '%.100s' is not 40 hex digits", commit);
	if (commit != NULL)
		(void)snprintf(item->commit, sizeof(item->commit), "%s", commit);
	item->upstream = strdup(item->up->name);
	item->model = strdup(model);
	item->revision = strdup(revision);
	must(item->upstream != NULL && item->model != NULL && item->revision != NULL);
	if (!add_patterns(item, json_object_get(v, "files"), error) ||
	    !add_digests(item, json_object_get(v, "digests"), error))
		return false;
	if (item->up->layout == UPSTREAM_PLAIN && (item->globs || item->pattern_count == 0))
		return say(error, "upstream %.100s has no listing: name the files", item->up->name);
	return true;
}

bool warm_job_parse(struct pull *pull, const json_t *ask, struct warm_job *job, char error[300])
{
	size_t count = json_is_array(ask) ? json_array_size(ask) : 1;

	if (count == 0 || count > 1000)
		return say(error, "%s", "a job has 1 to 1000 models");
	job->item = calloc(count, sizeof(job->item[0]));
	must(job->item != NULL);
	for (size_t i = 0; i < count; i++) {
		job->item_count++;
		if (!parse_item(pull, json_is_array(ask) ? json_array_get(ask, i) : ask,
				&job->item[i], error))
			return false;
	}
	return true;
}

void warm_job_free(struct warm_job *job)
{
	for (unsigned i = 0; i < job->item_count; i++) {
		struct warm_item *item = &job->item[i];

		for (unsigned k = 0; k < item->pattern_count; k++)
			free(item->pattern[k]);
		free(item->pattern);
		json_decref(item->digests);
		free(item->upstream);
		free(item->model);
		free(item->revision);
	}
	for (size_t i = 0; i < job->file_count; i++) {
		free(job->file[i]->path);
		free(job->file[i]);
	}
	free(job->item);
	free(job->file);
	free(job->body);
	free(job->text);
	free(job->naming);
	json_decref(job->listing);
	json_decref(job->keeping);
	free(job);
}

struct warm_file *warm_job_file(struct warm_job *job, unsigned item, const char *path)
{
	struct warm_file *f;

	for (size_t i = 0; i < job->file_count; i++) {
		if (job->file[i]->item == item && strcmp(job->file[i]->path, path) == 0)
			return job->file[i];
	}
	if (job->file_count >= WARM_FILES_MAX)
		return NULL;
	if (job->file_count == job->file_room) {
		size_t room = job->file_room == 0 ? 16 : job->file_room * 2;
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what it holds */
		struct warm_file **wider = realloc(job->file, room * sizeof(*wider));

		if (wider == NULL)
			return NULL;
		job->file = wider;
		job->file_room = room;
	}
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->job = job;
	f->item = item;
	f->path = strdup(path);
	must(f->path != NULL);
	job->file[job->file_count++] = f;
	return f;
}

/* ---- JSON -------------------------------------------------------------------------------- */

static json_t *item_json(const struct warm_item *item, bool all)
{
	json_t *patterns = json_array(), *v;

	for (unsigned i = 0; i < item->pattern_count; i++)
		(void)json_array_append_new(patterns, json_string(item->pattern[i]));
	v = json_pack("{s:s, s:s, s:s, s:b}", "upstream", item->upstream, "model", item->model,
		      "revision", item->revision, "pin", item->pin);
	if (all)
		(void)json_object_set_new(v, "commit", json_string(item->commit));
	if (all && item->digests != NULL)
		(void)json_object_set(v, "digests", item->digests);
	if (all && item->exact)
		(void)json_object_set_new(v, "exact", json_true());
	if (all && !item->unpin && !item->pin)
		(void)json_object_del(v, "pin"); /* as it is */
	if (item->pattern_count > 0)
		(void)json_object_set_new(v, "files", patterns);
	else
		json_decref(patterns);
	return v;
}

static json_t *file_json(const struct warm_file *f, bool all)
{
	const struct warm_item *item = &f->job->item[f->item];
	json_t *v = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s?}", "model", item->model, "path",
			      f->path, "state", state_names[f->state], "bytes_done",
			      (json_int_t)f->done, "bytes_total", (json_int_t)f->total, "error",
			      f->error[0] == '\0' ? NULL : f->error);

	if (all)
		(void)json_object_set_new(v, "item", json_integer((json_int_t)f->item));
	if (all && f->stored) {
		char hex[STORE_DIGEST_HEX + 1];

		store_digest_hex(&f->digest, hex);
		(void)json_object_set_new(v, "sha256", json_string(hex));
	}
	return v;
}

json_t *warm_job_json(const struct warm_job *job, bool all)
{
	json_t *files = json_array(), *models = json_array(), *v;

	for (size_t i = 0; i < job->file_count; i++)
		(void)json_array_append_new(files, file_json(job->file[i], all));
	for (unsigned i = 0; i < job->item_count; i++)
		(void)json_array_append_new(models, item_json(&job->item[i], all));
	v = json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:s?}", "id", job->id, "state",
		      state_names[job->state], "created", (json_int_t)job->made_s, "bytes_done",
		      (json_int_t)job->best_done, "bytes_total", (json_int_t)job->best_total,
		      "models", models, "files", files, "error",
		      job->error[0] == '\0' ? NULL : job->error);
	if (all && job->prune)
		(void)json_object_set_new(v, "prune", json_true());
	return v;
}

static enum warm_state state_of(const char *name)
{
	for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++) {
		if (name != NULL && strcmp(state_names[i], name) == 0)
			return (enum warm_state)i;
	}
	return WARM_FAILED;
}

static uint64_t count_of(const json_t *v, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(v, key));

	return n < 0 ? 0 : (uint64_t)n;
}

static void load_files(struct warm_job *job, const json_t *files)
{
	const json_t *v;
	size_t i;

	json_array_foreach(files, i, v)
	{
		uint64_t item = count_of(v, "item");
		const char *path = text_of(v, "path"), *sha;
		struct warm_file *f;

		if (path == NULL || item >= job->item_count || !store_path_ok(path))
			continue;
		f = warm_job_file(job, (unsigned)item, path);
		if (f == NULL)
			return;
		f->state = state_of(text_of(v, "state"));
		f->done = count_of(v, "bytes_done");
		f->total = count_of(v, "bytes_total");
		sha = text_of(v, "sha256");
		f->stored = sha != NULL && store_digest_parse(sha, strlen(sha), &f->digest);
		if (text_of(v, "error") != NULL)
			(void)snprintf(f->error, sizeof(f->error), "%s", text_of(v, "error"));
	}
}

struct warm_job *warm_job_load(struct pull *pull, const char *text)
{
	json_t *v = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	struct warm_job *job = calloc(1, sizeof(*job));
	const char *id = text_of(v, "id");
	char error[300];

	must(job != NULL);
	if (id == NULL || strlen(id) != WARM_ID_CHARS)
		goto fail;
	memcpy(job->id, id, WARM_ID_CHARS + 1);
	job->state = state_of(text_of(v, "state"));
	if (!warm_job_parse(pull, json_object_get(v, "models"), job, error)) {
		/* an upstream that is no longer configured: nothing can go on */
		if (job->state == WARM_QUEUED || job->state == WARM_RUNNING)
			goto fail;
	}
	job->made_s = (int64_t)count_of(v, "created");
	job->best_done = count_of(v, "bytes_done");
	job->best_total = count_of(v, "bytes_total");
	if (text_of(v, "error") != NULL)
		(void)snprintf(job->error, sizeof(job->error), "%s", text_of(v, "error"));
	job->prune = json_is_true(json_object_get(v, "prune"));
	load_files(job, json_object_get(v, "files"));
	json_decref(v);
	return job;

fail:
	json_decref(v);
	warm_job_free(job);
	return NULL;
}

/* ---- a listing ------------------------------------------------------------------------------ */

/* No array or object deeper than this: jansson's parser recurses. */
#define DEPTH_MAX 16

static bool shallow(const char *s, size_t size)
{
	unsigned depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < size; i++) {
		if (quoted) {
			if (s[i] == '\\')
				i++;
			else if (s[i] == '"')
				quoted = false;
		} else if (s[i] == '"') {
			quoted = true;
		} else if (s[i] == '[' || s[i] == '{') {
			if (++depth > DEPTH_MAX)
				return false;
		} else if ((s[i] == ']' || s[i] == '}') && depth > 0) {
			depth--;
		}
	}
	return true;
}

/* {"rfilename":…, "size":…, "lfs":{"sha256":…}}, or of a tree: path, and lfs.oid */
static bool add_sibling(json_t *out, const json_t *v, bool tree, char error[300])
{
	const char *path = text_of(v, tree ? "path" : "rfilename");
	const json_t *lfs = json_object_get(v, "lfs");
	const char *sha = text_of(lfs, tree ? "oid" : "sha256"), *type = text_of(v, "type");
	struct store_digest digest;
	json_t *row;

	if (tree && type != NULL && strcmp(type, "file") != 0)
		return true;
	if (path == NULL)
		return say(error, "its listing has %s", "a file without a name");
	if (!store_path_ok(path))
		return say(error, "its listing has '%.150s', which is not a path", path);
	row = json_pack("{s:s, s:I}", "path", path, "size", (json_int_t)count_of(v, "size"));
	if (sha != NULL && store_digest_parse(sha, strlen(sha), &digest))
		(void)json_object_set_new(row, "sha256", json_string(sha));
	return json_array_append_new(out, row) == 0;
}

json_t *warm_job_listing(const char *body, size_t size, char ret_commit[41], char error[300])
{
	json_t *v = shallow(body, size) ? json_loadb(body, size, 0, NULL) : NULL, *out;
	bool tree = json_is_array(v);
	const json_t *siblings = tree ? v : json_object_get(v, "siblings"), *row;
	const char *sha = text_of(v, "sha");
	size_t i;

	ret_commit[0] = '\0';
	if (!json_is_array(siblings)) {
		json_decref(v);
		(void)say(error, "%s", "its listing is not a Hub's");
		return NULL;
	}
	if (json_array_size(siblings) > WARM_FILES_MAX) {
		json_decref(v);
		(void)snprintf(error, 300, "its listing has more than %d files", WARM_FILES_MAX);
		return NULL;
	}
	if (sha != NULL && strlen(sha) == 40 && strspn(sha, "0123456789abcdef") == 40)
		memcpy(ret_commit, sha, 41);
	out = json_array();
	json_array_foreach(siblings, i, row)
	{
		if (!add_sibling(out, row, tree, error)) {
			json_decref(out);
			out = NULL;
			break;
		}
	}
	json_decref(v);
	return out;
}
