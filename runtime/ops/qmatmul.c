/* SPDX-License-Identifier: MIT */
/*
 * qmatmul.c — MatMulInteger and QLinearMatMul: products of 8-bit integers.
 *
 *	MatMulInteger	Y = (A − a_zero) · (B − b_zero), int32
 *	QLinearMatMul	Y = saturate(round(that · a_scale·b_scale / y_scale) + y_zero)
 *
 * Shapes as numpy.matmul: [..., M, K] · [..., K, N] with the leading dimensions
 * broadcast; a vector on either side loses its 1 again.  a_zero and a_scale are
 * one number or one per row [M], those of B one or one per column [N].  The sum
 * is exact in int32 (wrapping, as the operator has it).  Since opset 10; 21 adds
 * 16-bit float scales, which are computed as float32.
 *
 * QLinearMatMul may have the attributes q_lo and q_hi (pass_quant.c): bounds of the
 * result before the zero point is added.  With one zero point for A (and one scale) it is a product
 *on the kernels for bytes (qproduct.h), B packed at load if it is a constant.  The plain form is
 *for numbers per row.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/qproduct.h"
#include "runtime/ops/walk.h"

/* Which input is what; −1 = there is none. */
struct inputs {
	int b, a_zero, b_zero, a_scale, b_scale, y_scale, y_zero;
};
static const struct inputs integer_inputs = {1, 2, 3, -1, -1, -1, -1};
static const struct inputs qlinear_inputs = {3, 2, 5, 1, 4, 6, 7};

struct qmatmul {
	struct rt_qproduct q;
	const struct inputs *at;
	float lo, hi; /* of a quantised result, before the zero point is added; ±inf */
};

struct shape_state {
	const struct inputs *at;
	struct rt_matmul_shape *fast; /* NULL: the plain form */
	int64_t m, k, n, batch;
	int rank; /* of the leading dimensions */
	int64_t dims[RT_RANK_MAX], a_step[RT_RANK_MAX], b_step[RT_RANK_MAX]; /* in matrices */
};

struct job {
	const struct rt_run *r;
	const struct shape_state *z;
	char *scratch; /* per thread */
	size_t scratch_bytes;
};

static bool given(const struct rt_infer *f, int i)
{
	return i >= 0 && i < f->in_count && f->in[i].dtype != RT_NONE;
}

/* A matrix and the leading dimensions of an operand; a vector becomes a row or a column. */
static void split(const struct rt_shape *s, bool left, int64_t *rows, int64_t *cols,
		  struct rt_shape *lead)
{
	lead->rank = s->rank > 2 ? s->rank - 2 : 0;
	for (int i = 0; i < lead->rank; i++)
		lead->dims[i] = s->dims[i];
	if (s->rank == 1) {
		*rows = left ? 1 : s->dims[0];
		*cols = left ? s->dims[0] : 1;
	} else {
		*rows = s->dims[s->rank - 2];
		*cols = s->dims[s->rank - 1];
	}
}

static void lead_steps(const struct rt_shape *lead, const struct shape_state *z, int64_t *step)
{
	int64_t at = 1;

	for (int i = z->rank - 1, k = lead->rank - 1; i >= 0; i--, k--) {
		step[i] = k >= 0 && lead->dims[k] != 1 ? at : 0;
		at *= k >= 0 ? lead->dims[k] : 1;
	}
}

static int matmul_shapes(const struct rt_infer *f, struct shape_state *z, struct rt_shape *out,
			 struct rt_error *err)
{
	const struct rt_shape *a = &f->in[0].shape, *b = &f->in[z->at->b].shape;
	struct rt_shape lead_a, lead_b, lead;
	const struct rt_shape *both[2] = {&lead_a, &lead_b};
	int64_t k2 = 0;

