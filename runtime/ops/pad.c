/* SPDX-License-Identifier: MIT */
/*
 * pad.c — Pad and CenterCropPad: more or fewer elements at both ends of axes.
 * Modes: constant, edge, reflect (without the border element), wrap; a negative
 * pad cuts.
 *
 * Opset changes that matter: pads and value are attributes before 11; 18 adds
 * `axes`, 19 `wrap`.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/mapped.h"
#include "runtime/ops/move.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/ops.h"

enum mode { CONSTANT, EDGE, REFLECT, WRAP };

static bool mode_of(const struct rt_node *n, enum mode *out)
{
	static const char *const names[] = {"constant", "edge", "reflect", "wrap"};

	for (int i = 0; i < 4; i++) {
		if (rt_node_string_is(n, "mode", names[i], "constant")) {
			*out = (enum mode)i;
			return true;
		}
	}
	return false;
}

/* Where element ${i} (counted from the first of the input) comes from, dim > 0. */
static int64_t source(enum mode mode, int64_t i, int64_t dim)
{
	int64_t period = mode == REFLECT ? 2 * (dim - 1) : dim;

	if (i >= 0 && i < dim)
		return i;
	if (mode == EDGE)
		return i < 0 ? 0 : dim - 1;
	if (period == 0)
		return 0;
	i %= period;
	if (i < 0)
		i += period;
	return i < dim ? i : period - i;
}

/* Constant: fill, then copy what stays.  Other modes: tables. */
struct pad {
	struct rt_mapped *tables; /* NULL: constant */
	struct rt_move kept;
};

static void constant_plan(struct rt_move *kept, const int64_t *before, const struct rt_shape *in,
			  const struct rt_shape *out)
{
	int64_t dims[RT_RANK_MAX], strides[2][RT_WALK_RANK] = {{0}};

	rt_walk_strides(out, strides[0]);
	rt_walk_strides(in, strides[1]);
	for (int d = 0; d < in->rank; d++) {
		int64_t first = before[d] < 0 ? -before[d] : 0; /* of the input, that stays */
		int64_t end =
		    out->dims[d] - before[d] < in->dims[d] ? out->dims[d] - before[d] : in->dims[d];
		dims[d] = end > first ? end - first : 0;
		kept->in_at += first * strides[1][d];
		kept->out_at += (first + before[d]) * strides[0][d];
	}
	rt_walk_strided(&kept->walk, 2, in->rank, dims, (const int64_t(*)[RT_WALK_RANK])strides);
}

/* Plan an output ${out} of the input with ${before[d]} elements added in front. */
static int pad_plan(struct rt_infer *f, enum mode mode, const int64_t *before,
		    const struct rt_shape *out, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct pad *p = rt_infer_alloc(f, sizeof(*p));
	int64_t elems;

	if (p == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	f->out[0].shape = *out;
	f->shape_state = p;
	if (!rt_shape_elems(out, &elems))
		return rt_error_set(err, RT_INPUT, "the output is too large");
	if (rt_move_size(f->in[0].dtype) == 0)
		f->scratch_bytes = (size_t)rt_tensor_elems(&f->in[0]) + (size_t)elems;
	if (mode == CONSTANT) {
		constant_plan(&p->kept, before, in, out);
		return RT_OK;
	}
	p->tables = rt_mapped_new(f, out, err);
	if (p->tables == NULL)
		return err->status;
	for (int d = 0; p->tables->outer != 0 && d < out->rank; d++) {
		if (in->dims[d] == 0)
			return rt_error_set(err, RT_INPUT, "axis %d is empty and cannot be padded",
					    d);
		for (int64_t i = 0; i < out->dims[d]; i++)
			p->tables->from[d][i] = source(mode, i - before[d], in->dims[d]);
	}
	rt_mapped_scale(p->tables, in);
	return RT_OK;
}

/* ${bytes} of ${out} = copies of an element. */
static void fill_all(char *out, size_t bytes, const void *element, size_t size)
{
	if (bytes == 0)
		return;
	memcpy(out, element, size);
	for (size_t done = size; done < bytes; done *= 2)
		memcpy(out + done, out, done < bytes - done ? done : bytes - done);
}

static void pad_elements(const struct rt_run *r, size_t size, const void *fill, const char *in,
			 char *out)
{
	const struct pad *p = r->shape_state;
	int64_t elems = rt_tensor_elems(&r->out[0]);

	if (p->tables != NULL) {
		rt_mapped_copy(p->tables, r->team, size, out, in, fill);
		return;
	}
	fill_all(out, (size_t)elems * size, fill, size);
	rt_walk_copy(&p->kept.walk, r->team, size, out + p->kept.out_at * (int64_t)size,
		     in + p->kept.in_at * (int64_t)size);
}

/* ${fill} is the element of a constant; of a packed type: in the low bits. */
static void pad_do(const struct rt_run *r, const void *fill)
{
	size_t size = rt_move_size(r->in[0].dtype);
	uint8_t low = *(const uint8_t *)fill, *in = r->scratch, *out;

	if (size != 0) {
		pad_elements(r, size, fill, r->in[0].data, r->out[0].data);
		return;
	}
	low &= (uint8_t)((1u << rt_dtype_bits(r->in[0].dtype)) - 1);
	out = in + rt_tensor_elems(&r->in[0]);
	rt_move_unpack(&r->in[0], in);
	pad_elements(r, 1, &low, (const char *)in, (char *)out);
	rt_move_pack(out, &r->out[0]);
}

static int pad_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape out = *in;
	int64_t before[RT_RANK_MAX] = {0};
	struct rt_axes pads, axes;
	bool seen[RT_RANK_MAX];
	enum mode mode;
	int status;

	if (!mode_of(f->node, &mode))
		return rt_error_set(err, RT_MALFORMED, "unknown mode");
	status =
	    rt_axes_list(f, rt_node_attr(f->node, "paddings") ? "paddings" : "pads", 1, &pads, err);
	if (status == RT_OK)
		status = rt_axes_list(f, NULL, 3, &axes, err);
	if (status != RT_OK)
		return status;
	if (!axes.given) {
		axes.count = in->rank;
		for (int d = 0; d < in->rank; d++)
			axes.at[d] = d;
	}
	status = rt_axes_set(&axes, in->rank, seen, err);
	if (status != RT_OK)
		return status;
	if (pads.count != 2 * axes.count)
		return rt_error_set(err, RT_INPUT, "%d pads for %d axes; two per axis are needed",
				    pads.count, axes.count);
	for (int i = 0; i < axes.count; i++) {
		int64_t d = axes.at[i] < 0 ? axes.at[i] + in->rank : axes.at[i];
		before[d] = pads.at[i];
		if (pads.at[i] < -(INT64_C(1) << 40) || pads.at[i] > INT64_C(1) << 40 ||
		    __builtin_add_overflow(in->dims[d], pads.at[i], &out.dims[d]) ||
		    __builtin_add_overflow(out.dims[d], pads.at[i + axes.count], &out.dims[d]) ||
		    out.dims[d] < 0)
			return rt_error_set(err, RT_INPUT,
					    "axis %d of size %lld padded by %lld "
					    "and %lld",
					    (int)d, (long long)in->dims[d], (long long)pads.at[i],
					    (long long)pads.at[i + axes.count]);
	}
	return pad_plan(f, mode, before, &out, err);
}

