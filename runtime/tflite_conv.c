/* SPDX-License-Identifier: MIT */
/*
 * tflite_conv.c — convolutions, pools, resizing and products.  Images are
 * channels last; the nodes are channels first between transposes, which the
 * layout pass takes out.  Quantised ones go to tflite_quant_conv.c and _row.c.
 */
#include <config.h>

#include <string.h>

#include "runtime/tflite_quant.h"

static void set_windows(struct rt_tflite_op *o, bool same, const int64_t strides[2])
{
	rt_lower_set_string(o->l, "auto_pad", same ? "SAME_UPPER" : "VALID");
	rt_lower_set_ints(o->l, "strides", 2, strides);
}

/* Weights as float32: as they are, or what float16 or quantised ones stand for. */
static int real_weights(struct rt_tflite_op *o, int k)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, k);
	const int v = rt_tflite_value(o, k);

	if (rt_tflite_is_quantised(t))
		return rt_tflite_quant_dequantize(o, v, t);
	return rt_lower_cast(o->l, v, RT_F32);
}

/* Symmetric int8 weights of a product of real numbers. */
static bool is_hybrid(const struct rt_tflite_tensor *w)
{
	if (!rt_tflite_is_quantised(w) || !w->is_constant || w->dtype != RT_I8)
		return false;
	for (int i = 0; i < w->scales; i++)
		if (w->zero[i] != 0)
			return false;
	return true;
}

/* The padding and the rest of the options of CONV_2D or DEPTHWISE_CONV_2D. */
static void read_options(struct rt_tflite_op *o, bool depthwise, struct rt_tflite_product *p)
{
	const unsigned more = depthwise; /* depth_multiplier, field 3 */

	p->same = rt_tflite_opt_byte(o, 0, 0) == 0;
	p->strides[1] = rt_tflite_opt_int(o, 1, 1);
	p->strides[0] = rt_tflite_opt_int(o, 2, 1);
	p->activation = rt_tflite_opt_byte(o, 3 + more, 0);
	p->dilations[1] = rt_tflite_opt_int(o, 4 + more, 1);
	p->dilations[0] = rt_tflite_opt_int(o, 5 + more, 1);
	p->x = 0, p->w = 1, p->bias = 2;
}

static bool read_group(struct rt_tflite_op *o, bool depthwise, struct rt_tflite_product *p)
{
	const struct rt_shape *x = &rt_tflite_in(o, 0)->shape, *w = &rt_tflite_in(o, 1)->shape;

	p->group = 1;
	if (x->rank != 4 || w->rank != 4) {
		rt_tflite_refuse(o, "not for images or weights that are not of rank 4");
		return false;
	}
	p->channels = (int)w->dims[depthwise ? 3 : 0];
	if (depthwise)
		p->group = x->dims[3];
	else if (x->dims[3] > 0 && w->dims[3] > 0)
		p->group = x->dims[3] / w->dims[3];
	if (p->group < 1) {
		rt_tflite_refuse(o, "not for an unknown number of channels");
		return false;
	}
	return true;
}

static void lower_conv(struct rt_tflite_op *o, bool depthwise)
{
	const enum rt_kernel_layout layout = depthwise ? RT_KERNEL_1HWO : RT_KERNEL_OHWI;
	struct rt_tflite_product p;
	int x, w, v;

	if (!rt_tflite_expects(o, 2))
		return;
	read_options(o, depthwise, &p);
	if (!read_group(o, depthwise, &p))
		return;
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0)) && !rt_tflite_quant_is_product(o)) {
		rt_tflite_quant_as_real(o);
		return;
	}
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0))) {
		w = rt_lower_kernel(o->l, rt_tflite_value(o, 1), layout);
		rt_tflite_give(o, 0, rt_tflite_quant_product(o, &p, rt_tflite_value(o, 0), w));
		return;
	}
	if (is_hybrid(rt_tflite_in(o, 1)) && rt_tflite_in(o, 0)->dtype == RT_F32) {
		w = rt_lower_kernel(o->l, rt_tflite_value(o, 1), layout);
		rt_tflite_give(o, 0, rt_tflite_quant_hybrid_conv(o, &p, rt_tflite_value(o, 0), w));
		return;
	}
	x = rt_lower_to_nchw(o->l, rt_tflite_value(o, 0), 4);
	w = rt_lower_kernel(o->l, real_weights(o, 1), layout);
	v = rt_lower_op3(o->l, "Conv", x, w, rt_tflite_value(o, 2));
	set_windows(o, p.same, p.strides);
	rt_lower_set_ints(o->l, "dilations", 2, p.dilations);
	rt_lower_set_int(o->l, "group", p.group);
	v = rt_tflite_activate(o, v, p.activation);
	rt_tflite_give(o, 0, rt_lower_to_nhwc(o->l, v, 4));
}

