/* SPDX-License-Identifier: MIT */
/*
 * health.h — whether the store is as it should be: for /healthz, the figures
 * and the log; and what could not be done at the start tried again.
 */
#ifndef LARDER_DAEMON_HEALTH_H
#define LARDER_DAEMON_HEALTH_H

#include <stdbool.h>

struct context;
struct text;

/* health_start(ctx): once, on the loop, when the store is open; its handle does not keep it alive.
 */
void health_start(struct context *ctx);
/* health_stop(): close the handle.  What is on the pool is waited for as any background job. */
void health_stop(void);
/* health_degraded(ctx): is there anything that an operator should see to?  Any thread. */
bool health_degraded(struct context *ctx);
/* health_json(ctx, t): {"status":"ok"|"degraded","text":…,…}.  Any thread. */
void health_json(struct context *ctx, struct text *t);

#endif
