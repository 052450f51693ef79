/* SPDX-License-Identifier: MIT */
/*
 * listen.h — sockets to listen on: those of the settings, or those that the
 * service manager handed over.
 */
#ifndef LARDER_DAEMON_LISTEN_H
#define LARDER_DAEMON_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

struct settings;

#define LISTEN_MAX 32

struct listen_socket {
	int fd;
	bool unix_socket; /* the admin socket */
	bool inherited;
	uint16_t port;  /* 0 for unix sockets */
	char name[128]; /* for people: 127.0.0.1:8411 */
};

struct listen_set {
	struct listen_socket socket[LISTEN_MAX];
	unsigned count;
	char unlink_path[108]; /* admin socket to remove at the end; "" = none */
};

/*
 * listen_open(settings, out): an inherited TCP socket replaces `listen`, an
 * inherited unix socket replaces `admin_socket`.  0 or -1 (logged); on -1
 * nothing stays open.
 */
int listen_open(const struct settings *settings, struct listen_set *out);
/* listen_admin_path(settings, out): where the admin socket is. */
void listen_admin_path(const struct settings *settings, char out[108]);
/* listen_close(set): what nobody took, and the admin socket's name. */
void listen_close(struct listen_set *set);

#endif
