/* SPDX-License-Identifier: MIT */
/*
 * chunk.c — where a file is cut into chunks: by its content, so that bytes that
 * come before do not matter, and where tensors begin.  Called by chunk_list.c.
 * Two that cut the same file must cut it at the same places for ever: what is
 * here is version 1 (STORE_CHUNK_KIND) and never changes.
 *
 * The hash of the 64 bytes up to and including a byte is h = 2·h + gear[byte],
 * modulo 2^64, where gear[b] is the first eight bytes, little-endian, of the
 * SHA-256 of the one byte b.  There may be a cut after a byte where the upper 16
 * bits of h are 0: every 64 KiB, on average.
 *
 * The file is split at the borders of tensors, leaving out a border that is
 * nearer than STORE_CHUNK_MIN to the one before or to the end.  In each of
 * these parts a cut is taken when both what is before it, back to the last cut,
 * and what is left of the part have STORE_CHUNK_MIN; where STORE_CHUNK_MAX go by
 * without one, the cut is there, or STORE_CHUNK_MIN before the end of the part if
 * that comes first.
 *
 * Since the hash depends on 64 bytes only, four stretches are hashed at once:
 * one after the other would leave the processor waiting for each addition.
 */
#include <config.h>

#include "store/chunk.h"

#include <pthread.h>
#include <stdlib.h>

#define WINDOW 64u
#define STRIPS 4u
#define STRIP_BYTES ((size_t)16384)
#define BORDERS_MAX ((size_t)65536)
#define CUT_BELOW (UINT64_C(1) << 48)

static uint64_t gear[256];
static pthread_once_t gear_once = PTHREAD_ONCE_INIT;
static bool gear_good;

static void make_gear(void)
{
	for (unsigned i = 0; i < 256; i++) {
		unsigned char byte = (unsigned char)i;
		struct store_digest d;

		if (store_digest_of(&byte, 1, &d) != 0)
			return;
		for (unsigned k = 0; k < 8; k++)
			gear[i] |= (uint64_t)d.bytes[k] << (8 * k);
	}
	gear_good = true;
}

struct cutter {
	const struct store_chunk_source *src;
	store_chunk_f *fn;
	void *arg;
	size_t last, end; /* the last cut; the end of this part */
	uint16_t (*found)[STRIP_BYTES];
};

static int cut_at(struct cutter *c, size_t at)
{
	size_t from = c->last;

	c->last = at;
	return c->fn(c->arg, from, at - from);
}

/* No cut was found in STORE_CHUNK_MAX bytes. */
static int cut_blindly(struct cutter *c)
{
	size_t rest = c->end - c->last;

	return cut_at(c, rest - STORE_CHUNK_MAX < STORE_CHUNK_MIN ? c->end - STORE_CHUNK_MIN
								  : c->last + STORE_CHUNK_MAX);
}

/* The content allows a cut at ${at}. */
static int offer(struct cutter *c, size_t at)
{
	int status = 0;

	while (status == 0 && at - c->last > STORE_CHUNK_MAX)
		status = cut_blindly(c);
	if (status == 0 && at > c->last && at - c->last >= STORE_CHUNK_MIN &&
	    c->end - at >= STORE_CHUNK_MIN)
		status = cut_at(c, at);
	return status;
}

static uint64_t warm(const unsigned char *before)
{
	uint64_t h = 0;

	for (unsigned i = 0; i < WINDOW; i++)
		h = (h << 1) + gear[before[i]];
	return h;
}

