/* SPDX-License-Identifier: MIT */
/*
 * chunk_border.c — where tensors begin in files of known formats, so that a
 * tensor that changed takes no neighbour along.  Called by chunk.c.  All of it
 * is guessed from bytes that nobody vouches for: it must read nothing outside
 * of the file, end in time proportional to what it reads, and it may be wrong;
 * then the chunks are cut elsewhere, and nothing else happens.
 *
 * Sources: safetensors' README (Format), GGUF's specification, onnx.proto
 * (ModelProto.graph 7, GraphProto.initializer 5, TensorProto.raw_data 9),
 * TensorFlow Lite's schema.fbs (Model.buffers, Buffer.data).
 */
#include <config.h>

#include "store/chunk.h"
#include "store/decimal.h"

#include <string.h>

#define HEADER_MAX UINT64_C(100000000) /* of safetensors, as its own readers have it */
#define GGUF_KEYS_MAX 65536u
#define STEPS_MAX (UINT64_C(1) << 22)

struct finder {
	const struct store_chunk_source *src;
	uint64_t *out;
	size_t room, count;
	uint64_t ready_from, ready_to; /* bytes that were asked for last */
	uint64_t steps;
	int status;
};

/* May [at, at + n) be read? */
static bool can(struct finder *f, uint64_t at, uint64_t n)
{
	const uint64_t ahead = 65536;
	uint64_t size = f->src->size, more;

	if (f->status != 0 || at > size || n > size - at || ++f->steps > STEPS_MAX)
		return false;
	if (f->src->ready == NULL || (at >= f->ready_from && at + n <= f->ready_to))
		return true;
	more = n < ahead ? (size - at < ahead ? size - at : ahead) : n;
	f->status = f->src->ready(f->src->arg, (size_t)at, (size_t)more);
	f->ready_from = at;
	f->ready_to = at + more;
	return f->status == 0;
}

/* ${n} bytes, little-endian; false outside of the file. */
static bool number(struct finder *f, uint64_t at, unsigned n, uint64_t *out)
{
	if (!can(f, at, n))
		return false;
	*out = 0;
	for (unsigned i = 0; i < n; i++)
		*out |= (uint64_t)f->src->data[at + i] << (8 * i);
	return true;
}

static void add(struct finder *f, uint64_t at)
{
	if (f->count < f->room && at > 0 && at < f->src->size)
		f->out[f->count++] = at;
}

/* ---- safetensors: length, JSON, data ----------------------------------------------------- */

static bool digits(const char **s, const char *end, uint64_t *out)
{
	while (*s < end && (**s == ' ' || **s == '[' || **s == ':' || **s == '"'))
		(*s)++;
	return store_decimal_read(s, end, out);
}

static bool safetensors(struct finder *f)
{
	static const char key[] = "\"data_offsets\"";
	const char *s, *end;
	uint64_t n, first, begin;

	if (!number(f, 0, 8, &n) || n < 2 || n > HEADER_MAX || !can(f, 8, n) ||
	    f->src->data[8] != '{')
		return false;
	s = (const char *)f->src->data + 8;
	end = s + n;
	begin = 8 + n;
	add(f, begin);
	while ((s = memmem(s, (size_t)(end - s), key, sizeof(key) - 1)) != NULL) {
		s += sizeof(key) - 1;
		if (digits(&s, end, &first) && first < f->src->size)
			add(f, begin + first);
	}
	return true;
}

/* ---- GGUF: keys and values, tensors, data ------------------------------------------------ */

static bool gguf_string(struct finder *f, uint64_t *at, uint64_t *ret_from, uint64_t *ret_n)
{
	if (!number(f, *at, 8, ret_n) || *ret_n > f->src->size)
		return false;
	*ret_from = *at + 8;
	*at = *ret_from + *ret_n;
	return *at <= f->src->size;
}

/* Bytes of a value's type; 0: a string, an array, or unknown. */
static unsigned gguf_width(uint64_t type)
{
	static const unsigned char width[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

	return type < sizeof(width) ? width[type] : 0;
}

/* Move *at behind a value. */
static bool gguf_skip(struct finder *f, uint64_t type, uint64_t *at)
{
	uint64_t n = 1, from, length, bytes;

	if (type == 9) { /* an array; none of arrays */
		if (!number(f, *at, 4, &type) || !number(f, *at + 4, 8, &n) || type == 9)
			return false;
		*at += 12;
	}
	if (type == 8) {
		for (uint64_t i = 0; i < n; i++) {
			if (!gguf_string(f, at, &from, &length))
				return false;
		}
		return true;
	}
	if (gguf_width(type) == 0 || __builtin_mul_overflow(n, gguf_width(type), &bytes) ||
	    __builtin_add_overflow(*at, bytes, at))
		return false;
	return *at <= f->src->size;
}

static bool gguf_keys(struct finder *f, uint64_t keys, uint64_t *at, uint64_t *ret_align)
{
	static const char name[] = "general.alignment";
	uint64_t from, n, type;

	for (uint64_t i = 0; i < keys; i++) {
		if (!gguf_string(f, at, &from, &n) || !number(f, *at, 4, &type))
			return false;
		*at += 4;
		if (type == 4 && n == sizeof(name) - 1 && can(f, from, n) &&
		    memcmp(f->src->data + from, name, n) == 0 && !number(f, *at, 4, ret_align))
			return false;
		if (!gguf_skip(f, type, at))
			return false;
	}
	return true;
}

static bool gguf(struct finder *f)
{
	uint64_t magic, tensors, keys, at = 24, align = 32, from, n, dims, offset;

	if (!number(f, 0, 4, &magic) || magic != 0x46554747u || !number(f, 8, 8, &tensors) ||
	    !number(f, 16, 8, &keys))
		return false;
	if (tensors > f->room || keys > GGUF_KEYS_MAX || !gguf_keys(f, keys, &at, &align) ||
	    align == 0 || align > 65536)
		return true;
	for (uint64_t i = 0; i < tensors; i++) {
		if (!gguf_string(f, &at, &from, &n) || !number(f, at, 4, &dims) || dims > 8 ||
		    !number(f, at + 4 + 8 * dims + 4, 8, &offset) || offset > f->src->size) {
			f->count = 0;
			return true;
		}
		at += 4 + 8 * dims + 12;
		f->out[f->count++] = offset; /* still without where the data begin */
	}
	from = (at + align - 1) / align * align;
	for (size_t i = 0; i < f->count; i++)
		f->out[i] += from;
	return true;
}

/* ---- ONNX: protobuf ----------------------------------------------------------------------- */

static bool varint(struct finder *f, uint64_t *at, uint64_t end, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
		unsigned char byte;

		if (!can(f, *at, 1))
			return false;
		byte = f->src->data[(*at)++];
		*out |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return true;
	}
	return false;
}

