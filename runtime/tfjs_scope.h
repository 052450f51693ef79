/* SPDX-License-Identifier: MIT */
/*
 * tfjs_scope.h — the nodes of a graph model, or of one call of a function or one
 * round of a loop, while they are lowered.  Between tfjs_graph.c and tfjs_loop.c.
 */
#ifndef LARDER_RUNTIME_TFJS_SCOPE_H
#define LARDER_RUNTIME_TFJS_SCOPE_H

#include "runtime/tfjs_op.h"

struct rt_tfjs_node {
	struct rt_str name;
	const struct rt_json *json;
	const struct rt_json *next; /* input that is looked at next, while it is open */
	int first, count;           /* its outputs in scope.values */
	enum { RT_TFJS_NEW, RT_TFJS_OPEN, RT_TFJS_DONE } state;
	bool missing; /* any output that is asked for is the first one */
};

struct rt_tfjs_scope {
	struct rt_tfjs *t;
	struct rt_names names; /* to indices of ${nodes} */
	bool borrows;          /* ${names} are another scope's */
	struct rt_tfjs_node *nodes;
	int count;
	int *values;
	int value_count, value_cap;
	int *stack, depth; /* [count]: nodes that wait for their inputs */
	int calls;         /* how many calls and loops it is in */
};

/* "name", "name:1", "name:output:1"; "^name" waits for a node and reads nothing. */
struct rt_tfjs_ref {
	struct rt_str name, output;
	int index;
	bool control;
};
struct rt_tfjs_ref rt_tfjs_graph_ref(struct rt_str s);
/* rt_tfjs_graph_find(s, name): the node, or NULL; bytes NULL: NULL. */
struct rt_tfjs_node *rt_tfjs_graph_find(const struct rt_tfjs_scope *s, struct rt_str name);
/* rt_tfjs_graph_need(s, ref): the value of a reference, lowered if it is not yet. */
int rt_tfjs_graph_need(struct rt_tfjs_scope *s, struct rt_str ref);
/* rt_tfjs_graph_set(s, n, v, count): the node is done and has these outputs. */
void rt_tfjs_graph_set(struct rt_tfjs_scope *s, struct rt_tfjs_node *n, const int *v, int count);
/* rt_tfjs_graph_fresh(s, out): the same nodes, none of them lowered; release it in any case. */
bool rt_tfjs_graph_fresh(const struct rt_tfjs_scope *s, struct rt_tfjs_scope *out);
void rt_tfjs_graph_release(struct rt_tfjs_scope *s);

/* ---- TensorFlow 1 (tfjs_loop.c) -------------------------------------------------------------- */

/* rt_tfjs_loop_exit(s, n): ${n} is an Exit: lower its loop, and set all its exits. */
void rt_tfjs_loop_exit(struct rt_tfjs_scope *s, struct rt_tfjs_node *n);
/* rt_tfjs_loop_merge(s, n, c): ${n} is a Merge that is in no loop: the branch that was taken. */
void rt_tfjs_loop_merge(struct rt_tfjs_scope *s, struct rt_tfjs_node *n, struct rt_tfjs_op *c);

#endif
