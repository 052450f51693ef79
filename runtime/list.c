/* SPDX-License-Identifier: MIT */
/*
 * list.c — see list.h.  Called where sequences, optionals and maps are made and
 * handed on; models without them never come here.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/list.h"

struct rt_shared {
	struct rt_shared *next, *before; /* in the pool */
	int64_t holders;
	size_t bytes; /* in the ledger */
	bool is_list;
	_Alignas(64) unsigned char data[]; /* of a tensor; a list: struct owned */
};

/* What is behind the pointer to a list of a pool. */
struct owned {
	struct rt_list list; /* first: this is what others see */
	struct rt_shared *self;
	struct rt_shared **owners; /* [count]: of the data of each item */
	struct rt_tensor *items;   /* [count] */
};

static struct owned *owned_of(const struct rt_list *l)
{
	struct owned *o;

	memcpy(&o, &l, sizeof(struct owned *)); /* only outsiders see it const */
	return o;
}

static struct rt_shared *take(struct rt_list_pool *pool, size_t bytes, bool is_list)
{
	struct rt_shared *s;
	size_t all;

	if (__builtin_add_overflow(bytes, sizeof(*s) + 63, &all) || all > PTRDIFF_MAX)
		return NULL;
	all &= ~(size_t)63;
	if (!rt_ledger_take(pool->ledger, all))
		return NULL;
	s = aligned_alloc(64, all);
	if (s == NULL) {
		rt_ledger_give(pool->ledger, all);
		return NULL;
	}
	memset(s, 0, all);
	*s = (struct rt_shared){.next = pool->all, .holders = 1, .bytes = all, .is_list = is_list};
	if (pool->all != NULL)
		pool->all->before = s;
	pool->all = s;
	return s;
}

static void give(struct rt_list_pool *pool, struct rt_shared *s)
{
	if (s->before != NULL)
		s->before->next = s->next;
	else
		pool->all = s->next;
	if (s->next != NULL)
		s->next->before = s->before;
	rt_ledger_give(pool->ledger, s->bytes);
	free(s);
}

/* ---- making ---------------------------------------------------------------------------------- */

struct rt_list *rt_list_new(struct rt_list_pool *pool, int64_t count)
{
	size_t per_item = sizeof(struct rt_tensor) + sizeof(struct rt_shared *), bytes;
	struct rt_shared *s;
	struct owned *o;

	if (count < 0 || __builtin_mul_overflow((size_t)count, per_item, &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*o), &bytes))
		return NULL;
	s = take(pool, bytes, true);
	if (s == NULL)
		return NULL;
	o = (void *)s->data;
	o->self = s;
	o->items = (void *)(o + 1);
	o->owners = (void *)(o->items + count);
	o->list = (struct rt_list){count, o->items};
	return &o->list;
}

void *rt_list_make(struct rt_list_pool *pool, struct rt_list *l, int64_t i, enum rt_dtype t,
		   const struct rt_shape *shape)
{
	struct owned *o = owned_of(l);
	struct rt_shared *s;
	size_t bytes;

	must(i >= 0 && i < l->count && o->owners[i] == NULL);
	if (!rt_shape_bytes(shape, t, &bytes))
		return NULL;
	s = take(pool, bytes, false);
	if (s == NULL)
		return NULL;
	o->owners[i] = s;
	o->items[i] = (struct rt_tensor){t, *shape, s->data};
	return s->data;
}

/* The elements and their bytes in one piece. */
static bool copy_strings(struct rt_list_pool *pool, struct owned *o, int64_t i,
			 const struct rt_tensor *t)
{
	const struct rt_str *from = t->data;
	size_t n = (size_t)rt_tensor_elems(t), bytes = n * sizeof(*from);
	struct rt_shared *s;
	struct rt_str *to;
	char *at;

	for (size_t k = 0; k < n; k++) {
		if (__builtin_add_overflow(bytes, from[k].size, &bytes))
			return false;
	}
	s = take(pool, bytes, false);
	if (s == NULL)
		return false;
	to = (void *)s->data;
	at = (char *)(to + n);
	for (size_t k = 0; k < n; k++) {
		to[k] = (struct rt_str){at, from[k].size};
		if (from[k].size > 0)
			memcpy(at, from[k].bytes, from[k].size);
		at += from[k].size;
	}
	o->owners[i] = s;
	o->items[i] = (struct rt_tensor){t->dtype, t->shape, s->data};
	return true;
}

static bool copy_tensor(struct rt_list_pool *pool, struct rt_list *l, int64_t i,
			const struct rt_tensor *t)
{
	void *to;

	if (t->dtype == RT_STR)
		return copy_strings(pool, owned_of(l), i, t);
	to = rt_list_make(pool, l, i, t->dtype, &t->shape);
	if (to != NULL && rt_tensor_bytes(t) > 0)
		memcpy(to, t->data, rt_tensor_bytes(t));
	return to != NULL;
}

/* Recursion: an optional of a sequence of maps is the deepest that there is. */
bool rt_list_copy(struct rt_list_pool *pool, struct rt_list *l, int64_t i,
		  const struct rt_tensor *value)
{
	const struct rt_list *from = value->data;
	struct rt_list *inner;
	bool ok = true;

	if (!rt_dtype_is_list(value->dtype))
		return copy_tensor(pool, l, i, value);
	inner = rt_list_new(pool, from->count);
	if (inner == NULL)
		return false;
	for (int64_t k = 0; k < from->count && ok; k++)
		ok = rt_list_copy(pool, inner, k, &from->items[k]);
	if (ok)
		rt_list_put(l, i, value->dtype, inner);
	rt_list_drop(pool, owned_of(inner)->self);
	return ok;
}

void rt_list_put(struct rt_list *l, int64_t i, enum rt_dtype t, const struct rt_list *inner)
{
	struct owned *o = owned_of(l);

	must(i >= 0 && i < l->count && o->owners[i] == NULL);
	o->owners[i] = rt_list_hold(inner);
	o->items[i] = (struct rt_tensor){.dtype = t, .data = owned_of(inner)};
}

void rt_list_share(struct rt_list *l, int64_t i, const struct rt_list *from, int64_t k)
{
	struct owned *o = owned_of(l);

	must(i >= 0 && i < l->count && o->owners[i] == NULL);
	o->owners[i] = rt_list_hold_item(from, k);
	o->items[i] = from->items[k];
}

/* ---- holding --------------------------------------------------------------------------------- */

struct rt_shared *rt_list_self(const struct rt_list *l)
{
	return owned_of(l)->self;
}

struct rt_shared *rt_list_hold(const struct rt_list *l)
{
	struct rt_shared *s = owned_of(l)->self;

	s->holders++;
	return s;
}

struct rt_shared *rt_list_hold_item(const struct rt_list *l, int64_t i)
{
	struct rt_shared *s;

	must(i >= 0 && i < l->count);
	s = owned_of(l)->owners[i];
	s->holders++;
	return s;
}

/* Recursion: as in rt_list_copy. */
void rt_list_drop(struct rt_list_pool *pool, struct rt_shared *held)
{
	if (held == NULL || --held->holders > 0)
		return;
	if (held->is_list) {
		struct owned *o = (void *)held->data;

		for (int64_t i = 0; i < o->list.count; i++)
			rt_list_drop(pool, o->owners[i]);
	}
	give(pool, held);
}

void rt_list_pool_release(struct rt_list_pool *pool)
{
	while (pool->all != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the first has none before it */
		give(pool, pool->all);
}
