/* SPDX-License-Identifier: MIT */
/*
 * tflite_tensor.c — tensors of a TensorFlow Lite file: element type, shape,
 * quantisation, and the bytes of constants, which stay where they are in the file
 * when they are aligned.  Called by tflite.c; must never trust a size or index.
 */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/tflite_reader.h"

/* Fields of the tables (schema.fbs). */
enum {
	TENSOR_SHAPE,
	TENSOR_TYPE,
	TENSOR_BUFFER,
	TENSOR_NAME,
	TENSOR_QUANT,
	TENSOR_VARIABLE,
	TENSOR_SPARSITY,
	TENSOR_SIGNATURE,
	TENSOR_HAS_RANK
};
enum { QUANT_SCALE = 2, QUANT_ZERO = 3, QUANT_AXIS = 6 };
enum { BUFFER_DATA, BUFFER_OFFSET, BUFFER_SIZE };

/* TensorType → element type. */
static const enum rt_dtype dtypes[] = {RT_F32,  RT_F16,  RT_I32, RT_U8,  RT_I64,  RT_STR, RT_BOOL,
				       RT_I16,  RT_NONE, RT_I8,  RT_F64, RT_NONE, RT_U64, RT_NONE,
				       RT_NONE, RT_U32,  RT_U16, RT_I4,  RT_BF16};

static void read_shape(struct rt_tflite *r, const struct rt_flatbuf_table *t,
		       struct rt_tflite_tensor *out)
{
	const struct rt_flatbuf_vector shape = rt_flatbuf_vector(&r->f, t, TENSOR_SHAPE, 4);
	const struct rt_flatbuf_vector free = rt_flatbuf_vector(&r->f, t, TENSOR_SIGNATURE, 4);

	out->shape.rank = (int)(shape.count <= RT_RANK_MAX ? shape.count : 0);
	if (shape.count > RT_RANK_MAX)
		rt_flatbuf_bad(&r->f, shape.at, "a tensor of more than 8 dimensions");
	for (int i = 0; i < out->shape.rank; i++) {
		int64_t dim = rt_flatbuf_int_at(&r->f, &shape, (size_t)i);

		if (dim < -1)
			rt_flatbuf_bad(&r->f, shape.at, "a negative dimension");
		if (free.count == shape.count && rt_flatbuf_int_at(&r->f, &free, (size_t)i) == -1)
			dim = -1;
		out->shape.dims[i] = dim;
	}
}

static void read_quant(struct rt_tflite *r, const struct rt_flatbuf_table *t,
		       struct rt_tflite_tensor *out)
{
	const struct rt_flatbuf_table q = rt_flatbuf_sub(&r->f, t, TENSOR_QUANT);
	const struct rt_flatbuf_vector scale = rt_flatbuf_vector(&r->f, &q, QUANT_SCALE, 4);
	const struct rt_flatbuf_vector zero = rt_flatbuf_vector(&r->f, &q, QUANT_ZERO, 8);
	float *scales;
	int64_t *zeros;

	if (scale.count == 0 || scale.count > INT32_MAX / 16)
		return;
	scales = rt_lower_alloc(&r->l, scale.count * sizeof(*scales));
	zeros = rt_lower_alloc(&r->l, scale.count * sizeof(*zeros));
	if (scales == NULL || zeros == NULL)
		return;
	if (zero.count > 1 && zero.count != scale.count)
		rt_flatbuf_bad(&r->f, zero.at, "scales and zero points that do not pair");
	for (size_t i = 0; i < scale.count && r->f.status == RT_OK; i++) {
		scales[i] = rt_flatbuf_float_at(&r->f, &scale, i);
		if (zero.count > 0)
			zeros[i] = rt_flatbuf_int_at(&r->f, &zero, zero.count == 1 ? 0 : i);
		if (!isfinite(scales[i]))
			rt_flatbuf_bad(&r->f, scale.at, "a scale that is no number");
		if (zeros[i] < INT32_MIN || zeros[i] > INT32_MAX)
			rt_flatbuf_bad(&r->f, zero.at, "a zero point beyond 32 bits");
	}
	out->scales = (int)scale.count;
	out->scale = scales;
	out->zero = zeros;
	out->axis = (int)rt_flatbuf_int(&r->f, &q, QUANT_AXIS, 4, 0);
}

/* The bytes of a buffer; size 0 when it has none. */
static struct rt_bytes buffer_bytes(struct rt_tflite *r, uint64_t index)
{
	struct rt_bytes none = {NULL, 0};
	struct rt_flatbuf_table b;
	struct rt_flatbuf_vector data;
	uint64_t offset, size;

	if (index == 0 || r->f.status != RT_OK)
		return none;
	if (index >= r->buffers.count) {
		rt_flatbuf_bad(&r->f, r->buffers.at, "a tensor names a buffer that is not there");
		return none;
	}
	b = rt_flatbuf_table_at(&r->f, &r->buffers, (size_t)index);
	offset = rt_flatbuf_uint(&r->f, &b, BUFFER_OFFSET, 8, 0);
	size = rt_flatbuf_uint(&r->f, &b, BUFFER_SIZE, 8, 0);
	if (offset > 1) {
		if (offset > r->f.size || size > r->f.size - offset) {
			rt_flatbuf_bad(&r->f, b.at, "a buffer leaves the file");
			return none;
		}
		return (struct rt_bytes){r->f.data + offset, (size_t)size};
	}
	data = rt_flatbuf_vector(&r->f, &b, BUFFER_DATA, 1);
	if (data.count == 0)
		return none;
	return (struct rt_bytes){r->f.data + data.at, data.count};
}

