/* SPDX-License-Identifier: MIT */
/*
 * tflite_index.c — elements by their indices: gather, scatter, updates of slices,
 * segments, one-hot, the largest, those that are not zero.  Through tflite.def.
 */
#include <config.h>

#include <float.h>
#include <string.h>

#include "runtime/tflite_quant.h"

#define GRID_MAX ((int64_t)1 << 24) /* indices of an update */

void rt_tflite_lower_gather(struct rt_tflite_op *o)
{
	const int batch = rt_tflite_opt_int(o, 1, 0);
	int axis = rt_tflite_opt_int(o, 0, 0), x, at, v;
	int64_t last = -1;

	if (!rt_tflite_expects(o, 2))
		return;
	x = rt_tflite_value(o, 0), at = rt_tflite_value(o, 1);
	if (batch == 0) {
		v = rt_lower_op2(o->l, "Gather", x, rt_tflite_i64(o, at));
		rt_lower_set_int(o->l, "axis", axis);
		rt_tflite_give(o, 0, v);
		return;
	}
	axis += axis < 0 ? rt_tflite_rank(o, 0) : 0;
	if (batch < 0 || axis != batch) {
		rt_tflite_refuse(o, "not with batch dimensions other than those before the axis");
		return;
	}
	at = rt_lower_unsqueeze(o->l, rt_tflite_i64(o, at), 1, &last);
	v = rt_lower_op2(o->l, "GatherND", x, at);
	rt_lower_set_int(o->l, "batch_dims", batch);
	rt_tflite_give(o, 0, v);
}

void rt_tflite_lower_gather_nd(struct rt_tflite_op *o)
{
	if (!rt_tflite_expects(o, 2))
		return;
	rt_tflite_give(o, 0,
		       rt_lower_op2(o->l, "GatherND", rt_tflite_value(o, 0),
				    rt_tflite_i64(o, rt_tflite_value(o, 1))));
}

/* EMBEDDING_LOOKUP: rows of a table by number, real numbers where the table is quantised. */
void rt_tflite_lower_embedding_lookup(struct rt_tflite_op *o)
{
	const struct rt_tflite_tensor *t = rt_tflite_in(o, 1);
	struct rt_tensor scale;
	int at, v, s;

	if (!rt_tflite_expects(o, 2))
		return;
	at = rt_tflite_i64(o, rt_tflite_value(o, 0));
	v = rt_lower_op2(o->l, "Gather", rt_tflite_value(o, 1), at);
	if (rt_tflite_is_quantised(t) && rt_tflite_out(o, 0)->dtype == RT_F32) {
		if (t->scales > 1 && (t->axis != 0 || t->shape.rank != 2)) {
			rt_tflite_refuse(o, "not with scales along that dimension");
			return;
		}
		if (t->scales == 1) {
			rt_tflite_give(o, 0, rt_tflite_quant_dequantize(o, v, t));
			return;
		}
		scale = (struct rt_tensor){RT_F32, rt_shape_of(2, (int64_t)t->scales, (int64_t)1),
					   (void *)(uintptr_t)t->scale};
		s = rt_lower_op2(o->l, "Gather", rt_lower_copy(o->l, &scale), at);
		v = rt_lower_op2(o->l, "Mul", rt_lower_cast(o->l, v, RT_F32), s);
	}
	rt_tflite_give(o, 0, v);
}

/* ---- scatter --------------------------------------------------------------------------------- */

/* SCATTER_ND: indices, updates, shape; what meets is added. */
void rt_tflite_lower_scatter_nd(struct rt_tflite_op *o)
{
	int zeros, v;

	if (!rt_tflite_expects(o, 3))
		return;
	zeros = rt_lower_op2(o->l, "Expand", rt_lower_scalar(o->l, rt_tflite_in(o, 1)->dtype, 0),
			     rt_tflite_i64(o, rt_tflite_value(o, 2)));
	v = rt_lower_op3(o->l, "ScatterND", zeros, rt_tflite_i64(o, rt_tflite_value(o, 0)),
			 rt_tflite_value(o, 1));
	rt_lower_set_string(o->l, "reduction", "add");
	rt_tflite_give(o, 0, v);
}

