/* SPDX-License-Identifier: MIT */
/*
 * names.h — a table from names to numbers, for one graph while it is read.
 */
#ifndef LARDER_RUNTIME_NAMES_H
#define LARDER_RUNTIME_NAMES_H

#include "runtime/tensor.h"

struct rt_names {
	struct rt_names_slot *slots;
	size_t count, cap; /* cap: a power of two, or 0 */
	uint64_t seed;
};

/* rt_names_init(t): an empty table; holds no memory yet. */
void rt_names_init(struct rt_names *t);
void rt_names_release(struct rt_names *t);
/*
 * rt_names_put(t, name): where the number of ${name} is kept; a name that was
 * not there is added with −1.  NULL when out of memory.  The pointer is good
 * until the next put; the bytes of ${name} are borrowed as long as the table.
 */
int *rt_names_put(struct rt_names *t, struct rt_str name);
/* rt_names_find(t, name): the same, or NULL when it is not there. */
int *rt_names_find(const struct rt_names *t, struct rt_str name);

#endif
