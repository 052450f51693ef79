/* SPDX-License-Identifier: MIT */
/*
 * one_hot_matmul.c — larder.OneHotMatMul, made by pass_fuse_one_hot.c from
 * MatMul(Cast(Equal(x, keys)), W): a product whose left side says which key an
 * integer is.
 *
 *	X int32 or int64, W [R][C], bias [C] or none;  attributes first, rank, act
 *	Y[…][c] = activation(Σ_r [X[…][r] = first + r] · W[r][c] + bias[c])
 *
 * X is broadcast to at least `rank` dims; its last one is 1 or R.  Where it is 1 a row
 * of Y is one of R + 1, and all of those are made by bind.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/activation.h"
#include "runtime/ops/index.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

struct product {
	const struct rt_kernels *kernels;
	struct rt_activation act;
	int64_t first, rows, columns;
	int rank;
	const float *table; /* [rows + 1][columns]: what each key gives, and then no key */
};

struct shape_state {
	int64_t count, last; /* rows of Y; last dim of X */
};

static int product_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			struct rt_error *err)
{
	(void)g;
	(void)n;
	(void)err;
	out[0] = RT_F32;
	return RT_OK;
}

/* What comes after the sum. */
static void finish(const struct product *p, float *y)
{
	const struct rt_unary_params clip = {p->act.lo, p->act.hi};
	const size_t n = (size_t)p->columns;
	p->kernels->f32_unary->fn[RT_UNARY_CLIP](n, y, y, &clip);
	if (p->act.fn)
		p->act.fn(n, y, y, &p->act.params);
}

static int product_bind(struct rt_bind *b, struct rt_error *err)
{
	struct product *p = b->state;
	const struct rt_tensor *w = rt_bind_constant(b, 1), *bias = rt_bind_constant(b, 2);
	size_t bytes, rows;
	float *to;
	must(w && w->dtype == RT_F32 && w->shape.rank == 2 && (bias || !rt_bind_has(b, 2)));
	p->kernels = b->kernels;
	p->first = rt_node_int(b->node, "first", 0);
	p->rank = (int)rt_node_int(b->node, "rank", 1);
	p->rows = w->shape.dims[0];
	p->columns = w->shape.dims[1];
	rt_activation_read(b->node, b->kernels, &p->act);
	rows = (size_t)p->rows + 1;
	if (__builtin_mul_overflow(rows, (size_t)p->columns * sizeof(float), &bytes) ||
	    !(to = rt_bind_alloc(b, bytes + 1)))
		return rt_error_set(err, RT_MEMORY, "no memory for %lld rows", (long long)p->rows);
	p->table = to;
	memcpy(to, w->data, bytes - (size_t)p->columns * sizeof(float));
	for (size_t i = 0; i < rows && p->columns > 0; i++, to += p->columns) {
		if (bias)
			b->kernels->f32_binary->vv[RT_BINARY_ADD]((size_t)p->columns, to,
								  bias->data, to);
		finish(p, to);
	}
	return RT_OK;
}

static int product_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct product *p = f->state;
	const struct rt_shape *x = &f->in[0].shape;
	struct rt_shape *y = &f->out[0].shape;
	struct shape_state *st = rt_infer_alloc(f, sizeof(*st));
	int64_t elems;
	char text[128];

	if (st == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	st->last = x->rank > 0 ? x->dims[x->rank - 1] : 1;
	if (st->last != 1 && st->last != p->rows)
		return rt_error_set(err, RT_INPUT, "%s against %lld keys",
				    rt_shape_text(x, text, sizeof(text)), (long long)p->rows);
	y->rank = x->rank > p->rank ? x->rank : p->rank;
	st->count = 1;
	for (int d = 0; d < y->rank - 1; d++) {
		const int own = d - (y->rank - x->rank);

		y->dims[d] = own < 0 ? 1 : x->dims[own];
		if (__builtin_mul_overflow(st->count, y->dims[d], &st->count))
			return rt_error_set(err, RT_INPUT, "the output is too large");
	}
	y->dims[y->rank - 1] = p->columns;
	if (!rt_shape_elems(y, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	f->shape_state = st;
	return RT_OK;
}

/* Rows of Y that are rows of the table. */
static void pick(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct product *p = r->state;
	const size_t columns = (size_t)p->columns;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		const int64_t key = rt_index_get(&r->in[0], (int64_t)i);
		uint64_t row = (uint64_t)key - (uint64_t)p->first;

		if (row > (uint64_t)p->rows)
			row = (uint64_t)p->rows;
		memcpy((float *)r->out[0].data + i * columns, p->table + (size_t)row * columns,
		       columns * sizeof(float));
	}
}

/* Rows of Y where X says of each key by itself whether it is there. */
static void sum(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct product *p = r->state;
	const size_t columns = (size_t)p->columns;
	rt_f32_binary_f *add = p->kernels->f32_binary->vv[RT_BINARY_ADD];

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		float *y = (float *)r->out[0].data + i * columns;

		memset(y, 0, columns * sizeof(*y));
		for (int64_t k = 0; k < p->rows; k++) {
			if (rt_index_get(&r->in[0], (int64_t)i * p->rows + k) == p->first + k)
				add(columns, y, (const float *)r->in[1].data + (size_t)k * columns,
				    y);
		}
		if (r->in_count > 2 && r->in[2].data)
			add(columns, y, r->in[2].data, y);
		finish(p, y);
	}
}

static void product_run(const struct rt_run *r)
{
	const struct product *p = r->state;
	const struct shape_state *st = r->shape_state;
	struct rt_run copy = *r;

	if (st->count > 0 && p->columns > 0)
		rt_team_for(r->team, (size_t)st->count, rt_walk_grain(p->columns * st->last),
			    st->last == 1 ? pick : sum, &copy);
}

const struct rt_op rt_op_one_hot_matmul = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct product),
    .type = product_type,
    .bind = product_bind,
    .infer = product_infer,
    .run = product_run,
};
