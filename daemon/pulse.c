/* SPDX-License-Identifier: MIT */
/*
 * pulse.c — the loop's turns: a histogram of how long each was busy, and the
 * watchdog.  Called by main.c.  The watchdog is fed from a timer on the loop
 * and only while the pool answers too, so a hang of either is a restart.
 */
#include <config.h>

#include "daemon/pulse.h"

#include <stdbool.h>
#include <stdint.h>

#include "daemon/metrics.h"
#include "daemon/must.h"
#include "daemon/notify.h"

static uv_prepare_t prepare;
static uv_timer_t timer;
static uv_work_t probe;
static bool probing, watching;
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
 * Not when the pool has not answered since the last time although no request
 * keeps it busy: requests have deadlines of their own.
 */
static void on_watchdog(uv_timer_t *handle)
{
	if (probing && metrics_get(METRIC_jobs_active) == 0)
		return;
	notify_send("WATCHDOG=1");
	if (probing)
		return;
	probing = true;
	if (uv_queue_work(handle->loop, &probe, nothing, answered) != 0)
		probing = false;
}

void pulse_start(uv_loop_t *loop)
{
	uint64_t every_ms = notify_watchdog_ms();

	(void)uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
	last_ns = uv_hrtime();
	must(uv_prepare_init(loop, &prepare) == 0);
	(void)uv_prepare_start(&prepare, on_turn);
	uv_unref((uv_handle_t *)&prepare);
	must(uv_timer_init(loop, &timer) == 0);
	uv_unref((uv_handle_t *)&timer);
	watching = every_ms > 0;
	if (watching)
		(void)uv_timer_start(&timer, on_watchdog, 0, every_ms);
}

void pulse_stop(void)
{
	uv_close((uv_handle_t *)&prepare, NULL);
	uv_close((uv_handle_t *)&timer, NULL);
}
