/* SPDX-License-Identifier: MIT */
/*
 * pack.c — see pack.h.  Called while a model is bound, and once afterwards by whoever
 * keeps its image.  Must never trust a number of an image before it is checked.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/pack.h"

#define ALIGN 64
#define LANES 8
#define STRIDE ((size_t)64 << 10)
#define PIECE ((size_t)256)

static const char magic[8] = "rtPACK\x01\n";

struct head {
	char magic[8];
	uint32_t version, count;
	uint64_t size; /* of the whole image */
	uint8_t key[RT_PACKED_KEY];
	char program[32];
	uint64_t kernels; /* which ones it was packed for */
	uint64_t sum;     /* of head and table, this field 0 */
};
struct row {
	uint64_t node, offset, size, sum;
};

static size_t up(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* Of every bit and its place. */
static uint64_t sum_of(const void *data, size_t size)
{
	uint64_t a[LANES], b[LANES] = {0}, w[LANES], sum = size;
	const char *p = data;

	for (int i = 0; i < LANES; i++)
		a[i] = (uint64_t)i + 1;
	for (; size >= sizeof(w); size -= sizeof(w), p += sizeof(w)) {
		memcpy(w, p, sizeof(w));
		for (int i = 0; i < LANES; i++) {
			a[i] += w[i];
			b[i] += a[i];
		}
	}
	memset(w, 0, sizeof(w));
	memcpy(w, p, size);
	for (int i = 0; i < LANES; i++) {
		a[i] += w[i];
		b[i] += a[i];
		sum = (sum ^ a[i]) * UINT64_C(0x9e3779b97f4a7c15);
		sum = (sum ^ sum >> 29 ^ b[i]) * UINT64_C(0xbf58476d1ce4e5b9);
	}
	return sum ^ sum >> 32;
}

/*
 * Of a block: pieces of it, one of every STRIDE bytes, the last ones too.  That tells a block
 * that is torn, zeroed or of something else, at a price that does not grow into that of
 * reading it; single bits are found by whoever keeps the image and its digest.
 */
static uint64_t sum_of_block(const void *data, size_t size)
{
	const char *p = data;
	uint64_t sum = size;

	for (size_t at = 0; size > PIECE && at < size - PIECE; at += STRIDE)
		sum = sum * UINT64_C(0x9e3779b97f4a7c15) ^ sum_of(p + at, PIECE);
	p += size > PIECE ? size - PIECE : 0;
	return sum * UINT64_C(0x9e3779b97f4a7c15) ^ sum_of(p, size > PIECE ? PIECE : size);
}

static uint64_t sum_of_head(const struct head *h, const struct row *rows)
{
	struct head copy = *h;
	uint64_t sums[2];

	copy.sum = 0;
	sums[0] = sum_of(&copy, sizeof(copy));
	sums[1] = sum_of(rows, h->count * sizeof(*rows));
	return sum_of(sums, sizeof(sums));
}

static void fill_head(struct head *h, const struct rt_kernels *kernels,
		      const uint8_t key[RT_PACKED_KEY])
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, magic, sizeof(magic));
	h->version = RT_PACK_VERSION;
	memcpy(h->key, key, sizeof(h->key));
	_Static_assert(sizeof(PACKAGE_VERSION) <= sizeof(h->program), "no room for the version");
	memcpy(h->program, PACKAGE_VERSION, sizeof(PACKAGE_VERSION));
	h->kernels = rt_kernels_mark(kernels);
}

bool rt_pack_use(struct rt_pack *p, const struct rt_kernels *kernels,
		 const struct rt_packed *packed)
{
	const char *image = packed->image.data;
	const size_t size = packed->image.size;
	struct head want, have;
	const struct row *rows;

	if (image == NULL || size < sizeof(have) || ((uintptr_t)image & (ALIGN - 1)) != 0)
		return false;
	memcpy(&have, image, sizeof(have));
	fill_head(&want, kernels, packed->key);
	want.count = have.count;
	want.size = size;
	want.sum = have.sum;
	if (memcmp(&want, &have, sizeof(have)) != 0 ||
	    (size - sizeof(have)) / sizeof(*rows) < have.count)
		return false;
	rows = (const struct row *)(const void *)(image + sizeof(have));
	if (sum_of_head(&have, rows) != have.sum)
		return false;
	for (size_t i = 0; i < have.count; i++)
		if (rows[i].offset > size || rows[i].size > size - rows[i].offset ||
		    rows[i].offset % ALIGN != 0)
			return false;
	p->image = image;
	p->image_count = have.count;
	return true;
}

