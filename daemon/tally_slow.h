/* SPDX-License-Identifier: MIT */
/*
 * tally_slow.h — the last inferences that took long, for /admin/v1/stats: when one looks why
 * something was slow, it is over already.  Any thread.
 */
#ifndef LARDER_DAEMON_TALLY_SLOW_H
#define LARDER_DAEMON_TALLY_SLOW_H

#include "daemon/tally.h"

struct text;

#define TALLY_SLOW_MAX 32 /* that are kept; the oldest go */

/* One inference; strings are copied, and cut off where they are very long. */
struct tally_slow {
	const char *id; /* X-Request-Id of its answer */
	const char *model, *commit, *file;
	const char *origin; /* NULL = none */
	enum tally_end end;
	unsigned batch; /* inferences in its run; 0 = it was not run */
	struct tally_times times;
};

/* tally_slow_note(s, over_ms): keep it when it took longer than ${over_ms}; 0 = keep none. */
void tally_slow_note(const struct tally_slow *s, unsigned over_ms);
/* tally_slow_json(t): a list of objects, newest first. */
void tally_slow_json(struct text *t);

#endif
