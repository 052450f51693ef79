/* SPDX-License-Identifier: MIT */
/*
 * settle.h — large weights may stand in a file at any byte; some operators read
 * them there all the same.  Called by model.c before the passes and after them.
 */
#ifndef LARDER_RUNTIME_SETTLE_H
#define LARDER_RUNTIME_SETTLE_H

#include "runtime/graph.h"

/* Floats of an initialiser of that many bytes and more are left where they are by the reader. */
#define RT_SETTLE_BYTES ((size_t)64 << 10)

/* rt_settle(g, err): constants of ${g}, an outermost graph, that are not aligned for their element
 * are copied, unless only operators use them that say they can do without (op.h). */
int rt_settle(struct rt_graph *g, struct rt_error *err) RT_MUST_CHECK;

#endif
