/* SPDX-License-Identifier: MIT */
/*
 * pass_layout.h — what pass_layout.c (the walk) and pass_layout_rules.c (what is
 * done with each operator) share.
 */
#ifndef LARDER_RUNTIME_PASS_LAYOUT_H
#define LARDER_RUNTIME_PASS_LAYOUT_H

#include "runtime/op.h"

/* Transpose by perm: dim i of the result is dim perm[i] of the operand. */
struct rt_turn {
	int rank; /* 0: none */
	int perm[RT_RANK_MAX];
};

struct rt_layout {
	struct rt_graph *graph;
	struct rt_error *err;
	bool failed; /* out of memory */
	int keep;    /* a Transpose that is not to be taken up; −1 = none */
	/* Per value: it is Transpose(source, turn), and so far no node makes it; rank 0: it is not.
	 */
	struct rt_pass_layout_value {
		int source;
		struct rt_turn turn;
		int rank; /* what is certain of its rank; −1 = nothing */
	} * values;
	int value_cap;
	/* Transposes that were made, to be used again. */
	struct rt_pass_layout_made {
		int source, result;
		struct rt_turn turn;
	} * made;
	int made_count, made_cap;
};

/* rt_pass_layout_value(l, v): the row of ${v}; valid until the next value is added. */
struct rt_pass_layout_value *rt_pass_layout_value(struct rt_layout *l, int v);
/* rt_pass_layout_constant(l, t): a new constant value; −1 and l->failed when out of memory. */
int rt_pass_layout_constant(struct rt_layout *l, const struct rt_tensor *t);
/* rt_pass_layout_turned(l, v, turn): Transpose(v, turn) as a value: the source itself when the
 * turns cancel, a constant when ${v} is one; −1 when out of memory. */
int rt_pass_layout_turned(struct rt_layout *l, int v, const struct rt_turn *turn);
/* rt_pass_layout_turn_output(l, node, k, turn): output ${k} gets a new value; the old one is
 * Transpose(new, turn). */
void rt_pass_layout_turn_output(struct rt_layout *l, int node, int k, const struct rt_turn *turn);
/* rt_pass_layout_rank(l, v): what is certain of the rank; −1 = nothing. */
int rt_pass_layout_rank(struct rt_layout *l, int v);

/* NCHW ⇄ NHWC for any rank ≥ 3. */
struct rt_turn rt_pass_layout_to_last(int rank);
struct rt_turn rt_pass_layout_to_first(int rank);
struct rt_turn rt_pass_layout_inverse(const struct rt_turn *t);
bool rt_pass_layout_turns_equal(const struct rt_turn *a, const struct rt_turn *b);

/* Rules for operators on bytes (pass_layout_quant.c). */
void rt_pass_layout_quant_conv(struct rt_layout *l, int node);
void rt_pass_layout_quant_pair(struct rt_layout *l, int node);
void rt_pass_layout_quant_pool(struct rt_layout *l, int node);
void rt_pass_layout_quant_concat(struct rt_layout *l, int node);

/* rt_pass_layout_apply(l, node): changes the node so that it works on the sources of its transposed
 * inputs, and its outputs are transposed instead; leaves it when there is no rule for that. */
void rt_pass_layout_apply(struct rt_layout *l, int node);

#endif
