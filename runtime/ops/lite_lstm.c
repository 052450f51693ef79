/* SPDX-License-Identifier: MIT */
/*
 * lite_lstm.c — SequenceLSTM (larder domain, made by tflite_recurrent.c): an LSTM
 * over time as TensorFlow Lite has it, with inputs in its order (enum below).
 *
 *	gate = W·x + R·h (+ P ∘ c) (normalised, ∘ L) + B
 *	c' = clip(σ(f) ∘ c + σ(i) ∘ tanh(g));  h' = σ(o) ∘ tanh(c')  (projected, clipped)
 *
 * What ai.onnx has not is why: the cell is clipped, not the gates; the output may be projected;
 * gates may be normalised; i may be 1 − f.  Bytes: x and h int8, gates and cells
 * int16 in fixed point, without those extras (lite_lstm_byte.c).
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/lite_lstm.h"
#include "runtime/ops/ops.h"

static bool given(const struct rt_run *r, int i)
{
	return i < r->in_count && r->in[i].data != NULL;
}

static int lstm_bind(struct rt_bind *b, struct rt_error *err)
{
	struct rt_lite_lstm *s = b->state;
	const enum rt_dtype t = b->graph->values[b->node->in[LSTM_X]].dtype;

	s->time_major = rt_node_int(b->node, "time_major", 0) != 0;
	s->cell_clip = rt_node_float(b->node, "cell_clip", 0);
	s->proj_clip = rt_node_float(b->node, "proj_clip", 0);
	s->real = t == RT_F32;
	return s->real ? RT_OK : rt_lite_lstm_byte_bind(b, s, err);
}

/* Input ${i} is of type ${t} and shape [rows][cols]; cols −1: a vector. */
static bool fits(const struct rt_infer *f, int i, enum rt_dtype t, int64_t rows, int64_t cols,
		 bool needed)
{
	const struct rt_tensor *in = &f->in[i];

	if (i >= f->in_count || in->dtype == RT_NONE)
		return !needed;
	if (in->dtype != t || in->shape.rank != (cols < 0 ? 1 : 2) || in->shape.dims[0] != rows)
		return false;
	return cols < 0 || in->shape.dims[1] == cols;
}

static bool all_fit(const struct rt_infer *f, const struct rt_lite_lstm_shape *z, bool real)
{
	const enum rt_dtype w = real ? RT_F32 : RT_I8, b = real ? RT_F32 : RT_I32;
	const bool cifg = f->in[LSTM_W].dtype == RT_NONE;
	const bool projects = f->in_count > LSTM_PROJ && f->in[LSTM_PROJ].dtype != RT_NONE;
	bool ok = projects || z->outputs == z->cells;

	for (int g = 0; g < 4; g++) {
		const bool needed = g > 0 || !cifg;
		ok = ok && fits(f, LSTM_W + g, w, z->cells, z->depth, needed) &&
		     fits(f, LSTM_R + g, w, z->cells, z->outputs, needed) &&
		     fits(f, LSTM_B + g, b, z->cells, -1, needed) &&
		     fits(f, LSTM_NORM + g, RT_F32, z->cells, -1, false);
	}
	for (int p = 0; p < 3; p++)
		ok = ok && fits(f, LSTM_PEEP + p, RT_F32, z->cells, -1, false);
	ok = ok && fits(f, LSTM_PROJ, w, z->outputs, z->cells, false) &&
	     fits(f, LSTM_PROJ_BIAS, b, z->outputs, -1, false);
	return ok && fits(f, LSTM_H, real ? RT_F32 : RT_I8, z->batch, z->outputs, true) &&
	       fits(f, LSTM_C, real ? RT_F32 : RT_I16, z->batch, z->cells, true);
}

static int lstm_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_lite_lstm *s = f->state;
	const struct rt_shape *x = &f->in[LSTM_X].shape, *w = &f->in[LSTM_W + 3].shape,
			      *r = &f->in[LSTM_R + 3].shape;
	struct rt_lite_lstm_shape *z = rt_infer_alloc(f, sizeof(*z));
	size_t each;

	if (z == NULL)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (f->in_count <= LSTM_C || x->rank < 2 || x->rank > 3 || w->rank != 2 || r->rank != 2)
		return rt_error_set(err, RT_INPUT, "inputs that do not fit");
	z->depth = x->dims[x->rank - 1];
	z->batch = x->dims[x->rank == 3 && s->time_major];
	z->steps = x->rank == 3 ? x->dims[!s->time_major] : 1;
	z->cells = w->dims[0];
	z->outputs = r->dims[1];
	if (!all_fit(f, z, s->real))
		return rt_error_set(err, RT_INPUT, "weights or states that do not fit");
	f->out[0].shape = *x;
	f->out[0].shape.dims[x->rank - 1] = z->outputs;
	/* four gates, the cell, the hidden state before and after it is projected */
	if (__builtin_mul_overflow((size_t)z->cells, sizeof(float) * 6, &each) ||
	    __builtin_add_overflow(each, (size_t)z->outputs * sizeof(float), &each))
		return rt_error_set(err, RT_BUDGET, "too many cells");
	f->scratch_bytes = each + 64;
	f->shape_state = z;
	return RT_OK;
}

/* ---- floats ---------------------------------------------------------------------------------- */

struct real {
	const struct rt_run *r;
	const struct rt_lite_lstm *s;
	const struct rt_lite_lstm_shape *z;
	float *gate[4], *cell, *hidden,
	    *state; /* i f g o [cells]; hidden [cells]; state [outputs] */
};

