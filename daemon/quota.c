/* SPDX-License-Identifier: MIT */
/*
 * quota.c — see quota.h.  Called by main.c and upkeep.c.  What is evicted is
 * told by the store on whatever thread it happened; must never wait there for
 * anything but the tables of residency.c.
 */
#include <config.h>

#include "daemon/quota.h"

#include <inttypes.h>

#include "daemon/context.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/residency.h"
#include "daemon/settings.h"
#include "daemon/text.h"

/* Mapped pages of what was removed would keep its room on the disk. */
static void gone(void *arg, const char *model, const char *commit)
{
	const struct context *ctx = arg;

	if (commit == NULL)
		log_info("evicted", "model=\"%s\"", model);
	else
		log_info("evicted", "model=\"%s\" commit=%s", model, commit);
	if (ctx->residency != NULL)
		(void)residency_unload(ctx->residency, commit == NULL ? model : NULL, commit);
}

static const struct row {
	const char *name, *type, *help;
} rows[] = {
    {"store_models", "gauge", "Models that are stored"},
    {"store_blobs", "gauge", "Blobs that are stored"},
    {"store_bytes", "gauge", "Bytes of blobs that are stored"},
    {"store_derived_bytes", "gauge", "Of these, bytes that can be made again"},
    {"store_reserved_bytes", "gauge", "Bytes promised to what is being written"},
    {"store_max_bytes", "gauge", "Largest size of the store; 0 = no limit"},
    {"evicted_models_total", "counter", "Models that were evicted"},
    {"evicted_snapshots_total", "counter", "Old snapshots that were dropped"},
    {"evicted_derived_total", "counter", "Derived blobs that were evicted"},
    {"evicted_bytes_total", "counter", "Bytes that were evicted"},
};

static void render(struct context *ctx, struct text *t)
{
	struct store_stats s;
	uint64_t values[sizeof rows / sizeof *rows];

	if (store_stats_get(ctx->store, &s, NULL) != 0)
		return;
	values[0] = s.models;
	values[1] = s.blobs;
	values[2] = s.blob_bytes;
	values[3] = s.derived_bytes;
	values[4] = s.reserved_bytes;
	values[5] = s.max_bytes;
	values[6] = s.evicted.models;
	values[7] = s.evicted.snapshots;
	values[8] = s.evicted.derived;
	values[9] = s.evicted.bytes;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		text_printf(t, "# HELP larder_%s %s\n# TYPE larder_%s %s\nlarder_%s %" PRIu64 "\n",
			    rows[i].name, rows[i].help, rows[i].name, rows[i].type, rows[i].name,
			    values[i]);
}

void quota_start(struct context *ctx)
{
	store_evict_limits(ctx->store, &(struct store_limits){
					   .max_bytes = ctx->settings->max_size,
					   .keep_snapshots = ctx->settings->keep_snapshots,
					   .gone = gone,
					   .arg = ctx,
				       });
	metrics_source(render);
}

void quota_keep(struct context *ctx)
{
	struct store_evicted out;
	struct store_error err;

	if (store_evict(ctx->store, 0, NULL, NULL, &out, &err) != 0)
		log_warning("quota", "error=\"%s\"", err.text);
	if (out.blobs > 0)
		log_info("quota", "blobs=%" PRIu64 " bytes=%" PRIu64, out.blobs, out.bytes);
}
