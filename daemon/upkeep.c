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
#include "daemon/quota.h"
#include "store/store.h"

#include "daemon/must.h"

#define FIRST_MS 1000 /* the limits may have been lowered */
#define EVERY_MS UINT64_C(300000)

static uv_timer_t timer;
static bool busy; /* loop only */

static void work(void *arg)
{
	struct context *ctx = arg;
	struct store_error err;

	if (store_use_flush(ctx->store, &err) != 0)
		log_warning("upkeep", "error=\"%s\"", err.text);
	quota_keep(ctx);
}

static void worked(void *arg)
{
	(void)arg;
	busy = false;
}

static void on_time(uv_timer_t *handle)
{
	if (busy || job_stopping())
		return;
	busy = true;
	job_background(handle->data, work, worked, handle->data);
}

void upkeep_start(struct context *ctx)
{
	must(uv_timer_init(ctx->loop, &timer) == 0);
	timer.data = ctx;
	must(uv_timer_start(&timer, on_time, FIRST_MS, EVERY_MS) == 0);
	uv_unref((uv_handle_t *)&timer);
}

void upkeep_stop(void)
{
	uv_close((uv_handle_t *)&timer, NULL);
}
