/* SPDX-License-Identifier: MIT */
/*
 * team.h — the only threads of runtime/.  Operators split their work with
 * rt_team_for; session.c holds the team for the length of a run.
 */
#ifndef LARDER_RUNTIME_TEAM_H
#define LARDER_RUNTIME_TEAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/runtime.h"

/* Bytes that lie between what two threads write often, besides whole lines: a core that reads on in
 * its own fetches ahead, within a page, and would take the other's lines from it each time. */
#define RT_TEAM_APART ((size_t)4096)

/* Do items ${begin} ≤ i < ${end}; ${thread} is 0..threads−1, for per-thread scratch. */
typedef void rt_team_f(void *arg, size_t begin, size_t end, int thread);

/*
 * rt_team_for(team, n, grain, fn, arg): call fn for all of 0..n−1 in ranges of
 * at least ${grain} items (the last may be shorter), on all threads, and return
 * when all is done, or when the run is to stop (rt_team_watch): then some of it is not.
 * Runs on the caller alone when n < 2 · grain or the team has one
 * thread.  Which thread does which range is not defined.  Does not nest.  Only
 * inside rt_team_enter … rt_team_leave.  ${grain} should cost a few microseconds: of a run that is
 * watched, ranges are 64 of it at first (8 if it is 1) and longer only after those that took less
 * than a millisecond.
 */
void rt_team_for(struct rt_team *team, size_t n, size_t grain, rt_team_f *fn, void *arg);

/* rt_team_damaged(team): whether a range could not read its memory (guard.h) since this was last
 * asked; what it should have written is not there. */
bool rt_team_damaged(struct rt_team *team);

/* rt_team_enter / _leave: one caller at a time has the team; workers spin a little for the next
 * rt_team_for, longer while it is held, then sleep. */
void rt_team_enter(struct rt_team *team);
void rt_team_leave(struct rt_team *team);

/*
 * rt_team_watch(team, cancel, deadline_ns): until rt_team_leave, loops end early once ${cancel}
 * (borrowed; NULL: never) is true or CLOCK_MONOTONIC is past ${deadline_ns} (0: none).  The team's
 * caller, between loops.
 */
void rt_team_watch(struct rt_team *team, const atomic_bool *cancel, int64_t deadline_ns);
/* rt_team_to_stop(team): looks at both; once true it stays so until rt_team_leave. */
bool rt_team_to_stop(struct rt_team *team);
/* rt_team_stopped(team): whether that was found since rt_team_enter, by a loop or by the caller:
 * then a loop may have been left in the middle. */
bool rt_team_stopped(const struct rt_team *team);

#endif
