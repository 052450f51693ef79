/* SPDX-License-Identifier: MIT */
/*
 * tfjs_layer_rnn.c — recurrent Keras layers, and wrappers.  Called by
 * tfjs_layers.c through tfjs_layers.def.
 *
 * Keras has [batch, time, features] and weights [in, gates · units]; ONNX has
 * [time, batch, features] and [1, gates · units, in].  The gates of LSTM are
 * i f c o there and i o f c here; those of GRU are z r h in both.
 */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "runtime/tfjs_layer.h"

/* ---- weights --------------------------------------------------------------------------------- */

/* [gates · units, …] with the gates in ONNX's order. */
static int gates(struct rt_lower *l, const char *op, int x)
{
	int y;

	if (op[0] != 'L')
		return x;
	y = rt_lower_node(l, RT_ONNX, "Split", 1, &x, 4);
	rt_lower_set_int(l, "axis", 0);
	rt_lower_set_int(l, "num_outputs", 4);
	if (l->status < 0)
		return RT_NO_VALUE;
	x = rt_lower_opn(l, "Concat", 4, (int[]){y, y + 3, y + 1, y + 2});
	rt_lower_set_int(l, "axis", 0);
	return x;
}

static int matrix(struct rt_lower *l, const char *op, int kernel)
{
	kernel = gates(l, op, rt_lower_transpose(l, kernel, 2, (int64_t[]){1, 0}));
	return rt_lower_unsqueeze(l, kernel, 1, (int64_t[]){0});
}

/* The input's and the recurrent bias, one after the other; the latter is 0 but for GRU's
 * reset_after, which has [2, 3 · units]. */
static int biases(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	int bias, none;

	if (!rt_tfjs_layer_bool(c, "use_bias", true))
		return RT_NO_VALUE;
	bias = rt_tfjs_layer_weight(c, "bias", false);
	if (rt_lower_rank(l, bias) == 2)
		return rt_lower_reshape(l, bias, 2, (int64_t[]){1, -1});
	none = rt_tfjs_layer_filled(c, rt_lower_dim(l, bias, 0), 0);
	bias = rt_lower_op2(l, "Concat", gates(l, c->to, bias), none);
	rt_lower_set_int(l, "axis", 0);
	return rt_lower_unsqueeze(l, bias, 1, (int64_t[]){0});
}

/* ONNX's name of an activation of a cell; NULL: it has none. */
static const char *function_of(const struct rt_tfjs_layer *c, const char *key,
			       const char *otherwise)
{
	static const struct {
		const char *keras, *onnx;
	} functions[] = {
	    {"tanh", "Tanh"}, {"sigmoid", "Sigmoid"},   {"hard_sigmoid", "HardSigmoid"},
	    {"relu", "Relu"}, {"linear", "Affine"},     {"hardSigmoid", "HardSigmoid"},
	    {"elu", "Elu"},   {"softsign", "Softsign"}, {"softplus", "Softplus"},
	};
	const struct rt_json *j = rt_tfjs_layer_get(c, key, NULL);

	if (j == NULL)
		return otherwise;
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		if (rt_json_equal(rt_tfjs_layer_act_name(j), functions[i].keras))
			return functions[i].onnx;
	}
	return NULL;
}

static bool set_functions(struct rt_tfjs_layer *c)
{
	const char *inner = function_of(c, "activation", "Tanh");
	/* what tfjs-layers takes when the file does not say */
	const char *gate = function_of(c, "recurrent_activation", "HardSigmoid");

	if (inner == NULL || gate == NULL)
		return false;
	if (c->to[0] == 'R')
		rt_lower_set_strings(c->l, "activations", 1, (const char *[]){inner});
	else
		rt_lower_set_strings(c->l, "activations", c->to[0] == 'L' ? 3 : 2,
				     (const char *[]){gate, inner, inner});
	return true;
}

/* ---- the layers ------------------------------------------------------------------------------ */

