/* SPDX-License-Identifier: MIT */
/*
 * qproduct.c — see qproduct.h.
 *
 * Scratch: B packed by the run, its sums; the columns' numbers; the driver's.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/qproduct.h"
#include "runtime/ops/walk.h"

static size_t lines(size_t bytes)
{
	return (bytes + 63) & ~(size_t)63;
}

static struct rt_i8_weights weights(const uint8_t *b, size_t n, size_t k, bool trans,
				    bool is_signed, bool a_signed)
{
	return (struct rt_i8_weights){.b = b,
				      .n = n,
				      .k = k,
				      .row = trans ? 1 : n,
				      .col = trans ? k : 1,
				      .is_signed = is_signed,
				      .a_signed = a_signed};
}

int rt_qproduct_bind(struct rt_bind *b, int input, enum rt_dtype a_type, struct rt_qproduct *q,
		     struct rt_error *err)
{
	const struct rt_tensor *w = rt_bind_constant(b, input);
	size_t n, k, items, all;
	uint8_t *packed;
	int32_t *sums;

	q->kernels = b->kernels;
	if (!w || w->shape.rank < 2 || rt_tensor_elems(w) == 0 ||
	    (w->dtype != RT_I8 && w->dtype != RT_U8))
		return RT_OK;
	n = (size_t)w->shape.dims[w->shape.rank - (q->trans_b ? 2 : 1)];
	k = (size_t)w->shape.dims[w->shape.rank - (q->trans_b ? 1 : 2)];
	items = (size_t)rt_tensor_elems(w) / (n * k);
	q->each = lines(rt_i8_product_bytes(b->kernels, n, k));
	if (__builtin_mul_overflow(q->each, items, &all))
		return rt_error_set(err, RT_BUDGET, "weights are too large");
	packed = rt_bind_alloc(b, all);
	sums = rt_bind_alloc(b, items * n * sizeof(*sums));
	if (!packed || !sums)
		return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
	for (size_t i = 0; i < items; i++) {
		const struct rt_i8_weights of =
		    weights((const uint8_t *)w->data + i * n * k, n, k, q->trans_b,
			    w->dtype == RT_I8, a_type == RT_I8);
		rt_i8_product_pack(b->kernels, &of, 0, rt_i8_product_panels(b->kernels, n),
				   packed + i * q->each, sums + i * n);
	}
	q->w = packed;
	q->sums = sums;
	return RT_OK;
}

static struct rt_i8_product describe(const struct rt_qproduct *q, const struct rt_matmul_shape *st)
{
	return (struct rt_i8_product){
	    .kernels = q->kernels,
	    .m = (size_t)st->m,
	    .n = (size_t)st->n,
	    .k = (size_t)st->k,
	    .batch = (size_t)st->batch,
	    .lda = (size_t)st->k,
	};
}

/* Where the parts of scratch are. */
struct parts {
	size_t packed, each, sums, columns, driver, all; /* bytes */
};

static bool lay_out(const struct rt_qproduct *q, const struct rt_matmul_shape *st, int threads,
		    struct parts *p)
{
	static const uint8_t some;
	struct rt_i8_product g = describe(q, st);
	size_t n = (size_t)st->n, items = (size_t)st->b_batch, columns, packed = 0;

	g.a = &some; /* in memory */
	p->each = q->w ? q->each : lines(rt_i8_product_bytes(q->kernels, n, (size_t)st->k));
	if (__builtin_mul_overflow(n, items, &columns) || columns > SIZE_MAX / 256 ||
	    (!q->w && __builtin_mul_overflow(p->each, items, &packed)) || packed > SIZE_MAX / 8)
		return false;
	columns = lines(columns * sizeof(int32_t));
	p->packed = 0;
	p->sums = packed;
	p->columns = p->sums + (q->w ? 0 : columns);
	p->driver = p->columns + columns * 4;
	p->all = p->driver + rt_i8_product_scratch(&g, threads);
	return true;
}

bool rt_qproduct_scratch(const struct rt_qproduct *q, const struct rt_matmul_shape *st, int threads,
			 size_t *out)
{
	struct parts p;

	if (!lay_out(q, st, threads, &p))
		return false;
	*out = p.all;
	return true;
}

struct job {
	const struct rt_qproduct *q;
	const struct rt_matmul_shape *st;
	const struct rt_qproduct_args *args;
	uint8_t *packed;
	int32_t *sums;
	size_t each, panels;
};

static void pack_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const size_t n = (size_t)j->st->n, k = (size_t)j->st->k;

	(void)thread;
	for (size_t i = begin; i < end; i++) {
		const size_t item = i / j->panels;
		const struct rt_i8_weights of =
		    weights(j->args->b + item * n * k, n, k, j->q->trans_b, j->args->b_signed,
			    j->args->a_signed);
		rt_i8_product_pack(j->q->kernels, &of, i % j->panels, 1, j->packed + item * j->each,
				   j->sums + item * n);
	}
}

