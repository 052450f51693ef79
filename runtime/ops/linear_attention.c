/* SPDX-License-Identifier: MIT */
/*
 * linear_attention.c — LinearAttention (ONNX 27; com.microsoft 1): attention
 * as a recurrence over a state S [dk][dv] per key head.
 *
 *	linear       S = S + k ⊗ v
 *	gated        S = exp(g)·S + k ⊗ v
 *	delta        S = S + beta · k ⊗ (v − Sᵀk)
 *	gated_delta  S = exp(g)·S, then as delta
 *	             o = scale · Sᵀq        scale 0: 1/√dk
 *
 * query [B][T][Hq·dk], key [B][T][Hkv·dk], value [B][T][Hkv·dv], past_state?
 * [B][Hkv][dk][dv], decay? [B][T][Hkv·dk] or [B][T][Hkv], beta? [B][T][Hkv] or
 * [B][T][1]; outputs [B][T][Hq·dv] and the state.  Query heads share key heads
 * in order.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

enum { Q, K, V, PAST, DECAY, BETA };

struct linear {
	const struct rt_kernels *kernels;
	int64_t q_heads, kv_heads;
	float scale;
	bool gated, delta;
};

struct shape_state {
	size_t batch, steps, dk, dv, decays, betas; /* decays, betas: numbers of a step */
	size_t row;                                 /* floats of scratch per thread */
	float scale;
};

static bool has(int in_count, const struct rt_tensor *in, int i)
{
	return i < in_count && in[i].dtype != RT_NONE;
}

static int linear_bind(struct rt_bind *b, struct rt_error *err)
{
	struct linear *s = b->state;
	const struct rt_node *n = b->node;

	s->kernels = b->kernels;
	s->q_heads = rt_node_int(n, "q_num_heads", 0);
	s->kv_heads = rt_node_int(n, "kv_num_heads", 0);
	s->scale = rt_node_float(n, "scale", 0);
	s->delta = rt_node_string_is(n, "update_rule", "delta", "gated_delta") ||
		   rt_node_string_is(n, "update_rule", "gated_delta", "gated_delta");
	s->gated = rt_node_string_is(n, "update_rule", "gated", "gated_delta") ||
		   rt_node_string_is(n, "update_rule", "gated_delta", "gated_delta");
	if (!s->delta && !s->gated && !rt_node_string_is(n, "update_rule", "linear", ""))
		return rt_error_set(err, RT_MALFORMED, "unknown update_rule");
	if (s->kv_heads < 1 || s->q_heads < 1 || s->q_heads % s->kv_heads != 0)
		return rt_error_set(err, RT_MALFORMED, "%lld query heads on %lld key heads",
				    (long long)s->q_heads, (long long)s->kv_heads);
	if ((s->gated && !rt_bind_has(b, DECAY)) || (s->delta && !rt_bind_has(b, BETA)))
		return rt_error_set(err, RT_MALFORMED, "decay or beta is left out");
	return RT_OK;
}

static bool is_3d(const struct rt_infer *f, int i, size_t batch, size_t steps)
{
	const struct rt_shape *s = &f->in[i].shape;
	return s->rank == 3 && (size_t)s->dims[0] == batch && (size_t)s->dims[1] == steps &&
	       f->in[i].dtype == RT_F32;
}

static int linear_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct linear *s = f->state;
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	const struct rt_shape *q = &f->in[Q].shape;
	struct rt_shape state;
	size_t heads = (size_t)s->kv_heads;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (q->rank != 3)
		return rt_error_set(err, RT_INPUT, "query has rank %d", q->rank);
	z->batch = (size_t)q->dims[0];
	z->steps = (size_t)q->dims[1];
	for (int i = K; i <= BETA; i++)
		if (i != PAST && has(f->in_count, f->in, i) && !is_3d(f, i, z->batch, z->steps))
			return rt_error_set(err, RT_INPUT, "input %d does not fit query", i);
	z->dk = (size_t)(q->dims[2] / s->q_heads);
	z->dv = (size_t)(f->in[V].shape.dims[2] / s->kv_heads);
	z->decays = s->gated ? (size_t)f->in[DECAY].shape.dims[2] : 0;
	z->betas = s->delta ? (size_t)f->in[BETA].shape.dims[2] : 0;
	state = rt_shape_of(4, (int64_t)z->batch, s->kv_heads, (int64_t)z->dk, (int64_t)z->dv);
	if (z->dk == 0 || z->dv == 0 || z->dk * (size_t)s->q_heads != (size_t)q->dims[2] ||
	    z->dk * heads != (size_t)f->in[K].shape.dims[2] ||
	    z->dv * heads != (size_t)f->in[V].shape.dims[2] ||
	    (s->gated && z->decays != heads && z->decays != heads * z->dk) ||
	    (s->delta && z->betas != heads && z->betas != 1) ||
	    (has(f->in_count, f->in, PAST) &&
	     (!rt_shape_equal(&f->in[PAST].shape, &state) || f->in[PAST].dtype != RT_F32)))
		return rt_error_set(err, RT_INPUT, "the inputs do not fit the numbers of heads");
	z->scale = s->scale > 0 || s->scale < 0 ? s->scale : 1 / sqrtf((float)z->dk);
	f->out[0].shape = rt_shape_of(3, q->dims[0], q->dims[1], s->q_heads * (int64_t)z->dv);
	if (f->out_count > 1)
		f->out[1].shape = state;
	z->row = (z->dk * z->dv + z->dv + 15) & ~(size_t)15;
	f->scratch_bytes = (size_t)f->threads * z->row * sizeof(float);
	f->shape_state = z;
	return RT_OK;
}

