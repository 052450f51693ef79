/* SPDX-License-Identifier: MIT */
/*
 * nbits.c — MatMulNBits (com.microsoft 1): Y = A · Wᵀ + bias, where W [N][K] is
 * packed in 2, 4 or 8 bits per weight.
 *
 *	W[n][k] = scales[n][k / block] · (q[n][k] − zero[n][k / block])
 *
 * Inputs A [..., K], B uint8 [N][blocks][block·bits/8] (low bits first), scales
 * [N][blocks], zero_points? (float [N][blocks], or uint8, packed like B, rows of
 * whole bytes; left out: 2^(bits−1)), g_idx (refused), bias? [N].
 * accuracy_level is a licence to be less exact and is ignored.
 *
 * The weights stay packed.  With few rows of A each row of W is unpacked in
 * turn and multiplied with all of them; with more, panels of columns are
 * unpacked, a piece of K at a time, and go through the GEMM tiles.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

enum { A, B, SCALES, ZEROS, G_IDX, BIAS };

#define FEW 3     /* rows of A that are multiplied row by row */
#define PIECE 512 /* of K, or one block */
#define LANES 16

struct nbits {
	const struct rt_kernels *kernels;
	int64_t k, n, block, bits, blocks;
};

struct shape_state {
	int64_t rows, piece;
	size_t each; /* floats of scratch per thread */
};

static int nbits_bind(struct rt_bind *b, struct rt_error *err)
{
	struct nbits *s = b->state;
	const struct rt_node *n = b->node;

	s->kernels = b->kernels;
	s->k = rt_node_int(n, "K", 0);
	s->n = rt_node_int(n, "N", 0);
	s->block = rt_node_int(n, "block_size", 0);
	s->bits = rt_node_int(n, "bits", 4);
	if (s->k < 1 || s->n < 1 || s->k > INT32_MAX || s->n > INT32_MAX || s->block < 16 ||
	    s->block > (1 << 20) || (s->block & (s->block - 1)) != 0)
		return rt_error_set(err, RT_MALFORMED, "K %lld, N %lld and block_size %lld",
				    (long long)s->k, (long long)s->n, (long long)s->block);
	if (s->bits != 2 && s->bits != 4 && s->bits != 8)
		return rt_error_set(err, RT_UNSUPPORTED, "%lld bits", (long long)s->bits);
	if (rt_bind_has(b, G_IDX) || rt_node_int(n, "weight_prepacked", 0) != 0)
		return rt_error_set(err, RT_UNSUPPORTED, "g_idx or prepacked weights");
	s->blocks = (s->k + s->block - 1) / s->block;
	return RT_OK;
}

static bool has_elems(const struct rt_tensor *t, enum rt_dtype type, int64_t n)
{
	int64_t elems;
	return t->dtype == type && rt_shape_elems(&t->shape, &elems) && elems == n;
}

static bool given(const struct rt_infer *f, int i)
{
	return i < f->in_count && f->in[i].dtype != RT_NONE;
}

static int nbits_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct nbits *s = f->state;
	const struct rt_shape *a = &f->in[A].shape;
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	size_t nr = s->kernels->f32_gemm->nr;
	int64_t elems;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (a->rank < 1 || a->dims[a->rank - 1] != s->k || !rt_shape_elems(a, &elems))
		return rt_error_set(err, RT_INPUT, "A has not %lld columns", (long long)s->k);
	if (!has_elems(&f->in[B], RT_U8, s->n * s->blocks * (s->block * s->bits / 8)) ||
	    !has_elems(&f->in[SCALES], RT_F32, s->n * s->blocks))
		return rt_error_set(err, RT_INPUT, "B or scales do not fit N, K and block_size");
	if (given(f, ZEROS) && !has_elems(&f->in[ZEROS], RT_F32, s->n * s->blocks) &&
	    !has_elems(&f->in[ZEROS], RT_U8, s->n * ((s->blocks * s->bits + 7) / 8)))
		return rt_error_set(err, RT_INPUT, "zero_points do not fit N, K and block_size");
	if (given(f, BIAS) && !has_elems(&f->in[BIAS], RT_F32, s->n))
		return rt_error_set(err, RT_INPUT, "bias is not N numbers");
	f->out[0].shape = *a;
	f->out[0].shape.dims[a->rank - 1] = s->n;
	z->rows = elems / s->k;
	z->piece = s->block > PIECE ? s->block : PIECE; /* whole blocks */
	z->each = z->rows <= FEW ? (size_t)(s->blocks * s->block)
				 : (size_t)z->piece * nr + (size_t)z->piece;
	z->each = (z->each + 15) & ~(size_t)15;
	f->scratch_bytes = (size_t)f->threads * z->each * sizeof(float);
	f->shape_state = z;
	return RT_OK;
}

