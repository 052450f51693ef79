/* SPDX-License-Identifier: MIT */
/*
 * select.c — operators whose output size is in the data: NonZero, Compress,
 * Unique.  They make their outputs themselves (eval).
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/axes.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

static int no_room(struct rt_error *err)
{
	return rt_error_set(err, RT_BUDGET, "no room for the output");
}

/* ---- NonZero: the indices of what is not zero, [rank][n] ------------------------------------- */

static bool is_set(const struct rt_tensor *t, int64_t i)
{
	if (t->dtype == RT_STR)
		return ((const struct rt_str *)t->data)[i].size > 0;
	if (t->dtype == RT_F32) /* NaN is not zero */
		return ((const float *)t->data)[i] < 0 || !(((const float *)t->data)[i] <= 0);
	return rt_convert_is_float(t->dtype) ? rt_convert_get_f64(t, i) != 0
					     : rt_convert_get_i64(t, i) != 0;
}

static int nonzero_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_tensor *in = &e->run.in[0];
	int64_t n = rt_tensor_elems(in), found = 0, at = 0, *out;
	struct rt_shape shape;

	for (int64_t i = 0; i < n; i++)
		found += is_set(in, i);
	shape = rt_shape_of(2, (int64_t)in->shape.rank, found);
	out = rt_eval_output(e, 0, &shape);
	if (out == NULL)
		return no_room(err);
	for (int64_t i = 0; i < n; i++) {
		int64_t rest = i;
		if (!is_set(in, i))
			continue;
		for (int d = in->shape.rank - 1; d >= 0; d--) {
			out[d * found + at] = rest % in->shape.dims[d];
			rest /= in->shape.dims[d];
		}
		at++;
	}
	return RT_OK;
}

const struct rt_op rt_op_nonzero = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .type = rt_op_type_i64,
    .eval = nonzero_eval,
};

/* ---- Compress: the slices along an axis whose condition is true ------------------------------ */

static int compress_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct rt_tensor *in = &e->run.in[0], *condition = &e->run.in[1];
	size_t size = rt_move_size(in->dtype);
	int64_t outer = 1, inner = 1, dim = rt_tensor_elems(in), kept = 0, n;
	struct rt_shape shape = rt_shape_of(1, dim);
	const uint8_t *keep = condition->data;
	char *out;
	int axis = 0;

	if (condition->dtype != RT_BOOL || condition->shape.rank != 1)
		return rt_error_set(err, RT_INPUT, "the condition is not a vector of bool");
	if (rt_node_attr(e->run.node, "axis") != NULL) {
		int status =
		    rt_axes_one(rt_node_int(e->run.node, "axis", 0), in->shape.rank, &axis, err);
		if (status != RT_OK)
			return status;
		rt_walk_around(&in->shape, axis, &outer, &inner);
		dim = in->shape.dims[axis];
		shape = in->shape;
	}
	n = condition->shape.dims[0] < dim ? condition->shape.dims[0] : dim;
	for (int64_t i = 0; i < n; i++)
		kept += keep[i] != 0;
	shape.dims[axis] = kept;
	out = rt_eval_output(e, 0, &shape);
	if (out == NULL)
		return no_room(err);
	for (int64_t o = 0; o < outer; o++) {
		for (int64_t i = 0; i < n; i++) {
			size_t bytes = (size_t)inner * size;
			if (!keep[i])
				continue;
			memcpy(out, (const char *)in->data + (o * dim + i) * (int64_t)bytes, bytes);
			out += bytes;
		}
	}
	return RT_OK;
}

const struct rt_op rt_op_compress = {
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .eval = compress_eval,
};

/* ---- Unique ---------------------------------------------------------------------------------- */

/* Which output is what; 3 is the last. */
struct places {
	int first, inverse, count; /* −1: there is none */
};
static const struct places onnx_places = {1, 2, 3}, ms_places = {-1, 1, 2};

struct slices {
	const struct rt_tensor *in;
	struct places at;
	int64_t outer, dim, inner; /* slice i: in[o][i][e] for all o, e */
};

static int compare_elements(const struct rt_tensor *t, int64_t a, int64_t b)
{
	if (t->dtype == RT_STR) {
		const struct rt_str *s = t->data, *x = &s[a], *y = &s[b];
		size_t n = x->size < y->size ? x->size : y->size;
		int c = n > 0 ? memcmp(x->bytes, y->bytes, n) : 0;
		return c != 0 ? c : (x->size > y->size) - (x->size < y->size);
	}
	if (rt_convert_is_float(t->dtype)) {
		double x = rt_convert_get_f64(t, a), y = rt_convert_get_f64(t, b);
		if (isnan(x) || isnan(y)) /* last, and each its own */
			return isnan(x) - isnan(y);
		return (x > y) - (x < y);
	}
	if (t->dtype == RT_U64) {
		uint64_t x = ((const uint64_t *)t->data)[a], y = ((const uint64_t *)t->data)[b];
		return (x > y) - (x < y);
	}
	int64_t x = rt_convert_get_i64(t, a), y = rt_convert_get_i64(t, b);
	return (x > y) - (x < y);
}

static int compare_slices(const struct slices *s, int64_t a, int64_t b)
{
	for (int64_t o = 0; o < s->outer; o++) {
		for (int64_t e = 0; e < s->inner; e++) {
			int64_t at = o * s->dim * s->inner + e;
			int c = compare_elements(s->in, at + a * s->inner, at + b * s->inner);
			if (c != 0)
				return c;
		}
	}
	return 0;
}

