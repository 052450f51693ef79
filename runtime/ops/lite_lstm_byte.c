/* SPDX-License-Identifier: MIT */
/*
 * lite_lstm_byte.c — SequenceLSTM on bytes, in fixed point: gates are int16 with 12
 * bits after the point, their functions have 15, cells are int16 times a power of
 * two.  Called by lite_lstm.c.
 *
 * The steps and roundings are those of the reference kernel of TensorFlow Lite.  The zero point of
 * the hidden state is taken off, not added: so does that kernel, and models were trained with it.
 */
#include <config.h>

#include <string.h>

#include "runtime/fixed.h"
#include "runtime/ops/fixed_curve.h"
#include "runtime/ops/lite_lstm.h"

int rt_lite_lstm_byte_bind(struct rt_bind *b, struct rt_lite_lstm *s, struct rt_error *err)
{
	int64_t count, shifts;
	const int64_t *mult = rt_node_ints(b->node, "mult", &count);
	const int64_t *shift = rt_node_ints(b->node, "shift", &shifts);

	if (count != 9 || shifts != 9)
		return rt_error_set(err, RT_MALFORMED, "not nine multipliers");
	for (int i = 0; i < 9; i++) {
		s->mult[i] = (int32_t)rt_fixed_clamp(mult[i], 0, INT32_MAX);
		s->shift[i] = (int32_t)rt_fixed_clamp(shift[i], -31, 30);
	}
	s->x_zero = (int32_t)rt_node_int(b->node, "x_zero", 0);
	s->h_zero = (int32_t)rt_node_int(b->node, "h_zero", 0);
	s->y_zero = (int32_t)rt_node_int(b->node, "y_zero", 0);
	s->clip = (int32_t)rt_fixed_clamp(rt_node_int(b->node, "clip", 0), 0, 32767);
	s->cell_bits = (int)rt_node_int(b->node, "cell_bits", -12);
	if (s->cell_bits < -15 || s->cell_bits > -9)
		return rt_error_set(err, RT_MALFORMED, "cells of 2^%d", s->cell_bits);
	return RT_OK;
}

/* y += scaled W · (x − zero) + bias, clamped to 16 bits. */
static void product(const int8_t *w, const int8_t *x, int32_t zero, const int32_t *bias,
		    int64_t rows, int64_t cols, int32_t mult, int shift, int16_t *y)
{
	for (int64_t i = 0; i < rows; i++) {
		uint32_t sum = bias != NULL ? (uint32_t)bias[i] : 0;

		for (int64_t k = 0; k < cols; k++)
			sum += (uint32_t)(w[i * cols + k] * (x[k] - zero));
		y[i] = (int16_t)rt_fixed_clamp((int64_t)rt_fixed_scale((int32_t)sum, mult, shift) +
						   y[i],
					       INT16_MIN, INT16_MAX);
	}
}

static void gate(const struct rt_run *r, int g, const int8_t *x, const int8_t *h, int16_t *y)
{
	const struct rt_lite_lstm *s = r->state;
	const struct rt_lite_lstm_shape *z = r->shape_state;

	memset(y, 0, (size_t)z->cells * sizeof(*y));
	product(r->in[LSTM_W + g].data, x, s->x_zero, r->in[LSTM_B + g].data, z->cells, z->depth,
		s->mult[g], s->shift[g], y);
	product(r->in[LSTM_R + g].data, h, s->h_zero, NULL, z->cells, z->outputs, s->mult[4 + g],
		s->shift[4 + g], y);
}

static void step(const struct rt_run *r, const int8_t *x, int8_t *h, int16_t *cell,
		 int16_t *const gates[4])
{
	const struct rt_lite_lstm *s = r->state;
	const struct rt_lite_lstm_shape *z = r->shape_state;
	const bool cifg = r->in[LSTM_W].data == NULL;
	const int whole = 15 + s->cell_bits; /* bits of a cell before the point */

	for (int g = cifg; g < 4; g++)
		gate(r, g, x, h, gates[g]);
	for (int64_t i = 0; i < z->cells; i++) {
		const int16_t f = rt_fixed_curve_sigmoid(gates[1][i]);
		const int16_t in =
		    cifg ? (int16_t)(32767 - f) : rt_fixed_curve_sigmoid(gates[0][i]);
		const int16_t g = rt_fixed_curve_tanh(gates[2][i], 3);
		int64_t c = rt_fixed_halve(f * cell[i], 15);
		int32_t y;

		c = rt_fixed_clamp(c + rt_fixed_halve(in * g, 30 + s->cell_bits), INT16_MIN,
				   INT16_MAX);
		if (s->clip > 0)
			c = rt_fixed_clamp(c, -s->clip, s->clip);
		cell[i] = (int16_t)c;
		y = rt_fixed_curve_sigmoid(gates[3][i]) * rt_fixed_curve_tanh((int16_t)c, whole);
		h[i] = (int8_t)rt_fixed_clamp(
		    (int64_t)rt_fixed_scale(y, s->mult[8], s->shift[8]) - s->y_zero, -128, 127);
	}
}

void rt_lite_lstm_byte_run(const struct rt_run *r)
{
	const struct rt_lite_lstm *s = r->state;
	const struct rt_lite_lstm_shape *z = r->shape_state;
	int16_t *room = r->scratch, *cell = room + 4 * z->cells;
	int16_t *const gates[4] = {room, room + z->cells, room + 2 * z->cells, room + 3 * z->cells};
	int8_t *h = (int8_t *)(cell + z->cells);

	for (int64_t b = 0; b < z->batch; b++) {
		memcpy(cell, (const int16_t *)r->in[LSTM_C].data + b * z->cells,
		       (size_t)z->cells * sizeof(*cell));
		memcpy(h, (const int8_t *)r->in[LSTM_H].data + b * z->outputs, (size_t)z->outputs);
		for (int64_t t = 0; t < z->steps; t++) {
			const int64_t at = rt_lite_lstm_at(s, z, b, t);

			step(r, (const int8_t *)r->in[LSTM_X].data + at * z->depth, h, cell, gates);
			memcpy((int8_t *)r->out[0].data + at * z->outputs, h, (size_t)z->outputs);
		}
	}
}
