/* SPDX-License-Identifier: MIT */
/*
 * origins_limit.h — how many requests an origin has going on, and how many a second.  Counts
 * outlive changes of the rules.  Event loop only.
 */
#ifndef LARDER_DAEMON_ORIGINS_LIMIT_H
#define LARDER_DAEMON_ORIGINS_LIMIT_H

#include <stdint.h>

struct fault;
struct origins_slot;

/*
 * origins_limit_enter(origin, rate, requests, now_ns, ret, fault): one more request of
 * ${origin}: 0 and a slot, to be given back by origins_limit_leave; or -1 and 429 when there
 * were more than ${rate} a second (a second's worth may come at once), 503 when ${requests}
 * are going on.  0 = no limit.
 */
int origins_limit_enter(const char *origin, unsigned rate, unsigned requests, uint64_t now_ns,
			struct origins_slot **ret, struct fault *fault);
/* origins_limit_leave(slot): it is done.  As arena_defer wants it. */
void origins_limit_leave(void *slot);
/* origins_limit_clear(): forget every origin that has nothing going on. */
void origins_limit_clear(void);

#endif
