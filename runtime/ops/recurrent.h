/* SPDX-License-Identifier: MIT */
/*
 * recurrent.h — what LSTM, GRU and RNN share: attributes, shapes, packed
 * weights, the walk over time.  recurrent.c does all of that and calls a cell
 * (lstm.c, gru.c, rnn.c) for one step.
 *
 * Shapes (ONNX, layout 0): X [S][B][I], W [D][G·H][I], R [D][G·H][H], bias
 * [D][2·G·H], sequence_lens [B], initial_h and initial_c [D][B][H], Y
 * [S][D][B][H], Y_h and Y_c [D][B][H].  Layout 1 has B first everywhere but in
 * the weights: X [B][S][I], Y [B][S][D][H], initial and last states [B][D][H].
 */
#ifndef LARDER_RUNTIME_OPS_RECURRENT_H
#define LARDER_RUNTIME_OPS_RECURRENT_H

#include "runtime/kernels/gemm.h"
#include "runtime/op.h"

#define RT_RECURRENT_FUNCTIONS 3 /* per direction: f, g, h of the ONNX text */

struct rt_activation {
	int unary; /* enum rt_unary */
	struct rt_unary_params p;
	float scale; /* of the result: ScaledTanh; 1 otherwise */
};

/* The packed weights of one direction, in parts that are multiplied at once. */
struct rt_recurrent_weights {
	float *w;    /* packed [I][G·H] */
	float *r[2]; /* packed [H][part columns]; the second NULL when there is one part */
	float *bias; /* [G·H]: Wb + Rb, but for columns whose Rb a cell adds itself */
};

struct rt_cell;

/* Node state. */
struct rt_recurrent {
	const struct rt_cell *cell;
	const struct rt_kernels *kernels;
	size_t hidden;
	int directions;
	bool reverse; /* direction 0 runs backwards */
	bool batch_first;
	bool input_forget, linear_before_reset;
	float clip; /* 0 = none */
	struct rt_activation act[2][RT_RECURRENT_FUNCTIONS];
	bool packed; /* W, R and B are constants: weights[] is filled */
	struct rt_recurrent_weights weights[2];
};

/* One step of one direction for all of the batch. */
struct rt_step {
	const struct rt_run *run;
	const struct rt_recurrent *state;
	const struct rt_activation *act; /* [RT_RECURRENT_FUNCTIONS] */
	const struct rt_recurrent_weights *weights;
	const float *rb;       /* [G·H] recurrence bias of this direction, or NULL */
	const float *peephole; /* [3·H], LSTM, or NULL */
	size_t batch, hidden;
	const float *gx; /* [B][G·H] projected input of this step, row stride ldgx */
	size_t ldgx;
	const bool *live; /* [B] false: this sequence has ended, leave its row alone */
	float *h, *c;     /* [B][H] states, updated */
	float *gates;     /* [B][G·H] to work in */
	float *extra;     /* [B][2·H] to work in */
	void *gemm_scratch;
};

struct rt_cell {
	int gates; /* G */
	int split; /* gates in the first part of R; the rest are the second part; = G for one part
		    */
	int functions;
	const char *defaults[RT_RECURRENT_FUNCTIONS];
	int outputs;             /* with Y_c: 3 */
	int initial_c, peephole; /* inputs; 0 = none */
	void (*step)(const struct rt_step *s);
};

rt_op_bind_f rt_recurrent_bind_lstm, rt_recurrent_bind_gru, rt_recurrent_bind_rnn;
rt_op_infer_f rt_recurrent_infer;
rt_op_run_f rt_recurrent_run;

/* In float64 (recurrent_f64.c): bytes of scratch, and all of a run; s->hidden is known, and
 * sequence_lens are within bounds. */
size_t rt_recurrent_f64_scratch(const struct rt_recurrent *s);
void rt_recurrent_f64_run(const struct rt_run *r, const struct rt_recurrent *s);

/* rt_recurrent_product(s, part, a, lda, residual, ld, bias, out, ldc): out = a · R_part
 * (+ bias + residual rows). */
void rt_recurrent_product(const struct rt_step *s, int part, const float *a, const float *residual,
			  size_t ld_residual, const float *bias, float *out, size_t ldc);
/* rt_recurrent_activate(s, which, n, x): x = act(clip(x)), in place. */
void rt_recurrent_activate(const struct rt_step *s, int which, size_t n, float *x);

extern const struct rt_cell rt_cell_lstm, rt_cell_gru, rt_cell_rnn;

#endif
