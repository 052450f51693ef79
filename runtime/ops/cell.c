/* SPDX-License-Identifier: MIT */
/*
 * cell.c — one step of LSTM, GRU and RNN (ONNX operators LSTM, GRU, RNN),
 * called by recurrent.c for all sequences of a batch.  x is the projected
 * input of the step, biases included; · is a product of a row and a matrix.
 *
 *	LSTM	i = f(x_i + H·R_i + P_i⊙C)        o = f(x_o + H·R_o + P_o⊙C')
 *		t = f(x_f + H·R_f + P_f⊙C)        c = g(x_c + H·R_c)
 *		C' = t⊙C + i⊙c                    H' = o⊙h(C')
 *	GRU	z = f(x_z + H·R_z)                r = f(x_r + H·R_r)
 *		n = g(x_h + (r⊙H)·R_h + Rb_h), or with linear_before_reset
 *		n = g(x_h + r⊙(H·R_h + Rb_h))
 *		H' = (1 − z)⊙n + z⊙H
 *	RNN	H' = f(x + H·R)
 *
 * Gates lie in the ONNX order: LSTM i o f c, GRU z r h.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/recurrent.h"

static void lstm_row(const struct rt_step *s, float *gates, float *h, float *c, float *work)
{
	size_t H = s->hidden;
	float *i = gates, *o = gates + H, *f = gates + 2 * H, *n = gates + 3 * H;
	const float *p = s->peephole;

	for (size_t k = 0; p && k < H; k++) {
		i[k] += p[k] * c[k];
		f[k] += p[2 * H + k] * c[k];
	}
	if (p) {
		rt_recurrent_activate(s, 0, H, i);
		rt_recurrent_activate(s, 0, H, f);
	} else {
		rt_recurrent_activate(s, 0, 3 * H, i); /* i, o and f are neighbours */
	}
	rt_recurrent_activate(s, 1, H, n);
	for (size_t k = 0; s->state->input_forget && k < H; k++)
		f[k] = 1.0f - i[k];
	for (size_t k = 0; k < H; k++)
		c[k] = f[k] * c[k] + i[k] * n[k];
	if (p) {
		for (size_t k = 0; k < H; k++)
			o[k] += p[H + k] * c[k];
		rt_recurrent_activate(s, 0, H, o);
	}
	memcpy(work, c, H * sizeof(float));
	rt_recurrent_activate(s, 2, H, work);
	for (size_t k = 0; k < H; k++)
		h[k] = o[k] * work[k];
}

static void lstm_step(const struct rt_step *s)
{
	size_t H = s->hidden;

	rt_recurrent_product(s, 0, s->h, s->gx, s->ldgx, NULL, s->gates, 4 * H);
	for (size_t b = 0; b < s->batch; b++)
		if (s->live[b])
			lstm_row(s, s->gates + b * 4 * H, s->h + b * H, s->c + b * H, s->extra);
}

const struct rt_cell rt_cell_lstm = {
    .gates = 4,
    .split = 4,
    .functions = 3,
    .defaults = {"Sigmoid", "Tanh", "Tanh"},
    .outputs = 3,
    .initial_c = 6,
    .peephole = 7,
    .step = lstm_step,
};

/* ${n} is gates + 2·H: x_h on the way in, the new value on the way out. */
static void gru_step(const struct rt_step *s)
{
	size_t H = s->hidden;
	float *reset = s->extra, *product = s->extra + s->batch * H;

	rt_recurrent_product(s, 0, s->h, s->gx, s->ldgx, NULL, s->gates, 3 * H);
	for (size_t b = 0; b < s->batch; b++) {
		float *zr = s->gates + b * 3 * H, *h = s->h + b * H;
		if (!s->live[b]) /* the row of gx is stale: keep the arithmetic tame */
			memset(zr, 0, 2 * H * sizeof(float));
		rt_recurrent_activate(s, 0, 2 * H, zr);
		for (size_t k = 0; k < H; k++)
			reset[b * H + k] = zr[H + k] * h[k];
	}
	if (s->state->linear_before_reset)
		rt_recurrent_product(s, 1, s->h, NULL, 0, s->rb ? s->rb + 2 * H : NULL, product, H);
	else
		rt_recurrent_product(s, 1, reset, NULL, 0, NULL, product, H);
	for (size_t b = 0; b < s->batch; b++) {
		float *z = s->gates + b * 3 * H, *r = z + H, *n = z + 2 * H, *h = s->h + b * H;
		const float *xh = s->gx + b * s->ldgx + 2 * H, *q = product + b * H;
		bool before = s->state->linear_before_reset;
		if (!s->live[b])
			continue;
		for (size_t k = 0; k < H; k++)
			n[k] = xh[k] + (before ? r[k] * q[k] : q[k]);
		rt_recurrent_activate(s, 1, H, n);
		for (size_t k = 0; k < H; k++)
			h[k] = (1.0f - z[k]) * n[k] + z[k] * h[k];
	}
}

const struct rt_cell rt_cell_gru = {
    .gates = 3,
    .split = 2,
    .functions = 2,
    .defaults = {"Sigmoid", "Tanh"},
    .outputs = 2,
    .step = gru_step,
};

static void rnn_step(const struct rt_step *s)
{
	size_t H = s->hidden;

	rt_recurrent_product(s, 0, s->h, s->gx, s->ldgx, NULL, s->gates, H);
	for (size_t b = 0; b < s->batch; b++) {
		if (!s->live[b])
			continue;
		rt_recurrent_activate(s, 0, H, s->gates + b * H);
		memcpy(s->h + b * H, s->gates + b * H, H * sizeof(float));
	}
}

const struct rt_cell rt_cell_rnn = {
    .gates = 1,
    .split = 1,
    .functions = 1,
    .defaults = {"Tanh"},
    .outputs = 2,
    .step = rnn_step,
};

#define RECURRENT(cell, inputs, outputs)                                                           \
	const struct rt_op rt_op_##cell = {                                                        \
	    .in_min = 3,                                                                           \
	    .in_max = inputs,                                                                      \
	    .out_min = 0,                                                                          \
	    .out_max = outputs,                                                                    \
	    .state_bytes = sizeof(struct rt_recurrent),                                            \
	    .bind = rt_recurrent_bind_##cell,                                                      \
	    .infer = rt_recurrent_infer,                                                           \
	    .run = rt_recurrent_run,                                                               \
	}
RECURRENT(lstm, 8, 3);
RECURRENT(gru, 6, 2);
RECURRENT(rnn, 6, 2);
