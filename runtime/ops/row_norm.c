/* SPDX-License-Identifier: MIT */
/*
 * row_norm.c — normalisation of rows: everything from `axis` on is one row.
 *
 *	LayerNormalization  y = (x − mean) / √(var + eps) · Scale + B
 *	RMSNormalization    y = x / √(mean of x² + eps) · scale
 *
 * LayerNormalization (17) also gives Mean and InvStdDev per row; scale and bias
 * may broadcast to the row.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/binary.h"
#include "runtime/ops/ops.h"

struct row_norm {
	const struct rt_kernels *kernels;
	enum rt_dtype dtype;
	double epsilon;
	bool rms;
	struct rt_elementwise_2 mul, add;
};

struct plan {
	int64_t rows, n;
	bool whole[2];          /* scale, bias: exactly a row */
	struct rt_walk walk[2]; /* else: over (out, out, it) */
};

static int row_norm_bind(struct rt_bind *b, struct rt_error *err)
{
	struct row_norm *s = b->state;

	s->kernels = b->kernels;
	s->dtype = rt_elementwise_bound(b, 0);
	s->epsilon = (double)rt_node_float(b->node, "epsilon", 1e-5f);
	s->rms = strcmp(b->node->op_type, "RMSNormalization") == 0 ||
		 strcmp(b->node->op_type, "SimplifiedLayerNormalization") == 0;
	for (int i = 1; i < b->node->in_count; i++) {
		enum rt_dtype t = rt_elementwise_bound(b, i);
		if (t != RT_NONE && t != s->dtype)
			return rt_error_set(err, RT_UNSUPPORTED, "input 0 is %s, input %d is %s",
					    rt_dtype_name(s->dtype), i, rt_dtype_name(t));
	}
	must(rt_binary_choose(&s->mul, "Mul", s->dtype, b->kernels));
	must(rt_binary_choose(&s->add, "Add", s->dtype, b->kernels));
	return RT_OK;
}

/* Whether ${t} covers the axes from ${axis} on exactly. */
static bool is_row(const struct rt_shape *t, const struct rt_shape *in, int axis)
{
	int rank = in->rank - axis;

	for (int d = 0; d < t->rank - rank; d++) {
		if (t->dims[d] != 1)
			return false;
	}
	for (int d = 0; d < rank; d++) {
		int own = t->rank - rank + d;
		if ((own < 0 ? 1 : t->dims[own]) != in->dims[axis + d])
			return false;
	}
	return true;
}

static int row_norm_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct plan *p = rt_infer_alloc(f, sizeof(*p));
	int axis, status;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	status = rt_axes_one(rt_node_int(f->node, "axis", -1), in->rank, &axis, err);
	if (status != RT_OK)
		return status;
	rt_walk_around(in, axis, &p->rows, &p->n);
	p->n = p->rows == 0 ? 0 : p->n * in->dims[axis];
	f->out[0].shape = *in;
	for (int i = 1; i < f->out_count; i++) {
		f->out[i].shape = *in;
		for (int d = axis; d < in->rank; d++)
			f->out[i].shape.dims[d] = 1;
	}
	for (int i = 1; i < 3 && i < f->in_count; i++) {
		const struct rt_shape *pair[2] = {in, &f->in[i].shape};
		struct rt_shape both;

		if (f->in[i].dtype == RT_NONE)
			continue;
		if (!rt_op_broadcast(pair, 2, &both) || !rt_shape_equal(&both, in))
			return rt_error_set(err, RT_INPUT, "input %d does not broadcast to X", i);
		p->whole[i - 1] = is_row(pair[1], in, axis);
		if (!p->whole[i - 1])
			rt_walk_broadcast(&p->walk[i - 1], in, pair, 2);
	}
	return RT_OK;
}

static int row_norm_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			 struct rt_error *err)
{
	int status = rt_op_type_same(g, n, out, err);

	/* Mean and InvStdDev are of stash_type */
	for (int i = 1; status == RT_OK && i < n->out_count; i++)
		out[i] = rt_node_int(n, "stash_type", 1) == 1 ? RT_F32 : out[0];
	return status;
}

