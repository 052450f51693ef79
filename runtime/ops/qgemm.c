/* SPDX-License-Identifier: MIT */
/*
 * qgemm.c — products of 8-bit integers in com.microsoft (since 1):
 *
 *	QGemm                  Y = alpha·a_scale·b_scale · (A' · B' + C), quantised if y_zero is
 *there MatMulIntegerToFloat   Y = a_scale·b_scale · A' · B' + bias DynamicQuantizeMatMul  the same
 *with A quantised here, as DynamicQuantizeLinear does
 *
 * A' = A − a_zero, B' = B − b_zero; b_scale and b_zero are one number or one
 * per column.  Shapes as numpy.matmul (QGemm: two matrices, transposed if it
 * says so).
 *
 * Products run on the kernels for bytes (qproduct.h).  Only for transposed A and
 * for C with rows there is a plain form: A' is widened to int16 rows once; then
 * panels of columns of B' are widened one after the other, and every element is a
 * product of two rows (qconv.h).
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/matmul.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/qconv.h"
#include "runtime/ops/qparam.h"
#include "runtime/ops/qproduct.h"
#include "runtime/ops/walk.h"

#define PANEL 32 /* columns */

/* Which input is what; −1 = there is none. */
struct inputs {
	int b, a_scale, a_zero, b_scale, b_zero, c, bias, y_scale, y_zero;
};
static const struct inputs gemm_inputs = {3, 1, 2, 4, 5, 6, -1, 7, 8};
static const struct inputs to_float_inputs = {1, 2, 4, 3, 5, -1, 6, -1, -1};
static const struct inputs dynamic_inputs = {1, -1, -1, 2, 3, -1, 4, -1, -1};

struct qgemm {
	struct rt_matmul mm; /* trans_a, trans_b, alpha */
	const struct inputs *at;
	struct rt_qproduct q;
};

struct shape_state {
	struct rt_matmul_shape *z;
	bool fast;
	size_t product; /* bytes of scratch for quantised A, before the product's */
	int64_t panels;
	size_t a_bytes, panel_bytes; /* of scratch: widened A; a panel per thread */
	int64_t c_row, c_col;        /* steps of C */
};

struct job {
	const struct rt_run *r;
	const struct qgemm *s;
	const struct shape_state *z;
	struct rt_qparam a, y;
	bool quantised; /* Y is */
	int16_t *rows;  /* [items of A][M][K] */
	char *panels;
};

static bool given(int in_count, const struct rt_tensor *in, int i)
{
	return i >= 0 && i < in_count && in[i].dtype != RT_NONE;
}

static int qgemm_bind(struct rt_bind *b, struct rt_error *err)
{
	struct qgemm *s = b->state;

	s->at = strcmp(b->node->op_type, "QGemm") == 0                  ? &gemm_inputs
		: strcmp(b->node->op_type, "MatMulIntegerToFloat") == 0 ? &to_float_inputs
									: &dynamic_inputs;
	s->mm.dtype = RT_U8;
	s->mm.kernels = b->kernels;
	s->mm.alpha = rt_node_float(b->node, "alpha", 1);
	s->mm.trans_a = rt_node_int(b->node, "transA", 0) != 0;
	s->mm.trans_b = rt_node_int(b->node, "transB", 0) != 0;
	rt_activation_read(b->node, b->kernels, &s->mm.act);
	s->q.trans_b = s->mm.trans_b;
	return rt_qproduct_bind(
	    b, s->at->b, s->at == &dynamic_inputs ? RT_U8 : b->graph->values[b->node->in[0]].dtype,
	    &s->q, err);
}

/* Input ${i}, if it is there, is of type ${t} with 1 or ${n} elements. */
static int check_row(const struct rt_infer *f, int i, enum rt_dtype t, int64_t n,
		     struct rt_error *err)
{
	int64_t elems;

	if (!given(f->in_count, f->in, i))
		return RT_OK;
	if (f->in[i].dtype != t || !rt_shape_elems(&f->in[i].shape, &elems) ||
	    (elems != 1 && elems != n))
		return rt_error_set(err, RT_INPUT, "input %d is not 1 or %lld elements of %s", i,
				    (long long)n, rt_dtype_name(t));
	return RT_OK;
}

