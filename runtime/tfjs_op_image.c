/* SPDX-License-Identifier: MIT */
/*
 * tfjs_op_image.c — operators of graph models on images: convolutions, pools,
 * norms over channels, resizing.  Called by tfjs_graph.c through
 * tfjs_ops.def.  Channels last becomes channels first between two Transposes.
 */
#include <config.h>

#include <math.h>
#include <string.h>
#include <strings.h>

#include "runtime/tfjs_act.h"
#include "runtime/tfjs_op.h"

/* ---- windows --------------------------------------------------------------------------------- */

/* What convolutions and pools say of their spatial axes. */
struct window {
	int spatial; /* axes; rank − 2 */
	bool first;  /* channels come first in the file already */
	int64_t strides[3], dilations[3], kernel[3];
	int64_t pads[6]; /* begins, ends */
	bool same, explicit_pads;
};

/* The spatial part of an attribute with one number per axis. */
static bool spatial_ints(const struct rt_tfjs_op *c, const char *name, const struct window *w,
			 int64_t *out)
{
	int64_t all[8];
	int n = rt_tfjs_op_ints(c, name, 8, all), skip = w->first ? 2 : 1;

	if (n == 0) {
		for (int i = 0; i < w->spatial; i++)
			out[i] = 1;
		return true;
	}
	if (n != w->spatial + 2)
		return false;
	for (int i = 0; i < w->spatial; i++) {
		out[i] = all[skip + i];
		if (out[i] < 1 || out[i] > INT32_MAX)
			return false;
	}
	return true;
}

static bool read_window(const struct rt_tfjs_op *c, int spatial, struct window *w)
{
	char format[RT_TFJS_TEXT_MAX], padding[RT_TFJS_TEXT_MAX];
	int64_t all[16];

	*w = (struct window){.spatial = spatial};
	rt_tfjs_op_text(c, "data_format", format);
	w->first = strncmp(format, "NC", 2) == 0;
	rt_tfjs_op_text(c, "padding", padding);
	w->same = strcasecmp(padding, "SAME") == 0;
	w->explicit_pads = strcasecmp(padding, "EXPLICIT") == 0;
	if (w->explicit_pads) {
		int skip = w->first ? 2 : 1;

		if (rt_tfjs_op_ints(c, "explicit_paddings", 16, all) != 2 * (spatial + 2))
			return false;
		for (ptrdiff_t i = 0; i < spatial; i++) {
			w->pads[i] = all[2 * (skip + i)];
			w->pads[spatial + i] = all[2 * (skip + i) + 1];
		}
	}
	return spatial_ints(c, "strides", w, w->strides) &&
	       spatial_ints(c, "dilations", w, w->dilations) &&
	       spatial_ints(c, "ksize", w, w->kernel);
}

/* Attributes of the Conv or pool that was added last. */
static void set_window(struct rt_lower *l, const struct window *w, bool dilations)
{
	rt_lower_set_ints(l, "strides", w->spatial, w->strides);
	if (dilations)
		rt_lower_set_ints(l, "dilations", w->spatial, w->dilations);
	if (w->explicit_pads)
		rt_lower_set_ints(l, "pads", 2 * w->spatial, w->pads);
	else if (w->same)
		rt_lower_set_string(l, "auto_pad", "SAME_UPPER");
}

/* ---- convolutions ---------------------------------------------------------------------------- */

