/* SPDX-License-Identifier: MIT */
/*
 * infer_refusal.h — inferences that find no place in the line.  They are told so with 503 and
 * Retry-After as soon as their headers are there, before a body is kept or looked at.  Clients
 * that come back at once all the same would have the loop do nothing but refuse: where
 * refusals are many, each is held back for a moment, which costs nothing but its connection.
 * Event loop only.
 */
#ifndef LARDER_DAEMON_INFER_REFUSAL_H
#define LARDER_DAEMON_INFER_REFUSAL_H

#include <stdbool.h>

struct context;
struct fault;
struct request;

/* infer_refusal_start(ctx), infer_refusal_stop(): a timer; once each. */
void infer_refusal_start(struct context *ctx);
void infer_refusal_stop(void);

/*
 * infer_refusal_check(rq, fault): the headers of an inference are there.  -1 with the fault when
 * the line is full for its origin, or when the bodies of inferences take all the memory that they
 * may; otherwise its body counts among them until it is DONE.
 */
int infer_refusal_check(struct request *rq, struct fault *fault);
/* infer_refusal_fault(fault): what one is told that finds the line full.  Returns -1. */
int infer_refusal_fault(struct fault *fault);
/*
 * infer_refusal_hold(rq): its body has come and its answer is filled in.  true: it is a refusal,
 * and there are many; it is WORKING until its answer goes out, a moment later.
 */
bool infer_refusal_hold(struct request *rq);

#endif
