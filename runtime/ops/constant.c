/* SPDX-License-Identifier: MIT */
/*
 * constant.c — tensors made from little: Constant, ConstantOfShape, Range,
 * EyeLike; and Trilu, which keeps a triangle.
 *
 * Opset changes that matter: Constant (12) takes value_float, value_ints, … besides
 * `value`, 13 value_string; EyeLike's `dtype` defaults to the input's.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/move.h"
#include "runtime/ops/ops.h"

/* ---- Constant -------------------------------------------------------------------------------- */

static const struct rt_attr *constant_attr(const struct rt_node *n)
{
	static const char *const names[] = {"value",        "value_float", "value_floats",
					    "value_int",    "value_ints",  "value_string",
					    "value_strings"};
	const struct rt_attr *a = NULL;

	for (size_t i = 0; a == NULL && i < sizeof(names) / sizeof(names[0]); i++)
		a = rt_node_attr(n, names[i]);
	return a;
}

/* What an attribute is as a tensor; false for kinds that are none. */
static bool attr_tensor(const struct rt_attr *a, struct rt_tensor *out, const void **data)
{
	switch (a->kind) {
	case RT_ATTR_TENSOR:
		*out = a->tensor;
		*data = a->tensor.data;
		return true;
	case RT_ATTR_FLOAT:
	case RT_ATTR_INT:
	case RT_ATTR_STRING:
		out->dtype = a->kind == RT_ATTR_FLOAT ? RT_F32
			     : a->kind == RT_ATTR_INT ? RT_I64
						      : RT_STR;
		out->shape = rt_shape_of(0);
		*data = &a->f;
		if (a->kind == RT_ATTR_INT)
			*data = &a->i;
		else if (a->kind == RT_ATTR_STRING)
			*data = &a->s;
		return true;
	case RT_ATTR_FLOATS:
	case RT_ATTR_INTS:
	case RT_ATTR_STRINGS:
		out->dtype = a->kind == RT_ATTR_FLOATS ? RT_F32
			     : a->kind == RT_ATTR_INTS ? RT_I64
						       : RT_STR;
		out->shape = rt_shape_of(1, a->count);
		*data = a->floats;
		if (a->kind == RT_ATTR_INTS)
			*data = a->ints;
		else if (a->kind == RT_ATTR_STRINGS)
			*data = a->strings;
		return true;
	default:
		return false;
	}
}

static int constant_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
			 struct rt_error *err)
{
	const struct rt_attr *a = constant_attr(n);
	struct rt_tensor t;
	const void *data;

	(void)g;
	if (a == NULL || !attr_tensor(a, &t, &data))
		return rt_error_set(err, RT_MALFORMED, "no attribute holds a value");
	out[0] = t.dtype;
	return RT_OK;
}

static int constant_infer(struct rt_infer *f, struct rt_error *err)
{
	struct rt_tensor t;
	const void *data;

	(void)err;
	must(attr_tensor(constant_attr(f->node), &t, &data)); /* constant_type saw it */
	f->out[0].shape = t.shape;
	return RT_OK;
}

static void constant_run(const struct rt_run *r)
{
	size_t bytes = rt_tensor_bytes(&r->out[0]);
	struct rt_tensor t;
	const void *data;

	must(attr_tensor(constant_attr(r->node), &t, &data));
	if (bytes > 0)
		memcpy(r->out[0].data, data, bytes);
}

const struct rt_op rt_op_constant = {
    .in_min = 0,
    .in_max = 0,
    .out_min = 1,
    .out_max = 1,
    .type = constant_type,
    .infer = constant_infer,
    .run = constant_run,
};

/* ---- ConstantOfShape ------------------------------------------------------------------------- */

static int of_shape_bind(struct rt_bind *b, struct rt_error *err)
{
	const struct rt_attr *a = rt_node_attr(b->node, "value");
	int64_t n;

	if (a != NULL && (a->kind != RT_ATTR_TENSOR || a->tensor.data == NULL ||
			  !rt_shape_elems(&a->tensor.shape, &n) || n != 1))
		return rt_error_set(err, RT_MALFORMED, "the value is not one element");
	return RT_OK;
}

static int of_shape_infer(struct rt_infer *f, struct rt_error *err)
{
	struct rt_shape *out = &f->out[0].shape;
	int64_t elems;

	if (f->in[0].shape.rank == 1 && f->in[0].shape.dims[0] == 0)
		*out = rt_shape_of(0);
	else if (!rt_op_ints(&f->in[0], out->dims, RT_RANK_MAX, &out->rank))
		return rt_error_set(err, RT_INPUT,
				    "the input is not a shape of at most %d dimensions",
				    RT_RANK_MAX);
	for (int d = 0; d < out->rank; d++) {
		if (out->dims[d] < 0)
			return rt_error_set(err, RT_INPUT, "dimension %d is %lld", d,
					    (long long)out->dims[d]);
	}
	if (!rt_shape_elems(out, &elems))
		return rt_error_set(err, RT_INPUT, "the shape is too large");
	return RT_OK;
}

