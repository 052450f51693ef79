/* SPDX-License-Identifier: MIT */
/*
 * upkeep.c — see upkeep.h.  Called by main.c; must never write to the disk on
 * the loop.
 */
#include <config.h>

#include "daemon/upkeep.h"

#include <stdbool.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "store/store.h"

#include "daemon/must.h"

#define EVERY_MS (5 * 60 * 1000)

static uv_timer_t timer;
static bool busy; /* loop only */

static void flush(void *arg)
{
	struct context *ctx = arg;
	struct store_error err;

	if (store_use_flush(ctx->store, &err) != 0)
		log_warning("upkeep", "error=\"%s\"", err.text);
}

static void flushed(void *arg)
{
	(void)arg;
	busy = false;
}

static void on_time(uv_timer_t *handle)
{
	if (busy || job_stopping())
		return;
	busy = true;
	job_background(handle->data, flush, flushed, handle->data);
}

void upkeep_start(struct context *ctx)
{
	must(uv_timer_init(ctx->loop, &timer) == 0);
	timer.data = ctx;
	must(uv_timer_start(&timer, on_time, EVERY_MS, EVERY_MS) == 0);
	uv_unref((uv_handle_t *)&timer);
}

void upkeep_stop(void)
{
	uv_close((uv_handle_t *)&timer, NULL);
}
