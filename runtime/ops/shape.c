/* SPDX-License-Identifier: MIT */
/*
 * shape.c — operators about shapes: Reshape, Flatten, Squeeze and Unsqueeze
 * (views: the bytes stay), Shape and Size (the data are not read).
 *
 * Opset changes that matter: Squeeze and Unsqueeze have their axes as an
 * attribute before 13, as an input from then on; Reshape (14) has `allowzero`;
 * Shape (15) has `start` and `end`; Flatten (11) takes a negative axis.
 */
#include <config.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/ops.h"

/* ---- Reshape --------------------------------------------------------------------------------- */

/* Fill in the one dimension that is −1: what is left of the elements. */
static int reshape_guess(const struct rt_shape *in, struct rt_shape *out, int guess,
			 struct rt_error *err)
{
	int64_t total, rest;
	char text[2][80];

	if (!rt_shape_elems(in, &total))
		return rt_error_set(err, RT_INPUT, "the input is too large");
	if (guess >= 0) {
		out->dims[guess] = 1;
		if (!rt_shape_elems(out, &rest))
			return rt_error_set(err, RT_INPUT, "the new shape is too large");
		if (rest > 0)
			out->dims[guess] = total / rest;
	}
	if (!rt_shape_elems(out, &rest) || rest != total)
		return rt_error_set(err, RT_INPUT, "%s cannot be reshaped to %s",
				    rt_shape_text(in, text[0], sizeof(text[0])),
				    rt_shape_text(out, text[1], sizeof(text[1])));
	return RT_OK;
}

static int reshape_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	bool zero = rt_node_int(f->node, "allowzero", 0) != 0;
	struct rt_axes to;
	int guess = -1, status = rt_axes_list(f, NULL, 1, &to, err);

	if (status != RT_OK)
		return status;
	if (!to.given || to.count > RT_RANK_MAX)
		return rt_error_set(err, RT_INPUT, "a new shape of at most %d dimensions is needed",
				    RT_RANK_MAX);
	*out = (struct rt_shape){.rank = to.count};
	for (int d = 0; d < to.count; d++) {
		int64_t dim = to.at[d];
		if (dim == 0 && !zero) {
			if (d >= in->rank)
				return rt_error_set(err, RT_INPUT,
						    "dimension %d is to be copied from a tensor "
						    "of rank %d",
						    d, in->rank);
			dim = in->dims[d];
		} else if (dim == -1 && guess < 0) {
			guess = d;
		} else if (dim < 0) {
			return rt_error_set(err, RT_INPUT, "dimension %d of the new shape is %lld",
					    d, (long long)dim);
		}
		out->dims[d] = dim;
	}
	return reshape_guess(in, out, guess, err);
}

const struct rt_op rt_op_reshape = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1,
    .is_view = true,
    .infer = reshape_infer,
};

/* ---- Flatten --------------------------------------------------------------------------------- */

static int flatten_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	int64_t axis = rt_node_int(f->node, "axis", 1), dims[2] = {1, 1};

	if (axis < -(int64_t)in->rank || axis > in->rank)
		return rt_error_set(err, RT_INPUT, "axis %lld of a tensor of rank %d",
				    (long long)axis, in->rank);
	if (axis < 0)
		axis += in->rank;
	for (int d = 0; d < in->rank; d++) {
		if (__builtin_mul_overflow(dims[d >= axis], in->dims[d], &dims[d >= axis]))
			return rt_error_set(err, RT_INPUT, "the new shape is too large");
	}
	f->out[0].shape = rt_shape_of(2, dims[0], dims[1]);
	return RT_OK;
}

const struct rt_op rt_op_flatten = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .is_view = true,
    .infer = flatten_infer,
};

/* ---- Squeeze, Unsqueeze ---------------------------------------------------------------------- */

static int squeeze_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	bool drop[RT_RANK_MAX];
	struct rt_axes axes;
	int status = rt_axes_list(f, "axes", 1, &axes, err);

	if (status == RT_OK)
		status = rt_axes_set(&axes, in->rank, drop, err);
	if (status != RT_OK)
		return status;
	*out = (struct rt_shape){.rank = 0};
	for (int d = 0; d < in->rank; d++) {
		if (!axes.given)
			drop[d] = in->dims[d] == 1;
		else if (drop[d] && in->dims[d] != 1)
			return rt_error_set(err, RT_INPUT, "axis %d is of size %lld, not 1", d,
					    (long long)in->dims[d]);
		if (!drop[d])
			out->dims[out->rank++] = in->dims[d];
	}
	return RT_OK;
}

const struct rt_op rt_op_squeeze = {
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1,
    .is_view = true,
    .infer = squeeze_infer,
};

static int unsqueeze_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	bool added[RT_RANK_MAX];
	struct rt_axes axes;
	int from = 0, status = rt_axes_list(f, "axes", 1, &axes, err);

	if (status != RT_OK)
		return status;
	if (!axes.given)
		return rt_error_set(err, RT_MALFORMED, "axes are missing");
	if (in->rank + axes.count > RT_RANK_MAX)
		return rt_error_set(err, RT_UNSUPPORTED, "a tensor of rank %d; at most %d",
				    in->rank + axes.count, RT_RANK_MAX);
	*out = (struct rt_shape){.rank = in->rank + axes.count};
	status = rt_axes_set(&axes, out->rank, added, err);
	for (int d = 0; status == RT_OK && d < out->rank; d++)
		out->dims[d] = added[d] ? 1 : in->dims[from++];
	return status;
}

const struct rt_op rt_op_unsqueeze = {
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1,
    .is_view = true,
    .infer = unsqueeze_infer,
};

/* ---- Shape, Size ----------------------------------------------------------------------------- */

/* ${axis} clamped to 0..rank, negative from the end. */
static int clamped(int64_t axis, int rank)
{
	if (axis < 0)
		axis += rank;
	return (int)(axis < 0 ? 0 : axis > rank ? rank : axis);
}

static void shape_range(const struct rt_node *n, int rank, int *start, int *end)
{
	*start = clamped(rt_node_int(n, "start", 0), rank);
	*end = clamped(rt_node_int(n, "end", rank), rank);
	if (*end < *start)
		*end = *start;
}

static int shape_infer(struct rt_infer *f, struct rt_error *err)
{
	int start, end;

	(void)err;
	shape_range(f->node, f->in[0].shape.rank, &start, &end);
	f->out[0].shape = rt_shape_of(1, (int64_t)(end - start));
	return RT_OK;
}

static void shape_run(const struct rt_run *r)
{
	int64_t *out = r->out[0].data;
	int start, end;

	shape_range(r->node, r->in[0].shape.rank, &start, &end);
	for (int d = start; d < end; d++)
		out[d - start] = r->in[0].shape.dims[d];
}

const struct rt_op rt_op_shape = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .shapes_only = true,
    .type = rt_op_type_i64,
    .infer = shape_infer,
    .run = shape_run,
};

static int size_infer(struct rt_infer *f, struct rt_error *err)
{
	(void)err;
	f->out[0].shape = rt_shape_of(0);
	return RT_OK;
}

static void size_run(const struct rt_run *r)
{
	*(int64_t *)r->out[0].data = rt_tensor_elems(&r->in[0]);
}

const struct rt_op rt_op_size = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .shapes_only = true,
    .type = rt_op_type_i64,
    .infer = size_infer,
    .run = size_run,
};
