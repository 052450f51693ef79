/* SPDX-License-Identifier: MIT */
/*
 * gather_block.c — GatherBlockQuantized (com.microsoft 1): Gather from a table
 * that is quantised in blocks along quantize_axis, dequantised on the way:
 *
 *	y = scales[… block …] · (q − zero_points[… block …])
 *
 * data is int4, uint4 or uint8; uint8 with attribute bits 2 or 4 holds several
 * numbers in a byte along its last axis, low bits first, and so do its
 * zero_points.  Without zero_points: 0, for uint8 2^(bits−1).
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/index.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

enum { DATA, INDICES, SCALES, ZEROS };

struct block {
	int64_t bits, block;
};

struct shape_state {
	struct rt_shape data;       /* in numbers, not bytes */
	int64_t outer, axis, inner; /* around gather_axis */
	int64_t count;              /* of indices */
	int64_t q_axis, q_inner;    /* numbers along quantize_axis, and behind it */
	int64_t blocks;             /* along quantize_axis */
	int64_t last, zero_last;    /* numbers in a row of the scales; bytes of one of zeros */
};

static int block_bind(struct rt_bind *b, struct rt_error *err)
{
	struct block *s = b->state;
	enum rt_dtype t = b->graph->values[b->node->in[DATA]].dtype;

	s->bits = rt_node_int(b->node, "bits", 4);
	s->block = rt_node_int(b->node, "block_size", 128);
	if (t != RT_U8 && t != RT_U4 && t != RT_I4)
		return rt_error_set(err, RT_UNSUPPORTED, "data is %s", rt_dtype_name(t));
	if (t == RT_U8 && s->bits != 2 && s->bits != 4 && s->bits != 8)
		return rt_error_set(err, RT_MALFORMED, "%lld bits", (long long)s->bits);
	if (s->block < 16 || (s->block & (s->block - 1)) != 0)
		return rt_error_set(err, RT_MALFORMED, "block_size is %lld", (long long)s->block);
	return rt_index_check(b, INDICES, err);
}

/* The scales have the shape of data, but for the blocks. */
static int check_scales(const struct rt_infer *f, struct shape_state *z, int axis,
			struct rt_error *err)
{
	const struct rt_shape *s = &f->in[SCALES].shape;
	struct rt_shape want = z->data;
	int64_t have, need;

	want.dims[axis] = z->blocks;
	if (!rt_shape_equal(s, &want) || f->in[SCALES].dtype != RT_F32)
		return rt_error_set(err, RT_INPUT, "scales do not fit data");
	z->last = want.dims[want.rank - 1];
	if (f->in_count <= ZEROS || f->in[ZEROS].dtype == RT_NONE)
		return RT_OK;
	if (f->in[DATA].dtype == RT_U8) {
		const struct block *b = f->state;
		z->zero_last = (z->last * b->bits + 7) / 8;
		want.dims[want.rank - 1] = z->zero_last;
	}
	if (f->in[ZEROS].dtype != f->in[DATA].dtype ||
	    !rt_shape_elems(&f->in[ZEROS].shape, &have) || !rt_shape_elems(&want, &need) ||
	    have != need)
		return rt_error_set(err, RT_INPUT, "zero_points do not fit data");
	return RT_OK;
}

