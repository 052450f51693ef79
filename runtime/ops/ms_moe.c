/* SPDX-License-Identifier: MIT */
/*
 * ms_moe.c — MoE and QMoE (com.microsoft 1): each row of the input goes through
 * the k experts that the router likes best,
 *
 *	y = Σ weight · (act(x · fc1ᵀ + b1) · fc2ᵀ + b2)
 *
 * Inputs: input [rows][hidden], router_probs [rows][experts], then fc1, fc2 and
 * fc3 (refused unless left out), each weights [experts][out][in] and bias? [experts][out]; QMoE
 * has scales between the two, [experts][out] or [experts][out][in / block_size],
 * weights of expert_weight_bits packed low bits first, and zero points? at the end
 * (2^(bits−1) without).
 *
 * The weights of the experts are the softmax of their router values: over all
 * experts, or over the chosen ones (QMoE, and MoE with normalize_routing_weights).  gelu is
 * the one with tanh.  With swiglu,
 * fc1 gives gate and value, alternating (swiglu_fusion 1) or one half after the
 * other (2): gate · sigmoid(alpha · gate) · (value + beta), both within swiglu_limit.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

enum { INPUT, ROUTER };
enum act { ACT_RELU, ACT_GELU, ACT_SILU, ACT_IDENTITY, ACT_SWIGLU };

#define TOP_MAX 64

struct layer {
	int weights, scales, bias, zeros; /* inputs; −1: has none */
};

struct moe {
	const struct rt_kernels *kernels;
	struct layer fc[2];
	enum act act;
	bool normalised, halves;
	int k;
	int64_t bits, block; /* bits 0: float32 weights; block 0: one scale a row */
	float alpha, beta, limit;
};

struct sizes {
	int64_t rows, hidden, experts, wide, inter; /* fc1 gives wide numbers, fc2 takes inter */
	size_t chosen, weights, between, unpacked, each; /* in scratch, in floats */
};

static int moe_bind(struct rt_bind *b, struct rt_error *err)
{
	static const char *const acts[] = {"relu", "gelu", "silu", "identity", "swiglu"};
	const struct rt_node *n = b->node;
	struct moe *s = b->state;
	bool q = strcmp(n->op_type, "QMoE") == 0;
	int64_t k = rt_node_int(n, "k", 1), fusion = rt_node_int(n, "swiglu_fusion", 0), act = 0;

	s->kernels = b->kernels;
	while (act < 5 && !rt_node_string_is(n, "activation_type", acts[act], "relu"))
		act++;
	s->act = (enum act)act;
	s->k = (int)k;
	s->bits = q ? rt_node_int(n, "expert_weight_bits", 4) : 0;
	s->block = rt_node_int(n, "block_size", 0);
	s->normalised = q || rt_node_int(n, "normalize_routing_weights", 0) != 0;
	s->halves = fusion == 2;
	s->alpha = rt_node_float(n, "activation_alpha", 1.0f);
	s->beta = rt_node_float(n, "activation_beta", 0.0f);
	s->limit = rt_node_float(n, "swiglu_limit", INFINITY);
	for (int i = 0; i < 2; i++) {
		int at = 2 + i * (q ? 3 : 2);
		s->fc[i] =
		    (struct layer){at, q ? at + 1 : -1, q ? at + 2 : at + 1, q ? 11 + i : -1};
	}
	if (act == 5 || k < 1 || k > TOP_MAX ||
	    (q && s->bits != 4 && s->bits != 8 && s->bits != 2) || s->block < 0)
		return rt_error_set(err, RT_UNSUPPORTED,
				    "activation_type, k, expert_weight_bits or block_size");
	if (rt_node_int(n, "use_sparse_mixer", 0) != 0 || rt_bind_has(b, q ? 8 : 6) ||
	    (s->act == ACT_SWIGLU && fusion != 1 && fusion != 2))
		return rt_error_set(err, RT_UNSUPPORTED,
				    "use_sparse_mixer, fc3, or swiglu that is not fused");
	if (q && rt_node_attr(n, "quant_type") != NULL &&
	    !rt_node_string_is(n, "quant_type", "int", "int"))
		return rt_error_set(err, RT_UNSUPPORTED, "quant_type is not int");
	return RT_OK;
}

