/* SPDX-License-Identifier: MIT */
/*
 * pass_layout_quant.c — what the layout pass does with operators on bytes, which
 * have scales and zero points among their inputs and, some of them, an attribute
 * channels_last.  Called through pass_layout.def.
 */
#include <config.h>

#include <string.h>

#include "runtime/pass_layout.h"
#include "runtime/pass_layout_axes.h"

static struct rt_node *node_at(struct rt_layout *l, int node)
{
	return &l->graph->nodes[node];
}

static struct rt_turn turn_of(struct rt_layout *l, int v)
{
	return rt_pass_layout_value(l, v)->turn;
}

static const struct rt_tensor *constant_of(struct rt_layout *l, int v)
{
	return v != RT_NO_VALUE && l->graph->values[v].is_constant ? &l->graph->values[v].constant
								   : NULL;
}

/* Input ${k} becomes Transpose(input, turn); false: no memory. */
static bool turn_input(struct rt_layout *l, int node, int k, const struct rt_turn *turn)
{
	const int v = rt_pass_layout_turned(l, node_at(l, node)->in[k], turn);
	if (v >= 0)
		node_at(l, node)->in[k] = v;
	return v >= 0;
}

static void make_last(struct rt_layout *l, int node, int rank)
{
	const struct rt_turn last = rt_pass_layout_to_last(rank),
			     first = rt_pass_layout_to_first(rank);
	if (!rt_pass_layout_set_int(l, node, "channels_last", 1) || !turn_input(l, node, 0, &last))
		return;
	rt_pass_layout_turn_output(l, node, 0, &first);
}

/* Convolutions with constant weights of one or two spatial dims. */
void rt_pass_layout_quant_conv(struct rt_layout *l, int node)
{
	const struct rt_node *n = node_at(l, node);
	const int at = strcmp(n->op_type, "QLinearConv") ? 1 : 3;
	const struct rt_tensor *w = n->in_count > at ? constant_of(l, n->in[at]) : NULL;
	if (!w || (w->shape.rank != 3 && w->shape.rank != 4) || rt_tensor_elems(w) == 0 ||
	    rt_node_int(n, "channels_last", 0) != 0)
		return;
	make_last(l, node, w->shape.rank);
}

/* Only where a channels-last tensor is at hand. */
void rt_pass_layout_quant_pool(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node_at(l, node)->in[0]);
	struct rt_turn first;
	if (t.rank < 3 || rt_node_int(node_at(l, node), "channels_last", 0) != 0)
		return;
	first = rt_pass_layout_to_first(t.rank);
	if (rt_pass_layout_turns_equal(&t, &first))
		make_last(l, node, t.rank);
}

/* Whether ${v} can be had in the order of the source of a tensor with turn ${t}. */
static bool fits(struct rt_layout *l, int v, const struct rt_turn *t)
{
	const struct rt_tensor *c = constant_of(l, v);

	if (v == RT_NO_VALUE)
		return false;
	return c ? c->shape.rank <= t->rank && c->shape.rank > 0 : turn_of(l, v).rank == t->rank;
}

void rt_pass_layout_quant_pair(struct rt_layout *l, int node)
{
	const struct rt_node *n = node_at(l, node);
	struct rt_turn t, inverse;
	if (n->in_count < 7 || n->in[3] == RT_NO_VALUE)
		return;
	t = turn_of(l, n->in[0]);
	if (turn_of(l, n->in[3]).rank > t.rank)
		t = turn_of(l, n->in[3]);
	if (t.rank == 0 || !fits(l, n->in[0], &t) || !fits(l, n->in[3], &t))
		return;
	inverse = rt_pass_layout_inverse(&t);
	if (turn_input(l, node, 0, &inverse) && turn_input(l, node, 3, &inverse))
		rt_pass_layout_turn_output(l, node, 0, &t);
}

void rt_pass_layout_quant_concat(struct rt_layout *l, int node)
{
	const struct rt_node *n = node_at(l, node);
	const int count = n->in_count;
	int64_t axis = rt_node_int(n, "axis", 0);
	struct rt_turn t = {0}, inverse;
	for (int k = 2; k < count; k += 3)
		if (n->in[k] != RT_NO_VALUE && turn_of(l, n->in[k]).rank > t.rank)
			t = turn_of(l, n->in[k]);
	for (int k = 2; k < count; k += 3) {
		const struct rt_tensor *c = constant_of(l, n->in[k]);
		if (t.rank == 0 || !fits(l, n->in[k], &t) || (c && c->shape.rank != t.rank))
			return;
	}
	axis += axis < 0 ? t.rank : 0;
	if (axis < 0 || axis >= t.rank || !rt_pass_layout_set_int(l, node, "axis", t.perm[axis]))
		return;
	inverse = rt_pass_layout_inverse(&t);
	for (int k = 2; k < count; k += 3)
		if (!turn_input(l, node, k, &inverse))
			return;
	rt_pass_layout_turn_output(l, node, 0, &t);
}