void rt_tflite_lower_conv(struct rt_tflite_op *o)
{
	lower_conv(o, false);
}

void rt_tflite_lower_depthwise(struct rt_tflite_op *o)
{
	lower_conv(o, true);
}

/* ---- transposed ------------------------------------------------------------------------------ */

/* Pads and what is left over of one dimension: TensorFlow's, of the convolution the other way. */
static bool transposed_axis(int64_t in, int64_t out, int64_t kernel, int64_t stride, bool same,
			    int64_t *begin, int64_t *end, int64_t *more)
{
	int64_t full, cut;

	if (in < 1 || out < 1 || in > INT32_MAX || stride < 1 || stride > INT32_MAX)
		return false;
	full = (in - 1) * stride + kernel;
	cut = full > out ? full - out : 0;
	*begin = same ? cut / 2 : 0;
	*end = cut - *begin;
	*more = out > full ? out - full : 0;
	return *more < stride;
}

/* Over so many axes: the image is input 2, the weights are input 1, the bias is input 3. */
static void transposed(struct rt_tflite_op *o, int axes, enum rt_kernel_layout layout,
		       const int64_t *strides, const int64_t *pads, const int64_t *more,
		       int activation)
{
	int v = rt_lower_op3(
	    o->l, "ConvTranspose", rt_lower_to_nchw(o->l, rt_tflite_value(o, 2), axes + 2),
	    rt_lower_kernel(o->l, real_weights(o, 1), layout), rt_tflite_value(o, 3));

	rt_lower_set_ints(o->l, "strides", axes, strides);
	rt_lower_set_ints(o->l, "pads", 2 * axes, pads);
	rt_lower_set_ints(o->l, "output_padding", axes, more);
	v = rt_tflite_activate(o, v, activation);
	rt_tflite_give(o, 0, rt_lower_to_nhwc(o->l, v, axes + 2));
}

/* TRANSPOSE_CONV: shape of the output, weights [out, h, w, in], image, bias. */
void rt_tflite_lower_transpose_conv(struct rt_tflite_op *o)
{
	const bool same = rt_tflite_opt_byte(o, 0, 0) == 0;
	const int64_t strides[2] = {rt_tflite_opt_int(o, 2, 1), rt_tflite_opt_int(o, 1, 1)};
	const int activation = rt_tflite_opt_byte(o, 3, 0);
	const struct rt_shape *x, *w;
	int64_t out[4], pads[4], more[2];

	if (!rt_tflite_expects(o, 3))
		return;
	x = &rt_tflite_in(o, 2)->shape, w = &rt_tflite_in(o, 1)->shape;
	if (rt_tflite_ints(o, 0, 4, out) != 4)
		memcpy(out, rt_tflite_out(o, 0)->shape.dims, sizeof(out));
	if (x->rank != 4 || w->rank != 4 || rt_tflite_out(o, 0)->shape.rank != 4 ||
	    !transposed_axis(x->dims[1], out[1], w->dims[1], strides[0], same, &pads[0], &pads[2],
			     &more[0]) ||
	    !transposed_axis(x->dims[2], out[2], w->dims[2], strides[1], same, &pads[1], &pads[3],
			     &more[1])) {
		rt_tflite_refuse(o, "not for sizes that are not known or do not fit");
		return;
	}
	if (rt_tflite_is_quantised(rt_tflite_in(o, 2))) {
		rt_tflite_quant_as_real(o);
		return;
	}
	transposed(o, 2, RT_KERNEL_OHWI_T, strides, pads, more, activation);
}