/* The next field of a message; *ret_n bytes from *ret_from where it has a length. */
static bool field(struct finder *f, uint64_t *at, uint64_t end, uint64_t *ret_number,
		  uint64_t *ret_from, uint64_t *ret_n)
{
	uint64_t tag;

	if (*at >= end || !varint(f, at, end, &tag))
		return false;
	*ret_number = tag >> 3;
	*ret_n = 0;
	switch (tag & 7) {
	case 0:
		*ret_number = 0; /* not one that is looked for */
		return varint(f, at, end, ret_n);
	case 1:
	case 5:
		*ret_number = 0;
		*at += (tag & 7) == 1 ? 8 : 4;
		return *at <= end;
	case 2:
		if (!varint(f, at, end, ret_n) || *ret_n > end - *at)
			return false;
		*ret_from = *at;
		*at += *ret_n;
		return true;
	default:
		return false;
	}
}

static void onnx_tensor(struct finder *f, uint64_t at, uint64_t end)
{
	uint64_t which, from, n;

	while (field(f, &at, end, &which, &from, &n)) {
		if (which == 9 && n >= STORE_CHUNK_MIN) {
			add(f, from);
			return;
		}
	}
}

static bool onnx(struct finder *f)
{
	uint64_t at = 0, which, from, n, inner, inner_from, inner_n;

	if (f->src->size < 16 || !can(f, 0, 1) || f->src->data[0] != 0x08) /* ir_version */
		return false;
	while (field(f, &at, f->src->size, &which, &from, &n)) {
		uint64_t end = which == 7 ? from + n : 0;

		while (which == 7 && field(f, &from, end, &inner, &inner_from, &inner_n)) {
			if (inner == 5 && inner_n >= STORE_CHUNK_MIN) {
				onnx_tensor(f, inner_from, inner_from + inner_n);
				add(f, inner_from + inner_n);
			}
		}
	}
	return f->count > 0;
}

/* ---- TensorFlow Lite: flatbuffers ----------------------------------------------------------- */

/* Where field ${index} of the table at ${table} is; 0: it has none. */
static uint64_t slot(struct finder *f, uint64_t table, unsigned index)
{
	uint64_t back, vtable, bytes, offset;

	if (!number(f, table, 4, &back))
		return 0;
	/* signed: the table may be on either side of the field list */
	vtable = table - (uint64_t)(int64_t)(int32_t)(uint32_t)back;
	if (!number(f, vtable, 2, &bytes) || bytes < 4 + 2 * (uint64_t)index + 2 ||
	    !number(f, vtable + 4 + 2 * (uint64_t)index, 2, &offset) || offset == 0)
		return 0;
	return table + offset;
}

/* Follow the offset at ${at}; 0: it leads nowhere. */
static uint64_t follow(struct finder *f, uint64_t at)
{
	uint64_t offset;

	if (at == 0 || !number(f, at, 4, &offset) || offset == 0 || offset > f->src->size - at)
		return 0;
	return at + offset;
}

static bool tflite(struct finder *f)
{
	uint64_t root, list, count, n, data;

	if (!can(f, 0, 8) || memcmp(f->src->data + 4, "TFL3", 4) != 0)
		return false;
	if (!number(f, 0, 4, &root))
		return true;
	list = follow(f, slot(f, root, 4));
	if (list == 0 || !number(f, list, 4, &count) || count > f->room)
		return true;
	for (uint64_t i = 0; i < count; i++) {
		data = follow(f, slot(f, follow(f, list + 4 + 4 * i), 0));
		if (data != 0 && number(f, data, 4, &n) && n >= STORE_CHUNK_MIN)
			add(f, data + 4);
	}
	return true;
}

int store_chunk_border_find(const struct store_chunk_source *src, uint64_t *out, size_t room,
			    size_t *ret_count)
{
	struct finder f = {.src = src, .out = out, .room = room};

	if (!tflite(&f) && !gguf(&f) && !safetensors(&f))
		(void)onnx(&f);
	*ret_count = f.count;
	return f.status;
}