static int check_inputs(const struct rt_infer *f, const struct inputs *at, int64_t n,
			struct rt_error *err)
{
	enum rt_dtype b = f->in[at->b].dtype;
	int rc = RT_OK;

	if (b != RT_I8 && b != RT_U8)
		return rt_error_set(err, RT_INPUT, "B is %s", rt_dtype_name(b));
	if (at->a_scale >= 0)
		rc = rt_qparam_check(f, f->in[0].dtype, at->a_scale, at->a_zero, err);
	rc = rc ? rc : check_row(f, at->b_scale, RT_F32, n, err);
	rc = rc ? rc : check_row(f, at->b_zero, b, n, err);
	rc = rc ? rc : check_row(f, at->bias, RT_F32, n, err);
	if (!rc && given(f->in_count, f->in, at->y_zero))
		rc = rt_qparam_check(f, f->in[at->y_zero].dtype, at->y_scale, at->y_zero, err);
	return rc;
}

/* C broadcasts to Y one way. */
static int check_c(const struct rt_infer *f, struct shape_state *z, int c, struct rt_error *err)
{
	const struct rt_shape *y = &f->out[0].shape, *s;
	const struct rt_shape *both[2];
	struct rt_shape all;
	char text[64];

	if (!given(f->in_count, f->in, c))
		return RT_OK;
	s = &f->in[c].shape;
	both[0] = y, both[1] = s;
	if (f->in[c].dtype != RT_I32 || !rt_op_broadcast(both, 2, &all) || !rt_shape_equal(y, &all))
		return rt_error_set(err, RT_INPUT, "C is %s of shape %s",
				    rt_dtype_name(f->in[c].dtype),
				    rt_shape_text(s, text, sizeof(text)));
	z->c_col = s->rank > 0 && s->dims[s->rank - 1] != 1;
	z->c_row = s->rank > 1 && s->dims[0] != 1 ? s->dims[s->rank - 1] : 0;
	return RT_OK;
}

static size_t most(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* The bias is left out, or a number per column. */
static bool bias_fits(const struct rt_infer *f, int i, int64_t n)
{
	int64_t elems;

	return !given(f->in_count, f->in, i) ||
	       (rt_shape_elems(&f->in[i].shape, &elems) && elems == n);
}

static int infer_fast(struct rt_infer *f, const struct qgemm *s, struct shape_state *z,
		      int64_t a_elems, struct rt_error *err)
{
	if (!rt_qproduct_scratch(&s->q, z->z, f->threads, &f->scratch_bytes))
		return rt_error_set(err, RT_BUDGET, "operands are too large");
	z->product = s->at->a_scale < 0 ? ((size_t)a_elems + 63) & ~(size_t)63 : 0;
	f->scratch_bytes += most(z->product, (size_t)f->threads * RT_QPARAM_EXTREMES);
	f->shape_state = z;
	return RT_OK;
}

static int qgemm_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct qgemm *s = f->state;
	const struct rt_tensor both[2] = {f->in[0], f->in[s->at->b]};
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	struct rt_infer product = *f;
	int64_t a_elems;
	int rc;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	product.in = both;
	product.in_count = 2;
	rc = rt_matmul_infer(&product, &s->mm, &z->z, err);
	if (rc)
		return rc;
	if (s->at->c >= 0 && z->z->out.rank != 2)
		return rt_error_set(err, RT_INPUT, "A and B are not two matrices");
	f->out[0].shape = z->z->out;
	rc = check_inputs(f, s->at, z->z->n, err);
	rc = rc ? rc : check_c(f, z, s->at->c, err);
	if (rc)
		return rc;
	if (!rt_shape_elems(&f->in[0].shape, &a_elems) || z->z->k > INT32_MAX)
		return rt_error_set(err, RT_BUDGET, "A is too large");
	z->fast = !s->mm.trans_a && z->c_row == 0 && bias_fits(f, s->at->bias, z->z->n);
	if (z->fast)
		return infer_fast(f, s, z, a_elems, err);
	z->panels = (z->z->n + PANEL - 1) / PANEL;
	z->a_bytes = ((size_t)a_elems * sizeof(int16_t) + 63) & ~(size_t)63;
	z->panel_bytes = ((size_t)z->z->k * PANEL * sizeof(int16_t) + 63) & ~(size_t)63;
	f->scratch_bytes = most(z->a_bytes + (size_t)f->threads * z->panel_bytes,
				(size_t)f->threads * RT_QPARAM_EXTREMES);
	f->shape_state = z;
	return RT_OK;
}

