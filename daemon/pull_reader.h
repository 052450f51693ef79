/* SPDX-License-Identifier: MIT */
/* pull_reader.h — the bytes of a flight as the body of an answer.  For pull.c.  Event loop. */
#ifndef LARDER_DAEMON_PULL_READER_H
#define LARDER_DAEMON_PULL_READER_H

struct fault;
struct pull_flight;
struct request;

/*
 * pull_reader_reply(rq, f, fault): ${f} is COMING: answer ${rq} with what it
 * asks for of it; the body follows as bytes come.  0, or -1 with the fault.
 */
int pull_reader_reply(struct request *rq, struct pull_flight *f, struct fault *fault);

#endif
