/* SPDX-License-Identifier: MIT */
/*
 * matmul.c — products of matrices.
 *
 *	MatMul (ONNX 1, 9, 13)   numpy.matmul: batches broadcast, vectors are promoted
 *	larder.MatMul            the same with transB, alpha, a bias [N], a residual and an
 *	                         activation, of `rank` dimensions at least, made by pass_fuse.c
 *
 * Gemm is gemm.c.  B is packed at load when it is a constant, else at the
 * beginning of each run.  One B for a whole batch of A makes one tall product.
 * A constant B may be of 16 bits where A is float32: it stays so in memory and is
 * widened a piece at a time.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ops/matmul.h"
#include "runtime/ops/ops.h"

/* alpha is put into W, so that bias and residual stay out of it. */
static void scale(const struct rt_matmul *mm, size_t n, float *w)
{
	if (mm->alpha != 1.0f)
		mm->kernels->f32_binary->vs[RT_BINARY_MUL](n, w, &mm->alpha, w);
}

static bool is_half(enum rt_dtype t)
{
	return t == RT_F16 || t == RT_BF16;
}

int rt_matmul_bind(struct rt_bind *b, struct rt_matmul *mm, struct rt_error *err)
{
	const struct rt_tensor *w = rt_bind_constant(b, 1);
	size_t k, n, all, size;
	const void *packed;
	void *fill;
	int64_t elems;
	mm->kernels = b->kernels;
	mm->dtype = b->graph->values[b->node->in[0]].dtype;
	rt_activation_read(b->node, b->kernels, &mm->act);
	if (!w || (w->dtype != RT_F32 && !is_half(w->dtype)) || mm->dtype != RT_F32 ||
	    w->shape.rank < 2)
		return RT_OK;
	elems = rt_tensor_elems(w);
	n = (size_t)w->shape.dims[w->shape.rank - (mm->trans_b ? 2 : 1)];
	k = (size_t)w->shape.dims[w->shape.rank - (mm->trans_b ? 1 : 2)];
	if (elems == 0)
		return RT_OK;
	size = rt_dtype_bits(w->dtype) / 8;
	mm->w_each = rt_gemm_pack_elems(b->kernels, n, k);
	if (__builtin_mul_overflow(mm->w_each, (size_t)elems / (n * k), &all) ||
	    __builtin_mul_overflow(all, size, &all))
		return rt_error_set(err, RT_BUDGET, "weights are too large");
	packed = rt_bind_packed(b, all, &fill);
	if (!packed || (fill && !rt_matmul_pack(b, mm, n, k, (size_t)elems / (n * k), fill)))
		return rt_error_set(err, RT_MEMORY, "no memory for packed weights");
	if (fill && !is_half(w->dtype))
		scale(mm, all / size, fill);
	mm->w = is_half(w->dtype) ? NULL : packed;
	mm->w16 = is_half(w->dtype) ? packed : NULL;
	mm->is_bf16 = w->dtype == RT_BF16;
	rt_bind_drop(b, 1);
	return RT_OK;
}

/* The matrix in the last two dims of ${s}, and the dims before them. */
struct operand {
	int64_t rows, cols;
	struct rt_shape batch;
};

static void split(const struct rt_shape *s, bool first, bool transposed, struct operand *o)
{
	int64_t t;
	o->batch.rank = s->rank < 2 ? 0 : s->rank - 2;
	for (int i = 0; i < o->batch.rank; i++)
		o->batch.dims[i] = s->dims[i];
	if (s->rank == 1) {
		o->rows = first ? 1 : s->dims[0];
		o->cols = first ? s->dims[0] : 1;
		return;
	}
	o->rows = s->dims[s->rank - 2];
	o->cols = s->dims[s->rank - 1];
	if (transposed)
		t = o->rows, o->rows = o->cols, o->cols = t;
}

/* Which matrix of an operand with batch dims ${s} goes with item ${item} of ${out}. */
static int64_t item_of(const struct rt_shape *s, const struct rt_shape *out, int64_t item)
{
	int64_t index = 0, step = 1;
	for (int i = out->rank - 1; i >= 0; i--) {
		int64_t at = item % out->dims[i];
		int own = i - (out->rank - s->rank);
		item /= out->dims[i];
		if (own < 0)
			continue;
		index += s->dims[own] == 1 ? 0 : at * step;
		step *= s->dims[own];
	}
	return index;
}

