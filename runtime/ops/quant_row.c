/* SPDX-License-Identifier: MIT */
/*
 * quant_row.c — quantised tensors over rows and windows (larder domain, made by
 * tflite_quant_row.c and _conv.c):
 *
 *	QuantSoftmax      along the last dimension, by a table of exponentials
 *	QuantAveragePool  channels last; the sum over the taps that are inside ÷ their number,
 *	                  halves away from zero
 *	QuantReduce       Σ (x − x_zero) over axes, times mult, ÷ the number for a mean
 *	QuantizeRows      float32 → int8 with a scale per row: the largest |x| is 127
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/quant_result.h"
#include "runtime/ops/quant_softmax16.h"
#include "runtime/ops/spatial.h"
#include "runtime/ops/walk.h"

/* ---- QuantSoftmax ---------------------------------------------------------------------------- */

struct softmax {
	struct rt_quant_result y;
	float y_scale;
	double x_scale;
	float table[256];               /* exp(−x_scale · i) */
	struct rt_quant_softmax16 wide; /* of int16 */
};

struct rows {
	const struct rt_run *r;
	int64_t n; /* elements of a row */
};

static int softmax_bind(struct rt_bind *b, struct rt_error *err)
{
	struct softmax *s = b->state;
	int rc = rt_quant_result_read(b, &s->y, err);

	s->y_scale = rt_node_float(b->node, "y_scale", 1);
	s->x_scale = (double)rt_node_float(b->node, "x_scale", 1);
	for (int i = 0; i < 256; i++)
		s->table[i] = expf((float)(-s->x_scale * i));
	rt_quant_softmax16_init(&s->wide, (float)s->x_scale);
	return rc;
}

static void softmax_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rows *w = arg;
	const struct softmax *s = w->r->state;
	const struct rt_tensor *x = &w->r->in[0];

	(void)thread;
	for (int64_t row = (int64_t)begin; row < (int64_t)end; row++) {
		const int64_t from = row * w->n, to = from + w->n;
		int32_t most = INT32_MIN;
		float sum = 0;

		if (x->dtype == RT_I16) {
			rt_quant_softmax16_row(&s->wide, w->n, (const int16_t *)x->data + from,
					       (int16_t *)w->r->out[0].data + from);
			continue;
		}
		for (int64_t i = from; i < to; i++) {
			const int32_t v = rt_quant_result_get(x->dtype, x->data, i);
			most = v > most ? v : most;
		}
		for (int64_t i = from; i < to; i++)
			sum += s->table[most - rt_quant_result_get(x->dtype, x->data, i)];
		sum = 1.0f / (sum * s->y_scale);
		for (int64_t i = from; i < to; i++) {
			const int32_t v = rt_quant_result_get(x->dtype, x->data, i);
			const float p = s->table[most - v] * sum;

			rt_quant_result_put(
			    s->y.type, w->r->out[0].data, i,
			    rt_fixed_clamp((int64_t)rintf(p < 2e9f ? p : 2e9f) + s->y.zero, s->y.lo,
					   s->y.hi));
		}
	}
}

static void softmax_run(const struct rt_run *r)
{
	const struct rt_shape *s = &r->in[0].shape;
	struct rows w = {r, s->rank > 0 ? s->dims[s->rank - 1] : 1};

	if (w.n > 0)
		rt_team_for(r->team, (size_t)(rt_tensor_elems(&r->in[0]) / w.n),
			    rt_walk_grain(w.n * 4), softmax_range, &w);
}

const struct rt_op rt_op_quant_softmax = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct softmax),
    .type = rt_quant_result_type,
    .bind = softmax_bind,
    .infer = rt_op_infer_same,
    .run = softmax_run,
};

/* ---- QuantAveragePool ------------------------------------------------------------------------ */

#define POOL_LANES 64 /* channels at a time */

struct pool {
	int32_t lo, hi;
};

static int pool_bind(struct rt_bind *b, struct rt_error *err)
{
	struct pool *p = b->state;

	(void)err;
	p->lo =
	    (int32_t)rt_fixed_clamp(rt_node_int(b->node, "lo", INT32_MIN), INT32_MIN, INT32_MAX);
	p->hi =
	    (int32_t)rt_fixed_clamp(rt_node_int(b->node, "hi", INT32_MAX), INT32_MIN, INT32_MAX);
	return RT_OK;
}

static int pool_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	struct rt_spatial *s = rt_infer_alloc(f, sizeof(*s));
	int rc;

	if (s == NULL)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (x->rank != 4)
		return rt_error_set(err, RT_INPUT, "input of rank %d", x->rank);
	rc = rt_spatial_infer(f->node, 2, x->dims + 1, NULL, s, err);
	f->out[0].shape = rt_shape_of(4, x->dims[0], s->out[1], s->out[2], x->dims[3]);
	f->shape_state = s;
	return rc;
}

