/* SPDX-License-Identifier: MIT */
/*
 * roi_pool.c — MaxRoiPool (ONNX 1, 22): each region of interest (image, x1, y1,
 * x2, y2, scaled and rounded to whole pixels, ends included) is divided into
 * pooled_shape bins, and a bin is the maximum of the pixels it touches; a bin
 * outside of the image is 0.
 */
#include <config.h>

#include <math.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

static int pool_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape, *rois = &f->in[1].shape;
	const int64_t *pooled;
	int64_t count, elems;

	pooled = rt_node_ints(f->node, "pooled_shape", &count);
	if (count != 2 || pooled[0] < 1 || pooled[1] < 1)
		return rt_error_set(err, RT_MALFORMED, "pooled_shape is not two sizes");
	if (x->rank != 4 || rois->rank != 2 || rois->dims[1] != 5 ||
	    f->in[1].dtype != f->in[0].dtype)
		return rt_error_set(err, RT_INPUT,
				    "X is not [N][C][H][W], or rois not [n][5] of its type");
	f->out[0].shape = rt_shape_of(4, rois->dims[0], x->dims[1], pooled[0], pooled[1]);
	if (!rt_shape_elems(&f->out[0].shape, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	return RT_OK;
}

/* The pixels of bin ${i} of ${bins} of a region from ${low} to ${high} along an axis of ${size}. */
static void bin_of(double low, double high, int64_t bins, int64_t i, int64_t size, int64_t *begin,
		   int64_t *end)
{
	double width = fmax(high - low + 1, 1) / (double)bins;

	*begin = (int64_t)fmin(fmax(floor((double)i * width) + low, 0), (double)size);
	*end = (int64_t)fmin(fmax(ceil((double)(i + 1) * width) + low, 0), (double)size);
}

static void pool_range(void *arg, size_t first, size_t last, int thread)
{
	const struct rt_run *r = arg;
	const struct rt_shape *x = &r->in[0].shape, *y = &r->out[0].shape;
	const int64_t H = x->dims[2], W = x->dims[3], bins = y->dims[2] * y->dims[3];
	const double scale = (double)rt_node_float(r->node, "spatial_scale", 1);

	(void)thread;
	for (int64_t i = (int64_t)first; i < (int64_t)last; i++) { /* of [n][C] */
		int64_t n = i / x->dims[1], c = i % x->dims[1];
		double roi[5];

		rt_convert_to_f64(r->in[1].dtype, r->in[1].data, n * 5, 5, roi);
		if (!(roi[0] >= 0 && roi[0] < (double)x->dims[0])) {
			rt_run_fault(r, "region %lld is of an image that is not there",
				     (long long)n);
			return;
		}
		for (int k = 1; k < 5; k++) { /* half away from zero */
			double at = round(roi[k] * scale);
			roi[k] = at >= -1e9 && at <= 1e9 ? at : 0;
		}
		for (int64_t b = 0; b < bins; b++) {
			int64_t h[2], w[2];
			double best = -INFINITY;

			bin_of(roi[2], roi[4], y->dims[2], b / y->dims[3], H, &h[0], &h[1]);
			bin_of(roi[1], roi[3], y->dims[3], b % y->dims[3], W, &w[0], &w[1]);
			for (int64_t p = h[0]; p < h[1]; p++) {
				int64_t row = (((int64_t)roi[0] * x->dims[1] + c) * H + p) * W;
				for (int64_t q = w[0]; q < w[1]; q++)
					best = fmax(best, rt_convert_get_f64(&r->in[0], row + q));
			}
			if (h[0] >= h[1] || w[0] >= w[1])
				best = 0;
			rt_convert_from_f64(r->out[0].dtype, &best, 1, r->out[0].data, i * bins + b,
					    true);
		}
	}
}

static void pool_run(const struct rt_run *r)
{
	struct rt_run copy = *r;
	int64_t planes = r->out[0].shape.dims[0] * r->out[0].shape.dims[1];

	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)planes, 1, pool_range, &copy);
}

const struct rt_op rt_op_max_roi_pool = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .infer = pool_infer,
    .run = pool_run,
};
