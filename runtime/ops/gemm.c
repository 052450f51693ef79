/* SPDX-License-Identifier: MIT */
/*
 * gemm.c — Gemm (ONNX opset 7, 9, 11, 13):
 *
 *	Y = alpha · A' · B' + beta · C,  A' [M][K], B' [K][N], C broadcast to [M][N]
 *
 * Opset changes that matter: 11 makes C optional.  A row C with beta 1 is the
 * bias of the product and a whole matrix its residual; any other C is added
 * afterwards.
 */
#include <config.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/matmul.h"
#include "runtime/ops/ops.h"

struct gemm {
	struct rt_matmul mm; /* first: rt_matmul_bind writes it */
	float beta;
};

static int gemm_bind(struct rt_bind *b, struct rt_error *err)
{
	struct gemm *g = b->state;
	g->mm.trans_a = rt_node_int(b->node, "transA", 0) != 0;
	g->mm.trans_b = rt_node_int(b->node, "transB", 0) != 0;
	g->mm.alpha = rt_node_float(b->node, "alpha", 1);
	g->beta = rt_node_float(b->node, "beta", 1);
	return rt_matmul_bind(b, &g->mm, err);
}

static const struct rt_tensor *addend(int count, const struct rt_tensor *in)
{
	return count > 2 && in[2].dtype != RT_NONE ? &in[2] : NULL;
}

static int gemm_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct gemm *g = f->state;
	const struct rt_tensor *c = addend(f->in_count, f->in);
	struct rt_matmul_shape *st;
	struct rt_shape all;
	const struct rt_shape *shapes[2];
	char text[2][128];
	int status;
	if (f->in[0].shape.rank != 2 || f->in[1].shape.rank != 2)
		return rt_error_set(err, RT_INPUT, "operands of rank %d and %d",
				    f->in[0].shape.rank, f->in[1].shape.rank);
	if ((f->in[1].dtype != f->in[0].dtype && !g->mm.w16) || (c && c->dtype != f->in[0].dtype))
		return rt_error_set(err, RT_INPUT, "operands of two element types");
	if ((status = rt_matmul_infer(f, &g->mm, &st, err)))
		return status;
	if (c) {
		shapes[0] = &st->out, shapes[1] = &c->shape;
		if (!rt_op_broadcast(shapes, 2, &all) || !rt_shape_equal(&all, &st->out))
			return rt_error_set(err, RT_INPUT, "C %s does not broadcast to %s",
					    rt_shape_text(&c->shape, text[0], sizeof text[0]),
					    rt_shape_text(&st->out, text[1], sizeof text[1]));
	}
	f->out[0].shape = st->out;
	f->shape_state = st;
	return RT_OK;
}

struct job {
	const struct gemm *g;
	int64_t n, c_row, c_col; /* strides of C in elements, 0 = broadcast */
	const void *c;           /* or NULL */
	void *y;
};

/* Float64, and integers as the doubles they are scaled by: Y = alpha · Y + beta · C. */
static void scale_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const enum rt_dtype t = j->g->mm.dtype;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		for (int64_t q = 0; q < j->n; q++) {
			double x, c = 0;
			rt_convert_to_f64(t, j->y, i * j->n + q, 1, &x);
			if (j->c)
				rt_convert_to_f64(t, j->c, i * j->c_row + q * j->c_col, 1, &c);
			x = (double)j->g->mm.alpha * x + (double)j->g->beta * c;
			rt_convert_from_f64(t, &x, 1, j->y, i * j->n + q, true);
		}
	}
}

/* Rows of Y += beta · C. */
static void add_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		for (int64_t q = 0; q < j->n; q++) {
			const int64_t at = i * j->c_row + q * j->c_col, to = i * j->n + q;
			if (j->g->mm.dtype == RT_F32)
				((float *)j->y)[to] += j->g->beta * ((const float *)j->c)[at];
			else if (j->g->mm.dtype == RT_F64)
				((double *)j->y)[to] += ((const double *)j->c)[at];
			else if (rt_dtype_bits(j->g->mm.dtype) == 32)
				((uint32_t *)j->y)[to] += ((const uint32_t *)j->c)[at];
			else
				((uint64_t *)j->y)[to] += ((const uint64_t *)j->c)[at];
		}
	}
}

static void gemm_run(const struct rt_run *r)
{
	const struct gemm *g = r->state;
	const struct rt_matmul_shape *st = r->shape_state;
	const struct rt_tensor *c = addend(r->in_count, r->in);
	const int64_t rows = r->out[0].shape.dims[0];
	const float *bias = NULL, *residual = NULL;
	struct job j = {.g = g, .n = st->n, .y = r->out[0].data};
	if (rt_tensor_elems(&r->out[0]) == 0)
		return;
	if (c && c->data) {
		const int64_t cols = c->shape.rank > 0 ? c->shape.dims[c->shape.rank - 1] : 1;
		const int64_t high = c->shape.rank > 1 ? c->shape.dims[0] : 1;
		j.c = c->data;
		j.c_col = cols == 1 ? 0 : 1;
		j.c_row = high == 1 ? 0 : cols;
		if (g->mm.dtype == RT_F32 && g->beta == 1.0f && cols == st->n) {
			if (high == 1)
				bias = c->data;
			else if (high == rows)
				residual = c->data;
		}
	}
	if (g->mm.dtype == RT_F32)
		rt_matmul_run(r, &g->mm, st, bias, residual);
	else
		rt_matmul_plain(r, &g->mm, st);
	if (g->mm.dtype != RT_F32 && (g->mm.alpha != 1.0f || g->beta != 1.0f))
		rt_team_for(r->team, (size_t)rows, 1 + 8192 / (size_t)(st->n + 1), scale_rows, &j);
	else if (j.c && !bias && !residual)
		rt_team_for(r->team, (size_t)rows, 1 + 65536 / (size_t)(st->n + 1), add_rows, &j);
}

const struct rt_op rt_op_gemm = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .unaligned_inputs = 1 << 1, /* see matmul_pack.c */
    .state_bytes = sizeof(struct gemm),
    .bind = gemm_bind,
    .infer = gemm_infer,
    .run = gemm_run,
};
