/* SPDX-License-Identifier: MIT */
/*
 * scrub.h — the store read and hashed again in the background, at the setting
 * scrub_rate, while nobody asks for anything.
 */
#ifndef LARDER_DAEMON_SCRUB_H
#define LARDER_DAEMON_SCRUB_H

struct context;
struct text;

/* scrub_start(ctx): once, on the loop; its handle does not keep the loop alive. */
void scrub_start(struct context *ctx);
/* scrub_stop(): close the handle.  What is on the pool is waited for as any background job. */
void scrub_stop(void);
/* scrub_free(): when the loop has ended, before the store is closed. */
void scrub_free(void);
/* scrub_json(t): {"began_s":…,"ended_s":…,"bytes":…,"damaged":…}.  Any thread. */
void scrub_json(struct text *t);

#endif
