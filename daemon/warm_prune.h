/* SPDX-License-Identifier: MIT */
/* warm_prune.h — the end of a job that went well.  For warm.c.  Event loop. */
#ifndef LARDER_DAEMON_WARM_PRUNE_H
#define LARDER_DAEMON_WARM_PRUNE_H

struct warm_job;

/* warm_prune_end(job): all items have their names: drop the rest if it is to go; then it is done.
 */
void warm_prune_end(struct warm_job *job);

#endif
