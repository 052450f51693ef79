/* SPDX-License-Identifier: MIT */
/*
 * lite_lstm.h — what lite_lstm.c and lite_lstm_byte.c share.  Private to them.
 */
#ifndef LARDER_RUNTIME_OPS_LITE_LSTM_H
#define LARDER_RUNTIME_OPS_LITE_LSTM_H

#include "runtime/op.h"

/* Inputs; of four: input, forget, cell, output gate; of three: input, forget, output. */
enum {
	LSTM_X = 0,
	LSTM_W = 1,
	LSTM_R = 5,
	LSTM_PEEP = 9,
	LSTM_B = 12,
	LSTM_PROJ = 16,
	LSTM_PROJ_BIAS = 17,
	LSTM_H = 18,
	LSTM_C = 19,
	LSTM_NORM = 20,
};

struct rt_lite_lstm {
	bool time_major, real;
	float cell_clip, proj_clip; /* 0 = none */
	/* of bytes: multipliers of W and R by gate, of the hidden state */
	int32_t mult[9], shift[9];
	int32_t x_zero, h_zero, y_zero, clip; /* h: as it comes in; y: as it is made */
	int cell_bits;                        /* a cell is c · 2^cell_bits, < 0 */
};
struct rt_lite_lstm_shape {
	int64_t steps, batch, depth, cells, outputs;
};

/* rt_lite_lstm_at(s, z, b, t): which row of X and Y belongs to item ${b} at time ${t}. */
static inline int64_t rt_lite_lstm_at(const struct rt_lite_lstm *s,
				      const struct rt_lite_lstm_shape *z, int64_t b, int64_t t)
{
	return s->time_major ? t * z->batch + b : b * z->steps + t;
}

int rt_lite_lstm_byte_bind(struct rt_bind *b, struct rt_lite_lstm *s,
			   struct rt_error *err) RT_MUST_CHECK;
void rt_lite_lstm_byte_run(const struct rt_run *r);

#endif
