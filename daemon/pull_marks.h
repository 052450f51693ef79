/* SPDX-License-Identifier: MIT */
/*
 * pull_marks.h — what an upstream without digests said of a file (ETag, else
 * Last-Modified) when its content came, and which content that was: so that the
 * file need not come again while the upstream says the same.  Kept over
 * restarts.  Event loop only.
 */
#ifndef LARDER_DAEMON_PULL_MARKS_H
#define LARDER_DAEMON_PULL_MARKS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct context;
struct pull_marks;

/* pull_marks_open(ctx): with what was written down; never fails. */
struct pull_marks *pull_marks_open(struct context *ctx);
/*
 * pull_marks_close(m): writes what is not written yet; nothing of it may be on the pool.  Its timer
 * is closed by the loop's next turn.  NULL is allowed.
 */
void pull_marks_close(struct pull_marks *m);
/* pull_marks_find: the content that had that mark and size; ${key} as pull_flight_key makes it. */
bool pull_marks_find(const struct pull_marks *m, const struct store_digest *key, const char *mark,
		     uint64_t size, struct store_digest *out);
/* pull_marks_set: it has now; written down within a second or so.  A mark of no characters says
 * nothing. */
void pull_marks_set(struct pull_marks *m, const struct store_digest *key, const char *mark,
		    uint64_t size, const struct store_digest *digest);

#endif