/* SPARSE_TO_DENSE: indices [], [n] or [n, rank], shape, values, default. */
void rt_tflite_lower_sparse_to_dense(struct rt_tflite_op *o)
{
	const int rank = rt_tflite_rank(o, 0);
	int at, values, all;

	if (!rt_tflite_expects(o, 4))
		return;
	all = rt_lower_op2(o->l, "Expand", rt_tflite_value(o, 3),
			   rt_tflite_i64(o, rt_tflite_value(o, 1)));
	at = rt_tflite_i64(o, rt_tflite_value(o, 0));
	if (rank < 2)
		at = rt_lower_reshape(o->l, at, 2, (int64_t[]){-1, 1});
	values = rt_tflite_value(o, 2);
	if (rt_tflite_rank(o, 2) == 0)
		values = rt_lower_op2(o->l, "Expand", values,
				      rt_lower_op3(o->l, "Slice", rt_lower_op1(o->l, "Shape", at),
						   rt_lower_i64(o->l, 0), rt_lower_i64(o->l, 1)));
	rt_tflite_give(o, 0, rt_lower_op3(o->l, "ScatterND", all, at, values));
}

/* Segments: what each begins with, and how another element is taken in. */
static double begins_with(const char *reduction, enum rt_dtype t)
{
	const bool real = t == RT_F32;

	if (strcmp(reduction, "mul") == 0)
		return 1;
	if (strcmp(reduction, "max") == 0)
		return real ? (double)-FLT_MAX : (double)INT32_MIN;
	if (strcmp(reduction, "min") == 0)
		return real ? (double)FLT_MAX : (double)INT32_MAX;
	return 0;
}

/* UNSORTED_SEGMENT_*: data, ids, number of segments; SEGMENT_SUM: the last id tells the number. */
void rt_tflite_lower_segment(struct rt_tflite_op *o)
{
	struct rt_lower *l = o->l;
	const bool counted = rt_tflite_in(o, 2) != NULL;
	int x, ids, count, shape, in[2], v;
	enum rt_dtype t;

	if (!rt_tflite_expects(o, 2))
		return;
	t = rt_tflite_in(o, 0)->dtype;
	if (rt_tflite_rank(o, 1) != 1 || (t != RT_F32 && t != RT_I32)) {
		rt_tflite_refuse(o, "not for these segments or this element type");
		return;
	}
	x = rt_tflite_value(o, 0);
	ids = rt_tflite_i64(o, rt_tflite_value(o, 1));
	if (counted)
		count = rt_tflite_i64(o, rt_tflite_value(o, 2));
	else
		count =
		    rt_lower_op2(l, "Add", rt_lower_op1(l, "ReduceMax", ids), rt_lower_i64(l, 1));
	shape = rt_lower_op3(l, "Slice", rt_lower_op1(l, "Shape", x), rt_lower_i64(l, 1),
			     rt_lower_i64(l, INT64_MAX));
	in[0] = rt_lower_reshape(l, count, 1, (int64_t[]){1});
	in[1] = shape;
	shape = rt_lower_opn(l, "Concat", 2, in);
	rt_lower_set_int(l, "axis", 0);
	v = rt_lower_op2(l, "Expand", rt_lower_scalar(l, t, begins_with(o->row->op, t)), shape);
	ids = rt_lower_unsqueeze(l, ids, 1, (int64_t[]){-1});
	v = rt_lower_op3(l, "ScatterND", v, ids, x);
	rt_lower_set_string(l, "reduction", o->row->op);
	rt_tflite_give(o, 0, v);
}

/* Indices of the first ${axes} dimensions of an update of shape ${s}: [Π, axes]. */
static int grid(struct rt_tflite_op *o, const struct rt_shape *s, int axes)
{
	struct rt_tensor t = {RT_I64, {0}, NULL};
	int64_t rows = 1, *data;

	for (int i = 0; i < axes; i++)
		if (__builtin_mul_overflow(rows, s->dims[i], &rows) || rows > GRID_MAX)
			return rt_lower_fail(o->l, RT_BUDGET, "an update of too many elements");
	data = rt_lower_alloc(o->l, (size_t)(rows * axes) * sizeof(*data));
	if (data == NULL)
		return RT_NO_VALUE;
	for (int64_t r = 0; r < rows; r++) {
		int64_t left = r;

		for (int i = axes - 1; i >= 0; i--) {
			data[r * axes + i] = left % s->dims[i];
			left /= s->dims[i];
		}
	}
	t.shape = rt_shape_of(2, rows, (int64_t)axes);
	t.data = data;
	return rt_lower_constant(o->l, "", &t);
}

