/* SPDX-License-Identifier: MIT */
/*
 * peer.c — who administers.  The socket's mode says it first (0660); this is for sockets
 * whose mode somebody changed, and for the audit line.  Called by server.c.
 */
#include <config.h>

#include "daemon/peer.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

#define GROUPS_MAX 64

static bool restricted; /* set once, before there are requests */
static gid_t group;

void peer_group_set(gid_t gid)
{
	restricted = true;
	group = gid;
}

/* Its supplementary groups, as they were when it connected. */
static bool in_group(int fd)
{
	gid_t groups[GROUPS_MAX];
	socklen_t size = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
		return false;
	for (size_t i = 0; i < size / sizeof(groups[0]); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

void peer_get(int fd, struct peer *out)
{
	struct ucred cred = {.pid = 0};
	socklen_t size = sizeof(cred);

	*out = (struct peer){.known = false};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0)
		return;
	out->known = true;
	out->uid = cred.uid;
	out->pid = cred.pid;
	out->allowed = !restricted || cred.uid == 0 || cred.uid == geteuid() || cred.gid == group ||
		       in_group(fd);
}
