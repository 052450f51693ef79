/* SPDX-License-Identifier: MIT */
/*
 * job.h — work off the event loop.
 *
 * libuv's pool runs it; done functions run on the loop.  A job that belongs to
 * a request owns its deadline and watches the client, because a suspended
 * libmicrohttpd connection does neither: when the client is gone, the time is
 * up or the daemon shuts down, request_cancelled() becomes true and the work
 * should return soon.  Work that has not begun by then is never begun.
 */
#ifndef LARDER_DAEMON_JOB_H
#define LARDER_DAEMON_JOB_H

#include <stdbool.h>

struct context;
struct fault;
struct request;

/* Pool thread.  0 after a reply_*, or -1 with ${fault}. */
typedef int job_work_f(struct request *rq, void *arg, struct fault *fault);

/*
 * job_start(rq, work, arg, timeout_ms): READY → WORKING; run ${work} on the
 * pool, answer with what it replied.  ${arg} is borrowed until the request is
 * DONE (arena).  timeout_ms 0 = the setting request_timeout.  Returns 0, so
 * that a LOOP handler can `return job_start(…)`.  Event loop.
 */
int job_start(struct request *rq, job_work_f *work, void *arg, unsigned timeout_ms);

/*
 * job_background(ctx, work, done, arg): ${work}(arg) on the pool, then
 * ${done}(arg) on the loop (may be NULL).  Shutdown waits for it: long work
 * must look at job_stopping().  ${arg} belongs to the caller.  Event loop.
 */
void job_background(struct context *ctx, void (*work)(void *arg), void (*done)(void *arg),
		    void *arg);
/* job_stopping(): the daemon is shutting down.  Any thread. */
bool job_stopping(void);
/* job_stop_all(): from now on job_stopping() is true.  Event loop. */
void job_stop_all(void);
/* job_background_count(): how many are not done.  Event loop. */
unsigned job_background_count(void);

/*
 * For server.c.  job_watch: begin the deadline and the watch over the client's
 * socket ${fd} (-1: none) of a request that became WORKING; job_unwatch ends
 * both.  job_cancel: note the reason, raise the flag, tell the owner.
 */
void job_watch(struct request *rq, int fd, unsigned timeout_ms);
void job_unwatch(struct request *rq);
void job_cancel(struct request *rq, int why);
/* job_cancelled_fault(rq, fault): what its client is told.  Returns -1.  Any thread. */
int job_cancelled_fault(struct request *rq, struct fault *fault);

#endif
