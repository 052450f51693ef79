/* SPDX-License-Identifier: MIT */
/*
 * residency_session.h — a model in memory has two sessions (SESSIONS_MAX), which are lent for a
 * run each, in the order in which they are asked for.  On the pool.
 */
#ifndef LARDER_DAEMON_RESIDENCY_SESSION_H
#define LARDER_DAEMON_RESIDENCY_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>

#include "runtime/runtime.h"

struct fault;
struct resident;

/*
 * residency_session_take(m, cancel, out, fault): a session of this model for one run; waits
 * for one that is free (blocks), behind those who came before, until ${cancel} (may be NULL) turns
 * true.  Give it back with residency_session_give when nothing of its outputs is needed any more;
 * ${usable} is false after RT_IO, which a session does not survive (rt_guard_install).
 */
int residency_session_take(struct resident *m, const atomic_bool *cancel, struct rt_session **out,
			   struct fault *fault) RT_MUST_CHECK;
void residency_session_give(struct resident *m, struct rt_session *session, bool usable);

#endif