	if (a->rank < 1 || b->rank < 1)
		return rt_error_set(err, RT_INPUT, "a scalar cannot be multiplied as a matrix");
	split(a, true, &z->m, &z->k, &lead_a);
	split(b, false, &k2, &z->n, &lead_b);
	if (k2 != z->k)
		return rt_error_set(err, RT_INPUT, "%lld columns of A meet %lld rows of B",
				    (long long)z->k, (long long)k2);
	if (!rt_op_broadcast(both, 2, &lead) || !rt_shape_elems(&lead, &z->batch))
		return rt_error_set(err, RT_INPUT, "leading dimensions do not broadcast");
	z->rank = lead.rank;
	memcpy(z->dims, lead.dims, sizeof(z->dims));
	lead_steps(&lead_a, z, z->a_step);
	lead_steps(&lead_b, z, z->b_step);
	*out = lead;
	if (a->rank > 1)
		out->dims[out->rank++] = z->m;
	if (b->rank > 1)
		out->dims[out->rank++] = z->n;
	return RT_OK;
}

/* One number, or one per row or column. */
static int check_params(const struct rt_infer *f, const struct shape_state *z, struct rt_error *err)
{
	const struct inputs *at = z->at;
	const struct {
		int input;
		int64_t count;
		const char *name;
	} expect[] = {{at->a_zero, z->m, "a_zero_point"}, {at->b_zero, z->n, "b_zero_point"},
		      {at->a_scale, z->m, "a_scale"},     {at->b_scale, z->n, "b_scale"},
		      {at->y_scale, 1, "y_scale"},        {at->y_zero, 1, "y_zero_point"}};

	for (size_t i = 0; i < sizeof(expect) / sizeof(*expect); i++) {
		int64_t n;
		if (!given(f, expect[i].input))
			continue;
		if (!rt_shape_elems(&f->in[expect[i].input].shape, &n) ||
		    (n != 1 && n != expect[i].count))
			return rt_error_set(err, RT_INPUT, "%s has not 1 or %lld elements",
					    expect[i].name, (long long)expect[i].count);
	}
	return RT_OK;
}

static int bind_with(struct rt_bind *b, const struct inputs *at, struct rt_error *err)
{
	struct qmatmul *s = b->state;

	s->at = at;
	s->lo = rt_node_float(b->node, "q_lo", -INFINITY);
	s->hi = rt_node_float(b->node, "q_hi", INFINITY);
	return rt_qproduct_bind(b, at->b, b->graph->values[b->node->in[0]].dtype, &s->q, err);
}

static bool is_one(const struct rt_infer *f, int input)
{
	int64_t n;

	return !given(f, input) || (rt_shape_elems(&f->in[input].shape, &n) && n == 1);
}

/* The product by the rules of MatMul, if numbers of A are the same for all rows. */
static int infer_fast(struct rt_infer *f, struct shape_state *z, struct rt_error *err)
{
	const struct qmatmul *s = f->state;
	const struct rt_tensor both[2] = {f->in[0], f->in[z->at->b]};
	const struct rt_matmul mm = {.kernels = s->q.kernels, .dtype = RT_U8};
	struct rt_infer product = *f;
	int rc;

	if (!is_one(f, z->at->a_zero) || !is_one(f, z->at->a_scale) || z->k > INT32_MAX ||
	    (given(f, z->at->b_scale) && f->in[z->at->b_scale].dtype != RT_F32) ||
	    (both[1].dtype != RT_I8 && both[1].dtype != RT_U8))
		return RT_OK;
	product.in = both;
	product.in_count = 2;
	rc = rt_matmul_infer(&product, &mm, &z->fast, err);
	if (!rc && !rt_qproduct_scratch(&s->q, z->fast, f->threads, &f->scratch_bytes))
		rc = rt_error_set(err, RT_BUDGET, "operands are too large");
	return rc;
}

static int infer_with(struct rt_infer *f, const struct inputs *at, struct rt_error *err)
{
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	int rc;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	z->at = at;
	rc = matmul_shapes(f, z, &f->out[0].shape, err);
	if (!rc)
		rc = check_params(f, z, err);
	if (rc)
		return rc;
	/* a row of A and the sums of a row of Y, per thread */
	f->scratch_bytes = (size_t)f->threads * (((size_t)z->k + (size_t)z->n * 2) * 4 + 192);
	f->shape_state = z;
	return infer_fast(f, z, err);
}