void rt_tfjs_op_conv(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	bool depthwise = c->to[0] == 'd';
	int x = rt_tfjs_op_in(c, 0), kernel = rt_tfjs_op_in(c, 1), rank = rt_lower_rank(l, kernel);
	int bias = rt_tfjs_act_bias(c), y;
	struct window w;

	if (rank != (strcmp(c->op, "Conv3D") == 0 ? 5 : 4)) {
		rt_tfjs_op_missing(c, "weights that are computed");
		return;
	}
	if (!read_window(c, rank - 2, &w)) {
		rt_tfjs_op_missing(c, "strides, dilations or paddings that do not fit");
		return;
	}
	if (!w.first)
		x = rt_lower_to_nchw(l, x, rank);
	y = rt_lower_kernel(l, kernel, depthwise ? RT_KERNEL_HWIM : RT_KERNEL_HWIO);
	y = bias != RT_NO_VALUE ? rt_lower_op3(l, "Conv", x, y, bias)
				: rt_lower_op2(l, "Conv", x, y);
	set_window(l, &w, true);
	if (depthwise)
		rt_lower_set_int(l, "group", rt_lower_dim(l, kernel, 2));
	if (w.first && bias != RT_NO_VALUE)
		rt_tfjs_op_missing(c, "fused, and channels first");
	else if (w.first)
		rt_tfjs_op_give(c, y);
	else
		rt_tfjs_act_fused(c, y, rank - 2);
}

/* Conv1D: [n, width, channels], one stride. */
void rt_tfjs_op_conv1d(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int kernel = rt_tfjs_op_in(c, 1), y;
	struct window w = {.spatial = 1};
	char padding[RT_TFJS_TEXT_MAX];

	if (rt_lower_rank(l, kernel) != 3) {
		rt_tfjs_op_missing(c, "weights that are computed");
		return;
	}
	rt_tfjs_op_text(c, "padding", padding);
	w.same = strcasecmp(padding, "SAME") == 0;
	w.strides[0] = rt_tfjs_op_int(c, "stride", 1);
	w.dilations[0] = rt_tfjs_op_int(c, "dilation", 1);
	y = rt_lower_op2(l, "Conv", rt_lower_to_nchw(l, rt_tfjs_op_in(c, 0), 3),
			 rt_lower_kernel(l, kernel, RT_KERNEL_HWIO));
	set_window(l, &w, true);
	rt_tfjs_op_give(c, rt_lower_to_nhwc(l, y, 3));
}

/*
 * The pads of the convolution whose gradient this is: from the size of its input
 * where that is known, else as if the stride divided it.
 */
static void gradient_pads(const struct window *w, const int64_t *size, int64_t *pads, int64_t *more)
{
	for (int i = 0; i < w->spatial; i++) {
		int64_t s = w->strides[i], k = (w->kernel[i] - 1) * w->dilations[i] + 1;
		int64_t n = size != NULL ? size[i] : w->same ? s : k;
		/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): spatial_ints() sees to strides */
		int64_t outs = w->same ? (n + s - 1) / s : n >= k ? (n - k) / s + 1 : 1;
		int64_t all = w->same ? (outs - 1) * s + k - n : 0;

		all = all > 0 ? all : 0;
		pads[i] = all / 2;
		pads[w->spatial + i] = all - all / 2;
		more[i] = n - ((outs - 1) * s + k - all);
		if (more[i] < 0)
			more[i] = 0;
	}
}

void rt_tfjs_op_deconv(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int kernel = rt_tfjs_op_in(c, 1), x = rt_tfjs_op_in(c, 2), y;
	int64_t size[4], more[2];
	int known = rt_tfjs_op_numbers(c, 0, 4, size);
	struct window w;

	if (rt_lower_rank(l, kernel) != 4 || !read_window(c, 2, &w) || w.first) {
		rt_tfjs_op_missing(c, "weights that are computed, or channels first");
		return;
	}
	w.kernel[0] = rt_lower_dim(l, kernel, 0);
	w.kernel[1] = rt_lower_dim(l, kernel, 1);
	if (!w.explicit_pads)
		gradient_pads(&w, known == 4 ? size + 1 : known == 2 ? size : NULL, w.pads, more);
	else
		more[0] = more[1] = 0;
	y = rt_lower_op2(l, "ConvTranspose", rt_lower_to_nchw(l, x, 4),
			 rt_lower_kernel(l, kernel, RT_KERNEL_HWOI));
	rt_lower_set_ints(l, "strides", 2, w.strides);
	rt_lower_set_ints(l, "dilations", 2, w.dilations);
	rt_lower_set_ints(l, "pads", 4, w.pads);
	rt_lower_set_ints(l, "output_padding", 2, more);
	rt_tfjs_op_give(c, rt_lower_to_nhwc(l, y, 4));
}