/* ---- A --------------------------------------------------------------------------------------- */

/* The range of A always holds 0 (ONNX DynamicQuantizeLinear-11). */
static struct rt_qparam range_of(const struct rt_run *r, const struct rt_kernels *k)
{
	size_t n = (size_t)rt_tensor_elems(&r->in[0]);
	float seen[2], min, max, zero;
	struct rt_qparam p = {0};

	rt_qparam_extremes(r->team, k, n, r->in[0].data, r->scratch, seen);
	min = fminf(0, seen[0]);
	max = fmaxf(0, seen[1]);
	p.scale = (max - min) / 255.0f;

	if (!(p.scale > 0) || isinf(p.scale))
		p.scale = 1;
	zero = nearbyintf(-min / p.scale);
	p.zero = zero > 255 ? 255 : zero > 0 ? (int32_t)zero : 0;
	return p;
}

static void widen_row(const struct job *j, int64_t from, int64_t step, int64_t count, int16_t *to)
{
	const struct rt_tensor *a = &j->r->in[0];
	const uint8_t *u = (const uint8_t *)a->data + from;
	const int8_t *i = (const int8_t *)a->data + from;
	int16_t zero = (int16_t)j->a.zero;

	if (a->dtype == RT_I8)
		for (int64_t k = 0; k < count; k++)
			to[k] = (int16_t)(i[k * step] - zero);
	else
		for (int64_t k = 0; k < count; k++)
			to[k] = (int16_t)(u[k * step] - zero);
}

static void quantise_row(const struct job *j, const float *x, int64_t count, int16_t *to)
{
	uint8_t q[RT_CONVERT_BLOCK];

	for (int64_t k = 0; k < count; k += RT_CONVERT_BLOCK) {
		size_t n = count - k < RT_CONVERT_BLOCK ? (size_t)(count - k) : RT_CONVERT_BLOCK;
		rt_qparam_bytes(&j->a, n, x + k, q);
		for (size_t i = 0; i < n; i++)
			to[(size_t)k + i] = (int16_t)(q[i] - j->a.zero);
	}
}

static void rows_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	int64_t k = j->z->z->k, m = j->z->z->m;

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int16_t *to = j->rows + i * k;
		if (j->s->at->a_scale < 0)
			quantise_row(j, (const float *)j->r->in[0].data + i * k, k, to);
		else if (j->s->mm.trans_a)
			widen_row(j, i / m * m * k + i % m, m, k, to);
		else
			widen_row(j, i * k, 1, k, to);
	}
}

/* ---- B and Y --------------------------------------------------------------------------------- */

/* Element ${n} of an input that has one or one per column; 0 when it is left out. */
static int32_t zero_at(const struct rt_run *r, int input, int64_t n)
{
	if (input < 0 || input >= r->in_count || !r->in[input].data)
		return 0;
	return (int32_t)rt_convert_get_i64(&r->in[input],
					   rt_tensor_elems(&r->in[input]) == 1 ? 0 : n);
}

static float float_at(const struct rt_run *r, int input, int64_t n)
{
	const float *x = input >= 0 && input < r->in_count ? r->in[input].data : NULL;
	return x ? x[rt_tensor_elems(&r->in[input]) == 1 ? 0 : n] : 0;
}