/* Every element of ${t}, of less than 8 bits, is the lowest of ${byte}. */
static void fill_packed(const struct rt_tensor *t, unsigned byte)
{
	unsigned bits = rt_dtype_bits(t->dtype), all = 0;
	size_t bytes = rt_tensor_bytes(t), rest = (size_t)rt_tensor_elems(t) * bits % 8;
	uint8_t *out = t->data;

	for (unsigned at = 0; at < 8; at += bits)
		all |= (byte & ((1u << bits) - 1)) << at;
	memset(out, (int)all, bytes);
	if (rest > 0)
		out[bytes - 1] &= (uint8_t)((1u << rest) - 1);
}

static void of_shape_run(const struct rt_run *r)
{
	const struct rt_attr *a = rt_node_attr(r->node, "value");
	size_t bytes = rt_tensor_bytes(&r->out[0]), size = rt_move_size(r->out[0].dtype);
	char *out = r->out[0].data;

	if (bytes == 0)
		return;
	if (size == 0) {
		fill_packed(&r->out[0], a != NULL ? *(const uint8_t *)a->tensor.data : 0);
		return;
	}
	memset(out, 0, size);
	if (a != NULL)
		memcpy(out, a->tensor.data, size);
	for (size_t done = size; done < bytes; done *= 2)
		memcpy(out + done, out, done < bytes - done ? done : bytes - done);
}

const struct rt_op rt_op_constant_of_shape = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 1,
    .type = rt_op_type_value,
    .bind = of_shape_bind,
    .infer = of_shape_infer,
    .run = of_shape_run,
};

/* ---- Range: out[i] = start + i · delta; delta is 1 where it may be left out (com.microsoft) ---
 */

static bool has_delta(const struct rt_tensor *in, int count)
{
	return count > 2 && in[2].dtype != RT_NONE;
}

static int range_infer(struct rt_infer *f, struct rt_error *err)
{
	bool by = has_delta(f->in, f->in_count);
	double count;
	int64_t elems;

	for (int i = 0; i < (by ? 3 : 2); i++) {
		if (f->in[i].dtype != f->in[0].dtype)
			return rt_error_set(err, RT_MALFORMED,
					    "start, limit and delta differ in type");
		if (!rt_shape_elems(&f->in[i].shape, &elems) || elems != 1)
			return rt_error_set(err, RT_INPUT, "input %d is not one number", i);
	}
	if (rt_convert_is_float(f->in[0].dtype)) {
		count = ceil((rt_convert_get_f64(&f->in[1], 0) - rt_convert_get_f64(&f->in[0], 0)) /
			     (by ? rt_convert_get_f64(&f->in[2], 0) : 1));
	} else {
		int64_t delta = by ? rt_convert_get_i64(&f->in[2], 0) : 1, span, n = 0;
		if (delta == 0 || __builtin_sub_overflow(rt_convert_get_i64(&f->in[1], 0),
							 rt_convert_get_i64(&f->in[0], 0), &span))
			return rt_error_set(err, RT_INPUT, "a range with delta %lld",
					    (long long)delta);
		if ((span > 0) == (delta > 0) && delta != INT64_MIN)
			n = span / delta + (span % delta != 0);
		count = (double)n;
	}
	if (!(count > 0))
		count = 0;
	if (!(count < 0x1p47))
		return rt_error_set(err, RT_INPUT, "a range of %g elements", count);
	f->out[0].shape = rt_shape_of(1, (int64_t)count);
	return RT_OK;
}

static void range_run(const struct rt_run *r)
{
	int64_t n = rt_tensor_elems(&r->out[0]);
	enum rt_dtype t = r->out[0].dtype;
	bool by = has_delta(r->in, r->in_count);

	if (rt_convert_is_float(t)) {
		double start = rt_convert_get_f64(&r->in[0], 0),
		       delta = by ? rt_convert_get_f64(&r->in[2], 0) : 1;
		for (int64_t i = 0; i < n; i++) {
			double x = start + (double)i * delta;
			rt_convert_from_f64(t, &x, 1, r->out[0].data, i, true);
		}
	} else {
		uint64_t x = (uint64_t)rt_convert_get_i64(&r->in[0], 0),
			 delta = by ? (uint64_t)rt_convert_get_i64(&r->in[2], 0) : 1;
		for (int64_t i = 0; i < n; i++, x += delta) {
			int64_t v = (int64_t)x;
			rt_convert_from_i64(t, &v, 1, r->out[0].data, i);
		}
	}
}

