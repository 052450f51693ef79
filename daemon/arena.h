/* SPDX-License-Identifier: MIT */
/*
 * arena.h — the memory of one request.  Everything a handler allocates comes
 * from here and is gone when the request is; nothing in it is freed singly.
 * What needs more than its memory released (a mapping, a session) is handed
 * to arena_defer.  One thread at a time.
 */
#ifndef LARDER_DAEMON_ARENA_H
#define LARDER_DAEMON_ARENA_H

#include <stddef.h>

#define ARENA_INLINE_BYTES 3072

struct arena_chunk;
struct arena_hook;

struct arena {
	struct arena_chunk *chunks; /* newest first; heap */
	struct arena_hook *hooks;   /* newest first */
	unsigned char *next, *end;  /* free room of the current chunk */
	_Alignas(16) unsigned char first[ARENA_INLINE_BYTES];
};

/* arena_init(a): ready for use; touches only a few words of ${a}. */
void arena_init(struct arena *a);
/* arena_release(a): run the deferred functions, newest first, then free everything. */
void arena_release(struct arena *a);
/*
 * arena_alloc(a, size): ${size} bytes aligned to 16, not zeroed.  NULL when
 * memory is short: a size that a client influenced must be bounded before.
 */
void *arena_alloc(struct arena *a, size_t size) __attribute__((malloc, warn_unused_result));
/* arena_zalloc: the same, zeroed. */
void *arena_zalloc(struct arena *a, size_t size) __attribute__((malloc, warn_unused_result));
/* arena_copy(a, data, size): a copy with a NUL behind it; NULL when memory is short. */
char *arena_copy(struct arena *a, const void *data, size_t size)
    __attribute__((warn_unused_result));
/* arena_printf(a, fmt, …): a formatted string; NULL when memory is short. */
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));
/*
 * arena_defer(a, fn, arg): call fn(arg) when the request ends, in reverse
 * order.  Runs on the event loop: ${fn} must not block.  0, or -1 when memory
 * is short (then ${fn} has been called already).
 */
int arena_defer(struct arena *a, void (*fn)(void *arg), void *arg)
    __attribute__((warn_unused_result));

#endif