/* Columns ${first} … of matrix ${item} of B as rows of int16, less their zero points. */
static void widen_panel(const struct job *j, int64_t item, int64_t first, int64_t count,
			int16_t *to)
{
	const struct rt_tensor *b = &j->r->in[j->s->at->b];
	int64_t K = j->z->z->k, N = j->z->z->n;
	int64_t row = j->s->mm.trans_b ? 1 : N, col = j->s->mm.trans_b ? K : 1;
	const uint8_t *from = (const uint8_t *)b->data + item * K * N + first * col;

	for (int64_t k = 0; k < K; k++)
		for (int64_t n = 0; n < count; n++) {
			uint8_t q = from[k * row + n * col];
			to[n * K + k] = b->dtype == RT_I8 ? (int8_t)q : q;
		}
	for (int64_t n = 0; n < count; n++) {
		int16_t zero = (int16_t)zero_at(j->r, j->s->at->b_zero, first + n);
		for (int64_t k = 0; zero && k < K; k++)
			to[n * K + k] = (int16_t)(to[n * K + k] - zero);
	}
}

/* Row ${m} of the panel's columns of Y, whose element ${to} is the first. */
static void finish_row(const struct job *j, int64_t m, const int16_t *row, const int16_t *panel,
		       int64_t first, int64_t count, int64_t to)
{
	const struct inputs *at = j->s->at;
	const int32_t *c = at->c >= 0 && at->c < j->r->in_count ? j->r->in[at->c].data : NULL;
	float y[PANEL];

	for (int64_t n = 0; n < count; n++) {
		uint32_t sum = (uint32_t)rt_qconv_dot(j->z->z->k, row, panel + n * j->z->z->k);
		float scale = j->s->mm.alpha * j->a.scale * float_at(j->r, at->b_scale, first + n);
		if (c)
			sum += (uint32_t)c[m * j->z->c_row + (first + n) * j->z->c_col];
		y[n] = (float)(int32_t)sum * scale + float_at(j->r, at->bias, first + n);
	}
	if (j->quantised)
		rt_qparam_bytes(&j->y, (size_t)count, y, (uint8_t *)j->r->out[0].data + to);
	else
		memcpy((float *)j->r->out[0].data + to, y, (size_t)count * sizeof(*y));
}

/* Item: panel of a product of the batch. */
static void panels_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct rt_matmul_shape *z = j->z->z;
	int16_t *panel = (int16_t *)(void *)(j->panels + (size_t)thread * j->z->panel_bytes);

	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t item = i / j->z->panels, first = i % j->z->panels * PANEL;
		int64_t count = z->n - first < PANEL ? z->n - first : PANEL;
		const int16_t *rows = j->rows + z->a_item[item] * z->m * z->k;
		widen_panel(j, z->b_item[item], first, count, panel);
		for (int64_t m = 0; m < z->m; m++)
			finish_row(j, m, rows + m * z->k, panel, first, count,
				   (item * z->m + m) * z->n + first);
	}
}

struct quantise_job {
	const struct rt_kernels *kernels;
	const float *x;
	uint8_t *to;
	struct rt_qparam p;
};

static void quantise_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct quantise_job *j = arg;
	const float bounds[2] = {(float)-j->p.zero, (float)(255 - j->p.zero)};

	(void)thread;
	j->kernels->i8_row->quantise(end - begin, j->x + begin, j->p.scale, j->p.zero, bounds,
				     j->to + begin);
}

/* A and its numbers; quantised here if it is float. */
static struct rt_qparam operand(const struct rt_run *r, const struct qgemm *s, const uint8_t **a)
{
	struct quantise_job j = {.kernels = s->mm.kernels, .x = r->in[0].data, .to = r->scratch};

	*a = r->in[0].data;
	if (s->at->a_scale >= 0)
		return rt_qparam_read(r, r->in[0].dtype, s->at->a_scale, s->at->a_zero);
	j.p = range_of(r, s->mm.kernels);
	rt_team_for(r->team, (size_t)rt_tensor_elems(&r->in[0]), rt_walk_grain(1), quantise_range,
		    &j);
	*a = j.to;
	return j.p;
}

