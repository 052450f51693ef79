/* SPDX-License-Identifier: MIT */
/*
 * geometry.c — AffineGrid (theta · homogeneous coordinates of an image), Col2Im
 * (columns added back to where they were taken from), Det.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/index.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

/* ---- AffineGrid: theta [N][d][d+1], size [N, C, spatial..] → [N][spatial..][d] --------------- */

static int grid_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *theta = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	int64_t size[RT_RANK_MAX], elems;
	int count;

	if (!rt_op_ints(&f->in[1], size, RT_RANK_MAX, &count) || count < 4 || count > 5)
		return rt_error_set(err, RT_INPUT, "size is not 4 or 5 integers");
	if (theta->rank != 3 || theta->dims[0] != size[0] || theta->dims[1] != count - 2 ||
	    theta->dims[2] != count - 1)
		return rt_error_set(err, RT_INPUT, "theta is not [%lld][%d][%d]",
				    (long long)size[0], count - 2, count - 1);
	*out = (struct rt_shape){.rank = count, .dims = {size[0]}};
	for (int d = 2; d < count; d++)
		out->dims[d - 1] = size[d];
	out->dims[count - 1] = count - 2;
	if (!rt_shape_elems(out, &elems))
		return rt_error_set(err, RT_INPUT, "a negative or too large size");
	return RT_OK;
}

static void grid_run(const struct rt_run *r)
{
	const struct rt_shape *s = &r->out[0].shape;
	bool corners = rt_node_int(r->node, "align_corners", 0) != 0;
	int space = s->rank - 2;
	int64_t points = rt_tensor_elems(&r->out[0]) / space, per_batch = 1;

	for (int d = 0; d < space; d++)
		per_batch *= s->dims[1 + d];
	for (int64_t i = 0; i < points; i++) {
		double at[4] = {0, 0, 0, 0};
		int64_t rest = i % per_batch;

		at[space] = 1;
		for (int d = space - 1; d >= 0; d--) { /* the fastest axis is coordinate 0 */
			double n = (double)s->dims[1 + d], k = (double)(rest % s->dims[1 + d]);
			rest /= s->dims[1 + d];
			at[space - 1 - d] =
			    corners ? (n > 1 ? 2 * k / (n - 1) - 1 : 0) : (2 * k + 1) / n - 1;
		}
		for (int row = 0; row < space; row++) {
			double x = 0;
			for (int k = 0; k <= space; k++)
				x += at[k] * rt_convert_get_f64(
						 &r->in[0],
						 (i / per_batch * space + row) * (space + 1) + k);
			rt_convert_from_f64(r->out[0].dtype, &x, 1, r->out[0].data, i * space + row,
					    true);
		}
	}
}

const struct rt_op rt_op_affine_grid = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1,
    .infer = grid_infer,
    .run = grid_run,
};

/* ---- Col2Im: [N][C · block][blocks] → [N][C][image..] ---------------------------------------- */

struct image {
	int space;
	int64_t planes; /* N · C */
	int64_t dims[RT_RANK_MAX], block[RT_RANK_MAX], blocks[RT_RANK_MAX];
	int64_t strides[RT_RANK_MAX], dilations[RT_RANK_MAX], pads[RT_RANK_MAX];
	int64_t block_size, block_count, pixels;
};

static int64_t listed(const struct rt_node *n, const char *name, int i, int64_t otherwise)
{
	int64_t count;
	const int64_t *list = rt_node_ints(n, name, &count);

	return list != NULL && i < count ? list[i] : otherwise;
}

static int col2im_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	struct image *p = rt_infer_alloc(f, sizeof(*p));
	int blocks_rank;
	int64_t elems;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->shape_state = p;
	if (!rt_op_ints(&f->in[1], p->dims, RT_RANK_MAX - 2, &p->space) ||
	    !rt_op_ints(&f->in[2], p->block, RT_RANK_MAX - 2, &blocks_rank) ||
	    p->space != blocks_rank || p->space < 1 || in->rank != 3)
		return rt_error_set(err, RT_INPUT, "image_shape, block_shape or the input's rank");
	p->block_size = p->block_count = p->pixels = 1;
	*out = (struct rt_shape){.rank = p->space + 2, .dims = {in->dims[0]}};
	for (int d = 0; d < p->space; d++) {
		int64_t span, room;
		p->strides[d] = listed(f->node, "strides", d, 1);
		p->dilations[d] = listed(f->node, "dilations", d, 1);
		p->pads[d] = listed(f->node, "pads", d, 0);
		if (p->dims[d] < 1 || p->dims[d] > INT32_MAX || p->block[d] < 1 ||
		    p->block[d] > INT32_MAX || p->strides[d] < 1 || p->dilations[d] < 1 ||
		    p->dilations[d] > INT32_MAX || p->pads[d] < 0 || p->pads[d] > INT32_MAX ||
		    listed(f->node, "pads", p->space + d, 0) > INT32_MAX)
			return rt_error_set(err, RT_INPUT, "axis %d of the image", d);
		span = p->dilations[d] * (p->block[d] - 1) + 1;
		room = p->dims[d] + p->pads[d] + listed(f->node, "pads", p->space + d, 0) - span;
		p->blocks[d] = room < 0 ? 0 : room / p->strides[d] + 1;
		out->dims[d + 2] = p->dims[d];
		if (__builtin_mul_overflow(p->block_size, p->block[d], &p->block_size) ||
		    __builtin_mul_overflow(p->block_count, p->blocks[d], &p->block_count) ||
		    __builtin_mul_overflow(p->pixels, p->dims[d], &p->pixels))
			return rt_error_set(err, RT_INPUT, "the image is too large");
	}
	if (in->dims[1] % p->block_size != 0 || in->dims[2] != p->block_count)
		return rt_error_set(err, RT_INPUT,
				    "%lld × %lld columns for blocks of %lld, %lld of "
				    "them",
				    (long long)in->dims[1], (long long)in->dims[2],
				    (long long)p->block_size, (long long)p->block_count);
	out->dims[1] = in->dims[1] / p->block_size;
	if (!rt_shape_elems(out, &elems))
		return rt_error_set(err, RT_INPUT, "the image is too large");
	p->planes = elems / p->pixels;
	return RT_OK;
}

