/* SPDX-License-Identifier: MIT */
/*
 * flatbuf.c — see flatbuf.h.  All numbers of the format are little-endian.  A
 * table begins with the distance back to its vtable; a vtable holds its own
 * size, the table's, and per field the distance into the table, 0 for none.
 * Called by tflite*.c; must never read beyond the bytes.
 */
#include <config.h>

#include <string.h>

#include "runtime/flatbuf.h"

struct rt_flatbuf rt_flatbuf_open(struct rt_bytes bytes, struct rt_error *err)
{
	return (struct rt_flatbuf){.data = bytes.data, .size = bytes.size, .err = err};
}

void rt_flatbuf_bad(struct rt_flatbuf *f, size_t at, const char *what)
{
	if (f->status == RT_OK)
		f->status =
		    rt_error_set(f->err, RT_MALFORMED, "at byte %zu of the file: %s", at, what);
}

static bool inside(struct rt_flatbuf *f, size_t at, size_t bytes, const char *what)
{
	if (f->status != RT_OK)
		return false;
	if (at <= f->size && bytes <= f->size - at)
		return true;
	rt_flatbuf_bad(f, at, what);
	return false;
}

/* ${size} ≤ 8 bytes at ${at}, which are in the file. */
static uint64_t number(const struct rt_flatbuf *f, size_t at, size_t size)
{
	uint64_t x = 0;

	for (size_t i = 0; i < size; i++)
		x |= (uint64_t)f->data[at + i] << (8 * i);
	return x;
}

static int64_t signed_number(const struct rt_flatbuf *f, size_t at, size_t size)
{
	const unsigned shift = 64 - 8 * (unsigned)size;

	return (int64_t)(number(f, at, size) << shift) >> shift;
}

/* What the offset at ${at} points to; 0 when it is not in the file. */
static size_t follow(struct rt_flatbuf *f, size_t at)
{
	uint64_t to;

	if (!inside(f, at, 4, "the file ends in an offset"))
		return 0;
	to = at + number(f, at, 4);
	if (to == at || to > f->size) {
		rt_flatbuf_bad(f, at, "an offset leaves the file");
		return 0;
	}
	return (size_t)to;
}

static struct rt_flatbuf_table open_table(struct rt_flatbuf *f, size_t at)
{
	const struct rt_flatbuf_table none = {0};
	struct rt_flatbuf_table t = {.at = at};
	int64_t vtable;
	size_t bytes;

	if (at == 0 || !inside(f, at, 4, "the file ends in a table"))
		return none;
	vtable = (int64_t)at - signed_number(f, at, 4);
	if (vtable < 0 || (uint64_t)vtable > f->size || f->size - (size_t)vtable < 4) {
		rt_flatbuf_bad(f, at, "the vtable is not in the file");
		return none;
	}
	t.vtable = (size_t)vtable;
	bytes = (size_t)number(f, t.vtable, 2);
	t.size = (size_t)number(f, t.vtable + 2, 2);
	if (bytes < 4 || bytes % 2 != 0 || t.size < 4) {
		rt_flatbuf_bad(f, t.vtable, "a vtable of an impossible size");
		return none;
	}
	if (!inside(f, t.vtable, bytes, "the file ends in a vtable") ||
	    !inside(f, at, t.size, "the file ends in a table"))
		return none;
	t.fields = (bytes - 4) / 2;
	return t;
}

struct rt_flatbuf_table rt_flatbuf_root(struct rt_flatbuf *f)
{
	return open_table(f, follow(f, 0));
}

/* Where a field of ${bytes} is; 0 when there is none. */
static size_t field_at(struct rt_flatbuf *f, const struct rt_flatbuf_table *t, unsigned field,
		       size_t bytes)
{
	size_t off;

	if (f->status != RT_OK || t->at == 0 || field >= t->fields)
		return 0;
	off = (size_t)number(f, t->vtable + 4 + 2 * (size_t)field, 2);
	if (off == 0)
		return 0;
	if (off < 4 || off > t->size || bytes > t->size - off) {
		rt_flatbuf_bad(f, t->vtable + 4 + 2 * (size_t)field,
			       "a field is outside its table");
		return 0;
	}
	return t->at + off;
}

bool rt_flatbuf_has(struct rt_flatbuf *f, const struct rt_flatbuf_table *t, unsigned field)
{
	return field_at(f, t, field, 1) != 0;
}

int64_t rt_flatbuf_int(struct rt_flatbuf *f, const struct rt_flatbuf_table *t, unsigned field,
		       size_t size, int64_t otherwise)
{
	const size_t at = field_at(f, t, field, size);

	return at != 0 ? signed_number(f, at, size) : otherwise;
}

uint64_t rt_flatbuf_uint(struct rt_flatbuf *f, const struct rt_flatbuf_table *t, unsigned field,
			 size_t size, uint64_t otherwise)
{
	const size_t at = field_at(f, t, field, size);

	return at != 0 ? number(f, at, size) : otherwise;
}

static float float_of(uint64_t bits)
{
	const uint32_t b = (uint32_t)bits;
	float x;

	memcpy(&x, &b, sizeof(x));
	return x;
}

float rt_flatbuf_float(struct rt_flatbuf *f, const struct rt_flatbuf_table *t, unsigned field,
		       float otherwise)
{
	const size_t at = field_at(f, t, field, 4);

	return at != 0 ? float_of(number(f, at, 4)) : otherwise;
}

struct rt_flatbuf_table rt_flatbuf_sub(struct rt_flatbuf *f, const struct rt_flatbuf_table *t,
				       unsigned field)
{
	const size_t at = field_at(f, t, field, 4);

	return at != 0 ? open_table(f, follow(f, at)) : (struct rt_flatbuf_table){0};
}

struct rt_flatbuf_vector rt_flatbuf_vector(struct rt_flatbuf *f, const struct rt_flatbuf_table *t,
					   unsigned field, size_t each)
{
	const struct rt_flatbuf_vector none = {.each = each};
	const size_t at = field_at(f, t, field, 4);
	const size_t to = at != 0 ? follow(f, at) : 0;
	struct rt_flatbuf_vector v = {.at = to + 4, .each = each};

	if (to == 0 || !inside(f, to, 4, "the file ends in a vector"))
		return none;
	v.count = (size_t)number(f, to, 4); /* 32 bits, times at most 8 */
	return inside(f, v.at, v.count * each, "the file ends in a vector") ? v : none;
}

struct rt_str rt_flatbuf_string(struct rt_flatbuf *f, const struct rt_flatbuf_table *t,
				unsigned field)
{
	const struct rt_flatbuf_vector v = rt_flatbuf_vector(f, t, field, 1);

	if (v.at == 0)
		return (struct rt_str){"", 0};
	return (struct rt_str){(const char *)f->data + v.at, v.count};
}

int64_t rt_flatbuf_int_at(const struct rt_flatbuf *f, const struct rt_flatbuf_vector *v, size_t i)
{
	must(i < v->count);
	return signed_number(f, v->at + i * v->each, v->each);
}

float rt_flatbuf_float_at(const struct rt_flatbuf *f, const struct rt_flatbuf_vector *v, size_t i)
{
	must(i < v->count && v->each == 4);
	return float_of(number(f, v->at + i * 4, 4));
}

struct rt_flatbuf_table rt_flatbuf_table_at(struct rt_flatbuf *f, const struct rt_flatbuf_vector *v,
					    size_t i)
{
	must(i < v->count && v->each == 4);
	return open_table(f, follow(f, v->at + i * 4));
}
