/* SPDX-License-Identifier: MIT */
/*
 * attention_heads.c — larder.Attention, made by pass_fuse_attention.c from
 * MatMul(Softmax(scale · MatMul(Q, Kᵀ) + mask), V) and the Transposes around it.
 *
 *	Q [B][S][H][D], K [B][T][H][D], V [B][T][H][E], mask [B][H][S][T] or none
 *	Y [B][S][H][E] if attribute `turned`, else [B][H][S][E]
 *
 * As in the nodes it is made of every dimension but D and E may be 1 where another
 * tensor has more, and the mask may have fewer.  Called by the plan.
 */
#include <config.h>

#include "runtime/ops/attention.h"
#include "runtime/ops/ops.h"

enum { Q, K, V, MASK };

struct attention {
	const struct rt_kernels *kernels;
	float scale;
	bool turned;
};

static int attention_bind(struct rt_bind *b, struct rt_error *err)
{
	struct attention *s = b->state;

	(void)err;
	s->kernels = b->kernels;
	s->scale = rt_node_float(b->node, "alpha", 1);
	s->turned = rt_node_int(b->node, "turned", 0) != 0;
	return RT_OK;
}

static bool has_mask(const struct rt_infer *f)
{
	return f->in_count > MASK && f->in[MASK].dtype != RT_NONE;
}

/* Dims of the mask as of rank 4; false: more. */
static bool mask_dims(const struct rt_infer *f, int64_t dims[4])
{
	const struct rt_shape *m = &f->in[MASK].shape;

	if (m->rank > 4)
		return false;
	for (int d = 0; d < 4; d++)
		dims[d] = d < 4 - m->rank ? 1 : m->dims[d - (4 - m->rank)];
	return true;
}

/* ${*all} becomes what it and ${one} are broadcast to; false when they do not fit. */
static bool widen(int64_t *all, int64_t one)
{
	if (*all == 1)
		*all = one;
	return one == 1 || one == *all;
}

/* [B][rows][H][size]; whatever is 1 is the same for all. */
static struct rt_attention_operand operand(const struct rt_shape *s)
{
	const size_t size = (size_t)s->dims[3], heads = (size_t)s->dims[2],
		     rows = (size_t)s->dims[1];

	return (struct rt_attention_operand){
	    .batch = s->dims[0] == 1 ? 0 : rows * heads * size,
	    .head = heads == 1 ? 0 : size,
	    .row = rows == 1 ? 0 : heads * size,
	};
}

static void set_mask(struct rt_attention *a, const int64_t dims[4])
{
	const size_t cols = (size_t)dims[3], rows = (size_t)dims[2], heads = (size_t)dims[1];

	a->as_written = true;
	a->mask_type = RT_F32;
	a->mask_cols = cols;
	a->mask_row = rows == 1 ? 0 : cols;
	a->mask_head = heads == 1 ? 0 : rows * cols;
	a->mask_batch = dims[0] == 1 ? 0 : heads * rows * cols;
}

static int refuse(const struct rt_infer *f, struct rt_error *err)
{
	char text[4][128] = {"none"};

	for (int i = 0; i < 4; i++)
		if (i != MASK || has_mask(f))
			rt_shape_text(&f->in[i].shape, text[i], sizeof(text[i]));
	return rt_error_set(err, RT_INPUT, "Q %s, K %s, V %s (heads third), mask %s", text[Q],
			    text[K], text[V], has_mask(f) ? text[MASK] : "none");
}

/* A product that no memory has room for. */
static bool is_large(int64_t a, int64_t b, int64_t c, int64_t d)
{
	return __builtin_mul_overflow(a, b, &a) || __builtin_mul_overflow(a, c, &a) ||
	       __builtin_mul_overflow(a, d, &a) || a > INT64_C(1) << 48;
}

static int attention_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct attention *s = f->state;
	const struct rt_shape *q = &f->in[Q].shape, *k = &f->in[K].shape, *v = &f->in[V].shape;
	struct rt_attention *a = rt_infer_alloc(f, sizeof(*a));
	int64_t mask[4] = {1, 1, 1, 1}, B, H, S, T, E, elems;
	bool fits;

	if (a == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	if (q->rank != 4 || k->rank != 4 || v->rank != 4 || q->dims[3] != k->dims[3] ||
	    (has_mask(f) && (!mask_dims(f, mask) || f->in[MASK].dtype != RT_F32)))
		return refuse(f, err);
	B = q->dims[0], S = q->dims[1], H = q->dims[2], T = k->dims[1], E = v->dims[3];
	fits = widen(&B, k->dims[0]) && widen(&H, k->dims[2]) && widen(&B, mask[0]) &&
	       widen(&H, mask[1]) && widen(&S, mask[2]) && widen(&T, mask[3]) &&
	       widen(&B, v->dims[0]) && widen(&H, v->dims[2]) && T == v->dims[1];
	/* a later one may have made more of what an earlier one had to fit */
	if (!fits || !widen(&B, q->dims[0]) || !widen(&H, q->dims[2]))
		return refuse(f, err);
	f->out[0].shape = s->turned ? rt_shape_of(4, B, S, H, E) : rt_shape_of(4, B, H, S, E);
	if (!rt_shape_elems(&f->out[0].shape, &elems) || is_large(S, T, 1, 1) ||
	    is_large(B, H, T, q->dims[3]) || is_large(B, H, T, E))
		return rt_error_set(err, RT_BUDGET,
				    "the output or what it is made of is too large");
	*a = (struct rt_attention){.kernels = s->kernels,
				   .batch = (size_t)B,
				   .q_heads = (size_t)H,
				   .kv_heads = k->dims[2] == 1 && v->dims[2] == 1 ? 1 : (size_t)H,
				   .rows = (size_t)S,
				   .cols = (size_t)T,
				   .size = (size_t)q->dims[3],
				   .v_size = (size_t)E,
				   .q = operand(q),
				   .k = operand(k),
				   .v = operand(v),
				   .scale = s->scale};
	if (a->q_heads == 0 || a->batch == 0)
		a->kv_heads = 0;
	a->y = (struct rt_attention_operand){NULL, a->q_heads * a->rows * a->v_size,
					     s->turned ? a->v_size : a->rows * a->v_size,
					     s->turned ? a->q_heads * a->v_size : a->v_size};
	if (has_mask(f))
		set_mask(a, mask);
	f->scratch_bytes = rt_attention_scratch_bytes(a, f->threads);
	f->shape_state = a;
	return RT_OK;
}

static void attention_run(const struct rt_run *r)
{
	struct rt_attention a = *(const struct rt_attention *)r->shape_state;

	a.q.data = r->in[Q].data;
	a.k.data = r->in[K].data;
	a.v.data = r->in[V].data;
	a.mask = r->in_count > MASK ? r->in[MASK].data : NULL;
	a.y_data = r->out[0].data;
	rt_attention_run(&a, r->team, r->scratch);
}

const struct rt_op rt_op_attention_heads = {
    .in_min = 3,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct attention),
    .bind = attention_bind,
    .infer = attention_infer,
    .run = attention_run,
};
