/* SPDX-License-Identifier: MIT */
/*
 * pass_layout.c — from channels first (NCHW) to channels last (NHWC).
 *
 * Convolutions and pools become larder's, which work on channels-last tensors,
 * with a Transpose before and one after.  The Transposes are not nodes yet:
 * the walk notes for each value that it is Transpose(source, perm), and every
 * node that follows is either changed to work on the source, with the note
 * passed on to its outputs (pass_layout_rules.c), or left as it is.  Transposes of
 * the model are taken up in the same way.  Where a note meets its inverse, both
 * are gone.  At the end, whatever somebody still needs in the old order gets its
 * Transpose node.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/pass_layout.h"

/* ---- turns ------------------------------------------------------------------------------------
 */

struct rt_turn rt_pass_layout_to_last(int rank)
{
	struct rt_turn t = {.rank = rank};
	for (int i = 1; i < rank - 1; i++)
		t.perm[i] = i + 1;
	t.perm[rank - 1] = 1;
	return t;
}

struct rt_turn rt_pass_layout_to_first(int rank)
{
	struct rt_turn t = {.rank = rank};
	t.perm[1] = rank - 1;
	for (int i = 2; i < rank; i++)
		t.perm[i] = i - 1;
	return t;
}

struct rt_turn rt_pass_layout_inverse(const struct rt_turn *t)
{
	struct rt_turn inverse = {.rank = t->rank};
	for (int i = 0; i < t->rank; i++)
		inverse.perm[t->perm[i]] = i;
	return inverse;
}

bool rt_pass_layout_turns_equal(const struct rt_turn *a, const struct rt_turn *b)
{
	return a->rank == b->rank && !memcmp(a->perm, b->perm, (size_t)a->rank * sizeof *a->perm);
}

static bool is_identity(const struct rt_turn *t)
{
	for (int i = 0; i < t->rank; i++)
		if (t->perm[i] != i)
			return false;
	return true;
}

/* Transpose by ${first}, then by ${second}. */
static struct rt_turn both(const struct rt_turn *first, const struct rt_turn *second)
{
	struct rt_turn t = {.rank = second->rank};
	for (int i = 0; i < t.rank; i++)
		t.perm[i] = first->perm[second->perm[i]];
	return t;
}

/* ---- values -----------------------------------------------------------------------------------
 */

/* Room for one more of ${size} bytes; false when there is no memory. */
static bool room(struct rt_layout *l, void **array, int count, int *cap, size_t size)
{
	int wanted = *cap ? *cap * 2 : 256;
	void *bigger;
	if (count < *cap)
		return true;
	while (wanted <= count)
		wanted *= 2;
	if (!(bigger = realloc(*array, (size_t)wanted * size))) {
		l->failed = true;
		return false;
	}
	memset((char *)bigger + (size_t)*cap * size, 0, (size_t)(wanted - *cap) * size);
	*array = bigger;
	*cap = wanted;
	return true;
}

struct rt_pass_layout_value *rt_pass_layout_value(struct rt_layout *l, int v)
{
	return &l->values[v];
}

/* A new value with its row; −1 when there is no memory. */
static int add_value(struct rt_layout *l, const char *name, enum rt_dtype dtype, int rank)
{
	void *array = l->values;
	int v;
	if (!room(l, &array, l->graph->value_count, &l->value_cap, sizeof *l->values))
		return -1;
	l->values = array;
	if ((v = rt_graph_add_value(l->graph, name, dtype)) < 0) {
		l->failed = true;
		return -1;
	}
	l->values[v] = (struct rt_pass_layout_value){.rank = rank};
	return v;
}

int rt_pass_layout_constant(struct rt_layout *l, const struct rt_tensor *t)
{
	int v = add_value(l, "", t->dtype, t->shape.rank);
	if (v < 0)
		return -1;
	l->graph->values[v].shape = t->shape;
	l->graph->values[v].is_constant = true;
	l->graph->values[v].constant = *t;
	return v;
}

