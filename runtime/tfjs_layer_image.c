/* SPDX-License-Identifier: MIT */
/*
 * tfjs_layer_image.c — Keras layers with windows and channels: convolutions,
 * pools, norms, padding, resizing.  Called by tfjs_layers.c through
 * tfjs_layers.def.  Channels last becomes channels first between two Transposes.
 */
#include <config.h>

#include <string.h>

#include "runtime/tfjs_layer.h"

/* What they say of their spatial axes. */
struct window {
	int spatial, at; /* axes, and the first of them in the input */
	bool first;      /* channels_first */
	bool same, causal;
	int64_t kernel[3], strides[3], dilations[3];
};

/* The shape of the input; false when it is of another rank than it must be. */
static bool input_shape(struct rt_tfjs_layer *c, int spatial, struct rt_shape *s)
{
	*s = rt_tfjs_layer_shape(c, c->in[0]);
	if (c->l->status < 0)
		return false;
	if (s->rank == spatial + 2)
		return true;
	(void)rt_lower_fail(c->l, RT_MALFORMED, "%s of rank %d", c->class_name, s->rank);
	return false;
}

static bool read_window(struct rt_tfjs_layer *c, const char *kernel, struct window *w)
{
	bool pool = strcmp(kernel, "pool_size") == 0;
	bool ok = rt_tfjs_layer_ints(c, kernel, w->spatial, pool ? 2 : 0, w->kernel);

	w->first = rt_tfjs_layer_first(c);
	w->at = w->first ? 2 : 1;
	w->same = rt_tfjs_layer_is(c, "padding", "same");
	w->causal = rt_tfjs_layer_is(c, "padding", "causal");
	if (pool && rt_tfjs_layer_get(c, "strides", NULL) == NULL)
		memcpy(w->strides, w->kernel, sizeof(w->strides));
	else
		ok = ok && rt_tfjs_layer_ints(c, "strides", w->spatial, 1, w->strides);
	ok = ok && rt_tfjs_layer_ints(c, "dilation_rate", w->spatial, 1, w->dilations);
	if (!ok)
		(void)rt_lower_fail(c->l, RT_MALFORMED, "%s: sizes of the window are none",
				    c->class_name);
	return ok;
}

/* Sizes along the spatial axes after the window. */
static void window_shape(const struct window *w, struct rt_shape *s)
{
	for (int i = 0; i < w->spatial; i++) {
		int64_t *d = &s->dims[w->at + i], reach = (w->kernel[i] - 1) * w->dilations[i] + 1;

		if (*d < 0)
			continue;
		if (w->same || w->causal)
			*d = (*d + w->strides[i] - 1) / w->strides[i];
		else
			*d = *d < reach ? 0 : (*d - reach) / w->strides[i] + 1;
	}
}

static void set_window(struct rt_lower *l, const struct window *w, bool pool)
{
	int64_t pads[6] = {0};

	rt_lower_set_ints(l, "strides", w->spatial, w->strides);
	if (pool)
		rt_lower_set_ints(l, "kernel_shape", w->spatial, w->kernel);
	else
		rt_lower_set_ints(l, "dilations", w->spatial, w->dilations);
	if (w->same) {
		rt_lower_set_string(l, "auto_pad", "SAME_UPPER");
	} else if (w->causal) { /* only what came before */
		pads[0] = (w->kernel[0] - 1) * w->dilations[0];
		rt_lower_set_ints(l, "pads", 2 * w->spatial, pads);
	}
}

static int turned(struct rt_tfjs_layer *c, const struct window *w)
{
	return w->first ? c->in[0] : rt_lower_to_nchw(c->l, c->in[0], w->spatial + 2);
}

/* The activation before the channels go back, so that it is next to what it follows. */
static void give_turned(struct rt_tfjs_layer *c, const struct window *w, int y,
			const struct rt_shape *s)
{
	bool softmax = rt_tfjs_layer_is(c, "activation", "softmax");

	if (!softmax)
		y = rt_tfjs_layer_act(c, y, "activation");
	if (c->missing)
		return;
	if (!w->first)
		y = rt_lower_to_nhwc(c->l, y, w->spatial + 2);
	if (softmax)
		y = rt_tfjs_layer_act(c, y, "activation");
	rt_tfjs_layer_give(c, y, s);
}

static int bias_of(struct rt_tfjs_layer *c)
{
	return rt_tfjs_layer_bool(c, "use_bias", true) ? rt_tfjs_layer_weight(c, "bias", false)
						       : RT_NO_VALUE;
}

