/* SPDX-License-Identifier: MIT */
/*
 * arena.c — the memory of one request: a few kilobytes inside the request, then
 * chunks from malloc.  Called by everything that handles a request; must never
 * hand out a size that was not checked for overflow.
 */
#include <config.h>

#include "daemon/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/must.h"

#define ALIGN ((size_t)16)
#define CHUNK_BYTES ((size_t)16384)

struct arena_chunk {
	struct arena_chunk *older;
	_Alignas(16) unsigned char data[];
};

struct arena_hook {
	struct arena_hook *older;
	void (*fn)(void *arg);
	void *arg;
};

void arena_init(struct arena *a)
{
	a->chunks = NULL;
	a->hooks = NULL;
	a->next = a->first;
	a->end = a->first + sizeof(a->first);
}

void arena_release(struct arena *a)
{
	while (a->hooks != NULL) {
		struct arena_hook *hook = a->hooks;

		a->hooks = hook->older;
		hook->fn(hook->arg);
	}
	while (a->chunks != NULL) {
		struct arena_chunk *chunk = a->chunks;

		a->chunks = chunk->older;
		free(chunk);
	}
	arena_init(a);
}

/* A chunk for ${size} bytes: a large one stands alone, so that the current one goes on. */
static void *grow(struct arena *a, size_t size)
{
	size_t room = size > CHUNK_BYTES / 4 ? size : CHUNK_BYTES;
	struct arena_chunk *chunk;
	size_t bytes;

	if (__builtin_add_overflow(room, sizeof(*chunk), &bytes))
		return NULL;
	chunk = malloc(bytes);
	if (chunk == NULL)
		return NULL;
	chunk->older = a->chunks;
	a->chunks = chunk;
	if (room == CHUNK_BYTES) {
		a->next = chunk->data + size;
		a->end = chunk->data + room;
	}
	return chunk->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t rounded;
	void *p;

	if (__builtin_add_overflow(size, ALIGN - 1, &rounded))
		return NULL;
	rounded &= ~(ALIGN - 1);
	if (rounded > (size_t)(a->end - a->next))
		return grow(a, rounded);
	p = a->next;
	a->next += rounded;
	return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
	void *p = arena_alloc(a, size);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

char *arena_copy(struct arena *a, const void *data, size_t size)
{
	size_t bytes;
	char *p;

	if (__builtin_add_overflow(size, 1, &bytes))
		return NULL;
	p = arena_alloc(a, bytes);
	if (p == NULL)
		return NULL;
	if (size > 0)
		memcpy(p, data, size);
	p[size] = '\0';
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	must(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	if (p != NULL)
		(void)vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}

int arena_defer(struct arena *a, void (*fn)(void *arg), void *arg)
{
	struct arena_hook *hook = arena_alloc(a, sizeof(*hook));

	if (hook == NULL) {
		fn(arg);
		return -1;
	}
	hook->older = a->hooks;
	hook->fn = fn;
	hook->arg = arg;
	a->hooks = hook;
	return 0;
}
