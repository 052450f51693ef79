/* SPDX-License-Identifier: MIT */
/*
 * onnx_type.c — ValueInfoProto and TypeProto: names, types and shapes of inputs
 * and outputs.  Sparse tensors, and nestings that the standard's operators do not
 * know, leave the type unknown.
 */
#include <config.h>

#include "runtime/onnx_reader.h"

/* TensorShapeProto.Dimension */
static int dimension(struct rt_onnx_reader *r, struct rt_wire w, struct rt_value *out, int at)
{
	struct rt_field f;
	int status;

	out->shape.dims[at] = -1;
	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number == 1) {
			status = rt_wire_int(&f, &out->shape.dims[at], r->err);
			if (status == RT_OK && out->shape.dims[at] < 0)
				out->shape.dims[at] = -1; /* written by some exporters for "free" */
		} else if (f.number == 2) {
			status = rt_onnx_name(r, &f, &out->dim_names[at]);
			if (status == RT_OK && out->dim_names[at][0] == '\0')
				out->dim_names[at] = NULL;
		}
		if (status < 0)
			return status;
	}
	return status;
}

/* TensorShapeProto */
static int shape(struct rt_onnx_reader *r, struct rt_wire w, struct rt_value *out)
{
	struct rt_wire sub;
	struct rt_field f;
	int status;

	out->shape.rank = 0;
	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number != 1)
			continue;
		if (out->shape.rank == RT_RANK_MAX)
			return rt_error_set(r->err, RT_UNSUPPORTED,
					    "byte %zu: a shape of more than %d dimensions",
					    f.offset, RT_RANK_MAX);
		status = rt_wire_enter(&w, &f, &sub, r->err);
		if (status == RT_OK)
			status = dimension(r, sub, out, out->shape.rank);
		if (status < 0)
			return status;
		out->shape.rank++;
	}
	return status;
}

/* TypeProto.Tensor */
static int tensor_type(struct rt_onnx_reader *r, struct rt_wire w, struct rt_value *out)
{
	struct rt_wire sub;
	struct rt_field f;
	int64_t type;
	int status;

	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number == 1) {
			status = rt_wire_int(&f, &type, r->err);
			if (status == RT_OK && type != 0 && rt_dtype_of_onnx(type) == RT_NONE)
				return rt_error_set(r->err, RT_UNSUPPORTED,
						    "byte %zu: element type %lld", f.offset,
						    (long long)type);
			if (status == RT_OK)
				out->dtype = rt_dtype_of_onnx(type);
		} else if (f.number == 2) {
			status = rt_wire_enter(&w, &f, &sub, r->err);
			if (status == RT_OK)
				status = shape(r, sub, out);
		}
		if (status < 0)
			return status;
	}
	return status;
}

static int type(struct rt_onnx_reader *r, struct rt_wire w, struct rt_value *out);

/* TypeProto.Sequence, .Optional (elem_type = 1) and .Map (key_type = 1, value_type = 2). */
static int list_type(struct rt_onnx_reader *r, struct rt_wire w, uint32_t field,
		     struct rt_value *out)
{
	unsigned kind = field == 4 ? RT_SEQ : RT_OPT;
	struct rt_wire sub;
	struct rt_field f;
	int64_t key;
	int status;

	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (field == 5 && f.number == 1) {
			status = rt_wire_int(&f, &key, r->err);
			kind = key == 8 ? RT_MAP_STR : key == 7 ? RT_MAP_I64 : RT_OPT;
		} else if (f.number == (field == 5 ? 2u : 1u)) {
			status = rt_wire_enter(&w, &f, &sub, r->err);
			if (status == RT_OK)
				status = type(r, sub, out);
		}
		if (status < 0)
			return status;
	}
	out->dtype = rt_dtype_in(kind, out->dtype);
	out->shape = (struct rt_shape){.rank = 0};
	for (int i = 0; i < RT_RANK_MAX; i++)
		out->dim_names[i] = NULL;
	return status;
}

/* TypeProto.  Recursion: rt_wire_enter bounds the nesting. */
static int type(struct rt_onnx_reader *r, struct rt_wire w, struct rt_value *out)
{
	struct rt_wire sub;
	struct rt_field f;
	int status;

	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number != 1 && f.number != 4 && f.number != 5 && f.number != 9)
			continue;
		status = rt_wire_enter(&w, &f, &sub, r->err);
		if (status == RT_OK && f.number == 1)
			status = tensor_type(r, sub, out);
		else if (status == RT_OK)
			status = list_type(r, sub, f.number, out);
		if (status < 0)
			return status;
	}
	return status;
}

int rt_onnx_type(struct rt_onnx_reader *r, struct rt_wire w, enum rt_dtype *out)
{
	struct rt_value value = {.shape.rank = -1};
	int status = type(r, w, &value);

	*out = value.dtype;
	return status;
}

int rt_onnx_value_info(struct rt_onnx_reader *r, struct rt_wire w, struct rt_str *name,
		       struct rt_value *out)
{
	struct rt_wire sub;
	struct rt_field f;
	int status;

	*name = (struct rt_str){"", 0};
	*out = (struct rt_value){.shape.rank = -1, .producer = -1, .outer = -1};
	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number == 1) {
			status = rt_onnx_name(r, &f, &out->name);
			*name = (struct rt_str){f.bytes.data, f.bytes.size};
		} else if (f.number == 2) {
			status = rt_wire_enter(&w, &f, &sub, r->err);
			if (status == RT_OK)
				status = type(r, sub, out);
		}
		if (status < 0)
			return status;
	}
	return status;
}
