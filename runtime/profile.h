/* SPDX-License-Identifier: MIT */
/*
 * profile.h — where the time of a session goes, node by node.  For test tools
 * and for work on speed; the daemon does not use it.
 */
#ifndef LARDER_RUNTIME_PROFILE_H
#define LARDER_RUNTIME_PROFILE_H

#include <stdio.h>

#include "runtime/runtime.h"

/* rt_profile_start(s): measure every step from the next run on; forgets what was measured. */
void rt_profile_start(struct rt_session *s);
/*
 * rt_profile_print(s, f): one line per operator and one per node of the plan that
 * ran last, slowest first: microseconds per run, share, microseconds of the
 * shortest run (which other processes have not held up), operator, shape of
 * output 0, name.  Between runs only.
 */
void rt_profile_print(const struct rt_session *s, FILE *f);

#endif
