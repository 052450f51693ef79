/* SPDX-License-Identifier: MIT */
/*
 * listen.c — opens the sockets that larder listens on, or takes those that the
 * service manager opened.  Called by main.c before there is a loop.  Must never
 * remove a socket that another daemon still answers on.
 */
#include <config.h>

#include "daemon/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/peer.h"
#include "daemon/settings.h"

#define BACKLOG 511

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
	struct sockaddr_storage room;
};

/* `127.0.0.1:8411` or `[::1]:8411`; its size, or 0. */
static socklen_t parse(const char *s, union address *out)
{
	const char *colon = strrchr(s, ':');
	char host[64];
	size_t size;
	unsigned long port;

	memset(out, 0, sizeof(*out));
	if (colon == NULL)
		return 0;
	port = strtoul(colon + 1, NULL, 10);
	size = (size_t)(colon - s);
	if (size >= sizeof(host) || port > 65535)
		return 0;
	memcpy(host, s, size);
	host[size] = '\0';
	if (host[0] == '[' && size > 2 && host[size - 1] == ']') {
		host[size - 1] = '\0';
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, host + 1, &out->v6.sin6_addr) == 1 ? sizeof(out->v6) : 0;
	}
	if (strcmp(host, "localhost") == 0)
		memcpy(host, "127.0.0.1", sizeof("127.0.0.1"));
	out->v4.sin_family = AF_INET;
	out->v4.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1 ? sizeof(out->v4) : 0;
}

/* Fill in what a socket that is bound says of itself. */
static int describe(struct listen_socket *s)
{
	union address a;
	socklen_t size = sizeof(a);
	char host[INET6_ADDRSTRLEN] = "";

	if (getsockname(s->fd, &a.any, &size) != 0)
		return -1;
	switch (a.any.sa_family) {
	case AF_UNIX:
		s->unix_socket = true;
		(void)snprintf(s->name, sizeof(s->name), "unix:%.100s",
			       size > offsetof(struct sockaddr_un, sun_path) ? a.local.sun_path
									     : "");
		return 0;
	case AF_INET:
		s->port = ntohs(a.v4.sin_port);
		(void)inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof(host));
		(void)snprintf(s->name, sizeof(s->name), "%s:%u", host, (unsigned)s->port);
		return 0;
	case AF_INET6:
		s->port = ntohs(a.v6.sin6_port);
		(void)inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof(host));
		(void)snprintf(s->name, sizeof(s->name), "[%s]:%u", host, (unsigned)s->port);
		return 0;
	default:
		errno = EAFNOSUPPORT;
		return -1;
	}
}

static int add(struct listen_set *set, int fd, bool inherited)
{
	struct listen_socket *s = &set->socket[set->count];
	int flags = fcntl(fd, F_GETFL);

	if (set->count == LISTEN_MAX) {
		errno = E2BIG;
		return -1;
	}
	*s = (struct listen_socket){.fd = fd, .inherited = inherited};
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || describe(s) != 0)
		return -1;
	set->count++;
	return 0;
}

/*
 * Nothing is lost on loopback, so a congestion control that paces (BBR) only
 * costs time there.  Accepted sockets inherit this; where it is not allowed it stays.
 */
static void unpaced(int fd, const union address *a)
{
	bool loopback = a->any.sa_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr)
						     : (ntohl(a->v4.sin_addr.s_addr) >> 24) == 127;

	if (loopback)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

static int open_tcp(struct listen_set *set, const char *where)
{
	union address a;
	socklen_t size = parse(where, &a);
	const int on = 1;
	int fd;

	if (size == 0) {
		log_error("listen", "address=%s error=\"not an address\"", where);
		return -1;
	}
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 && a.any.sa_family == AF_INET6 && errno == EAFNOSUPPORT) {
		log_warning("listen", "address=%s error=\"no IPv6 here\"", where);
		return 0;
	}
	if (fd < 0)
		goto fail;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a.any.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &a.any, size) != 0) {
		if (a.any.sa_family == AF_INET6 && errno == EADDRNOTAVAIL) {
			log_warning("listen", "address=%s error=\"no IPv6 here\"", where);
			(void)close(fd);
			return 0;
		}
		goto fail;
	}
	unpaced(fd, &a);
	if (listen(fd, BACKLOG) != 0 || add(set, fd, false) != 0)
		goto fail;
	return 0;