int rt_tfjs_layer_reversed(struct rt_lower *l, int x, int64_t axis)
{
	return rt_lower_opn(l, "Slice", 5,
			    (int[]){x, rt_lower_i64(l, -1), rt_lower_i64(l, INT64_MIN),
				    rt_lower_i64(l, axis), rt_lower_i64(l, -1)});
}

/* Initial states are inputs after the first: [batch, units] to [1, batch, units]. */
static int state_of(struct rt_tfjs_layer *c, int i)
{
	if (i >= c->in_count)
		return RT_NO_VALUE;
	return rt_lower_unsqueeze(c->l, c->in[i], 1, (int64_t[]){0});
}

static void give_states(struct rt_tfjs_layer *c, const struct rt_shape *s, int64_t units, int y)
{
	struct rt_shape state = {.rank = 2};

	state.dims[0] = s->dims[0];
	state.dims[1] = units;
	for (int i = 1; i < (c->to[0] == 'L' ? 3 : 2); i++)
		rt_tfjs_layer_give(c, rt_lower_squeeze(c->l, y + i, 1, (int64_t[]){0}), &state);
}

struct flags {
	bool sequences, state, backwards;
};

static struct flags read_flags(const struct rt_tfjs_layer *c)
{
	return (struct flags){.sequences = rt_tfjs_layer_bool(c, "return_sequences", false),
			      .state = rt_tfjs_layer_bool(c, "return_state", false),
			      .backwards = rt_tfjs_layer_bool(c, "go_backwards", false)};
}

/*
 * A step that is masked leaves the states as they are and gives the output of the
 * step before.  So the others are moved to the front, in order, and counted; the
 * output of a step is that of the last one so far that is not masked.
 */
struct steps {
	int so_far; /* int64[batch, time]: steps up to here that are not masked */
	int counts; /* int32[batch] */
};

/* Rows of ${x} [batch, time, …] by ${at} [batch, time]. */
static int rows(struct rt_lower *l, int x, int at)
{
	x = rt_lower_op2(l, "GatherND", x, rt_lower_unsqueeze(l, at, 1, (int64_t[]){-1}));
	rt_lower_set_int(l, "batch_dims", 1);
	return x;
}

/* ${x}: [batch, time, features] with the steps that count first. */
static int only_unmasked(struct rt_lower *l, int x, int mask, struct steps *ret_steps)
{
	int kept = rt_lower_cast(l, mask, RT_I64), all, order;

	ret_steps->so_far = rt_lower_op2(l, "CumSum", kept, rt_lower_scalar(l, RT_I64, 1));
	ret_steps->counts = rt_lower_op2(l, "ReduceSum", kept, rt_lower_i64(l, 1));
	rt_lower_set_int(l, "keepdims", 0);
	ret_steps->counts = rt_lower_cast(l, ret_steps->counts, RT_I32);
	all = rt_lower_op3(l, "Slice", rt_lower_op1(l, "Shape", mask), rt_lower_i64(l, 1),
			   rt_lower_i64(l, 2));
	/* of equal ones TopK has the earlier first */
	order =
	    rt_lower_node(l, RT_ONNX, "TopK", 2, (int[]){rt_lower_cast(l, kept, RT_F32), all}, 2);
	rt_lower_set_int(l, "axis", 1);
	return order == RT_NO_VALUE ? order : rows(l, x, order + 1);
}

/* ${y}: [batch, time, units] of the steps that count; ${last}: final states; ${first}: initial ones
 * or RT_NO_VALUE. */
static int back_in_place(struct rt_lower *l, int y, int last, int first, const struct steps *steps)
{
	if (first == RT_NO_VALUE)
		first =
		    rt_lower_op2(l, "Expand", rt_lower_f32(l, 0), rt_lower_op1(l, "Shape", last));
	y = rt_lower_op2(l, "Concat", rt_lower_unsqueeze(l, first, 1, (int64_t[]){1}), y);
	rt_lower_set_int(l, "axis", 1);
	return rows(l, y, steps->so_far);
}

