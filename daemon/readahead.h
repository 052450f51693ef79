/* SPDX-License-Identifier: MIT */
/*
 * readahead.h — bytes of a mapping that may not be in memory yet, given out in
 * order without ever waiting for the disk on the event loop.
 */
#ifndef LARDER_DAEMON_READAHEAD_H
#define LARDER_DAEMON_READAHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct request;

/* Up to this many bytes are read whole before an answer begins; more go out in windows. */
#define READAHEAD_WHOLE_BYTES (UINT64_C(4) << 20)

/*
 * readahead_begin(rq): READY, and the reply is made.  Whether it comes from the
 * disk: true when the pool has the request now (WORKING; it becomes ANSWERED by
 * itself); false when the answer may begin, perhaps through struct readahead
 * (rq->windowed).  Event loop.
 */
bool readahead_begin(struct request *rq);

struct readahead;
/*
 * readahead_new(rq): give out the parts of its reply, some of which lie in its mapping, to which a
 * reference is taken.  NULL: no memory.
 */
struct readahead *readahead_new(struct request *rq);
/*
 * readahead_read(ra, pos, out, room): bytes from ${pos} on: how many, or 0
 * when the disk is being asked (the request was suspended and will be resumed),
 * or -1 when the disk cannot give them.  Event loop.
 */
ssize_t readahead_read(struct readahead *ra, uint64_t pos, void *out, size_t room);
/* readahead_free(ra): the answer is over.  NULL is allowed. */
void readahead_free(struct readahead *ra);

#endif
