/* SPDX-License-Identifier: MIT */
/*
 * nbits.c — MatMulNBits, MatMulBnb4 (com.microsoft 1): Y = A · Wᵀ + bias, where W [N][K] is
 * packed in 2, 4 or 8 bits per weight.
 *
 *	W[n][k] = scales[n][k / block] · (q[n][k] − zero[n][k / block])
 *
 * Inputs A [..., K], B uint8 [N][blocks][block·bits/8] (low bits first), scales
 * [N][blocks], zero_points? (float [N][blocks], or uint8, packed like B, rows of
 * whole bytes; left out: 2^(bits−1)), g_idx? [K] (which block's scale and zero
 * point a column has; k / block without it), bias? [N].
 * MatMulBnb4 (com.microsoft 1) is the same with 4-bit numbers that a table gives,
 * FP4 or NF4 (quant_type 0, 1), high bits first, and one scale for block_size
 * elements of W as they follow, over the ends of rows: B uint8 [N·K/2], absmax.
 *
 * accuracy_level says how exact A has to be: 2 … 4 (float16, bfloat16, int8) let it
 * be integers of 16 bits; without it nothing is lost that float32 would keep.
 *
 * The weights stay packed.  Where the machine has fast products of bytes, constant
 * weights of 4 bits are put into panels at load (nbits_panels.c), and that is all.
 * Elsewhere, or when they are no constants: with few rows of A those of 4 bits become floats in
 * registers (kernel n4_dot), and other rows of W are unpacked in turn and
 * multiplied with all rows of A; with more, a group of rows of W that the cache can
 * hold is unpacked at a time and goes through the GEMM driver.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/kernels/gemm.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/nbits_panels.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

enum { A, B, SCALES, ZEROS, G_IDX, BIAS };

#define FEW 3                 /* rows of A that are multiplied row by row */
#define FEW_HALVES 16         /* the same where the kernel for four bits can be used */
#define GROUP_ELEMS (1 << 19) /* of W, unpacked, about */
#define LANES 16

struct nbits {
	const struct rt_kernels *kernels;
	int64_t k, n, block, bits, blocks;
	const float *table; /* [16], MatMulBnb4; else NULL */
	struct rt_nbits_panels panels;
};

/* What the 16 codes of MatMulBnb4 stand for (bitsandbytes): quant_type 0 is FP4, 1 NF4. */
static const float tables[2][16] = {
    {0.0f, 5.208333333e-03f, 0.66666667f, 1.0f, 0.33333333f, 0.5f, 0.16666667f, 0.25f, -0.0f,
     -5.208333333e-03f, -0.66666667f, -1.0f, -0.33333333f, -0.5f, -0.16666667f, -0.25f},
    {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
     -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
     0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
     0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f},
};

struct shape_state {
	int64_t rows;
	int64_t group; /* columns of Y that are made at a time, whole panels */
	/* in scratch, in floats: the group's packed weights, each thread's rows, the driver's */
	size_t packed, each, gemm;
	bool halves; /* by the kernel for four bits */
	size_t ldx;  /* of rows of A as it wants them */
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
	if (rt_node_int(n, "weight_prepacked", 0) != 0)
		return rt_error_set(err, RT_UNSUPPORTED, "prepacked weights");
	s->blocks = (s->k + s->block - 1) / s->block;
	if (strcmp(n->op_type, "MatMulBnb4") == 0) {
		int64_t type = rt_node_int(n, "quant_type", 1);
		if (type < 0 || type > 1 || rt_node_int(n, "transB", 1) != 1)
			return rt_error_set(err, RT_UNSUPPORTED, "quant_type or transB");
		s->table = tables[type];
	}
	if (s->bits != 4 || s->table || rt_bind_has(b, G_IDX))
		return RT_OK;
	s->panels = (struct rt_nbits_panels){.n = s->n, .k = s->k, .block = s->block, .parts = 3};
	if (rt_node_int(n, "accuracy_level", 0) > 1)
		s->panels.parts = 2;
	return rt_nbits_panels_bind(b, &s->panels, err);
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

/* The product that is left when the weights are unpacked; sizes of a group are put in by run. */
static struct rt_gemm product(const struct nbits *s, const struct shape_state *z)
{
	return (struct rt_gemm){
	    .kernels = s->kernels,
	    .m = (size_t)z->rows,
	    .n = (size_t)z->group,
	    .k = (size_t)s->k,
	    .batch = 1,
	    .lda = (size_t)s->k,
	    .ldc = (size_t)s->n,
	    .epilogue = {.lo = -INFINITY, .hi = INFINITY},
	};
}

static int lay_out(struct rt_infer *f, const struct nbits *s, struct shape_state *z,
		   struct rt_error *err)
{
	static const float some;
	int64_t nr = (int64_t)s->kernels->f32_gemm->nr, wide = s->blocks * s->block;
	int64_t panels = GROUP_ELEMS / (s->k * nr), threads = f->threads;
	struct rt_gemm g;

