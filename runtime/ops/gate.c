/* SPDX-License-Identifier: MIT */
/*
 * gate.c — activations with a second operand:
 *
 *	BiasGelu    (com.microsoft 1)  y = gelu(a + b), gelu with erf
 *	FastGelu    (com.microsoft 1)  y = gelu(x + bias), gelu with tanh; bias may be left out
 *	QuickGelu   (com.microsoft 1)  y = x · sigmoid(alpha · x), alpha 1.702
 *	SwiGLU      (ONNX 28)          y = a · sigmoid(alpha · a) · b
 *	BiasSoftmax (com.microsoft 1)  y = softmax(data + bias), rows from `axis` on
 *
 * The second operand broadcasts to the first; in SwiGLU both broadcast.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

struct gate {
	const struct rt_kernels *kernels;
	enum rt_unary op;
	struct rt_unary_params params;
	bool multiplies; /* y = f(a) · b, else f(a + b) */
};

struct job {
	const struct rt_run *r;
	const struct rt_walk *w;
};

static int gate_bind(struct rt_bind *b, struct rt_error *err)
{
	struct gate *s = b->state;
	const char *op = b->node->op_type;

	(void)err;
	s->kernels = b->kernels;
	s->op = strcmp(op, "BiasGelu") == 0   ? RT_UNARY_GELU
		: strcmp(op, "FastGelu") == 0 ? RT_UNARY_GELU_TANH
					      : RT_UNARY_SILU;
	s->multiplies = strcmp(op, "SwiGLU") == 0;
	s->params.a = rt_node_float(b->node, "alpha", s->multiplies ? 1.0f : 1.702f);
	return RT_OK;
}

static int gate_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct gate *s = f->state;
	const struct rt_shape *both[2] = {&f->in[0].shape, NULL};
	bool has = f->in_count > 1 && f->in[1].dtype != RT_NONE;
	struct rt_walk *w = rt_infer_alloc(f, sizeof(*w));

	if (!w)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	f->out[0].shape = f->in[0].shape;
	if (has) {
		both[1] = &f->in[1].shape;
		if (f->in[1].dtype != RT_F32 || !rt_op_broadcast(both, 2, &f->out[0].shape) ||
		    (!s->multiplies && !rt_shape_equal(&f->out[0].shape, both[0])))
			return rt_error_set(err, RT_INPUT, "input 1 does not broadcast to input 0");
	}
	rt_walk_broadcast(w, &f->out[0].shape, both, has ? 2 : 1);
	w->cost = 8;
	f->shape_state = w;
	return RT_OK;
}

/* x op (b or the one element of b). */
static void combine(const struct rt_kernels *k, enum rt_binary op, size_t n, const float *x,
		    const float *b, int64_t step, float *y)
{
	if (step)
		k->f32_binary->vv[op](n, x, b, y);
	else
		k->f32_binary->vs[op](n, x, b, y);
}

static void gate_piece(void *arg, const int64_t *at, int64_t n)
{
	const struct job *j = arg;
	const struct gate *s = j->r->state;
	const int64_t *step = j->w->inner_strides;
	const float *a = (const float *)j->r->in[0].data + at[1];
	const float *b = j->w->operands > 2 ? (const float *)j->r->in[1].data + at[2] : NULL;
	float *y = (float *)j->r->out[0].data + at[0], x[RT_CONVERT_BLOCK];

	for (int64_t i = 0; i < n; i += RT_CONVERT_BLOCK) {
		size_t m = n - i < RT_CONVERT_BLOCK ? (size_t)(n - i) : RT_CONVERT_BLOCK;
		for (size_t k = 0; k < m; k++)
			x[k] = a[(i + (int64_t)k) * step[1]];
		if (b && !s->multiplies)
			combine(s->kernels, RT_BINARY_ADD, m, x, b + i * step[2], step[2], x);
		s->kernels->f32_unary->fn[s->op](m, x, y + i, &s->params);
		if (b && s->multiplies)
			combine(s->kernels, RT_BINARY_MUL, m, y + i, b + i * step[2], step[2],
				y + i);
	}
}

static void gate_run(const struct rt_run *r)
{
	struct job j = {r, r->shape_state};

	rt_walk_each(j.w, r->team, gate_piece, &j);
}

#define GATE(name, least, most)                                                                    \
	const struct rt_op rt_op_##name = {                                                        \
	    .in_min = least,                                                                       \
	    .in_max = most,                                                                        \
	    .out_min = 1,                                                                          \
	    .out_max = 1,                                                                          \
	    .state_bytes = sizeof(struct gate),                                                    \
	    .bind = gate_bind,                                                                     \
	    .infer = gate_infer,                                                                   \
	    .run = gate_run,                                                                       \
	}
GATE(bias_gelu, 2, 2);
GATE(fast_gelu, 1, 2);
GATE(quick_gelu, 1, 1);
GATE(swiglu, 2, 2);

/* ---- BiasSoftmax ----------------------------------------------------------------------------- */

struct rows {
	struct rt_walk w;
	int64_t count, n;
};

static int softmax_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape, *both[2] = {x, &f->in[1].shape};
	struct rows *p = rt_infer_alloc(f, sizeof(*p));
	struct rt_shape all;
	int axis, rc;

	if (!p)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (f->in[1].dtype != RT_F32 || !rt_op_broadcast(both, 2, &all) || !rt_shape_equal(&all, x))
		return rt_error_set(err, RT_INPUT, "bias does not broadcast to data");
	rc = rt_axes_one(rt_node_int(f->node, "axis", 1), x->rank, &axis, err);
	if (rc)
		return rc;
	rt_walk_around(x, axis, &p->count, &p->n);
	p->n *= x->dims[axis];
	rt_walk_broadcast(&p->w, x, both, 2);
	f->out[0].shape = *x;
	f->shape_state = p;
	return RT_OK;
}

static int softmax_bind(struct rt_bind *b, struct rt_error *err)
{
	struct gate *s = b->state;

	(void)err;
	s->kernels = b->kernels;
	return RT_OK;
}

static void add_piece(void *arg, const int64_t *at, int64_t n)
{
	const struct job *j = arg;
	const struct gate *s = j->r->state;
	const float *x = (const float *)j->r->in[0].data + at[1];

	combine(s->kernels, RT_BINARY_ADD, (size_t)n, x, (const float *)j->r->in[1].data + at[2],
		j->w->inner_strides[2], (float *)j->r->out[0].data + at[0]);
}

static void softmax_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct gate *s = j->r->state;
	const struct rows *p = j->r->shape_state;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		float *y = (float *)j->r->out[0].data + (int64_t)i * p->n;
		s->kernels->f32_row->softmax((size_t)p->n, y, y);
	}
}

static void softmax_run(const struct rt_run *r)
{
	const struct rows *p = r->shape_state;
	struct job j = {r, &p->w};

	if (p->count == 0 || p->n == 0)
		return;
	rt_walk_each(&p->w, r->team, add_piece, &j);
	rt_team_for(r->team, (size_t)p->count, rt_walk_grain(p->n * 8), softmax_rows, &j);
}

const struct rt_op rt_op_bias_softmax = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct gate),
    .bind = softmax_bind,
    .infer = softmax_infer,
    .run = softmax_run,
};
