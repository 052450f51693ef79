/* SPDX-License-Identifier: MIT */
/*
 * onnx_sparse.c — SparseTensorProto, made dense: values at indices that are
 * either positions in the flattened tensor, [N], or coordinates, [N, rank].
 */
#include <config.h>

#include <string.h>

#include "runtime/onnx_reader.h"

struct sparse {
	struct rt_tensor values, indices;
	struct rt_shape shape;
	struct rt_str name;
};

static int malformed(struct rt_onnx_reader *r, const char *what)
{
	return rt_error_set(r->err, RT_MALFORMED, "a sparse tensor %s", what);
}

static void put_dim(void *arg, uint64_t raw)
{
	struct rt_shape *s = arg;

	if (s->rank < RT_RANK_MAX)
		s->dims[s->rank] = (int64_t)raw;
	if (s->rank <= RT_RANK_MAX)
		s->rank++;
}

static int read_parts(struct rt_onnx_reader *r, struct rt_wire w, struct sparse *s)
{
	struct rt_str unused;
	struct rt_wire sub;
	struct rt_field f;
	int status;

	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number == 1 || f.number == 2) {
			status = rt_wire_enter(&w, &f, &sub, r->err);
			if (status == RT_OK)
				status = rt_onnx_tensor(r, sub, f.number == 1 ? &s->name : &unused,
							f.number == 1 ? &s->values : &s->indices);
		} else if (f.number == 3) {
			status = rt_wire_values(&f, RT_WIRE_VARINT, put_dim, &s->shape, r->err);
		}
		if (status < 0)
			return status;
	}
	return status;
}

/* Position of entry ${i}; −1 when it is outside. */
static int64_t position(const struct sparse *s, int64_t i, int64_t elems)
{
	const int64_t *index = s->indices.data;
	int64_t at = 0;

	if (s->indices.shape.rank == 1)
		return index[i] >= 0 && index[i] < elems ? index[i] : -1;
	for (int d = 0; d < s->shape.rank; d++) {
		int64_t x = index[i * s->shape.rank + d];

		if (x < 0 || x >= s->shape.dims[d])
			return -1;
		at = at * s->shape.dims[d] + x;
	}
	return at;
}

int rt_onnx_sparse(struct rt_onnx_reader *r, struct rt_wire w, struct rt_str *name,
		   struct rt_tensor *out)
{
	struct sparse s = {.values.dtype = RT_NONE};
	const unsigned char *from;
	int64_t count, elems;
	size_t size, bytes;
	int status = read_parts(r, w, &s);

	if (status < 0)
		return status;
	if (s.values.dtype == RT_NONE || s.indices.dtype != RT_I64)
		return malformed(r, "lacks its values or indices");
	if (s.shape.rank > RT_RANK_MAX || !rt_shape_elems(&s.shape, &elems) ||
	    !rt_shape_bytes(&s.shape, s.values.dtype, &bytes))
		return malformed(r, "has a shape that is no shape");
	if (rt_dtype_bits(s.values.dtype) < 8 || s.values.dtype == RT_STR)
		return rt_error_set(r->err, RT_UNSUPPORTED, "a sparse tensor of %s",
				    rt_dtype_name(s.values.dtype));
	count = rt_tensor_elems(&s.values);
	if (s.values.shape.rank != 1 || s.indices.shape.rank < 1 || s.indices.shape.rank > 2 ||
	    s.indices.shape.dims[0] != count ||
	    (s.indices.shape.rank == 2 && s.indices.shape.dims[1] != s.shape.rank))
		return malformed(r, "has indices that do not fit its values");
	size = rt_dtype_bits(s.values.dtype) / 8;
	*out = (struct rt_tensor){s.values.dtype, s.shape, rt_graph_alloc(r->root, bytes)};
	if (out->data == NULL)
		return rt_onnx_no_memory(r);
	from = s.values.data;
	for (int64_t i = 0; i < count; i++) {
		int64_t at = position(&s, i, elems);

		if (at < 0)
			return malformed(r, "has an index outside of its shape");
		memcpy((unsigned char *)out->data + (size_t)at * size, from + (size_t)i * size,
		       size);
	}
	*name = s.name;
	return RT_OK;
}
