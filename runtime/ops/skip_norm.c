/* SPDX-License-Identifier: MIT */
/*
 * skip_norm.c — norms of a sum, com.microsoft (since 1):
 *
 *	SkipLayerNormalization            s = input + skip + bias;  Y = layer_norm(s) · gamma + beta
 *	SkipSimplifiedLayerNormalization  the same with the RMS norm and no beta
 *	EmbedLayerNormalization           s = word[id] + position[p] + segment[id];  Y as the first
 *
 * Rows are along the last axis.  Skip's outputs 1 and 2 (mean and deviation,
 * for training) are refused; its output 3 is s.  skip may lack leading
 * dimensions of input, or have 1 there.  Embed's output 1 counts the ones of
 * each row of the mask (0 without a mask), output 2 is s.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/index.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

struct norm {
	const struct rt_kernels *kernels;
	float epsilon;
	bool rms;
};

static int norm_bind(struct rt_bind *b, struct rt_error *err)
{
	struct norm *s = b->state;

	(void)err;
	s->kernels = b->kernels;
	s->rms = strcmp(b->node->op_type, "SkipSimplifiedLayerNormalization") == 0;
	s->epsilon = rt_node_float(b->node, "epsilon", 1e-12f);
	return RT_OK;
}

static void norm_row(const struct norm *s, size_t n, const float *x, const float *gamma,
		     const float *beta, float *y)
{
	if (s->rms)
		s->kernels->f32_row->rms_norm(n, x, gamma, s->epsilon, y);
	else
		s->kernels->f32_row->layer_norm(n, x, gamma, beta, s->epsilon, y);
}

/* Input ${i} is a row of ${n} float32, or left out where that is allowed. */
static int check_row(const struct rt_infer *f, int i, int64_t n, struct rt_error *err)
{
	if (i < 0 || i >= f->in_count || f->in[i].dtype == RT_NONE)
		return RT_OK;
	if (f->in[i].dtype != RT_F32 || f->in[i].shape.rank != 1 || f->in[i].shape.dims[0] != n)
		return rt_error_set(err, RT_INPUT, "input %d is not %lld float32 numbers", i,
				    (long long)n);
	return RT_OK;
}

/* ---- skip ------------------------------------------------------------------------------------ */

enum { INPUT, SKIP, GAMMA };

struct skip {
	size_t rows, n, skip_rows; /* row i of input goes with row i % skip_rows */
	int beta, bias;            /* inputs; −1: none */
	size_t row;                /* floats of scratch per thread */
};

static int skip_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct norm *s = f->state;
	const struct rt_shape *x = &f->in[INPUT].shape, *k = &f->in[SKIP].shape, *both[2] = {x, k};
	struct skip *z = rt_infer_alloc(f, sizeof(*z));
	int64_t elems, skipped;
	struct rt_shape all;
	bool tail = true; /* skip is the whole of the last dims of input */
	int rc;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (x->rank < 1 || k->rank < 1 || f->in[SKIP].dtype != RT_F32 ||
	    !rt_op_broadcast(both, 2, &all) || !rt_shape_equal(&all, x) ||
	    !rt_shape_elems(x, &elems) || !rt_shape_elems(k, &skipped))
		return rt_error_set(err, RT_INPUT, "skip does not fit input");
	for (int d = 1, seen = 0; d <= k->rank; d++) {
		seen |= k->dims[k->rank - d] != x->dims[x->rank - d];
		tail &= !seen || k->dims[k->rank - d] == 1;
	}
	z->n = (size_t)x->dims[x->rank - 1];
	if (!tail || (size_t)k->dims[k->rank - 1] != z->n)
		return rt_error_set(err, RT_UNSUPPORTED, "skip broadcasts in the middle");
	for (int i = 1; i <= 2 && i < f->out_count; i++)
		if (f->out[i].dtype != RT_NONE)
			return rt_error_set(err, RT_UNSUPPORTED, "output %d, for training", i);
	z->beta = s->rms ? -1 : 3;
	z->bias = s->rms ? 3 : 4;
	rc = check_row(f, GAMMA, (int64_t)z->n, err);
	rc = rc ? rc : check_row(f, z->beta, (int64_t)z->n, err);
	rc = rc ? rc : check_row(f, z->bias, (int64_t)z->n, err);
	z->rows = z->n ? (size_t)elems / z->n : 0;
	z->skip_rows = z->n ? (size_t)skipped / z->n : 0;
	f->out[0].shape = *x;
	if (f->out_count > 3)
		f->out[3].shape = *x;
	z->row = (z->n + 15) & ~(size_t)15;
	f->scratch_bytes = (size_t)f->threads * z->row * sizeof(float);
	f->shape_state = z;
	return rc;
}

