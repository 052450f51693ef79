/* SPDX-License-Identifier: MIT */
/*
 * stream.h — the body of a STREAM route: collected on the loop, handed to the
 * route's functions on the pool in pieces of up to 1 MiB, the connection
 * suspended meanwhile so that the client is held back.
 */
#ifndef LARDER_DAEMON_STREAM_H
#define LARDER_DAEMON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct request;

/*
 * stream_data(rq, data, size): how many bytes were taken; the connection is
 * suspended when it was not all of them.  -1: the client sends on and on after
 * it failed; close the connection.  Event loop, as all of these.
 */
ssize_t stream_data(struct request *rq, const void *data, size_t size);
/* stream_end(rq): the body is complete: the rest of the data, then end(), then the answer. */
void stream_end(struct request *rq);
/*
 * stream_drop(rq): the request is over.  true if drop() has to run on the pool
 * first: the request is freed after it.
 */
bool stream_drop(struct request *rq);

#endif
