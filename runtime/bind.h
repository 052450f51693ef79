/* SPDX-License-Identifier: MIT */
/*
 * bind.h — binds nodes: operator state, packed weights.  Called by model.c for
 * whole graphs and by passes for single nodes.
 */
#ifndef LARDER_RUNTIME_BIND_H
#define LARDER_RUNTIME_BIND_H

#include "runtime/op.h"
#include "runtime/pack.h"
#include "runtime/trim.h"

/* rt_bind_node(g, n, memory, pack, err): make ${n->state}; the error names the node.  ${pack} may
 * be NULL: its packed weights are of no image. */
int rt_bind_node(const struct rt_graph *g, struct rt_node *n, struct rt_memory *memory,
		 struct rt_pack *pack, struct rt_error *err) RT_MUST_CHECK;
/* rt_bind_graph(g, trim, memory, pack, err): every node of an outermost graph, sub-graphs too;
 * constants that nobody reads afterwards give back their memory through ${trim}, unless that is
 * NULL. */
int rt_bind_graph(struct rt_graph *g, struct rt_trim *trim, struct rt_memory *memory,
		  struct rt_pack *pack, struct rt_error *err) RT_MUST_CHECK;
/* rt_bind_release(n), _release_graph(g): op->done where bind was called; state NULL afterwards. */
void rt_bind_release(struct rt_node *n);
void rt_bind_release_graph(struct rt_graph *g);

#endif