/* ---- unpacking ------------------------------------------------------------------------------- */

static float zero_of(const struct rt_run *r, int64_t n, int64_t block)
{
	const struct nbits *s = r->state;
	int64_t bit = block * s->bits;

	if (r->in_count <= ZEROS || !r->in[ZEROS].data)
		return (float)(1 << (s->bits - 1));
	if (r->in[ZEROS].dtype == RT_F32)
		return ((const float *)r->in[ZEROS].data)[n * s->blocks + block];
	return (float)((((const uint8_t *)r->in[ZEROS]
			     .data)[n * ((s->blocks * s->bits + 7) / 8) + bit / 8] >>
			bit % 8) &
		       ((1 << s->bits) - 1));
}

static void unpack_8(int64_t n, const uint8_t *q, float scale, float zero, float *to)
{
	for (int64_t i = 0; i < n; i++)
		to[i] = scale * ((float)q[i] - zero);
}

static void unpack_4(int64_t n, const uint8_t *q, float scale, float zero, float *to)
{
	for (int64_t i = 0; i < n / 2; i++) {
		to[2 * i] = scale * ((float)(q[i] & 15) - zero);
		to[2 * i + 1] = scale * ((float)(q[i] >> 4) - zero);
	}
}

static void unpack_2(int64_t n, const uint8_t *q, float scale, float zero, float *to)
{
	for (int64_t i = 0; i < n; i++)
		to[i] = scale * ((float)((q[i / 4] >> i % 4 * 2) & 3) - zero);
}

/* Blocks ${first} … of row ${n} of W, whole blocks. */
static void unpack(const struct rt_run *r, int64_t n, int64_t first, int64_t count, float *to)
{
	const struct nbits *s = r->state;
	int64_t bytes = s->block * s->bits / 8;
	const uint8_t *q = (const uint8_t *)r->in[B].data + (n * s->blocks + first) * bytes;
	const float *scale = (const float *)r->in[SCALES].data + n * s->blocks + first;

	for (int64_t b = 0; b < count; b++, q += bytes, to += s->block) {
		float zero = zero_of(r, n, first + b);
		if (s->bits == 4)
			unpack_4(s->block, q, scale[b], zero, to);
		else if (s->bits == 8)
			unpack_8(s->block, q, scale[b], zero, to);
		else
			unpack_2(s->block, q, scale[b], zero, to);
	}
}

/* ---- few rows -------------------------------------------------------------------------------- */

static float dot(int64_t n, const float *a, const float *b)
{
	float lanes[LANES] = {0}, sum = 0;
	int64_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int k = 0; k < LANES; k++)
			lanes[k] += a[i + k] * b[i + k];
	for (int k = 0; k < LANES; k++)
		sum += lanes[k];
	for (; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static const float *bias_of(const struct rt_run *r)
{
	return r->in_count > BIAS ? r->in[BIAS].data : NULL;
}

static void columns_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct nbits *s = r->state;
	const struct shape_state *z = r->shape_state;
	float *w = (float *)r->scratch + (size_t)thread * z->each;
	const float *bias = bias_of(r);

	for (int64_t n = (int64_t)begin; n < (int64_t)end; n++) {
		unpack(r, n, 0, s->blocks, w);
		for (int64_t m = 0; m < z->rows; m++)
			((float *)r->out[0].data)[m * s->n + n] =
			    dot(s->k, (const float *)r->in[A].data + m * s->k, w) +
			    (bias ? bias[n] : 0);
	}
}