static void pad_run(const struct rt_run *r)
{
	uint64_t fill[2] = {0, 0};
	size_t size = rt_move_size(r->in[0].dtype);
	double value = (double)rt_node_float(r->node, "value", 0);

	if (r->in_count > 2 && r->in[2].data != NULL)
		memcpy(fill, r->in[2].data, size != 0 ? size : 1);
	else if (r->in[0].dtype != RT_STR && r->in_count < 2)
		rt_convert_from_f64(r->in[0].dtype, &value, 1, fill, 0, true);
	else if (r->in[0].dtype == RT_STR)
		((struct rt_str *)(void *)fill)->bytes = "";
	pad_do(r, fill);
}

static int pad_bind(struct rt_bind *b, struct rt_error *err)
{
	const struct rt_node *n = b->node;
	const struct rt_value *v = b->graph->values;

	if (n->in_count > 2 && n->in[2] >= 0 && v[n->in[2]].dtype != v[n->in[0]].dtype)
		return rt_error_set(err, RT_MALFORMED, "the data are %s, but the value is %s",
				    rt_dtype_name(v[n->in[0]].dtype),
				    rt_dtype_name(v[n->in[2]].dtype));
	return RT_OK;
}

static int pad_value_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t n;

	if (f->in_count > 2 && f->in[2].dtype != RT_NONE &&
	    (!rt_shape_elems(&f->in[2].shape, &n) || n != 1))
		return rt_error_set(err, RT_INPUT, "the value is not one element");
	return pad_infer(f, err);
}

const struct rt_op rt_op_pad = {
    .in_min = 1,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1 | 1u << 3,
    .bind = pad_bind,
    .infer = pad_value_infer,
    .run = pad_run,
};

/* ---- CenterCropPad --------------------------------------------------------------------------- */

static int center_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape out = *in;
	int64_t before[RT_RANK_MAX] = {0}, target[RT_RANK_MAX];
	struct rt_axes axes;
	bool seen[RT_RANK_MAX];
	int count, status = rt_axes_list(f, "axes", -1, &axes, err);

	if (status != RT_OK)
		return status;
	if (!axes.given) {
		axes.count = in->rank;
		for (int d = 0; d < in->rank; d++)
			axes.at[d] = d;
	}
	status = rt_axes_set(&axes, in->rank, seen, err);
	if (status != RT_OK)
		return status;
	if (!rt_op_ints(&f->in[1], target, RT_RANK_MAX, &count) || count != axes.count)
		return rt_error_set(err, RT_INPUT, "the target is not %d integers", axes.count);
	for (int i = 0; i < count; i++) {
		int64_t d = axes.at[i] < 0 ? axes.at[i] + in->rank : axes.at[i];
		int64_t more = target[i] - in->dims[d];
		if (target[i] < 0)
			return rt_error_set(err, RT_INPUT, "target %lld", (long long)target[i]);
		out.dims[d] = target[i];
		/* padding puts the odd element behind, cropping takes it from behind */
		before[d] = more >= 0 ? more / 2 : -(-more / 2);
	}
	return pad_plan(f, CONSTANT, before, &out, err);
}

static void center_run(const struct rt_run *r)
{
	const uint64_t fill[2] = {0, 0};

	pad_do(r, fill);
}

const struct rt_op rt_op_center_crop_pad = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1,
    .infer = center_infer,
    .run = center_run,
};