/* CONV_3D: [N, D, H, W, C] by [d, h, w, in, out]. */
void rt_tflite_lower_conv_3d(struct rt_tflite_op *o)
{
	const int64_t strides[3] = {rt_tflite_opt_int(o, 1, 1), rt_tflite_opt_int(o, 3, 1),
				    rt_tflite_opt_int(o, 2, 1)};
	const int64_t dilations[3] = {rt_tflite_opt_int(o, 5, 1), rt_tflite_opt_int(o, 7, 1),
				      rt_tflite_opt_int(o, 6, 1)};
	const bool same = rt_tflite_opt_byte(o, 0, 0) == 0;
	int v;

	if (!rt_tflite_expects(o, 2))
		return;
	v = rt_lower_op3(o->l, "Conv", rt_lower_to_nchw(o->l, rt_tflite_value(o, 0), 5),
			 rt_lower_kernel(o->l, rt_tflite_value(o, 1), RT_KERNEL_HWIO),
			 rt_tflite_value(o, 2));
	rt_lower_set_string(o->l, "auto_pad", same ? "SAME_UPPER" : "VALID");
	rt_lower_set_ints(o->l, "strides", 3, strides);
	rt_lower_set_ints(o->l, "dilations", 3, dilations);
	v = rt_tflite_activate(o, v, rt_tflite_opt_byte(o, 4, 0));
	rt_tflite_give(o, 0, rt_lower_to_nhwc(o->l, v, 5));
}

/* CONV_3D_TRANSPOSE: shape of the output, weights [d, h, w, out, in], [N, D, H, W, in], bias. */
void rt_tflite_lower_conv_3d_transpose(struct rt_tflite_op *o)
{
	const int64_t strides[3] = {rt_tflite_opt_int(o, 1, 1), rt_tflite_opt_int(o, 3, 1),
				    rt_tflite_opt_int(o, 2, 1)};
	const bool same = rt_tflite_opt_byte(o, 0, 0) == 0;
	const struct rt_shape *x, *w;
	int64_t out[5], pads[6], more[3];
	bool fits;

	if (!rt_tflite_expects(o, 3))
		return;
	x = &rt_tflite_in(o, 2)->shape, w = &rt_tflite_in(o, 1)->shape;
	fits = x->rank == 5 && w->rank == 5 && rt_tflite_ints(o, 0, 5, out) == 5 &&
	       rt_tflite_in(o, 2)->dtype == RT_F32;
	for (int i = 0; i < 3 && fits; i++)
		fits = rt_tflite_opt_int(o, 5 + (unsigned)i, 1) == 1 &&
		       transposed_axis(x->dims[1 + i], out[1 + i], w->dims[i], strides[i], same,
				       &pads[i], &pads[3 + i], &more[i]);
	if (!fits) {
		rt_tflite_refuse(o, "not dilated, or for sizes that are not known or do not fit");
		return;
	}
	transposed(o, 3, RT_KERNEL_HWOI, strides, pads, more, rt_tflite_opt_byte(o, 4, 0));
}

/* ---- pools ----------------------------------------------------------------------------------- */

void rt_tflite_lower_pool(struct rt_tflite_op *o)
{
	const bool l2 = strcmp(o->row->op, "l2") == 0;
	const bool max = strcmp(o->row->op, "MaxPool") == 0;
	const bool same = rt_tflite_opt_byte(o, 0, 0) == 0;
	const int64_t strides[2] = {rt_tflite_opt_int(o, 2, 1), rt_tflite_opt_int(o, 1, 1)};
	const int64_t kernel[2] = {rt_tflite_opt_int(o, 4, 1), rt_tflite_opt_int(o, 3, 1)};
	const int activation = rt_tflite_opt_byte(o, 5, 0);
	const struct rt_tflite_tensor *t = rt_tflite_in(o, 0);
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	if (l2 && rt_tflite_is_quantised(t)) {
		rt_tflite_quant_as_real(o);
		return;
	}
	if (rt_tflite_is_quantised(t) && !max) {
		rt_tflite_quant_average(o, kernel, strides, same, activation);
		return;
	}
	v = rt_tflite_quant_as_wide(o, rt_tflite_value(o, 0));
	v = rt_lower_to_nchw(o->l, v, 4);
	if (l2)
		v = rt_lower_op2(o->l, "Mul", v, v);
	v = rt_lower_op1(o->l, max ? "MaxPool" : "AveragePool", v);
	set_windows(o, same, strides);
	rt_lower_set_ints(o->l, "kernel_shape", 2, kernel);
	if (l2)
		v = rt_lower_op1(o->l, "Sqrt", v);
	if (!rt_tflite_is_quantised(t)) {
		v = rt_tflite_activate(o, v, activation);
	} else if (activation != RT_TFLITE_NONE) {
		int64_t b[2];

		rt_tflite_quant_bounds(rt_tflite_out(o, 0), activation, b);
		v = rt_lower_clip(o->l, v, (double)b[0], (double)b[1]);
	}
	v = rt_tflite_quant_as_narrow(o, rt_lower_to_nhwc(o->l, v, 4));
	rt_tflite_give(o, 0, v);
}

