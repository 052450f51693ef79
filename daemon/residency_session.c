/* SPDX-License-Identifier: MIT */
/*
 * residency_session.c — see residency_session.h.  Called by infer.c and infer_batch.c on pool
 * threads; must never hold the table's lock while a session is opened or closed.
 */
#include <config.h>

#include "daemon/residency_session.h"

#include <stdlib.h>

#include "daemon/fault.h"
#include "daemon/residency_table.h"

#include "daemon/must.h"

/* ${w} waits behind those who came before.  Locked. */
static void line_up(struct resident *m, struct resident_waiter *w)
{
	struct resident_waiter **link = &m->waiters;

	while (*link != NULL)
		link = &(*link)->next;
	*w = (struct resident_waiter){NULL};
	*link = w;
}

/* ${w} waits no longer; the next one may have been looking at it.  Locked. */
static void step_out(struct resident *m, struct resident_waiter *w)
{
	struct resident_waiter **link = &m->waiters;

	while (*link != w)
		link = &(*link)->next;
	*link = w->next;
	if (m->waiters != NULL)
		must(pthread_cond_broadcast(&m->owner->changed) == 0);
}

/* An idle session in *out, or leave for a new one (*out NULL); -1: cancelled. */
static int find_session(struct resident *m, const atomic_bool *cancel, struct rt_session **out,
			struct fault *fault)
{
	struct resident_waiter self;
	int status = 0;

	*out = NULL;
	residency_table_lock(m->owner);
	line_up(m, &self);
	while (status == 0 &&
	       (m->waiters != &self || (m->idle_count == 0 && m->session_count == SESSIONS_MAX))) {
		if (!residency_table_wait(m->owner, cancel))
			status = fault_set(fault, 503, "cancelled before the model was free");
	}
	if (status == 0 && m->idle_count > 0)
		*out = m->idle[--m->idle_count];
	else if (status == 0)
		m->session_count++;
	step_out(m, &self);
	residency_table_unlock(m->owner);
	return status;
}

/* One session less. */
static void drop_session(struct resident *m)
{
	residency_table_lock(m->owner);
	m->session_count--;
	must(pthread_cond_broadcast(&m->owner->changed) == 0);
	residency_table_unlock(m->owner);
}

int residency_session_take(struct resident *m, const atomic_bool *cancel, struct rt_session **out,
			   struct fault *fault)
{
	struct rt_error *err;
	int status;

	if (find_session(m, cancel, out, fault) != 0)
		return -1;
	if (*out != NULL)
		return 0;
	err = malloc(sizeof *err);
	status = err == NULL ? RT_MEMORY : rt_session_open(m->load.model, m->owner->team, out, err);
	if (status != 0) {
		(void)fault_rt(fault, status, err != NULL ? err->text : "");
		drop_session(m);
	}
	free(err);
	return status == 0 ? 0 : -1;
}

void residency_session_give(struct resident *m, struct rt_session *session, bool usable)
{
	bool keep;

	residency_table_lock(m->owner);
	m->runs++;
	keep = usable && m->listed;
	if (usable)
		m->arena_bytes = rt_session_arena_bytes(session);
	if (keep) {
		m->idle[m->idle_count++] = session;
		must(pthread_cond_broadcast(&m->owner->changed) == 0);
	}
	residency_table_unlock(m->owner);
	if (keep)
		return;
	rt_session_close(session);
	drop_session(m);
}
