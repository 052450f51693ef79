/* SPDX-License-Identifier: MIT */
/*
 * tflite_sequence.c — recurrent layers without a kernel of their own: RNN and its
 * two forms over time are RNN of ai.onnx, both directions of an LSTM are two nodes
 * SequenceLSTM, the LSTM of four inputs is a product and its gates.  Of floats;
 * quantised weights are the real numbers that they stand for.  Every run begins
 * with the variables' first values.  Called through tflite.def.
 */
#include <config.h>

#include <stdint.h>
#include <string.h>

#include "runtime/tflite_quant.h"

/* Input ${k}, which is not there, or holds real numbers. */
static int real_value(struct rt_tflite_op *o, int k)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, k);
	const int v = rt_tflite_value(o, k);

	if (t == NULL || t->dtype == RT_F32)
		return v;
	return rt_tflite_is_quantised(t) ? rt_tflite_quant_dequantize(o, v, t)
					 : rt_lower_cast(o->l, v, RT_F32);
}

/* Floats in and out, and inputs ${need} are there; else the operator is refused. */
static bool fits(struct rt_tflite_op *o, const int *need, size_t count)
{
	const struct rt_tflite_tensor *x;

	if (!rt_tflite_expects(o, 1))
		return false;
	x = rt_tflite_in(o, 0);
	if (x->dtype != RT_F32 || rt_tflite_out(o, 0)->dtype != RT_F32) {
		rt_tflite_refuse(o, "not of bytes");
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (rt_tflite_in(o, need[i]) == NULL) {
			rt_tflite_refuse(o, "not without all of its weights and states");
			return false;
		}
	}
	return true;
}

static int joined(struct rt_lower *l, int a, int b, int64_t axis)
{
	const int v = rt_lower_op2(l, "Concat", a, b);

	rt_lower_set_int(l, "axis", axis);
	return v;
}

/* [batch][time][n] to [time][batch][n], or back. */
static int turned(struct rt_lower *l, int v)
{
	return rt_lower_transpose(l, v, 3, (int64_t[]){1, 0, 2});
}

/* ---- RNN ------------------------------------------------------------------------------------- */

/* h' = activation(W·x + R·h + b), once. */
void rt_tflite_lower_rnn(struct rt_tflite_op *o)
{
	static const int need[] = {1, 2, 3, 4};
	struct rt_lower *l = o->l;
	int v, h;

	if (!fits(o, need, 4))
		return;
	v = rt_lower_op3(l, "Gemm", rt_tflite_value(o, 0), real_value(o, 1), real_value(o, 3));
	rt_lower_set_int(l, "transB", 1);
	h = rt_lower_op2(l, "Gemm", real_value(o, 4), real_value(o, 2));
	rt_lower_set_int(l, "transB", 1);
	v = rt_lower_op2(l, "Add", v, h);
	rt_tflite_give(o, 0, rt_tflite_activate(o, v, rt_tflite_opt_byte(o, 0, 0)));
}

/* What RNN of ai.onnx calls an activation; NULL: it has none such. */
static const char *activation_name(int a)
{
	return a == RT_TFLITE_NONE   ? "Affine"
	       : a == RT_TFLITE_RELU ? "Relu"
	       : a == RT_TFLITE_TANH ? "Tanh"
				     : NULL;
}

/* One direction: inputs ${first} on are W [n][in], R [n][n], b [n], h [batch][n]. ${x} and what it
 * gives are [time][batch][…]; ${more} a value that W continues with, or RT_NO_VALUE. */
static int direction(struct rt_tflite_op *o, int x, int first, int more, const char *activation,
		     bool backwards)
{
	struct rt_lower *l = o->l;
	const int64_t front = 0;
	int w = real_value(o, first), b = real_value(o, first + 2), in[6], v;

	if (more != RT_NO_VALUE)
		w = joined(l, w, more, 1);
	b = joined(l, b, rt_lower_op2(l, "Sub", b, b), 0); /* a second bias, of zeros */
	in[0] = x;
	in[1] = rt_lower_unsqueeze(l, w, 1, &front);
	in[2] = rt_lower_unsqueeze(l, real_value(o, first + 1), 1, &front);
	in[3] = rt_lower_unsqueeze(l, b, 1, &front);
	in[4] = RT_NO_VALUE;
	in[5] = rt_lower_unsqueeze(l, real_value(o, first + 3), 1, &front);
	v = rt_lower_node(l, RT_ONNX, "RNN", 6, in, 1);
	rt_lower_set_strings(l, "activations", 1, &activation);
	if (strcmp(activation, "Affine") == 0)
		rt_lower_set_floats(l, "activation_alpha", 1, (float[]){1});
	rt_lower_set_string(l, "direction", backwards ? "reverse" : "forward");
	rt_lower_set_int(l, "hidden_size", rt_tflite_in(o, first + 1)->shape.dims[0]);
	return rt_lower_squeeze(l, v, 1, (int64_t[]){1});
}

