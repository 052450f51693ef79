/* SPDX-License-Identifier: MIT */
/*
 * handle_v2_follow.h — how far a model is on its way into memory, for handle_v2.c: /ready of those
 * who do not want to wait, and of those who want to see.  On the pool.
 */
#ifndef LARDER_DAEMON_HANDLE_V2_FOLLOW_H
#define LARDER_DAEMON_HANDLE_V2_FOLLOW_H

struct fault;
struct request;

/*
 * handle_v2_follow(rq, fault): server-sent events: the model is loaded, each step is an event, the
 * last one says READY, or UNAVAILABLE and why.  Who hangs up ends no loading that others wait for.
 */
int handle_v2_follow(struct request *rq, struct fault *fault);
/* handle_v2_follow_look(rq, fault): one answer at once; nothing is loaded. */
int handle_v2_follow_look(struct request *rq, struct fault *fault);

#endif