static int fill_items(struct rt_infer *f, const struct rt_matmul *mm, const struct operand *a,
		      const struct operand *b, const struct rt_shape *out,
		      struct rt_matmul_shape *st, struct rt_error *err)
{
	int64_t *items, rows;
	size_t bytes;
	if (!rt_shape_elems(out, &st->batch) || !rt_shape_elems(&b->batch, &st->b_batch) ||
	    __builtin_mul_overflow((size_t)st->batch, 2 * sizeof *items, &bytes))
		return rt_error_set(err, RT_BUDGET, "too many products");
	/* One B and A one after the other: a single product with all rows. */
	if (st->batch > 0 && st->b_batch == 1 && !mm->trans_a && rt_shape_equal(&a->batch, out) &&
	    !__builtin_mul_overflow(st->m, st->batch, &rows)) {
		st->m = rows;
		st->batch = 1;
	}
	items = rt_infer_alloc(f, (size_t)(st->batch + 1) * 2 * sizeof *items);
	if (!items)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	st->a_item = items;
	st->b_item = items + st->batch;
	for (int64_t i = 0; i < st->batch; i++) {
		items[i] = item_of(&a->batch, out, i);
		items[st->batch + i] = item_of(&b->batch, out, i);
	}
	return RT_OK;
}

static void describe(const struct rt_matmul *mm, const struct rt_matmul_shape *st,
		     struct rt_gemm *g)
{
	*g = (struct rt_gemm){
	    .kernels = mm->kernels,
	    .m = (size_t)st->m,
	    .n = (size_t)st->n,
	    .k = (size_t)st->k,
	    .batch = (size_t)st->batch,
	    .lda = (size_t)st->k,
	    .ldc = (size_t)st->n,
	    .residual_step = (size_t)(st->m * st->n),
	    .epilogue = {.ld_residual = (size_t)st->n, .lo = mm->act.lo, .hi = mm->act.hi},
	    .w16 = mm->w16,
	    .w16_is_bf16 = mm->is_bf16,
	    .w16_scale = mm->alpha,
	    .activation = mm->act.fn,
	    .activation_params = mm->act.params,
	};
}

/* Bytes of packed B when it is made by the run, rounded up to a line; false on overflow. */
static bool packed_bytes(const struct rt_matmul *mm, const struct rt_matmul_shape *st, size_t *out)
{
	size_t each = rt_gemm_pack_elems(mm->kernels, (size_t)st->n, (size_t)st->k);
	if (mm->w || mm->w16) {
		*out = 0;
		return true;
	}
	return !__builtin_mul_overflow(each, (size_t)st->b_batch, out) && *out < SIZE_MAX / 8 &&
	       (*out = (*out * sizeof(float) + 63) / 64 * 64, true);
}

int rt_matmul_infer(struct rt_infer *f, const struct rt_matmul *mm, struct rt_matmul_shape **out,
		    struct rt_error *err)
{
	struct rt_matmul_shape *st = rt_infer_alloc(f, sizeof *st);
	const struct rt_shape *xa = &f->in[0].shape, *xb = &f->in[1].shape, *batches[2];
	struct rt_shape batch;
	struct operand a, b;
	struct rt_gemm g;
	char text[2][128];
	int status;
	if (!st)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	rt_shape_text(xa, text[0], sizeof text[0]);
	rt_shape_text(xb, text[1], sizeof text[1]);
	if (xa->rank < 1 || xb->rank < 1)
		return rt_error_set(err, RT_INPUT, "product of %s and %s", text[0], text[1]);
	split(xa, true, mm->trans_a, &a);
	split(xb, false, mm->trans_b, &b);
	batches[0] = &a.batch, batches[1] = &b.batch;
	if (a.cols != b.rows || !rt_op_broadcast(batches, 2, &batch))
		return rt_error_set(err, RT_INPUT, "product of %s and %s", text[0], text[1]);
	st->m = a.rows, st->n = b.cols, st->k = a.cols;
	st->out = batch;
	if (xa->rank > 1)
		st->out.dims[st->out.rank++] = a.rows;
	if (xb->rank > 1)
		st->out.dims[st->out.rank++] = b.cols;
	if ((status = fill_items(f, mm, &a, &b, &batch, st, err)))
		return status;
	describe(mm, st, &g);
	if (mm->dtype == RT_F32) {
		size_t packed;
		float dummy = 0;
		g.a = mm->trans_a ? NULL : &dummy;
		if (!packed_bytes(mm, st, &packed))
			return rt_error_set(err, RT_BUDGET, "operands are too large");
		/* not nothing: the product points to its panels even where there are none */
		f->scratch_bytes = 64 + packed + rt_gemm_scratch_bytes(&g, f->threads);
	}
	*out = st;
	return RT_OK;
}

struct job {
	const struct rt_matmul *mm;
	const struct rt_matmul_shape *st;
	const float *a, *b;
	float *packed;
	size_t panels, each;
};

/* Panels ${begin} … of all B: panel i % panels of matrix i / panels. */
static void pack_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const size_t n = (size_t)j->st->n, k = (size_t)j->st->k;
	(void)thread;
	for (size_t i = begin; i < end && k > 0; i++) { /* k = 0: there is no B to point to */
		size_t item = i / j->panels, panel = i % j->panels,
		       nr = j->mm->kernels->f32_gemm->nr;
		float *to = j->packed + item * j->each;
		size_t whole = panel + 1 == j->panels ? j->each : (panel + 1) * nr * k;
		rt_gemm_pack(j->mm->kernels, n, k, j->b + item * n * k, j->mm->trans_b ? 1 : n,
			     j->mm->trans_b ? k : 1, panel, 1, to);
		scale(j->mm, whole - panel * nr * k, to + panel * nr * k);
	}
}