	if (wide > INT32_MAX)
		return rt_error_set(err, RT_BUDGET, "K is %lld", (long long)s->k);
	if (s->panels.w) {
		f->scratch_bytes = rt_nbits_panels_scratch(&s->panels, z->rows, f->threads);
		return RT_OK;
	}
	z->each = ((size_t)wide + 15) & ~(size_t)15;
	z->halves = z->rows <= FEW_HALVES && s->bits == 4 && !s->table && !given(f, G_IDX) &&
		    (!given(f, ZEROS) || f->in[ZEROS].dtype == RT_U8);
	if (z->halves) {
		const size_t chunk = s->kernels->n4_dot->chunk;
		z->ldx = ((size_t)wide + chunk - 1) / chunk * chunk;
		f->scratch_bytes = z->ldx * (size_t)z->rows * sizeof(float);
		return RT_OK;
	}
	if (z->rows <= FEW) {
		f->scratch_bytes = (size_t)f->threads * z->each * sizeof(float);
		return RT_OK;
	}
	z->group = (panels > 2 * threads ? panels : 2 * threads) * nr;
	z->group = z->group < s->n ? z->group : s->n;
	z->packed =
	    (rt_gemm_pack_elems(s->kernels, (size_t)z->group, (size_t)s->k) + 15) & ~(size_t)15;
	z->each = ((size_t)(wide * nr) + 15) & ~(size_t)15;
	z->gemm = z->packed + (size_t)f->threads * z->each;
	g = product(s, z);
	g.a = &some; /* in memory: nothing is gathered */
	f->scratch_bytes = z->gemm * sizeof(float) + rt_gemm_scratch_bytes(&g, f->threads);
	return RT_OK;
}

static int nbits_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct nbits *s = f->state;
	const struct rt_shape *a = &f->in[A].shape;
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	int64_t elems;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (a->rank < 1 || a->dims[a->rank - 1] != s->k || !rt_shape_elems(a, &elems))
		return rt_error_set(err, RT_INPUT, "A has not %lld columns", (long long)s->k);
	if (s->table
		? !has_elems(&f->in[B], RT_U8, (s->n * s->k + 1) / 2) ||
		      !has_elems(&f->in[SCALES], RT_F32, (s->n * s->k + s->block - 1) / s->block)
		: !has_elems(&f->in[B], RT_U8, s->n * s->blocks * (s->block * s->bits / 8)) ||
		      !has_elems(&f->in[SCALES], RT_F32, s->n * s->blocks))
		return rt_error_set(err, RT_INPUT, "B or scales do not fit N, K and block_size");
	if (given(f, ZEROS) && !has_elems(&f->in[ZEROS], RT_F32, s->n * s->blocks) &&
	    !has_elems(&f->in[ZEROS], RT_U8, s->n * ((s->blocks * s->bits + 7) / 8)))
		return rt_error_set(err, RT_INPUT, "zero_points do not fit N, K and block_size");
	if (given(f, G_IDX)) {
		if (!has_elems(&f->in[G_IDX], RT_I32, s->k) &&
		    !has_elems(&f->in[G_IDX], RT_I32, s->blocks * s->block))
			return rt_error_set(err, RT_INPUT, "g_idx is not K int32 numbers");
	}
	if (given(f, BIAS) && !has_elems(&f->in[BIAS], RT_F32, s->n))
		return rt_error_set(err, RT_INPUT, "bias is not N numbers");
	f->out[0].shape = *a;
	f->out[0].shape.dims[a->rank - 1] = s->n;
	z->rows = elems / s->k;
	f->shape_state = z;
	return lay_out(f, s, z, err);
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

static void unpack_2(int64_t n, const uint8_t *q, float scale, float zero, float *to)
{
	for (int64_t i = 0; i < n; i++)
		to[i] = scale * ((float)((q[i / 4] >> i % 4 * 2) & 3) - zero);
}

/* Row ${n} of W where each column says whose scale and zero point it has. */
static void unpack_by_index(const struct rt_run *r, int64_t n, float *to)
{
	const struct nbits *s = r->state;
	const uint8_t *q = (const uint8_t *)r->in[B].data + n * s->blocks * s->block * s->bits / 8;
	const float *scale = (const float *)r->in[SCALES].data + n * s->blocks;
	const int32_t *group = r->in[G_IDX].data;

	for (int64_t k = 0; k < s->k; k++) {
		int64_t g = group[k], bit = k * s->bits;
		if (g < 0 || g >= s->blocks) {
			rt_run_fault(r, "g_idx %lld of %lld blocks", (long long)g,
				     (long long)s->blocks);
			g = 0;
		}
		to[k] = scale[g] *
			((float)(q[bit / 8] >> bit % 8 & ((1 << s->bits) - 1)) - zero_of(r, n, g));
	}
}

static void unpack_by_table(const struct rt_run *r, int64_t n, float *to)
{
	const struct nbits *s = r->state;
	const uint8_t *q = r->in[B].data;
	const float *scale = r->in[SCALES].data;

	for (int64_t i = n * s->k; i < (n + 1) * s->k; i++)
		*to++ = s->table[q[i / 2] >> (i % 2 ? 0 : 4) & 15] * scale[i / s->block];
}

/* Row ${n} of W, whole blocks. */
static void unpack(const struct rt_run *r, int64_t n, float *to)
{
	const struct nbits *s = r->state;
	int64_t bytes = s->block * s->bits / 8;
	const uint8_t *q = (const uint8_t *)r->in[B].data + n * s->blocks * bytes;
	const float *scale = (const float *)r->in[SCALES].data + n * s->blocks;

	if (s->table) {
		unpack_by_table(r, n, to);
		return;
	}
	if (r->in_count > G_IDX && r->in[G_IDX].data) {
		unpack_by_index(r, n, to);
		return;
	}
	for (int64_t b = 0; b < s->blocks; b++, q += bytes, to += s->block) {
		float zero = zero_of(r, n, b);
		if (s->bits == 4)
			s->kernels->n4_dot->unpack((size_t)s->block, q, scale[b], zero, to);
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
		unpack(r, n, w);
		for (int64_t m = 0; m < z->rows; m++)
			((float *)r->out[0].data)[m * s->n + n] =
			    dot(s->k, (const float *)r->in[A].data + m * s->k, w) +
			    (bias ? bias[n] : 0);
	}
}

/* Columns ${begin} … of Y, by the kernel: A is in scratch as it wants it. */
static void halves_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct nbits *s = r->state;
	const struct shape_state *z = r->shape_state;
	const struct rt_n4_dot *kernel = s->kernels->n4_dot;
	const size_t blocks = (size_t)s->blocks;
	struct rt_n4_rows rows = {
	    .n = end - begin,
	    .blocks = blocks,
	    .block = (size_t)s->block,
	    .ldx = z->ldx,
	    .w = (const uint8_t *)r->in[B].data + begin * blocks * (size_t)(s->block / 2),
	    .scale = (const float *)r->in[SCALES].data + begin * blocks,
	    .bias = bias_of(r) ? bias_of(r) + begin : NULL,
	    .ldy = (size_t)s->n,
	};