/* ---- pools and norms ------------------------------------------------------------------------- */

/* Elements ${from} to ${to} of a shape. */
static int part(struct rt_lower *l, int shape, int64_t from, int64_t to)
{
	return rt_lower_op3(l, "Slice", shape, rt_lower_i64(l, from), rt_lower_i64(l, to));
}

static int dims_of(struct rt_lower *l, int count, const int *parts)
{
	int y = rt_lower_opn(l, "Concat", count, parts);

	rt_lower_set_int(l, "axis", 0);
	return y;
}

void rt_tfjs_op_pool(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	size_t length = strlen(c->op);
	int spatial = c->op[length - 1] == 'D' ? 3 : 2, x = rt_tfjs_op_in(c, 0);
	struct window w;

	if (!read_window(c, spatial, &w)) {
		rt_tfjs_op_missing(c, "ksize, strides or paddings that do not fit");
		return;
	}
	if (!w.first)
		x = rt_lower_to_nchw(l, x, spatial + 2);
	x = rt_lower_op1(l, c->to, x);
	rt_lower_set_ints(l, "kernel_shape", spatial, w.kernel);
	set_window(l, &w, false);
	rt_tfjs_op_give(c, w.first ? x : rt_lower_to_nhwc(l, x, spatial + 2));
}

/* MaxPoolWithArgmax: where in the input, counted with channels last; ONNX counts them first. */
void rt_tfjs_op_argmax_pool(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	bool batch = rt_tfjs_op_bool(c, "include_batch_in_index", false);
	int x = rt_lower_to_nchw(l, rt_tfjs_op_in(c, 0), 4), y, shape, plane, channels, at;
	struct window w;

	if (!read_window(c, 2, &w) || w.first) {
		rt_tfjs_op_missing(c, "ksize, strides or paddings that do not fit");
		return;
	}
	y = rt_lower_node(l, RT_ONNX, "MaxPool", 1, &x, 2);
	rt_lower_set_ints(l, "kernel_shape", 2, w.kernel);
	set_window(l, &w, false);
	if (l->status < 0)
		return;
	shape = rt_tfjs_op_shape(c, x);
	plane = rt_lower_op2(l, "ReduceProd", part(l, shape, 2, 4), rt_lower_i64(l, 0));
	channels = part(l, shape, 1, 2);
	at = rt_lower_op3(l, "Range", rt_lower_scalar(l, RT_I64, 0),
			  rt_lower_reshape(l, channels, 0, NULL), rt_lower_scalar(l, RT_I64, 1));
	at = rt_lower_reshape(l, at, 3, (int64_t[]){-1, 1, 1});
	shape = rt_lower_op2(l, "Mul", rt_lower_op2(l, "Mod", y + 1, plane), channels);
	at = rt_lower_op2(l, "Add", shape, at);
	if (batch) {
		plane = rt_lower_op2(l, "Mul", plane, channels);
		shape = rt_lower_op2(l, "Div", y + 1, plane);
		at = rt_lower_op2(l, "Add", at, rt_lower_op2(l, "Mul", shape, plane));
	}
	rt_tfjs_op_give(c, rt_lower_to_nhwc(l, y, 4));
	rt_tfjs_op_give(c, rt_lower_cast(l, rt_lower_to_nhwc(l, at, 4), RT_I32));
}

/* ${x} with the border of a SAME window of ${reach} at ${strides}, filled with −∞. */
static int same_border(struct rt_lower *l, int x, int reach, int strides)
{
	int size = part(l, rt_lower_op1(l, "Shape", x), 1, 3), one = rt_lower_i64(l, 1), all, pads;
	int zero = rt_lower_i64(l, 0), before;

	all = rt_lower_op2(l, "Div", rt_lower_op2(l, "Sub", size, one), strides); /* outs − 1 */
	all = rt_lower_op2(l, "Add", rt_lower_op2(l, "Mul", all, strides), reach);
	all = rt_lower_op2(l, "Max", rt_lower_op2(l, "Sub", all, size), zero);
	before = rt_lower_op2(l, "Div", all, rt_lower_i64(l, 2));
	pads = dims_of(
	    l, 6, (int[]){zero, before, zero, zero, rt_lower_op2(l, "Sub", all, before), zero});
	return rt_lower_op3(l, "Pad", x, pads, rt_lower_f32(l, -INFINITY));
}

