/* SPDX-License-Identifier: MIT */
/*
 * pulse.c — the loop's turns: a histogram of how long each was busy, and the
 * watchdog.  Called by main.c.  The watchdog is fed from a timer on the loop
 * and only while the pool answers too, so a hang of either is a restart.  Must
 * never take a pool that is busy for one that hangs.
 */
#include <config.h>

#include "daemon/pulse.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/must.h"
#include "daemon/notify.h"
#include "daemon/settings.h"

static uv_prepare_t prepare;
static uv_timer_t timer;
static uv_work_t probe;
static const struct context *context;
static bool probing;
static uint64_t probe_ns; /* when the pool was asked last */
static uint64_t last_ns, last_idle_ns;

static void on_turn(uv_prepare_t *handle)
{
	uint64_t now = uv_hrtime();
	uint64_t idle = uv_metrics_idle_time(handle->loop);
	uint64_t wall = now - last_ns, waited = idle - last_idle_ns;

	metrics_stall(wall > waited ? wall - waited : 0);
	last_ns = now;
	last_idle_ns = idle;
}

static void nothing(uv_work_t *work)
{
	(void)work;
}

static void answered(uv_work_t *work, int status)
{
	(void)work;
	(void)status;
	probing = false;
}

/*
 * The pool is asked for nothing, and has not answered since the last time.  While requests are
 * worked on, they may have all of its threads; but none may keep one for longer than requests
 * may take, and what waited before us waited as long at most.
 */
static bool hangs(void)
{
	uint64_t limit_ns = 2 * context->settings->request_timeout * UINT64_C(1000000000);

	return probing &&
	       (metrics_get(METRIC_jobs_active) == 0 || uv_hrtime() - probe_ns > limit_ns);
}

static void on_watchdog(uv_timer_t *handle)
{
	if (hangs()) {
		log_error("watchdog", "error=\"no thread of the pool is free\"");
		return;
	}
	notify_send("WATCHDOG=1");
	if (probing)
		return;
	probing = true;
	probe_ns = uv_hrtime();
	if (uv_queue_work(handle->loop, &probe, nothing, answered) != 0)
		probing = false;
}

void pulse_start(const struct context *ctx)
{
	uint64_t every_ms = notify_watchdog_ms();
	uv_loop_t *loop = ctx->loop;

	context = ctx;
	(void)uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
	last_ns = uv_hrtime();
	must(uv_prepare_init(loop, &prepare) == 0);
	(void)uv_prepare_start(&prepare, on_turn);
	uv_unref((uv_handle_t *)&prepare);
	must(uv_timer_init(loop, &timer) == 0);
	uv_unref((uv_handle_t *)&timer);
	if (every_ms > 0)
		(void)uv_timer_start(&timer, on_watchdog, 0, every_ms);
}

void pulse_stop(void)
{
	uv_close((uv_handle_t *)&prepare, NULL);
	uv_close((uv_handle_t *)&timer, NULL);
}
