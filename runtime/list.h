/* SPDX-License-Identifier: MIT */
/*
 * list.h — values that are no tensors while a session runs: sequences, optionals
 * and maps (struct rt_list in tensor.h).  Used by eval.c, frame.c and session.c.
 *
 * A list does not change once it is made.  Lists and the data of their items are
 * shared: each counts who holds it, and goes when nobody does.  All of one
 * session are in its pool, count in its ledger, and go with it at the latest.
 * One thread at a time.
 */
#ifndef LARDER_RUNTIME_LIST_H
#define LARDER_RUNTIME_LIST_H

#include "runtime/memory.h"
#include "runtime/tensor.h"

struct rt_shared; /* a list, or the data of a tensor in one */

struct rt_list_pool {
	struct rt_ledger *ledger;
	struct rt_shared *all;
};

/* rt_list_new(pool, count): held once; its items are to be filled before anybody reads them; NULL
 * when out of memory or budget. */
struct rt_list *rt_list_new(struct rt_list_pool *pool, int64_t count);
/* rt_list_make(pool, l, i, t, shape): item ${i} is a tensor; its data, zeroed, to be written by
 * the caller; NULL when out of memory or budget, or when there is no such shape. */
void *rt_list_make(struct rt_list_pool *pool, struct rt_list *l, int64_t i, enum rt_dtype t,
		   const struct rt_shape *shape);
/* rt_list_copy(pool, l, i, value): item ${i} is a copy of a tensor, strings with their bytes, or
 * of a value that is none, whoever owns it; false when out of memory or budget. */
bool rt_list_copy(struct rt_list_pool *pool, struct rt_list *l, int64_t i,
		  const struct rt_tensor *value);
/* rt_list_put(l, i, inner): item ${i} is a list of the pool, held once more. */
void rt_list_put(struct rt_list *l, int64_t i, enum rt_dtype t, const struct rt_list *inner);
/* rt_list_share(l, i, from, k): item ${i} is item ${k} of another list of the pool. */
void rt_list_share(struct rt_list *l, int64_t i, const struct rt_list *from, int64_t k);

/* Who keeps a list, or an item of it, alive.  Only for lists of a pool. */
struct rt_shared *rt_list_hold(const struct rt_list *l);
/* rt_list_self(l): the same without holding it once more: for who has made it. */
struct rt_shared *rt_list_self(const struct rt_list *l);
struct rt_shared *rt_list_hold_item(const struct rt_list *l, int64_t i);
void rt_list_drop(struct rt_list_pool *pool, struct rt_shared *held);
/* rt_list_pool_release(pool): free everything, whoever holds it. */
void rt_list_pool_release(struct rt_list_pool *pool);

#endif