int rt_pass_layout_rank(struct rt_layout *l, int v)
{
	const struct rt_value *value = &l->graph->values[v];
	if (value->is_constant)
		return value->constant.shape.rank;
	if (value->is_input) /* of a sub-graph's inputs nobody checks what the file declares */
		return l->graph->parent == NULL ? value->shape.rank : -1;
	return l->values[v].turn.rank ? l->values[v].turn.rank : l->values[v].rank;
}

/* A copy of constant ${v} with leading dims of 1 up to the turn's rank, transposed. */
static int turned_constant(struct rt_layout *l, int v, const struct rt_turn *turn)
{
	const struct rt_tensor own = l->graph->values[v].constant, *from = &own;
	const size_t size = rt_dtype_bits(from->dtype) / 8;
	const int added = turn->rank - from->shape.rank;
	struct rt_tensor to = {.dtype = from->dtype, .shape.rank = turn->rank};
	int64_t step[RT_RANK_MAX], at[RT_RANK_MAX] = {0}, elems, whole = 1;
	int made;
	for (int i = turn->rank - 1; i >= 0; i--) {
		step[i] = whole;
		whole *= i >= added ? from->shape.dims[i - added] : 1;
	}
	for (int i = 0; i < turn->rank; i++)
		to.shape.dims[i] =
		    turn->perm[i] >= added ? from->shape.dims[turn->perm[i] - added] : 1;
	elems = rt_tensor_elems(from);
	if (!(to.data = rt_graph_alloc(l->graph, (size_t)elems * size + 1)) ||
	    (made = rt_pass_layout_constant(l, &to)) < 0) {
		l->failed = true;
		return -1;
	}
	for (int64_t i = 0; i < elems; i++) {
		int64_t source = 0;
		for (int d = 0; d < turn->rank; d++)
			source += at[d] * step[turn->perm[d]];
		memcpy((char *)to.data + (size_t)i * size,
		       (const char *)from->data + (size_t)source * size, size);
		for (int d = turn->rank - 1; d >= 0 && ++at[d] == to.shape.dims[d]; d--)
			at[d] = 0;
	}
	return made;
}

/* A node that makes ${result} = Transpose(source, turn). */
static void add_transpose(struct rt_layout *l, int source, const struct rt_turn *turn, int result)
{
	int n = rt_graph_add_node(l->graph, RT_ONNX, "Transpose", 1, 1, 1);
	int64_t *perm = rt_graph_alloc(l->graph, RT_RANK_MAX * sizeof *perm);
	struct rt_node *node;
	if (n < 0 || !perm) {
		l->failed = true;
		return;
	}
	for (int i = 0; i < turn->rank; i++)
		perm[i] = turn->perm[i];
	node = &l->graph->nodes[n];
	node->in[0] = source;
	node->out[0] = result;
	node->attrs[0] = (struct rt_attr){
	    .name = "perm", .kind = RT_ATTR_INTS, .count = turn->rank, .ints = perm};
	l->graph->values[result].producer = n;
}

int rt_pass_layout_turned(struct rt_layout *l, int v, const struct rt_turn *turn)
{
	struct rt_turn t = *turn;
	int result;
	void *array;
	if (l->graph->values[v].is_constant)
		return turned_constant(l, v, turn);
	if (l->values[v].turn.rank) {
		t = both(&l->values[v].turn, turn);
		v = l->values[v].source;
	}
	if (is_identity(&t))
		return v;
	for (int i = 0; i < l->made_count; i++)
		if (l->made[i].source == v && rt_pass_layout_turns_equal(&l->made[i].turn, &t))
			return l->made[i].result;
	array = l->made;
	if (!room(l, &array, l->made_count, &l->made_cap, sizeof *l->made))
		return -1;
	l->made = array;
	result = add_value(l, l->graph->values[v].name, l->graph->values[v].dtype, t.rank);
	if (result < 0)
		return -1;
	add_transpose(l, v, &t, result);
	l->made[l->made_count++] = (struct rt_pass_layout_made){v, result, t};
	return result;
}

