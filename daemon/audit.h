/* SPDX-License-Identifier: MIT */
/*
 * audit.h — a log line for every administrative change that was asked for: who, what, how it
 * ended.  At every log level.
 */
#ifndef LARDER_DAEMON_AUDIT_H
#define LARDER_DAEMON_AUDIT_H

struct request;

/* audit_request(rq): when it is answered; says nothing of what only reads.  Event loop. */
void audit_request(const struct request *rq);

#endif
