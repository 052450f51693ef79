/* SPDX-License-Identifier: MIT */
/*
 * encode.h — stored files in a content coding (RFC 9110 §8.4), for those who
 * accept one.  JSON, scripts and wasm only: weights never.
 *
 * An encoded file is a representation of its own: its ETag and Repr-Digest are
 * those of the encoded bytes (RFC 9110 §8.8.3.3, RFC 9530 §3), ranges and
 * conditions are about them.  It is made once, on the pool, while the first who
 * asks waits, and kept in the store as a derived blob (`zstd:1`, `gzip:1`).  Of
 * a file that does not shrink an empty one is kept.
 */
#ifndef LARDER_DAEMON_ENCODE_H
#define LARDER_DAEMON_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/negotiate.h"

struct fault;
struct reply_file;
struct request;
struct store_map;

/* encode_varies(type, size): whether such a file may be answered encoded. */
bool encode_varies(const char *type, uint64_t size);
/*
 * encode_reply(rq, map, f, coding, fault): reply_map(rq, map, f), or the same
 * file in ${coding} where that is at hand or can be made now.  What ${f} points
 * to is borrowed until DONE.  0, or -1 with the fault.  Event loop.
 *
 * A Range is answered in ${coding} only after an If-Range that names that
 * representation: whoever asks for bytes without saying of what means the
 * file's own.
 */
int encode_reply(struct request *rq, struct store_map *map, const struct reply_file *f,
		 enum negotiate_coding coding, struct fault *fault);
/* encode_clear(): let go of what is kept in memory; before the store is closed. */
void encode_clear(void);

#endif
