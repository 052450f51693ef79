/* SPDX-License-Identifier: MIT */
/*
 * pass_layout_rules.c — what the layout pass does with each operator.
 *
 *	convert   Conv, pools, BatchNormalization → larder's, channels last
 *	sink      operators for which the order of the dims is a matter of an axis
 *	          attribute, of permuted constants, or of nothing: they work on the
 *	          sources of their transposed inputs
 *
 * A rule either changes the node wholly or not at all.  An operator without a rule
 * sees its inputs in the order of the model.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/pass_layout.h"
#include "runtime/pass_layout_axes.h"

/* The turn of input ${k}; rank 0 when it has none, or is in the order of the model. */
static struct rt_turn turn_of(struct rt_layout *l, int node, int k)
{
	const struct rt_node *n = &l->graph->nodes[node];
	struct rt_turn none = {0};
	if (k >= n->in_count || n->in[k] == RT_NO_VALUE)
		return none;
	return rt_pass_layout_value(l, n->in[k])->turn;
}

static const struct rt_tensor *constant_of(struct rt_layout *l, int node, int k)
{
	const struct rt_node *n = &l->graph->nodes[node];
	if (k >= n->in_count || n->in[k] == RT_NO_VALUE || !l->graph->values[n->in[k]].is_constant)
		return NULL;
	return &l->graph->values[n->in[k]].constant;
}

static bool is_f32(struct rt_layout *l, int node, int k)
{
	const struct rt_node *n = &l->graph->nodes[node];
	return k < n->in_count && n->in[k] != RT_NO_VALUE &&
	       l->graph->values[n->in[k]].dtype == RT_F32;
}

/* Input ${k} becomes Transpose(input, turn). */
static void turn_input(struct rt_layout *l, int node, int k, const struct rt_turn *turn)
{
	int v = rt_pass_layout_turned(l, l->graph->nodes[node].in[k], turn);
	if (v >= 0)
		l->graph->nodes[node].in[k] = v;
}

/* Input ${k} becomes the source of which it is the transpose. */
static void use_source(struct rt_layout *l, int node, int k)
{
	int v = l->graph->nodes[node].in[k];
	l->graph->nodes[node].in[k] = rt_pass_layout_value(l, v)->source;
}

static void make_larder(struct rt_layout *l, int node, const char *op_type)
{
	struct rt_node *n = &l->graph->nodes[node];
	n->domain = RT_LARDER;
	n->domain_name = rt_domain_name(RT_LARDER);
	n->op_type = op_type;
	n->opset = 1;
	n->op = NULL;
}

/* ---- convert ----------------------------------------------------------------------------------
 */

/* One dim-for-dim operator on [N][C][…] of ${rank} becomes larder's. */
static void convert(struct rt_layout *l, int node, const char *op_type, int rank)
{
	const struct rt_turn last = rt_pass_layout_to_last(rank),
			     first = rt_pass_layout_to_first(rank);
	turn_input(l, node, 0, &last);
	rt_pass_layout_turn_output(l, node, 0, &first);
	make_larder(l, node, op_type);
}

static void conv(struct rt_layout *l, int node)
{
	const struct rt_tensor *w = constant_of(l, node, 1);
	if (!w || !is_f32(l, node, 0) || w->dtype != RT_F32 ||
	    (w->shape.rank != 3 && w->shape.rank != 4) || rt_tensor_elems(w) == 0)
		return;
	/* a depthwise window has at most 32 rows (conv_depthwise.c) */
	if (w->shape.rank == 4 && w->shape.dims[1] == 1 && w->shape.dims[2] > 32)
		return;
	convert(l, node, "Conv", w->shape.rank);
}

/* Only where a channels-last tensor is at hand; a window has at most 64 rows (pool_nhwc.c). */
static void pool(struct rt_layout *l, int node)
{
	struct rt_node *n = &l->graph->nodes[node];
	const struct rt_turn t = turn_of(l, node, 0);
	int64_t count;
	const int64_t *kernel = rt_node_ints(n, "kernel_shape", &count);
	struct rt_turn first;
	if (!kernel || (count != 1 && count != 2) || kernel[0] > 64 || !is_f32(l, node, 0) ||
	    (n->out_count > 1 && n->out[1] != RT_NO_VALUE))
		return;
	first = rt_pass_layout_to_first((int)count + 2);
	if (!rt_pass_layout_turns_equal(&t, &first))
		return;
	n->out_count = 1;
	convert(l, node, n->op_type, t.rank);
}

