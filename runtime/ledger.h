/* SPDX-License-Identifier: MIT */
/*
 * ledger.h — what several memories may take together: those of a model, and those of a session
 * with everything that its runs allocate.
 */
#ifndef LARDER_RUNTIME_LEDGER_H
#define LARDER_RUNTIME_LEDGER_H

#include <stdbool.h>
#include <stddef.h>

struct rt_ledger {
	size_t bytes, budget;
};

/* rt_ledger_take(l, bytes): counts them; false, and nothing counted, where that would be over the
 * budget. */
bool rt_ledger_take(struct rt_ledger *l, size_t bytes);
/* rt_ledger_give(l, bytes): what was taken before. */
void rt_ledger_give(struct rt_ledger *l, size_t bytes);

#endif
