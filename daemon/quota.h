/* SPDX-License-Identifier: MIT */
/*
 * quota.h — the limits of the settings, given to the store; what went because of
 * them, said in the log and forgotten in memory too.
 */
#ifndef LARDER_DAEMON_QUOTA_H
#define LARDER_DAEMON_QUOTA_H

#include "store/store.h"

struct context;

/* quota_start(ctx): the limits hold from here on.  Once, when ctx->store is open. */
void quota_start(struct context *ctx);
/*
 * quota_keep(ctx): bring the store down to its limits, should it be above them:
 * they were lowered, or somebody still read an old snapshot before.  Pool.
 */
void quota_keep(struct context *ctx);

#endif
