/* SPDX-License-Identifier: MIT */
/*
 * mutate_onnx.c — mutations that know protobuf: one field somewhere in a model
 * gets another number, other bytes, or is left out or doubled, and the lengths
 * around it are set right.  For libFuzzer only (fuzz_onnx), which mixes these
 * with its own; attribute values, shapes and elements change this way while the
 * file stays whole.  FUZZ_ONNX=attributes, =shapes or =tensors in the environment:
 * these only, nothing else of the file.
 */
#include <config.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define NESTED 12
#define FIELDS 4096
#define CHANGE_MAX 256 /* bytes of a field that are changed as a whole */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

struct span {
	size_t begin, end;
};

/* What a message is, as far as ONNX says so (onnx.proto). */
enum kind { OTHER, MODEL, FUNCTION, GRAPH, NODE, ATTR, TENSOR, VALUE, TYPE, OF_TENSOR, SHAPE, DIM };
static const struct {
	enum kind of;
	unsigned number; /* field */
	enum kind is;
} inside[] = {
    {MODEL, 7, GRAPH},  {MODEL, 25, FUNCTION}, {FUNCTION, 7, NODE},  {GRAPH, 1, NODE},
    {GRAPH, 5, TENSOR}, {GRAPH, 11, VALUE},    {GRAPH, 12, VALUE},   {GRAPH, 13, VALUE},
    {VALUE, 2, TYPE},   {NODE, 5, ATTR},       {ATTR, 5, TENSOR},    {ATTR, 6, GRAPH},
    {ATTR, 10, TENSOR}, {ATTR, 11, GRAPH},     {TYPE, 1, OF_TENSOR}, {OF_TENSOR, 2, SHAPE},
    {SHAPE, 1, DIM},
};

/* A field, and the bodies it is in, outermost first. */
struct field {
	struct span all, value; /* value: without the key, and without its length */
	int wire;               /* protobuf wire type */
	unsigned number;        /* of the field */
	enum kind in, is;       /* what it is in, and what it is itself */
	bool of_attr;           /* somewhere in an attribute, but in no graph there */
	int depth;
	struct span around[NESTED]; /* their bodies */
	size_t length_at[NESTED];   /* where the lengths of those begin */
};

static bool varint(const uint8_t *d, size_t end, size_t *at, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
		uint8_t b = d[(*at)++];
		*out |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return true;
	}
	return false;
}

static size_t put_varint(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		to[n++] = (uint8_t)(v | 0x80);
	to[n++] = (uint8_t)v;
	return n;
}

/* The field at ${at} of the body that ends at ${end}; *length_at: where its length begins. */
static bool read_field(const uint8_t *d, size_t at, size_t end, struct field *f, size_t *length_at)
{
	uint64_t key, n;

	f->all.begin = at;
	if (!varint(d, end, &at, &key) || key >> 3 == 0 || key >> 3 > 4096)
		return false;
	f->wire = (int)(key & 7);
	f->number = (unsigned)(key >> 3);
	*length_at = f->value.begin = at;
	if (f->wire == 0 && !varint(d, end, &at, &n))
		return false;
	if (f->wire == 2) {
		if (!varint(d, end, &at, &n) || n > end - at)
			return false;
		f->value.begin = at;
		at += n;
	}
	if (f->wire == 1 || f->wire == 5)
		at += f->wire == 1 ? 8 : 4;
	f->all.end = f->value.end = at;
	return at <= end && (f->wire == 0 || f->wire == 1 || f->wire == 2 || f->wire == 5);
}

static bool is_message(const uint8_t *d, struct span body)
{
	struct field f;
	size_t length_at;

	if (body.begin == body.end)
		return false;
	for (size_t at = body.begin; at < body.end; at = f.all.end)
		if (!read_field(d, at, body.end, &f, &length_at))
			return false;
	return true;
}

/* What ${f} is, which is in ${in}. */
static void know(const struct field *in, struct field *f)
{
	f->in = in->is;
	f->is = OTHER;
	for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++)
		if (inside[i].of == in->is && inside[i].number == f->number)
			f->is = inside[i].is;
	f->of_attr = (in->is == ATTR || in->of_attr) && f->is != GRAPH;
}

/* Whether it is one of the fields that are to change. */
static bool is_wanted(const struct field *f)
{
	const char *only = getenv("FUZZ_ONNX");

	if (only == NULL)
		return true;
	if (strcmp(only, "attributes") == 0)
		return f->of_attr;
	if (strcmp(only, "shapes") == 0)
		return f->in == SHAPE || f->in == DIM || (f->in == TENSOR && f->number == 1);
	return f->in == TENSOR && f->number != 1;
}