/* Conv or ConvTranspose; without a bias where that is left out. */
static int conv_node(struct rt_lower *l, const char *op, int x, int w, int bias)
{
	return rt_lower_opn(l, op, bias == RT_NO_VALUE ? 2 : 3, (int[]){x, w, bias});
}

/* ---- convolutions ---------------------------------------------------------------------------- */

void rt_tfjs_layer_conv(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	struct window w = {.spatial = c->to[0] - '0'};
	struct rt_shape s;
	int kernel = rt_tfjs_layer_weight(c, "kernel", false), y;
	int64_t groups = rt_tfjs_layer_int(c, "groups", 1);

	if (!input_shape(c, w.spatial, &s) || !read_window(c, "kernel_size", &w))
		return;
	y = conv_node(l, "Conv", turned(c, &w), rt_lower_kernel(l, kernel, RT_KERNEL_HWIO),
		      bias_of(c));
	set_window(l, &w, false);
	if (groups > 1)
		rt_lower_set_int(l, "group", groups);
	window_shape(&w, &s);
	s.dims[w.first ? 1 : w.spatial + 1] = rt_lower_dim(l, kernel, w.spatial + 1);
	give_turned(c, &w, y, &s);
}

/* Depthwise weights [spatial…, in, multiplier] of rank 3 or 4 as Conv has them. */
static int depthwise_kernel(struct rt_lower *l, int kernel)
{
	if (rt_lower_rank(l, kernel) != 3)
		return rt_lower_kernel(l, kernel, RT_KERNEL_HWIM);
	kernel = rt_lower_transpose(l, kernel, 3, (int64_t[]){1, 2, 0});
	return rt_lower_op2(l, "Reshape", kernel, rt_lower_i64s(l, 3, (int64_t[]){-1, 1, 0}));
}

static int depthwise_node(struct rt_tfjs_layer *c, const struct window *w, int kernel, int bias)
{
	struct rt_lower *l = c->l;
	int shaped = depthwise_kernel(l, kernel);
	int y = conv_node(l, "Conv", turned(c, w), shaped, bias);

	set_window(l, w, false);
	rt_lower_set_int(l, "group", rt_lower_dim(l, kernel, w->spatial));
	return y;
}

void rt_tfjs_layer_depthwise(struct rt_tfjs_layer *c)
{
	struct window w = {.spatial = c->to[0] - '0'};
	struct rt_shape s;
	int kernel = rt_tfjs_layer_weight(c, "depthwise_kernel", true), y;

	if (kernel == RT_NO_VALUE) /* its name in Keras 3 */
		kernel = rt_tfjs_layer_weight(c, "kernel", false);
	if (!input_shape(c, w.spatial, &s) || !read_window(c, "kernel_size", &w))
		return;
	y = depthwise_node(c, &w, kernel, bias_of(c));
	window_shape(&w, &s);
	s.dims[w.first ? 1 : w.spatial + 1] =
	    rt_lower_dim(c->l, kernel, w.spatial) * rt_lower_dim(c->l, kernel, w.spatial + 1);
	give_turned(c, &w, y, &s);
}

void rt_tfjs_layer_separable(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	struct window w = {.spatial = c->to[0] - '0'};
	struct rt_shape s;
	int kernel = rt_tfjs_layer_weight(c, "depthwise_kernel", false);
	int point = rt_tfjs_layer_weight(c, "pointwise_kernel", false), y;

	if (!input_shape(c, w.spatial, &s) || !read_window(c, "kernel_size", &w))
		return;
	y = depthwise_node(c, &w, kernel, RT_NO_VALUE);
	y = conv_node(l, "Conv", y, rt_lower_kernel(l, point, RT_KERNEL_HWIO), bias_of(c));
	window_shape(&w, &s);
	s.dims[w.first ? 1 : w.spatial + 1] = rt_lower_dim(l, point, w.spatial + 1);
	give_turned(c, &w, y, &s);
}

