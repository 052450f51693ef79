/* SPDX-License-Identifier: MIT */
/*
 * context.h — what lives as long as the daemon and what handlers reach through
 * rq->ctx.  Filled by main.c before the first request, taken down after the
 * last.  The pointers never change while requests exist, except ${settings},
 * which SIGHUP replaces: handlers use rq->settings, which stays theirs.
 */
#ifndef LARDER_DAEMON_CONTEXT_H
#define LARDER_DAEMON_CONTEXT_H

#include <stdint.h>
#include <uv.h>

struct context {
	uv_loop_t *loop; /* event-loop thread only */
	struct settings *settings;
	struct origins *origins;
	struct store *store;
	struct server *server;
	struct residency *residency; /* residency.h; NULL until it is there */
	struct pull *pull;           /* pull.h; the same */
	struct warm *warm;           /* warm.h; the same */
	struct manifests *manifests; /* manifest.h; the same */
	uint64_t started_ns;         /* uv_hrtime at start */
};

#endif
