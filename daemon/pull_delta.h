/* SPDX-License-Identifier: MIT */
/*
 * pull_delta.h — a flight that begins with what is stored of an older version:
 * is it worth a try, the chunk list, what comes of it.  For pull_flight.c and
 * pull_lane.c.  Event loop, unless said otherwise.
 */
#ifndef LARDER_DAEMON_PULL_DELTA_H
#define LARDER_DAEMON_PULL_DELTA_H

#include <stdbool.h>

#include "store/store.h"

struct pull_flight;

/*
 * pull_delta_hopeful(f): there may be a list, and something to use it with; so
 * the first request should not ask for much.
 */
bool pull_delta_hopeful(const struct pull_flight *f);
/* pull_delta_wanted(f): the first answer is here: is the file worth a list? */
bool pull_delta_wanted(const struct pull_flight *f);
/* pull_delta_step(f): LISTING: ask for the list, wait for it; true: that is over, good or bad. */
bool pull_delta_step(struct pull_flight *f);
/* pull_delta_drop(f): forget list and request. */
void pull_delta_drop(struct pull_flight *f);

/*
 * pull_delta_read(f): pool, before the download begins: is the list about that
 * file?  If nobody said the file's digest, it is the list's from here on.
 */
void pull_delta_read(struct pull_flight *f);
/* pull_delta_seed(f, err): pool, after it began.  Only what ends a download is an error. */
int pull_delta_seed(struct pull_flight *f, struct store_error *err) STORE_MUST_CHECK;

#endif