static int32_t zero_at(const struct rt_run *r, int input, int64_t i)
{
	if (input >= r->in_count || !r->in[input].data)
		return 0;
	return (int32_t)rt_convert_get_i64(&r->in[input],
					   rt_tensor_elems(&r->in[input]) == 1 ? 0 : i);
}

static float scale_at(const struct rt_run *r, int input, int64_t i)
{
	return (float)rt_convert_get_f64(&r->in[input],
					 rt_tensor_elems(&r->in[input]) == 1 ? 0 : i);
}

/* sum[n] = Σ_k row[k] · (b[k][n] − zero[n]), wrapping. */
static void product_row(const struct shape_state *z, const int32_t *row, const void *b,
			bool is_signed, const int32_t *zero, uint32_t *sum)
{
	memset(sum, 0, (size_t)z->n * sizeof(*sum));
	for (int64_t k = 0; k < z->k; k++) {
		const uint8_t *u = (const uint8_t *)b + k * z->n;
		const int8_t *i = (const int8_t *)b + k * z->n;
		uint32_t x = (uint32_t)row[k];
		if (is_signed)
			for (int64_t n = 0; n < z->n; n++)
				sum[n] += x * (uint32_t)(i[n] - zero[n]);
		else
			for (int64_t n = 0; n < z->n; n++)
				sum[n] += x * (uint32_t)(u[n] - zero[n]);
	}
}

static void store_row(const struct rt_run *r, const struct shape_state *z, int64_t m, int64_t row,
		      const uint32_t *sum)
{
	const struct rt_tensor *out = &r->out[0];

	if (z->at->y_scale < 0) {
		memcpy((int32_t *)out->data + row * z->n, sum, (size_t)z->n * sizeof(int32_t));
		return;
	}
	const struct qmatmul *s = r->state;
	double y_zero = (double)zero_at(r, z->at->y_zero, 0);
	double lo = fmax(rt_convert_min(out->dtype), (double)s->lo + y_zero);
	double hi = fmin(rt_convert_max(out->dtype), (double)s->hi + y_zero);
	float y_scale = scale_at(r, z->at->y_scale, 0), a_scale = scale_at(r, z->at->a_scale, m);
	for (int64_t n = 0; n < z->n; n++) {
		float scale = a_scale * scale_at(r, z->at->b_scale, n) / y_scale;
		double q = nearbyint((double)((float)(int32_t)sum[n] * scale)) + y_zero;
		q = q > lo ? q : lo; /* NaN becomes the least value */
		q = q < hi ? q : hi;
		((uint8_t *)out->data)[row * z->n + n] = (uint8_t)(int64_t)q;
	}
}

static int64_t matrix_of(const struct shape_state *z, const int64_t *step, int64_t item)
{
	int64_t at = 0;

	for (int i = z->rank - 1; i >= 0; i--) {
		at += item % z->dims[i] * step[i];
		item /= z->dims[i];
	}
	return at;
}

static void rows_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct shape_state *z = j->z;
	const struct rt_tensor *a = &j->r->in[0], *b = &j->r->in[z->at->b];
	int32_t *row = (int32_t *)(void *)(j->scratch + (size_t)thread * j->scratch_bytes);
	int32_t *zero = row + z->k;
	uint32_t *sum = (uint32_t *)(zero + z->n);

	for (int64_t n = 0; n < z->n; n++)
		zero[n] = zero_at(j->r, z->at->b_zero, n);
	for (size_t i = begin; i < end; i++) {
		int64_t item = (int64_t)i / z->m, m = (int64_t)i % z->m;
		int64_t from = (matrix_of(z, z->a_step, item) * z->m + m) * z->k;
		int32_t a_zero = zero_at(j->r, z->at->a_zero, m);
		for (int64_t k = 0; k < z->k; k++)
			row[k] = (a->dtype == RT_I8 ? ((const int8_t *)a->data)[from + k]
						    : ((const uint8_t *)a->data)[from + k]) -
				 a_zero;
		product_row(z, row,
			    (const uint8_t *)b->data + matrix_of(z, z->b_step, item) * z->k * z->n,
			    b->dtype == RT_I8, zero, sum);
		store_row(j->r, z, m, (int64_t)i, sum);
	}
}

