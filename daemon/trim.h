/* SPDX-License-Identifier: MIT */
/* trim.h — gives back what only the start needed. */
#ifndef LARDER_DAEMON_TRIM_H
#define LARDER_DAEMON_TRIM_H

/*
 * trim_after_start(): code and constants of the program and its libraries that were
 * mapped while it started are let go (they come back, page by page, when they are used
 * again), and free heap is returned.  Once, when everything is ready.
 */
void trim_after_start(void);

#endif
