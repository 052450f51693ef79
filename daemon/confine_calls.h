/* SPDX-License-Identifier: MIT */
/*
 * confine_calls.h — the seccomp filter; syscalls.def is the list.
 */
#ifndef LARDER_DAEMON_CONFINE_CALLS_H
#define LARDER_DAEMON_CONFINE_CALLS_H

#include <stdbool.h>

/*
 * confine_calls_load(offline): 0; 1 when the build or the kernel has no seccomp; -1 with
 * errno.  no_new_privs must be set.  Offline: no internet sockets and no connect(2) at all.
 */
int confine_calls_load(bool offline) __attribute__((warn_unused_result));

#endif