static const float *row_of(const struct rt_run *r, int i)
{
	return i >= 0 && i < r->in_count ? r->in[i].data : NULL;
}

static void skip_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct norm *s = r->state;
	const struct skip *z = r->shape_state;
	rt_f32_binary_f *add = s->kernels->f32_binary->vv[RT_BINARY_ADD];
	const float *bias = row_of(r, z->bias);

	for (size_t i = begin; i < end; i++) {
		float *sum = r->out_count > 3 && r->out[3].data
				 ? (float *)r->out[3].data + i * z->n
				 : (float *)r->scratch + (size_t)thread * z->row;
		add(z->n, (const float *)r->in[INPUT].data + i * z->n,
		    (const float *)r->in[SKIP].data + i % z->skip_rows * z->n, sum);
		if (bias)
			add(z->n, sum, bias, sum);
		norm_row(s, z->n, sum, r->in[GAMMA].data, row_of(r, z->beta),
			 (float *)r->out[0].data + i * z->n);
	}
}

static void skip_run(const struct rt_run *r)
{
	const struct skip *z = r->shape_state;
	struct rt_run copy = *r;

	if (z->rows > 0)
		rt_team_for(r->team, z->rows, rt_walk_grain((int64_t)z->n * 6 + 1), skip_range,
			    &copy);
}

static int skip_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		     struct rt_error *err)
{
	(void)err;
	for (int i = 0; i < n->out_count; i++)
		out[i] = i == 1 || i == 2 ? RT_F32 : g->values[n->in[INPUT]].dtype;
	return RT_OK;
}

#define SKIP_NORM(name, most)                                                                      \
	const struct rt_op rt_op_##name = {                                                        \
	    .in_min = 3,                                                                           \
	    .in_max = most,                                                                        \
	    .out_min = 1,                                                                          \
	    .out_max = 4,                                                                          \
	    .state_bytes = sizeof(struct norm),                                                    \
	    .type = skip_type,                                                                     \
	    .bind = norm_bind,                                                                     \
	    .infer = skip_infer,                                                                   \
	    .run = skip_run,                                                                       \
	}
SKIP_NORM(skip_layer_norm, 5);
SKIP_NORM(skip_rms_norm, 4);

/* ---- embeddings ------------------------------------------------------------------------------ */

enum { IDS, SEGMENTS, WORDS, PLACES, KINDS, E_GAMMA, E_BETA, MASK, POSITIONS };

struct embed {
	size_t batch, rows, n; /* rows of a batch */
	size_t row;
	bool one_row; /* position_ids are the same for every batch */
};

static bool has(const struct rt_infer *f, int i)
{
	return i < f->in_count && f->in[i].dtype != RT_NONE;
}

static bool is_ids(const struct rt_infer *f, int i, const struct rt_shape *like)
{
	return !has(f, i) || ((f->in[i].dtype == RT_I32 || f->in[i].dtype == RT_I64) &&
			      rt_shape_equal(&f->in[i].shape, like));
}