static bool given(const struct rt_infer *f, int i)
{
	return i >= 0 && i < f->in_count && f->in[i].dtype != RT_NONE;
}

static bool has_elems(const struct rt_tensor *t, enum rt_dtype type, int64_t n)
{
	int64_t elems;

	return t->dtype == type && rt_shape_elems(&t->shape, &elems) && elems == n;
}

/* Bytes of a row of ${n} zero points. */
static int64_t zero_bytes(const struct moe *s, int64_t n)
{
	return (n * s->bits + 7) / 8;
}

/* Layer ${i} is [experts][out][in] with what belongs to it. */
static bool layer_fits(const struct rt_infer *f, const struct moe *s, int i, int64_t experts,
		       int64_t out, int64_t in)
{
	const struct layer *l = &s->fc[i];
	int64_t per = s->block > 0 ? in / s->block + (in % s->block != 0) : 1, rows, all;

	if (__builtin_mul_overflow(experts, out, &rows) || __builtin_mul_overflow(rows, in, &all))
		return false;
	if (given(f, l->bias) && !has_elems(&f->in[l->bias], RT_F32, rows))
		return false;
	if (s->bits == 0)
		return has_elems(&f->in[l->weights], RT_F32, all);
	if (in % (8 / s->bits) != 0 || (s->block > 0 && in % s->block != 0))
		return false;
	if (given(f, l->zeros) && !has_elems(&f->in[l->zeros], RT_U8, rows * zero_bytes(s, per)) &&
	    !(per == 1 && has_elems(&f->in[l->zeros], RT_U8, experts * zero_bytes(s, out))))
		return false;
	return has_elems(&f->in[l->weights], RT_U8, all / (8 / s->bits)) && given(f, l->scales) &&
	       has_elems(&f->in[l->scales], RT_F32, rows * per);
}

static size_t padded(int64_t n)
{
	return ((size_t)n + 15) & ~(size_t)15;
}

static int moe_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct moe *s = f->state;
	const struct rt_shape *x = &f->in[INPUT].shape, *w = &f->in[s->fc[0].weights].shape;
	struct sizes *z = rt_infer_alloc(f, sizeof(*z));
	int64_t elems, between;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (x->rank < 2 || x->rank > 3 || w->rank != 3 || !rt_shape_elems(x, &elems) ||
	    x->dims[x->rank - 1] < 1)
		return rt_error_set(err, RT_INPUT,
				    "the input is not rows, or fc1 not [experts][out][in]");
	z->hidden = x->dims[x->rank - 1];
	z->rows = elems / z->hidden;
	z->experts = w->dims[0];
	z->wide = w->dims[1];
	z->inter = s->act == ACT_SWIGLU ? z->wide / 2 : z->wide;
	if (z->experts < s->k || !has_elems(&f->in[ROUTER], RT_F32, z->rows * z->experts) ||
	    (s->act == ACT_SWIGLU && z->wide % 2 != 0) ||
	    !layer_fits(f, s, 0, z->experts, z->wide, z->hidden) ||
	    !layer_fits(f, s, 1, z->experts, z->hidden, z->inter))
		return rt_error_set(err, RT_INPUT, "router_probs, fc1 or fc2 do not fit");
	if (__builtin_mul_overflow(z->rows * s->k, z->wide, &between) || between > INT64_C(1) << 40)
		return rt_error_set(err, RT_BUDGET, "%lld rows", (long long)z->rows);
	z->weights = padded(z->rows * s->k);
	z->between = z->weights + padded(z->rows * s->k);
	z->unpacked = z->between + padded(between);
	z->each = padded(z->hidden > z->inter ? z->hidden : z->inter);
	f->scratch_bytes = (z->unpacked + (size_t)f->threads * z->each) * sizeof(float);
	f->out[0].shape = *x;
	f->shape_state = z;
	return RT_OK;
}