/* ---- more ------------------------------------------------------------------------------------ */

/* Elements ${from} … of rows ${first} … of W as a panel [count][width]. */
static void make_panel(const struct rt_run *r, int64_t first, size_t columns, size_t width,
		       int64_t from, int64_t count, float *panel, float *row)
{
	const struct nbits *s = r->state;
	int64_t blocks = (count + s->block - 1) / s->block;

	if (columns < width)
		memset(panel, 0, (size_t)count * width * sizeof(*panel));
	for (size_t n = 0; n < columns; n++) {
		unpack(r, first + (int64_t)n, from / s->block, blocks, row);
		for (int64_t k = 0; k < count; k++)
			panel[(size_t)k * width + n] = row[k];
	}
}

/* All rows of A times one panel of a piece of K. */
static void multiply(const struct rt_run *r, int64_t first, size_t columns, int64_t from,
		     int64_t count, const float *panel)
{
	const struct nbits *s = r->state;
	const struct shape_state *z = r->shape_state;
	const struct rt_f32_gemm *g = s->kernels->f32_gemm;
	struct rt_epilogue end = {.lo = -INFINITY, .hi = INFINITY};
	int64_t step = (int64_t)(columns * 2 <= g->nr ? g->mr1 : g->mr);

	if (bias_of(r))
		end.bias = bias_of(r) + first;
	for (int64_t m = 0; m < z->rows; m += step) {
		struct rt_gemm_tile t = {
		    .m = (size_t)(z->rows - m < step ? z->rows - m : step),
		    .n = columns,
		    .k = (size_t)count,
		    .a = (const float *)r->in[A].data + m * s->k + from,
		    .lda = (size_t)s->k,
		    .w = panel,
		    .c = (float *)r->out[0].data + m * s->n + first,
		    .ldc = (size_t)s->n,
		    .accumulate = from > 0,
		    .epilogue = from + count == s->k ? &end : NULL,
		};
		g->tile(&t);
	}
}

static void panels_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct nbits *s = r->state;
	const struct shape_state *z = r->shape_state;
	size_t nr = s->kernels->f32_gemm->nr;
	float *panel = (float *)r->scratch + (size_t)thread * z->each;
	float *row = panel + (size_t)z->piece * nr;

	for (size_t i = begin; i < end; i++) {
		size_t left = (size_t)s->n - i * nr, columns = left < nr ? left : nr;
		size_t width = columns * 2 <= nr ? nr / 2 : nr;
		for (int64_t k = 0; k < s->k; k += z->piece) {
			int64_t count = s->k - k < z->piece ? s->k - k : z->piece;
			make_panel(r, (int64_t)(i * nr), columns, width, k, count, panel, row);
			multiply(r, (int64_t)(i * nr), columns, k, count, panel);
		}
	}
}

static void nbits_run(const struct rt_run *r)
{
	const struct nbits *s = r->state;
	const struct shape_state *z = r->shape_state;
	size_t nr = s->kernels->f32_gemm->nr;
	struct rt_run copy = *r;

	if (z->rows == 0)
		return;
	if (z->rows <= FEW)
		rt_team_for(r->team, (size_t)s->n, rt_walk_grain(s->k * (z->rows + 1)),
			    columns_range, &copy);
	else
		rt_team_for(r->team, ((size_t)s->n + nr - 1) / nr, 1, panels_range, &copy);
}

const struct rt_op rt_op_matmul_nbits = {
    .in_min = 3,
    .in_max = 6,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct nbits),
    .bind = nbits_bind,
    .infer = nbits_infer,
    .run = nbits_run,
};
