/* SPDX-License-Identifier: MIT */
/*
 * handle_admin.c — the administration that is about no single model: blobs,
 * verification, numbers, allowed origins.  See handle_models.c for the rest.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "daemon/confine.h"
#include "daemon/health.h"
#include "daemon/job.h"
#include "daemon/metrics.h"
#include "daemon/origins.h"
#include "daemon/request.h"
#include "daemon/residency.h"
#include "daemon/scrub.h"
#include "daemon/settings.h"
#include "daemon/tally_slow.h"
#include "daemon/text.h"
#include "store/store.h"

#define JSON_TYPE "application/json"
#define LONG_TIMEOUT_MS (24u * 3600 * 1000) /* it takes as long as the disk takes */

/* ---- blobs ------------------------------------------------------------------------- */

int handle_admin_blob(struct request *rq, struct fault *fault)
{
	const char *hex = rq->part[PART_DIGEST];
	struct store_digest digest;
	struct text t;
	uint64_t size;

	if (!store_digest_parse(hex, strlen(hex), &digest) ||
	    !store_blob_has(rq->ctx->store, &digest, &size))
		return fault_set(fault, 404, "no such blob");
	text_init(&t, &rq->arena);
	text_printf(&t, "{\"sha256\":\"%s\",\"bytes\":%llu}\n", hex, (unsigned long long)size);
	return reply_text(rq, 200, JSON_TYPE, &t);
}

/* A file in tmp/ of the state folder becomes a blob; only its owner and root can have put it there.
 */
static int adopt(struct request *rq, void *arg, struct fault *fault)
{
	const char *hex = rq->part[PART_DIGEST];
	struct store_digest digest;
	struct store_error err;
	struct text t;
	uint64_t size;

	(void)arg;
	if (!store_digest_parse(hex, strlen(hex), &digest))
		return fault_set(fault, 400, "a digest is 64 lower-case hex digits");
	if (store_writer_adopt(rq->ctx->store, &digest, &digest, &size, &err) != 0)
		return fault_store(fault, err.status, err.text);
	text_init(&t, &rq->arena);
	text_printf(&t, "{\"sha256\":\"%s\",\"bytes\":%llu}\n", hex, (unsigned long long)size);
	return reply_text(rq, 201, JSON_TYPE, &t);
}

int handle_admin_adopt(struct request *rq, struct fault *fault)
{
	(void)fault;
	return job_start(rq, adopt, NULL, LONG_TIMEOUT_MS);
}

/* ---- eviction ------------------------------------------------------------------------- */

struct gone {
	struct text t;
	unsigned count;
};

static void gone_json(void *arg, const char *model, const char *commit)
{
	struct gone *gone = arg;

	text_add(&gone->t, gone->count++ == 0 ? "\n{\"id\":" : ",\n{\"id\":");
	text_json(&gone->t, model);
	if (commit != NULL)
		text_printf(&gone->t, ",\"commit\":\"%s\"", commit);
	text_add(&gone->t, "}");
}

/* ?room=BYTES: so that these would fit, too. */
static int room_of(struct request *rq, uint64_t *out, struct fault *fault)
{
	const char *text = request_query(rq, "room");
	char *end;

	*out = 0;
	if (text == NULL)
		return 0;
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
		return fault_set(fault, 400, "room must be a number of bytes");
	return 0;
}

static int gc(struct request *rq, void *arg, struct fault *fault)
{
	struct gone gone = {.count = 0};
	struct store_evicted went;
	struct store_stats s;
	struct store_error err;
	struct text t;
	uint64_t room, over;

	(void)arg;
	if (room_of(rq, &room, fault) != 0)
		return -1;
	text_init(&gone.t, &rq->arena);
	if (store_evict(rq->ctx->store, room, gone_json, &gone, &went, &err) != 0 ||
	    store_stats_get(rq->ctx->store, &s, &err) != 0)
		return fault_store(fault, err.status, err.text);
	over = s.max_bytes != 0 && s.blob_bytes > s.max_bytes ? s.blob_bytes - s.max_bytes : 0;
	text_init(&t, &rq->arena);
	text_printf(&t,
		    "{\"models\":%llu,\"snapshots\":%llu,\"derived\":%llu,\"blobs\":%llu,"
		    "\"bytes\":%llu,\"blob_bytes\":%llu,\"max_bytes\":%llu,\"over_bytes\":%llu,"
		    "\"gone\":[",
		    (unsigned long long)went.models, (unsigned long long)went.snapshots,
		    (unsigned long long)went.derived, (unsigned long long)went.blobs,
		    (unsigned long long)went.bytes, (unsigned long long)s.blob_bytes,
		    (unsigned long long)s.max_bytes, (unsigned long long)over);
	if (gone.count != 0)
		text_add_n(&t, gone.t.data, gone.t.size);
	text_add(&t, "]}\n");
	return reply_text(rq, 200, JSON_TYPE, &t);
}

int handle_admin_gc(struct request *rq, struct fault *fault)
{
	(void)fault;
	return job_start(rq, gc, NULL, LONG_TIMEOUT_MS);
}

/* ---- numbers ---------------------------------------------------------------------------- */

struct loaded {
	struct text *t;
	unsigned count;
};

