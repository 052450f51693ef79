/* SPDX-License-Identifier: MIT */
/*
 * health.c — see health.h.  Called by main.c and by handlers; the store knows
 * how it is, this says it where people look.  Must never write on the loop.
 */
#include <config.h>

#include "daemon/health.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/text.h"
#include "store/store.h"

#include "daemon/must.h"

#define EVERY_MS UINT64_C(5000)

static uv_timer_t timer;
static bool busy;                /* loop only */
static struct store_health said; /* what the log says; loop only */

/* Pool: the state folder can be written again, the index opened. */
static void retry(void *arg)
{
	struct context *ctx = arg;

	/* that it failed again is what the log says already */
	int status = store_health_retry(ctx->store, NULL);

	(void)status;
}

static void look(struct context *ctx)
{
	struct store_health now;

	store_health_get(ctx->store, &now);
	if (now.status == said.status && strcmp(now.text, said.text) == 0)
		return;
	if (now.status != 0)
		log_warning("degraded", "error=\"%s\" read_only=%s index_lost=%s damaged=%" PRIu64,
			    now.text, now.read_only ? "yes" : "no", now.index_lost ? "yes" : "no",
			    now.damaged);
	else
		log_info("recovered", "after=\"%s\"", said.text);
	notify_send("STATUS=%s", now.status != 0 ? now.text : "serving");
	said = now;
}

static void retried(void *arg)
{
	busy = false;
	look(arg);
}

static void on_time(uv_timer_t *handle)
{
	struct context *ctx = handle->data;

	look(ctx);
	if (busy || job_stopping() || !(said.index_lost || said.read_only))
		return;
	busy = true;
	job_background(ctx, retry, retried, ctx);
}

/* ---- for others ---------------------------------------------------------------------- */

bool health_degraded(struct context *ctx)
{
	struct store_health now;

	store_health_get(ctx->store, &now);
	return now.status != 0;
}

void health_json(struct context *ctx, struct text *t)
{
	struct store_health now;

	store_health_get(ctx->store, &now);
	text_printf(t, "{\"status\":\"%s\",\"text\":", now.status == 0 ? "ok" : "degraded");
	text_json(t, now.text);
	text_printf(t, ",\"read_only\":%s,\"index_lost\":%s,\"damaged_blobs\":%" PRIu64 "}",
		    now.read_only ? "true" : "false", now.index_lost ? "true" : "false",
		    now.damaged);
}

static void render(struct context *ctx, struct text *t)
{
	struct store_health now;

	store_health_get(ctx->store, &now);
	text_printf(t,
		    "# HELP larder_store_degraded Whether something is wrong with the store\n"
		    "# TYPE larder_store_degraded gauge\n"
		    "larder_store_degraded %d\n"
		    "# HELP larder_store_damaged_blobs Blobs that are quarantined\n"
		    "# TYPE larder_store_damaged_blobs gauge\n"
		    "larder_store_damaged_blobs %" PRIu64 "\n",
		    now.status != 0, now.damaged);
}

void health_start(struct context *ctx)
{
	look(ctx);
	metrics_source(render);
	must(uv_timer_init(ctx->loop, &timer) == 0);
	timer.data = ctx;
	must(uv_timer_start(&timer, on_time, EVERY_MS, EVERY_MS) == 0);
	uv_unref((uv_handle_t *)&timer);
}

void health_stop(void)
{
	uv_close((uv_handle_t *)&timer, NULL);
}
