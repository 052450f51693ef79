/* SPDX-License-Identifier: MIT */
/*
 * rotary.c — RotaryEmbedding of ai.onnx (since 23) and com.microsoft (since 1).
 *
 *	y[a] = cos · x[a] − sin · x[b],  y[b] = sin · x[a] + cos · x[b]
 *
 * for the pairs (a, b) of the first rotary_embedding_dim elements of each head.
 * X is [B][heads][S][D] or [B][S][heads·D].  The caches are [positions][rot/2]
 * and looked up with position_ids [B][S] (com.microsoft: also [1], the position
 * of the first row), or without those [B][S][rot/2].
 *
 * Inputs: ai.onnx X, cos, sin, position_ids?; com.microsoft X, position_ids,
 * cos, sin.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/index.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/rotary.h"
#include "runtime/ops/walk.h"

struct shape_state {
	bool interleaved, is_offset; /* one position id: that of row 0 */
	int cos, sin, ids;           /* inputs; ids −1: none */
	size_t batch, heads, rows, size, rot;
	size_t step_batch, step_head, step_row;
	int64_t positions; /* of the caches */
};

void rt_rotary_row(size_t size, size_t rot, bool interleaved, const float *cos, const float *sin,
		   const float *x, float *y)
{
	size_t half = rot / 2, step = interleaved ? 2 : 1, other = interleaved ? 1 : half;

	for (size_t i = 0; i < half; i++) {
		float a = x[i * step], b = x[i * step + other];
		y[i * step] = cos[i] * a - sin[i] * b;
		y[i * step + other] = sin[i] * a + cos[i] * b;
	}
	if (y != x && size > rot)
		memcpy(y + rot, x + rot, (size - rot) * sizeof(float));
}

static int read_x(const struct rt_infer *f, struct shape_state *z, int64_t cache,
		  struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape;
	int64_t heads = rt_node_int(f->node, "num_heads", 0),
		rot = rt_node_int(f->node, "rotary_embedding_dim", 0);
	char text[64];

	if (x->rank == 4) {
		z->heads = (size_t)x->dims[1];
		z->rows = (size_t)x->dims[2];
		z->size = (size_t)x->dims[3];
		z->step_row = z->size;
		z->step_head = z->rows * z->size;
	} else if (x->rank == 3) {
		if (heads == 0 && rot == 0 && cache > 0) /* the caches have the whole head's size */
			heads = x->dims[2] / (cache * 2);
		if (heads <= 0 || x->dims[2] % heads != 0)
			return rt_error_set(err, RT_INPUT, "X %s has no %lld heads",
					    rt_shape_text(x, text, sizeof(text)), (long long)heads);
		z->heads = (size_t)heads;
		z->rows = (size_t)x->dims[1];
		z->size = (size_t)(x->dims[2] / heads);
		z->step_row = (size_t)x->dims[2];
		z->step_head = z->size;
	} else {
		return rt_error_set(err, RT_INPUT, "X has rank %d", x->rank);
	}
	z->batch = (size_t)x->dims[0];
	z->step_batch = z->heads * z->rows * z->size;
	z->rot = rot > 0 ? (size_t)rot : z->size;
	if (z->rot == 0 || z->rot > z->size || z->rot % 2 != 0 || (int64_t)z->rot != cache * 2)
		return rt_error_set(err, RT_INPUT,
				    "%zu of %zu elements are to be turned by caches of %lld",
				    z->rot, z->size, (long long)cache);
	return RT_OK;
}

