/* SPDX-License-Identifier: MIT */
/*
 * tenure.c — see tenure.h.  Called by main.c; freeing a model takes milliseconds,
 * so the pool does it.
 */
#include <config.h>

#include "daemon/tenure.h"

#include <stdbool.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/job.h"
#include "daemon/residency.h"

#include "daemon/must.h"

#define EVERY_MS 5000

static uv_timer_t timer;
static bool busy; /* loop only */

static void work(void *arg)
{
	struct context *ctx = arg;

	residency_expire(ctx->residency);
	residency_keep_packed(ctx->residency);
}

static void worked(void *arg)
{
	(void)arg;
	busy = false;
}

static void on_time(uv_timer_t *handle)
{
	struct context *ctx = handle->data;

	if (busy || job_stopping() || residency_idle(ctx->residency))
		return;
	busy = true;
	job_background(ctx, work, worked, ctx);
}

void tenure_start(struct context *ctx)
{
	must(uv_timer_init(ctx->loop, &timer) == 0);
	timer.data = ctx;
	must(uv_timer_start(&timer, on_time, EVERY_MS, EVERY_MS) == 0);
	uv_unref((uv_handle_t *)&timer);
}

void tenure_stop(void)
{
	uv_close((uv_handle_t *)&timer, NULL);
}
