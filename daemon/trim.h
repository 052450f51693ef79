/* SPDX-License-Identifier: MIT */
/* trim.h — memory that is not needed any more goes back to the system. */
#ifndef LARDER_DAEMON_TRIM_H
#define LARDER_DAEMON_TRIM_H

/*
 * trim_limit_heap(): what is large is mapped on its own, and what is freed stays with the heap up
 * to a limit.  Left alone, glibc raises both with the largest block that was ever freed, 32 and 64
 * MiB at most, for each of the heaps that threads have: models that come and go then leave more
 * behind than memory_budget allows for.  Once, first.
 */
void trim_limit_heap(void);
/*
 * trim_after_start(): code and constants of the program and its libraries that were
 * mapped while it started are let go (they come back, page by page, when they are used
 * again), and free heap is returned.  Once, when everything is ready.
 */
void trim_after_start(void);

#endif
