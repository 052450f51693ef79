/* SPDX-License-Identifier: MIT */
/* warm_run.h — what warm.c, warm_listing.c and warm_keep.c share.  Event loop. */
#ifndef LARDER_DAEMON_WARM_RUN_H
#define LARDER_DAEMON_WARM_RUN_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/warm_job.h"

struct warm {
	struct context *ctx;
	struct pull *pull;
	int dir;               /* jobs/ of the state folder */
	struct warm_job *jobs; /* oldest first */
	unsigned count;
	uv_timer_t tick;
	bool stopped;
};

/* warm_kick(w): look at all jobs in the next turn. */
void warm_kick(struct warm *w);
void warm_append(struct warm *w, struct warm_job *job);
void warm_finish(struct warm_job *job, enum warm_state state);
/* warm_fail(job, item, text): over; the text is put behind upstream and model. */
void warm_fail(struct warm_job *job, const struct warm_item *item, const char *text);

#endif