static int embed_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *ids = &f->in[IDS].shape;
	struct embed *z = rt_infer_alloc(f, sizeof(*z));
	struct rt_shape one;
	int rc;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	if (ids->rank != 2 || f->in[WORDS].shape.rank != 2)
		return rt_error_set(err, RT_INPUT, "input_ids have rank %d", ids->rank);
	one = rt_shape_of(2, (int64_t)1, ids->dims[1]);
	z->one_row = has(f, POSITIONS) && rt_shape_equal(&f->in[POSITIONS].shape, &one);
	if (!is_ids(f, SEGMENTS, ids) || !is_ids(f, MASK, ids) ||
	    (!z->one_row && !is_ids(f, POSITIONS, ids)))
		return rt_error_set(err, RT_INPUT, "ids, mask or positions do not fit input_ids");
	z->batch = (size_t)ids->dims[0];
	z->rows = (size_t)ids->dims[1];
	z->n = (size_t)f->in[WORDS].shape.dims[1];
	for (int i = WORDS; i <= KINDS; i++)
		if (has(f, i) &&
		    (f->in[i].shape.rank != 2 || (size_t)f->in[i].shape.dims[1] != z->n ||
		     f->in[i].dtype != RT_F32))
			return rt_error_set(err, RT_INPUT, "the embeddings have not one width");
	if (has(f, SEGMENTS) != has(f, KINDS) || !has(f, E_GAMMA) || !has(f, E_BETA))
		return rt_error_set(err, RT_INPUT, "segments, gamma or beta are left out");
	rc = check_row(f, E_GAMMA, (int64_t)z->n, err);
	rc = rc ? rc : check_row(f, E_BETA, (int64_t)z->n, err);
	f->out[0].shape = rt_shape_of(3, ids->dims[0], ids->dims[1], (int64_t)z->n);
	if (f->out_count > 1)
		f->out[1].shape = rt_shape_of(1, ids->dims[0]);
	if (f->out_count > 2)
		f->out[2].shape = f->out[0].shape;
	z->row = (z->n + 15) & ~(size_t)15;
	f->scratch_bytes = (size_t)f->threads * z->row * sizeof(float);
	f->shape_state = z;
	return rc;
}

/* Row ${id} of table ${i}; NULL after a fault. */
static const float *looked_up(const struct rt_run *r, int i, int64_t id)
{
	int64_t rows = r->in[i].shape.dims[0];

	if (id < 0 || id >= rows) {
		rt_run_fault(r, "row %lld of an embedding with %lld", (long long)id,
			     (long long)rows);
		return NULL;
	}
	return (const float *)r->in[i].data + id * r->in[i].shape.dims[1];
}

static void embed_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct norm *s = r->state;
	const struct embed *z = r->shape_state;
	rt_f32_binary_f *add = s->kernels->f32_binary->vv[RT_BINARY_ADD];
	bool placed = r->in_count > POSITIONS && r->in[POSITIONS].data;

	for (size_t i = begin; i < end; i++) {
		int64_t at = (int64_t)(i % z->rows), all = (int64_t)i;
		float *sum = r->out_count > 2 && r->out[2].data
				 ? (float *)r->out[2].data + i * z->n
				 : (float *)r->scratch + (size_t)thread * z->row;
		int64_t place =
		    placed ? rt_index_get(&r->in[POSITIONS], z->one_row ? at : all) : at;
		const float *word = looked_up(r, WORDS, rt_index_get(&r->in[IDS], all));
		const float *where = looked_up(r, PLACES, place), *kind = NULL;
		if (r->in[SEGMENTS].data)
			kind = looked_up(r, KINDS, rt_index_get(&r->in[SEGMENTS], all));
		if (!word || !where || (r->in[SEGMENTS].data && !kind))
			return;
		add(z->n, word, where, sum);
		if (kind)
			add(z->n, sum, kind, sum);
		norm_row(s, z->n, sum, r->in[E_GAMMA].data, r->in[E_BETA].data,
			 (float *)r->out[0].data + i * z->n);
	}
}

static void count_mask(const struct rt_run *r, const struct embed *z)
{
	bool masked = r->in_count > MASK && r->in[MASK].data;

	for (size_t b = 0; b < z->batch; b++) {
		int32_t n = 0;
		for (size_t i = 0; masked && i < z->rows; i++)
			n += rt_index_get(&r->in[MASK], (int64_t)(b * z->rows + i)) == 1;
		((int32_t *)r->out[1].data)[b] = n;
	}
}

static void embed_run(const struct rt_run *r)
{
	const struct embed *z = r->shape_state;
	struct rt_run copy = *r;

	if (r->out_count > 1 && r->out[1].data)
		count_mask(r, z);
	if (z->batch * z->rows > 0 && z->n > 0)
		rt_team_for(r->team, z->batch * z->rows, rt_walk_grain((int64_t)z->n * 8),
			    embed_range, &copy);
}

static int embed_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	(void)err;
	for (int i = 0; i < n->out_count; i++)
		out[i] = i == 1 ? RT_I32 : g->values[n->in[WORDS]].dtype;
	return RT_OK;
}

const struct rt_op rt_op_embed_layer_norm = {
    .in_min = 1,
    .in_max = 9,
    .out_min = 1,
    .out_max = 3,
    .state_bytes = sizeof(struct norm),
    .type = embed_type,
    .bind = norm_bind,
    .infer = embed_infer,
    .run = embed_run,
};
