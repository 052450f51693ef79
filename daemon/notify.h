/* SPDX-License-Identifier: MIT */
/*
 * notify.h — the service manager's protocols: sd_notify(3) datagrams to
 * $NOTIFY_SOCKET, sd_watchdog_enabled(3), sd_listen_fds_with_names(3), written
 * from their manual pages.  Does nothing when not started by one.
 */
#ifndef LARDER_DAEMON_NOTIFY_H
#define LARDER_DAEMON_NOTIFY_H

#include <stdint.h>

/* notify_send(fmt, …): one datagram, `READY=1\nSTATUS=…`.  Never blocks; errors are ignored. */
void notify_send(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* notify_watchdog_ms(): how often to send WATCHDOG=1 (half the limit); 0 = never. */
uint64_t notify_watchdog_ms(void);

#define NOTIFY_FDS_MAX 16

struct notify_fd {
	int fd;
	char name[64]; /* of LISTEN_FDNAMES; "" when there is none */
};
/*
 * notify_listen_fds(out): the sockets that were handed over (LISTEN_PID,
 * LISTEN_FDS, LISTEN_FDNAMES), made close-on-exec; returns how many.  Unsets
 * the variables.  Once, at start.
 */
unsigned notify_listen_fds(struct notify_fd out[NOTIFY_FDS_MAX]);

#endif
