/* SPDX-License-Identifier: MIT */
/*
 * svdf.c — SVDF (larder domain, made by tflite_recurrent.c): a fully connected
 * layer of low rank with a memory of what its features were.  Inputs x [N][I], features
 * [F][I], time [F][M], bias [F / rank] or none, memory [N][F·M].
 *
 *	m[f][M − 1] = features[f] · x;  s[f] = time[f] · m[f]
 *	y[u] = activation(bias[u] + Σ_r s[u·rank + r])
 *
 * Floats, or bytes in fixed point as the reference kernel of TensorFlow Lite has them:
 * both sums are scaled (mult, shift: two each) and the memory, of 8 or 16 bits, is clamped.
 */
#include <config.h>

#include <math.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/quant_result.h"
#include "runtime/ops/walk.h"

struct svdf {
	struct rt_quant_result y;
	int64_t rank;
	bool real, relu, relu6;
	int32_t x_zero, m_zero;
};

static int svdf_bind(struct rt_bind *b, struct rt_error *err)
{
	struct svdf *s = b->state;
	const enum rt_dtype t = b->graph->values[b->node->in[0]].dtype;

	s->real = t == RT_F32;
	s->rank = rt_node_int(b->node, "rank", 1);
	s->relu = rt_node_string_is(b->node, "activation", "relu", "");
	s->relu6 = rt_node_string_is(b->node, "activation", "relu6", "");
	s->x_zero = (int32_t)rt_node_int(b->node, "x_zero", 0);
	s->m_zero = (int32_t)rt_node_int(b->node, "m_zero", 0);
	if (s->rank < 1)
		return rt_error_set(err, RT_MALFORMED, "rank %lld", (long long)s->rank);
	if (s->real)
		return RT_OK;
	if (rt_quant_result_read(b, &s->y, err) < 0)
		return RT_MALFORMED;
	if (s->y.count != 2)
		return rt_error_set(err, RT_MALFORMED, "not two multipliers");
	return RT_OK;
}

static int svdf_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		     struct rt_error *err)
{
	(void)err;
	out[0] = g->values[n->in[0]].dtype;
	return RT_OK;
}

static bool typed(const struct rt_infer *f, bool real)
{
	const enum rt_dtype w = f->in[1].dtype, t = f->in[2].dtype, b = f->in[3].dtype;

	if (real)
		return w == RT_F32 && t == RT_F32 && (b == RT_F32 || b == RT_NONE) &&
		       f->in[4].dtype == RT_F32;
	return w == RT_I8 && (t == RT_I8 || t == RT_I16) && (b == RT_I32 || b == RT_NONE) &&
	       f->in[4].dtype == t;
}

static int svdf_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct svdf *s = f->state;
	const struct rt_shape *x = &f->in[0].shape, *w = &f->in[1].shape, *t = &f->in[2].shape;
	int64_t bias = -1, memory;

	if (x->rank != 2 || w->rank != 2 || t->rank != 2 || x->dims[1] != w->dims[1] ||
	    t->dims[0] != w->dims[0] || t->dims[1] < 1 || w->dims[0] % s->rank != 0 ||
	    !rt_shape_elems(&f->in[4].shape, &memory) ||
	    memory / w->dims[0] / t->dims[1] != x->dims[0] || !typed(f, s->real))
		return rt_error_set(err, RT_INPUT, "weights or memory that do not fit");
	if (f->in[3].dtype != RT_NONE &&
	    (!rt_shape_elems(&f->in[3].shape, &bias) || bias != w->dims[0] / s->rank))
		return rt_error_set(err, RT_INPUT, "a bias of %lld elements", (long long)bias);
	f->out[0].shape = rt_shape_of(2, x->dims[0], w->dims[0] / s->rank);
	return RT_OK;
}

