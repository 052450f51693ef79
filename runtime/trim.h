/* SPDX-License-Identifier: MIT */
/*
 * trim.h — gives back the memory of constants that nobody reads any more: what
 * the passes replaced, and weights that operators have packed.  Used by bind.c.
 */
#ifndef LARDER_RUNTIME_TRIM_H
#define LARDER_RUNTIME_TRIM_H

#include "runtime/graph.h"
#include "runtime/runtime.h"

struct rt_trim;

/* rt_trim_open(g, unread, arg): gives back what no node of ${g}, an outermost graph, uses.  NULL
 * when out of memory, which only means that nothing is given back.  ${unread} (may be NULL) is told
 * of what is not the graph's memory. */
struct rt_trim *rt_trim_open(struct rt_graph *g, rt_unread_f *unread, void *arg);
/* rt_trim_drop(t, v): one use of constant ${v} less; its memory goes with the last one. */
void rt_trim_drop(struct rt_trim *t, int v);
/* rt_trim_unread(t, v, from, bytes): who is about to drop ${v} reads these bytes of it no more; if
 * nobody else does their pages go at once. */
void rt_trim_unread(struct rt_trim *t, int v, size_t from, size_t bytes);
void rt_trim_close(struct rt_trim *t); /* NULL is allowed */

#endif