void rt_pass_layout_turn_output(struct rt_layout *l, int node, int k, const struct rt_turn *turn)
{
	int old = l->graph->nodes[node].out[k], made;
	if (old == RT_NO_VALUE)
		return;
	made = add_value(l, l->graph->values[old].name, l->graph->values[old].dtype, turn->rank);
	if (made < 0)
		return;
	l->graph->nodes[node].out[k] = made;
	l->graph->values[made].producer = node;
	l->graph->values[old].producer = -1;
	l->values[old].source = made;
	l->values[old].turn = *turn;
}

/* ---- the walk ---------------------------------------------------------------------------------
 */

static bool is_transpose(const struct rt_node *n)
{
	return n->domain == RT_ONNX && !strcmp(n->op_type, "Transpose");
}

/* A Transpose of the model: noted, and taken out. */
static bool take_up(struct rt_layout *l, int i)
{
	struct rt_node *n = &l->graph->nodes[i];
	struct rt_turn turn = {0};
	int64_t count;
	const int64_t *perm = rt_node_ints(n, "perm", &count);
	int v = n->in[0], out = n->out[0];
	bool seen[RT_RANK_MAX] = {false};
	if (!perm || count < 1 || count > RT_RANK_MAX || l->graph->values[v].is_constant ||
	    out == RT_NO_VALUE)
		return false;
	turn.rank = (int)count;
	for (int d = 0; d < turn.rank; d++) {
		if (perm[d] < 0 || perm[d] >= count || seen[perm[d]])
			return false;
		seen[perm[d]] = true;
		turn.perm[d] = (int)perm[d];
	}
	if (l->values[v].turn.rank) {
		if (l->values[v].turn.rank != turn.rank)
			return false;
		turn = both(&l->values[v].turn, &turn);
		v = l->values[v].source;
	}
	l->values[out].source = v;
	l->values[out].turn = turn;
	l->graph->values[out].producer = -1;
	n->dead = true;
	return true;
}

/* What is needed in the order of the model gets its Transpose. */
static void settle(struct rt_layout *l)
{
	const int values = l->graph->value_count;
	int *uses = calloc((size_t)values + 1, sizeof *uses);
	if (!uses) {
		l->failed = true;
		return;
	}
	rt_graph_count_uses(l->graph, uses);
	for (int v = 0; v < values && !l->failed; v++) {
		const struct rt_pass_layout_value as = l->values[v];
		if (!as.turn.rank || uses[v] == 0)
			continue;
		if (is_identity(&as.turn))
			rt_graph_replace_uses(l->graph, v, as.source);
		else
			add_transpose(l, as.source, &as.turn, v);
	}
	free(uses);
}

static int layout_graph(struct rt_graph *g, struct rt_error *err)
{
	struct rt_layout l = {.graph = g, .err = err, .keep = -1};
	const int nodes = g->node_count;
	void *array = NULL;
	int status;
	if (room(&l, &array, g->value_count, &l.value_cap, sizeof *l.values)) {
		l.values = array;
		for (int v = 0; v < g->value_count; v++)
			l.values[v].rank = -1;
		for (int i = 0; i < nodes && !l.failed; i++)
			if (i == l.keep || !is_transpose(&g->nodes[i]) || !take_up(&l, i))
				rt_pass_layout_apply(&l, i);
		if (!l.failed)
			settle(&l);
	}
	free(l.values);
	free(l.made);
	if (l.failed)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if ((status = rt_graph_sort(g, err)) == RT_OK)
		rt_graph_compact(g);
	return status;
}

int rt_pass_layout(struct rt_graph *g, struct rt_error *err)
{
	int status = layout_graph(g, err);
	return status < 0 ? status : rt_graph_resolve(g, err);
}