/* c->to: LSTM, GRU or RNN; c->config: of the cell. */
static void run_cell(struct rt_tfjs_layer *c, struct flags flags)
{
	struct rt_lower *l = c->l;
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]), out;
	int in[7], y, x = c->in[0], recurrent, mask = c->mask, last;
	struct steps steps = {RT_NO_VALUE, RT_NO_VALUE};
	int64_t units;

	if (s.rank != 3 || rt_tfjs_layer_bool(c, "time_major", false)) {
		rt_tfjs_layer_missing(c, "of another rank than 3, or time_major");
		return;
	}
	recurrent = rt_tfjs_layer_weight(c, "recurrent_kernel", false);
	units = rt_lower_dim(l, recurrent, 0);
	if (flags.backwards)
		x = rt_tfjs_layer_reversed(l, x, 1);
	if (mask != RT_NO_VALUE && flags.backwards)
		mask = rt_tfjs_layer_reversed(l, mask, 1);
	if (mask != RT_NO_VALUE)
		x = only_unmasked(l, x, mask, &steps);
	in[0] = rt_lower_transpose(l, x, 3, (int64_t[]){1, 0, 2});
	in[1] = matrix(l, c->to, rt_tfjs_layer_weight(c, "kernel", false));
	in[2] = matrix(l, c->to, recurrent);
	in[3] = biases(c);
	in[4] = steps.counts;
	in[5] = state_of(c, 1);
	in[6] = c->to[0] == 'L' ? state_of(c, 2) : RT_NO_VALUE;
	y = rt_lower_node(l, RT_ONNX, c->to, c->to[0] == 'L' ? 7 : 6, in, c->to[0] == 'L' ? 3 : 2);
	rt_lower_set_int(l, "hidden_size", units);
	if (c->to[0] == 'G') /* also where the file does not say: by the bias */
		rt_lower_set_int(l, "linear_before_reset",
				 rt_tfjs_layer_bool(c, "reset_after", false));
	if (!set_functions(c)) {
		rt_tfjs_layer_missing(c, "with an activation that cells have not here");
		return;
	}
	if (l->status < 0)
		return;
	out = s;
	last = rt_lower_squeeze(l, y + 1, 1, (int64_t[]){0});
	if (flags.sequences) { /* [time, 1, batch, units] */
		x = rt_lower_squeeze(l, y, 1, (int64_t[]){1});
		x = rt_lower_transpose(l, x, 3, (int64_t[]){1, 0, 2});
		if (mask != RT_NO_VALUE)
			x = back_in_place(l, x, last, c->in_count > 1 ? c->in[1] : RT_NO_VALUE,
					  &steps);
		out.dims[2] = units;
	} else {
		x = last;
		c->out_mask = RT_NO_VALUE;
		out = (struct rt_shape){.rank = 2};
		out.dims[0] = s.dims[0];
		out.dims[1] = units;
	}
	rt_tfjs_layer_give(c, x, &out);
	if (flags.state)
		give_states(c, &s, units, y);
}

void rt_tfjs_layer_recurrent(struct rt_tfjs_layer *c)
{
	run_cell(c, read_flags(c));
}

/* The recurrent operator of a cell; NULL: it is one's own. */
static const char *cell_of(const struct rt_json *cell)
{
	const struct rt_json *j = rt_json_get(cell, "class_name");

	return rt_json_is(j, "LSTMCell")        ? "LSTM"
	       : rt_json_is(j, "GRUCell")       ? "GRU"
	       : rt_json_is(j, "SimpleRNNCell") ? "RNN"
						: NULL;
}

/* Part of the names of the weights of cell ${k} of several. */
static const char *cell_name(struct rt_tfjs_layer *c, const struct rt_json *cell, int k)
{
	struct rt_str own = rt_json_text(rt_json_get(rt_json_get(cell, "config"), "name"));
	char text[32];
	const char *path;

	(void)snprintf(text, sizeof(text), "RNNCell_%d", k);
	for (int i = 0; (path = rt_tfjs_weights_name(c->t, i)) != NULL; i++) {
		if (strstr(path, text) != NULL)
			return rt_lower_strdup(c->l, text, strlen(text));
	}
	return own.bytes != NULL ? rt_lower_strdup(c->l, own.bytes, own.size) : "";
}

