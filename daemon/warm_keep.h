/* SPDX-License-Identifier: MIT */
/* warm_keep.h — jobs over restarts.  Event loop, unless said otherwise. */
#ifndef LARDER_DAEMON_WARM_KEEP_H
#define LARDER_DAEMON_WARM_KEEP_H

#include <stdbool.h>

struct warm;
struct warm_job;

/* warm_keep_job(job): write it down as it is now, soon. */
void warm_keep_job(struct warm_job *job);
/*
 * warm_keep_hold(job): what is to be written; freed by the caller, who writes it himself: until
 * warm_keep_release(job) nobody else writes the job down.
 */
char *warm_keep_hold(struct warm_job *job);
void warm_keep_release(struct warm_job *job);
/* warm_keep_write(w, id, text): pool: write it now; false: it could not be. */
bool warm_keep_write(struct warm *w, const char *id, const char *text);
/* warm_keep_load(w): before the loop runs: what an earlier process left, which goes on. */
void warm_keep_load(struct warm *w);

#endif