/* Dilation2D: the greatest of input + filter under the window. */
void rt_tfjs_op_dilation(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int x = rt_tfjs_op_in(c, 0), filter = rt_tfjs_op_in(c, 1), y = RT_NO_VALUE, outs, strides;
	int64_t high = rt_lower_dim(l, filter, 0), wide = rt_lower_dim(l, filter, 1), reach[2];
	struct window w;

	if (rt_lower_rank(l, filter) != 3 || high * wide > 256 || !read_window(c, 2, &w) ||
	    w.explicit_pads || !spatial_ints(c, "rates", &w, w.dilations)) {
		rt_tfjs_op_missing(c, "of a filter that is computed, or large");
		return;
	}
	reach[0] = (high - 1) * w.dilations[0] + 1;
	reach[1] = (wide - 1) * w.dilations[1] + 1;
	strides = rt_lower_i64s(l, 2, w.strides);
	if (w.same)
		x = same_border(l, x, rt_lower_i64s(l, 2, reach), strides);
	outs = part(l, rt_tfjs_op_shape(c, x), 1, 3); /* (size − reach) / stride · stride + 1 */
	outs = rt_lower_op2(l, "Sub", outs, rt_lower_i64s(l, 2, reach));
	outs = rt_lower_op2(l, "Mul", rt_lower_op2(l, "Div", outs, strides), strides);
	outs = rt_lower_op2(l, "Add", outs, rt_lower_i64(l, 1));
	for (int i = 0; i < (int)(high * wide) && l->status == RT_OK; i++) {
		int64_t at[2] = {i / wide * w.dilations[0], i % wide * w.dilations[1]};
		int from = rt_lower_i64s(l, 2, at), v;

		v = rt_lower_opn(l, "Slice", 5,
				 (int[]){x, from, rt_lower_op2(l, "Add", from, outs),
					 rt_lower_i64s(l, 2, (int64_t[]){1, 2}), strides});
		from = rt_lower_reshape(l, filter, 2, (int64_t[]){high * wide, -1});
		from = rt_lower_op2(l, "Gather", from, rt_lower_scalar(l, RT_I64, i));
		v = rt_lower_op2(l, "Add", v, from);
		y = y == RT_NO_VALUE ? v : rt_lower_op2(l, "Max", y, v);
	}
	rt_tfjs_op_give(c, y);
}

void rt_tfjs_op_batch_norm(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	char format[RT_TFJS_TEXT_MAX];
	int x = rt_tfjs_op_in(c, 0);
	bool first;

	if (c->in_count < 5 || rt_tfjs_op_bool(c, "is_training", false)) {
		rt_tfjs_op_missing(c, "in training");
		return;
	}
	rt_tfjs_op_text(c, "data_format", format);
	first = strncmp(format, "NC", 2) == 0;
	if (!first)
		x = rt_lower_to_nchw(l, x, 4);
	x = rt_lower_opn(l, "BatchNormalization", 5,
			 (int[]){x, c->in[1], c->in[2], c->in[3], c->in[4]});
	rt_lower_set_float(l, "epsilon", rt_tfjs_op_float(c, "epsilon", 1e-4f));
	rt_tfjs_op_give(c, first ? x : rt_lower_to_nhwc(l, x, 4));
}