static void run_fast(const struct rt_run *r, const struct shape_state *z)
{
	const struct qmatmul *s = r->state;
	const struct inputs *at = z->at;
	const struct rt_tensor *b = &r->in[at->b], *out = &r->out[0];
	struct rt_qproduct_args a = {.a = r->in[0].data,
				     .b = b->data,
				     .a_signed = r->in[0].dtype == RT_I8,
				     .b_signed = b->dtype == RT_I8,
				     .a_zero = zero_at(r, at->a_zero, 0),
				     .y_type = out->dtype,
				     .y = out->data};

	if (at->b_zero < r->in_count && r->in[at->b_zero].data)
		a.b_zero = &r->in[at->b_zero];
	if (at->y_scale >= 0) {
		const bool is_signed = out->dtype == RT_I8;
		a.b_scale = &r->in[at->b_scale];
		a.before = scale_at(r, at->a_scale, 0);
		a.after = scale_at(r, at->y_scale, 0);
		a.out.zero = zero_at(r, at->y_zero, 0);
		a.out.lo = fmaxf(s->lo, (float)((is_signed ? -128 : 0) - a.out.zero));
		a.out.hi = fminf(s->hi, (float)((is_signed ? 127 : 255) - a.out.zero));
	}
	rt_qproduct_run(&s->q, z->fast, &a, r->team, r->scratch);
}

static void qmatmul_run(const struct rt_run *r)
{
	const struct shape_state *z = r->shape_state;
	struct job j = {r, z, r->scratch,
			(((size_t)z->k + (size_t)z->n * 2) * 4 + 127) & ~(size_t)63};
	int64_t rows = z->batch * z->m;

	if (z->fast) {
		run_fast(r, z);
		return;
	}
	if (rows > 0 && z->n > 0)
		rt_team_for(r->team, (size_t)rows, rt_walk_grain(z->k * z->n + 1), rows_range, &j);
}

static int integer_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			struct rt_error *err)
{
	(void)g, (void)n, (void)err;
	out[0] = RT_I32;
	return RT_OK;
}

static int qlinear_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			struct rt_error *err)
{
	if (n->in_count < 8 || n->in[7] == RT_NO_VALUE)
		return rt_error_set(err, RT_MALFORMED, "QLinearMatMul has no y_zero_point");
	out[0] = g->values[n->in[7]].dtype;
	if (out[0] != RT_NONE && out[0] != RT_U8 && out[0] != RT_I8)
		return rt_error_set(err, RT_UNSUPPORTED, "y_zero_point of %s",
				    rt_dtype_name(out[0]));
	return RT_OK;
}

static int integer_bind(struct rt_bind *b, struct rt_error *err)
{
	return bind_with(b, &integer_inputs, err);
}

static int qlinear_bind(struct rt_bind *b, struct rt_error *err)
{
	return bind_with(b, &qlinear_inputs, err);
}

static int integer_infer(struct rt_infer *f, struct rt_error *err)
{
	return infer_with(f, &integer_inputs, err);
}

static int qlinear_infer(struct rt_infer *f, struct rt_error *err)
{
	return infer_with(f, &qlinear_inputs, err);
}

const struct rt_op rt_op_matmul_integer = {
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct qmatmul),
    .type = integer_type,
    .bind = integer_bind,
    .infer = integer_infer,
    .run = qmatmul_run,
};

const struct rt_op rt_op_qlinear_matmul = {
    .in_min = 8,
    .in_max = 8,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct qmatmul),
    .type = qlinear_type,
    .bind = qlinear_bind,
    .infer = qlinear_infer,
    .run = qmatmul_run,
};