/* Keras gives in · stride with same padding, else (in − 1) · stride + max(kernel, stride). */
void rt_tfjs_layer_deconv(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	struct window w = {.spatial = c->to[0] - '0'};
	int64_t pads[6], more[3];
	struct rt_shape s;
	int kernel = rt_tfjs_layer_weight(c, "kernel", false), y;

	if (!input_shape(c, w.spatial, &s) || !read_window(c, "kernel_size", &w))
		return;
	if (rt_tfjs_layer_get(c, "output_padding", NULL) != NULL) {
		rt_tfjs_layer_missing(c, "with output_padding");
		return;
	}
	for (int i = 0; i < w.spatial; i++) {
		int64_t reach = (w.kernel[i] - 1) * w.dilations[i] + 1;
		int64_t over = reach > w.strides[i] ? reach - w.strides[i] : 0;

		pads[i] = w.same ? over / 2 : 0;
		pads[w.spatial + i] = w.same ? over - over / 2 : 0;
		more[i] = w.strides[i] > reach ? w.strides[i] - reach : 0;
		if (s.dims[w.at + i] >= 0)
			s.dims[w.at + i] = s.dims[w.at + i] * w.strides[i] + (w.same ? 0 : over);
	}
	y = conv_node(l, "ConvTranspose", turned(c, &w), rt_lower_kernel(l, kernel, RT_KERNEL_HWOI),
		      bias_of(c));
	rt_lower_set_ints(l, "strides", w.spatial, w.strides);
	rt_lower_set_ints(l, "dilations", w.spatial, w.dilations);
	rt_lower_set_ints(l, "pads", 2 * w.spatial, pads);
	rt_lower_set_ints(l, "output_padding", w.spatial, more);
	s.dims[w.first ? 1 : w.spatial + 1] = rt_lower_dim(l, kernel, w.spatial);
	give_turned(c, &w, y, &s);
}

/* ---- pools ----------------------------------------------------------------------------------- */

void rt_tfjs_layer_pool(struct rt_tfjs_layer *c)
{
	struct window w = {.spatial = c->to[0] - '0'};
	struct rt_shape s;
	int y;

	if (!input_shape(c, w.spatial, &s) || !read_window(c, "pool_size", &w))
		return;
	y = rt_lower_op1(c->l, c->class_name[0] == 'M' ? "MaxPool" : "AveragePool", turned(c, &w));
	set_window(c->l, &w, true);
	window_shape(&w, &s);
	give_turned(c, &w, y, &s);
}

void rt_tfjs_layer_global(struct rt_tfjs_layer *c)
{
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]), out = {.rank = 0};
	bool first = rt_tfjs_layer_first(c), keep;
	int64_t axes[RT_RANK_MAX];
	int n = 0, y;

	keep = rt_tfjs_layer_bool(c, "keepdims", rt_tfjs_layer_bool(c, "keep_dims", false));
	for (int i = 0; i < s.rank; i++) {
		bool spatial = i > 0 && (first ? i > 1 : i < s.rank - 1);

		if (spatial)
			axes[n++] = i;
		if (!spatial || keep)
			out.dims[out.rank++] = spatial ? 1 : s.dims[i];
	}
	y = rt_lower_op2(c->l, c->to, c->in[0], rt_lower_i64s(c->l, n, axes));
	rt_lower_set_int(c->l, "keepdims", keep);
	rt_tfjs_layer_give(c, y, &out);
}

/* ---- norms ----------------------------------------------------------------------------------- */

/* A number, or a list of one. */
static int64_t axis_of(const struct rt_tfjs_layer *c)
{
	const struct rt_json *j = rt_tfjs_layer_get(c, "axis", NULL);

	return rt_json_int(rt_json_count(j) == 1 ? rt_json_at(j, 0) : j, -1);
}

void rt_tfjs_layer_batch_norm(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]);
	int mean = rt_tfjs_layer_weight(c, "moving_mean", false);
	int variance = rt_tfjs_layer_weight(c, "moving_variance", false), scale, offset, y;
	int64_t axis = axis_of(c), n = rt_lower_dim(l, mean, 0);
	bool turn;

	axis += axis < 0 ? s.rank : 0;
	turn = s.rank > 2 && axis == s.rank - 1;
	if (s.rank < 2 || s.rank > 5 || (axis != 1 && !turn)) {
		rt_tfjs_layer_missing(c, "along that axis");
		return;
	}
	scale = rt_tfjs_layer_bool(c, "scale", true) ? rt_tfjs_layer_weight(c, "gamma", false)
						     : rt_tfjs_layer_filled(c, n, 1);
	offset = rt_tfjs_layer_bool(c, "center", true) ? rt_tfjs_layer_weight(c, "beta", false)
						       : rt_tfjs_layer_filled(c, n, 0);
	y = turn ? rt_lower_to_nchw(l, c->in[0], s.rank) : c->in[0];
	y = rt_lower_opn(l, "BatchNormalization", 5, (int[]){y, scale, offset, mean, variance});
	rt_lower_set_float(l, "epsilon", (float)rt_tfjs_layer_number(c, "epsilon", 1e-3));
	rt_tfjs_layer_give(c, turn ? rt_lower_to_nhwc(l, y, s.rank) : y, &s);
}