static void offsets(const void *arg, size_t item, size_t at[4])
{
	const struct job *j = arg;
	at[0] = (size_t)(j->st->a_item[item] * j->st->m * j->st->k);
	at[1] = (size_t)j->st->b_item[item] * j->each;
	at[2] = item * (size_t)(j->st->m * j->st->n);
	at[3] = (size_t)(j->st->b_item[item] * j->st->n);
}

/* What is added to and multiplied with each column; whether sums of rows are needed. */
static bool make_columns(const struct job *j, const int32_t *sums, int32_t *add, int32_t *row_mul,
			 float *scale)
{
	const struct rt_qproduct_args *a = j->args;
	const int32_t offset = rt_i8_product_offset(a->a_signed, a->b_signed);
	const size_t n = (size_t)j->st->n, all = n * (size_t)j->st->b_batch;
	const size_t zero_step = a->b_zero && rt_tensor_elems(a->b_zero) != 1;
	const size_t scale_step = a->b_scale && rt_tensor_elems(a->b_scale) != 1;
	bool rows = false;

	for (size_t i = 0, c = 0; i < all; i++, c = c + 1 == n ? 0 : c + 1) {
		uint8_t byte = a->b_zero ? ((const uint8_t *)a->b_zero->data)[c * zero_step] : 0;
		const int32_t zero = (a->b_signed ? (int8_t)byte : byte) - offset;
		const uint32_t base = (uint32_t)j->st->k * (uint32_t)a->a_zero * (uint32_t)zero -
				      (uint32_t)a->a_zero * (uint32_t)sums[i];
		add[i] = (int32_t)(base + (a->plus ? (uint32_t)a->plus[c * a->plus_step] : 0));
		row_mul[i] = -zero;
		rows |= zero != 0;
		if (a->b_scale)
			scale[i] = a->before * ((const float *)a->b_scale->data)[c * scale_step] /
				   a->after;
	}
	return rows;
}

void rt_qproduct_run(const struct rt_qproduct *q, const struct rt_matmul_shape *st,
		     const struct rt_qproduct_args *args, struct rt_team *team, void *scratch)
{
	const size_t columns = lines((size_t)(st->n * st->b_batch) * sizeof(int32_t));
	struct rt_i8_product g = describe(q, st);
	struct job j = {.q = q, .st = st, .args = args};
	const int32_t *sums = q->sums;
	int32_t *add, *row_mul;
	float *scale;
	char *at = scratch;
	struct parts p;

	if (st->m == 0 || st->n == 0 || st->batch == 0)
		return;
	must(lay_out(q, st, rt_team_threads(team), &p));
	j.each = p.each;
	g.w = q->w;
	if (!q->w) {
		j.packed = (uint8_t *)at;
		j.sums = (int32_t *)(void *)(at + p.sums);
		j.panels = rt_i8_product_panels(q->kernels, g.n);
		rt_team_for(team, (size_t)st->b_batch * j.panels,
			    1 + 32768 / (g.k * q->kernels->i8_gemm->nr + 1), pack_range, &j);
		g.w = j.packed;
		sums = j.sums;
	}
	add = (int32_t *)(void *)(at + p.columns);
	row_mul = (int32_t *)(void *)(at + p.columns + columns);
	scale = (float *)(void *)(at + p.columns + columns * 2);
	g.finish = (struct rt_i8_finish){.add = add,
					 .row_mul = row_mul,
					 .scale = scale,
					 .bias = args->bias,
					 .residual = args->residual,
					 .ld_residual = g.n,
					 .lo = args->out.lo,
					 .hi = args->out.hi,
					 .zero = args->out.zero,
					 .y = args->y,
					 .ldy = g.n};
	if (!make_columns(&j, sums, add, row_mul, scale))
		g.finish.row_mul = NULL;
	if (args->bias && st->b_batch > 1) { /* columns are those of all matrices of B */
		float *bias = (float *)(void *)(at + p.columns + columns * 3);
		for (size_t i = 0; i < g.n * (size_t)st->b_batch; i++)
			bias[i] = args->bias[i % g.n];
		g.finish.bias = bias;
	}
	g.to = args->y_type == RT_I32   ? q->kernels->i8_row->to_i32
	       : args->y_type == RT_F32 ? q->kernels->i8_row->to_f32
					: q->kernels->i8_row->to_i8;
	g.y_bytes = args->y_type == RT_I32 || args->y_type == RT_F32 ? 4 : 1;
	g.a = args->a;
	g.a_signed = args->a_signed;
	g.at = offsets;
	g.at_arg = &j;
	g.activation = args->activation;
	g.activation_params = args->params;
	rt_i8_product_run(&g, team, at + p.driver);
}
