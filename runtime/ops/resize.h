/* SPDX-License-Identifier: MIT */
/*
 * resize.h — between the two halves of Resize: where each output index of an
 * axis looks (resize_axis.c), and the passes over data (resize.c).
 */
#ifndef LARDER_RUNTIME_OPS_RESIZE_H
#define LARDER_RUNTIME_OPS_RESIZE_H

#include "runtime/op.h"

enum rt_resize_mode { RT_RESIZE_NEAREST, RT_RESIZE_LINEAR, RT_RESIZE_CUBIC };
enum rt_resize_place { /* coordinate_transformation_mode */
		       RT_RESIZE_HALF_PIXEL,
		       RT_RESIZE_HALF_PIXEL_SYMMETRIC,
		       RT_RESIZE_PYTORCH_HALF_PIXEL,
		       RT_RESIZE_ALIGN_CORNERS,
		       RT_RESIZE_ASYMMETRIC,
		       RT_RESIZE_CROP /* tf_crop_and_resize */
};
enum rt_resize_round { /* nearest_mode; SIMPLE: opset 10, ⌊x⌋ when growing, ⌈x⌉ when shrinking */
		       RT_RESIZE_PREFER_FLOOR,
		       RT_RESIZE_PREFER_CEIL,
		       RT_RESIZE_FLOOR,
		       RT_RESIZE_CEIL,
		       RT_RESIZE_SIMPLE
};
struct rt_resize_how {
	enum rt_resize_mode mode;
	enum rt_resize_place place;
	enum rt_resize_round round;
	bool antialias, exclude_outside;
	double cubic_a;
};

/* One axis: out[j] = Σ weights[j][k] · in[from[j][k]], k < taps; from = −1: extrapolated. */
struct rt_resize_axis {
	int64_t in, out; /* sizes */
	int64_t taps;
	int64_t *from;   /* [out][taps] */
	double *weights; /* [out][taps] */
	bool identity;   /* out[j] = in[j] */
};

/*
 * rt_resize_axis_make(f, how, in, out, scale, roi, axis, err): the tables of one
 * axis; ${scale} is output over input, ${roi} its start and end (RT_RESIZE_CROP).
 */
int rt_resize_axis_make(struct rt_infer *f, const struct rt_resize_how *how, int64_t in,
			int64_t out, double scale, const double roi[2], struct rt_resize_axis *axis,
			struct rt_error *err);

#endif