static int64_t away(int64_t sum, int64_t n)
{
	return sum > 0 ? (sum + n / 2) / n : (sum - n / 2) / n;
}

static void add_i8(int64_t n, const int8_t *x, int32_t *sum)
{
	for (int64_t i = 0; i < n; i++)
		sum[i] += x[i];
}

static void add_u8(int64_t n, const uint8_t *x, int32_t *sum)
{
	for (int64_t i = 0; i < n; i++)
		sum[i] += x[i];
}

/* ${n} ≤ POOL_LANES channels of a pixel: ${rows} by ${cols} taps from element ${from} on, to
 * element ${to}.  Of int16 sums might leave 32 bits, so these are 64. */
static void pool_block(const struct rt_run *r, int64_t from, int64_t rows, int64_t cols, int64_t to,
		       int64_t n)
{
	const struct pool *p = r->state;
	const int64_t *dims = r->in[0].shape.dims, taps = rows * cols;
	const enum rt_dtype t = r->in[0].dtype;
	int32_t sum[POOL_LANES] = {0};
	int64_t wide[POOL_LANES] = {0};

	for (int64_t k = 0; k < taps; k++) {
		const int64_t at = from + (k / cols * dims[2] + k % cols) * dims[3];

		if (t == RT_I8)
			add_i8(n, (const int8_t *)r->in[0].data + at, sum);
		else if (t == RT_U8)
			add_u8(n, (const uint8_t *)r->in[0].data + at, sum);
		for (int64_t i = 0; t == RT_I16 && i < n; i++)
			wide[i] += ((const int16_t *)r->in[0].data)[at + i];
	}
	for (int64_t i = 0; i < n; i++) {
		const int64_t all = t == RT_I16 ? wide[i] : sum[i];

		rt_quant_result_put(t, r->out[0].data, to + i,
				    taps == 0 ? p->lo
					      : rt_fixed_clamp(away(all, taps), p->lo, p->hi));
	}
}

/* Output pixels of all images, one after the other. */
static void pool_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct rt_spatial *s = r->shape_state;
	const int64_t channels = r->in[0].shape.dims[3];
	int64_t h0, w0, rows, cols;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		const int64_t ow = i % s->out[2], oh = i / s->out[2] % s->out[1],
			      n = i / s->out[2] / s->out[1];

		rt_spatial_taps(s, 1, oh, &h0, &rows);
		rt_spatial_taps(s, 2, ow, &w0, &cols);
		h0 += oh * s->stride[1] - s->begin[1];
		w0 += ow * s->stride[2] - s->begin[2];
		for (int64_t c = 0; c < channels; c += POOL_LANES)
			pool_block(r, ((n * s->in[1] + h0) * s->in[2] + w0) * channels + c, rows,
				   cols, i * channels + c,
				   channels - c < POOL_LANES ? channels - c : POOL_LANES);
	}
}

static void pool_run(const struct rt_run *r)
{
	const struct rt_spatial *s = r->shape_state;
	const int64_t channels = r->in[0].shape.dims[3];

	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)(rt_tensor_elems(&r->out[0]) / channels),
			    rt_walk_grain(channels * s->kernel[1] * s->kernel[2]), pool_range,
			    (void *)(uintptr_t)r);
}

const struct rt_op rt_op_quant_average_pool = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct pool),
    .bind = pool_bind,
    .infer = pool_infer,
    .run = pool_run,
};

/* ---- QuantReduce ----------------------------------------------------------------------------- */

struct reduce {
	struct rt_quant_result y;
	int32_t x_zero, mult, shift;
	bool mean, keep;
};

struct reduce_shape {
	int64_t count;                                       /* elements of a sum */
	int64_t dims[2][RT_RANK_MAX], steps[2][RT_RANK_MAX]; /* of results; of what is summed */
	int ranks[2];
};

static int reduce_bind(struct rt_bind *b, struct rt_error *err)
{
	struct reduce *s = b->state;

	s->mean = rt_node_int(b->node, "mean", 0) != 0;
	s->keep = rt_node_int(b->node, "keepdims", 0) != 0;
	s->x_zero = (int32_t)rt_node_int(b->node, "x_zero", 0);
	s->mult = (int32_t)rt_fixed_clamp(rt_node_int(b->node, "mult", 0), 0, INT32_MAX);
	s->shift = (int32_t)rt_fixed_clamp(rt_node_int(b->node, "shift", 0), -31, 30);
	return rt_quant_result_read(b, &s->y, err);
}