/* DYNAMIC_UPDATE_SLICE: operand, update, where it begins, moved so that it stays inside. */
void rt_tflite_lower_dynamic_update_slice(struct rt_tflite_op *o)
{
	struct rt_lower *l = o->l;
	const struct rt_tflite_tensor *x = rt_tflite_in(o, 0), *u = rt_tflite_in(o, 1);
	int64_t room[RT_RANK_MAX], dims[RT_RANK_MAX + 1];
	int axes = 0, rank, at, v, n = 0;

	if (!rt_tflite_expects(o, 3))
		return;
	rank = x->shape.rank;
	for (int i = 0; i < rank; i++) {
		if (u->shape.rank != rank || x->shape.dims[i] < 0 || u->shape.dims[i] < 0 ||
		    u->shape.dims[i] > x->shape.dims[i]) {
			rt_tflite_refuse(o, "not for shapes that are not known or do not fit");
			return;
		}
		room[i] = x->shape.dims[i] - u->shape.dims[i];
		if (room[i] > 0)
			axes = i + 1;
	}
	if (axes == 0) {
		rt_tflite_give(o, 0, rt_lower_op1(l, "Identity", rt_tflite_value(o, 1)));
		return;
	}
	at = rt_tflite_i64(o, rt_tflite_value(o, 2));
	at = rt_lower_op2(l, "Max", at, rt_lower_i64(l, 0));
	at = rt_lower_op2(l, "Min", at, rt_lower_i64s(l, rank, room));
	at = rt_lower_op3(l, "Slice", at, rt_lower_i64(l, 0), rt_lower_i64(l, axes));
	at = rt_lower_op2(l, "Add", grid(o, &u->shape, axes), at);
	dims[n++] = -1;
	for (int i = axes; i < rank; i++)
		dims[n++] = u->shape.dims[i];
	v = rt_lower_reshape(l, rt_tflite_value(o, 1), n, dims);
	rt_tflite_give(o, 0, rt_lower_op3(l, "ScatterND", rt_tflite_value(o, 0), at, v));
}

/* ---- by value -------------------------------------------------------------------------------- */

/* ONE_HOT: indices, depth, on, off. */
void rt_tflite_lower_one_hot(struct rt_tflite_op *o)
{
	int64_t zero = 0;
	int in[2], v;

	if (!rt_tflite_expects(o, 4))
		return;
	in[0] = rt_lower_unsqueeze(o->l, rt_tflite_value(o, 3), 1, &zero);
	in[1] = rt_lower_unsqueeze(o->l, rt_tflite_value(o, 2), 1, &zero);
	v = rt_lower_opn(o->l, "Concat", 2, in);
	rt_lower_set_int(o->l, "axis", 0);
	v = rt_lower_op3(o->l, "OneHot", rt_tflite_value(o, 0), rt_tflite_value(o, 1), v);
	rt_lower_set_int(o->l, "axis", rt_tflite_opt_int(o, 0, -1));
	rt_tflite_give(o, 0, v);
}

void rt_tflite_lower_topk(struct rt_tflite_op *o)
{
	int in[2], first;

	if (!rt_tflite_expects(o, 2))
		return;
	in[0] = rt_tflite_value(o, 0);
	in[1] = rt_lower_reshape(o->l, rt_tflite_i64(o, rt_tflite_value(o, 1)), 1, (int64_t[]){1});
	first = rt_lower_node(o->l, RT_ONNX, "TopK", 2, in, 2);
	rt_tflite_give(o, 0, first);
	if (rt_tflite_out(o, 1) != NULL)
		rt_tflite_give(o, 1, rt_lower_cast(o->l, first + 1, rt_tflite_out(o, 1)->dtype));
}

/* WHERE: the indices of what is not zero, a row for each. */
void rt_tflite_lower_where(struct rt_tflite_op *o)
{
	int v;

	if (!rt_tflite_expects(o, 1))
		return;
	v = rt_lower_op1(o->l, "NonZero", rt_tflite_value(o, 0));
	rt_tflite_give(o, 0, rt_lower_transpose(o->l, v, 2, (int64_t[]){1, 0}));
}

void rt_tflite_lower_unique(struct rt_tflite_op *o)
{
	int x, first;

	if (!rt_tflite_expects(o, 1))
		return;
	x = rt_tflite_value(o, 0);
	first = rt_lower_node(o->l, RT_ONNX, "Unique", 1, &x, 3);
	rt_lower_set_int(o->l, "sorted", 0);
	rt_tflite_give(o, 0, first);
	if (rt_tflite_out(o, 1) != NULL)
		rt_tflite_give(o, 1, rt_lower_cast(o->l, first + 2, rt_tflite_out(o, 1)->dtype));
}