/* Only what is channels last at hand. */
static void convert_if_last(struct rt_layout *l, int node, const char *op_type)
{
	const struct rt_turn t = turn_of(l, node, 0);
	struct rt_turn first;
	if (t.rank < 3 || !is_f32(l, node, 0))
		return;
	first = rt_pass_layout_to_first(t.rank);
	if (rt_pass_layout_turns_equal(&t, &first))
		convert(l, node, op_type, t.rank);
}

static void global_average(struct rt_layout *l, int node)
{
	convert_if_last(l, node, "GlobalAveragePool");
}

static void lrn(struct rt_layout *l, int node)
{
	convert_if_last(l, node, "LRN");
}

/* y = x·s + b per channel, with s = gamma / √(variance + epsilon), b = beta − mean·s. */
static void batch_norm(struct rt_layout *l, int node)
{
	struct rt_node *n = &l->graph->nodes[node];
	const float epsilon = rt_node_float(n, "epsilon", 1e-5f);
	const struct rt_turn t = turn_of(l, node, 0), first = rt_pass_layout_to_first(t.rank);
	const struct rt_tensor *p[5];
	struct rt_tensor s = {.dtype = RT_F32}, b;
	int values[2];
	float *data;
	if (t.rank < 3 || !rt_pass_layout_turns_equal(&t, &first) || !is_f32(l, node, 0) ||
	    rt_node_int(n, "training_mode", 0) != 0 || rt_node_int(n, "spatial", 1) != 1 ||
	    n->in_count != 5)
		return;
	for (int k = 1; k < n->out_count; k++)
		if (n->out[k] != RT_NO_VALUE)
			return;
	for (int k = 1; k < 5; k++) {
		p[k] = constant_of(l, node, k);
		if (!p[k] || p[k]->dtype != RT_F32 || p[k]->shape.rank != 1 ||
		    p[k]->shape.dims[0] != p[1]->shape.dims[0])
			return;
	}
	s.shape = p[1]->shape;
	b = s;
	data = rt_graph_alloc(l->graph, (size_t)s.shape.dims[0] * 2 * sizeof *data + 1);
	if (!data) {
		l->failed = true;
		return;
	}
	s.data = data;
	b.data = data + s.shape.dims[0];
	for (int64_t i = 0; i < s.shape.dims[0]; i++) {
		const float *gamma = p[1]->data, *beta = p[2]->data;
		const float *mean = p[3]->data, *variance = p[4]->data;
		double scale = (double)gamma[i] / sqrt((double)variance[i] + (double)epsilon);
		((float *)s.data)[i] = (float)scale;
		((float *)b.data)[i] = (float)((double)beta[i] - (double)mean[i] * scale);
	}
	values[0] = rt_pass_layout_constant(l, &s);
	values[1] = rt_pass_layout_constant(l, &b);
	if (l->failed || !rt_pass_layout_set_int(l, node, "rank", t.rank))
		return;
	n = &l->graph->nodes[node];
	n->in[1] = values[0];
	n->in[2] = values[1];
	n->in_count = 3;
	n->out_count = 1;
	convert(l, node, "ScaleShift", t.rank);
}

/* ---- sink: element by element ------------------------------------------------------------------
 */

static void turn_outputs(struct rt_layout *l, int node, const struct rt_turn *turn)
{
	for (int k = 0; k < l->graph->nodes[node].out_count; k++)
		rt_pass_layout_turn_output(l, node, k, turn);
}

static bool is_single(const struct rt_tensor *t)
{
	return t && rt_tensor_elems(t) == 1;
}

/* One operand; further inputs are parameters of one element, the same for all. */
static void unary(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node, 0);
	const struct rt_node *n = &l->graph->nodes[node];
	for (int k = 1; k < n->in_count; k++)
		if (n->in[k] != RT_NO_VALUE && !is_single(constant_of(l, node, k)))
			return;
	if (t.rank == 0)
		return;
	use_source(l, node, 0);
	turn_outputs(l, node, &t);
}

/* How input ${k} of a broadcasting operator goes with the turn ${t} of another. */
enum fit { FITS_NOT, FITS_AS_IT_IS, FITS_TURNED };