/* ---- resizing -------------------------------------------------------------------------------- */

/* In integers, or the real numbers that they stand for where these are others afterwards. */
static void resize_bytes(struct rt_tflite_op *o, bool align, bool half)
{
	const struct rt_tflite_tensor *x = rt_tflite_in(o, 0), *y = rt_tflite_out(o, 0);
	int v;

	if (x->scales != 1 || !rt_tflite_same_numbers(x, y)) {
		rt_tflite_quant_as_real(o);
		return;
	}
	v = rt_lower_node(o->l, RT_LARDER, "QuantResize", 2,
			  (int[]){rt_tflite_value(o, 0), rt_tflite_value(o, 1)}, 1);
	rt_lower_set_int(o->l, "align_corners", align);
	rt_lower_set_int(o->l, "half_pixel", half);
	rt_tflite_give(o, 0, v);
}

/* RESIZE_BILINEAR has two options more, in front, that nobody reads. */
void rt_tflite_lower_resize(struct rt_tflite_op *o)
{
	const bool nearest = strcmp(o->row->op, "nearest") == 0;
	const unsigned first = nearest ? 0 : 2;
	const bool align = rt_tflite_opt_byte(o, first, 0) != 0;
	const bool half = rt_tflite_opt_byte(o, first + 1, 0) != 0;
	int in[4] = {RT_NO_VALUE, RT_NO_VALUE, RT_NO_VALUE, RT_NO_VALUE}, v;

	if (!rt_tflite_expects(o, 2))
		return;
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0)) && !nearest) {
		resize_bytes(o, align, half);
		return;
	}
	in[0] = rt_lower_to_nchw(o->l, rt_tflite_value(o, 0), 4);
	in[3] = rt_tflite_i64(o, rt_tflite_value(o, 1));
	v = rt_lower_opn(o->l, "Resize", 4, in);
	rt_lower_set_ints(o->l, "axes", 2, (int64_t[]){2, 3});
	rt_lower_set_string(o->l, "mode", nearest ? "nearest" : "linear");
	rt_lower_set_string(o->l, "coordinate_transformation_mode",
			    align  ? "align_corners"
			    : half ? "half_pixel"
				   : "asymmetric");
	if (nearest)
		rt_lower_set_string(o->l, "nearest_mode",
				    align || half ? "round_prefer_ceil" : "floor");
	rt_tflite_give(o, 0, rt_lower_to_nhwc(o->l, v, 4));
}

/* ---- products -------------------------------------------------------------------------------- */

/* float x by float or float16 weights [out, in], which may also be computed. */
static int real_product(struct rt_tflite_op *o, int x, bool flat)
{
	const int w = real_weights(o, 1), bias = rt_tflite_value(o, 2);
	int v;

	if (flat) {
		const int in[3] = {x, w, bias};

		v = rt_lower_opn(o->l, "Gemm", bias == RT_NO_VALUE ? 2 : 3, in);
		rt_lower_set_int(o->l, "transB", 1);
		return v;
	}
	v = rt_lower_op2(o->l, "MatMul", x, rt_lower_transpose(o->l, w, 2, (int64_t[]){1, 0}));
	return bias == RT_NO_VALUE ? v : rt_lower_op2(o->l, "Add", v, bias);
}

