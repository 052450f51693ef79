/* SPDX-License-Identifier: MIT */
/*
 * lane.h — the line that inferences stand in.  A few of them are on the pool at a
 * time, so that the rest of it stays free for everybody else; the others wait,
 * taken in turns by origin: a page with a hundred requests waiting does not keep
 * another one's first from its turn.  Event loop only.
 */
#ifndef LARDER_DAEMON_LANE_H
#define LARDER_DAEMON_LANE_H

#include <stdbool.h>

struct lane_origin;

/* One that waits; inside of what waits. */
struct lane_ticket {
	struct lane_ticket *next, **link;
	struct lane_origin *origin; /* NULL: it does not wait */
	const char *stream;         /* of frames, of which only the latest matters; NULL: none */
};

/*
 * lane_enter(ticket, origin, limit): ask for a turn; ticket->stream is set.  LANE_GO: it is on, and
 * lane_leave must follow; LANE_WAIT: lane_next will hand it out; LANE_FULL: ${limit} are waiting
 * already, and of ${origin} (NULL: none) no less than its share.
 */
enum lane_answer { LANE_GO, LANE_WAIT, LANE_FULL };
enum lane_answer lane_enter(struct lane_ticket *ticket, const char *origin, unsigned limit);
/* lane_older(origin, stream): a ticket of ${origin} that waits and is of ${stream}; or NULL. */
struct lane_ticket *lane_older(const char *origin, const char *stream);
/* lane_forget(ticket): it waits no longer. */
void lane_forget(struct lane_ticket *ticket);
/* lane_leave(): one that was on is done. */
void lane_leave(void);
/* lane_next(): the next ticket that is on now, or NULL; until it is NULL, after lane_leave. */
struct lane_ticket *lane_next(void);
/* lane_waiting(): how many wait. */
unsigned lane_waiting(void);

#endif