static enum fit fit_of(struct rt_layout *l, int node, int k, const struct rt_turn *t)
{
	const struct rt_node *n = &l->graph->nodes[node];
	const struct rt_tensor *c = constant_of(l, node, k);
	const struct rt_turn own = turn_of(l, node, k), first = rt_pass_layout_to_first(t->rank);
	if (c && c->shape.rank > t->rank)
		return FITS_NOT;
	if (c)
		return c->shape.rank == 0                                       ? FITS_AS_IT_IS
		       : rt_dtype_bits(c->dtype) % 8 == 0 && c->dtype != RT_STR ? FITS_TURNED
										: FITS_NOT;
	if (own.rank)
		return own.rank == t->rank ? FITS_TURNED : FITS_NOT;
	if (rt_pass_layout_rank(l, n->in[k]) == 0)
		return FITS_AS_IT_IS;
	/* A tensor in the order of the model: worth a Transpose between convolutions, where the
	 * result is wanted channels last. */
	if (t->rank >= 4 && rt_pass_layout_rank(l, n->in[k]) == t->rank &&
	    rt_pass_layout_turns_equal(t, &first))
		return FITS_TURNED;
	return FITS_NOT;
}

/* Operands that broadcast against each other. */
static void nary(struct rt_layout *l, int node)
{
	struct rt_turn t = {0}, inverse;
	enum fit fits[8];
	const int count = l->graph->nodes[node].in_count;
	if (count > 8)
		return;
	for (int k = 0; k < count; k++)
		if (turn_of(l, node, k).rank > t.rank)
			t = turn_of(l, node, k);
	for (int k = 0; k < count; k++)
		if (t.rank == 0 || l->graph->nodes[node].in[k] == RT_NO_VALUE ||
		    !(fits[k] = fit_of(l, node, k, &t)))
			return;
	inverse = rt_pass_layout_inverse(&t);
	for (int k = 0; k < count; k++)
		if (fits[k] == FITS_TURNED)
			turn_input(l, node, k, &inverse);
	turn_outputs(l, node, &t);
}

/* PRelu: the slope broadcasts to x and never the other way round. */
static void prelu(struct rt_layout *l, int node)
{
	if (turn_of(l, node, 0).rank && constant_of(l, node, 1))
		nary(l, node);
}

/* ---- sink: along an axis ------------------------------------------------------------------------
 */

static bool remap_axis(struct rt_layout *l, int node, const struct rt_turn *t, int64_t otherwise)
{
	int64_t axis = rt_node_int(&l->graph->nodes[node], "axis", otherwise);
	if (axis < 0)
		axis += t->rank;
	return axis >= 0 && axis < t->rank &&
	       rt_pass_layout_set_int(l, node, "axis", t->perm[axis]);
}

static void softmax(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node, 0);
	/* before opset 13 it flattens all dims from the axis on */
	if (t.rank == 0 || l->graph->nodes[node].opset < 13 || !remap_axis(l, node, &t, -1))
		return;
	use_source(l, node, 0);
	turn_outputs(l, node, &t);
}

static void split(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node, 0);
	if (t.rank == 0 || !remap_axis(l, node, &t, 0))
		return;
	use_source(l, node, 0);
	turn_outputs(l, node, &t);
}

static void concat(struct rt_layout *l, int node)
{
	struct rt_turn t = {0}, inverse;
	const int count = l->graph->nodes[node].in_count;
	for (int k = 0; k < count; k++)
		if (turn_of(l, node, k).rank > t.rank)
			t = turn_of(l, node, k);
	for (int k = 0; k < count; k++) {
		const struct rt_tensor *c = constant_of(l, node, k);
		if (t.rank == 0 || (c && c->shape.rank != t.rank) ||
		    fit_of(l, node, k, &t) != FITS_TURNED)
			return;
	}
	if (!remap_axis(l, node, &t, 1))
		return;
	inverse = rt_pass_layout_inverse(&t);
	for (int k = 0; k < count; k++)
		turn_input(l, node, k, &inverse);
	turn_outputs(l, node, &t);
}

/* The turn of what is left when the dims of ${gone} (in the order of the source) are taken out of
 * a tensor with turn ${t}; rank 0 when the rest is in the order of the model. */
static struct rt_turn without(const struct rt_turn *t, const bool *gone)
{
	struct rt_turn rest = {0};
	bool sorted = true;
	int place[RT_RANK_MAX], kept = 0;
	for (int i = 0; i < t->rank; i++)
		place[i] = gone[i] ? -1 : kept++;
	for (int i = 0; i < t->rank; i++) {
		if (place[t->perm[i]] < 0)
			continue;
		sorted = sorted && place[t->perm[i]] == rest.rank;
		rest.perm[rest.rank++] = place[t->perm[i]];
	}
	if (sorted)
		rest.rank = 0;
	return rest;
}

/* Dims ${axes} (of the model's order) are reduced to 1 or taken out. */
static void shrink(struct rt_layout *l, int node, const struct rt_turn *t, const int64_t *axes,
		   int count, bool keep)
{
	bool gone[RT_RANK_MAX] = {false};
	struct rt_turn rest = *t;
	for (int i = 0; i < count; i++)
		gone[t->perm[axes[i]]] = true;
	if (!keep)
		rest = without(t, gone);
	use_source(l, node, 0);
	if (rest.rank)
		turn_outputs(l, node, &rest);
}

