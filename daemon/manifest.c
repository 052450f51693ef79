/* SPDX-License-Identifier: MIT */
/*
 * manifest.c — manifests: checked, made into jobs, kept, applied again.  Called
 * by handle_jobs.c, warm.c and main.c.  It must never apply one that is not
 * signed as the settings want it: a kept one is checked each time.
 *
 * What is kept is one file, manifests.json in the state folder: a list of what
 * was asked for, replaced by rename.
 */
#include <config.h>

#include "daemon/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/fault.h"
#include "daemon/log.h"
#include "daemon/manifest_sign.h"
#include "daemon/must.h"
#include "daemon/pull.h"
#include "daemon/settings.h"
#include "daemon/state_file.h"
#include "daemon/warm.h"
#include "daemon/warm_keep.h"

#define NAME_DEFAULT "default"
#define NAME_MAX_CHARS 100
#define KEPT_MAX 100
#define FILE_NAME "manifests.json"
#define FILE_BYTES_MAX ((size_t)64 << 20)
#define SOON_MS 5000
#define LOOK_MS 1000

struct kept {
	char name[NAME_MAX_CHARS + 1];
	json_t *ask;  /* as it came */
	json_t *body; /* the manifest */
	int64_t applied_s;
	char job[WARM_ID_CHARS + 1];
};

struct manifests {
	struct context *ctx;
	struct manifest_sign *key;
	int dir;
	struct kept *kept[KEPT_MAX];
	unsigned count;
	uv_timer_t timer;
	bool stopped;
	struct state_file_keeper keeper;
};

static const char *text_of(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

static void free_kept(struct kept *k)
{
	json_decref(k->ask);
	json_decref(k->body);
	free(k);
}

/* ---- is it one? -------------------------------------------------------------------------------
 */

static int check_signature(const struct manifests *m, const json_t *ask, const char *text,
			   struct fault *fault)
{
	const char *signature = text_of(ask, "signature");

	if (signature == NULL && m->ctx->settings->require_signature)
		return fault_set(fault, 403, "the manifest is not signed");
	if (signature != NULL && m->key == NULL)
		return m->ctx->settings->require_signature
			   ? fault_set(fault, 403, "there is no manifest_key to check it with")
			   : 0;
	if (signature != NULL && !manifest_sign_good(m->key, text, strlen(text), signature))
		return fault_set(fault, 403, "the signature is not that of the manifest");
	return 0;
}

static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= NAME_MAX_CHARS &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		   n;
}

/* The members of a manifest itself; its models are warm_job.c's. */
static int check_body(const json_t *body, struct fault *fault)
{
	static const char *const keys[] = {"larder_manifest", "name", "models"};
	const json_t *version = json_object_get(body, "larder_manifest");
	const char *name = text_of(body, "name"), *key;
	json_t *value;

	if (!json_is_array(json_object_get(body, "models")))
		return fault_set(fault, 400, "{\"models\":[...]} is needed");
	json_object_foreach((json_t *)(uintptr_t)body, key, value)
	{
		bool known = false;

		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			known |= strcmp(key, keys[i]) == 0;
		if (!known)
			return fault_set(fault, 400, "the manifest has an unknown key '%.100s'",
					 key);
	}
	if (version != NULL && json_integer_value(version) != 1)
		return fault_set(fault, 400, "larder_manifest is not 1");
	if (json_object_get(body, "name") != NULL && (name == NULL || !name_ok(name)))
		return fault_set(fault, 400, "name is not one to 100 of a-z A-Z 0-9 . _ -");
	return 0;
}

/* NULL with the fault. */
static struct kept *parse(const struct manifests *m, const json_t *ask, struct fault *fault)
{
	const char *text = text_of(ask, "manifest"), *name;
	struct kept *k;
	json_error_t error;
	json_t *body;

	if (text == NULL || strlen(text) > MANIFEST_BYTES_MAX) {
		(void)fault_set(fault, 400, "{\"manifest\":\"up to 256 KiB of JSON\"} is needed");
		return NULL;
	}
	if (check_signature(m, ask, text, fault) != 0)
		return NULL;
	body = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (body == NULL) {
		(void)fault_set(fault, 400, "the manifest, line %d: %s", error.line, error.text);
		return NULL;
	}
	if (check_body(body, fault) != 0) {
		json_decref(body);
		return NULL;
	}
	k = calloc(1, sizeof(*k));
	must(k != NULL);
	name = text_of(body, "name");
	(void)snprintf(k->name, sizeof(k->name), "%s", name == NULL ? NAME_DEFAULT : name);
	k->ask = json_deep_copy(ask);
	k->body = body;
	must(k->ask != NULL);
	return k;
}

