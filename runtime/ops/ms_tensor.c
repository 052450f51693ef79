/* SPDX-License-Identifier: MIT */
/*
 * ms_tensor.c — small operators of com.microsoft (since 1):
 *
 *	ExpandDims    Unsqueeze at the one axis that input 1 names
 *	CDist         Y[i][j] = ‖A[i] − B[j]‖, or its square
 *	CropAndResize boxes [y1,x1,y2,x2], as parts of H−1 and W−1, of images [N][C][H][W], each
 *	              brought to crop_size; outside of the image: extrapolation_value
 *	MurmurHash3   x86_32 of the bytes of each element
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/op_type.h"
#include "runtime/ops/axes.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

/* ---- ExpandDims ------------------------------------------------------------------------------ */

static int expand_dims_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	int64_t value;
	int count, axis, status;

	if (!rt_op_ints(&f->in[1], &value, 1, &count) || count != 1)
		return rt_error_set(err, RT_INPUT, "the axis is not one integer");
	if (in->rank + 1 > RT_RANK_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "a tensor of rank %d", in->rank + 1);
	status = rt_axes_one(value, in->rank + 1, &axis, err);
	if (status != RT_OK)
		return status;
	*out = (struct rt_shape){.rank = in->rank + 1};
	for (int d = 0; d < out->rank; d++)
		out->dims[d] = d == axis ? 1 : in->dims[d - (d > axis)];
	return RT_OK;
}

const struct rt_op rt_op_expand_dims = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1,
    .is_view = true,
    .infer = expand_dims_infer,
};

/* ---- CDist ----------------------------------------------------------------------------------- */

static int distance_bind(struct rt_bind *b, struct rt_error *err)
{
	bool *rooted = b->state;

	*rooted = rt_node_string_is(b->node, "metric", "euclidean", "sqeuclidean");
	if (!*rooted && !rt_node_string_is(b->node, "metric", "sqeuclidean", "sqeuclidean"))
		return rt_error_set(err, RT_UNSUPPORTED, "metric is not euclidean or sqeuclidean");
	return RT_OK;
}

static int distance_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *a = &f->in[0].shape, *b = &f->in[1].shape;

	if (a->rank != 2 || b->rank != 2 || a->dims[1] != b->dims[1])
		return rt_error_set(err, RT_INPUT, "A and B are not rows of one length");
	f->out[0].shape = rt_shape_of(2, a->dims[0], b->dims[0]);
	return rt_op_type_agree(f, 3, err);
}

static void distance_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const bool *rooted = r->state;
	const int64_t k = r->in[0].shape.dims[1], n = r->in[1].shape.dims[0];

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		double sum = 0;
		for (int64_t c = 0; c < k; c++) {
			double d = rt_convert_get_f64(&r->in[0], i / n * k + c) -
				   rt_convert_get_f64(&r->in[1], i % n * k + c);
			sum += d * d;
		}
		sum = *rooted ? sqrt(sum) : sum;
		rt_convert_from_f64(r->out[0].dtype, &sum, 1, r->out[0].data, i, true);
	}
}

static void distance_run(const struct rt_run *r)
{
	struct rt_run copy = *r;

	if (rt_tensor_elems(&r->out[0]) == 0)
		return;
	rt_team_for(r->team, (size_t)rt_tensor_elems(&r->out[0]),
		    rt_walk_grain(r->in[0].shape.dims[1] * 8 + 8), distance_range, &copy);
}

const struct rt_op rt_op_cdist = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(bool),
    .bind = distance_bind,
    .infer = distance_infer,
    .run = distance_run,
};

/* ---- CropAndResize --------------------------------------------------------------------------- */

enum { IMAGES, BOXES, BATCH, SIZE };

struct crop {
	bool nearest;
	float outside;
};

static int crop_bind(struct rt_bind *b, struct rt_error *err)
{
	struct crop *s = b->state;

	s->nearest = rt_node_string_is(b->node, "mode", "nearest", "bilinear");
	s->outside = rt_node_float(b->node, "extrapolation_value", 0);
	if (!s->nearest && !rt_node_string_is(b->node, "mode", "bilinear", "bilinear"))
		return rt_error_set(err, RT_MALFORMED, "unknown mode");
	return RT_OK;
}