/* Along axes that are not the last ones: (x − mean) / √(variance + ε) · gamma + beta. */
static void norm_along(struct rt_tfjs_layer *c, int count, const int64_t *axes)
{
	struct rt_lower *l = c->l;
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]);
	int all = rt_lower_i64s(l, count, axes), y, variance;
	int64_t dims[RT_RANK_MAX];

	for (int i = 0; i < s.rank; i++)
		dims[i] = 1;
	for (int i = 0; i < count; i++)
		dims[axes[i]] = s.dims[axes[i]];
	y = rt_lower_op2(l, "Sub", c->in[0], rt_lower_op2(l, "ReduceMean", c->in[0], all));
	variance = rt_lower_op2(l, "ReduceMean", rt_lower_op2(l, "Mul", y, y), all);
	variance = rt_lower_op2(l, "Add", variance,
				rt_lower_f32(l, (float)rt_tfjs_layer_number(c, "epsilon", 1e-3)));
	y = rt_lower_op2(l, "Div", y, rt_lower_op1(l, "Sqrt", variance));
	if (rt_tfjs_layer_bool(c, "scale", true))
		y = rt_lower_op2(
		    l, "Mul", y,
		    rt_lower_reshape(l, rt_tfjs_layer_weight(c, "gamma", false), s.rank, dims));
	if (rt_tfjs_layer_bool(c, "center", true))
		y = rt_lower_op2(
		    l, "Add", y,
		    rt_lower_reshape(l, rt_tfjs_layer_weight(c, "beta", false), s.rank, dims));
	rt_tfjs_layer_give(c, y, &s);
}

/* axis: a number or a list; how many, from the front and in order, or −1. */
static int norm_axes(const struct rt_tfjs_layer *c, const struct rt_shape *s, int64_t *axes)
{
	const struct rt_json *j = rt_tfjs_layer_get(c, "axis", NULL);
	int n = 1;

	if (rt_json_count(j) > 0)
		n = rt_json_ints(j, RT_RANK_MAX, axes);
	else
		axes[0] = rt_json_int(j, -1);
	for (int i = 0; i < n; i++) {
		axes[i] += axes[i] < 0 ? s->rank : 0;
		if (axes[i] < 1 || axes[i] >= s->rank || s->dims[axes[i]] < 1 ||
		    (i > 0 && axes[i] <= axes[i - 1]))
			return -1;
	}
	return n;
}

void rt_tfjs_layer_layer_norm(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	struct rt_shape s = rt_tfjs_layer_shape(c, c->in[0]);
	int scale, offset = RT_NO_VALUE, y, count;
	int64_t axes[RT_RANK_MAX];

	count = norm_axes(c, &s, axes);
	if (count < 1) {
		rt_tfjs_layer_missing(c, "along axes that are not known, or not in order");
		return;
	}
	if (count > 1 || axes[0] != s.rank - 1) {
		norm_along(c, count, axes);
		return;
	}
	scale = rt_tfjs_layer_bool(c, "scale", true)
		    ? rt_tfjs_layer_weight(c, "gamma", false)
		    : rt_tfjs_layer_filled(c, s.dims[s.rank - 1], 1);
	if (rt_tfjs_layer_bool(c, "center", true))
		offset = rt_tfjs_layer_weight(c, "beta", false);
	y = rt_lower_opn(l, "LayerNormalization", offset == RT_NO_VALUE ? 2 : 3,
			 (int[]){c->in[0], scale, offset});
	rt_lower_set_int(l, "axis", -1);
	rt_lower_set_float(l, "epsilon", (float)rt_tfjs_layer_number(c, "epsilon", 1e-3));
	rt_tfjs_layer_give(c, y, &s);
}

/* ---- borders and sizes ----------------------------------------------------------------------- */

/* n, [before, after] where there is one axis, [n, n] or [[before, after], …] */
static bool read_borders(struct rt_tfjs_layer *c, const char *name, int spatial, int64_t *before,
			 int64_t *after)
{
	const struct rt_json *j = rt_tfjs_layer_get(c, name, NULL);
	int64_t all = rt_json_int(j, 1), pair[2];

	for (int i = 0; i < spatial; i++) {
		const struct rt_json *item = rt_json_at(j, i);

		before[i] = after[i] = rt_json_int(item, all);
		if (rt_json_count(item) == 2 && rt_json_ints(item, 2, pair) == 2) {
			before[i] = pair[0];
			after[i] = pair[1];
		}
		if (spatial == 1 && rt_json_count(j) == 2 && rt_json_ints(j, 2, pair) == 2) {
			before[i] = pair[0];
			after[i] = pair[1];
		}
		if (before[i] < 0 || after[i] < 0 || before[i] > 65536 || after[i] > 65536)
			return false;
	}
	return true;
}