/* Filter ${f} of batch item ${n}. */
static float real_filter(const struct rt_run *r, int64_t n, int64_t f)
{
	const int64_t depth = r->in[0].shape.dims[1], steps = r->in[2].shape.dims[1];
	const float *x = (const float *)r->in[0].data + n * depth;
	const float *w = (const float *)r->in[1].data + f * depth;
	const float *t = (const float *)r->in[2].data + f * steps;
	const float *m = (const float *)r->in[4].data + (n * r->in[1].shape.dims[0] + f) * steps;
	float feature = 0, sum = 0;

	for (int64_t i = 0; i < depth; i++)
		feature += w[i] * x[i];
	for (int64_t i = 0; i < steps - 1; i++)
		sum += t[i] * m[i];
	return sum + t[steps - 1] * feature;
}

static int32_t fixed_filter(const struct rt_run *r, int64_t n, int64_t f)
{
	const struct svdf *s = r->state;
	const enum rt_dtype type = r->in[2].dtype;
	const int64_t depth = r->in[0].shape.dims[1], steps = r->in[2].shape.dims[1];
	const int8_t *x = (const int8_t *)r->in[0].data + n * depth;
	const int8_t *w = (const int8_t *)r->in[1].data + f * depth;
	const int64_t m = (n * r->in[1].shape.dims[0] + f) * steps;
	uint32_t sum = 0;
	int32_t lo, hi, feature;

	for (int64_t i = 0; i < depth; i++)
		sum += (uint32_t)(w[i] * (x[i] - s->x_zero));
	rt_quant_result_limits(type, &lo, &hi);
	feature = (int32_t)rt_fixed_clamp(
	    (int64_t)rt_fixed_scale((int32_t)sum, s->y.mult[0], s->y.shift[0]) + s->m_zero, lo, hi);
	sum = 0;
	for (int64_t i = 0; i < steps; i++) {
		const int32_t old =
		    i == steps - 1 ? feature : rt_quant_result_get(type, r->in[4].data, m + i);
		sum += (uint32_t)(old - s->m_zero) *
		       (uint32_t)rt_quant_result_get(type, r->in[2].data, f * steps + i);
	}
	return (int32_t)sum;
}

static void real_unit(const struct rt_run *r, int64_t n, int64_t u, int64_t units)
{
	const struct svdf *s = r->state;
	float y = 0;

	for (int64_t k = 0; k < s->rank; k++)
		y += real_filter(r, n, u * s->rank + k);
	if (r->in[3].data)
		y += ((const float *)r->in[3].data)[u];
	if (s->relu || s->relu6)
		y = fmaxf(y, 0);
	if (s->relu6)
		y = fminf(y, 6);
	((float *)r->out[0].data)[n * units + u] = y;
}

static void fixed_unit(const struct rt_run *r, int64_t n, int64_t u, int64_t units)
{
	const struct svdf *s = r->state;
	uint32_t y = r->in[3].data ? (uint32_t)((const int32_t *)r->in[3].data)[u] : 0;

	for (int64_t k = 0; k < s->rank; k++)
		y += (uint32_t)fixed_filter(r, n, u * s->rank + k);
	rt_quant_result_put(
	    RT_I8, r->out[0].data, n * units + u,
	    rt_fixed_clamp((int64_t)rt_fixed_scale((int32_t)y, s->y.mult[1], s->y.shift[1]) +
			       s->y.zero,
			   s->y.lo, s->y.hi));
}

static void svdf_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct svdf *s = r->state;
	const int64_t units = r->out[0].shape.dims[1];

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		if (s->real)
			real_unit(r, i / units, i % units, units);
		else
			fixed_unit(r, i / units, i % units, units);
	}
}

static void svdf_run(const struct rt_run *r)
{
	const struct svdf *s = r->state;
	const int64_t each = s->rank * (r->in[0].shape.dims[1] + r->in[2].shape.dims[1]);

	rt_team_for(r->team, (size_t)rt_tensor_elems(&r->out[0]), rt_walk_grain(each), svdf_range,
		    (void *)(uintptr_t)r);
}

const struct rt_op rt_op_svdf = {
    .in_min = 3,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct svdf),
    .type = svdf_type,
    .bind = svdf_bind,
    .infer = svdf_infer,
    .run = svdf_run,
};
