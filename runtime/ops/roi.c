/* SPDX-License-Identifier: MIT */
/*
 * roi.c — RoiAlign: each region of interest is divided into a grid of bins, and
 * a bin is the mean (or the maximum) of bilinear samples.  MaxUnpool: values put
 * back where MaxPool found them.
 *
 * Opset changes that matter: RoiAlign (16) has coordinate_transformation_mode,
 * half_pixel by default; 10 is output_half_pixel: no half pixel, regions of at
 * least one pixel.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/index.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/walk.h"

/* Of all bins of all regions together: a run of these cannot be stopped in between. */
#define SAMPLES_MAX 4e9

static int roi_bind(struct rt_bind *b, struct rt_error *err)
{
	const struct rt_node *n = b->node;

	for (int i = 0; i < 2; i++) {
		if (n->in[i] < 0 ||
		    b->graph->values[n->in[i]].dtype != b->graph->values[n->in[0]].dtype)
			return rt_error_set(err, RT_MALFORMED, "X and rois differ in type");
	}
	return rt_index_check(b, 2, err);
}

static int roi_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *x = &f->in[0].shape, *rois = &f->in[1].shape;
	int64_t h = rt_node_int(f->node, "output_height", 1),
		w = rt_node_int(f->node, "output_width", 1), elems;

	if (x->rank != 4 || rois->rank != 2 || rois->dims[1] != 4 || f->in[2].shape.rank != 1 ||
	    f->in[2].shape.dims[0] != rois->dims[0] || h < 1 || w < 1 ||
	    rt_node_int(f->node, "sampling_ratio", 0) < 0 ||
	    rt_node_int(f->node, "sampling_ratio", 0) > 1024)
		return rt_error_set(err, RT_INPUT,
				    "X is not [N][C][H][W], rois not [n][4], or batch_indices not "
				    "[n]");
	f->out[0].shape = rt_shape_of(4, rois->dims[0], x->dims[1], h, w);
	if (!rt_shape_elems(&f->out[0].shape, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	return RT_OK;
}

struct region {
	double start[2], bin[2]; /* y, x */
	int64_t samples[2];
	bool max;
};

static struct region region_of(const struct rt_run *r, int64_t roi)
{
	bool half =
	    r->node->opset >= 16 && !rt_node_string_is(r->node, "coordinate_transformation_mode",
						       "output_half_pixel", "half_pixel");
	double scale = (double)rt_node_float(r->node, "spatial_scale", 1);
	int64_t ratio = rt_node_int(r->node, "sampling_ratio", 0);
	struct region g = {.max = rt_node_string_is(r->node, "mode", "max", "avg")};

	for (int d = 0; d < 2; d++) { /* rois are x1, y1, x2, y2 */
		double from = rt_convert_get_f64(&r->in[1], roi * 4 + 1 - d) * scale,
		       to = rt_convert_get_f64(&r->in[1], roi * 4 + 3 - d) * scale,
		       size = to - from;
		int64_t bins = r->out[0].shape.dims[2 + d];

		if (!half && size < 1)
			size = 1;
		g.start[d] = from - (half ? 0.5 : 0);
		g.bin[d] = size / (double)bins;
		g.samples[d] = ratio;
		if (ratio == 0) /* a hostile region does not make a long loop */
			g.samples[d] =
			    g.bin[d] > 0 && g.bin[d] < 65536 ? (int64_t)ceil(g.bin[d]) : 0;
	}
	return g;
}

/* The two neighbours of ${x} and the weight of the second; false: outside. */
static bool neighbours(double x, int64_t n, int64_t at[2], double *w)
{
	if (!(x >= -1 && x <= (double)n))
		return false;
	x = fmax(x, 0);
	at[0] = (int64_t)x;
	at[1] = at[0] + 1;
	if (at[0] >= n - 1) {
		at[0] = at[1] = n - 1;
		x = (double)at[0];
	}
	*w = x - (double)at[0];
	return true;
}

static double bin_value(const struct rt_run *r, const struct region *g, int64_t plane, int64_t by,
			int64_t bx)
{
	int64_t h = r->in[0].shape.dims[2], w = r->in[0].shape.dims[3];
	int64_t count = g->samples[0] * g->samples[1];
	double sum = 0, max = -INFINITY;

	for (int64_t i = 0; i < count; i++) {
		int64_t iy = i / g->samples[1], ix = i % g->samples[1];
		double y = g->start[0] +
			   ((double)by + ((double)iy + 0.5) / (double)g->samples[0]) * g->bin[0];
		double x = g->start[1] +
			   ((double)bx + ((double)ix + 0.5) / (double)g->samples[1]) * g->bin[1];
		int64_t ys[2], xs[2];
		double wy, wx;

		if (!neighbours(y, h, ys, &wy) || !neighbours(x, w, xs, &wx)) {
			max = fmax(max, 0);
			continue;
		}
		for (int k = 0; k < 4; k++) {
			double v =
			    rt_convert_get_f64(&r->in[0], (plane * h + ys[k / 2]) * w + xs[k % 2]) *
			    (k / 2 ? wy : 1 - wy) * (k % 2 ? wx : 1 - wx);
			sum += v;
			max = fmax(max, v);
		}
	}
	if (count == 0)
		return 0;
	return g->max ? max : sum / (double)count;
}

static void roi_range(void *arg, size_t begin, size_t end, int thread)
{
	const struct rt_run *r = arg;
	const struct rt_shape *s = &r->out[0].shape;
	int64_t channels = s->dims[1], h = s->dims[2], w = s->dims[3];

	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) { /* a region and a channel */
		struct region g = region_of(r, i / channels);
		int64_t batch = rt_index_get(&r->in[2], i / channels);

		if (batch < 0 || batch >= r->in[0].shape.dims[0]) {
			rt_run_fault(r, "batch index %lld of %lld", (long long)batch,
				     (long long)r->in[0].shape.dims[0]);
			return;
		}
		if ((double)g.samples[0] * (double)g.samples[1] *
			(double)rt_tensor_elems(&r->out[0]) >
		    SAMPLES_MAX) {
			rt_run_fault(r, "region %lld takes too many samples",
				     (long long)(i / channels));
			return;
		}
		for (int64_t k = 0; k < h * w; k++) {
			double v =
			    rt_walk_is_empty(&r->in[0].shape)
				? 0
				: bin_value(r, &g, batch * channels + i % channels, k / w, k % w);
			rt_convert_from_f64(r->out[0].dtype, &v, 1, r->out[0].data, i * h * w + k,
					    true);
		}
	}
}

