/* SPDX-License-Identifier: MIT */
/*
 * peer.h — who is at the other end of the admin socket: the kernel's word for it
 * (unix(7), SO_PEERCRED, SO_PEERGROUPS), not the client's.
 */
#ifndef LARDER_DAEMON_PEER_H
#define LARDER_DAEMON_PEER_H

#include <stdbool.h>
#include <sys/types.h>

struct peer {
	bool known;
	uid_t uid;
	pid_t pid;
	bool allowed; /* root, our own user, or of the group that peer_group_set named */
};

/* peer_group_set(gid): from now on only its members; before there are requests. */
void peer_group_set(gid_t gid);
/* peer_get(fd, out): of a connected unix socket.  Any thread. */
void peer_get(int fd, struct peer *out);

#endif
