/* SPDX-License-Identifier: MIT */
/*
 * memory.c — small pieces are cut from blocks of 64 KiB, large ones have a block
 * of their own, very large ones a mapping of their own, gone from the process as soon as
 * it is given back.  A large piece costs pages only where it is touched.  Not for several
 * threads at once.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "runtime/tensor.h"

#define BLOCK_BYTES ((size_t)64 << 10)
#define MAPPED_BYTES ((size_t)128 << 10)
#define DEFAULT_BUDGET ((size_t)4 << 30)

struct rt_memory_block {
	struct rt_memory_block *next;
	size_t size, used; /* of data */
	size_t cost;       /* in ${m->bytes} */
	size_t mapped;     /* bytes of its mapping; 0: from malloc */
	bool alone;        /* holds one piece, and never more */
	unsigned char data[];
};

/*
 * Zeroed memory for a block with ${need} bytes of data, or NULL.  Huge pages save a twentieth
 * of the time of runs that are bound by memory, but cost more than small ones where the
 * machine is a guest whose free memory the host has taken back: not for what is soon gone.
 */
static struct rt_memory_block *new_block(size_t need, bool hot)
{
	struct rt_memory_block *b;
	void *p;

	if (need < MAPPED_BYTES)
		return calloc(1, sizeof(*b) + need);
	p = mmap(NULL, sizeof(*b) + need, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	if (p == MAP_FAILED)
		return NULL;
	if (hot) /* neighbours become one mapping, so that smaller ones share huge pages, too */
		(void)madvise(p, sizeof(*b) + need, MADV_HUGEPAGE);
	b = p;
	b->mapped = sizeof(*b) + need;
	return b;
}

static void free_block(struct rt_memory_block *b)
{
	if (b->mapped > 0)
		must(munmap(b, b->mapped) == 0);
	else
		free(b);
}

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
	b = new_block(need, m->is_hot);
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

/* Where the list points to the block of ${piece}, if it has one of its own; or NULL. */
static struct rt_memory_block **find_alone(struct rt_memory *m, const void *piece, size_t bytes)
{
	const unsigned char *p = piece;

	for (struct rt_memory_block **at = &m->blocks; *at != NULL; at = &(*at)->next) {
		const struct rt_memory_block *b = *at;

		if (p >= b->data && p < b->data + b->size)
			return b->alone && bytes <= b->used ? at : NULL;
	}
	return NULL;
}

bool rt_memory_give_back(struct rt_memory *m, const void *piece, size_t bytes)
{
	struct rt_memory_block **at = find_alone(m, piece, bytes), *b;

	if (at == NULL)
		return false;
	b = *at;
	*at = b->next;
	m->bytes -= b->cost;
	if (m->ledger != NULL)
		rt_ledger_give(m->ledger, b->cost);
	free_block(b);
	return true;
}

bool rt_memory_forget(struct rt_memory *m, const void *part, size_t bytes)
{
	struct rt_memory_block **at = find_alone(m, part, bytes);
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const uintptr_t from = ((uintptr_t)part + page - 1) & ~(page - 1);
	const uintptr_t to = ((uintptr_t)part + bytes) & ~(page - 1);

	if (at == NULL || (*at)->mapped == 0)
		return at != NULL;
	must((const unsigned char *)part + bytes <= (*at)->data + (*at)->used);
	if (from < to)
		(void)madvise((void *)from, to - from, MADV_DONTNEED);
	return true;
}

void rt_memory_release(struct rt_memory *m)
{
	struct rt_memory_block *next;

	for (struct rt_memory_block *b = m->blocks; b != NULL; b = next) {
		next = b->next;
		free_block(b);
	}
	if (m->ledger != NULL)
		rt_ledger_give(m->ledger, m->bytes);
	m->blocks = NULL;
	m->bytes = 0;
}
