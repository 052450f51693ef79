/* SPDX-License-Identifier: MIT */
/*
 * lane.h — the line that inferences stand in.  A few of them are on the pool at a
 * time, so that the rest of it stays free for everybody else; the others wait.  Who is
 * next: interactive ones before bulk ones, in turns by origin, so that a page with a
 * hundred requests waiting does not keep another one's first from its turn; and of no
 * model so many that others find no turn left.  Knows nothing of requests, and reads no
 * clock: now_ms is any clock of milliseconds, the same one each time.  Event loop only.
 */
#ifndef LARDER_DAEMON_LANE_H
#define LARDER_DAEMON_LANE_H

#include <stdbool.h>
#include <stdint.h>

struct lane_origin;
struct lane_model;

/* One that waits or is on; inside of what waits.  The first six are the caller's to set. */
struct lane_ticket {
	const char *stream; /* of frames, of which only the latest matters; NULL: none */
	bool bulk;          /* after all that are not */
	bool batch;         /* others of its model may share its turn, in one run */
	bool quick;         /* not `batch`: those too, one after the other */
	unsigned enough;    /* batch: it waits no longer when so many are there, itself counted */
	uint64_t hold_ms;   /* batch: nor after this */

	struct lane_ticket *next, **link;
	struct lane_origin *origin; /* NULL: neither waits nor is on */
	struct lane_model *model;
	bool waits;
	bool mate; /* on, in another one's turn */
};

struct lane_limits {
	unsigned waiting; /* that may wait in all; an origin has its share of that, at least 1 */
	unsigned origin;  /* that may wait or be on of one origin; 0 = no other limit */
};

/*
 * lane_enter(ticket, origin, model, limits): from now on it waits, and lane_next will hand
 * it out.  ${origin} NULL: none; ${model} is any name of it; both are copied.  LANE_FULL:
 * too many are there, of all or of its origin, or memory is short.
 */
enum lane_answer { LANE_WAIT, LANE_FULL };
enum lane_answer lane_enter(struct lane_ticket *ticket, const char *origin, const char *model,
			    const struct lane_limits *limits);
/* lane_is_full(origin, limits): whether lane_enter would say LANE_FULL to one of ${origin}. */
bool lane_is_full(const char *origin, const struct lane_limits *limits);
/* lane_older(origin, stream): a ticket of ${origin} that waits and is of ${stream}; or NULL. */
struct lane_ticket *lane_older(const char *origin, const char *stream);
/* lane_forget(ticket): it waits no longer. */
void lane_forget(struct lane_ticket *ticket);
/*
 * lane_next(now_ms): the next ticket whose turn it is, on from now; NULL: nobody's.  To be asked
 * until it is NULL after lane_enter and lane_leave, and at the time that lane_due says.
 */
struct lane_ticket *lane_next(uint64_t now_ms);
/*
 * lane_mate(ticket): one that waits and shares the turn of ${ticket}, which is on: of the same
 * model, both with `batch` or both with `quick`; NULL: none.  The caller counts.
 */
struct lane_ticket *lane_mate(const struct lane_ticket *ticket);
/* lane_leave(ticket): one that was on, a mate or not, is done. */
void lane_leave(struct lane_ticket *ticket);
/* lane_due(now_ms): when the next of those that wait for others has waited long enough; UINT64_MAX:
 * nobody does. */
uint64_t lane_due(uint64_t now_ms);
/* lane_company(ticket): how many of its model wait or are on, itself counted. */
unsigned lane_company(const struct lane_ticket *ticket);
/* lane_waiting(): how many wait. */
unsigned lane_waiting(void);

#endif
