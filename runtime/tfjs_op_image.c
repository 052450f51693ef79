/* SPDX-License-Identifier: MIT */
/*
 * tfjs_op_image.c — operators of graph models on images: convolutions, pools,
 * norms over channels, resizing, boxes.  Called by tfjs_graph.c through
 * tfjs_ops.def.  Channels last becomes channels first between two Transposes.
 */
#include <config.h>

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
		for (int i = 0; i < spatial; i++) {
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

void rt_tfjs_op_crop(struct rt_tfjs_op *c)
{
	rt_tfjs_op_missing(c, NULL);
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
	    rt_tensor_elems(pads) != 2 * b->count)
		return false;
	b->rank = rank > b->count ? rank : b->count + 2;
	if (b->rank + b->count > RT_RANK_MAX)
		return false;
	b->all = 1;
	for (int i = 0; i < b->count; i++) {
		if (b->size[i] < 1 || b->size[i] > 4096)
			return false;
		b->all *= b->size[i];
		b->pads[2 * i] = ((const int32_t *)pads->data)[2 * i];
		b->pads[2 * i + 1] = ((const int32_t *)pads->data)[2 * i + 1];
	}
	return true;
}

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

static int pad_blocks(struct rt_lower *l, int x, const struct blocks *b)
{
	int64_t pads[2 * RT_RANK_MAX] = {0};

	for (int i = 0; i < b->count; i++) {
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
	for (int i = 0; i < m; i++) {
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

/* ---- boxes ----------------------------------------------------------------------------------- */

/* As many as were found, then zeros up to the most there may be. */
static int padded(struct rt_tfjs_op *c, int found, int most)
{
	struct rt_lower *l = c->l;
	int rest = rt_lower_op2(l, "Sub", most, rt_tfjs_op_shape(c, found));
	int pads = dims_of(l, 2, (int[]){rt_lower_i64(l, 0), rest});

	return rt_lower_op2(l, "Pad", found, pads);
}

void rt_tfjs_op_nms(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	const struct rt_tensor *sigma = rt_lower_tensor(l, rt_tfjs_op_in(c, 5));
	int most = rt_tfjs_op_i64(c, 2, 1), in[5], found, count;

	if (c->to[0] == '5' && (sigma == NULL || sigma->dtype != RT_F32 ||
				rt_tensor_elems(sigma) != 1 || *(const float *)sigma->data != 0)) {
		rt_tfjs_op_missing(c, "with soft_nms_sigma");
		return;
	}
	in[0] = rt_lower_unsqueeze(l, rt_tfjs_op_in(c, 0), 1, (int64_t[]){0});
	in[1] = rt_lower_unsqueeze(l, rt_tfjs_op_in(c, 1), 2, (int64_t[]){0, 1});
	in[2] = most;
	in[3] = rt_tfjs_op_in(c, 3);
	in[4] = rt_tfjs_op_in(c, 4);
	found = rt_lower_opn(l, "NonMaxSuppression", c->to[0] == '2' ? 4 : 5, in);
	found = rt_lower_op2(l, "Gather", found, rt_lower_scalar(l, RT_I64, 2));
	rt_lower_set_int(l, "axis", 1);
	count = rt_lower_cast(l, rt_lower_op1(l, "Size", found), RT_I32);
	if (c->to[0] == '4' && rt_tfjs_op_bool(c, "pad_to_max_output_size", false))
		found = padded(c, found, most);
	rt_tfjs_op_give(c, rt_lower_cast(l, found, RT_I32));
	if (c->to[0] == '5')
		rt_tfjs_op_give(c, rt_lower_op2(l, "Gather", rt_tfjs_op_in(c, 1), found));
	rt_tfjs_op_give(c, count);
}
