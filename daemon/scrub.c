/* SPDX-License-Identifier: MIT */
/*
 * scrub.c — see scrub.h.  Called by main.c.  Steps run on the pool, one at a
 * time and only while no request is; must never keep anybody waiting for a
 * disk.
 */
#include <config.h>

#include "daemon/scrub.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "daemon/context.h"
#include "daemon/job.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/pull_mend.h"
#include "daemon/settings.h"
#include "daemon/text.h"
#include "store/store.h"

#include "daemon/must.h"

#define STEP_BYTES ((uint64_t)4 << 20)
#define SOON_MS 500             /* the loop is busy: look again */
#define REST_MS UINT64_C(60000) /* nothing to do, or it failed */
#define DAMAGED_MAX 64          /* that one step has fetched again; the rest by a later pass */
#define PASS_S INT64_C(604800)  /* a week: a pass begins that long after the last one */

static uv_timer_t timer;
static bool busy;                      /* a step is on the pool; loop only */
static struct store_scrub *scrub;      /* the step's, or nobody's */
static bool failed;                    /* of the last step */
static struct store_scrub_state state; /* of the last step */
static atomic_uint_least64_t shown[4]; /* of it, for any thread */

/* Damaged content that the step found: it is looked for upstream when the step is over. */
static struct store_digest damaged[DAMAGED_MAX];
static unsigned damaged_count;

static int found(void *arg, const struct store_digest *digest, const char *what)
{
	char hex[STORE_DIGEST_HEX + 1];

	(void)arg;
	store_digest_hex(digest, hex);
	log_error("scrub", "sha256=%s found=\"%s\"", hex, what);
	metrics_add(METRIC_blobs_damaged, 1);
	if (damaged_count < DAMAGED_MAX)
		damaged[damaged_count++] = *digest;
	return 0;
}

/* Pool. */
static void step(void *arg)
{
	struct context *ctx = arg;
	struct store_scrub_state before = state;
	struct store_error err;
	int status = 0;

	if (scrub == NULL)
		status = store_scrub_new(ctx->store, PASS_S, &scrub, &err);
	if (status == 0)
		status = store_scrub_step(scrub, STEP_BYTES, found, ctx, &state, &err);
	failed = status != 0;
	if (failed) {
		log_warning("scrub", "error=\"%s\"", err.text);
		return;
	}
	metrics_add(METRIC_scrubbed_bytes, state.bytes - before.bytes);
	if (state.ended_s != 0 && before.ended_s == 0 && before.began_s != 0)
		log_info("scrubbed", "blobs=%" PRIu64 " bytes=%" PRIu64 " damaged=%" PRIu64,
			 state.blobs, state.bytes, state.damaged);
	atomic_store(&shown[0], (uint64_t)state.began_s);
	atomic_store(&shown[1], (uint64_t)state.ended_s);
	atomic_store(&shown[2], state.bytes);
	atomic_store(&shown[3], state.damaged);
}

static void on_time(uv_timer_t *handle);

static void again_in(struct context *ctx, uint64_t ms)
{
	(void)ctx;
	if (!uv_is_closing((uv_handle_t *)&timer))
		must(uv_timer_start(&timer, on_time, ms, 0) == 0);
}

static void stepped(void *arg)
{
	struct context *ctx = arg;
	uint64_t rate = ctx->settings->scrub_rate;

	busy = false;
	for (unsigned i = 0; i < damaged_count; i++)
		pull_mend(ctx, &damaged[i]);
	damaged_count = 0;
	if (failed || state.resting || rate == 0)
		again_in(ctx, REST_MS);
	else
		again_in(ctx, STEP_BYTES * 1000 / rate + 1);
}

static void on_time(uv_timer_t *handle)
{
	struct context *ctx = handle->data;

	if (busy || job_stopping())
		return;
	if (ctx->settings->scrub_rate == 0) {
		again_in(ctx, REST_MS);
	} else if (metrics_get(METRIC_requests_active) > 0 || metrics_get(METRIC_jobs_active) > 0) {
		again_in(ctx, SOON_MS);
	} else {
		busy = true;
		job_background(ctx, step, stepped, ctx);
	}
}

void scrub_start(struct context *ctx)
{
	must(uv_timer_init(ctx->loop, &timer) == 0);
	timer.data = ctx;
	again_in(ctx, SOON_MS);
	uv_unref((uv_handle_t *)&timer);
}

void scrub_stop(void)
{
	uv_close((uv_handle_t *)&timer, NULL);
}

void scrub_free(void)
{
	store_scrub_free(scrub);
	scrub = NULL;
}

void scrub_json(struct text *t)
{
	text_printf(t,
		    "{\"began_s\":%" PRIu64 ",\"ended_s\":%" PRIu64 ",\"bytes\":%" PRIu64
		    ",\"damaged\":%" PRIu64 "}",
		    atomic_load(&shown[0]), atomic_load(&shown[1]), atomic_load(&shown[2]),
		    atomic_load(&shown[3]));
}