	(void)thread;
	if (r->in_count > ZEROS && r->in[ZEROS].data)
		rows.zero4 = (const uint8_t *)r->in[ZEROS].data + begin * ((blocks + 1) / 2);
	for (size_t m = 0; m < (size_t)z->rows; m += rows.m) {
		rows.m = (size_t)z->rows - m < kernel->mr ? (size_t)z->rows - m : kernel->mr;
		rows.x = (const float *)r->scratch + m * z->ldx;
		rows.y = (float *)r->out[0].data + m * (size_t)s->n + begin;
		kernel->run(&rows);
	}
}

static void by_halves(struct rt_run *r)
{
	const struct nbits *s = r->state;
	const struct shape_state *z = r->shape_state;
	float *to = r->scratch;

	memset(to, 0, (size_t)z->rows * z->ldx * sizeof(*to));
	for (int64_t m = 0; m < z->rows; m++)
		s->kernels->n4_dot->prepare((size_t)s->k, (const float *)r->in[A].data + m * s->k,
					    to + (size_t)m * z->ldx);
	rt_team_for(r->team, (size_t)s->n, 1 + 65536 / (size_t)(s->k * (z->rows + 1)), halves_range,
		    r);
}

/* ---- more ------------------------------------------------------------------------------------ */

struct group {
	const struct rt_run *r;
	int64_t first, columns; /* of W, in the group */
};

