/* SPDX-License-Identifier: MIT */
/*
 * names.c — open addressing with linear probing.  The hash is seeded per table,
 * so that a file cannot be made whose names all collide.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/names.h"

struct rt_names_slot {
	struct rt_str name; /* bytes NULL: free */
	uint64_t hash;
	int number;
};

/* Multiply and fold, eight bytes at a time. */
static uint64_t hash_of(uint64_t seed, struct rt_str s)
{
	uint64_t h = seed ^ s.size * 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < s.size; i += 8) {
		uint64_t word = 0;

		memcpy(&word, s.bytes + i, s.size - i < 8 ? s.size - i : 8);
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32 ^ seed;
	}
	return h ^ h >> 29;
}

static struct rt_names_slot *slot_of(const struct rt_names *t, struct rt_str name, uint64_t hash)
{
	size_t i = hash & (t->cap - 1);

	for (;; i = (i + 1) & (t->cap - 1)) {
		struct rt_names_slot *s = &t->slots[i];

		if (s->name.bytes == NULL ||
		    (s->hash == hash && s->name.size == name.size &&
		     (name.size == 0 || memcmp(s->name.bytes, name.bytes, name.size) == 0)))
			return s;
	}
}

void rt_names_init(struct rt_names *t)
{
	*t = (struct rt_names){.slots = NULL};
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) != sizeof(t->seed))
		t->seed = (uint64_t)(uintptr_t)t;
}

void rt_names_release(struct rt_names *t)
{
	free(t->slots);
	t->slots = NULL;
	t->count = t->cap = 0;
}

static bool grow(struct rt_names *t)
{
	struct rt_names bigger = *t;

	bigger.cap = t->cap == 0 ? 64 : t->cap * 2;
	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return false;
	for (size_t i = 0; i < t->cap; i++) {
		if (t->slots[i].name.bytes != NULL)
			*slot_of(&bigger, t->slots[i].name, t->slots[i].hash) = t->slots[i];
	}
	free(t->slots);
	*t = bigger;
	return true;
}

int *rt_names_put(struct rt_names *t, struct rt_str name)
{
	struct rt_names_slot *s;
	uint64_t hash = hash_of(t->seed, name);

	if (name.bytes == NULL)
		name.bytes = "";
	if (t->count * 2 >= t->cap && !grow(t))
		return NULL;
	s = slot_of(t, name, hash);
	if (s->name.bytes == NULL) {
		*s = (struct rt_names_slot){name, hash, -1};
		t->count++;
	}
	return &s->number;
}

int *rt_names_find(const struct rt_names *t, struct rt_str name)
{
	struct rt_names_slot *s;

	if (t->cap == 0)
		return NULL;
	s = slot_of(t, name, hash_of(t->seed, name));
	return s->name.bytes != NULL ? &s->number : NULL;
}