/* ---- run ------------------------------------------------------------------------------------- */

/* The k best experts of a row, best first, and their weights. */
static void route(const struct moe *s, const float *router, int64_t experts, int32_t *chosen,
		  float *weights)
{
	float max = router[0], sum = 0, top = 0;

	for (int64_t e = 0; e < experts; e++)
		max = fmaxf(max, router[e]);
	for (int64_t e = 0; e < experts; e++)
		sum += expf(router[e] - max);
	for (int i = 0; i < s->k; i++) {
		int64_t best = -1;
		for (int64_t e = 0; e < experts; e++) {
			bool taken = false;
			for (int j = 0; j < i; j++)
				taken |= chosen[j] == e;
			if (!taken && (best < 0 || router[e] > router[best]))
				best = e;
		}
		chosen[i] = (int32_t)best;
		weights[i] = expf(router[best] - max) / sum;
		top += weights[i];
	}
	for (int i = 0; s->normalised && i < s->k; i++)
		weights[i] /= top;
}

/* Row ${row} of an expert's weights, ${in} numbers; made in ${room} where they are packed. */
static const float *row_of(const struct rt_run *r, const struct layer *l, int64_t expert,
			   int64_t out, int64_t row, int64_t in, float *room)
{
	const struct moe *s = r->state;
	int64_t at = expert * out + row, per = s->block > 0 ? in / s->block : 1;
	const uint8_t *q, *zeros = NULL;
	const float *scale;
	int64_t step = s->block > 0 ? s->block : in;

	if (s->bits == 0)
		return (const float *)r->in[l->weights].data + at * in;
	q = (const uint8_t *)r->in[l->weights].data + at * in / (8 / s->bits);
	scale = (const float *)r->in[l->scales].data + at * per;
	if (l->zeros < r->in_count)
		zeros = r->in[l->zeros].data;
	for (int64_t b = 0; b < per; b++) {
		int zero = 1 << (s->bits - 1), mask = (1 << s->bits) - 1;
		if (zeros) { /* packed along the blocks, or along the rows where there is one */
			int64_t bit = per > 1 ? at * zero_bytes(s, per) * 8 + b * s->bits
				      : rt_tensor_elems(&r->in[l->zeros]) ==
					      r->in[l->weights].shape.dims[0] * out
					  ? at * 8
					  : expert * zero_bytes(s, out) * 8 + row * s->bits;
			zero = zeros[bit / 8] >> bit % 8 & mask;
		}
		for (int64_t i = b * step; i < (b + 1) * step; i++) {
			int64_t bit = i * s->bits;
			room[i] = scale[b] * (float)((q[bit / 8] >> bit % 8 & mask) - zero);
		}
	}
	return room;
}

static float dot(int64_t n, const float *a, const float *b)
{
	float lanes[16] = {0}, sum = 0;
	int64_t i = 0;

	for (; i + 16 <= n; i += 16)
		for (int k = 0; k < 16; k++)
			lanes[k] += a[i + k] * b[i + k];
	for (int k = 0; k < 16; k++)
		sum += lanes[k];
	for (; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

/* Rows of fc1: for each, all rows of the input that have its expert. */
static void first_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct moe *s = r->state;
	const struct sizes *z = r->shape_state;
	const int32_t *chosen = r->scratch;
	const struct layer *l = &s->fc[0];
	const float *bias = l->bias < r->in_count ? r->in[l->bias].data : NULL;
	float *h = (float *)r->scratch + z->between;
	float *room = (float *)r->scratch + z->unpacked + (size_t)thread * z->each;

	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t expert = i / z->wide, row = i % z->wide;
		const float *w = NULL;
		for (int64_t t = 0; t < z->rows * s->k; t++) {
			if (chosen[t] != expert)
				continue;
			if (!w)
				w = row_of(r, l, expert, z->wide, row, z->hidden, room);
			h[t * z->wide + row] =
			    dot(z->hidden, (const float *)r->in[INPUT].data + t / s->k * z->hidden,
				w) +
			    (bias ? bias[expert * z->wide + row] : 0);
		}
	}
}