static void reduce(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node, 0);
	const bool keep = rt_node_int(&l->graph->nodes[node], "keepdims", 1) != 0;
	int64_t axes[RT_RANK_MAX];
	const struct rt_turn first = rt_pass_layout_to_first(t.rank);
	int count;
	bool plane;
	if (t.rank == 0 || (count = rt_pass_layout_axes(l, node, 1, t.rank, axes)) <= 0)
		return;
	plane = keep && count == t.rank - 2 && t.rank >= 3;
	for (int i = 0; i < count; i++)
		plane = plane && axes[i] >= 2;
	if (plane && !strcmp(l->graph->nodes[node].op_type, "ReduceMean") &&
	    rt_pass_layout_turns_equal(&t, &first) && is_f32(l, node, 0)) {
		l->graph->nodes[node].in_count = 1;
		convert(l, node, "GlobalAveragePool", t.rank);
		return;
	}
	if (rt_pass_layout_remap_axes(l, node, 1, &t, axes, count))
		shrink(l, node, &t, axes, count, keep);
}

static void squeeze(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node, 0);
	int64_t axes[RT_RANK_MAX];
	int count;
	if (t.rank == 0 || (count = rt_pass_layout_axes(l, node, 1, t.rank, axes)) <= 0)
		return;
	if (rt_pass_layout_remap_axes(l, node, 1, &t, axes, count))
		shrink(l, node, &t, axes, count, false);
}

static void arg_extreme(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node, 0);
	const bool keep = rt_node_int(&l->graph->nodes[node], "keepdims", 1) != 0;
	int64_t axis = rt_node_int(&l->graph->nodes[node], "axis", 0);
	if (axis < 0)
		axis += t.rank;
	if (t.rank == 0 || !remap_axis(l, node, &t, 0))
		return;
	shrink(l, node, &t, &axis, 1, keep);
}

static void slice(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node, 0);
	if (t.rank == 0 || !rt_pass_layout_remap_slice(l, node, &t))
		return;
	use_source(l, node, 0);
	turn_outputs(l, node, &t);
}

static void pad(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node, 0);
	if (t.rank == 0 || !rt_pass_layout_remap_pads(l, node, &t))
		return;
	use_source(l, node, 0);
	turn_outputs(l, node, &t);
}

static void resize(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node, 0);
	if (t.rank == 0 || !rt_pass_layout_remap_scales(l, node, &t))
		return;
	use_source(l, node, 0);
	turn_outputs(l, node, &t);
}

/* The one node that reads output 0 of ${node}; −1 when there are more or none. */
static int only_reader(struct rt_layout *l, int node)
{
	const struct rt_graph *g = l->graph;
	const int v = g->nodes[node].out[0];
	if (rt_graph_use_count(g, v) != 1)
		return -1;
	for (int i = node + 1; i < g->node_count; i++)
		for (int k = 0; k < g->nodes[i].in_count; k++)
			if (g->nodes[i].in[k] == v && !g->nodes[i].dead)
				return i;
	return -1;
}

/* The constant shape of a Reshape: its length, or −1. */
static int new_shape(struct rt_layout *l, int node, int64_t *dims)
{
	const struct rt_node *n = &l->graph->nodes[node];
	const struct rt_tensor *t = constant_of(l, node, 1);
	int count;
	return n->domain == RT_ONNX && !strcmp(n->op_type, "Reshape") && t &&
		       rt_op_ints(t, dims, RT_RANK_MAX, &count)
		   ? count
		   : -1;
}

static bool set_shape(struct rt_layout *l, int node, int rank, const int64_t *dims)
{
	struct rt_tensor t = {.dtype = RT_I64, .shape = rt_shape_of(1, (int64_t)rank)};
	int v;
	t.data = rt_graph_alloc(l->graph, sizeof *dims * (size_t)rank);
	if (!t.data || (v = rt_pass_layout_constant(l, &t)) < 0) {
		l->failed = true;
		return false;
	}
	memcpy(t.data, dims, sizeof *dims * (size_t)rank);
	l->graph->nodes[node].in[1] = v;
	return true;
}

/*
 * Channel shuffle: Reshape to [N][G][C/G][H][W], Transpose 0 2 1 3 4, Reshape back
 * to [N][C][H][W].  Channels last: [N][H][W][G][C/G], 0 1 2 4 3, [N][H][W][C].
 */