/* Panels ${begin} … of a group: rows of W are unpacked side by side, then packed as gemm.h has it.
 */
static void panels_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct group *g = arg;
	const struct nbits *s = g->r->state;
	const struct shape_state *z = g->r->shape_state;
	int64_t nr = (int64_t)s->kernels->f32_gemm->nr, wide = s->blocks * s->block;
	float *packed = g->r->scratch;
	float *rows = packed + z->packed + (size_t)thread * z->each;

	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t left = g->columns - i * nr, columns = left < nr ? left : nr;
		for (int64_t n = 0; n < columns; n++)
			unpack(g->r, g->first + i * nr + n, rows + n * wide);
		rt_gemm_pack(s->kernels, (size_t)columns, (size_t)s->k, rows, 1, (size_t)wide, 0, 1,
			     packed + i * nr * s->k);
	}
}

static void by_groups(const struct rt_run *r)
{
	const struct nbits *s = r->state;
	const struct shape_state *z = r->shape_state;
	struct rt_gemm m = product(s, z);
	struct group g = {.r = r};
	float *scratch = r->scratch;

	m.a = r->in[A].data;
	m.w = scratch;
	for (; g.first < s->n; g.first += z->group) {
		g.columns = s->n - g.first < z->group ? s->n - g.first : z->group;
		rt_team_for(r->team, rt_gemm_panels(s->kernels, (size_t)g.columns), 1, panels_range,
			    &g);
		m.n = (size_t)g.columns;
		m.c = (float *)r->out[0].data + g.first;
		m.epilogue.bias = bias_of(r) ? bias_of(r) + g.first : NULL;
		rt_gemm_run(&m, r->team, scratch + z->gemm);
	}
}

static void nbits_run(const struct rt_run *r)
{
	const struct nbits *s = r->state;
	const struct shape_state *z = r->shape_state;
	struct rt_run copy = *r;

	if (z->rows == 0)
		return;
	if (s->panels.w)
		rt_nbits_panels_run(&s->panels, r, z->rows, bias_of(r));
	else if (z->halves)
		by_halves(&copy);
	else if (z->rows <= FEW)
		rt_team_for(r->team, (size_t)s->n, rt_walk_grain(s->k * (z->rows + 1)),
			    columns_range, &copy);
	else
		by_groups(r);
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
