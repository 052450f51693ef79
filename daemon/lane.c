/* SPDX-License-Identifier: MIT */
/*
 * lane.c — see lane.h.  Called by job.c; knows nothing of requests and never
 * waits itself.
 */
#include <config.h>

#include "daemon/lane.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/must.h"

/*
 * On the pool at once.  The team of threads runs one model at a time; a second is
 * being read or answered meanwhile, and two more hide a model that is being loaded.
 */
#define LANE_RUNNING_MAX 4

/* An origin that has somebody waiting. */
struct lane_origin {
	struct lane_origin *next;
	struct lane_ticket *first, **last;
	unsigned count;
	char name[]; /* "" = no page */
};

static struct lane_origin *turns, **turns_last = &turns; /* the first is next */
static unsigned origin_count, waiting, running;

static struct lane_origin *find(const char *name)
{
	for (struct lane_origin *o = turns; o != NULL; o = o->next) {
		if (strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}

static struct lane_origin *add(const char *name)
{
	size_t size = strlen(name) + 1;
	struct lane_origin *o = malloc(sizeof(*o) + size);

	if (o == NULL)
		return NULL;
	*o = (struct lane_origin){.last = &o->first};
	memcpy(o->name, name, size);
	*turns_last = o;
	turns_last = &o->next;
	origin_count++;
	return o;
}

/* Take ${o} out of the turns. */
static void unlink_origin(struct lane_origin *o)
{
	struct lane_origin **link = &turns;

	while (*link != o)
		link = &(*link)->next;
	*link = o->next;
	if (turns_last == &o->next)
		turns_last = link;
	o->next = NULL;
}

enum lane_answer lane_enter(struct lane_ticket *ticket, const char *origin, unsigned limit)
{
	struct lane_origin *o;
	unsigned origins;

	*ticket = (struct lane_ticket){.stream = ticket->stream};
	if (running < LANE_RUNNING_MAX && waiting == 0) {
		running++;
		return LANE_GO;
	}
	o = find(origin == NULL ? "" : origin);
	origins = origin_count + (o == NULL);
	if (waiting >= limit && o != NULL && o->count >= limit / origins)
		return LANE_FULL;
	if (o == NULL)
		o = add(origin == NULL ? "" : origin);
	if (o == NULL)
		return LANE_FULL;
	ticket->origin = o;
	ticket->link = o->last;
	*o->last = ticket;
	o->last = &ticket->next;
	o->count++;
	waiting++;
	return LANE_WAIT;
}

struct lane_ticket *lane_older(const char *origin, const char *stream)
{
	struct lane_origin *o = find(origin == NULL ? "" : origin);

	for (struct lane_ticket *t = o == NULL ? NULL : o->first; t != NULL; t = t->next) {
		if (t->stream != NULL && strcmp(t->stream, stream) == 0)
			return t;
	}
	return NULL;
}

void lane_forget(struct lane_ticket *ticket)
{
	struct lane_origin *o = ticket->origin;

	must(o != NULL);
	*ticket->link = ticket->next;
	if (ticket->next != NULL)
		ticket->next->link = ticket->link;
	else
		o->last = ticket->link;
	ticket->origin = NULL;
	waiting--;
	if (--o->count > 0)
		return;
	unlink_origin(o);
	origin_count--;
	free(o);
}

void lane_leave(void)
{
	must(running > 0);
	running--;
}

struct lane_ticket *lane_next(void)
{
	struct lane_origin *o = turns;
	struct lane_ticket *ticket;

	if (running >= LANE_RUNNING_MAX || o == NULL)
		return NULL;
	/* its next one comes after the others' */
	unlink_origin(o);
	*turns_last = o;
	turns_last = &o->next;
	ticket = o->first;
	lane_forget(ticket);
	running++;
	return ticket;
}

unsigned lane_waiting(void)
{
	return waiting;
}