static int block_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct block *s = f->state;
	const struct rt_shape *ids = &f->in[INDICES].shape;
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	struct rt_shape *y = &f->out[0].shape;
	int gather, quantise, rc;
	int64_t unused;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	z->data = f->in[DATA].shape;
	if (z->data.rank < 1 || z->data.rank + ids->rank - 1 > RT_RANK_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "data of rank %d, indices of rank %d",
				    z->data.rank, ids->rank);
	if ((rc =
		 rt_axes_one(rt_node_int(f->node, "gather_axis", 0), z->data.rank, &gather, err)) ||
	    (rc = rt_axes_one(rt_node_int(f->node, "quantize_axis", 1), z->data.rank, &quantise,
			      err)))
		return rc;
	if (f->in[DATA].dtype == RT_U8 &&
	    (gather != 0 || __builtin_mul_overflow(z->data.dims[z->data.rank - 1], 8 / s->bits,
						   &z->data.dims[z->data.rank - 1])))
		return rt_error_set(err, RT_INPUT, "uint8 data is gathered along axis 0 only");
	if (!rt_shape_elems(&z->data, &unused))
		return rt_error_set(err, RT_BUDGET, "data is too large");
	z->axis = z->data.dims[gather];
	z->q_axis = z->data.dims[quantise];
	z->blocks = z->q_axis / s->block + (z->q_axis % s->block != 0);
	rt_walk_around(&z->data, gather, &z->outer, &z->inner);
	rt_walk_around(&z->data, quantise, &unused, &z->q_inner);
	if ((rc = check_scales(f, z, quantise, err)))
		return rc;
	z->count = rt_tensor_elems(&f->in[INDICES]);
	y->rank = 0;
	for (int d = 0; d < gather; d++)
		y->dims[y->rank++] = z->data.dims[d];
	for (int d = 0; d < ids->rank; d++)
		y->dims[y->rank++] = ids->dims[d];
	for (int d = gather + 1; d < z->data.rank; d++)
		y->dims[y->rank++] = z->data.dims[d];
	f->shape_state = z;
	return RT_OK;
}

/* Number ${i} of packed uint8. */
static int64_t packed_at(const struct rt_tensor *t, int64_t bits, int64_t i)
{
	int64_t bit = i * bits;
	return (((const uint8_t *)t->data)[bit / 8] >> bit % 8) & ((1 << bits) - 1);
}

/* Zero point of block ${i} of the scales. */
static int64_t zero_at(const struct rt_run *r, int64_t i)
{
	const struct block *s = r->state;
	const struct shape_state *z = r->shape_state;
	bool bytes = r->in[DATA].dtype == RT_U8;

	if (r->in_count <= ZEROS || !r->in[ZEROS].data)
		return bytes ? (int64_t)1 << (s->bits - 1) : 0;
	if (!bytes)
		return rt_convert_get_i64(&r->in[ZEROS], i);
	return packed_at(&r->in[ZEROS], s->bits,
			 i / z->last * z->zero_last * (8 / s->bits) + i % z->last);
}

static void rows_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct block *s = r->state;
	const struct shape_state *z = r->shape_state;
	const struct rt_tensor *data = &r->in[DATA];

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		float *y = (float *)r->out[0].data + i * z->inner;
		int64_t id, last = -1, zero = 0;
		if (!rt_index_at(r, &r->in[INDICES], i % z->count, z->axis, &id))
			return;
		for (int64_t k = 0; k < z->inner; k++) {
			int64_t at = (i / z->count * z->axis + id) * z->inner + k;
			int64_t q = at / z->q_inner % z->q_axis;
			int64_t block =
			    (at / z->q_inner / z->q_axis * z->blocks + q / s->block) * z->q_inner +
			    at % z->q_inner;
			int64_t v = data->dtype == RT_U8 ? packed_at(data, s->bits, at)
							 : rt_convert_get_i64(data, at);
			if (block != last)
				zero = zero_at(r, block);
			last = block;
			y[k] = (float)(v - zero) * ((const float *)r->in[SCALES].data)[block];
		}
	}
}

static void block_run(const struct rt_run *r)
{
	const struct shape_state *z = r->shape_state;
	struct rt_run copy = *r;

	if (z->outer * z->count > 0 && z->inner > 0)
		rt_team_for(r->team, (size_t)(z->outer * z->count), rt_walk_grain(z->inner * 8),
			    rows_range, &copy);
}

static int block_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		      struct rt_error *err)
{
	(void)err;
	out[0] = g->values[n->in[SCALES]].dtype;
	return RT_OK;
}

const struct rt_op rt_op_gather_block_quantized = {
    .in_min = 3,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct block),
    .type = block_type,
    .bind = block_bind,
    .infer = block_infer,
    .run = block_run,
};
