/* SPDX-License-Identifier: MIT */
/*
 * wire.c — protobuf bytes, field by field.  Groups (wire types 3 and 4) are
 * refused: no format that larder reads has them.
 */
#include <config.h>

#include <string.h>

#include "runtime/wire.h"

static size_t offset_of(const struct rt_wire *w)
{
	return (size_t)(w->at - w->origin);
}

/* A varint of at most ten bytes at ${*at}. */
static bool varint(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
	const uint8_t *p = *at;
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (p == end)
			return false;
		v |= (uint64_t)(*p & 0x7f) << shift;
		if ((*p++ & 0x80) == 0) {
			if (shift == 63 && p[-1] > 1)
				return false;
			*at = p;
			*out = v;
			return true;
		}
	}
	return false;
}

/* ${size} = 4 or 8 bytes, little endian. */
static bool fixed(const uint8_t **at, const uint8_t *end, size_t size, uint64_t *out)
{
	uint64_t v = 0;

	if ((size_t)(end - *at) < size)
		return false;
	for (size_t i = 0; i < size; i++)
		v |= (uint64_t)(*at)[i] << (8 * i);
	*at += size;
	*out = v;
	return true;
}

/* One element of type ${t}. */
static bool element(const uint8_t **at, const uint8_t *end, enum rt_wire_type t, uint64_t *out)
{
	switch (t) {
	case RT_WIRE_VARINT:
		return varint(at, end, out);
	case RT_WIRE_FIXED64:
		return fixed(at, end, 8, out);
	case RT_WIRE_FIXED32:
		return fixed(at, end, 4, out);
	case RT_WIRE_BYTES:
	default:
		return false;
	}
}

struct rt_wire rt_wire_open(struct rt_bytes bytes)
{
	const uint8_t *data = bytes.data;

	if (bytes.size == 0) { /* no arithmetic on a NULL */
		static const uint8_t nothing[1];

		data = nothing;
	}
	return (struct rt_wire){.at = data, .end = data + bytes.size, .origin = data};
}

int rt_wire_next(struct rt_wire *w, struct rt_field *f, struct rt_error *err)
{
	uint64_t key, len;

	if (w->at == w->end)
		return 0;
	f->offset = offset_of(w);
	f->value = 0;
	f->bytes = (struct rt_bytes){NULL, 0};
	if (!varint(&w->at, w->end, &key))
		return rt_error_set(err, RT_MALFORMED, "byte %zu: not a field key", f->offset);
	if (key >> 3 == 0 || key >> 3 > 0x1fffffff)
		return rt_error_set(err, RT_MALFORMED, "byte %zu: field number %llu", f->offset,
				    (unsigned long long)(key >> 3));
	f->number = (uint32_t)(key >> 3);
	f->type = (enum rt_wire_type)(key & 7);
	switch ((unsigned)f->type) {
	case RT_WIRE_VARINT:
	case RT_WIRE_FIXED64:
	case RT_WIRE_FIXED32:
		if (element(&w->at, w->end, f->type, &f->value))
			return 1;
		break;
	case RT_WIRE_BYTES:
		if (!varint(&w->at, w->end, &len) || len > (size_t)(w->end - w->at))
			break;
		f->bytes = (struct rt_bytes){w->at, (size_t)len};
		w->at += len;
		return 1;
	default:
		return rt_error_set(err, RT_MALFORMED, "byte %zu: wire type %u", f->offset,
				    (unsigned)f->type);
	}
	return rt_error_set(err, RT_MALFORMED, "byte %zu: field %u ends beyond its message",
			    f->offset, f->number);
}

static int wrong_type(const struct rt_field *f, const char *expected, struct rt_error *err)
{
	return rt_error_set(err, RT_MALFORMED, "byte %zu: field %u is not %s", f->offset, f->number,
			    expected);
}

int rt_wire_enter(const struct rt_wire *w, const struct rt_field *f, struct rt_wire *out,
		  struct rt_error *err)
{
	const uint8_t *data = f->bytes.data;

	if (f->type != RT_WIRE_BYTES)
		return wrong_type(f, "a message", err);
	if (w->depth + 1 > RT_WIRE_DEPTH_MAX)
		return rt_error_set(err, RT_MALFORMED, "byte %zu: nested deeper than %d", f->offset,
				    RT_WIRE_DEPTH_MAX);
	*out = (struct rt_wire){data, data + f->bytes.size, w->origin, w->depth + 1};
	return RT_OK;
}

int rt_wire_string(const struct rt_field *f, struct rt_str *out, struct rt_error *err)
{
	if (f->type != RT_WIRE_BYTES)
		return wrong_type(f, "a string", err);
	*out = (struct rt_str){f->bytes.data, f->bytes.size};
	return RT_OK;
}

int rt_wire_int(const struct rt_field *f, int64_t *out, struct rt_error *err)
{
	if (f->type != RT_WIRE_VARINT)
		return wrong_type(f, "an integer", err);
	*out = (int64_t)f->value;
	return RT_OK;
}

int rt_wire_float(const struct rt_field *f, float *out, struct rt_error *err)
{
	uint32_t bits = (uint32_t)f->value;

	if (f->type != RT_WIRE_FIXED32)
		return wrong_type(f, "a float", err);
	memcpy(out, &bits, sizeof(bits));
	return RT_OK;
}

int rt_wire_count(const struct rt_field *f, enum rt_wire_type want, size_t *count,
		  struct rt_error *err)
{
	const uint8_t *p = f->bytes.data;
	size_t width = want == RT_WIRE_FIXED64 ? 8 : 4;

	if (f->type == want) {
		*count += 1;
		return RT_OK;
	}
	if (f->type != RT_WIRE_BYTES)
		return wrong_type(f, "a list of numbers", err);
	if (want == RT_WIRE_VARINT) { /* each ends with a byte below 128 */
		for (size_t i = 0; i < f->bytes.size; i++)
			*count += p[i] < 0x80;
		return RT_OK;
	}
	if (f->bytes.size % width != 0)
		return wrong_type(f, "a list of whole numbers", err);
	*count += f->bytes.size / width;
	return RT_OK;
}

int rt_wire_values(const struct rt_field *f, enum rt_wire_type want, rt_wire_put_f *put, void *arg,
		   struct rt_error *err)
{
	const uint8_t *at = f->bytes.data, *end;
	uint64_t raw;

	if (f->type == want) {
		put(arg, f->value);
		return RT_OK;
	}
	if (f->type != RT_WIRE_BYTES)
		return wrong_type(f, "a list of numbers", err);
	end = at + f->bytes.size;
	while (at != end) {
		if (!element(&at, end, want, &raw))
			return rt_error_set(err, RT_MALFORMED,
					    "byte %zu: field %u holds a broken number", f->offset,
					    f->number);
		put(arg, raw);
	}
	return RT_OK;
}