static bool given(const struct rt_run *r, int i)
{
	return i < r->in_count && r->in[i].data != NULL;
}

/* What is taken off and what it is multiplied by. */
static void statistics(const struct row_norm *s, int64_t n, const void *x, double *mean,
		       double *inverse)
{
	double sum = 0, square = 0;

	for (int64_t i = 0; i < n && !s->rms; i++)
		sum += s->dtype == RT_F64 ? ((const double *)x)[i] : (double)((const float *)x)[i];
	*mean = sum / (double)n;
	for (int64_t i = 0; i < n; i++) {
		double v =
		    s->dtype == RT_F64 ? ((const double *)x)[i] : (double)((const float *)x)[i];
		square += (v - *mean) * (v - *mean);
	}
	*inverse = 1 / sqrt(square / (double)n + s->epsilon);
}

static void row_f64(const struct row_norm *s, int64_t n, const double *x, const double *scale,
		    const double *bias, double *y)
{
	double mean, inverse;

	statistics(s, n, x, &mean, &inverse);
	for (int64_t i = 0; i < n; i++)
		y[i] = (x[i] - mean) * inverse * (scale != NULL ? scale[i] : 1) +
		       (bias != NULL ? bias[i] : 0);
}

static void row_norm_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct row_norm *s = r->state;
	const struct plan *p = r->shape_state;
	const struct rt_f32_row *k = s->kernels->f32_row;
	int64_t bytes = p->n * (rt_dtype_bits(s->dtype) / 8);
	const void *scale = given(r, 1) && p->whole[0] ? r->in[1].data : NULL;
	/* a bias cannot be added before a scale that is applied later */
	const void *bias =
	    given(r, 2) && p->whole[1] && (scale || !given(r, 1)) ? r->in[2].data : NULL;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		const void *x = (const char *)r->in[0].data + i * bytes;
		void *y = (char *)r->out[0].data + i * bytes;
		double of[2];

		for (int o = 1; o < r->out_count; o++) {
			if (r->out[o].data == NULL)
				continue;
			statistics(s, p->n, x, &of[0], &of[1]);
			rt_convert_from_f64(r->out[o].dtype, &of[s->rms ? 1 : o - 1], 1,
					    r->out[o].data, i, true);
		}
		if (s->dtype == RT_F64)
			row_f64(s, p->n, x, scale, bias, y);
		else if (s->rms)
			k->rms_norm((size_t)p->n, x, scale, (float)s->epsilon, y);
		else
			k->layer_norm((size_t)p->n, x, scale, bias, (float)s->epsilon, y);
	}
}

static void row_norm_run(const struct rt_run *r)
{
	const struct row_norm *s = r->state;
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;
	void *y = r->out[0].data;
	bool late_scale = given(r, 1) && !p->whole[0];

	if (p->rows == 0 || p->n == 0)
		return;
	rt_team_for(r->team, (size_t)p->rows, rt_walk_grain(p->n * 4), row_norm_range, &copy);
	if (late_scale)
		rt_elementwise_2_run(&s->mul, r->team, &p->walk[0], y, r->in[1].data, y);
	if (given(r, 2) && !p->whole[1]) {
		rt_elementwise_2_run(&s->add, r->team, &p->walk[1], y, r->in[2].data, y);
	} else if (given(r, 2) && late_scale) {
		const struct rt_shape *pair[2] = {&r->out[0].shape, &r->in[2].shape};
		struct rt_walk w;
		rt_walk_broadcast(&w, &r->out[0].shape, pair, 2);
		rt_elementwise_2_run(&s->add, r->team, &w, y, r->in[2].data, y);
	}
}

const struct rt_op rt_op_layer_normalization = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 3,
    .state_bytes = sizeof(struct row_norm),
    .type = row_norm_type,
    .bind = row_norm_bind,
    .infer = row_norm_infer,
    .run = row_norm_run,
};

const struct rt_op rt_op_rms_normalization = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 2,
    .state_bytes = sizeof(struct row_norm),
    .type = row_norm_type,
    .bind = row_norm_bind,
    .infer = row_norm_infer,
    .run = row_norm_run,
};
