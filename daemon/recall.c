/* SPDX-License-Identifier: MIT */
/*
 * recall.c — a small table from (method, raw path) to the row of routes.def and
 * the decoded parts.  Called by admit.c.  Must never hold anything that a later
 * change of settings, origins or store could make wrong: routes.def is fixed.
 */
#include <config.h>

#include "daemon/recall.h"

#include <stdint.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"

#define RECALL_ITEMS 256 /* a power of two */
#define RECALL_BYTES 224 /* of a path, and of its decoded parts together */

struct recall_item {
	const struct route *route, *first; /* route NULL: the item is free */
	unsigned allowed;
	enum route_method method;
	uint16_t size, text_size;
	uint16_t at[PART_COUNT]; /* of a part in text, + 1; 0: not in the pattern */
	char path[RECALL_BYTES];
	char text[RECALL_BYTES]; /* the parts, each with its NUL */
};

static struct recall_item items[RECALL_ITEMS]; /* event loop only */

static size_t slot_of(enum route_method method, const char *path, size_t size)
{
	uint64_t h = size * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)method;

	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t word = 0;
		size_t n = size - i < sizeof(word) ? size - i : sizeof(word);

		memcpy(&word, path + i, n);
		h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	return (size_t)h & (RECALL_ITEMS - 1);
}

static void remember(struct recall_item *item, enum route_method method, const char *path,
		     size_t size, const struct route_match *m)
{
	size_t used = 0;

	item->route = NULL;
	for (unsigned i = 0; i < PART_COUNT; i++) {
		size_t n = m->part[i] == NULL ? 0 : strlen(m->part[i]) + 1;

		if (n > RECALL_BYTES - used)
			return;
		item->at[i] = n == 0 ? 0 : (uint16_t)(used + 1);
		memcpy(item->text + used, n == 0 ? "" : m->part[i], n);
		used += n;
	}
	item->route = m->route;
	item->first = m->first;
	item->allowed = m->allowed;
	item->method = method;
	item->size = (uint16_t)size;
	item->text_size = (uint16_t)used;
	memcpy(item->path, path, size);
}

/* The parts must outlive the item, so they are copied into the arena in one piece. */
static int give(const struct recall_item *item, struct arena *arena, struct route_match *out,
		struct fault *fault)
{
	const char *text = arena_copy(arena, item->text, item->text_size);

	if (text == NULL)
		return fault_set(fault, 503, "out of memory");
	out->route = item->route;
	out->first = item->first;
	out->allowed = item->allowed;
	for (unsigned i = 0; i < PART_COUNT; i++)
		out->part[i] = item->at[i] == 0 ? NULL : text + item->at[i] - 1;
	return 0;
}

int recall_route(enum route_method method, const char *path, size_t size, struct arena *arena,
		 struct route_match *out, struct fault *fault)
{
	struct recall_item *item;
	int rc;

	if (size > RECALL_BYTES)
		return route_find(method, path, size, arena, out, fault);
	item = &items[slot_of(method, path, size)];
	if (item->route != NULL && item->size == size && item->method == method &&
	    memcmp(item->path, path, size) == 0)
		return give(item, arena, out, fault);
	rc = route_find(method, path, size, arena, out, fault);
	if (rc == 0 && out->route != NULL)
		remember(item, method, path, size, out);
	return rc;
}
