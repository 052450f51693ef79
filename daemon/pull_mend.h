/* SPDX-License-Identifier: MIT */
/* pull_mend.h — content that was found damaged is fetched again where it came from. */
#ifndef LARDER_DAEMON_PULL_MEND_H
#define LARDER_DAEMON_PULL_MEND_H

#include "store/store.h"

struct context;

/*
 * pull_mend(ctx, digest): if a file with that content has a name that is an upstream's, ask it
 * for that file.  What comes takes the damaged blob's place once its digest is right.  Not more
 * than once in ten seconds.  Event loop.
 */
void pull_mend(struct context *ctx, const struct store_digest *digest);

#endif
