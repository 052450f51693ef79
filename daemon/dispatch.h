/* SPDX-License-Identifier: MIT */
/* dispatch.h — from READY on.  Event loop. */
#ifndef LARDER_DAEMON_DISPATCH_H
#define LARDER_DAEMON_DISPATCH_H

struct fault;
struct request;

/* dispatch_ready(rq): the handler's turn; ${rq} is WORKING or ANSWERED after it. */
void dispatch_ready(struct request *rq);
/* dispatch_refusal(rq, fault): ANSWERED with ${fault}, and the connection ends. */
void dispatch_refusal(struct request *rq, const struct fault *fault);

#endif