static void run_fast(const struct rt_run *r)
{
	const struct qgemm *s = r->state;
	const struct shape_state *z = r->shape_state;
	const struct inputs *at = s->at;
	const struct rt_tensor *b = &r->in[at->b], *out = &r->out[0];
	struct rt_qproduct_args p = {.b = b->data,
				     .b_signed = b->dtype == RT_I8,
				     .b_scale = &r->in[at->b_scale],
				     .after = 1,
				     .y_type = out->dtype,
				     .y = out->data};
	const struct rt_qparam a = operand(r, s, &p.a);

	p.a_signed = a.is_signed;
	p.a_zero = a.zero;
	p.before = s->mm.alpha * a.scale;
	if (at->b_zero < r->in_count && r->in[at->b_zero].data)
		p.b_zero = &r->in[at->b_zero];
	if (at->c >= 0 && at->c < r->in_count) {
		p.plus = r->in[at->c].data;
		p.plus_step = (size_t)z->c_col;
	}
	if (at->bias >= 0 && at->bias < r->in_count)
		p.bias = r->in[at->bias].data;
	p.out.lo = s->mm.act.lo, p.out.hi = s->mm.act.hi;
	p.activation = s->mm.act.fn, p.params = s->mm.act.params;
	if (out->dtype != RT_F32) {
		const struct rt_qparam y = rt_qparam_read(r, out->dtype, at->y_scale, at->y_zero);
		p.after = y.scale;
		p.out.zero = y.zero;
		p.out.lo = (float)((y.is_signed ? -128 : 0) - y.zero);
		p.out.hi = (float)((y.is_signed ? 127 : 255) - y.zero);
	}
	rt_qproduct_run(&s->q, z->z, &p, r->team, (char *)r->scratch + z->product);
}

static void qgemm_run(const struct rt_run *r)
{
	const struct qgemm *s = r->state;
	const struct shape_state *z = r->shape_state;
	const struct inputs *at = s->at;
	struct job j = {.r = r, .s = s, .z = z, .rows = r->scratch};
	int64_t a_rows = z->z->k ? rt_tensor_elems(&r->in[0]) / z->z->k : 0;

	if (z->fast) {
		run_fast(r);
		return;
	}
	j.panels = (char *)r->scratch + z->a_bytes;
	j.a = at->a_scale < 0 ? range_of(r, s->mm.kernels)
			      : rt_qparam_read(r, r->in[0].dtype, at->a_scale, at->a_zero);
	j.quantised = r->out[0].dtype != RT_F32;
	if (j.quantised)
		j.y = rt_qparam_read(r, r->out[0].dtype, at->y_scale, at->y_zero);
	rt_team_for(r->team, (size_t)a_rows, rt_walk_grain(z->z->k + 1), rows_range, &j);
	if (z->z->batch * z->panels > 0)
		rt_team_for(r->team, (size_t)(z->z->batch * z->panels),
			    rt_walk_grain(z->z->k * (z->z->m + 4) * PANEL), panels_range, &j);
}

static int float_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	(void)g, (void)n, (void)err;
	out[0] = RT_F32;
	return RT_OK;
}

static int qgemm_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	(void)err;
	out[0] = n->in_count > gemm_inputs.y_zero && n->in[gemm_inputs.y_zero] != RT_NO_VALUE
		     ? g->values[n->in[gemm_inputs.y_zero]].dtype
		     : RT_F32;
	if (out[0] != RT_F32 && out[0] != RT_I8 && out[0] != RT_U8)
		return rt_error_set(err, RT_MALFORMED, "y_zero_point is %s", rt_dtype_name(out[0]));
	return RT_OK;
}

#define PRODUCT(name, least, most, type_)                                                          \
	const struct rt_op rt_op_##name = {                                                        \
	    .in_min = least,                                                                       \
	    .in_max = most,                                                                        \
	    .out_min = 1,                                                                          \
	    .out_max = 1,                                                                          \
	    .state_bytes = sizeof(struct qgemm),                                                   \
	    .type = type_,                                                                         \
	    .bind = qgemm_bind,                                                                    \
	    .infer = qgemm_infer,                                                                  \
	    .run = qgemm_run,                                                                      \
	}
PRODUCT(qgemm, 6, 9, qgemm_type);
PRODUCT(matmul_integer_to_float, 4, 7, float_type);
PRODUCT(dynamic_quantize_matmul, 3, 5, float_type);
