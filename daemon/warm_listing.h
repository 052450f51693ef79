/* SPDX-License-Identifier: MIT */
/* warm_listing.h — for warm.c.  Event loop. */
#ifndef LARDER_DAEMON_WARM_LISTING_H
#define LARDER_DAEMON_WARM_LISTING_H

struct warm_item;
struct warm_job;

/*
 * warm_listing_ask(job, item): LISTING: ask, unless that runs or has to wait;
 * the item is FETCHING or the job has failed when it is over.
 */
void warm_listing_ask(struct warm_job *job, struct warm_item *item);
/*
 * warm_listing_move(job, item): when the item's commit is another than that of
 * its name, the files that the name has are wanted too, and item->only is set.
 */
void warm_listing_move(struct warm_job *job, struct warm_item *item);

#endif