/* The pixel of element ${k} of block ${b}; −1 in the padding. */
static int64_t pixel_of(const struct image *p, int64_t k, int64_t b)
{
	int64_t at = 0, step = 1;

	for (int d = p->space - 1; d >= 0; d--) {
		int64_t i = b % p->blocks[d] * p->strides[d] + k % p->block[d] * p->dilations[d] -
			    p->pads[d];
		if (i < 0 || i >= p->dims[d])
			return -1;
		at += i * step;
		step *= p->dims[d];
		b /= p->blocks[d];
		k /= p->block[d];
	}
	return at;
}

static void col2im_run(const struct rt_run *r)
{
	const struct image *p = r->shape_state;
	enum rt_dtype t = r->in[0].dtype;

	memset(r->out[0].data, 0, rt_tensor_bytes(&r->out[0]));
	for (int64_t i = 0; i < p->planes * p->block_size * p->block_count; i++) {
		int64_t b = i % p->block_count, row = i / p->block_count;
		int64_t pixel = pixel_of(p, row % p->block_size, b);
		double sum;

		if (pixel < 0)
			continue;
		pixel += row / p->block_size * p->pixels;
		sum = rt_convert_get_f64(&r->out[0], pixel) + rt_convert_get_f64(&r->in[0], i);
		rt_convert_from_f64(t, &sum, 1, r->out[0].data, pixel, true);
	}
}

const struct rt_op rt_op_col2im = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1 | 1u << 2,
    .infer = col2im_infer,
    .run = col2im_run,
};

/* ---- Det: of the last two dimensions, by elimination with row exchange ----------------------- */

static int det_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	int64_t n = in->rank >= 2 ? in->dims[in->rank - 1] : -1, bytes;

	if (in->rank < 2 || in->dims[in->rank - 2] != n || __builtin_mul_overflow(n, n, &bytes) ||
	    __builtin_mul_overflow(bytes, INT64_C(8), &bytes))
		return rt_error_set(err, RT_INPUT, "the last two dimensions are no square");
	f->out[0].shape = *in;
	f->out[0].shape.rank = in->rank - 2;
	f->scratch_bytes = (size_t)bytes;
	return RT_OK;
}

static double determinant(double *m, int64_t n)
{
	double det = 1;

	for (int64_t c = 0; c < n; c++) {
		int64_t best = c;
		for (int64_t row = c + 1; row < n; row++) {
			if (fabs(m[row * n + c]) > fabs(m[best * n + c]))
				best = row;
		}
		if (m[best * n + c] == 0)
			return 0;
		for (int64_t k = 0; best != c && k < n; k++) {
			double t = m[c * n + k];
			m[c * n + k] = m[best * n + k];
			m[best * n + k] = t;
		}
		det *= best != c ? -m[c * n + c] : m[c * n + c];
		for (int64_t row = c + 1; row < n; row++) {
			double by = m[row * n + c] / m[c * n + c];
			for (int64_t k = c; k < n; k++)
				m[row * n + k] -= by * m[c * n + k];
		}
	}
	return det;
}

static void det_run(const struct rt_run *r)
{
	int64_t n = r->in[0].shape.dims[r->in[0].shape.rank - 1];

	for (int64_t i = 0; i < rt_tensor_elems(&r->out[0]); i++) {
		double det;
		rt_convert_to_f64(r->in[0].dtype, r->in[0].data, i * n * n, (size_t)(n * n),
				  r->scratch);
		det = determinant(r->scratch, n);
		rt_convert_from_f64(r->out[0].dtype, &det, 1, r->out[0].data, i, true);
	}
}

const struct rt_op rt_op_det = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .infer = det_infer,
    .run = det_run,
};