/* One step of one key head: what the state becomes. */
static void update(const struct linear *s, const struct shape_state *z, const float *k,
		   const float *v, const float *decay, bool per_row, const float *beta,
		   float *state, float *d)
{
	for (size_t i = 0; decay && i < z->dk; i++) {
		float g = expf(decay[per_row ? i : 0]);
		for (size_t c = 0; c < z->dv; c++)
			state[i * z->dv + c] *= g;
	}
	memcpy(d, v, z->dv * sizeof(float));
	if (s->delta) {
		for (size_t i = 0; i < z->dk; i++)
			for (size_t c = 0; c < z->dv; c++)
				d[c] -= state[i * z->dv + c] * k[i];
		for (size_t c = 0; c < z->dv; c++)
			d[c] *= *beta;
	}
	for (size_t i = 0; i < z->dk; i++)
		for (size_t c = 0; c < z->dv; c++)
			state[i * z->dv + c] += k[i] * d[c];
}

static void read_out(const struct shape_state *z, const float *state, const float *q, float *o)
{
	memset(o, 0, z->dv * sizeof(float));
	for (size_t i = 0; i < z->dk; i++)
		for (size_t c = 0; c < z->dv; c++)
			o[c] += state[i * z->dv + c] * q[i];
	for (size_t c = 0; c < z->dv; c++)
		o[c] *= z->scale;
}

/* All steps of one key head of one batch. */
static void head(const struct rt_run *r, size_t item, float *state, float *d)
{
	const struct linear *s = r->state;
	const struct shape_state *z = r->shape_state;
	size_t heads = (size_t)s->kv_heads, shared = (size_t)s->q_heads / heads;
	size_t b = item / heads, h = item % heads;
	bool per_row = z->decays != heads;

	for (size_t t = 0; t < z->steps; t++) {
		size_t at = b * z->steps + t;
		const float *decay = s->gated ? (const float *)r->in[DECAY].data + at * z->decays +
						    h * (z->decays / heads)
					      : NULL;
		const float *beta = s->delta ? (const float *)r->in[BETA].data + at * z->betas +
						   (z->betas == 1 ? 0 : h)
					     : NULL;
		update(s, z, (const float *)r->in[K].data + (at * heads + h) * z->dk,
		       (const float *)r->in[V].data + (at * heads + h) * z->dv, decay, per_row,
		       beta, state, d);
		for (size_t k = 0; k < shared && r->out[0].data; k++) {
			size_t q = at * (size_t)s->q_heads + h * shared + k;
			read_out(z, state, (const float *)r->in[Q].data + q * z->dk,
				 (float *)r->out[0].data + q * z->dv);
		}
	}
}

static void heads_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct shape_state *z = r->shape_state;
	float *scratch = (float *)r->scratch + (size_t)thread * z->row;
	size_t each = z->dk * z->dv;

	for (size_t i = begin; i < end; i++) {
		float *state = r->out_count > 1 && r->out[1].data
				   ? (float *)r->out[1].data + i * each
				   : scratch + z->dv;
		if (has(r->in_count, r->in, PAST) && r->in[PAST].data)
			memcpy(state, (const float *)r->in[PAST].data + i * each,
			       each * sizeof(float));
		else
			memset(state, 0, each * sizeof(float));
		head(r, i, state, scratch);
	}
}

static void linear_run(const struct rt_run *r)
{
	const struct linear *s = r->state;
	const struct shape_state *z = r->shape_state;
	struct rt_run copy = *r;

	if (z->batch > 0 && (z->steps > 0 || (r->out_count > 1 && r->out[1].data)))
		rt_team_for(r->team, z->batch * (size_t)s->kv_heads,
			    rt_walk_grain((int64_t)(z->dk * z->dv * (z->steps + 1)) * 4 + 1),
			    heads_range, &copy);
}

static int linear_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	(void)err;
	out[0] = g->values[n->in[Q]].dtype;
	if (n->out_count > 1)
		out[1] = n->in_count > PAST && n->in[PAST] != RT_NO_VALUE
			     ? g->values[n->in[PAST]].dtype
			     : out[0];
	return RT_OK;
}

const struct rt_op rt_op_linear_attention = {
    .in_min = 3,
    .in_max = 6,
    .out_min = 1,
    .out_max = 2,
    .state_bytes = sizeof(struct linear),
    .type = linear_type,
    .bind = linear_bind,
    .infer = linear_infer,
    .run = linear_run,
};