/* The matrix R of a direction says how many cells there are. */
static bool cells_known(struct rt_tflite_op *o, int k)
{
	const struct rt_shape *r = &rt_tflite_in(o, k)->shape;

	if (r->rank == 2 && r->dims[0] > 0)
		return true;
	rt_tflite_refuse(o, "not with an unknown number of cells");
	return false;
}

void rt_tflite_lower_rnn_sequence(struct rt_tflite_op *o)
{
	static const int need[] = {1, 2, 3, 4};
	const bool major = rt_tflite_opt_byte(o, 0, 0) != 0;
	const char *activation = activation_name(rt_tflite_opt_byte(o, 1, 0));
	int v;

	if (!fits(o, need, 4) || !cells_known(o, 2))
		return;
	if (activation == NULL) {
		rt_tflite_refuse(o, "not with that activation");
		return;
	}
	v = rt_tflite_value(o, 0);
	v = direction(o, major ? v : turned(o->l, v), 1, RT_NO_VALUE, activation, false);
	rt_tflite_give(o, 0, major ? v : turned(o->l, v));
}

/* What two directions give: two outputs, or one after the other in one. */
static void give_both(struct rt_tflite_op *o, const int v[2], bool merge)
{
	if (merge) {
		rt_tflite_give(o, 0, joined(o->l, v[0], v[1], -1));
		return;
	}
	rt_tflite_give(o, 0, v[0]);
	rt_tflite_give(o, 1, v[1]);
}

/*
 * The inputs of both directions.  A second input (${aux}) with weights of its own is
 * more of the first one; without, it is what the way back looks at.
 */
static void both_inputs(struct rt_tflite_op *o, int aux, bool weighted, int x[2])
{
	x[0] = x[1] = rt_tflite_value(o, 0);
	if (rt_tflite_in(o, aux) == NULL)
		return;
	if (weighted)
		x[0] = x[1] = joined(o->l, x[0], rt_tflite_value(o, aux), -1);
	else
		x[1] = rt_tflite_value(o, aux);
}

void rt_tflite_lower_rnn_both(struct rt_tflite_op *o)
{
	enum { AUX = 9, AUX_W = 10 };
	static const int need[] = {1, 2, 3, 4, 5, 6, 7, 8};
	const bool major = rt_tflite_opt_byte(o, 0, 0) != 0;
	const bool merge = rt_tflite_opt_byte(o, 2, 0) != 0;
	const bool weighted = rt_tflite_in(o, AUX_W) != NULL && rt_tflite_in(o, AUX_W + 1) != NULL;
	const char *activation = activation_name(rt_tflite_opt_byte(o, 1, 0));
	int x[2], v[2];

	if (!fits(o, need, 8) || !cells_known(o, 2) || !cells_known(o, 6))
		return;
	if (activation == NULL) {
		rt_tflite_refuse(o, "not with that activation");
		return;
	}
	both_inputs(o, AUX, weighted, x);
	for (int k = 0; k < 2; k++) {
		v[k] = direction(o, major ? x[k] : turned(o->l, x[k]), 1 + 4 * k,
				 weighted ? real_value(o, AUX_W + k) : RT_NO_VALUE, activation,
				 k == 1);
		v[k] = major ? v[k] : turned(o->l, v[k]);
	}
	give_both(o, v, merge);
}

/* ---- LSTM ------------------------------------------------------------------------------------ */

/* The steps of ${v} backwards. */
static int reversed(struct rt_lower *l, int v, int64_t axis)
{
	const int in[5] = {v, rt_lower_i64(l, -1), rt_lower_i64(l, INT64_MIN + 1),
			   rt_lower_i64(l, axis), rt_lower_i64(l, -1)};

	return rt_lower_opn(l, "Slice", 5, in);
}

enum {
	LSTM_NODE_INPUTS = 24,
	LSTM_CELL = 17, /* inputs of a direction, in the order of the node, from its second on */
	LSTM_H = 35,
	LSTM_AUX = 39,
	LSTM_AUX_W = 40,
};

