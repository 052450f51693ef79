/* SPDX-License-Identifier: MIT */
/*
 * origins_limit.c — a bucket and a count per origin.  Called by admit.c for requests of
 * allowed origins only, so that strangers cannot fill the table.
 */
#include <config.h>

#include "daemon/origins_limit.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/fault.h"
#include "daemon/must.h"

#define SECOND_NS UINT64_C(1000000000)
#define SLOTS_MAX 4096

struct origins_slot {
	struct origins_slot *next;
	unsigned active;
	uint64_t spent_ns; /* when the bucket would be full again, were nothing taken */
	char name[];
};

static struct origins_slot *slots;
static unsigned slot_count;

static struct origins_slot *find(const char *origin)
{
	for (struct origins_slot *s = slots; s != NULL; s = s->next) {
		if (strcmp(s->name, origin) == 0)
			return s;
	}
	return NULL;
}

static struct origins_slot *add(const char *origin)
{
	size_t size = strlen(origin) + 1;
	struct origins_slot *s;

	if (slot_count >= SLOTS_MAX)
		origins_limit_clear();
	s = slot_count >= SLOTS_MAX ? NULL : calloc(1, sizeof(*s) + size);
	if (s == NULL)
		return NULL;
	memcpy(s->name, origin, size);
	s->next = slots;
	slots = s;
	slot_count++;
	return s;
}

void origins_limit_clear(void)
{
	struct origins_slot **link = &slots;

	while (*link != NULL) {
		struct origins_slot *s = *link;

		if (s->active > 0) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		free(s);
		slot_count--;
	}
}

int origins_limit_enter(const char *origin, unsigned rate, unsigned requests, uint64_t now_ns,
			struct origins_slot **ret, struct fault *fault)
{
	struct origins_slot *s = find(origin);
	uint64_t spent;

	if (s == NULL)
		s = add(origin);
	if (s == NULL)
		return fault_set(fault, 503, "too many origins at once");
	if (requests != 0 && s->active >= requests) {
		(void)fault_set(fault, 503, "this origin may have %u requests at once", requests);
		fault->retry_after_s = 1;
		return -1;
	}
	if (rate != 0) {
		spent = (s->spent_ns > now_ns ? s->spent_ns : now_ns) + SECOND_NS / rate;
		if (spent > now_ns + SECOND_NS) {
			(void)fault_set(fault, 429, "this origin may make %u requests a second",
					rate);
			fault->retry_after_s = 1;
			return -1;
		}
		s->spent_ns = spent;
	}
	s->active++;
	*ret = s;
	return 0;
}

void origins_limit_leave(void *slot)
{
	struct origins_slot *s = slot;

	must(s->active > 0);
	s->active--;
}