fail:
	log_error("listen", "address=%s error=\"%s\"", where, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

void listen_admin_path(const struct settings *settings, char out[108])
{
	const char *dir = getenv("RUNTIME_DIRECTORY"); /* systemd.exec(5) */

	if (settings->admin_socket != NULL)
		(void)snprintf(out, 108, "%s", settings->admin_socket);
	else if (dir != NULL && *dir != '\0')
		(void)snprintf(out, 108, "%.*s/admin.sock", (int)strcspn(dir, ":"), dir);
	else
		(void)snprintf(out, 108, "/run/larder/admin.sock");
}

/* A socket file that nobody answers on is left over: remove it. */
static bool clear_left_over(const union address *a, socklen_t size)
{
	struct stat st;
	int fd, rc;

	if (lstat(a->local.sun_path, &st) != 0)
		return errno == ENOENT;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	rc = connect(fd, &a->any, size);
	(void)close(fd);
	if (rc == 0) {
		errno = EADDRINUSE;
		return false;
	}
	return unlink(a->local.sun_path) == 0;
}

static int open_unix(struct listen_set *set, const struct settings *settings)
{
	union address a;
	socklen_t size = sizeof(a.local);
	char path[108], *slash;
	mode_t mask;
	int fd, rc;

	memset(&a, 0, sizeof(a));
	a.local.sun_family = AF_UNIX;
	listen_admin_path(settings, path);
	if (settings->admin_socket != NULL && strlen(settings->admin_socket) >= sizeof(path)) {
		log_error("listen", "admin_socket=%s error=\"the path is too long\"", path);
		return -1;
	}
	memcpy(a.local.sun_path, path, sizeof(path));
	slash = strrchr(path, '/');
	if (slash != NULL && slash != path) {
		*slash = '\0';
		(void)mkdir(path, 0755);
		*slash = '/';
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || !clear_left_over(&a, size))
		goto fail;
	mask = umask(0117); /* 0660 from the first moment */
	rc = bind(fd, &a.any, size);
	(void)umask(mask);
	if (rc != 0 || listen(fd, BACKLOG) != 0 || add(set, fd, false) != 0)
		goto fail;
	memcpy(set->unlink_path, path, sizeof(path));
	return 0;
fail:
	log_error("listen", "admin_socket=%s error=\"%s\"", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static int take_inherited(struct listen_set *set, bool *ret_tcp, bool *ret_unix)
{
	struct notify_fd fds[NOTIFY_FDS_MAX];
	unsigned count = notify_listen_fds(fds);

	for (unsigned i = 0; i < count; i++) {
		if (add(set, fds[i].fd, true) != 0) {
			log_error("listen", "inherited=%d name=%s error=\"%s\"", fds[i].fd,
				  fds[i].name, strerror(errno));
			return -1;
		}
		if (set->socket[set->count - 1].unix_socket)
			*ret_unix = true;
		else
			*ret_tcp = true;
	}
	return 0;
}

/* Whose members may administer; a socket that we made becomes the group's. */
static int restrict_admin(const struct settings *settings, const char *made)
{
	char buffer[4096];
	struct group group, *found = NULL;

	if (settings->admin_group == NULL)
		return 0;
	if (getgrnam_r(settings->admin_group, &group, buffer, sizeof(buffer), &found) != 0 ||
	    found == NULL) {
		log_error("admin_group", "group=%s error=\"there is no such group\"",
			  settings->admin_group);
		return -1;
	}
	if (made[0] != '\0' && lchown(made, (uid_t)-1, group.gr_gid) != 0) {
		log_error("admin_group", "group=%s error=\"%s\"", settings->admin_group,
			  strerror(errno));
		return -1;
	}
	peer_group_set(group.gr_gid);
	return 0;
}

int listen_open(const struct settings *settings, struct listen_set *out)
{
	bool tcp = false, local = false;

	*out = (struct listen_set){0};
	if (take_inherited(out, &tcp, &local) != 0)
		goto fail;
	for (unsigned i = 0; !tcp && i < settings->listen.count; i++) {
		if (open_tcp(out, settings->listen.item[i]) != 0)
			goto fail;
	}
	if (!local && open_unix(out, settings) != 0)
		goto fail;
	if (restrict_admin(settings, out->unlink_path) != 0)
		goto fail;
	for (unsigned i = 0; i < out->count; i++)
		log_info("listening", "address=%s%s", out->socket[i].name,
			 out->socket[i].inherited ? " inherited=yes" : "");
	return 0;
fail:
	listen_close(out);
	return -1;
}

void listen_close(struct listen_set *set)
{
	for (unsigned i = 0; i < set->count; i++) {
		if (set->socket[i].fd >= 0)
			(void)close(set->socket[i].fd);
	}
	set->count = 0;
	if (set->unlink_path[0] != '\0')
		(void)unlink(set->unlink_path);
	set->unlink_path[0] = '\0';
}