static int lstm_direction(struct rt_tflite_op *o, int k, int x, bool weighted)
{
	const bool major = rt_tflite_opt_byte(o, 4, 1) != 0;
	struct rt_lower *l = o->l;
	int in[LSTM_NODE_INPUTS], v;

	in[0] = k == 1 ? reversed(l, x, major ? 0 : 1) : x;
	for (int i = 0; i < LSTM_CELL; i++)
		in[1 + i] = real_value(o, 1 + LSTM_CELL * k + i);
	for (int g = 0; weighted && g < 4; g++) {
		if (in[1 + g] != RT_NO_VALUE)
			in[1 + g] = joined(l, in[1 + g], real_value(o, LSTM_AUX_W + 4 * k + g), 1);
	}
	in[18] = real_value(o, LSTM_H + 2 * k);
	in[19] = real_value(o, LSTM_H + 2 * k + 1);
	for (int i = 20; i < LSTM_NODE_INPUTS; i++)
		in[i] = RT_NO_VALUE;
	v = rt_lower_node(l, RT_LARDER, "SequenceLSTM", LSTM_NODE_INPUTS, in, 1);
	rt_lower_set_float(l, "cell_clip", rt_tflite_opt_float(o, 1, 0));
	rt_lower_set_float(l, "proj_clip", rt_tflite_opt_float(o, 2, 0));
	rt_lower_set_int(l, "time_major", major);
	return k == 1 ? reversed(l, v, major ? 0 : 1) : v;
}

/* All weights of a second input, or none. */
static bool all_weighted(const struct rt_tflite_op *o)
{
	for (int i = 0; i < 8; i++) {
		const int gate = 1 + LSTM_CELL * (i / 4) + i % 4;

		if (rt_tflite_in(o, gate) != NULL && rt_tflite_in(o, LSTM_AUX_W + i) == NULL)
			return false;
	}
	return true;
}

void rt_tflite_lower_lstm_both(struct rt_tflite_op *o)
{
	static const int need[] = {2, 3, 4, 6, 7, 8, 19, 20, 21, 23, 24, 25, 35, 36, 37, 38};
	const bool weighted = rt_tflite_in(o, LSTM_AUX) != NULL && all_weighted(o);
	int x[2], v[2];

	if (!fits(o, need, sizeof(need) / sizeof(*need)))
		return;
	if (rt_tflite_opt_byte(o, 0, 0) != RT_TFLITE_TANH) {
		rt_tflite_refuse(o, "not with another activation than tanh");
		return;
	}
	both_inputs(o, LSTM_AUX, weighted, x);
	for (int k = 0; k < 2; k++)
		v[k] = lstm_direction(o, k, x[k], weighted);
	give_both(o, v, rt_tflite_opt_byte(o, 3, 0) != 0);
}

/*
 * The LSTM of four inputs and a state: x, h, W [4n][in + n], b [4n], c; gates are
 * the input's, the new value, the one that forgets, the output's.
 */
void rt_tflite_lower_lstm_basic(struct rt_tflite_op *o)
{
	static const int need[] = {1, 2, 3, 4};
	struct rt_lower *l = o->l;
	int all, sums, gate, c, kept;

	if (!fits(o, need, 4))
		return;
	all = joined(l, rt_tflite_value(o, 0), rt_tflite_value(o, 1), 1);
	sums = rt_lower_op3(l, "Gemm", all, real_value(o, 2), real_value(o, 3));
	rt_lower_set_int(l, "transB", 1);
	gate = rt_lower_node(l, RT_ONNX, "Split", 1, &sums, 4);
	rt_lower_set_int(l, "axis", 1);
	rt_lower_set_int(l, "num_outputs", 4);
	kept = rt_lower_op2(l, "Mul", rt_lower_op1(l, "Sigmoid", gate + 2), rt_tflite_value(o, 4));
	c = rt_lower_op2(l, "Mul", rt_lower_op1(l, "Sigmoid", gate),
			 rt_lower_op1(l, "Tanh", gate + 1));
	c = rt_lower_op2(l, "Add", c, kept);
	rt_tflite_give(o, 0,
		       rt_lower_op2(l, "Mul", rt_lower_op1(l, "Sigmoid", gate + 3),
				    rt_lower_op1(l, "Tanh", c)));
	rt_tflite_give(o, 1, c);
	rt_tflite_give(o, 2, all);
	rt_tflite_give(o, 3, sums);
}
