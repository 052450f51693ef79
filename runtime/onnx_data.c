/* SPDX-License-Identifier: MIT */
/*
 * onnx_data.c — values in files of their own (onnx-data.proto): TensorProto,
 * SequenceProto, OptionalProto, MapProto.  Read by the test tools and by who takes
 * a value in ONNX's own form; models do not hold them.
 */
#include <config.h>

#include <string.h>

#include "runtime/onnx_reader.h"

/* Fields that hold a value, in SequenceProto (repeated) and OptionalProto (once). */
enum { TENSOR = 3, SEQUENCE = 5, MAP = 6, OPTIONAL = 7 };
/* Fields of MapProto. */
enum { KEYS = 3, STRING_KEYS = 4, VALUES = 5 };

static int value(struct rt_onnx_reader *r, struct rt_wire w, enum rt_dtype dtype,
		 struct rt_tensor *out);

/* The field that the items of a sequence or an optional are in. */
static uint32_t field_of(enum rt_dtype item)
{
	if (((unsigned)item & RT_OPT) != 0)
		return OPTIONAL;
	if (((unsigned)item & RT_SEQ) != 0)
		return SEQUENCE;
	return rt_dtype_is_list(item) ? MAP : TENSOR;
}

/* Count the fields ${number} of a message. */
static int count_fields(struct rt_onnx_reader *r, struct rt_wire w, uint32_t number, int64_t *out)
{
	struct rt_field f;
	int status;

	*out = 0;
	while ((status = rt_wire_next(&w, &f, r->err)) > 0)
		*out += f.number == number;
	return status;
}

static struct rt_list *new_list(struct rt_onnx_reader *r, int64_t count, struct rt_tensor **items)
{
	struct rt_list *l = rt_graph_alloc(r->root, sizeof(*l));

	*items = rt_graph_alloc(r->root, (size_t)count * sizeof(**items));
	if (l == NULL || *items == NULL) {
		(void)rt_onnx_no_memory(r);
		return NULL;
	}
	*l = (struct rt_list){count, *items};
	return l;
}

static int items_of(struct rt_onnx_reader *r, struct rt_wire w, enum rt_dtype dtype,
		    struct rt_tensor *out)
{
	enum rt_dtype item = rt_dtype_item(dtype);
	uint32_t number = field_of(item);
	struct rt_tensor *items;
	struct rt_wire sub;
	struct rt_field f;
	int64_t count, at = 0;
	int status = count_fields(r, w, number, &count);

	if (status < 0)
		return status;
	if (((unsigned)dtype & RT_OPT) != 0 && count > 1)
		return rt_error_set(r->err, RT_MALFORMED, "an optional of %lld values",
				    (long long)count);
	out->data = new_list(r, count, &items);
	if (out->data == NULL)
		return RT_BUDGET;
	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number != number)
			continue;
		status = rt_wire_enter(&w, &f, &sub, r->err);
		if (status == RT_OK)
			status = value(r, sub, item, &items[at++]);
		if (status < 0)
			return status;
	}
	return status;
}

/* ---- maps ------------------------------------------------------------------------------------ */

static void put_key(void *arg, uint64_t raw)
{
	int64_t **at = arg;

	*(*at)++ = (int64_t)raw;
}

/* The keys; ${*ret_count} of them. */
static int map_keys(struct rt_onnx_reader *r, struct rt_wire w, enum rt_dtype key,
		    struct rt_tensor *out)
{
	struct rt_wire again = w;
	struct rt_str *strings;
	struct rt_field f;
	int64_t *ints;
	size_t count = 0;
	int status;

	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (key == RT_STR && f.number == STRING_KEYS)
			count++;
		else if (key == RT_I64 && f.number == KEYS)
			status = rt_wire_count(&f, RT_WIRE_VARINT, &count, r->err);
		if (status < 0)
			return status;
	}
	*out = (struct rt_tensor){key, {1, {(int64_t)count}}, NULL};
	out->data = rt_graph_alloc(r->root, rt_tensor_bytes(out));
	if (out->data == NULL)
		return rt_onnx_no_memory(r);
	ints = out->data;
	strings = out->data;
	while (status == 0 && (status = rt_wire_next(&again, &f, r->err)) > 0) {
		status = 0;
		if (key == RT_STR && f.number == STRING_KEYS)
			status = rt_wire_string(&f, strings++, r->err);
		else if (key == RT_I64 && f.number == KEYS)
			status = rt_wire_values(&f, RT_WIRE_VARINT, put_key, &ints, r->err);
	}
	return status;
}