/* ---- as a job ----------------------------------------------------------------------------------
 */

static struct warm_job *begin_job(struct manifests *m, struct kept *k, struct fault *fault)
{
	json_t *models = json_deep_copy(json_object_get(k->body, "models")), *model;
	bool prune = json_is_true(json_object_get(k->ask, "prune"));
	struct warm_job *job;
	size_t i;

	must(models != NULL);
	json_array_foreach(models, i, model)
	{
		if (json_is_object(model))
			(void)json_object_set_new(model, "exact", json_boolean(prune));
	}
	job = warm_add(m->ctx->warm, models, fault);
	json_decref(models);
	if (job == NULL)
		return NULL;
	warm_prune(job, prune);
	k->applied_s = (int64_t)time(NULL);
	memcpy(k->job, warm_id(job), sizeof(k->job));
	return job;
}

/* ---- over restarts
 * -------------------------------------------------------------------------------- */

static char *list_text(void *arg)
{
	const struct manifests *m = arg;
	json_t *list = json_array();
	char *text;

	for (unsigned i = 0; i < m->count; i++)
		(void)json_array_append_new(
		    list, json_pack("{s:O, s:I, s:s}", "ask", m->kept[i]->ask, "applied",
				    (json_int_t)m->kept[i]->applied_s, "job", m->kept[i]->job));
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	must(text != NULL);
	return text;
}

struct state_file_keeper *manifest_keeper(struct manifests *m)
{
	return &m->keeper;
}

static void put(struct manifests *m, struct kept *k)
{
	unsigned i = 0;

	while (i < m->count && strcmp(m->kept[i]->name, k->name) != 0)
		i++;
	if (i < m->count)
		free_kept(m->kept[i]);
	else
		m->count++;
	m->kept[i] = k;
}

static void load(struct manifests *m)
{
	char *text = state_file_read(m->dir, FILE_NAME, FILE_BYTES_MAX);
	const char *why = strerror(text == NULL ? errno : EINVAL);
	bool none = text == NULL && errno == ENOENT;
	json_t *list = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL), *v;
	size_t i;

	if (!json_is_array(list) && !none)
		log_error("manifest", "error=\"" FILE_NAME " cannot be read: %s\"", why);
	json_array_foreach(list, i, v)
	{
		struct fault fault;
		struct kept *k =
		    m->count == KEPT_MAX ? NULL : parse(m, json_object_get(v, "ask"), &fault);

		if (k == NULL) {
			log_warning("manifest", "error=\"%s\"",
				    m->count == KEPT_MAX ? "too many" : fault.text);
			continue;
		}
		k->applied_s = json_integer_value(json_object_get(v, "applied"));
		if (text_of(v, "job") != NULL)
			(void)snprintf(k->job, sizeof(k->job), "%s", text_of(v, "job"));
		put(m, k);
	}
	json_decref(list);
	free(text);
}

/* ---- again and again
 * ------------------------------------------------------------------------------ */

static void apply_again(struct manifests *m, struct kept *k)
{
	const struct warm_job *last = warm_find(m->ctx->warm, k->job);
	const char *text = text_of(k->ask, "manifest");
	struct warm_job *job;
	struct fault fault;

	if (last != NULL && !warm_over(last))
		return;
	job = check_signature(m, k->ask, text, &fault) == 0 ? begin_job(m, k, &fault) : NULL;
	if (job == NULL) {
		k->applied_s = (int64_t)time(NULL); /* not again at once */
		log_warning("manifest", "name=%s error=\"%s\"", k->name, fault.text);
		return;
	}
	log_info("manifest", "name=%s job=%s", k->name, k->job);
	warm_keep_job(job);
	warm_begin(job);
	state_file_touch(&m->keeper);
}