static const float *floats(const struct rt_run *r, int i)
{
	return given(r, i) ? r->in[i].data : NULL;
}

static void add_product(const float *w, const float *x, int64_t rows, int64_t cols, float *y)
{
	for (int64_t i = 0; i < rows; i++) {
		float sum = 0;

		for (int64_t k = 0; k < cols; k++)
			sum += w[i * cols + k] * x[k];
		y[i] += sum;
	}
}

/* To mean 0 and variance 1; what does not vary stays near 0. */
static void normalise(float *y, int64_t n, const float *scale)
{
	float mean = 0, square = 0, inverse;

	for (int64_t i = 0; i < n; i++)
		mean += y[i];
	mean /= (float)n;
	for (int64_t i = 0; i < n; i++)
		square += (y[i] - mean) * (y[i] - mean);
	inverse = 1 / sqrtf(square / (float)n + 1e-8f);
	for (int64_t i = 0; i < n; i++)
		y[i] = (y[i] - mean) * inverse * scale[i];
}

/* Gate ${g} before its function; ${peep}: −1 = it does not look at the cell. */
static void gate(const struct real *a, int g, const float *x, int peep)
{
	const struct rt_run *r = a->r;
	const int64_t n = a->z->cells;
	const float *bias = floats(r, LSTM_B + g), *norm = floats(r, LSTM_NORM + g);
	const float *p = peep >= 0 ? floats(r, LSTM_PEEP + peep) : NULL;
	float *y = a->gate[g];

	memset(y, 0, (size_t)n * sizeof(*y));
	if (bias != NULL && norm == NULL)
		memcpy(y, bias, (size_t)n * sizeof(*y));
	add_product(r->in[LSTM_W + g].data, x, n, a->z->depth, y);
	add_product(r->in[LSTM_R + g].data, a->state, n, a->z->outputs, y);
	for (int64_t i = 0; p != NULL && i < n; i++)
		y[i] += p[i] * a->cell[i];
	if (norm == NULL)
		return;
	normalise(y, n, norm);
	for (int64_t i = 0; bias != NULL && i < n; i++)
		y[i] += bias[i];
}

static float sigmoid(float x)
{
	return 1 / (1 + expf(-x));
}

static float clipped(float x, float bound)
{
	return bound > 0 ? fmaxf(-bound, fminf(bound, x)) : x;
}

static void project(const struct real *a)
{
	const struct rt_run *r = a->r;
	const int64_t n = a->z->outputs;

	if (!given(r, LSTM_PROJ)) {
		memcpy(a->state, a->hidden, (size_t)n * sizeof(float));
		return;
	}
	memset(a->state, 0, (size_t)n * sizeof(float));
	if (given(r, LSTM_PROJ_BIAS))
		memcpy(a->state, r->in[LSTM_PROJ_BIAS].data, (size_t)n * sizeof(float));
	add_product(r->in[LSTM_PROJ].data, a->hidden, n, a->z->cells, a->state);
	for (int64_t i = 0; i < n; i++)
		a->state[i] = clipped(a->state[i], a->s->proj_clip);
}

static void real_step(const struct real *a, const float *x)
{
	const bool cifg = !given(a->r, LSTM_W);

	if (!cifg)
		gate(a, 0, x, 0);
	gate(a, 1, x, 1);
	gate(a, 2, x, -1);
	for (int64_t i = 0; i < a->z->cells; i++) {
		const float f = sigmoid(a->gate[1][i]);
		const float in = cifg ? 1 - f : sigmoid(a->gate[0][i]);

		a->cell[i] = clipped(f * a->cell[i] + in * tanhf(a->gate[2][i]), a->s->cell_clip);
	}
	gate(a, 3, x, 2);
	for (int64_t i = 0; i < a->z->cells; i++)
		a->hidden[i] = sigmoid(a->gate[3][i]) * tanhf(a->cell[i]);
	project(a);
}

static void real_run(const struct rt_run *r)
{
	const struct rt_lite_lstm_shape *z = r->shape_state;
	float *room = r->scratch;
	struct real a = {.r = r, .s = r->state, .z = z};

	for (int g = 0; g < 4; g++)
		a.gate[g] = room + g * z->cells;
	a.cell = room + 4 * z->cells;
	a.hidden = room + 5 * z->cells;
	a.state = room + 6 * z->cells;
	for (int64_t b = 0; b < z->batch; b++) {
		memcpy(a.cell, (const float *)r->in[LSTM_C].data + b * z->cells,
		       (size_t)z->cells * sizeof(float));
		memcpy(a.state, (const float *)r->in[LSTM_H].data + b * z->outputs,
		       (size_t)z->outputs * sizeof(float));
		for (int64_t t = 0; t < z->steps; t++) {
			const int64_t at = rt_lite_lstm_at(a.s, z, b, t);

			real_step(&a, (const float *)r->in[LSTM_X].data + at * z->depth);
			memcpy((float *)r->out[0].data + at * z->outputs, a.state,
			       (size_t)z->outputs * sizeof(float));
		}
	}
}

static void lstm_run(const struct rt_run *r)
{
	const struct rt_lite_lstm *s = r->state;

	if (s->real)
		real_run(r);
	else
		rt_lite_lstm_byte_run(r);
}

const struct rt_op rt_op_lite_lstm = {
    .in_min = 1,
    .in_max = 24,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct rt_lite_lstm),
    .bind = lstm_bind,
    .infer = lstm_infer,
    .run = lstm_run,
};