static uint32_t u32_at(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Strings: their number, where each begins, where the last ends; then the bytes. */
static bool read_strings(struct rt_tflite *r, struct rt_bytes b, int64_t elems, struct rt_str *to)
{
	const uint8_t *p = b.data;
	uint32_t begin, end;

	if (b.size < 4 || u32_at(p) != (uint64_t)elems || (b.size - 4) / 4 < (uint64_t)elems + 1)
		return false;
	for (int64_t i = 0; i < elems; i++) {
		begin = u32_at(p + 4 + 4 * i);
		end = u32_at(p + 8 + 4 * i);
		if (begin > end || end > b.size)
			return false;
		to[i] = (struct rt_str){(const char *)p + begin, end - begin};
	}
	return r->l.status == RT_OK;
}

/* Two signed elements in a byte, low half first. */
static void unpack_halves(const uint8_t *from, int64_t elems, int8_t *to)
{
	for (int64_t i = 0; i < elems; i++) {
		const int half = i % 2 == 0 ? from[i / 2] & 15 : from[i / 2] >> 4;

		to[i] = (int8_t)(half >= 8 ? half - 16 : half);
	}
}

static void bad_data(struct rt_tflite *r, const struct rt_tflite_tensor *t, size_t has)
{
	char shape[160];

	(void)rt_lower_fail(
	    &r->l, RT_MALFORMED, "tensor '%.100s' of type %s and shape %s has %zu bytes of data",
	    t->name, rt_dtype_name(t->dtype), rt_shape_text(&t->shape, shape, sizeof(shape)), has);
}

static void read_data(struct rt_tflite *r, struct rt_tflite_tensor *t, struct rt_bytes b)
{
	int64_t elems;
	size_t bytes;

	t->data = (struct rt_tensor){t->dtype, t->shape, NULL};
	if (t->dtype == RT_NONE || !rt_shape_elems(&t->shape, &elems) ||
	    !rt_shape_bytes(&t->shape, t->dtype, &bytes) ||
	    (t->dtype != RT_STR && bytes != b.size)) {
		bad_data(r, t, b.size);
		return;
	}
	if (t->dtype == RT_STR || t->dtype == RT_I4 ||
	    (uintptr_t)b.data % ((rt_dtype_bits(t->dtype) + 7) / 8) != 0) {
		if (t->dtype == RT_STR && (uint64_t)elems > b.size / 4) {
			bad_data(r, t, b.size);
			return;
		}
		t->data.data = rt_lower_alloc(&r->l, t->dtype == RT_I4 ? (size_t)elems : bytes);
		if (t->data.data == NULL)
			return;
		if (t->dtype == RT_STR && !read_strings(r, b, elems, t->data.data))
			bad_data(r, t, b.size);
		else if (t->dtype == RT_I4)
			unpack_halves(b.data, elems, t->data.data);
		else if (t->dtype != RT_STR)
			memcpy(t->data.data, b.data, bytes);
	} else {
		t->data.data = (void *)(uintptr_t)b.data;
	}
	if (t->dtype == RT_I4)
		t->dtype = t->data.dtype = RT_I8;
	t->is_constant = true;
}

void rt_tflite_tensor_read(struct rt_tflite *r, struct rt_flatbuf_table t,
			   struct rt_tflite_tensor *out)
{
	const struct rt_str name = rt_flatbuf_string(&r->f, &t, TENSOR_NAME);
	const struct rt_flatbuf_table sparsity = rt_flatbuf_sub(&r->f, &t, TENSOR_SPARSITY);
	struct rt_bytes data;

	*out = (struct rt_tflite_tensor){.name = "", .value = RT_NO_VALUE, .resource = -1};
	if (name.size > RT_TFLITE_NAME_MAX)
		rt_flatbuf_bad(&r->f, t.at, "a name of more than 65536 bytes");
	else if (memchr(name.bytes, '\0', name.size) != NULL)
		rt_flatbuf_bad(&r->f, t.at, "a name with a zero byte");
	else
		out->name = rt_lower_strdup(&r->l, name.bytes, name.size);
	out->type = (int)rt_flatbuf_int(&r->f, &t, TENSOR_TYPE, 1, RT_TFLITE_F32);
	if (out->type >= 0 && (size_t)out->type < sizeof(dtypes) / sizeof(*dtypes))
		out->dtype = dtypes[out->type];
	read_shape(r, &t, out);
	if (out->type == RT_TFLITE_C64 && out->shape.rank < RT_RANK_MAX) {
		out->dtype = RT_F32;
		out->is_complex = true;
		if (out->shape.rank >= 0)
			out->shape.dims[out->shape.rank++] = 2;
	}
	read_quant(r, &t, out);
	out->is_variable = rt_flatbuf_int(&r->f, &t, TENSOR_VARIABLE, 1, 0) != 0;
	if (!rt_tflite_ok(r))
		return;
	data = buffer_bytes(r, rt_flatbuf_uint(&r->f, &t, TENSOR_BUFFER, 4, 0));
	if (data.size == 0 || out->is_variable)
		return;
	if (sparsity.at != 0)
		rt_tflite_densify(r, out, &sparsity, data);
	else
		read_data(r, out, data);
}