static void on_timer(uv_timer_t *timer)
{
	struct manifests *m = timer->data;
	int64_t now = (int64_t)time(NULL), every = (int64_t)m->ctx->settings->manifest_interval;

	if (m->stopped || every == 0 || pull_offline(m->ctx->pull))
		return;
	for (unsigned i = 0; i < m->count; i++) {
		struct kept *k = m->kept[i];

		if (now - k->applied_s >= every || k->applied_s > now)
			apply_again(m, k);
	}
}

/* ---- what others call
 * ----------------------------------------------------------------------------- */

struct warm_job *manifest_add(struct manifests *m, const json_t *ask, struct fault *fault)
{
	struct kept *k = parse(m, ask, fault);
	struct warm_job *job;

	if (k == NULL)
		return NULL;
	job = m->count == KEPT_MAX ? NULL : begin_job(m, k, fault);
	if (job == NULL) {
		if (m->count == KEPT_MAX)
			(void)fault_set(fault, 507, "there are too many manifests");
		free_kept(k);
		return NULL;
	}
	put(m, k);
	return job;
}

json_t *manifest_list(const struct manifests *m)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < m->count; i++) {
		const struct kept *k = m->kept[i];
		bool is_signed = m->key != NULL && json_object_get(k->ask, "signature") != NULL;

		(void)json_array_append_new(
		    list, json_pack("{s:s, s:I, s:b, s:b, s:I, s:s}", "name", k->name, "models",
				    (json_int_t)json_array_size(json_object_get(k->body, "models")),
				    "signed", is_signed, "prune",
				    json_is_true(json_object_get(k->ask, "prune")), "applied",
				    (json_int_t)k->applied_s, "job", k->job));
	}
	return list;
}

bool manifest_remove(struct manifests *m, const char *name)
{
	for (unsigned i = 0; i < m->count; i++) {
		if (strcmp(m->kept[i]->name, name) != 0)
			continue;
		free_kept(m->kept[i]);
		m->kept[i] = m->kept[--m->count];
		return true;
	}
	return false;
}

json_t *manifest_names(const struct manifests *m)
{
	json_t *names = json_object(), *v;

	for (unsigned i = 0; i < m->count; i++) {
		size_t k;

		json_array_foreach(json_object_get(m->kept[i]->body, "models"), k, v)
		{
			const char *model = text_of(v, "model"), *rev = text_of(v, "revision");
			char key[STORE_NAME_MAX + STORE_REV_MAX + 2];

			(void)snprintf(key, sizeof(key), "%s\n%s", model == NULL ? "" : model,
				       rev == NULL ? "main" : rev);
			(void)json_object_set_new(names, key, json_true());
		}
	}
	return names;
}

int manifest_open(struct context *ctx, struct manifests **out)
{
	const struct settings *s = ctx->settings;
	struct manifests *m = calloc(1, sizeof(*m));

	must(m != NULL);
	m->ctx = ctx;
	m->dir = open(s->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->manifest_key != NULL)
		m->key = manifest_sign_open(s->manifest_key);
	if (m->dir < 0 || (s->manifest_key != NULL && m->key == NULL) ||
	    (s->require_signature && m->key == NULL)) {
		log_error("manifest", "error=\"%s\"",
			  m->dir < 0                ? "the state folder cannot be opened"
			  : s->manifest_key == NULL ? "require_signature needs a manifest_key"
						    : "manifest_key: no Ed25519 public key there");
		if (m->dir >= 0)
			(void)close(m->dir);
		manifest_sign_close(m->key);
		free(m);
		return -1;
	}
	state_file_keep(&m->keeper, ctx, m->dir, FILE_NAME, list_text, m);
	load(m);
	must(uv_timer_init(ctx->loop, &m->timer) == 0);
	m->timer.data = m;
	(void)uv_timer_start(&m->timer, on_timer, SOON_MS, LOOK_MS);
	*out = m;
	return 0;
}

void manifest_stop(struct manifests *m)
{
	if (m != NULL)
		m->stopped = true;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void manifest_close(struct manifests *m)
{
	if (m == NULL)
		return;
	for (unsigned i = 0; i < m->count; i++)
		free_kept(m->kept[i]);
	(void)close(m->dir);
	manifest_sign_close(m->key);
	uv_close((uv_handle_t *)&m->timer, on_closed);
}