void rt_tfjs_op_lrn(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int64_t size = 2 * rt_tfjs_op_int(c, "depth_radius", 5) + 1;
	int y;

	if (size < 1 || size > 4096) {
		rt_tfjs_op_missing(c, "a depth_radius out of range");
		return;
	}
	y = rt_lower_op1(l, "LRN", rt_lower_to_nchw(l, rt_tfjs_op_in(c, 0), 4));
	rt_lower_set_int(l, "size", size);
	rt_lower_set_float(l, "bias", rt_tfjs_op_float(c, "bias", 1));
	rt_lower_set_float(l, "beta", rt_tfjs_op_float(c, "beta", 0.5f));
	/* ONNX divides alpha by the size */
	rt_lower_set_float(l, "alpha", rt_tfjs_op_float(c, "alpha", 1) * (float)size);
	rt_tfjs_op_give(c, rt_lower_to_nhwc(l, y, 4));
}

/* ---- resizing -------------------------------------------------------------------------------- */

void rt_tfjs_op_resize(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	bool corners = rt_tfjs_op_bool(c, "align_corners", false);
	bool half = rt_tfjs_op_bool(c, "half_pixel_centers", false);
	int x = rt_lower_to_nchw(l, rt_tfjs_op_in(c, 0), 4), size = rt_tfjs_op_i64(c, 1, 1);

	x = rt_lower_opn(l, "Resize", 4, (int[]){x, RT_NO_VALUE, RT_NO_VALUE, size});
	rt_lower_set_ints(l, "axes", 2, (int64_t[]){2, 3});
	rt_lower_set_string(l, "mode", c->to);
	rt_lower_set_string(l, "coordinate_transformation_mode",
			    corners ? "align_corners"
			    : half  ? "half_pixel"
				    : "asymmetric");
	if (c->to[0] == 'n') /* floor of (i + 0.5) · scale is i rounded up at .5 */
		rt_lower_set_string(l, "nearest_mode",
				    corners || half ? "round_prefer_ceil" : "floor");
	rt_tfjs_op_give(c, rt_lower_to_nhwc(l, x, 4));
}

void rt_tfjs_op_depth(struct rt_tfjs_op *c)
{
	char format[RT_TFJS_TEXT_MAX];
	struct rt_lower *l = c->l;
	int x = rt_tfjs_op_in(c, 0);
	bool first;

	rt_tfjs_op_text(c, "data_format", format);
	first = strcmp(format, "NCHW") == 0;
	if (!first)
		x = rt_lower_to_nchw(l, x, 4);
	x = rt_lower_op1(l, c->to, x);
	rt_lower_set_int(l, "blocksize",
			 rt_tfjs_op_int(c, "block_size", rt_tfjs_op_int(c, "blockSize", 2)));
	rt_tfjs_op_give(c, first ? x : rt_lower_to_nhwc(l, x, 4));
}

/* ---- space and batch ------------------------------------------------------------------------- */

struct blocks {
	int count, rank;
	int64_t size[4], pads[8]; /* pads: before and after, axis by axis */
	int64_t all;              /* product of the sizes */
};

static bool read_blocks(struct rt_tfjs_op *c, struct blocks *b)
{
	const struct rt_tensor *pads = rt_lower_tensor(c->l, rt_tfjs_op_in(c, 2));
	int rank = rt_lower_rank(c->l, rt_tfjs_op_in(c, 0));

	b->count = rt_tfjs_op_numbers(c, 1, 3, b->size);
	if (b->count < 1 || pads == NULL || pads->dtype != RT_I32 ||
	    rt_tensor_elems(pads) != 2 * (int64_t)b->count)
		return false;
	b->rank = rank > b->count ? rank : b->count + 2;
	if (b->rank + b->count > RT_RANK_MAX)
		return false;
	b->all = 1;
	for (ptrdiff_t i = 0; i < b->count; i++) {
		if (b->size[i] < 1 || b->size[i] > 4096)
			return false;
		b->all *= b->size[i];
		b->pads[2 * i] = ((const int32_t *)pads->data)[2 * i];
		b->pads[2 * i + 1] = ((const int32_t *)pads->data)[2 * i + 1];
	}
	return true;
}