/* All allowed cuts in STRIPS strips that begin at ${at}. */
static int scan_strips(struct cutter *c, size_t at)
{
	const unsigned char *p0 = c->src->data + at, *p1 = p0 + STRIP_BYTES;
	const unsigned char *p2 = p1 + STRIP_BYTES, *p3 = p2 + STRIP_BYTES;
	uint64_t h0 = warm(p0 - WINDOW), h1 = warm(p1 - WINDOW);
	uint64_t h2 = warm(p2 - WINDOW), h3 = warm(p3 - WINDOW);
	size_t n[STRIPS] = {0};
	int status = 0;

	for (size_t i = 0; i < STRIP_BYTES; i++) {
		h0 = (h0 << 1) + gear[p0[i]];
		h1 = (h1 << 1) + gear[p1[i]];
		h2 = (h2 << 1) + gear[p2[i]];
		h3 = (h3 << 1) + gear[p3[i]];
		if (__builtin_expect(h0 < CUT_BELOW, 0))
			c->found[0][n[0]++] = (uint16_t)i;
		if (__builtin_expect(h1 < CUT_BELOW, 0))
			c->found[1][n[1]++] = (uint16_t)i;
		if (__builtin_expect(h2 < CUT_BELOW, 0))
			c->found[2][n[2]++] = (uint16_t)i;
		if (__builtin_expect(h3 < CUT_BELOW, 0))
			c->found[3][n[3]++] = (uint16_t)i;
	}
	for (unsigned s = 0; s < STRIPS && status == 0; s++) {
		for (size_t i = 0; i < n[s] && status == 0; i++)
			status = offer(c, at + s * STRIP_BYTES + c->found[s][i] + 1);
	}
	return status;
}

/* The same for the few bytes that are left. */
static int scan_rest(struct cutter *c, size_t at, size_t end)
{
	const unsigned char *p = c->src->data;
	uint64_t h = warm(p + at - WINDOW);
	int status = 0;

	for (; at < end && status == 0; at++) {
		h = (h << 1) + gear[p[at]];
		if (h < CUT_BELOW)
			status = offer(c, at + 1);
	}
	return status;
}

static int ready(const struct store_chunk_source *src, size_t offset, size_t size)
{
	return src->ready == NULL ? 0 : src->ready(src->arg, offset, size);
}

/* One part: [begin, end). */
static int cut_part(struct cutter *c, size_t begin, size_t end)
{
	const size_t block = STRIPS * STRIP_BYTES;
	size_t at = begin + STORE_CHUNK_MIN - 1;
	int status = 0;

	c->last = begin;
	c->end = end;
	if (end - begin < STORE_CHUNK_MIN * 2)
		at = end;
	else
		status = ready(c->src, begin, STORE_CHUNK_MIN);
	while (status == 0 && at < end) {
		size_t n = end - at < block ? end - at : block;

		status = ready(c->src, at - WINDOW, n + WINDOW);
		if (status == 0)
			status = n == block ? scan_strips(c, at) : scan_rest(c, at, at + n);
		at += n;
	}
	while (status == 0 && end - c->last > STORE_CHUNK_MAX)
		status = cut_blindly(c);
	if (status == 0 && end > c->last)
		status = ready(c->src, c->last, end - c->last);
	if (status == 0 && end > c->last)
		status = cut_at(c, end);
	return status;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int store_chunk_cut(const struct store_chunk_source *src, store_chunk_f *fn, void *arg)
{
	struct cutter c = {.src = src, .fn = fn, .arg = arg};
	uint64_t *border = malloc(BORDERS_MAX * sizeof(*border));
	size_t count = 0, begin = 0;
	int status;

	(void)pthread_once(&gear_once, make_gear);
	c.found = malloc(STRIPS * sizeof(c.found[0]));
	status = border == NULL || c.found == NULL || !gear_good ? STORE_MEMORY : 0;
	if (status == 0)
		status = store_chunk_border_find(src, border, BORDERS_MAX, &count);
	if (status == 0)
		qsort(border, count, sizeof(border[0]), by_number);
	for (size_t i = 0; i < count && status == 0; i++) {
		if (border[i] > src->size || border[i] < begin ||
		    border[i] - begin < STORE_CHUNK_MIN || src->size - border[i] < STORE_CHUNK_MIN)
			continue;
		status = cut_part(&c, begin, (size_t)border[i]);
		begin = (size_t)border[i];
	}
	if (status == 0 && src->size > begin)
		status = cut_part(&c, begin, src->size);
	free(border);
	free(c.found);
	return status;
}
