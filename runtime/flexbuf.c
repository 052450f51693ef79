/* SPDX-License-Identifier: MIT */
/*
 * flexbuf.c — see flexbuf.h.  The root is at the end: its value, a byte with its
 * type, a byte with its width.  Offsets lead back to what they mean.
 */
#include <config.h>

#include <string.h>

#include "runtime/flexbuf.h"

/* Types of the format that a number can have, and maps. */
enum {
	FLEX_INT = 1,
	FLEX_UINT = 2,
	FLEX_FLOAT = 3,
	FLEX_INDIRECT_INT = 6,
	FLEX_INDIRECT_UINT = 7,
	FLEX_INDIRECT_FLOAT = 8,
	FLEX_MAP = 9,
	FLEX_BOOL = 26
};
#define KEYS_MAX 4096

struct map {
	size_t values, count, width;   /* values[count] of ${width} bytes, types behind them */
	size_t keys, key_width, types; /* offsets in the bytes */
};

static bool is_width(uint64_t w)
{
	return w == 1 || w == 2 || w == 4 || w == 8;
}

/* ${width} bytes at ${at}, little-endian; false when they are not all inside. */
static bool read_uint(struct rt_bytes b, size_t at, size_t width, uint64_t *out)
{
	const uint8_t *p = b.data;

	if (at > b.size || width > b.size - at)
		return false;
	*out = 0;
	for (size_t i = 0; i < width; i++)
		*out |= (uint64_t)p[at + i] << (8 * i);
	return true;
}

/* Where the offset at ${at} leads. */
static bool follow(struct rt_bytes b, size_t at, size_t width, size_t *out)
{
	uint64_t back;

	if (!read_uint(b, at, width, &back) || back > at)
		return false;
	*out = at - (size_t)back;
	return true;
}

static bool open_map(struct rt_bytes b, struct map *m)
{
	const uint8_t *p = b.data;
	uint64_t count, key_width;
	size_t root;

	if (b.size < 3 || !is_width(p[b.size - 1]) || (size_t)p[b.size - 1] + 2 > b.size)
		return false;
	root = b.size - 2 - p[b.size - 1];
	m->width = (size_t)1 << (p[b.size - 2] & 3);
	if (p[b.size - 2] >> 2 != FLEX_MAP || !follow(b, root, p[b.size - 1], &m->values) ||
	    m->values < 3 * m->width || !read_uint(b, m->values - m->width, m->width, &count) ||
	    !read_uint(b, m->values - 2 * m->width, m->width, &key_width) ||
	    !follow(b, m->values - 3 * m->width, m->width, &m->keys) || !is_width(key_width) ||
	    count > KEYS_MAX)
		return false;
	m->count = (size_t)count;
	m->key_width = (size_t)key_width;
	m->types = m->values + m->count * m->width;
	return m->types <= b.size && m->count <= b.size - m->types;
}

static bool is_key(struct rt_bytes b, const struct map *m, size_t i, const char *key)
{
	const size_t size = strlen(key) + 1;
	size_t at;

	return follow(b, m->keys + i * m->key_width, m->key_width, &at) && size <= b.size - at &&
	       memcmp((const uint8_t *)b.data + at, key, size) == 0;
}

static double real(uint64_t bits, size_t width, double otherwise)
{
	const uint32_t low = (uint32_t)bits;
	double wide;
	float narrow;

	memcpy(&wide, &bits, sizeof(wide));
	memcpy(&narrow, &low, sizeof(narrow));
	return width == 8 ? wide : width == 4 ? (double)narrow : otherwise;
}

static double number(struct rt_bytes b, size_t at, size_t width, int type, double otherwise)
{
	uint64_t bits;

	if (!read_uint(b, at, width, &bits))
		return otherwise;
	if (type == FLEX_FLOAT)
		return real(bits, width, otherwise);
	if (type == FLEX_INT) /* the sign is that of its own width */
		return (double)((int64_t)(bits << (64 - 8 * width)) >> (64 - 8 * width));
	return type == FLEX_UINT || type == FLEX_BOOL ? (double)bits : otherwise;
}

bool rt_flexbuf_is_map(struct rt_bytes b)
{
	struct map m;

	return open_map(b, &m);
}

double rt_flexbuf_number(struct rt_bytes b, const char *key, double otherwise)
{
	struct map m;
	size_t i = 0, at;
	int packed, type;

	if (!open_map(b, &m))
		return otherwise;
	while (i < m.count && !is_key(b, &m, i, key))
		i++;
	if (i == m.count)
		return otherwise;
	packed = ((const uint8_t *)b.data)[m.types + i];
	type = packed >> 2;
	at = m.values + i * m.width;
	if (type < FLEX_INDIRECT_INT || type > FLEX_INDIRECT_FLOAT)
		return number(b, at, m.width, type, otherwise);
	if (!follow(b, at, m.width, &at))
		return otherwise;
	return number(b, at, (size_t)1 << (packed & 3), type - FLEX_INDIRECT_INT + FLEX_INT,
		      otherwise);
}
