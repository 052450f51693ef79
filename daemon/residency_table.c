/* SPDX-License-Identifier: MIT */
/*
 * residency_table.c — see residency_table.h.  Called by residency.c,
 * residency_room.c and residency_metrics.c.  Must never load or run anything.
 */
#include <config.h>

#include "daemon/residency_table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/tally.h"

#include "daemon/must.h"

#define WAIT_NS 10000000

uint64_t residency_table_now_ns(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void residency_table_lock(struct residency *r)
{
	must(pthread_mutex_lock(&r->lock) == 0);
}

void residency_table_unlock(struct residency *r)
{
	must(pthread_mutex_unlock(&r->lock) == 0);
}

struct resident *residency_table_find(struct residency *r, const char *commit, const char *path)
{
	for (struct resident *m = r->first; m != NULL; m = m->next) {
		if (strcmp(m->commit, commit) == 0 && strcmp(m->path, path) == 0)
			return m;
	}
	return NULL;
}

struct resident *residency_table_add(struct residency *r, const struct runnable *what)
{
	struct resident *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->model = strdup(what->model);
	m->path = strdup(what->path);
	if (m->model == NULL || m->path == NULL) {
		free(m->model);
		free(m->path);
		free(m);
		return NULL;
	}
	memcpy(m->commit, what->file.commit, sizeof(m->commit));
	m->tally = tally_open(r->tallies, m->model, m->commit, m->path);
	m->owner = r;
	m->refs = 2;
	m->listed = true;
	m->keep_s = r->keep_s;
	m->next = r->first;
	r->first = m;
	return m;
}

void residency_table_unlist(struct residency *r, struct resident *m)
{
	struct resident **link = &r->first;

	must(m->listed);
	while (*link != m)
		link = &(*link)->next;
	*link = m->next;
	m->next = NULL;
	m->listed = false;
	if (m->state == FAILED)
		r->failed_count--;
	else if (m->state == READY)
		tally_unloaded(m->tally);
}

/* Nobody knows ${m} any more. */
static void destroy(struct resident *m)
{
	while (m->idle_count > 0)
		rt_session_close(m->idle[--m->idle_count]);
	residency_load_close(&m->load);
	tally_close(m->tally);
	free(m->failed_text);
	free(m->model);
	free(m->path);
	free(m);
}

void residency_table_unref(struct resident *m)
{
	struct residency *r = m->owner;
	bool last;

	residency_table_lock(r);
	must(m->refs > 0);
	last = --m->refs == 0;
	if (m->refs == 1 && m->listed) {
		m->used_ns = residency_table_now_ns();
		must(pthread_cond_broadcast(&r->changed) == 0);
	}
	residency_table_unlock(r);
	if (last)
		destroy(m);
}

bool residency_table_wait(struct residency *r, const atomic_bool *cancel)
{
	struct timespec t;

	if (cancel != NULL && atomic_load(cancel))
		return false;
	must(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	t.tv_nsec += WAIT_NS;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	(void)pthread_cond_timedwait(&r->changed, &r->lock, &t);
	return true;
}