/* Values are a sequence of one tensor each, or of one tensor for all. */
static int map_values(struct rt_onnx_reader *r, struct rt_wire w, enum rt_dtype elem, int64_t count,
		      struct rt_tensor *out)
{
	struct rt_tensor all = {.data = NULL};
	const struct rt_list *l;
	struct rt_wire sub;
	struct rt_field f;
	size_t size = rt_dtype_bits(elem) / 8;
	int status;
	char *to;

	*out = (struct rt_tensor){elem, {1, {count}}, NULL};
	to = out->data = rt_graph_alloc(r->root, rt_tensor_bytes(out));
	if (to == NULL)
		return rt_onnx_no_memory(r);
	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number != VALUES)
			continue;
		status = rt_wire_enter(&w, &f, &sub, r->err);
		if (status == RT_OK)
			status = value(r, sub, rt_dtype_in(RT_SEQ, elem), &all);
		if (status < 0)
			return status;
	}
	l = all.data;
	for (int64_t i = 0; status == RT_OK && l != NULL && i < l->count; i++) {
		int64_t n = rt_tensor_elems(&l->items[i]);

		if (l->items[i].dtype != elem || n > count)
			return rt_error_set(r->err, RT_MALFORMED, "values of a map do not fit");
		if (n > 0)
			memcpy(to, l->items[i].data, (size_t)n * size);
		to += (size_t)n * size;
		count -= n;
	}
	if (status == RT_OK && count != 0)
		return rt_error_set(r->err, RT_MALFORMED, "a map has more keys than values");
	return status;
}

static int map(struct rt_onnx_reader *r, struct rt_wire w, enum rt_dtype dtype,
	       struct rt_tensor *out)
{
	enum rt_dtype key = ((unsigned)dtype & RT_MAP_STR) != 0 ? RT_STR : RT_I64;
	struct rt_tensor *items;
	int status;

	out->data = new_list(r, 2, &items);
	if (out->data == NULL)
		return RT_BUDGET;
	status = map_keys(r, w, key, &items[0]);
	return status < 0
		   ? status
		   : map_values(r, w, rt_dtype_elem(dtype), items[0].shape.dims[0], &items[1]);
}

/* ---- any of them ----------------------------------------------------------------------------- */

/* Recursion: as deep as the type, which rt_dtype_item makes smaller each time. */
static int value(struct rt_onnx_reader *r, struct rt_wire w, enum rt_dtype dtype,
		 struct rt_tensor *out)
{
	struct rt_str unused;
	int status;

	if (!rt_dtype_is_list(dtype)) {
		status = rt_onnx_tensor(r, w, &unused, out);
		if (status == RT_OK && out->dtype != dtype)
			return rt_error_set(r->err, RT_MALFORMED, "%s where %s should be",
					    rt_dtype_name(out->dtype), rt_dtype_name(dtype));
		return status;
	}
	*out = (struct rt_tensor){.dtype = dtype};
	return rt_dtype_item(dtype) != RT_NONE ? items_of(r, w, dtype, out) : map(r, w, dtype, out);
}

int rt_onnx_read_value(struct rt_bytes file, struct rt_graph *owner, enum rt_dtype dtype,
		       struct rt_tensor *out, struct rt_error *err)
{
	struct rt_onnx_reader r = {.root = owner, .err = err};

	return value(&r, rt_wire_open(file), dtype, out);
}
