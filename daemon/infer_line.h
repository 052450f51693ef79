/* SPDX-License-Identifier: MIT */
/*
 * infer_line.h — requests in the line of inferences (lane.h): when a request's turn comes, alone or
 * with others of its model (infer_batch.h), the pool works on it.  Event loop.
 */
#ifndef LARDER_DAEMON_INFER_LINE_H
#define LARDER_DAEMON_INFER_LINE_H

#include <stdbool.h>

struct context;
struct request;

/* infer_line_start(ctx), infer_line_stop(): a timer; once each. */
void infer_line_start(struct context *ctx);
void infer_line_stop(void);

/*
 * infer_line_enter(rq, timeout_ms, bulk): READY → WORKING: it waits for its turn, its row's handler
 * runs on the pool, its answer is sent.  Where the line is full, or the client is not there any
 * more, the handler is never called: 503 with Retry-After at once.  With X-Larder-Stream, what
 * waits of the same stream and origin is answered 409: only the latest frame matters.
 * timeout_ms 0 = the setting request_timeout; ${bulk}: after all that are not.
 */
void infer_line_enter(struct request *rq, unsigned timeout_ms, bool bulk);

#endif
