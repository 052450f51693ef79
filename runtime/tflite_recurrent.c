/* SPDX-License-Identifier: MIT */
/*
 * tflite_recurrent.c — LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM and SVDF: nodes of the
 * larder domain with the operator's inputs in its order.  Every run begins with
 * the variables' first values.  Called through tflite.def.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/fixed.h"
#include "runtime/tflite_quant.h"

#define LSTM_INPUTS 24
#define BASIC_KERNEL 1 /* LSTMKernelType: four inputs and a state */

enum { X, W = 1, R = 5, PEEP = 9, B = 12, PROJ = 16, H = 18, C = 19, NORM = 20 };

static bool real_input(const struct rt_tflite_tensor *t)
{
	return t == NULL || t->dtype == RT_F32 || t->dtype == RT_F16;
}

/* Input ${k}: as it is, or the real numbers that weights of a float LSTM stand for. */
static int lstm_input(struct rt_tflite_op *o, int k, bool real)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, k);
	const int v = rt_tflite_value(o, k);

	if (t == NULL || !real || t->dtype == RT_F32)
		return v;
	if (rt_tflite_is_quantised(t))
		return rt_tflite_quant_dequantize(o, v, t);
	return rt_lower_cast(o->l, v, RT_F32);
}

/* The hidden state before it is projected has its numbers in the last of five tensors that only
 * the operator sees. */
static const struct rt_tflite_tensor *hidden(struct rt_tflite_op *o)
{
	const struct rt_flatbuf_vector v = rt_flatbuf_vector(&o->r->f, &o->table, 8, 4);
	const int64_t k = v.count >= 5 ? rt_flatbuf_int_at(&o->r->f, &v, 4) : -1;

	return k >= 0 && k < o->s->tensor_count ? &o->s->tensors[k] : rt_tflite_out(o, 0);
}

/* Bytes: multipliers to gates of 12 bits after the point, and of the hidden state. */
static bool set_numbers(struct rt_tflite_op *o, float clip)
{
	const struct rt_tflite_tensor *x = rt_tflite_in(o, X), *h = rt_tflite_in(o, H),
				      *c = rt_tflite_in(o, C), *y = hidden(o);
	int64_t mults[9] = {0}, shifts[9] = {0};
	int32_t mult;
	int shift, bits;

	for (int i = 0; i < 9; i++) {
		const struct rt_tflite_tensor *w =
		    i < 8 ? rt_tflite_in(o, (i < 4 ? W : R) + i % 4) : NULL;
		const float from = i < 4 ? x->scale[0] : h->scale[0];

		if (i < 8 && w == NULL)
			continue;
		if (i < 8)
			rt_fixed_split((double)(w->scale[0] * from / ldexpf(1, -12)), &mult,
				       &shift);
		else
			rt_fixed_split(ldexp(1, -30) / (double)y->scale[0], &mult, &shift);
		mults[i] = mult, shifts[i] = shift;
	}
	if (frexpf(c->scale[0], &bits) != 0.5f || bits < -14 || bits > -8)
		return false;
	rt_lower_set_ints(o->l, "mult", 9, mults);
	rt_lower_set_ints(o->l, "shift", 9, shifts);
	rt_lower_set_int(o->l, "x_zero", x->zero[0]);
	rt_lower_set_int(o->l, "h_zero", h->zero[0]);
	rt_lower_set_int(o->l, "y_zero", y->zero[0]);
	rt_lower_set_int(o->l, "cell_bits", bits - 1);
	rt_lower_set_int(o->l, "clip", clip > 0 ? (int64_t)fminf(32767, clip / c->scale[0]) : 0);
	return true;
}

/* What the form for bytes needs, and what it has not. */
static bool bytes_fit(struct rt_tflite_op *o)
{
	static const int need[] = {X, W + 1, W + 2, W + 3, R + 1, R + 2, R + 3, H, C};

	for (size_t i = 0; i < sizeof(need) / sizeof(*need); i++)
		if (rt_tflite_in(o, need[i])->scales != 1)
			return false;
	for (int k = PEEP; k < B; k++)
		if (rt_tflite_in(o, k) != NULL)
			return false;
	for (int k = NORM; k < LSTM_INPUTS; k++)
		if (rt_tflite_in(o, k) != NULL)
			return false;
	for (int k = W; k <= R; k += R - W)
		if (rt_tflite_in(o, k) != NULL && rt_tflite_in(o, k)->scales != 1)
			return false;
	return rt_tflite_in(o, PROJ) == NULL && rt_tflite_in(o, X)->dtype == RT_I8 &&
	       rt_tflite_in(o, C)->dtype == RT_I16 && rt_tflite_is_quantised(hidden(o)) &&
	       hidden(o)->scale[0] > 0 && rt_tflite_in(o, C)->scale[0] > 0;
}

