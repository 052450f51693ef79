/* SPDX-License-Identifier: MIT */
/* tenure.h — the clock by which unused models leave the memory (residency_expire). */
#ifndef LARDER_DAEMON_TENURE_H
#define LARDER_DAEMON_TENURE_H

struct context;

/* tenure_start(ctx): every few seconds from now on; does not keep the loop alive. */
void tenure_start(struct context *ctx);
/* tenure_stop(): close its timer. */
void tenure_stop(void);

#endif