void rt_tfjs_layer_padding(struct rt_tfjs_layer *c)
{
	int spatial = c->to[0] - '0', at = rt_tfjs_layer_first(c) ? 2 : 1;
	int64_t before[3], after[3], pads[2 * RT_RANK_MAX] = {0};
	struct rt_shape s;

	if (!input_shape(c, spatial, &s))
		return;
	if (!read_borders(c, "padding", spatial, before, after)) {
		(void)rt_lower_fail(c->l, RT_MALFORMED, "padding that is none");
		return;
	}
	for (int i = 0; i < spatial; i++) {
		pads[at + i] = before[i];
		pads[s.rank + at + i] = after[i];
		if (s.dims[at + i] >= 0)
			s.dims[at + i] += before[i] + after[i];
	}
	rt_tfjs_layer_give(
	    c, rt_lower_op2(c->l, "Pad", c->in[0], rt_lower_i64s(c->l, 2 * s.rank, pads)), &s);
}

void rt_tfjs_layer_cropping(struct rt_tfjs_layer *c)
{
	struct rt_lower *l = c->l;
	int spatial = c->to[0] - '0', at = rt_tfjs_layer_first(c) ? 2 : 1;
	int64_t before[3], after[3], axes[3], ends[3];
	struct rt_shape s;

	if (!input_shape(c, spatial, &s))
		return;
	if (!read_borders(c, "cropping", spatial, before, after)) {
		(void)rt_lower_fail(l, RT_MALFORMED, "cropping that is none");
		return;
	}
	for (int i = 0; i < spatial; i++) {
		int64_t *d = &s.dims[at + i];

		axes[i] = at + i;
		ends[i] = after[i] == 0 ? INT64_MAX : -after[i];
		if (*d >= 0)
			*d = *d > before[i] + after[i] ? *d - before[i] - after[i] : 0;
	}
	rt_tfjs_layer_give(
	    c,
	    rt_lower_opn(l, "Slice", 4,
			 (int[]){c->in[0], rt_lower_i64s(l, spatial, before),
				 rt_lower_i64s(l, spatial, ends), rt_lower_i64s(l, spatial, axes)}),
	    &s);
}

/* Channels first, larger by whole numbers. */
static int enlarged(struct rt_lower *l, int x, int spatial, const float *scales, bool linear)
{
	struct rt_tensor t = {.dtype = RT_F32, .shape = rt_shape_of(1, (int64_t)spatial)};

	memcpy(&t.data, &scales, sizeof(scales)); /* read only; copied */
	x = rt_lower_op3(l, "Resize", x, RT_NO_VALUE, rt_lower_copy(l, &t));
	rt_lower_set_ints(l, "axes", spatial, (int64_t[]){2, 3});
	rt_lower_set_string(l, "mode", linear ? "linear" : "nearest");
	/* as tf.image.resize of TensorFlow.js, without half pixels */
	rt_lower_set_string(l, "coordinate_transformation_mode", "asymmetric");
	if (!linear)
		rt_lower_set_string(l, "nearest_mode", "floor");
	return x;
}

void rt_tfjs_layer_upsampling(struct rt_tfjs_layer *c)
{
	struct window w = {.spatial = c->to[0] - '0', .first = rt_tfjs_layer_first(c)};
	int64_t size[2];
	float scales[2];
	struct rt_shape s;
	int x;

	if (!input_shape(c, w.spatial, &s))
		return;
	if (!rt_tfjs_layer_ints(c, "size", w.spatial, 2, size)) {
		(void)rt_lower_fail(c->l, RT_MALFORMED, "size that is none");
		return;
	}
	for (int i = 0; i < w.spatial; i++) {
		int64_t *d = &s.dims[(w.first ? 2 : 1) + i];

		scales[i] = (float)size[i];
		*d = *d >= 0 ? *d * size[i] : *d;
	}
	x = enlarged(c->l, turned(c, &w), w.spatial, scales,
		     rt_tfjs_layer_is(c, "interpolation", "bilinear"));
	rt_tfjs_layer_give(c, w.first ? x : rt_lower_to_nhwc(c->l, x, w.spatial + 2), &s);
}