static int quant_product(struct rt_tflite_op *o, int x, int64_t depth, bool flat, int activation)
{
	const struct rt_tflite_tensor *w = rt_tflite_in(o, 1);
	const struct rt_tflite_product p = {.x = 0,
					    .w = 1,
					    .bias = 2,
					    .channels = (int)w->shape.dims[0],
					    .group = 1,
					    .strides = {1, 1},
					    .dilations = {1, 1},
					    .activation = activation};
	int64_t to[RT_RANK_MAX];
	int v, kernel;

	x = rt_lower_reshape(o->l, x, 4, (int64_t[]){1, 1, -1, depth});
	kernel =
	    rt_lower_reshape(o->l, rt_tflite_value(o, 1), 4, (int64_t[]){p.channels, depth, 1, 1});
	v = rt_tflite_quant_product(o, &p, x, kernel);
	if (v == RT_NO_VALUE)
		return v;
	if (flat)
		return rt_lower_reshape(o->l, v, 2, (int64_t[]){-1, p.channels});
	memcpy(to, rt_tflite_out(o, 0)->shape.dims, sizeof(to));
	return rt_lower_reshape(o->l, v, rt_tflite_out(o, 0)->shape.rank, to);
}

void rt_tflite_lower_fully_connected(struct rt_tflite_op *o)
{
	const int activation = rt_tflite_opt_byte(o, 0, 0);
	const bool keep = rt_tflite_opt_byte(o, 2, 0) != 0;
	const struct rt_tflite_tensor *xt = rt_tflite_in(o, 0), *wt = rt_tflite_in(o, 1);
	int64_t depth;
	bool flat;
	int x, v;

	if (!rt_tflite_expects(o, 2))
		return;
	if (wt->shape.rank != 2 || wt->shape.dims[1] < 1 || rt_tflite_opt_byte(o, 1, 0) != 0) {
		rt_tflite_refuse(o, "not with weights that are no matrix, or shuffled");
		return;
	}
	depth = wt->shape.dims[1];
	flat = !keep || xt->shape.rank == 2;
	x = rt_tflite_value(o, 0);
	if (rt_tflite_is_quantised(xt) && !rt_tflite_quant_is_product(o)) {
		rt_tflite_quant_as_real(o);
		return;
	}
	if (rt_tflite_is_quantised(xt)) {
		rt_tflite_give(o, 0, quant_product(o, x, depth, flat, activation));
		return;
	}
	if (flat && (xt->shape.rank != 2 || xt->shape.dims[1] != depth))
		x = rt_lower_reshape(o->l, x, 2, (int64_t[]){-1, depth});
	if (is_hybrid(wt)) {
		v = rt_tflite_quant_hybrid(o, x, 1);
		if (rt_tflite_in(o, 2) != NULL)
			v = rt_lower_op2(o->l, "Add", v, rt_tflite_value(o, 2));
	} else {
		v = real_product(o, x, flat);
	}
	rt_tflite_give(o, 0, rt_tflite_activate(o, v, activation));
}

/* The last two dimensions of an operand, the other way round if asked. */
static int adjoint(struct rt_tflite_op *o, int k, bool turn)
{
	const int rank = rt_tflite_rank(o, k);
	int64_t perm[RT_RANK_MAX];
	const int v = real_weights(o, k);

	if (!turn)
		return v;
	for (int i = 0; i < rank; i++)
		perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
	return rt_lower_transpose(o->l, v, rank, perm);
}

void rt_tflite_lower_batch_matmul(struct rt_tflite_op *o)
{
	int a, b;

	if (!rt_tflite_expects(o, 2))
		return;
	if (rt_tflite_rank(o, 0) < 2 || rt_tflite_rank(o, 1) < 2) {
		rt_tflite_refuse(o, "not for unknown ranks");
		return;
	}
	if (rt_tflite_is_quantised(rt_tflite_in(o, 0))) {
		rt_tflite_quant_as_real(o);
		return;
	}
	a = adjoint(o, 0, rt_tflite_opt_byte(o, 0, 0) != 0);
	b = adjoint(o, 1, rt_tflite_opt_byte(o, 1, 0) != 0);
	rt_tflite_give(o, 0, rt_lower_op2(o->l, "MatMul", a, b));
}
