/* SPDX-License-Identifier: MIT */
/*
 * memory.h — pieces of memory that are freed together: of a graph, of the bound
 * state of a model, of a plan, of one run.
 */
#ifndef LARDER_RUNTIME_MEMORY_H
#define LARDER_RUNTIME_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/ledger.h"

struct rt_memory_block;

struct rt_memory {
	struct rt_memory_block *blocks;
	size_t bytes;             /* taken from the system */
	size_t budget;            /* never more than that; 0 = 4 GiB */
	struct rt_ledger *ledger; /* what is taken counts here too; NULL: nowhere else */
	bool is_hot;              /* every run reads it: of huge pages where the system has them */
};

/*
 * rt_memory_take(m, bytes, align): zeroed; ${align} is a power of two ≤ 64;
 * NULL when out of memory or budget.  0 bytes give a valid pointer.
 */
void *rt_memory_take(struct rt_memory *m, size_t bytes, size_t align);
/*
 * rt_memory_give_back(m, piece, bytes): free one piece before the others, if it
 * has a block of its own (large ones do); false when it has not or is none of ${m}.
 */
bool rt_memory_give_back(struct rt_memory *m, const void *piece, size_t bytes);
/*
 * rt_memory_forget(m, part, bytes): nobody reads this part of a piece again, so that its pages
 * may go before the piece does; it stays counted.  False when it is none of ${m} that
 * rt_memory_give_back would take.
 */
bool rt_memory_forget(struct rt_memory *m, const void *part, size_t bytes);
/* rt_memory_release(m): free everything; ${m} is empty afterwards, its budget stays. */
void rt_memory_release(struct rt_memory *m);

#endif