void rt_tflite_lower_lstm(struct rt_tflite_op *o)
{
	static const int need[] = {X, W + 1, W + 2, W + 3, R + 1, R + 2, R + 3, H, C};
	const bool sequence = strcmp(o->row->op, "sequence") == 0;
	const float clip = rt_tflite_opt_float(o, 1, 0);
	int in[LSTM_INPUTS], v;
	bool real;

	if (!sequence && rt_tflite_opt_byte(o, 3, 0) == BASIC_KERNEL) {
		rt_tflite_lower_lstm_basic(o);
		return;
	}
	if (!rt_tflite_expects(o, 1))
		return;
	for (size_t i = 0; i < sizeof(need) / sizeof(*need); i++) {
		if (rt_tflite_in(o, need[i]) == NULL) {
			rt_tflite_refuse(o, "not without weights and states");
			return;
		}
	}
	real = real_input(rt_tflite_in(o, X));
	if (o->in_count > LSTM_INPUTS || rt_tflite_opt_byte(o, 0, 0) != RT_TFLITE_TANH ||
	    (!real && !bytes_fit(o))) {
		rt_tflite_refuse(o, "not with these extras on bytes, or not with tanh");
		return;
	}
	for (int k = 0; k < LSTM_INPUTS; k++)
		in[k] = lstm_input(o, k, real);
	v = rt_lower_node(o->l, RT_LARDER, "SequenceLSTM", LSTM_INPUTS, in, 1);
	rt_lower_set_float(o->l, "cell_clip", clip);
	rt_lower_set_float(o->l, "proj_clip", rt_tflite_opt_float(o, 2, 0));
	rt_lower_set_int(o->l, "time_major", sequence && rt_tflite_opt_byte(o, 3, 0) != 0);
	if (!real && !set_numbers(o, clip)) {
		(void)rt_lower_fail(o->l, RT_UNSUPPORTED,
				    "cells whose scale is no power of two from 2^-9 to 2^-15");
		return;
	}
	rt_tflite_give(o, 0, v);
}

/* ---- SVDF ------------------------------------------------------------------------------------ */

static void svdf_numbers(struct rt_tflite_op *o)
{
	const struct rt_tflite_tensor *x = rt_tflite_in(o, 0), *w = rt_tflite_in(o, 1),
				      *t = rt_tflite_in(o, 2), *m = rt_tflite_in(o, 4),
				      *y = rt_tflite_out(o, 0);
	int64_t mults[2], shifts[2];
	int32_t mult;
	int shift;

	rt_fixed_split((double)(x->scale[0] * w->scale[0] / m->scale[0]), &mult, &shift);
	mults[0] = mult, shifts[0] = shift;
	rt_fixed_split((double)(m->scale[0] * t->scale[0] / y->scale[0]), &mult, &shift);
	mults[1] = mult, shifts[1] = shift;
	rt_lower_set_ints(o->l, "mult", 2, mults);
	rt_lower_set_ints(o->l, "shift", 2, shifts);
	rt_lower_set_int(o->l, "x_zero", x->zero[0]);
	rt_lower_set_int(o->l, "m_zero", m->zero[0]);
	rt_lower_set_int(o->l, "y_zero", y->zero[0]);
	rt_lower_set_string(o->l, "to", "int8");
}

void rt_tflite_lower_svdf(struct rt_tflite_op *o)
{
	const int activation = rt_tflite_opt_byte(o, 1, 0);
	int in[5], v;
	bool real;

	if (!rt_tflite_expects(o, 3))
		return;
	real = real_input(rt_tflite_in(o, 0));
	for (int k = 0; k < 5; k++) {
		const struct rt_tflite_tensor *t = rt_tflite_in(o, k);

		if ((t == NULL && k != 3) ||
		    (!real && k != 3 &&
		     (!rt_tflite_is_quantised(t) || t->scales != 1 || !(t->scale[0] > 0)))) {
			rt_tflite_refuse(o, "not without its memory, or one scale for each");
			return;
		}
		in[k] = lstm_input(o, k, real);
	}
	if (rt_tflite_out(o, 0)->scales != 1 && !real) {
		rt_tflite_refuse(o, "not without one scale for each");
		return;
	}
	v = rt_lower_node(o->l, RT_LARDER, "SVDF", 5, in, 1);
	rt_lower_set_int(o->l, "rank", rt_tflite_opt_int(o, 0, 0));
	rt_lower_set_string(o->l, "activation",
			    activation == RT_TFLITE_RELU    ? "relu"
			    : activation == RT_TFLITE_RELU6 ? "relu6"
							    : "");
	if (!real)
		svdf_numbers(o);
	else if (activation > RT_TFLITE_RELU && activation != RT_TFLITE_RELU6)
		v = rt_tflite_activate(o, v, activation);
	rt_tflite_give(o, 0, v);
}
