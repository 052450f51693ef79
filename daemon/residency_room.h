/* SPDX-License-Identifier: MIT */
/*
 * residency_room.h — which models stay in memory: the budget, and how long one
 * that nobody uses is kept.  Private to the residency*.c files; the functions are
 * called without the table's lock and from the pool (they may free models).
 */
#ifndef LARDER_DAEMON_RESIDENCY_ROOM_H
#define LARDER_DAEMON_RESIDENCY_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fault;
struct residency;
struct resident;
struct runnable;

/* residency_room_used(r): bytes of all that is loaded, and promised.  With the lock. */
uint64_t residency_room_used(const struct residency *r);
/* residency_room_cost(m): bytes of one that is READY: its files, packed weights, arenas.  With
 * the lock. */
uint64_t residency_room_cost(const struct resident *m);

/*
 * residency_room_take(m, what, cancel, fault): room for ${m}, which is LOADING: what it
 * took the last time, else twice its file.  Models that nobody uses make way, the
 * one that was used longest ago first; where that is not enough it waits for
 * others to end.  507 at once, and nothing goes, when it can never fit; 503 when
 * ${cancel} turns true.
 */
int residency_room_take(struct resident *m, const struct runnable *what, const atomic_bool *cancel,
			struct fault *fault) __attribute__((warn_unused_result));
/* residency_room_trim(r): let unused models go until the budget holds, or none is left. */
void residency_room_trim(struct residency *r);
/* residency_room_expire(r): let those go that nobody has used for their time. */
void residency_room_expire(struct residency *r);

#endif