/* What fc1 gave to what fc2 takes, in place. */
static void activate_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct moe *s = r->state;
	const struct sizes *z = r->shape_state;
	static const enum rt_unary ops[] = {RT_UNARY_RELU, RT_UNARY_GELU_TANH, RT_UNARY_SILU};
	const struct rt_unary_params one = {1, 0};

	(void)thread;
	for (size_t t = begin; t < end; t++) {
		float *h = (float *)r->scratch + z->between + t * (size_t)z->wide;
		if (s->act < ACT_IDENTITY)
			s->kernels->f32_unary->fn[ops[s->act]]((size_t)z->wide, h, h, &one);
		for (int64_t i = 0; s->act == ACT_SWIGLU && i < z->inter; i++) {
			float g = fminf(s->halves ? h[i] : h[2 * i], s->limit);
			float v = s->halves ? h[z->inter + i] : h[2 * i + 1];
			v = fminf(fmaxf(v, -s->limit), s->limit);
			h[i] = g / (1 + expf(-s->alpha * g)) * (v + s->beta);
		}
	}
}

/* Rows of fc2: for each, what its column of the output has of every expert. */
static void second_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct moe *s = r->state;
	const struct sizes *z = r->shape_state;
	const int32_t *chosen = r->scratch;
	const float *weights = (const float *)r->scratch + z->weights;
	const float *h = (const float *)r->scratch + z->between;
	const struct layer *l = &s->fc[1];
	const float *bias = l->bias < r->in_count ? r->in[l->bias].data : NULL;
	float *room = (float *)r->scratch + z->unpacked + (size_t)thread * z->each;
	float *y = r->out[0].data;

	for (int64_t row = (int64_t)begin; row < (int64_t)end; row++) {
		for (int64_t t = 0; t < z->rows; t++)
			y[t * z->hidden + row] = 0;
		for (int64_t e = 0; e < z->experts; e++) {
			const float *w = NULL;
			for (int64_t t = 0; t < z->rows * s->k; t++) {
				if (chosen[t] != e)
					continue;
				if (!w)
					w = row_of(r, l, e, z->hidden, row, z->inter, room);
				y[t / s->k * z->hidden + row] +=
				    weights[t] * (dot(z->inter, h + t * z->wide, w) +
						  (bias ? bias[e * z->hidden + row] : 0));
			}
		}
	}
}

static void moe_run(const struct rt_run *r)
{
	const struct moe *s = r->state;
	const struct sizes *z = r->shape_state;
	struct rt_run copy = *r;
	float *weights = (float *)r->scratch + z->weights;

	for (int64_t t = 0; t < z->rows; t++)
		route(s, (const float *)r->in[ROUTER].data + t * z->experts, z->experts,
		      (int32_t *)r->scratch + t * s->k, weights + t * s->k);
	if (z->rows == 0)
		return;
	rt_team_for(r->team, (size_t)(z->experts * z->wide), rt_walk_grain(z->hidden), first_range,
		    &copy);
	rt_team_for(r->team, (size_t)(z->rows * s->k), rt_walk_grain(z->wide * 8), activate_range,
		    &copy);
	rt_team_for(r->team, (size_t)z->hidden, rt_walk_grain(z->inter * s->k), second_range,
		    &copy);
}

const struct rt_op rt_op_moe = {
    .in_min = 4,
    .in_max = 14,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct moe),
    .bind = moe_bind,
    .infer = moe_infer,
    .run = moe_run,
};