static int crop_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[IMAGES].shape, *b = &f->in[BOXES].shape;
	const struct rt_shape *n = &f->in[BATCH].shape;
	int64_t size[2], elems;
	int count;

	if (x->rank != 4 || b->rank != 2 || b->dims[1] != 4 || f->in[BOXES].dtype != RT_F32 ||
	    n->rank != 1 || n->dims[0] != b->dims[0] || f->in[BATCH].dtype != RT_I32)
		return rt_error_set(err, RT_INPUT, "images, boxes or batch indices do not fit");
	if (!rt_op_ints(&f->in[SIZE], size, 2, &count) || count != 2 || size[0] < 1 || size[1] < 1)
		return rt_error_set(err, RT_INPUT, "crop_size is not two sizes");
	f->out[0].shape = rt_shape_of(4, b->dims[0], x->dims[1], size[0], size[1]);
	if (!rt_shape_elems(&f->out[0].shape, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	if (elems > 0 && rt_walk_is_empty(x))
		return rt_error_set(err, RT_INPUT, "the images are empty");
	return RT_OK;
}

/* Where output ${i} of ${n} lies in an axis of ${dim} elements. */
static float place(float from, float to, int64_t i, int64_t n, int64_t dim)
{
	float last = (float)(dim - 1);

	if (n == 1)
		return 0.5f * (from + to) * last;
	return from * last + (float)i * ((to - from) * last / (float)(n - 1));
}

static float pixel(const struct rt_run *r, const float *x, float at_y, float at_x)
{
	const struct crop *s = r->state;
	const int64_t H = r->in[IMAGES].shape.dims[2], W = r->in[IMAGES].shape.dims[3];
	float top, left, down, right;

	if (!(at_y >= 0 && at_y <= (float)(H - 1) && at_x >= 0 && at_x <= (float)(W - 1)))
		return s->outside;
	if (s->nearest)
		return x[(int64_t)roundf(at_y) * W + (int64_t)roundf(at_x)];
	top = floorf(at_y), left = floorf(at_x);
	down = at_y - top, right = at_x - left;
	const float *row = x + (int64_t)top * W, *next = x + (int64_t)ceilf(at_y) * W;
	const int64_t l = (int64_t)left, c = (int64_t)ceilf(at_x);
	const float above = row[l] + (row[c] - row[l]) * right;
	const float below = next[l] + (next[c] - next[l]) * right;
	return above + (below - above) * down;
}

/* Boxes ${begin} … ${end} − 1. */
static void crop_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct rt_shape *x = &r->in[IMAGES].shape, *y = &r->out[0].shape;
	const int64_t plane = x->dims[2] * x->dims[3], C = x->dims[1], h = y->dims[2],
		      w = y->dims[3];

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		const float *box = (const float *)r->in[BOXES].data + i * 4;
		int64_t batch = ((const int32_t *)r->in[BATCH].data)[i];
		float *out = (float *)r->out[0].data + i * C * h * w;
		if (batch < 0 || batch >= x->dims[0]) {
			rt_run_fault(r, "box %lld is of image %lld", (long long)i,
				     (long long)batch);
			return;
		}
		for (int64_t k = 0; k < C * h * w; k++) {
			float at_y = place(box[0], box[2], k / w % h, h, x->dims[2]);
			float at_x = place(box[1], box[3], k % w, w, x->dims[3]);
			const float *in =
			    (const float *)r->in[IMAGES].data + (batch * C + k / (h * w)) * plane;
			out[k] = pixel(r, in, at_y, at_x);
		}
	}
}

static void crop_run(const struct rt_run *r)
{
	struct rt_run copy = *r;

	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)r->in[BOXES].shape.dims[0], 1, crop_range, &copy);
}

const struct rt_op rt_op_crop_and_resize = {
    .in_min = 4,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << SIZE,
    .state_bytes = sizeof(struct crop),
    .bind = crop_bind,
    .infer = crop_infer,
    .run = crop_run,
};

/* ---- MurmurHash3 ----------------------------------------------------------------------------- */

static uint32_t turned(uint32_t x, int by)
{
	return x << by | x >> (32 - by);
}

static uint32_t murmur(const uint8_t *data, size_t size, uint32_t hash)
{
	uint32_t k;

	for (size_t i = 0; i + 4 <= size; i += 4) {
		k = (uint32_t)data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16 |
		    (uint32_t)data[i + 3] << 24;
		hash ^= turned(k * 0xcc9e2d51u, 15) * 0x1b873593u;
		hash = turned(hash, 13) * 5 + 0xe6546b64u;
	}
	k = 0;
	for (size_t i = size & ~(size_t)3, at = 0; i < size; i++, at += 8)
		k |= (uint32_t)data[i] << at;
	hash ^= turned(k * 0xcc9e2d51u, 15) * 0x1b873593u;
	hash ^= (uint32_t)size;
	hash = (hash ^ hash >> 16) * 0x85ebca6bu;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
	return hash ^ hash >> 16;
}

static int murmur_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		       struct rt_error *err)
{
	(void)g;
	(void)err;
	out[0] = rt_node_int(n, "positive", 1) != 0 ? RT_U32 : RT_I32;
	return RT_OK;
}

static void murmur_run(const struct rt_run *r)
{
	const uint32_t seed = (uint32_t)rt_node_int(r->node, "seed", 0);
	const size_t size = rt_dtype_bits(r->in[0].dtype) / 8;
	const int64_t n = rt_tensor_elems(&r->in[0]);
	uint32_t *out = r->out[0].data;

	for (int64_t i = 0; i < n; i++) {
		const struct rt_str *s = (const struct rt_str *)r->in[0].data + i;
		if (r->in[0].dtype == RT_STR)
			out[i] = murmur((const uint8_t *)s->bytes, s->size, seed);
		else
			out[i] =
			    murmur((const uint8_t *)r->in[0].data + (size_t)i * size, size, seed);
	}
}

const struct rt_op rt_op_murmur_hash = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .type = murmur_type,
    .infer = rt_op_infer_same,
    .run = murmur_run,
};