/* One cell, or several on top of each other. */
void rt_tfjs_layer_cells(struct rt_tfjs_layer *c)
{
	const struct rt_json *cell = rt_tfjs_layer_get(c, "cell", NULL);
	const struct rt_json *cells = rt_tfjs_layer_get(c, "cells", NULL);
	struct flags flags = read_flags(c), last;
	struct rt_tfjs_layer each = *c;
	int v = c->in[0], k = 0;

	if (cells == NULL)
		cells = rt_json_get(rt_json_get(cell, "config"), "cells");
	if (cells != NULL)
		cell = rt_json_items(cells);
	if (cell == NULL || (cells != NULL && (flags.state || c->in_count > 1))) {
		rt_tfjs_layer_missing(c, "without cells, or with states of several");
		return;
	}
	for (; cell != NULL && c->l->status == RT_OK; cell = cells != NULL ? cell->next : NULL) {
		bool more = cells != NULL && cell->next != NULL;

		each.to = cell_of(cell);
		each.config = rt_json_get(cell, "config");
		each.inner = cells != NULL ? cell_name(c, cell, k++) : c->inner;
		each.in = cells != NULL ? &v : c->in;
		each.out_count = 0;
		if (each.to == NULL) {
			rt_tfjs_layer_missing(c, "of cells of one's own");
			return;
		}
		last = flags;
		last.sequences = more || flags.sequences;
		run_cell(&each, last);
		if (each.missing)
			break;
		v = each.out[0];
		each.mask = each.out_mask;
		flags.backwards = false; /* once is enough */
	}
	c->missing = each.missing;
	c->out_count = each.out_count;
	c->out_mask = each.out_mask;
	memcpy(c->out, each.out, sizeof(c->out));
}

/* ---- wrappers -------------------------------------------------------------------------------- */

/* What both directions give, put together. */
static int merged(struct rt_tfjs_layer *c, int a, int b, struct rt_shape *s)
{
	struct rt_lower *l = c->l;
	int y;

	if (rt_tfjs_layer_is(c, "merge_mode", "sum"))
		return rt_lower_op2(l, "Add", a, b);
	if (rt_tfjs_layer_is(c, "merge_mode", "mul"))
		return rt_lower_op2(l, "Mul", a, b);
	if (rt_tfjs_layer_is(c, "merge_mode", "ave"))
		return rt_lower_op2(l, "Mul", rt_lower_op2(l, "Add", a, b), rt_lower_f32(l, 0.5f));
	y = rt_lower_op2(l, "Concat", a, b);
	rt_lower_set_int(l, "axis", -1);
	if (s->rank > 0)
		s->dims[s->rank - 1] *= 2;
	return y;
}

void rt_tfjs_layer_bidirectional(struct rt_tfjs_layer *c)
{
	const struct rt_json *layer = rt_tfjs_layer_get(c, "layer", "forward_layer");
	const struct rt_json *config = rt_json_get(layer, "config");
	bool sequences = rt_json_bool(rt_json_get(config, "return_sequences"), false);
	struct rt_tfjs_layer ways[2];
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]);
	struct rt_lower *l = c->l;
	int back, back_mask;

	if (c->in_count != 1 || s.rank != 3 ||
	    rt_json_bool(rt_json_get(config, "return_state"), false) ||
	    rt_json_bool(rt_json_get(config, "go_backwards"), false)) {
		rt_tfjs_layer_missing(c, "with states, or backwards already");
		return;
	}
	back = rt_tfjs_layer_reversed(l, c->in[0], 1);
	rt_lower_shape(l, back, &s);
	back_mask = c->mask;
	if (back_mask != RT_NO_VALUE)
		back_mask = rt_tfjs_layer_reversed(l, back_mask, 1);
	rt_tfjs_layers_call(c->t, layer, c->name, "forward", 1, c->in, c->mask, c->depth + 1,
			    &ways[0]);
	rt_tfjs_layers_call(c->t, layer, c->name, "backward", 1, &back, back_mask, c->depth + 1,
			    &ways[1]);
	c->out_mask = ways[0].out_mask;
	if (l->status < 0 || ways[0].out_count < 1 || ways[1].out_count < 1)
		return;
	c->missing = ways[0].missing || ways[1].missing;
	s = rt_tfjs_layer_shape(c, ways[0].out[0]);
	back = sequences ? rt_tfjs_layer_reversed(l, ways[1].out[0], 1) : ways[1].out[0];
	if (rt_json_get(c->config, "merge_mode") != NULL &&
	    rt_tfjs_layer_get(c, "merge_mode", NULL) == NULL) { /* null: both */
		rt_tfjs_layer_give(c, ways[0].out[0], &s);
		rt_tfjs_layer_give(c, back, &s);
		return;
	}
	back = merged(c, ways[0].out[0], back, &s);
	rt_tfjs_layer_give(c, back, &s);
}

