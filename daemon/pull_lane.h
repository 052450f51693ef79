/* SPDX-License-Identifier: MIT */
/*
 * pull_lane.h — the transfers of a flight and the bytes between them and the
 * disk.  For pull_flight.c.  Event loop, but for pull_lane_write_batch.
 */
#ifndef LARDER_DAEMON_PULL_LANE_H
#define LARDER_DAEMON_PULL_LANE_H

#include "store/store.h"

struct pull_flight;
struct pull_flights;

/* pull_lane_plan(f): ASKING or COMING: begin the transfers that are wanted and allowed now. */
void pull_lane_plan(struct pull_flight *f);
/* pull_lane_reap(f): end those of which nothing more is wanted, wake those that wait for room. */
void pull_lane_reap(struct pull_flight *f);
void pull_lane_cancel(struct pull_flight *f); /* all */
void pull_lane_drop_queue(struct pull_flight *f);
void pull_lane_drop_spare(struct pull_flights *all); /* memory that waits for more bytes */
/* pull_lane_clock(f): bytes come from now on: how fast? */
void pull_lane_clock(struct pull_flight *f);

/*
 * pull_lane_take_batch(f): all that is queued is the pool's now, which calls
 * pull_lane_write_batch (again where that failed); pull_lane_batch_done frees it.
 */
void pull_lane_take_batch(struct pull_flight *f);
int pull_lane_write_batch(struct pull_flight *f, struct store_error *err);
void pull_lane_batch_done(struct pull_flight *f);

#endif
