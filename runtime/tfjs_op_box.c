/* SPDX-License-Identifier: MIT */
/*
 * tfjs_op_box.c — operators of graph models on boxes in images.  Called by
 * tfjs_graph.c through tfjs_ops.def.
 */
#include <config.h>

#include <string.h>

#include "runtime/tfjs_op.h"

static int joined(struct rt_lower *l, int a, int b)
{
	int y = rt_lower_op2(l, "Concat", a, b);

	rt_lower_set_int(l, "axis", 0);
	return y;
}

/* ---- cut out --------------------------------------------------------------------------------- */

/* Column ${i} of boxes [n, 4] as [n, 1]. */
static int corner(struct rt_lower *l, int boxes, int64_t i)
{
	return rt_lower_opn(
	    l, "Slice", 4,
	    (int[]){boxes, rt_lower_i64(l, i), rt_lower_i64(l, i + 1), rt_lower_i64(l, 1)});
}

/*
 * Where the pixels of the crops lie between 0 and 1 along one axis, [n, size]:
 * from + i · (to − from) / (size − 1); one pixel is in the middle.
 */
static int places(struct rt_lower *l, int boxes, int axis, int64_t size)
{
	int from = corner(l, boxes, axis), to = corner(l, boxes, axis + 2), y;

	if (size == 1)
		return rt_lower_op2(l, "Mul", rt_lower_op2(l, "Add", from, to),
				    rt_lower_f32(l, 0.5f));
	y = rt_lower_op3(l, "Range", rt_lower_scalar(l, RT_I64, 0),
			 rt_lower_scalar(l, RT_I64, (double)size), rt_lower_scalar(l, RT_I64, 1));
	y = rt_lower_op2(l, "Mul", rt_lower_cast(l, y, RT_F32),
			 rt_lower_f32(l, 1 / (float)(size - 1)));
	return rt_lower_op2(l, "Add", rt_lower_op2(l, "Mul", rt_lower_op2(l, "Sub", to, from), y),
			    from);
}

/* Not from 0 to 1: there is no image. */
static int is_outside(struct rt_lower *l, int at)
{
	return rt_lower_op2(l, "Or", rt_lower_op2(l, "Less", at, rt_lower_f32(l, 0)),
			    rt_lower_op2(l, "Greater", at, rt_lower_f32(l, 1)));
}

/* [n, high] and [n, wide] to [n, high, wide, 1]. */
static int spread(struct rt_lower *l, int x, int64_t high, int64_t wide, bool down)
{
	x = rt_lower_unsqueeze(l, x, 2, down ? (int64_t[]){2, 3} : (int64_t[]){1, 3});
	return rt_lower_op2(l, "Expand", x, rt_lower_i64s(l, 4, (int64_t[]){1, high, wide, 1}));
}

/* CropAndResize(image, boxes, box_ind, crop_size): every box is a grid on its image. */
void rt_tfjs_op_crop(struct rt_tfjs_op *c)
{
	struct rt_lower *l = c->l;
	int image = rt_lower_to_nchw(l, rt_tfjs_op_in(c, 0), 4), boxes = rt_tfjs_op_in(c, 1), y, x;
	char method[RT_TFJS_TEXT_MAX];
	int grid, outside;
	int64_t size[2];

	if (rt_tfjs_op_numbers(c, 3, 2, size) != 2 || size[0] < 1 || size[1] < 1 ||
	    size[0] > 65536 || size[1] > 65536) {
		rt_tfjs_op_missing(c, "to a size that is computed");
		return;
	}
	rt_tfjs_op_text(c, "method", method);
	y = places(l, boxes, 0, size[0]);
	x = places(l, boxes, 1, size[1]);
	outside =
	    rt_lower_op2(l, "Or", rt_lower_unsqueeze(l, is_outside(l, y), 2, (int64_t[]){1, 3}),
			 rt_lower_unsqueeze(l, is_outside(l, x), 2, (int64_t[]){1, 2}));
	grid = rt_lower_op2(l, "Concat", spread(l, x, size[0], size[1], false),
			    spread(l, y, size[0], size[1], true));
	rt_lower_set_int(l, "axis", 3);
	grid = rt_lower_op2(l, "Mul", grid, rt_lower_f32(l, 2)); /* −1 … 1 */
	grid = rt_lower_op2(l, "Sub", grid, rt_lower_f32(l, 1));
	image = rt_lower_op2(l, "Gather", image, rt_tfjs_op_in(c, 2));
	y = rt_lower_op2(l, "GridSample", image, grid);
	rt_lower_set_int(l, "align_corners", 1);
	rt_lower_set_string(l, "padding_mode", "border");
	rt_lower_set_string(l, "mode", strcmp(method, "nearest") == 0 ? "nearest" : "linear");
	y = rt_lower_op3(l, "Where", outside,
			 rt_lower_f32(l, rt_tfjs_op_float(c, "extrapolation_value", 0)), y);
	rt_tfjs_op_give(c, rt_lower_to_nhwc(l, y, 4));
}

/* ---- the best of many ------------------------------------------------------------------------ */

/* As many as were found, then zeros up to the most there may be. */
static int padded(struct rt_tfjs_op *c, int found, int most)
{
	struct rt_lower *l = c->l;
	int rest = rt_lower_op2(l, "Sub", most, rt_tfjs_op_shape(c, found));
	int pads = joined(l, rt_lower_i64(l, 0), rest);

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
