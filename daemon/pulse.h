/* SPDX-License-Identifier: MIT */
/*
 * pulse.h — measures how long each turn of the event loop kept it busy, and
 * tells the service manager's watchdog that turns still happen.
 */
#ifndef LARDER_DAEMON_PULSE_H
#define LARDER_DAEMON_PULSE_H

struct context;

/* pulse_start(ctx): once, with loop and settings; its handles do not keep the loop alive. */
void pulse_start(const struct context *ctx);
/* pulse_stop(): close the handles. */
void pulse_stop(void);

#endif
