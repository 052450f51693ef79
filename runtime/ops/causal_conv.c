/* SPDX-License-Identifier: MIT */
/*
 * causal_conv.c — CausalConvWithState (ONNX 27; com.microsoft 1): a depthwise
 * convolution that looks only back.
 *
 *	padded = past_state | input        along the last axis; zeros without a past
 *	output[c][t] = act(bias[c] + Σ_k weight[c][k] · padded[c][t + k])
 *	present_state = the last K − 1 of padded
 *
 * input [B][C][L], weight [C][1][K], bias? [C], past_state? [B][C][K−1];
 * activation none, silu or swish.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

enum { X, W, BIAS, PAST };

struct causal {
	const struct rt_kernels *kernels;
	bool silu;
};

struct shape_state {
	size_t batch, channels, length, taps;
};

static int causal_bind(struct rt_bind *b, struct rt_error *err)
{
	struct causal *s = b->state;
	const struct rt_node *n = b->node;

	s->kernels = b->kernels;
	s->silu = rt_node_string_is(n, "activation", "silu", "none") ||
		  rt_node_string_is(n, "activation", "swish", "none");
	if (!s->silu && !rt_node_string_is(n, "activation", "none", "none") &&
	    !rt_node_string_is(n, "activation", "", "none"))
		return rt_error_set(err, RT_UNSUPPORTED, "unknown activation");
	return RT_OK;
}

static bool has(const struct rt_infer *f, int i)
{
	return i < f->in_count && f->in[i].dtype != RT_NONE;
}

static int causal_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[X].shape, *w = &f->in[W].shape;
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	struct rt_shape past;
	char text[2][64];

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (x->rank != 3 || w->rank != 3 || w->dims[0] != x->dims[1] || w->dims[1] != 1 ||
	    w->dims[2] < 1 || f->in[W].dtype != RT_F32)
		return rt_error_set(err, RT_INPUT, "input %s and weight %s",
				    rt_shape_text(x, text[0], sizeof(text[0])),
				    rt_shape_text(w, text[1], sizeof(text[1])));
	past = rt_shape_of(3, x->dims[0], x->dims[1], w->dims[2] - 1);
	if (has(f, BIAS) && (f->in[BIAS].shape.rank != 1 || f->in[BIAS].dtype != RT_F32 ||
			     f->in[BIAS].shape.dims[0] != x->dims[1]))
		return rt_error_set(err, RT_INPUT, "bias is not one number per channel");
	if (has(f, PAST) &&
	    (!rt_shape_equal(&f->in[PAST].shape, &past) || f->in[PAST].dtype != RT_F32))
		return rt_error_set(err, RT_INPUT, "past_state is not %s",
				    rt_shape_text(&past, text[0], sizeof(text[0])));
	*z = (struct shape_state){(size_t)x->dims[0], (size_t)x->dims[1], (size_t)x->dims[2],
				  (size_t)w->dims[2]};
	f->out[0].shape = *x;
	if (f->out_count > 1)
		f->out[1].shape = past;
	f->shape_state = z;
	return RT_OK;
}

/* Row of one channel: y[t] += w · padded[t + k], where padded is past | x. */
static void add_tap(const struct shape_state *z, size_t k, float w, const float *past,
		    const float *x, float *y)
{
	size_t before = z->taps - 1 - k; /* outputs that this tap takes from the past */

	if (before > z->length)
		before = z->length;
	for (size_t t = 0; past && t < before; t++)
		y[t] += w * past[k + t];
	for (size_t t = before; t < z->length; t++)
		y[t] += w * x[t + k - (z->taps - 1)];
}

static void channels_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct causal *s = r->state;
	const struct shape_state *z = r->shape_state;
	size_t kept = z->taps - 1;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		size_t c = i % z->channels;
		const float *x = (const float *)r->in[X].data + i * z->length;
		const float *w = (const float *)r->in[W].data + c * z->taps;
		const float *bias = r->in_count > BIAS ? r->in[BIAS].data : NULL;
		const float *past = r->in_count > PAST ? r->in[PAST].data : NULL;
		float *y = (float *)r->out[0].data + i * z->length;
		past = past ? past + i * kept : NULL;
		for (size_t t = 0; t < z->length; t++)
			y[t] = bias ? bias[c] : 0;
		for (size_t k = 0; k < z->taps; k++)
			add_tap(z, k, w[k], past, x, y);
		if (s->silu) {
			struct rt_unary_params one = {1, 0};
			s->kernels->f32_unary->fn[RT_UNARY_SILU](z->length, y, y, &one);
		}
		for (size_t t = 0; r->out_count > 1 && r->out[1].data && t < kept; t++) {
			size_t at = z->length + t; /* in padded */
			((float *)r->out[1].data)[i * kept + t] = at >= kept ? x[at - kept]
								  : past     ? past[at]
									     : 0;
		}
	}
}

static void causal_run(const struct rt_run *r)
{
	const struct shape_state *z = r->shape_state;
	struct rt_run copy = *r;

	if (z->channels > 0 && z->batch > 0 &&
	    (z->length > 0 || (r->out_count > 1 && r->out[1].data)))
		rt_team_for(r->team, z->batch * z->channels,
			    rt_walk_grain((int64_t)(z->length * z->taps) + 1), channels_range,
			    &copy);
}

static int causal_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	(void)err;
	for (int i = 0; i < n->out_count; i++)
		out[i] = g->values[n->in[X]].dtype;
	return RT_OK;
}

const struct rt_op rt_op_causal_conv = {
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 2,
    .state_bytes = sizeof(struct causal),
    .type = causal_type,
    .bind = causal_bind,
    .infer = causal_infer,
    .run = causal_run,
};
