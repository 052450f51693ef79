/* SPDX-License-Identifier: MIT */
/* ctl_room.c — see ctl_room.h.  Called by import. */
#include <config.h>

#include "daemon/ctl_room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl.h"

bool ctl_room_has(struct ctl *ctl, const char *sha256)
{
	char target[128], err[256];
	struct ctl_http_request rq = {.method = "GET", .target = target};
	struct ctl_http_answer answer;
	bool stored;

	snprintf(target, sizeof target, "/admin/v1/blobs/%.64s", sha256);
	if (ctl_http_call(ctl->http, &rq, &answer, err) != 0)
		return false; /* sending it will say why */
	stored = answer.status == 200;
	ctl_http_drop(&answer);
	return stored;
}

bool ctl_room_is_tight(struct ctl *ctl, uint64_t bytes)
{
	json_t *root, *quota;
	uint64_t max, used;
	bool tight;

	if (ctl_ask(ctl, "GET", strdup("/admin/v1/stats"), &root) != CTL_OK)
		return false;
	quota = json_object_get(root, "quota");
	max = ctl_count(quota, "max_bytes");
	used = ctl_count(quota, "used_bytes") + ctl_count(quota, "reserved_bytes");
	tight = max != 0 && (used > max || bytes > max - used);
	json_decref(root);
	return tight;
}

void ctl_room_init(struct ctl_room *room, struct ctl *ctl)
{
	*room = (struct ctl_room){.ctl = ctl, .seen = json_object()};
	if (room->seen == NULL)
		abort();
}

void ctl_room_add(struct ctl_room *room, const char *sha256, uint64_t bytes)
{
	if (json_object_get(room->seen, sha256) != NULL ||
	    json_object_set_new(room->seen, sha256, json_true()) != 0 ||
	    ctl_room_has(room->ctl, sha256))
		return;
	if (__builtin_add_overflow(room->bytes, bytes, &room->bytes))
		room->bytes = UINT64_MAX;
}

int ctl_room_make(struct ctl_room *room, int status)
{
	char *target = NULL;
	json_t *root;

	json_decref(room->seen);
	if (status != CTL_OK || room->bytes == 0)
		return status;
	if (asprintf(&target, "/admin/v1/gc?room=%llu", (unsigned long long)room->bytes) < 0)
		abort();
	status = ctl_ask(room->ctl, "POST", target, &root);
	json_decref(root);
	return status;
}
