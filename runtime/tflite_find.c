/* SPDX-License-Identifier: MIT */
/*
 * tflite_find.c — what looks for elements or puts some of them aside: the best of
 * many boxes, keys of a table, buckets, diagonals.  Called through tflite.def.
 */
#include <config.h>

#include "runtime/tflite_quant.h"

#define MASK_MAX ((int64_t)1 << 24) /* elements of a matrix whose diagonal is asked for */

/* ---- boxes ----------------------------------------------------------------------------------- */

/* ${v} [n], then zeros up to ${most}, which is int64 [1]. */
static int padded(struct rt_lower *l, int v, int most)
{
	const int rest = rt_lower_op2(l, "Sub", most, rt_lower_op1(l, "Shape", v));
	const int pads = rt_lower_op2(l, "Concat", rt_lower_i64(l, 0), rest);

	rt_lower_set_int(l, "axis", 0);
	return rt_lower_op2(l, "Pad", v, pads);
}

/* NON_MAX_SUPPRESSION_V4 and _V5: boxes [n, 4], scores [n], how many, two thresholds; V5: sigma. */
void rt_tflite_lower_nms(struct rt_tflite_op *o)
{
	const bool five = o->row->op[0] == '5';
	const struct rt_tflite_tensor *sigma = rt_tflite_in(o, 5);
	struct rt_lower *l = o->l;
	int in[5], found, count, most;

	if (!rt_tflite_expects(o, five ? 6 : 5))
		return;
	if (five && (!sigma->is_constant || sigma->dtype != RT_F32 ||
		     rt_tensor_elems(&sigma->data) != 1 || *(const float *)sigma->data.data != 0)) {
		rt_tflite_refuse(o, "not with scores that fade (soft_nms_sigma)");
		return;
	}
	most = rt_lower_reshape(l, rt_tflite_i64(o, rt_tflite_value(o, 2)), 1, (int64_t[]){1});
	in[0] = rt_lower_unsqueeze(l, rt_tflite_value(o, 0), 1, (int64_t[]){0});
	in[1] = rt_lower_unsqueeze(l, rt_tflite_value(o, 1), 2, (int64_t[]){0, 1});
	in[2] = most;
	in[3] = rt_tflite_value(o, 3);
	in[4] = rt_tflite_value(o, 4);
	found = rt_lower_opn(l, "NonMaxSuppression", 5, in);
	found = rt_lower_op2(l, "Gather", found, rt_lower_scalar(l, RT_I64, 2));
	rt_lower_set_int(l, "axis", 1);
	count = rt_lower_cast(l, rt_lower_op1(l, "Size", found), RT_I32);
	rt_tflite_give(o, 0, rt_lower_cast(l, padded(l, found, most), RT_I32));
	if (five)
		rt_tflite_give(
		    o, 1, padded(l, rt_lower_op2(l, "Gather", rt_tflite_value(o, 1), found), most));
	rt_tflite_give(o, five ? 2 : 1, count);
}

/* ---- keys, buckets --------------------------------------------------------------------------- */

/* HASHTABLE_LOOKUP: rows of the values whose keys are asked for, zeros where there is none. */
void rt_tflite_lower_hashtable_lookup(struct rt_tflite_op *o)
{
	const int rank = rt_tflite_rank(o, 2);
	int64_t wide[RT_RANK_MAX] = {-1};
	struct rt_lower *l = o->l;
	int same, found, v;

	if (!rt_tflite_expects(o, 3))
		return;
	if (rank < 1 || rt_tflite_in(o, 2)->dtype == RT_STR) {
		rt_tflite_refuse(o, "not of text, or of values whose rank is not known");
		return;
	}
	for (int i = 1; i < rank; i++)
		wide[i] = 1;
	same = rt_lower_op2(l, "Equal",
			    rt_lower_unsqueeze(l, rt_tflite_value(o, 0), 1, (int64_t[]){-1}),
			    rt_tflite_value(o, 1));
	same = rt_lower_cast(l, same, RT_I32);
	v = rt_lower_op1(l, "ArgMax", same);
	rt_lower_set_int(l, "axis", 1);
	rt_lower_set_int(l, "keepdims", 0);
	found = rt_lower_op2(l, "ReduceMax", same, rt_lower_i64(l, 1));
	rt_lower_set_int(l, "keepdims", 0);
	v = rt_lower_op2(l, "Gather", rt_tflite_value(o, 2), v);
	v = rt_lower_op3(l, "Where",
			 rt_lower_cast(l, rt_lower_reshape(l, found, rank, wide), RT_BOOL), v,
			 rt_lower_scalar(l, rt_tflite_in(o, 2)->dtype, 0));
	rt_tflite_give(o, 0, v);
	rt_tflite_give(o, 1, rt_lower_cast(l, found, RT_U8));
}

