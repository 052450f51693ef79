/* SPDX-License-Identifier: MIT */
/*
 * lane.c — see lane.h.  Called by infer_line.c; knows nothing of requests and never
 * waits itself.
 */
#include <config.h>

#include "daemon/lane.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/must.h"

/*
 * On the pool at once.  The team of threads runs one model at a time; a second is
 * being read or answered meanwhile, and two more hide a model that is being loaded.
 */
#define LANE_RUNNING_MAX 4
/* Of one model: it has two sessions, and a third is being read meanwhile. */
#define LANE_MODEL_MAX 3
/* Of a quick one: one turn is run while the next is handed over, and the others gather. */
#define LANE_QUICK_MAX 2
/* Of bulk ones, so that whoever is in a hurry has at most one before him. */
#define LANE_BULK_MAX 1
/* So many interactive turns may pass a bulk one that waits. */
#define LANE_PATIENCE 8

enum lane_class { INTERACTIVE, BULK, CLASS_COUNT };

struct lane_queue {
	struct lane_ticket *first, **last;
};

/* An origin that has somebody waiting or on. */
struct lane_origin {
	struct lane_origin *next;
	struct lane_queue queue[CLASS_COUNT];
	unsigned waiting, on;
	char name[]; /* "" = no page */
};

/* A model of which somebody waits or is on. */
struct lane_model {
	struct lane_model *next;
	unsigned refs;      /* tickets that wait or are on */
	unsigned on;        /* turns, without mates */
	unsigned gathering; /* tickets that wait with `batch` */
	char name[];
};

static struct lane_origin *turns, **turns_last = &turns; /* the first is next */
static struct lane_model *models;
static unsigned waiting, running, bulk_running, bulk_waiting, passed;

static enum lane_class class_of(const struct lane_ticket *ticket)
{
	return ticket->bulk ? BULK : INTERACTIVE;
}

/* ---- origins and models ------------------------------------------------------------ */

