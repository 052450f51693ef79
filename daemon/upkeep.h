/* SPDX-License-Identifier: MIT */
/*
 * upkeep.h — what the daemon does now and then without being asked, soon
 * after the start and every few minutes: the last uses that the store has noted in
 * memory are written down, so that a kill loses no more of them, and what the limits
 * do not allow goes.
 */
#ifndef LARDER_DAEMON_UPKEEP_H
#define LARDER_DAEMON_UPKEEP_H

struct context;

/* upkeep_start(ctx): once, on the loop; its handle does not keep the loop alive. */
void upkeep_start(struct context *ctx);
/* upkeep_stop(): close the handle.  What is on the pool is waited for as any background job. */
void upkeep_stop(void);

#endif
