/* SPDX-License-Identifier: MIT */
/*
 * memory.c — small pieces are cut from blocks of 64 KiB, large ones have a block
 * of their own.  Blocks come from calloc, so that a large piece costs pages only
 * where it is touched.  Not for several threads at once.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "runtime/memory.h"
#include "runtime/tensor.h"

#define BLOCK_BYTES ((size_t)64 << 10)
#define DEFAULT_BUDGET ((size_t)4 << 30)

struct rt_memory_block {
	struct rt_memory_block *next;
	size_t size, used; /* of data */
	size_t cost;       /* in ${m->bytes} */
	bool alone;        /* holds one piece, and never more */
	unsigned char data[];
};

void *rt_memory_take(struct rt_memory *m, size_t bytes, size_t align)
{
	size_t budget = m->budget != 0 ? m->budget : DEFAULT_BUDGET, at, need;
	struct rt_memory_block *b = m->blocks;
	bool alone = bytes > BLOCK_BYTES / 4;

	must(align > 0 && align <= 64);
	if (b != NULL) {
		at = b->used + (-(uintptr_t)(b->data + b->used) & (align - 1));
		if (at <= b->size && bytes <= b->size - at) {
			b->used = at + bytes;
			return b->data + at;
		}
	}
	if (bytes > SIZE_MAX / 2)
		return NULL;
	need = alone ? bytes + align : BLOCK_BYTES;
	if (m->bytes > budget || need > budget - m->bytes)
		return NULL;
	if (m->ledger != NULL && !rt_ledger_take(m->ledger, need))
		return NULL;
	b = calloc(1, sizeof(*b) + need);
	if (b == NULL) {
		if (m->ledger != NULL)
			rt_ledger_give(m->ledger, need);
		return NULL;
	}
	m->bytes += b->cost = need;
	b->alone = alone;
	at = -(uintptr_t)b->data & (align - 1);
	b->used = at + bytes;
	b->size = alone ? b->used : need;
	if (alone && m->blocks != NULL) {
		/* A piece of its own must not hide the room that is left in the first block. */
		b->next = m->blocks->next;
		m->blocks->next = b;
	} else {
		b->next = m->blocks;
		m->blocks = b;
	}
	return b->data + at;
}

bool rt_memory_give_back(struct rt_memory *m, const void *piece, size_t bytes)
{
	const unsigned char *p = piece;

	if (bytes <= BLOCK_BYTES / 4) /* never alone, see above */
		return false;
	for (struct rt_memory_block **at = &m->blocks; *at != NULL; at = &(*at)->next) {
		struct rt_memory_block *b = *at;

		if (p < b->data || p >= b->data + b->size)
			continue;
		if (!b->alone || bytes > b->used)
			return false;
		*at = b->next;
		m->bytes -= b->cost;
		if (m->ledger != NULL)
			rt_ledger_give(m->ledger, b->cost);
		free(b);
		return true;
	}
	return false;
}

void rt_memory_release(struct rt_memory *m)
{
	struct rt_memory_block *next;

	for (struct rt_memory_block *b = m->blocks; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	if (m->ledger != NULL)
		rt_ledger_give(m->ledger, m->bytes);
	m->blocks = NULL;
	m->bytes = 0;
}