static struct lane_origin *find_origin(const char *name)
{
	for (struct lane_origin *o = turns; o != NULL; o = o->next) {
		if (strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}

static void put_last(struct lane_origin *o)
{
	*turns_last = o;
	turns_last = &o->next;
}

static struct lane_origin *add_origin(const char *name)
{
	size_t size = strlen(name) + 1;
	struct lane_origin *o = malloc(sizeof(*o) + size);

	if (o == NULL)
		return NULL;
	*o = (struct lane_origin){.waiting = 0};
	for (int i = 0; i < CLASS_COUNT; i++)
		o->queue[i].last = &o->queue[i].first;
	memcpy(o->name, name, size);
	put_last(o);
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

static void drop_origin(struct lane_origin *o)
{
	if (o->waiting != 0 || o->on != 0)
		return;
	unlink_origin(o);
	free(o);
}

static struct lane_model *find_model(const char *name)
{
	struct lane_model *m = models;

	while (m != NULL && strcmp(m->name, name) != 0)
		m = m->next;
	return m;
}

static struct lane_model *add_model(const char *name)
{
	size_t size = strlen(name) + 1;
	struct lane_model *m = malloc(sizeof(*m) + size);

	if (m == NULL)
		return NULL;
	*m = (struct lane_model){.next = models};
	memcpy(m->name, name, size);
	models = m;
	return m;
}

static void drop_model(struct lane_model *m)
{
	struct lane_model **link = &models;

	if (m->refs != 0)
		return;
	while (*link != m)
		link = &(*link)->next;
	*link = m->next;
	free(m);
}

/* ---- into the line and out of it ----------------------------------------------------- */

/* Whether one more of ${o} (NULL: of one that is not here yet) is too many. */
static bool is_full(const struct lane_origin *o, const struct lane_limits *limits)
{
	unsigned origins = 0;

	if (o != NULL && limits->origin != 0 && o->waiting + o->on >= limits->origin)
		return true;
	if (waiting < limits->waiting || o == NULL || o->waiting == 0)
		return false;
	for (const struct lane_origin *other = turns; other != NULL; other = other->next)
		origins += other->waiting != 0;
	/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): ${o}, which waits, is one of them */
	return o->waiting >= limits->waiting / origins;
}

bool lane_is_full(const char *origin, const struct lane_limits *limits)
{
	return is_full(find_origin(origin == NULL ? "" : origin), limits);
}

enum lane_answer lane_enter(struct lane_ticket *ticket, const char *origin, const char *model,
			    const struct lane_limits *limits)
{
	struct lane_origin *o = find_origin(origin == NULL ? "" : origin);
	struct lane_model *m;
	struct lane_queue *q;

	if (is_full(o, limits))
		return LANE_FULL;
	if (o == NULL)
		o = add_origin(origin == NULL ? "" : origin);
	if (o == NULL)
		return LANE_FULL;
	m = find_model(model);
	if (m == NULL)
		m = add_model(model);
	if (m == NULL) {
		drop_origin(o);
		return LANE_FULL;
	}
	q = &o->queue[class_of(ticket)];
	ticket->next = NULL;
	ticket->origin = o;
	ticket->model = m;
	ticket->waits = true;
	ticket->mate = false;
	ticket->link = q->last;
	*q->last = ticket;
	q->last = &ticket->next;
	o->waiting++;
	m->refs++;
	m->gathering += ticket->batch;
	bulk_waiting += ticket->bulk;
	waiting++;
	return LANE_WAIT;
}

/* ${ticket} waits no longer; its origin and model stay. */
static void take_out(struct lane_ticket *ticket)
{
	struct lane_queue *q = &ticket->origin->queue[class_of(ticket)];

	must(ticket->waits);
	*ticket->link = ticket->next;
	if (ticket->next != NULL)
		ticket->next->link = ticket->link;
	else
		q->last = ticket->link;
	ticket->waits = false;
	ticket->origin->waiting--;
	ticket->model->gathering -= ticket->batch;
	bulk_waiting -= ticket->bulk;
	waiting--;
}

static void part(struct lane_ticket *ticket)
{
	drop_origin(ticket->origin);
	ticket->model->refs--;
	drop_model(ticket->model);
	ticket->origin = NULL;
	ticket->model = NULL;
}

void lane_forget(struct lane_ticket *ticket)
{
	take_out(ticket);
	part(ticket);
}

void lane_leave(struct lane_ticket *ticket)
{
	must(ticket->origin != NULL && !ticket->waits);
	ticket->origin->on--;
	if (!ticket->mate) {
		must(running > 0);
		running--;
		bulk_running -= ticket->bulk;
		ticket->model->on--;
	}
	part(ticket);
}

/* ---- turns --------------------------------------------------------------------------- */

static bool is_ready(const struct lane_ticket *t, uint64_t now_ms)
{
	if (t->model->on >= (t->quick ? LANE_QUICK_MAX : LANE_MODEL_MAX) ||
	    (t->bulk && bulk_running >= LANE_BULK_MAX))
		return false;
	return !t->batch || t->hold_ms <= now_ms || t->model->gathering >= t->enough;
}

/* The first of that class that is ready, of the first origin that has one. */
static struct lane_ticket *find_ready(enum lane_class class, uint64_t now_ms)
{
	for (struct lane_origin *o = turns; o != NULL; o = o->next) {
		for (struct lane_ticket *t = o->queue[class].first; t != NULL; t = t->next) {
			if (is_ready(t, now_ms))
				return t;
		}
	}
	return NULL;
}

/* Its origin's next one comes after the others'. */
static void turn_on(struct lane_ticket *ticket, bool mate)
{
	take_out(ticket);
	ticket->mate = mate;
	ticket->origin->on++;
	unlink_origin(ticket->origin);
	put_last(ticket->origin);
}

struct lane_ticket *lane_next(uint64_t now_ms)
{
	enum lane_class class = passed >= LANE_PATIENCE ? BULK : INTERACTIVE;
	struct lane_ticket *ticket;

	if (running >= LANE_RUNNING_MAX || waiting == 0)
		return NULL;
	ticket = find_ready(class, now_ms);
	if (ticket == NULL)
		ticket = find_ready(class == BULK ? INTERACTIVE : BULK, now_ms);
	if (ticket == NULL)
		return NULL;
	passed = ticket->bulk || bulk_waiting == 0 ? 0 : passed + 1;
	turn_on(ticket, false);
	running++;
	bulk_running += ticket->bulk;
	ticket->model->on++;
	return ticket;
}

static bool are_mates(const struct lane_ticket *a, const struct lane_ticket *b)
{
	return a->model == b->model && a->batch == b->batch && a->quick == b->quick;
}

struct lane_ticket *lane_mate(const struct lane_ticket *ticket)
{
	if ((!ticket->batch && !ticket->quick) || waiting == 0)
		return NULL;
	for (int class = 0; class < CLASS_COUNT; class ++) {
		for (struct lane_origin *o = turns; o != NULL; o = o->next) {
			for (struct lane_ticket *t = o->queue[class].first; t != NULL;
			     t = t->next) {
				if (!are_mates(t, ticket))
					continue;
				turn_on(t, true);
				return t;
			}
		}
	}
	return NULL;
}

uint64_t lane_due(uint64_t now_ms)
{
	uint64_t due = UINT64_MAX;

	for (const struct lane_origin *o = turns; o != NULL; o = o->next) {
		for (int class = 0; class < CLASS_COUNT; class ++) {
			for (const struct lane_ticket *t = o->queue[class].first; t != NULL;
			     t = t->next) {
				if (t->batch && t->hold_ms > now_ms && t->hold_ms < due)
					due = t->hold_ms;
			}
		}
	}
	return due;
}

struct lane_ticket *lane_older(const char *origin, const char *stream)
{
	struct lane_origin *o = find_origin(origin == NULL ? "" : origin);

	for (int class = 0; o != NULL && class < CLASS_COUNT; class ++) {
		for (struct lane_ticket *t = o->queue[class].first; t != NULL; t = t->next) {
			if (t->stream != NULL && strcmp(t->stream, stream) == 0)
				return t;
		}
	}
	return NULL;
}

unsigned lane_company(const struct lane_ticket *ticket)
{
	return ticket->model->refs;
}

unsigned lane_waiting(void)
{
	return waiting;
}