/* The block of the image that is next, if it is the one that is asked for. */
static const void *from_image(struct rt_pack *p, size_t bytes)
{
	const struct row *row;

	if (p->image == NULL || p->count >= p->image_count)
		return NULL;
	row = (const struct row *)(const void *)(p->image + sizeof(struct head)) + p->count;
	if (row->node != p->node || row->size != bytes ||
	    sum_of_block(p->image + row->offset, bytes) != row->sum)
		return NULL;
	return p->image + row->offset;
}

static void remember(struct rt_pack *p, const void *data, size_t size)
{
	struct rt_pack_block *bigger;

	if (p->count == p->cap) {
		p->cap = p->cap == 0 ? 64 : p->cap * 2;
		bigger = realloc(p->blocks, p->cap * sizeof(*bigger));
		if (bigger == NULL) {
			p->cap = p->count;
			p->incomplete = true;
			return;
		}
		p->blocks = bigger;
	}
	p->blocks[p->count++] = (struct rt_pack_block){data, size, p->node};
}

const void *rt_pack_take(struct rt_pack *p, struct rt_memory *memory, size_t bytes, void **ret_fill)
{
	const void *data = p->incomplete ? NULL : from_image(p, bytes);

	*ret_fill = NULL;
	if (data == NULL) {
		data = *ret_fill = rt_memory_take(memory, bytes, ALIGN);
		p->made++;
	}
	if (data != NULL && !p->incomplete)
		remember(p, data, bytes);
	return data;
}

int rt_pack_parts(const struct rt_pack *p, const struct rt_kernels *kernels,
		  const uint8_t key[RT_PACKED_KEY], struct rt_packed_parts *out)
{
	static const _Alignas(ALIGN) char nothing[ALIGN];
	const size_t count = p->count;
	size_t table = sizeof(struct head) + count * sizeof(struct row), at = up(table);
	struct rt_bytes *parts;
	struct head *h;
	struct row *rows;

	memset(out, 0, sizeof(*out));
	if (p->incomplete || p->made == 0 || count > UINT32_MAX / sizeof(*rows))
		return RT_OK;
	h = calloc(1, at);
	parts = calloc(1 + 2 * count, sizeof(*parts));
	if (h == NULL || parts == NULL) {
		free(h);
		free(parts);
		return RT_MEMORY;
	}
	fill_head(h, kernels, key);
	rows = (struct row *)(void *)((char *)h + sizeof(*h));
	parts[0] = (struct rt_bytes){h, at};
	for (size_t i = 0; i < count; i++) {
		const struct rt_pack_block *b = &p->blocks[i];

		rows[i] = (struct row){b->node, at, b->size, sum_of_block(b->data, b->size)};
		parts[1 + 2 * i] = (struct rt_bytes){b->data, b->size};
		parts[2 + 2 * i] = (struct rt_bytes){nothing, up(b->size) - b->size};
		at += up(b->size);
	}
	h->count = (uint32_t)count;
	h->size = at;
	h->sum = sum_of_head(h, rows);
	*out =
	    (struct rt_packed_parts){.parts = parts, .count = 1 + 2 * count, .size = at, .head = h};
	return RT_OK;
}

void rt_packed_parts_release(struct rt_packed_parts *parts)
{
	free(parts->head);
	free(parts->parts);
	memset(parts, 0, sizeof(*parts));
}

void rt_pack_release(struct rt_pack *p)
{
	free(p->blocks);
	memset(p, 0, sizeof(*p));
}