const struct rt_op rt_op_range = {
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .value_inputs = 7,
    .infer = range_infer,
    .run = range_run,
};

/* ---- EyeLike --------------------------------------------------------------------------------- */

static int eye_type(const struct rt_graph *g, const struct rt_node *n, enum rt_dtype *out,
		    struct rt_error *err)
{
	if (rt_node_attr(n, "dtype") == NULL)
		return rt_op_type_same(g, n, out, err);
	out[0] = rt_dtype_of_onnx(rt_node_int(n, "dtype", 0));
	if (out[0] == RT_NONE || out[0] == RT_STR || rt_dtype_bits(out[0]) < 8)
		return rt_error_set(err, RT_UNSUPPORTED, "dtype %lld",
				    (long long)rt_node_int(n, "dtype", 0));
	return RT_OK;
}

static int matrix_infer(struct rt_infer *f, struct rt_error *err)
{
	if (f->in[0].shape.rank < 2)
		return rt_error_set(err, RT_INPUT, "a tensor of rank %d; a matrix is needed",
				    f->in[0].shape.rank);
	f->out[0].shape = f->in[0].shape;
	return RT_OK;
}

static int eye_infer(struct rt_infer *f, struct rt_error *err)
{
	int status = matrix_infer(f, err);

	if (status == RT_OK && f->in[0].shape.rank != 2)
		return rt_error_set(err, RT_INPUT, "a tensor of rank %d; a matrix is needed",
				    f->in[0].shape.rank);
	return status;
}

static void eye_run(const struct rt_run *r)
{
	int64_t rows = r->out[0].shape.dims[0], cols = r->out[0].shape.dims[1];
	int64_t k = rt_node_int(r->node, "k", 0), one = 1;
	size_t bytes = rt_tensor_bytes(&r->out[0]);

	if (bytes == 0 || k <= -rows || k >= cols) {
		memset(r->out[0].data, 0, bytes);
		return;
	}
	memset(r->out[0].data, 0, bytes);
	for (int64_t i = k < 0 ? -k : 0; i < rows && i + k < cols; i++)
		rt_convert_from_i64(r->out[0].dtype, &one, 1, r->out[0].data, i * cols + i + k);
}

const struct rt_op rt_op_eye_like = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .shapes_only = true,
    .type = eye_type,
    .infer = eye_infer,
    .run = eye_run,
};

/* ---- Trilu: keep what is on and above (upper) or below the k-th diagonal --------------------- */

static int trilu_infer(struct rt_infer *f, struct rt_error *err)
{
	int64_t n;

	if (f->in_count > 1 && f->in[1].dtype != RT_NONE &&
	    (f->in[1].dtype != RT_I64 || !rt_shape_elems(&f->in[1].shape, &n) || n != 1))
		return rt_error_set(err, RT_INPUT, "k is not one int64");
	return matrix_infer(f, err);
}

static void trilu_run(const struct rt_run *r)
{
	const struct rt_shape *s = &r->in[0].shape;
	int64_t rows = s->dims[s->rank - 2], cols = s->dims[s->rank - 1], k = 0;
	bool upper = rt_node_int(r->node, "upper", 1) != 0;
	size_t size = rt_move_size(r->in[0].dtype);
	int64_t n = rt_tensor_elems(&r->in[0]);

	if (r->in_count > 1 && r->in[1].data != NULL)
		k = rt_convert_get_i64(&r->in[1], 0);
	if (k < -rows)
		k = -rows;
	if (k > cols)
		k = cols;
	for (int64_t i = 0; i < n / (cols > 0 ? cols : 1); i++) {
		const char *in = (const char *)r->in[0].data + i * cols * (int64_t)size;
		char *out = (char *)r->out[0].data + i * cols * (int64_t)size;
		int64_t edge = i % rows + k + (upper ? 0 : 1); /* first column of the upper part */

		edge = edge < 0 ? 0 : edge > cols ? cols : edge;
		if (out != in)
			memcpy(out, in, (size_t)cols * size);
		if (upper)
			memset(out, 0, (size_t)edge * size);
		else
			memset(out + edge * (int64_t)size, 0, (size_t)(cols - edge) * size);
	}
}

const struct rt_op rt_op_trilu = {
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .infer = trilu_infer,
    .run = trilu_run,
};