static int check_caches(const struct rt_infer *f, struct shape_state *z, struct rt_error *err)
{
	const struct rt_shape *cos = &f->in[z->cos].shape;
	int64_t elems;

	if (!rt_shape_equal(cos, &f->in[z->sin].shape) || f->in[z->sin].dtype != RT_F32 ||
	    f->in[z->cos].dtype != RT_F32)
		return rt_error_set(err, RT_INPUT, "the caches differ");
	if (z->ids < 0) {
		if (cos->rank != 3 || (size_t)cos->dims[0] != z->batch ||
		    (size_t)cos->dims[1] != z->rows)
			return rt_error_set(err, RT_INPUT, "the caches are not per row of X");
		return RT_OK;
	}
	z->positions = cos->dims[0];
	if (cos->rank != 2 || !rt_shape_elems(&f->in[z->ids].shape, &elems) ||
	    f->in[z->ids].dtype != RT_I64)
		return rt_error_set(err, RT_INPUT, "caches of rank %d, position_ids of %s",
				    cos->rank, rt_dtype_name(f->in[z->ids].dtype));
	z->is_offset = elems == 1 && f->node->domain == RT_MS;
	if (!z->is_offset && (size_t)elems != z->batch * z->rows)
		return rt_error_set(err, RT_INPUT, "%lld position_ids for %zu rows",
				    (long long)elems, z->batch * z->rows);
	return RT_OK;
}

static int rotary_infer(struct rt_infer *f, struct rt_error *err)
{
	struct shape_state *z = rt_infer_alloc(f, sizeof(*z));
	bool ms = f->node->domain == RT_MS;
	const struct rt_shape *cos;
	float scale = rt_node_float(f->node, "scale", 1);
	int rc;

	if (!z)
		return rt_error_set(err, RT_MEMORY, "no memory for a plan");
	z->cos = ms ? 2 : 1;
	z->sin = ms ? 3 : 2;
	z->ids = ms ? 1 : f->in_count > 3 && f->in[3].dtype != RT_NONE ? 3 : -1;
	z->interleaved = rt_node_int(f->node, "interleaved", 0) != 0;
	if (ms && (scale < 1 || scale > 1 || rt_node_int(f->node, "is_packed_batching", 0) != 0))
		return rt_error_set(err, RT_UNSUPPORTED, "scale or is_packed_batching");
	cos = &f->in[z->cos].shape;
	if (cos->rank < 1)
		return rt_error_set(err, RT_INPUT, "the caches are scalars");
	rc = read_x(f, z, cos->dims[cos->rank - 1], err);
	rc = rc ? rc : check_caches(f, z, err);
	f->out[0].shape = f->in[0].shape;
	f->shape_state = z;
	return rc;
}

static void rows_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct shape_state *z = r->shape_state;

	(void)thread;
	for (size_t i = begin; i < end; i++) { /* row of a batch */
		size_t b = i / z->rows, row = i % z->rows;
		int64_t at = (int64_t)i;
		if (z->ids >= 0) {
			at = rt_index_get(&r->in[z->ids], z->is_offset ? 0 : at);
			at += z->is_offset ? (int64_t)row : 0;
			if (at < 0 || at >= z->positions) {
				rt_run_fault(r, "position %lld of %lld", (long long)at,
					     (long long)z->positions);
				return;
			}
		}
		const float *cos = (const float *)r->in[z->cos].data + (size_t)at * z->rot / 2;
		const float *sin = (const float *)r->in[z->sin].data + (size_t)at * z->rot / 2;
		for (size_t h = 0; h < z->heads; h++) {
			size_t from = b * z->step_batch + h * z->step_head + row * z->step_row;
			rt_rotary_row(z->size, z->rot, z->interleaved, cos, sin,
				      (const float *)r->in[0].data + from,
				      (float *)r->out[0].data + from);
		}
	}
}

static void rotary_run(const struct rt_run *r)
{
	const struct shape_state *z = r->shape_state;
	struct rt_run copy = *r;

	if (rt_tensor_elems(&r->in[0]) > 0)
		rt_team_for(r->team, z->batch * z->rows,
			    rt_walk_grain((int64_t)(z->heads * z->size) * 2 + 1), rows_range,
			    &copy);
}

const struct rt_op rt_op_rotary_embedding = {
    .in_min = 3,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .infer = rotary_infer,
    .run = rotary_run,
};

const struct rt_op rt_op_rotary_embedding_ms = {
    .in_min = 4,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .infer = rotary_infer,
    .run = rotary_run,
};