static int reduce_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct reduce *s = f->state;
	const struct rt_shape *x = &f->in[0].shape;
	struct reduce_shape *st = rt_infer_alloc(f, sizeof(*st));
	int64_t dense[RT_RANK_MAX];
	struct rt_axes axes;
	bool set[RT_RANK_MAX] = {false};
	int rc;

	if (st == NULL)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if ((rc = rt_axes_list(f, "axes", -1, &axes, err)) ||
	    (rc = rt_axes_set(&axes, x->rank, set, err)))
		return rc;
	rt_walk_strides(x, dense);
	st->count = 1;
	f->out[0].shape.rank = 0;
	for (int i = 0; i < x->rank; i++) {
		const int which = set[i];

		st->dims[which][st->ranks[which]] = x->dims[i];
		st->steps[which][st->ranks[which]++] = dense[i];
		st->count *= set[i] ? x->dims[i] : 1;
		if (!set[i] || s->keep)
			f->out[0].shape.dims[f->out[0].shape.rank++] = set[i] ? 1 : x->dims[i];
	}
	f->shape_state = st;
	return RT_OK;
}

static int64_t place(const struct reduce_shape *st, int which, int64_t i)
{
	int64_t at = 0;

	for (int d = st->ranks[which] - 1; d >= 0; d--) {
		at += i % st->dims[which][d] * st->steps[which][d];
		i /= st->dims[which][d];
	}
	return at;
}

/* The multiplier of a mean, divided by the number without losing bits. */
static void divided(const struct reduce *s, int64_t count, int32_t *mult, int *shift)
{
	int up = __builtin_clzll((unsigned long long)count);

	up = 63 - up;
	up = up > 32 ? 32 : up;
	up = up > 31 + s->shift ? 31 + s->shift : up;
	*mult = (int32_t)(((int64_t)s->mult << up) / count);
	*shift = s->shift - up;
}

static void reduce_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct reduce *s = r->state;
	const struct reduce_shape *st = r->shape_state;
	const struct rt_tensor *x = &r->in[0];
	int32_t mult = s->mult;
	int shift = s->shift;

	(void)thread;
	if (s->mean && st->count > 0)
		divided(s, st->count, &mult, &shift);
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		const int64_t from = place(st, 0, i);
		uint32_t sum = 0;

		for (int64_t k = 0; k < st->count; k++)
			sum += (uint32_t)rt_quant_result_get(x->dtype, x->data,
							     from + place(st, 1, k)) -
			       (uint32_t)s->x_zero;
		rt_quant_result_put(
		    s->y.type, r->out[0].data, i,
		    rt_fixed_clamp((int64_t)rt_fixed_scale((int32_t)sum, mult, shift) + s->y.zero,
				   s->y.lo, s->y.hi));
	}
}

static void reduce_run(const struct rt_run *r)
{
	const struct reduce_shape *st = r->shape_state;

	rt_team_for(r->team, (size_t)rt_tensor_elems(&r->out[0]), rt_walk_grain(st->count * 8 + 1),
		    reduce_range, (void *)(uintptr_t)r);
}

const struct rt_op rt_op_quant_reduce = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct reduce),
    .type = rt_quant_result_type,
    .bind = reduce_bind,
    .infer = reduce_infer,
    .run = reduce_run,
};

/* ---- QuantizeRows ---------------------------------------------------------------------------- */

static int rows_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		     struct rt_error *err)
{
	(void)g, (void)n, (void)err;
	out[0] = RT_I8;
	out[1] = RT_F32;
	return RT_OK;
}

/* A row is the last dimension, or all dimensions but the first. */
static int rows_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	const bool images = rt_node_int(f->node, "images", 0) != 0;

	if (x->rank < 1)
		return rt_error_set(err, RT_INPUT, "a scalar has no rows");
	f->out[0].shape = f->out[1].shape = *x;
	for (int i = images ? 1 : x->rank - 1; i < x->rank; i++)
		f->out[1].shape.dims[i] = 1;
	return RT_OK;
}

static void rows_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rows *w = arg;
	const float *x = w->r->in[0].data;
	int8_t *q = w->r->out[0].data;
	float *scale = w->r->out[1].data;

	(void)thread;
	for (size_t row = begin; row < end; row++) {
		const int64_t from = (int64_t)row * w->n;
		float most = 0, inverse;

		for (int64_t i = from; i < from + w->n; i++)
			most = fmaxf(most, fabsf(x[i]));
		if (most == 0 || !isfinite(most)) {
			memset(q + from, 0, (size_t)w->n);
			scale[row] = most == 0 ? 1 : most;
			continue;
		}
		scale[row] = most / 127;
		inverse = 127 / most;
		for (int64_t i = from; i < from + w->n; i++)
			q[i] =
			    (int8_t)(isnan(x[i]) ? 0
						 : rt_fixed_clamp((int64_t)roundf(x[i] * inverse),
								  -127, 127));
	}
}

static void rows_run(const struct rt_run *r)
{
	const int64_t count = rt_tensor_elems(&r->out[1]);
	struct rows w = {r, count > 0 ? rt_tensor_elems(&r->in[0]) / count : 0};

	rt_team_for(r->team, (size_t)count, rt_walk_grain(w.n * 4 + 1), rows_range, &w);
}

const struct rt_op rt_op_quantize_rows = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 2,
    .out_max = 2,
    .type = rows_type,
    .infer = rows_infer,
    .run = rows_run,
};
