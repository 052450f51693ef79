/* SPDX-License-Identifier: MIT */
/*
 * group_norm.c — what the U-Nets of diffusion models have, com.microsoft (since 1),
 * channels last unless channels_last is 0:
 *
 *	GroupNorm      Y = act(norm of each (image, group of channels) · gamma + beta)
 *	SkipGroupNorm  the same of S = X + skip + bias; output 1 is S; skip is like X, or
 *	               one row of channels per image
 *	BiasAdd        Y = X + bias + skip, bias per channel
 *	BiasSplitGelu  Y = a · gelu(b), where X + bias is a and b, one half each
 *
 * activation: 0 none, 1 SiLU.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

enum { X, GAMMA, BETA, SKIP, BIAS };

struct group {
	const struct rt_kernels *kernels;
	bool first, silu; /* channels first */
};

struct plan {
	int64_t batch, pixels, channels, groups;
	int64_t skip_pixels; /* of skip, per image: pixels or 1; 0: no skip */
};

static int group_bind(struct rt_bind *b, struct rt_error *err)
{
	struct group *s = b->state;
	int64_t act = rt_node_int(b->node, "activation", 0);

	s->kernels = b->kernels;
	s->first = rt_node_int(b->node, "channels_last", 1) == 0;
	s->silu = act == 1;
	if (act < 0 || act > 1)
		return rt_error_set(err, RT_UNSUPPORTED, "activation %lld", (long long)act);
	return RT_OK;
}

static bool is_row(const struct rt_infer *f, int i, int64_t n)
{
	if (i >= f->in_count || f->in[i].dtype == RT_NONE)
		return true;
	return f->in[i].dtype == RT_F32 && f->in[i].shape.rank == 1 && f->in[i].shape.dims[0] == n;
}

static int group_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct group *s = f->state;
	const struct rt_shape *x = &f->in[X].shape;
	struct plan *p = rt_infer_alloc(f, sizeof(*p));
	int64_t elems, skip;

	if (!p)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	p->groups = rt_node_int(f->node, "groups", 0);
	if (x->rank < 3 || !rt_shape_elems(x, &elems))
		return rt_error_set(err, RT_INPUT, "input of rank %d", x->rank);
	p->batch = x->dims[0];
	p->channels = x->dims[s->first ? 1 : x->rank - 1];
	p->pixels = elems > 0 ? elems / p->batch / p->channels : 0;
	if (p->groups < 1 || p->channels % p->groups != 0 || !is_row(f, GAMMA, p->channels) ||
	    !is_row(f, BETA, p->channels) || !is_row(f, BIAS, p->channels))
		return rt_error_set(err, RT_INPUT,
				    "gamma, beta, bias or groups do not fit %lld "
				    "channels",
				    (long long)p->channels);
	if (f->in_count > SKIP && f->in[SKIP].dtype != RT_NONE) {
		if (f->in[SKIP].dtype != RT_F32 || !rt_shape_elems(&f->in[SKIP].shape, &skip) ||
		    (skip != elems && skip != p->batch * p->channels))
			return rt_error_set(err, RT_INPUT, "skip does not fit X");
		p->skip_pixels = skip == elems ? p->pixels : 1;
	}
	for (int i = 0; i < f->out_count; i++)
		f->out[i].shape = *x;
	f->shape_state = p;
	return RT_OK;
}

static float at(const struct rt_run *r, int i, int64_t k)
{
	return i < r->in_count && r->in[i].data ? ((const float *)r->in[i].data)[k] : 0;
}