/* All fields of all messages, in any order: one of them, each as likely as another. */
static bool choose(const uint8_t *d, size_t size, struct field *out)
{
	static struct field list[FIELDS];
	struct field root = {.value = {0, size}, .is = MODEL};
	size_t count = 0, wanted = 0, length_at;

	for (size_t next = 0; next <= count; next++) {
		const struct field in = next == 0 ? root : list[next - 1];
		size_t at = in.value.begin;
		if (next > 0 &&
		    (in.wire != 2 || in.depth + 1 >= NESTED || !is_message(d, in.value)))
			continue;
		while (at < in.value.end && count < FIELDS) {
			struct field *f = &list[count];
			memcpy(f->around, in.around, sizeof(in.around));
			memcpy(f->length_at, in.length_at, sizeof(in.length_at));
			f->depth = in.depth;
			if (!read_field(d, at, in.value.end, f, &length_at))
				break;
			at = f->all.end;
			know(&in, f);
			if (f->wire == 2) { /* what is inside has this one around it */
				f->around[f->depth] = f->value;
				f->length_at[f->depth] = length_at;
				f->depth++;
			}
			count++;
		}
	}
	for (size_t i = 0; i < count; i++)
		if (is_wanted(&list[i]) && (size_t)rand() % ++wanted == 0)
			*out = list[i];
	return wanted > 0;
}

static uint64_t a_number(void)
{
	static const uint64_t known[] = {0,          1,
					 2,          3,
					 7,          8,
					 16,         255,
					 1 << 16,    1u << 31,
					 INT64_MAX,  (uint64_t)INT64_MIN,
					 UINT64_MAX, UINT64_MAX - 1};

	if (rand() % 3 == 0)
		return (uint64_t)rand() % 24;
	return known[(size_t)rand() % (sizeof(known) / sizeof(*known))];
}

/* Replace ${old} by ${n} bytes; the lengths around, of the outermost ${depth}, are set right. */
static size_t splice(uint8_t *d, size_t size, size_t max, const struct field *f, int depth,
		     struct span old, const uint8_t *bytes, size_t n)
{
	static uint8_t made[1 << 20];
	size_t at = sizeof(made);

	if (n > sizeof(made) / 2 || size + n + 10 * NESTED > max || size > sizeof(made) / 4)
		return 0;
	at -= n;
	memcpy(made + at, bytes, n);
	for (int k = depth - 1; k >= 0; k--) { /* from the inside: made + at replaces ${old} */
		struct span body = f->around[k];
		uint8_t length[10];
		size_t digits, before = old.begin - body.begin, behind = body.end - old.end;
		n = sizeof(made) - at;
		memmove(made + at - behind, made + at, n);
		memcpy(made + sizeof(made) - behind, d + old.end, behind);
		at -= behind + before;
		memcpy(made + at, d + body.begin, before);
		digits = put_varint(length, sizeof(made) - at);
		at -= digits;
		memcpy(made + at, length, digits);
		old = (struct span){f->length_at[k], body.end};
	}
	n = sizeof(made) - at;
	if (size - (old.end - old.begin) + n > max)
		return 0;
	memmove(d + old.begin + n, d + old.end, size - old.end);
	memcpy(d + old.begin, made + at, n);
	return size - (old.end - old.begin) + n;
}

/* Another value for a field of the kinds that have no inside. */
static size_t change(uint8_t *d, size_t size, size_t max, const struct field *f)
{
	uint8_t bytes[2 * CHANGE_MAX + 10];
	size_t n = f->value.end - f->value.begin, digits;

	if (f->wire == 0) {
		digits = put_varint(bytes, a_number());
		return splice(d, size, max, f, f->depth, f->value, bytes, digits);
	}
	if (f->wire == 2 && n > CHANGE_MAX) { /* long ones in place */
		size_t at = f->value.begin + (size_t)rand() % n, room = f->value.end - at;
		room = room > 16 ? 16 : room;
		LLVMFuzzerMutate(d + at, room, room);
		return size;
	}
	if (f->wire != 2) {
		LLVMFuzzerMutate(d + f->value.begin, n, n);
		return size;
	}
	memcpy(bytes + 10, d + f->value.begin, n);
	n = LLVMFuzzerMutate(bytes + 10, n, 2 * CHANGE_MAX);
	digits = put_varint(bytes, n);
	memmove(bytes + digits, bytes + 10, n);
	return splice(d, size, max, f, f->depth - 1,
		      (struct span){f->length_at[f->depth - 1], f->value.end}, bytes, digits + n);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct field f;
	int outer;
	size_t n = 0;

	srand(seed);
	if ((rand() % 5 == 0 && getenv("FUZZ_ONNX") == NULL) || !choose(data, size, &f))
		return LLVMFuzzerMutate(data, size, max_size);
	outer = f.wire == 2 ? f.depth - 1 : f.depth;
	switch (rand() % 8) {
	case 0:
		n = splice(data, size, max_size, &f, outer, f.all, data, 0);
		break;
	case 1: /* once more, behind itself */
		n = splice(data, size, max_size, &f, outer, (struct span){f.all.end, f.all.end},
			   data + f.all.begin, f.all.end - f.all.begin);
		break;
	default:
		n = change(data, size, max_size, &f);
	}
	return n ? n : LLVMFuzzerMutate(data, size, max_size);
}