static int by_value(const void *a, const void *b, void *arg)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	int c = compare_slices(arg, x, y);

	return c != 0 ? c : (x > y) - (x < y);
}

struct group {
	int64_t first, count, rank; /* slice, how often, place in the output */
};

static int by_first(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Sort the slices, find the groups of equal ones; of[i] = group of slice i.  Returns their number.
 */
static int64_t unique_groups(struct slices *s, int64_t *order, struct group *groups, int64_t *of)
{
	int64_t count = 0;

	for (int64_t i = 0; i < s->dim; i++)
		order[i] = i;
	qsort_r(order, (size_t)s->dim, sizeof(*order), by_value, s);
	for (int64_t i = 0; i < s->dim; i++) {
		if (i == 0 || compare_slices(s, order[i - 1], order[i]) != 0) {
			groups[count] = (struct group){order[i], 0, count};
			count++;
		}
		groups[count - 1].count++;
		of[order[i]] = count - 1;
	}
	return count;
}

/* Element ${i} of output ${k}, if there is one that somebody wants. */
static void put(const struct rt_eval *e, int k, int64_t i, int64_t value)
{
	if (k >= 0 && k < e->run.out_count && e->out[k].data != NULL)
		((int64_t *)e->out[k].data)[i] = value;
}

static int unique_outputs(struct rt_eval *e, const struct slices *s, struct rt_shape *shape,
			  int axis, const struct group *groups, int64_t count, const int64_t *of,
			  const int64_t *place, struct rt_error *err)
{
	size_t bytes = (size_t)s->inner * rt_move_size(s->in->dtype);
	struct rt_shape list = rt_shape_of(1, count), all = rt_shape_of(1, s->dim);
	char *y;

	shape->dims[axis] = count;
	for (int i = 0; i < e->run.out_count; i++) {
		if (e->out[i].dtype != RT_NONE &&
		    rt_eval_output(e, i,
				   i == 0               ? shape
				   : i == s->at.inverse ? &all
							: &list) == NULL)
			return no_room(err);
	}
	y = e->out[0].data;
	for (int64_t g = 0; g < count; g++) {
		for (int64_t o = 0; y != NULL && o < s->outer; o++)
			memcpy(y + (o * count + g) * (int64_t)bytes,
			       (const char *)s->in->data +
				   (o * s->dim + groups[g].first) * (int64_t)bytes,
			       bytes);
		put(e, s->at.first, g, groups[g].first);
		put(e, s->at.count, g, groups[g].count);
	}
	for (int64_t i = 0; i < s->dim; i++)
		put(e, s->at.inverse, i, place[of[i]]);
	return RT_OK;
}

/* ${sorted}: otherwise in the order in which they come first. */
static int unique(struct rt_eval *e, struct places at, bool sorted, struct rt_error *err)
{
	const struct rt_tensor *in = &e->run.in[0];
	struct slices s = {.in = in, .at = at, .outer = 1, .dim = rt_tensor_elems(in), .inner = 1};
	struct rt_shape shape = rt_shape_of(1, s.dim);
	int64_t *order, *of, *place, count;
	struct group *groups;
	int axis = 0;

	if (rt_node_attr(e->run.node, "axis") != NULL) {
		int status =
		    rt_axes_one(rt_node_int(e->run.node, "axis", 0), in->shape.rank, &axis, err);
		if (status != RT_OK)
			return status;
		shape = in->shape;
		rt_walk_around(&shape, axis, &s.outer, &s.inner);
		s.dim = s.outer == 0 ? 0 : shape.dims[axis];
	}
	order = rt_memory_take(e->memory, (size_t)s.dim * sizeof(*order), 64);
	of = rt_memory_take(e->memory, (size_t)s.dim * sizeof(*of), 64);
	place = rt_memory_take(e->memory, (size_t)s.dim * sizeof(*place), 64);
	groups = rt_memory_take(e->memory, (size_t)s.dim * sizeof(*groups), 64);
	if (order == NULL || of == NULL || place == NULL || groups == NULL)
		return no_room(err);
	count = unique_groups(&s, order, groups, of);
	if (!sorted)
		qsort(groups, (size_t)count, sizeof(*groups), by_first);
	for (int64_t g = 0; g < count; g++)
		place[groups[g].rank] = g;
	return unique_outputs(e, &s, &shape, axis, groups, count, of, place, err);
}

static int unique_eval(struct rt_eval *e, struct rt_error *err)
{
	return unique(e, onnx_places, rt_node_int(e->run.node, "sorted", 1) != 0, err);
}

const struct rt_op rt_op_unique = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 4,
    .type = rt_op_type_same_i64,
    .eval = unique_eval,
};

static int unique_ms_eval(struct rt_eval *e, struct rt_error *err)
{
	if (e->run.in[0].shape.rank != 1)
		return rt_error_set(err, RT_INPUT, "the input is no vector");
	return unique(e, ms_places, false, err);
}

/* com.microsoft's: of a vector, in the order of the input; outputs values, which, how often. */
const struct rt_op rt_op_unique_ms = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 3,
    .type = rt_op_type_same_i64,
    .eval = unique_ms_eval,
};
