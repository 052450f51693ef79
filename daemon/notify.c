/* SPDX-License-Identifier: MIT */
/*
 * notify.c — sd_notify, the watchdog and inherited sockets, by their manual
 * pages (sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3)) and without
 * libsystemd.  Called by main.c and listen.c; must never block or fail loudly.
 */
#include <config.h>

#include "daemon/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

void notify_send(const char *fmt, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t size = path == NULL ? 0 : strlen(path);
	char text[1024];
	va_list ap;
	int fd, n;

	if (size < 2 || size > sizeof(to.sun_path) - 1 || (path[0] != '/' && path[0] != '@'))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		return;
	memcpy(to.sun_path, path, size);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* abstract */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (const struct sockaddr *)&to,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
	(void)close(fd);
}

/* A variable that is a decimal number; 0 when it is not. */
static unsigned long long variable(const char *name)
{
	const char *s = getenv(name);
	char *end;
	unsigned long long n;

	if (s == NULL || *s < '0' || *s > '9')
		return 0;
	errno = 0;
	n = strtoull(s, &end, 10);
	return errno == 0 && *end == '\0' ? n : 0;
}

uint64_t notify_watchdog_ms(void)
{
	unsigned long long limit_us = variable("WATCHDOG_USEC");

	if (getenv("WATCHDOG_PID") != NULL &&
	    variable("WATCHDOG_PID") != (unsigned long long)getpid())
		return 0;
	return limit_us / 2000;
}

unsigned notify_listen_fds(struct notify_fd out[NOTIFY_FDS_MAX])
{
	unsigned long long count = variable("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	unsigned n = 0;

	if (variable("LISTEN_PID") != (unsigned long long)getpid())
		count = 0;
	if (count > NOTIFY_FDS_MAX)
		count = NOTIFY_FDS_MAX;
	for (; n < count; n++) {
		int fd = FIRST_FD + (int)n;
		int flags = fcntl(fd, F_GETFD);
		size_t size = names == NULL ? 0 : strcspn(names, ":");

		if (flags >= 0)
			(void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
		out[n].fd = fd;
		if (size > sizeof(out[n].name) - 1)
			size = sizeof(out[n].name) - 1;
		if (size > 0)
			memcpy(out[n].name, names, size);
		out[n].name[size] = '\0';
		if (names != NULL) {
			names += strcspn(names, ":");
			names += *names == ':';
		}
	}
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return n;
}
