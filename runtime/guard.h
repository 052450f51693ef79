/* SPDX-License-Identifier: MIT */
/*
 * guard.h — a read error under a map costs a run, not the process.
 *
 * Weights are views into files.  When a disk fails, or a file is cut short by
 * somebody else, touching its map raises SIGBUS.  Work between push and pop is
 * left at once then, at the sigsetjmp of its guard:
 *
 *	struct rt_guard g;
 *
 *	rt_guard_push(&g);
 *	if (sigsetjmp(g.at, 0) == 0) {
 *		…work that holds no lock and may be left anywhere…
 *		rt_guard_pop(&g);
 *	} else {
 *		…a page could not be read; the guard is popped already…
 *	}
 *
 * Guards nest and belong to their thread.  Without rt_guard_install they do
 * nothing.
 */
#ifndef LARDER_RUNTIME_GUARD_H
#define LARDER_RUNTIME_GUARD_H

#include <setjmp.h>

struct rt_guard {
	sigjmp_buf at;
	struct rt_guard *outer;
};

void rt_guard_push(struct rt_guard *g);
void rt_guard_pop(struct rt_guard *g);

#endif
