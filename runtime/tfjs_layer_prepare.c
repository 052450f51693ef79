/* SPDX-License-Identifier: MIT */
/*
 * tfjs_layer_prepare.c — Keras layers that stand before a network and make its
 * input out of images and numbers as they come.  Called by tfjs_layers.c through
 * tfjs_layers.def.
 */
#include <config.h>

#include "runtime/tfjs_layer.h"

/* ---- images ---------------------------------------------------------------------------------- */

static bool image_shape(struct rt_tfjs_layer *c, struct rt_shape *s)
{
	*s = rt_tfjs_layer_shape(c, c->in[0]);
	if (c->l->status == RT_OK && s->rank != 4)
		rt_tfjs_layer_missing(c, "at another rank than 4");
	return c->l->status == RT_OK && s->rank == 4;
}

void rt_tfjs_layer_rescaling(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]);
	int x = rt_lower_cast(l, c->in[0], RT_F32);

	x = rt_lower_op2(l, "Mul", x, rt_lower_f32(l, (float)rt_tfjs_layer_number(c, "scale", 1)));
	x = rt_lower_op2(l, "Add", x, rt_lower_f32(l, (float)rt_tfjs_layer_number(c, "offset", 0)));
	rt_tfjs_layer_give(c, x, &s);
}

/* The image at that size; ${mode}: of coordinates. */
static int resized(struct rt_tfjs_layer *c, const int64_t *size, bool linear, const char *mode)
{
	bool first = rt_tfjs_layer_first(c);
	int x = first ? c->in[0] : rt_lower_to_nchw(c->l, c->in[0], 4);

	x = rt_lower_opn(c->l, "Resize", 4,
			 (int[]){x, RT_NO_VALUE, RT_NO_VALUE, rt_lower_i64s(c->l, 2, size)});
	rt_lower_set_ints(c->l, "axes", 2, (int64_t[]){2, 3});
	rt_lower_set_string(c->l, "mode", linear ? "linear" : "nearest");
	rt_lower_set_string(c->l, "coordinate_transformation_mode", mode);
	if (!linear)
		rt_lower_set_string(c->l, "nearest_mode", "round_prefer_ceil");
	return first ? x : rt_lower_to_nhwc(c->l, x, 4);
}

/* tfjs-layers lets corners meet, which Keras does not. */
void rt_tfjs_layer_resizing(struct rt_tfjs_layer *c)
{
	int64_t size[2] = {rt_tfjs_layer_int(c, "height", 0), rt_tfjs_layer_int(c, "width", 0)};
	bool nearest = rt_tfjs_layer_is(c, "interpolation", "nearest");
	int at = rt_tfjs_layer_first(c) ? 2 : 1;
	struct rt_shape s;

	if (!image_shape(c, &s))
		return;
	if (size[0] < 1 || size[1] < 1 || size[0] > 65536 || size[1] > 65536 ||
	    rt_tfjs_layer_bool(c, "crop_to_aspect_ratio", false)) {
		rt_tfjs_layer_missing(c, "with that size, or crop_to_aspect_ratio");
		return;
	}
	s.dims[at] = size[0];
	s.dims[at + 1] = size[1];
	rt_tfjs_layer_give(c, resized(c, size, !nearest, "align_corners"), &s);
}

/* The middle of an image. */
void rt_tfjs_layer_center(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	int at = rt_tfjs_layer_first(c) ? 2 : 1;
	int64_t size[2] = {rt_tfjs_layer_int(c, "height", 0), rt_tfjs_layer_int(c, "width", 0)};
	int64_t axes[2] = {at, at + 1}, from[2], to[2];
	bool larger = false;
	struct rt_shape s;

	if (!image_shape(c, &s))
		return;
	for (int i = 0; i < 2; i++) {
		from[i] = (s.dims[at + i] - size[i]) / 2;
		to[i] = from[i] + size[i];
		if (size[i] < 1 || size[i] > 65536 || s.dims[at + i] < 1) {
			rt_tfjs_layer_missing(c, "of an image of a size that is not known");
			return;
		}
		larger = larger || s.dims[at + i] < size[i];
		s.dims[at + i] = size[i];
	}
	if (larger) { /* TensorFlow.js makes the whole image that size */
		rt_tfjs_layer_give(c, resized(c, size, true, "asymmetric"), &s);
		return;
	}
	rt_tfjs_layer_give(
	    c,
	    rt_lower_opn(l, "Slice", 4,
			 (int[]){c->in[0], rt_lower_i64s(l, 2, from), rt_lower_i64s(l, 2, to),
				 rt_lower_i64s(l, 2, axes)}),
	    &s);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Numbers of categories in the last axis: one_hot of one of them, multi_hot and count of all. */
void rt_tfjs_layer_category(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]), out = {.rank = 2};
	bool one = rt_tfjs_layer_is(c, "output_mode", "one_hot");
	bool many = rt_tfjs_layer_is(c, "output_mode", "count");
	int64_t n = rt_tfjs_layer_int(c, "num_tokens", 0);
	int x = rt_lower_cast(l, c->in[0], RT_I64), values, y;
	float off_on[2] = {0, 1};
	struct rt_tensor t = {RT_F32, rt_shape_of(1, (int64_t)2), off_on};

	if (n < 1 || n > INT32_MAX || s.rank != 2 || c->in_count != 1 || (one && s.dims[1] != 1)) {
		rt_tfjs_layer_missing(c, "with weights, or at this rank");
		return;
	}
	out.dims[0] = s.dims[0];
	out.dims[1] = n;
	values = rt_lower_copy(l, &t);
	y = rt_lower_op3(l, "OneHot", x, rt_lower_i64(l, n), values);
	y = rt_lower_op2(l, many ? "ReduceSum" : "ReduceMax", y, rt_lower_i64(l, 1));
	rt_lower_set_int(l, "keepdims", 0);
	rt_tfjs_layer_give(c, y, &out);
}