static void loaded_json(void *arg, const struct residency_info *info)
{
	struct loaded *loaded = arg;
	struct text *t = loaded->t;

	text_add(t, loaded->count++ == 0 ? "\n{\"id\":" : ",\n{\"id\":");
	text_json(t, info->model);
	text_add(t, ",\"file\":");
	text_json(t, info->file);
	text_printf(t, ",\"commit\":\"%s\",\"state\":\"%s\",\"mapped_bytes\":%llu", info->commit,
		    info->loading ? "loading" : "ready", (unsigned long long)info->mapped_bytes);
	text_printf(t, ",\"heap_bytes\":%llu,\"runs\":%llu,\"sessions\":%u,\"load_ms\":%.1f}",
		    (unsigned long long)info->heap_bytes, (unsigned long long)info->runs,
		    info->sessions, (double)info->load_ns / 1e6);
}

static void quota_json(struct request *rq, struct text *t, const struct store_stats *s)
{
	text_printf(t,
		    "\n\"quota\":{\"max_bytes\":%llu,\"used_bytes\":%llu,\"reserved_bytes\":%llu,"
		    "\"keep_snapshots\":%llu,\"derived\":%llu,\"derived_bytes\":%llu,",
		    (unsigned long long)s->max_bytes, (unsigned long long)s->blob_bytes,
		    (unsigned long long)s->reserved_bytes,
		    (unsigned long long)rq->settings->keep_snapshots,
		    (unsigned long long)s->derived, (unsigned long long)s->derived_bytes);
	text_printf(t,
		    "\"evicted_models\":%llu,\"evicted_snapshots\":%llu,\"evicted_derived\":%llu,"
		    "\"evicted_bytes\":%llu},",
		    (unsigned long long)s->evicted.models, (unsigned long long)s->evicted.snapshots,
		    (unsigned long long)s->evicted.derived, (unsigned long long)s->evicted.bytes);
}

static const char *value_of(const struct settings_section *u, const char *key)
{
	for (unsigned i = 0; i < u->count; i++) {
		if (strcmp(u->pair[i].key, key) == 0)
			return u->pair[i].value;
	}
	return NULL;
}

/* Where it listens and what it asks, for larderctl doctor. */
static void where_json(const struct settings *s, struct text *t)
{
	text_add(t, ",\n\"listen\":[");
	for (unsigned i = 0; i < s->listen.count; i++) {
		text_add(t, i == 0 ? "" : ",");
		text_json(t, s->listen.item[i]);
	}
	text_printf(t, "],\"offline\":%s,\"upstreams\":[", s->offline ? "true" : "false");
	for (unsigned i = 0; i < s->upstream_count; i++) {
		const char *by = value_of(&s->upstream[i], "proxy");

		if (by == NULL)
			by = value_of(&s->upstream[i], "url");
		/* a proxy's user and password are nobody's business */
		if (by != NULL && strchr(by, '@') != NULL)
			by = strrchr(by, '@') + 1;
		text_add(t, i == 0 ? "{\"name\":" : ",{\"name\":");
		text_json(t, s->upstream[i].name);
		text_add(t, ",\"reached_by\":");
		text_json(t, by == NULL ? "" : by);
		text_add(t, "}");
	}
	text_add(t, "],");
}

int handle_admin_stats(struct request *rq, struct fault *fault)
{
	struct store_stats s;
	struct store_error err;
	struct loaded loaded = {.count = 0};
	struct text t;

	(void)fault;
	/* that the index is lost is no reason not to say so */
	if (store_stats_get(rq->ctx->store, &s, &err) != 0)
		memset(&s, 0, sizeof(s));
	text_init(&t, &rq->arena);
	text_printf(&t, "{\"version\":\"%s\",\"uptime_s\":%llu,", PACKAGE_VERSION,
		    (unsigned long long)((uv_hrtime() - rq->ctx->started_ns) / 1000000000u));
	text_add(&t, "\"state_dir\":");
	text_json(&t, rq->settings->state_dir);
	text_add(&t, ",\"config_file\":");
	text_json(&t, rq->settings->file);
	where_json(rq->settings, &t);
	text_add(&t, "\n\"health\":");
	health_json(rq->ctx, &t);
	text_add(&t, ",\n\"confinement\":");
	confine_json(&t);
	text_add(&t, ",\n\"scrub\":");
	scrub_json(&t);
	text_add(&t, ",");
	text_printf(&t,
		    "\n\"store\":{\"models\":%llu,\"files\":%llu,\"blobs\":%llu,"
		    "\"blob_bytes\":%llu,\"maps\":%llu},",
		    (unsigned long long)s.models, (unsigned long long)s.files,
		    (unsigned long long)s.blobs, (unsigned long long)s.blob_bytes,
		    (unsigned long long)s.maps);
	quota_json(rq, &t, &s);
	text_printf(&t,
		    "\n\"http\":{\"requests\":%llu,\"sent_bytes\":%llu,\"received_bytes\":%llu},",
		    (unsigned long long)metrics_get(METRIC_requests),
		    (unsigned long long)metrics_get(METRIC_sent_bytes),
		    (unsigned long long)metrics_get(METRIC_received_bytes));
	text_printf(&t,
		    "\n\"inference\":{\"success\":%llu,\"failed\":%llu,\"cancelled\":%llu,"
		    "\"compute_ns\":%llu},",
		    (unsigned long long)metrics_get(METRIC_inferences),
		    (unsigned long long)metrics_get(METRIC_inferences_failed),
		    (unsigned long long)metrics_get(METRIC_inferences_cancelled),
		    (unsigned long long)metrics_get(METRIC_inference_ns));
	text_add(&t, "\n\"loaded\":[");
	loaded.t = &t;
	if (rq->ctx->residency != NULL)
		residency_each(rq->ctx->residency, loaded_json, &loaded);
	text_add(&t, "],\n\"slow\":");
	tally_slow_json(&t);
	text_add(&t, "}\n");
	return reply_text(rq, 200, JSON_TYPE, &t);
}
