/* SPDX-License-Identifier: MIT */
/*
 * ctl_room.h — room in the store for an import as a whole, before its first byte is
 * sent: so that what cannot fit is refused at once, and nothing was evicted for it.
 */
#ifndef LARDER_DAEMON_CTL_ROOM_H
#define LARDER_DAEMON_CTL_ROOM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct ctl;

struct ctl_room {
	struct ctl *ctl;
	json_t *seen; /* digests that were counted */
	uint64_t bytes;
};

/* ctl_room_has(ctl, sha256): is that content stored? */
bool ctl_room_has(struct ctl *ctl, const char *sha256);
/* ctl_room_is_tight(ctl, bytes): is there a quota that so many more bytes would exceed? */
bool ctl_room_is_tight(struct ctl *ctl, uint64_t bytes);

/* ctl_room_init … ctl_room_add, for each content … ctl_room_make. */
void ctl_room_init(struct ctl_room *room, struct ctl *ctl);
/* ctl_room_add: each content counts once, and not when it is stored. */
void ctl_room_add(struct ctl_room *room, const char *sha256, uint64_t bytes);
/*
 * ctl_room_make(room, status): with ${status} CTL_OK have the daemon make room for all
 * of them, CTL_FAILED after its message when it cannot; else ${status}.  Ends it.
 */
int ctl_room_make(struct ctl_room *room, int status);

#endif