static void shuffle(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node, 0), first = rt_pass_layout_to_first(4);
	const int64_t want[5] = {0, 2, 1, 3, 4};
	int64_t split[RT_RANK_MAX], whole[RT_RANK_MAX], have, *perm;
	const int64_t *p;
	int turn, back;
	if (!rt_pass_layout_turns_equal(&t, &first) || new_shape(l, node, split) != 5 ||
	    (turn = only_reader(l, node)) < 0 || l->graph->nodes[turn].domain != RT_ONNX ||
	    strcmp(l->graph->nodes[turn].op_type, "Transpose") != 0 ||
	    !(p = rt_node_ints(&l->graph->nodes[turn], "perm", &have)) || have != 5 ||
	    memcmp(p, want, sizeof want) != 0 || (back = only_reader(l, turn)) < 0 ||
	    new_shape(l, back, whole) != 4)
		return;
	/* all but the batch must be plain numbers that match */
	for (int i = 1; i < 5; i++)
		if (split[i] < 1 || split[i] > INT32_MAX)
			return;
	if (whole[0] != split[0] || split[0] == 0 || whole[1] != split[1] * split[2] ||
	    whole[2] != split[3] || whole[3] != split[4])
		return;
	if (!(perm = rt_graph_alloc(l->graph, 5 * sizeof *perm)) ||
	    !set_shape(l, node, 5, (int64_t[]){split[0], split[3], split[4], split[1], split[2]}) ||
	    !set_shape(l, back, 4, (int64_t[]){whole[0], whole[2], whole[3], whole[1]})) {
		l->failed = true;
		return;
	}
	memcpy(perm, (int64_t[]){0, 1, 2, 4, 3}, 5 * sizeof *perm);
	for (int i = 0; i < l->graph->nodes[turn].attr_count; i++)
		if (!strcmp(l->graph->nodes[turn].attrs[i].name, "perm"))
			l->graph->nodes[turn].attrs[i].ints = perm;
	use_source(l, node, 0);
	rt_pass_layout_turn_output(l, back, 0, &first);
	l->keep = turn;
}

/* ---- the table ----------------------------------------------------------------------------------
 */

/* Only the bytes follow the order of the operand, not their numbers. */
static void dynamic_quantize(struct rt_layout *l, int node)
{
	const struct rt_turn t = turn_of(l, node, 0);
	if (t.rank == 0)
		return;
	use_source(l, node, 0);
	rt_pass_layout_turn_output(l, node, 0, &t);
}

static const struct {
	const char *op_type;
	void (*apply)(struct rt_layout *l, int node);
	bool any; /* of any domain, else ONNX */
} rules[] = {
#define RULE(op_type, rule) {#op_type, rule, false},
#define ANY_RULE(op_type, rule) {#op_type, rule, true},
#include "runtime/pass_layout.def"
#undef ANY_RULE
#undef RULE
};

/* What is certain of the ranks of the outputs, from what is certain of the inputs. */
static void note_rank(struct rt_layout *l, int node, bool element_wise)
{
	const struct rt_node *n = &l->graph->nodes[node];
	const struct rt_tensor *w = constant_of(l, node, 1);
	int rank = -1, most = -1;
	bool all = true;
	for (int k = 0; k < n->in_count; k++) {
		int r = n->in[k] == RT_NO_VALUE ? 0 : rt_pass_layout_rank(l, n->in[k]);
		all = all && r >= 0;
		most = r > most ? r : most;
	}
	if (element_wise && all)
		rank = most;
	else if (!strcmp(n->op_type, "Reshape") && w && w->dtype == RT_I64 && w->shape.rank == 1)
		rank = (int)w->shape.dims[0];
	else if (!strcmp(n->op_type, "Conv") && w)
		rank = w->shape.rank;
	for (int k = 0; k < n->out_count && n->domain == RT_ONNX; k++)
		if (n->out[k] != RT_NO_VALUE && rank >= 0 && rank <= RT_RANK_MAX)
			rt_pass_layout_value(l, n->out[k])->rank = rank;
}

void rt_pass_layout_apply(struct rt_layout *l, int node)
{
	const struct rt_node *n = &l->graph->nodes[node];
	if (n->in_count < 1 || n->in[0] == RT_NO_VALUE)
		return;
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		if (strcmp(rules[i].op_type, n->op_type) != 0 ||
		    (n->domain != RT_ONNX && !rules[i].any))
			continue;
		note_rank(l, node, rules[i].apply == unary || rules[i].apply == nary);
		rules[i].apply(l, node);
		return;
	}
	note_rank(l, node, false);
}