static int pad_blocks(struct rt_lower *l, int x, const struct blocks *b)
{
	int64_t pads[2 * RT_RANK_MAX] = {0};

	for (ptrdiff_t i = 0; i < b->count; i++) {
		pads[1 + i] = b->pads[2 * i];
		pads[b->rank + 1 + i] = b->pads[2 * i + 1];
	}
	return rt_lower_op2(l, "Pad", x, rt_lower_i64s(l, 2 * b->rank, pads));
}

void rt_tfjs_op_to_batch(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int64_t perm[RT_RANK_MAX];
	int apart[8], together[8], x, shape, m, n = 0;
	struct blocks b;

	if (!read_blocks(c, &b)) {
		rt_tfjs_op_missing(c, "blocks that are computed or too many");
		return;
	}
	m = b.count;
	x = pad_blocks(l, rt_tfjs_op_in(c, 0), &b);
	shape = rt_tfjs_op_shape(c, x);
	apart[n++] = part(l, shape, 0, 1);
	together[0] = rt_lower_op2(l, "Mul", apart[0], rt_lower_i64(l, b.all));
	for (int i = 0; i < m; i++) {
		int size = rt_lower_i64(l, b.size[i]);

		together[1 + i] = rt_lower_op2(l, "Div", part(l, shape, 1 + i, 2 + i), size);
		apart[n++] = together[1 + i];
		apart[n++] = size;
	}
	apart[n++] = together[m + 1] = part(l, shape, m + 1, INT64_MAX);
	for (int i = 0; i < m; i++) {
		perm[i] = 2 + 2 * i;
		perm[m + 1 + i] = 1 + 2 * i;
	}
	perm[m] = 0;
	for (int i = 2 * m + 1; i < b.rank + m; i++)
		perm[i] = i;
	x = rt_lower_op2(l, "Reshape", x, dims_of(l, n, apart));
	x = rt_lower_transpose(l, x, b.rank + m, perm);
	rt_tfjs_op_give(c, rt_lower_op2(l, "Reshape", x, dims_of(l, m + 2, together)));
}

void rt_tfjs_op_from_batch(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int64_t perm[RT_RANK_MAX], starts[4], ends[4], axes[4];
	int apart[8], together[8], x = rt_tfjs_op_in(c, 0), shape, m, n = 0;
	struct blocks b;

	if (!read_blocks(c, &b)) {
		rt_tfjs_op_missing(c, "blocks that are computed or too many");
		return;
	}
	m = b.count;
	shape = rt_tfjs_op_shape(c, x);
	for (int i = 0; i < m; i++)
		apart[n++] = rt_lower_i64(l, b.size[i]);
	together[0] = rt_lower_op2(l, "Div", part(l, shape, 0, 1), rt_lower_i64(l, b.all));
	apart[n++] = together[0];
	apart[n++] = part(l, shape, 1, INT64_MAX);
	perm[0] = m;
	for (ptrdiff_t i = 0; i < m; i++) {
		together[1 + i] = rt_lower_op2(l, "Mul", part(l, shape, 1 + i, 2 + i),
					       rt_lower_i64(l, b.size[i]));
		perm[1 + 2 * i] = m + 1 + i;
		perm[2 + 2 * i] = i;
		axes[i] = 1 + i;
		starts[i] = b.pads[2 * i];
		ends[i] = b.pads[2 * i + 1] == 0 ? INT64_MAX : -b.pads[2 * i + 1];
	}
	together[m + 1] = part(l, shape, m + 1, INT64_MAX);
	for (int i = 2 * m + 1; i < b.rank + m; i++)
		perm[i] = i;
	x = rt_lower_op2(l, "Reshape", x, dims_of(l, n, apart));
	x = rt_lower_transpose(l, x, b.rank + m, perm);
	x = rt_lower_op2(l, "Reshape", x, dims_of(l, m + 2, together));
	rt_tfjs_op_give(
	    c, rt_lower_opn(l, "Slice", 4,
			    (int[]){x, rt_lower_i64s(l, m, starts), rt_lower_i64s(l, m, ends),
				    rt_lower_i64s(l, m, axes)}));
}