/* BUCKETIZE: how many of the boundaries are not above the number. */
void rt_tflite_lower_bucketize(struct rt_tflite_op *o)
{
	const struct rt_flatbuf_vector v = rt_flatbuf_vector(&o->r->f, &o->options, 0, 4);
	struct rt_tensor t = {RT_F32, rt_shape_of(1, (int64_t)v.count), NULL};
	struct rt_lower *l = o->l;
	float *to = rt_lower_alloc(l, (v.count + 1) * sizeof(*to));
	int x;

	if (!rt_tflite_expects(o, 1) || to == NULL)
		return;
	for (size_t i = 0; i < v.count; i++)
		to[i] = rt_flatbuf_float_at(&o->r->f, &v, i);
	t.data = to;
	x = rt_lower_cast(l, rt_tflite_value(o, 0), RT_F32);
	x = rt_lower_op2(l, "GreaterOrEqual", rt_lower_unsqueeze(l, x, 1, (int64_t[]){-1}),
			 rt_lower_constant(l, "", &t));
	x = rt_lower_op2(l, "ReduceSum", rt_lower_cast(l, x, RT_I32), rt_lower_i64(l, -1));
	rt_lower_set_int(l, "keepdims", 0);
	rt_tflite_give(o, 0, x);
}

/* ---- diagonals ------------------------------------------------------------------------------- */

/* true on the diagonal of [high, wide]. */
static int mask(struct rt_tflite_op *o, int64_t high, int64_t wide)
{
	struct rt_tensor t = {RT_BOOL, rt_shape_of(2, high, wide), NULL};
	uint8_t *to = rt_lower_alloc(o->l, (size_t)(high * wide) + 1);

	for (int64_t i = 0; to != NULL && i < high && i < wide; i++)
		to[i * wide + i] = 1;
	t.data = to;
	return to != NULL ? rt_lower_constant(o->l, "", &t) : RT_NO_VALUE;
}

static bool mask_fits(struct rt_tflite_op *o, int64_t high, int64_t wide)
{
	if (high >= 0 && wide >= 0 && high <= MASK_MAX && wide <= MASK_MAX &&
	    high * wide <= MASK_MAX)
		return true;
	rt_tflite_refuse(o, "not for matrices of unknown or very large sizes");
	return false;
}

/* MATRIX_DIAG: [..., n] to [..., n, n], zeros beside. */
void rt_tflite_lower_matrix_diag(struct rt_tflite_op *o)
{
	const int rank = rt_tflite_rank(o, 0);
	struct rt_lower *l = o->l;
	int64_t n;

	if (!rt_tflite_expects(o, 1))
		return;
	n = rank > 0 ? rt_tflite_in(o, 0)->shape.dims[rank - 1] : -1;
	if (mask_fits(o, n, n))
		rt_tflite_give(
		    o, 0,
		    rt_lower_op3(l, "Where", mask(o, n, n),
				 rt_lower_unsqueeze(l, rt_tflite_value(o, 0), 1, (int64_t[]){-1}),
				 rt_lower_scalar(l, rt_tflite_in(o, 0)->dtype, 0)));
}

/* MATRIX_SET_DIAG: [..., h, w] with another diagonal [..., min(h, w)]. */
void rt_tflite_lower_matrix_set_diag(struct rt_tflite_op *o)
{
	const int rank = rt_tflite_rank(o, 0);
	struct rt_lower *l = o->l;
	int64_t high, wide, axis;

	if (!rt_tflite_expects(o, 2))
		return;
	high = rank > 1 ? rt_tflite_in(o, 0)->shape.dims[rank - 2] : -1;
	wide = rank > 1 ? rt_tflite_in(o, 0)->shape.dims[rank - 1] : -1;
	axis = high <= wide ? -1 : -2; /* the diagonal down the rows, or along them */
	if (mask_fits(o, high, wide))
		rt_tflite_give(o, 0,
			       rt_lower_op3(l, "Where", mask(o, high, wide),
					    rt_lower_unsqueeze(l, rt_tflite_value(o, 1), 1, &axis),
					    rt_tflite_value(o, 0)));
}