/* rt_gemm_rows_f of transposed A: columns of [k][m] become rows. */
static void turned_rows(const void *arg, size_t item, size_t first, size_t count, float *to,
			size_t ld)
{
	const struct job *j = arg;
	const size_t m = (size_t)j->st->m, k = (size_t)j->st->k;
	const float *a = j->a + (size_t)j->st->a_item[item] * m * k;
	j->mm->kernels->x32_transpose->run(k, count, a + first, m, to, ld);
}

static void offsets(const void *arg, size_t item, size_t at[3])
{
	const struct job *j = arg;
	at[0] = (size_t)(j->st->a_item[item] * j->st->m * j->st->k);
	at[1] = (size_t)j->st->b_item[item] * j->each;
	at[2] = item * (size_t)(j->st->m * j->st->n);
}

void rt_matmul_run(const struct rt_run *r, const struct rt_matmul *mm,
		   const struct rt_matmul_shape *st, const float *bias, const float *residual)
{
	struct job j = {.mm = mm, .st = st, .a = r->in[0].data, .b = r->in[1].data};
	struct rt_gemm g;
	char *scratch = rt_residual_scratch(r, &st->residual);
	size_t packed = 0;
	describe(mm, st, &g);
	j.each = rt_gemm_pack_elems(mm->kernels, g.n, g.k);
	j.panels = rt_gemm_panels(mm->kernels, g.n);
	if (g.m == 0 || g.n == 0 || g.batch == 0)
		return;
	g.w = mm->w;
	if (!mm->w && !mm->w16) {
		must(packed_bytes(mm, st, &packed));
		g.w = j.packed = (float *)(void *)scratch;
		rt_team_for(r->team, (size_t)st->b_batch * j.panels,
			    1 + 16384 / (g.k * mm->kernels->f32_gemm->nr + 1), pack_range, &j);
	}
	g.a = mm->trans_a ? NULL : j.a;
	g.rows = turned_rows;
	g.rows_arg = g.at_arg = &j;
	g.at = offsets;
	g.c = r->out[0].data;
	g.epilogue.bias = bias;
	g.epilogue.residual = residual;
	if (st->residual.broadcasts)
		rt_residual_before(r, 3, &st->residual, &g);
	rt_gemm_run(&g, r->team, packed == 0 ? scratch : scratch + packed);
	rt_residual_after(r, 3, &st->residual, &mm->act);
}

static int matmul_bind(struct rt_bind *b, struct rt_error *err)
{
	struct rt_matmul *mm = b->state;
	if (b->node->domain == RT_ONNX && b->node->in_count > 2) /* what follows is larder's */
		return rt_error_set(err, RT_MALFORMED, "%d inputs, not 2", b->node->in_count);
	mm->trans_a = rt_node_int(b->node, "transA", 0) != 0;
	mm->trans_b = rt_node_int(b->node, "transB", 0) != 0;
	mm->alpha = rt_node_float(b->node, "alpha", 1);
	mm->rank = b->node->domain == RT_LARDER ? (int)rt_node_int(b->node, "rank", 0) : 0;
	return rt_matmul_bind(b, mm, err);
}

/* At least ${rank} dimensions. */
static void widen(struct rt_shape *s, int rank)
{
	const int more = rank - s->rank;
	if (more <= 0)
		return;
	memmove(s->dims + more, s->dims, sizeof *s->dims * (size_t)s->rank);
	for (int i = 0; i < more; i++)
		s->dims[i] = 1;
	s->rank = rank;
}

static int matmul_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_matmul *mm = f->state;
	struct rt_matmul_shape *st;
	int status = rt_matmul_infer(f, mm, &st, err);
	if (status)
		return status;
	if (f->in[1].dtype != f->in[0].dtype && !mm->w16)
		return rt_error_set(err, RT_INPUT, "operands of two element types");
	if (f->in_count > 2 && f->in[2].dtype &&
	    (f->in[2].shape.rank != 1 || f->in[2].shape.dims[0] != st->n))
		return rt_error_set(err, RT_INPUT, "bias has another length");
	f->out[0].shape = st->out;
	widen(&f->out[0].shape, mm->rank);
	f->shape_state = st;
	return rt_residual_infer(f, 3, &st->residual, err);
}

static void matmul_run(const struct rt_run *r)
{
	const struct rt_matmul *mm = r->state;
	if (mm->dtype != RT_F32)
		rt_matmul_plain(r, mm, r->shape_state);
	else
		rt_matmul_run(r, mm, r->shape_state, r->in_count > 2 ? r->in[2].data : NULL,
			      r->in_count > 3 ? r->in[3].data : NULL);
}

const struct rt_op rt_op_matmul = {
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .unaligned_inputs = 1 << 1, /* see matmul_pack.c */
    .state_bytes = sizeof(struct rt_matmul),
    .bind = matmul_bind,
    .infer = matmul_infer,
    .run = matmul_run,
};
