/* SPDX-License-Identifier: MIT */
/*
 * warm.h — jobs that fetch models ahead of need.  A job is a list of items (a
 * model, a revision, patterns); it survives restarts, can be cancelled, and
 * what it says of its progress never goes back.  A name moves when all files of
 * its item are here, not before.  Event loop, unless said otherwise.
 */
#ifndef LARDER_DAEMON_WARM_H
#define LARDER_DAEMON_WARM_H

#include <jansson.h>
#include <stdbool.h>

struct context;
struct fault;
struct pull_name;
struct request;
struct warm;
struct warm_job;

#define WARM_ID_CHARS 16

/* warm_open(ctx, out): with the jobs that an earlier process left, which go on.  0 or -1. */
int warm_open(struct context *ctx, struct warm **out);
void warm_hush(struct warm *w);  /* end the streams of events: the daemon wants to stop */
void warm_stop(struct warm *w);  /* drop what runs; it goes on at the next start */
void warm_close(struct warm *w); /* after the pool's work has ended; NULL is allowed */

/*
 * warm_add(w, ask, fault): a job from the body of POST /admin/v1/warm, an
 * object or a list of them.  NULL with the fault.  It begins once warm_begin
 * was called, which is when it was written down (warm_keep.h).
 */
struct warm_job *warm_add(struct warm *w, const json_t *ask, struct fault *fault);
void warm_begin(struct warm_job *job);
/* warm_prune(job, prune): before it begins: at its end, whatever no manifest names goes. */
void warm_prune(struct warm_job *job, bool prune);
/*
 * warm_refresh(w, name, commit): that name means ${commit} at its upstream now: fetch all
 * files that it has here, then move it; name->busy is false when that is over.
 */
void warm_refresh(struct warm *w, struct pull_name *name, const char *commit);

struct warm_job *warm_find(struct warm *w, const char *id); /* NULL when unknown */
const char *warm_id(const struct warm_job *job);
/* warm_cancel(job): false when it was over already. */
bool warm_cancel(struct warm_job *job);
bool warm_over(const struct warm_job *job);
/* warm_json(job): as the contract says; a new reference.  warm_list: of all, oldest first. */
json_t *warm_json(const struct warm_job *job);
json_t *warm_list(struct warm *w);

/* Somebody who is told, a few times a second, that a job has changed. */
struct warm_watcher {
	void (*changed)(struct warm_watcher *watcher, bool hush);
	struct warm_job *job;
	struct warm_watcher *next;
};
void warm_watch(struct warm_job *job, struct warm_watcher *watcher);
void warm_unwatch(struct warm_watcher *watcher);

#endif