/* Groups ${begin} … of [batch][groups]: the sum is left in Y, then normalised there. */
static void group_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct group *s = r->state;
	const struct plan *p = r->shape_state;
	const int64_t wide = p->channels / p->groups;
	const int64_t pixel = s->first ? 1 : p->channels, channel = s->first ? p->pixels : 1;
	const double epsilon = (double)rt_node_float(r->node, "epsilon", 1e-5f);
	const struct rt_unary_params one = {1, 0};
	float *sum_out = r->out_count > 1 ? r->out[1].data : NULL;

	(void)thread;
	for (int64_t g = (int64_t)begin; g < (int64_t)end; g++) {
		int64_t image = g / p->groups, low = g % p->groups * wide;
		int64_t base = image * p->pixels * p->channels;
		float *y = (float *)r->out[0].data + base;
		double sum = 0, square = 0, n = (double)(wide * p->pixels), mean, scale;

		for (int64_t q = 0; q < p->pixels; q++)
			for (int64_t c = low; c < low + wide; c++) {
				int64_t i = q * pixel + c * channel;
				float v = at(r, X, base + i) + at(r, BIAS, c);
				if (p->skip_pixels == 1)
					v += at(r, SKIP, image * p->channels + c);
				else if (p->skip_pixels > 1)
					v += at(r, SKIP, base + i);
				y[i] = v;
				sum += (double)v;
				if (sum_out)
					sum_out[base + i] = v;
			}
		mean = sum / n;
		for (int64_t q = 0; q < p->pixels; q++)
			for (int64_t c = low; c < low + wide; c++) {
				double d = (double)y[q * pixel + c * channel] - mean;
				square += d * d;
			}
		scale = 1 / sqrt(square / n + epsilon);
		for (int64_t q = 0; q < p->pixels; q++)
			for (int64_t c = low; c < low + wide; c++) {
				float *v = y + q * pixel + c * channel;
				*v = (float)(((double)*v - mean) * scale) * at(r, GAMMA, c) +
				     at(r, BETA, c);
				if (s->silu)
					s->kernels->f32_unary->fn[RT_UNARY_SILU](1, v, v, &one);
			}
	}
}

static void group_run(const struct rt_run *r)
{
	const struct plan *p = r->shape_state;
	struct rt_run copy = *r;

	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)(p->batch * p->groups), 1, group_range, &copy);
}

const struct rt_op rt_op_group_norm = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct group),
    .bind = group_bind,
    .infer = group_infer,
    .run = group_run,
};

const struct rt_op rt_op_skip_group_norm = {
    .in_min = 4,
    .in_max = 5,
    .out_min = 1,
    .out_max = 2,
    .state_bytes = sizeof(struct group),
    .bind = group_bind,
    .infer = group_infer,
    .run = group_run,
};

/* ---- BiasAdd, BiasSplitGelu ------------------------------------------------------------------ */

static int bias_bind(struct rt_bind *b, struct rt_error *err)
{
	struct group *s = b->state;

	(void)err;
	s->kernels = b->kernels;
	return RT_OK;
}

static int bias_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	bool split = f->in_count == 2;

	f->out[0].shape = *x;
	if (x->rank < 1 || !is_row(f, 1, x->dims[x->rank - 1]) ||
	    (split && x->dims[x->rank - 1] % 2 != 0) ||
	    (!split && (f->in[2].dtype != RT_F32 || !rt_shape_equal(&f->in[2].shape, x))))
		return rt_error_set(err, RT_INPUT, "bias or skip does not fit X");
	if (split)
		f->out[0].shape.dims[x->rank - 1] /= 2;
	return RT_OK;
}

static void bias_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct group *s = r->state;
	const int rank = r->in[0].shape.rank;
	const int64_t n = r->in[0].shape.dims[rank - 1], m = r->out[0].shape.dims[rank - 1];
	const float *bias = r->in[1].data;

	(void)thread;
	for (int64_t row = (int64_t)begin; row < (int64_t)end; row++) {
		const float *x = (const float *)r->in[0].data + row * n;
		float *y = (float *)r->out[0].data + row * m;

		if (r->in_count > 2) {
			for (int64_t i = 0; i < n; i++)
				y[i] = x[i] + bias[i] + at(r, 2, row * n + i);
			continue;
		}
		for (int64_t i = 0; i < m; i++)
			y[i] = x[m + i] + bias[m + i];
		s->kernels->f32_unary->fn[RT_UNARY_GELU]((size_t)m, y, y, NULL);
		for (int64_t i = 0; i < m; i++)
			y[i] *= x[i] + bias[i];
	}
}

static void bias_run(const struct rt_run *r)
{
	struct rt_run copy = *r;
	int64_t n = r->in[0].shape.dims[r->in[0].shape.rank - 1];

	if (rt_tensor_elems(&r->in[0]) > 0)
		rt_team_for(r->team, (size_t)(rt_tensor_elems(&r->in[0]) / n), rt_walk_grain(n),
			    bias_rows, &copy);
}

const struct rt_op rt_op_bias_add = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct group),
    .bind = bias_bind,
    .infer = bias_infer,
    .run = bias_run,
};

const struct rt_op rt_op_bias_split_gelu = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct group),
    .bind = bias_bind,
    .infer = bias_infer,
    .run = bias_run,
};
