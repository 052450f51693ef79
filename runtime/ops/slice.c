/* SPDX-License-Identifier: MIT */
/*
 * slice.c — Slice: out[i] = in[start + i · step] per axis, starts and ends
 * clamped to the tensor, negative ones counted from the end.
 *
 * Opset changes that matter: starts, ends and axes are attributes before 10 and
 * inputs from then on, with `steps`, which may be negative.
 */
#include <config.h>

#include "runtime/ops/axes.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

struct range {
	int64_t start, step, count;
};

/* One axis of size ${dim}, as NumPy does it. */
static struct range range_of(int64_t dim, int64_t start, int64_t end, int64_t step)
{
	struct range r = {.step = step};
	int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
	/* −1 of a backward slice means before the first element once it is clamped */

	if (start < 0)
		start = start < -dim ? low : start + dim;
	if (end < 0)
		end = end < -dim ? low : end + dim;
	r.start = start > high ? high : start;
	end = end > high ? high : end;
	if (step > 0 && end > r.start)
		r.count = (end - r.start - 1) / step + 1;
	else if (step < 0 && end < r.start)
		r.count = step < -(r.start - end) ? 1 : (r.start - end - 1) / -step + 1;
	if (r.count <= 1)
		r.step = r.count == 1 ? 1 : 0;
	return r;
}

static int slice_lists(struct rt_infer *f, struct rt_axes list[4], struct rt_error *err)
{
	static const char *const names[4] = {"starts", "ends", "axes", "steps"};
	int status;

	for (int i = 0; i < 4; i++) {
		status = rt_axes_list(f, names[i], i + 1, &list[i], err);
		if (status != RT_OK)
			return status;
		if ((i < 2 && !list[i].given) || (list[i].given && list[i].count != list[0].count))
			return rt_error_set(err, RT_INPUT,
					    "%s are missing or not as many as starts", names[i]);
	}
	return RT_OK;
}

static int slice_infer(struct rt_infer *f, struct rt_error *err)
{
	const struct rt_shape *in = &f->in[0].shape;
	struct rt_shape *out = &f->out[0].shape;
	int64_t dense[RT_RANK_MAX], strides[2][RT_WALK_RANK] = {{0}};
	bool seen[RT_RANK_MAX];
	struct rt_axes list[4];
	struct rt_moves *m;
	int status = slice_lists(f, list, err);

	if (status != RT_OK)
		return status;
	if (!list[2].given) {
		list[2].count = list[0].count;
		for (int i = 0; i < list[0].count; i++)
			list[2].at[i] = i;
	}
	status = rt_axes_set(&list[2], in->rank, seen, err);
	if (status != RT_OK)
		return status;
	m = rt_move_plan(f, 1, err);
	if (m == NULL)
		return RT_MEMORY;
	*out = *in;
	rt_walk_strides(in, dense);
	for (int d = 0; d < in->rank; d++)
		strides[1][d] = dense[d];
	for (int i = 0; i < list[0].count; i++) {
		int64_t axis = list[2].at[i] < 0 ? list[2].at[i] + in->rank : list[2].at[i];
		int64_t step = list[3].given ? list[3].at[i] : 1;
		struct range r;

		if (step == 0)
			return rt_error_set(err, RT_INPUT, "the step of axis %d is 0", (int)axis);
		r = range_of(in->dims[axis], list[0].at[i], list[1].at[i], step);
		out->dims[axis] = r.count;
		if (r.count > 0)
			m->moves[0].in_at += r.start * dense[axis];
		strides[1][axis] = dense[axis] * r.step;
	}
	rt_walk_strides(out, strides[0]);
	rt_walk_strided(&m->moves[0].walk, 2, out->rank, out->dims,
			(const int64_t(*)[RT_WALK_RANK])strides);
	return RT_OK;
}

const struct rt_op rt_op_slice = {
    .in_min = 1,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4,
    .infer = slice_infer,
    .run = rt_move_run,
};