static void roi_run(const struct rt_run *r)
{
	struct rt_run copy = *r;

	if (rt_tensor_elems(&r->out[0]) > 0)
		rt_team_for(r->team, (size_t)(r->out[0].shape.dims[0] * r->out[0].shape.dims[1]), 1,
			    roi_range, &copy);
}

const struct rt_op rt_op_roi_align = {
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .bind = roi_bind,
    .infer = roi_infer,
    .run = roi_run,
};

/* ---- MaxUnpool ------------------------------------------------------------------------------- */

static int unpool_bind(struct rt_bind *b, struct rt_error *err)
{
	return rt_index_check(b, 1, err);
}

static int unpool_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	int64_t kernels, strides, pads, elems;
	const int64_t *kernel = rt_node_ints(f->node, "kernel_shape", &kernels),
		      *stride = rt_node_ints(f->node, "strides", &strides),
		      *pad = rt_node_ints(f->node, "pads", &pads);
	int space = in->rank - 2, count;

	if (space < 1 || kernel == NULL || kernels != space ||
	    (stride != NULL && strides != space) || (pad != NULL && pads != 2 * (int64_t)space) ||
	    !rt_shape_equal(in, &f->in[1].shape))
		return rt_error_set(err, RT_INPUT,
				    "kernel_shape, strides, pads or the indices do not "
				    "fit the input");
	*out = *in;
	for (int d = 0; d < space; d++) {
		int64_t less = pad != NULL ? pad[d] + pad[d + space] : 0;
		if (in->dims[2 + d] < 1 || kernel[d] < 1 || kernel[d] > INT32_MAX ||
		    less > INT32_MAX || less < 0 ||
		    __builtin_mul_overflow(in->dims[2 + d] - 1, stride != NULL ? stride[d] : 1,
					   &out->dims[2 + d]) ||
		    out->dims[2 + d] > INT64_C(1) << 40 || out->dims[2 + d] < 0)
			return rt_error_set(err, RT_INPUT, "axis %d", 2 + d);
		out->dims[2 + d] += kernel[d] - less;
	}
	if (f->in_count > 2 && f->in[2].dtype != RT_NONE) {
		if (!rt_op_ints(&f->in[2], out->dims, RT_RANK_MAX, &count) || count != in->rank)
			return rt_error_set(err, RT_INPUT, "output_shape is not %d integers",
					    in->rank);
	}
	if (!rt_shape_elems(out, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	return RT_OK;
}

/*
 * The indices count in a tensor of the size that the attributes give; a larger
 * output_shape only adds room, so they are taken apart and put together again.
 */
static void unpool_run(const struct rt_run *r)
{
	int64_t kernels, strides, pads;
	const struct rt_shape *in = &r->in[0].shape, *out = &r->out[0].shape;
	const int64_t *kernel = rt_node_ints(r->node, "kernel_shape", &kernels),
		      *stride = rt_node_ints(r->node, "strides", &strides),
		      *pad = rt_node_ints(r->node, "pads", &pads);
	size_t size = rt_dtype_bits(r->in[0].dtype) / 8;
	int64_t n = rt_tensor_elems(&r->in[0]), dims[RT_RANK_MAX] = {0};
	int space = in->rank - 2;

	memset(r->out[0].data, 0, rt_tensor_bytes(&r->out[0]));
	for (int d = 0; d < in->rank; d++) {
		dims[d] = in->dims[d];
		if (d >= 2 && kernel != NULL)
			dims[d] = (in->dims[d] - 1) * (stride != NULL ? stride[d - 2] : 1) +
				  kernel[d - 2] -
				  (pad != NULL ? pad[d - 2] + pad[d - 2 + space] : 0);
	}
	for (int64_t i = 0; i < n; i++) {
		int64_t rest = rt_index_get(&r->in[1], i), at = 0, step = 1;
		bool inside = rest >= 0;
		for (int d = in->rank - 1; d >= 0 && inside; d--) {
			int64_t k = dims[d] > 0 ? rest % dims[d] : 0;
			rest = dims[d] > 0 ? rest / dims[d] : 0;
			inside = k < out->dims[d];
			at += k * step;
			step *= out->dims[d];
		}
		if (!inside || rest != 0) {
			rt_run_fault(r, "index %lld is outside of the output",
				     (long long)rt_index_get(&r->in[1], i));
			return;
		}
		memcpy((char *)r->out[0].data + at * (int64_t)size,
		       (const char *)r->in[0].data + i * (int64_t)size, size);
	}
}

const struct rt_op rt_op_max_unpool = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 2,
    .bind = unpool_bind,
    .infer = unpool_infer,
    .run = unpool_run,
};