/* Elements from ${from} to ${to} of the shape of ${x}. */
static int sizes(struct rt_lower *l, int x, int64_t from, int64_t to)
{
	return rt_lower_op3(l, "Slice", rt_lower_op1(l, "Shape", x), rt_lower_i64(l, from),
			    rt_lower_i64(l, to));
}

static int shape_from(struct rt_lower *l, int a, int b)
{
	int y = rt_lower_op2(l, "Concat", a, b);

	rt_lower_set_int(l, "axis", 0);
	return y;
}

/* Whether the weights have names of the wrapper; else they have the layer's own. */
static bool owns_weights(const struct rt_tfjs_layer *c)
{
	size_t n = strlen(c->name);
	const char *path;

	for (int i = 0; (path = rt_tfjs_weights_name(c->t, i)) != NULL; i++) {
		if (strncmp(path, c->name, n) == 0 && path[n] == '/')
			return true;
	}
	return false;
}

/* Batch and time become one axis, and two again. */
void rt_tfjs_layer_distributed(struct rt_tfjs_layer *c)
{
	const struct rt_json *layer = rt_tfjs_layer_get(c, "layer", NULL);
	struct rt_str own = rt_json_text(rt_json_get(rt_json_get(layer, "config"), "name"));
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]), folded = {.rank = 1}, out;
	struct rt_lower *l = c->l;
	const char *name = c->name;
	struct rt_tfjs_layer each;
	int x;

	if (s.rank < 3 || c->in_count != 1) {
		rt_tfjs_layer_missing(c, "at this rank");
		return;
	}
	folded.dims[0] = -1;
	for (int i = 2; i < s.rank; i++)
		folded.dims[folded.rank++] = s.dims[i];
	x = shape_from(l, rt_lower_i64(l, -1), sizes(l, c->in[0], 2, INT64_MAX));
	x = rt_lower_op2(l, "Reshape", c->in[0], x);
	rt_lower_shape(l, x, &folded);
	if (!owns_weights(c) && own.bytes != NULL && own.size <= 512)
		name = rt_lower_strdup(l, own.bytes, own.size);
	rt_tfjs_layers_call(c->t, layer, name, "", 1, &x, RT_NO_VALUE, c->depth + 1, &each);
	if (l->status < 0 || each.out_count < 1)
		return;
	c->missing = each.missing;
	folded = rt_tfjs_layer_shape(c, each.out[0]);
	out = (struct rt_shape){.rank = folded.rank < 0 || folded.rank >= RT_RANK_MAX ? -1 : 2};
	out.dims[0] = s.dims[0];
	out.dims[1] = s.dims[1];
	for (int i = 1; out.rank >= 0 && i < folded.rank; i++)
		out.dims[out.rank++] = folded.dims[i];
	x = shape_from(l, sizes(l, c->in[0], 0, 2), sizes(l, each.out[0], 1, INT64_MAX));
	rt_tfjs_layer_give(c, rt_lower_op2(l, "Reshape", each.out[0], x), &out);
}
