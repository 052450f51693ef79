/* SPDX-License-Identifier: MIT */
/*
 * image_tiff.c — TIFF 6.0, the first picture of a file: grey, palette or RGB of 1, 4, 8 or 16
 * bits in strips, not compressed or PackBits.  Tiles, LZW, JPEG in TIFF and CMYK are not
 * decoded.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/image.h"

enum { WHITE_IS_ZERO, BLACK_IS_ZERO, IS_RGB, IS_PALETTE };
enum { PLAIN = 1, PACK_BITS = 32773 };

struct tiff {
	const uint8_t *data;
	size_t size;
	bool big; /* MM */
	uint32_t width, height, bits, compression, photometric, samples, rows_per_strip, planar;
	size_t strips;                   /* how many */
	size_t offsets, counts, palette; /* where their entries in the directory are; 0: none */
};

static uint32_t get(const struct tiff *t, size_t at, unsigned bytes)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | t->data[at + (t->big ? i : bytes - 1 - i)];
	return v;
}

/* Value ${i} of the directory entry at ${entry}; false when there is none. */
static bool value(const struct tiff *t, size_t entry, size_t i, uint32_t *out)
{
	unsigned type = get(t, entry + 2, 2), bytes = type == 1 ? 1 : type == 3 ? 2 : 4;
	size_t count = get(t, entry + 4, 4), at = entry + 8;

	if ((type != 1 && type != 3 && type != 4) || i >= count)
		return false;
	if (count * bytes > 4)
		at = get(t, at, 4);
	if (at > t->size || (i + 1) * bytes > t->size - at)
		return false;
	*out = get(t, at + i * bytes, bytes);
	return true;
}

static bool take_entry(struct tiff *t, size_t entry)
{
	uint32_t other;

	switch (get(t, entry, 2)) {
	case 256:
		return value(t, entry, 0, &t->width);
	case 257:
		return value(t, entry, 0, &t->height);
	case 258:
		if (!value(t, entry, 0, &t->bits))
			return false;
		for (size_t i = 1; value(t, entry, i, &other); i++) {
			if (other != t->bits || i > 8)
				return false;
		}
		return true;
	case 259:
		return value(t, entry, 0, &t->compression);
	case 262:
		return value(t, entry, 0, &t->photometric);
	case 273:
		t->offsets = entry;
		t->strips = get(t, entry + 4, 4);
		return true;
	case 277:
		return value(t, entry, 0, &t->samples);
	case 278:
		return value(t, entry, 0, &t->rows_per_strip);
	case 279:
		t->counts = entry;
		return true;
	case 284:
		return value(t, entry, 0, &t->planar);
	case 320:
		t->palette = entry;
		return true;
	default:
		return true;
	}
}

static bool read_directory(struct tiff *t)
{
	size_t at, entries;

	if (t->size < 8)
		return false;
	t->big = t->data[0] == 'M';
	if (memcmp(t->data, t->big ? "MM" : "II", 2) != 0 || get(t, 2, 2) != 42)
		return false;
	at = get(t, 4, 4);
	if (at > t->size - 2)
		return false;
	entries = get(t, at, 2);
	at += 2;
	if (entries * 12 > t->size - at)
		return false;
	for (size_t i = 0; i < entries; i++, at += 12) {
		if (!take_entry(t, at))
			return false;
	}
	return true;
}

static bool can_decode(const struct tiff *t)
{
	uint32_t needed = t->photometric == IS_RGB ? 3 : 1;

	return t->offsets != 0 && t->counts != 0 && t->rows_per_strip > 0 && t->planar == 1 &&
	       (t->compression == PLAIN || t->compression == PACK_BITS) &&
	       t->photometric <= IS_PALETTE && t->samples >= needed && t->samples <= 8 &&
	       (t->bits == 8 || t->bits == 16 ||
		((t->bits == 1 || t->bits == 4) && t->samples == 1)) &&
	       (t->photometric != IS_PALETTE || (t->palette != 0 && t->bits <= 8)) &&
	       t->width > 0 && t->height > 0 && t->width <= RT_IMAGE_SIDE_MAX &&
	       t->height <= RT_IMAGE_SIDE_MAX;
}

/* ---- bytes of a strip ------------------------------------------------------------------------ */

struct strip {
	const uint8_t *at, *end;
	bool packed;
	int run; /* bytes left of a run: > 0 as they are, < 0 the same one again */
	uint8_t same;
};

/* The next byte; PackBits (TIFF 6.0 §9) on the way.  False at the end. */
static bool next_byte(struct strip *s, uint8_t *out)
{
	while (s->packed && s->run == 0) {
		if (s->at == s->end)
			return false;
		s->run = *s->at++;
		if (s->run < 128) {
			s->run++;
		} else if (s->run == 128) {
			s->run = 0; /* nothing */
		} else {
			s->run -= 257;
			if (s->at == s->end)
				return false;
			s->same = *s->at++;
		}
	}
	if (s->packed && s->run < 0) {
		s->run++;
		*out = s->same;
		return true;
	}
	if (s->at == s->end)
		return false;
	s->run -= s->packed;
	*out = *s->at++;
	return true;
}

static bool open_strip(const struct tiff *t, size_t i, struct strip *s)
{
	uint32_t offset, count;

	if (!value(t, t->offsets, i, &offset) || !value(t, t->counts, i, &count) ||
	    offset > t->size || count > t->size - offset)
		return false;
	*s = (struct strip){.at = t->data + offset,
			    .end = t->data + offset + count,
			    .packed = t->compression == PACK_BITS};
	return true;
}

/* ---- pixels ---------------------------------------------------------------------------------- */

/* One sample: its value, and stretched to 8 bits. */
static bool sample(const struct tiff *t, struct strip *s, size_t x, uint8_t *held, uint32_t *out)
{
	unsigned per_byte = t->bits < 8 ? 8 / t->bits : 1;
	uint8_t low = 0;

	if (x % per_byte == 0 && !next_byte(s, held))
		return false;
	if (t->bits < 8)
		*out = *held >> (8 - t->bits * (x % per_byte + 1)) & ((1u << t->bits) - 1);
	else
		*out = *held;
	if (t->bits == 16) { /* the high byte is all that 8 bits keep */
		if (!next_byte(s, &low))
			return false;
		*out = t->big ? *held : low;
	}
	return true;
}

static bool put_pixel(const struct tiff *t, const uint32_t *samples, uint8_t *out)
{
	uint32_t most = t->bits < 8 ? (1u << t->bits) - 1 : 255, v;

	for (size_t c = 0; c < 3; c++) {
		if (t->photometric == IS_PALETTE) {
			/* all reds, all greens, all blues, 16 bits each */
			if (!value(t, t->palette, samples[0] + (c << t->bits), &v))
				return false;
			out[c] = (uint8_t)(v >> 8);
			continue;
		}
		v = samples[t->photometric == IS_RGB ? c : 0] * 255 / most;
		out[c] = (uint8_t)(t->photometric == WHITE_IS_ZERO ? 255 - v : v);
	}
	return true;
}

static bool read_row(const struct tiff *t, struct strip *s, uint8_t *out)
{
	uint32_t samples[8] = {0};
	uint8_t held = 0;

	for (size_t x = 0; x < t->width; x++, out += 3) {
		for (size_t c = 0; c < t->samples; c++) {
			if (!sample(t, s, x, &held, &samples[c]))
				return false;
		}
		if (!put_pixel(t, samples, out))
			return false;
	}
	return true;
}

bool rt_image_tiff(struct rt_image *im)
{
	struct tiff t = {.data = im->data,
			 .size = im->size,
			 .bits = 1,
			 .compression = PLAIN,
			 .samples = 1,
			 .rows_per_strip = UINT32_MAX,
			 .planar = 1};
	struct strip s = {.at = NULL};

	if (!read_directory(&t) || !can_decode(&t))
		return false;
	/* PackBits makes at most 128 bytes of 2. */
	if ((size_t)t.width * t.height * t.samples / 8 > im->size * 64 ||
	    !rt_image_room(im, t.width, t.height))
		return false;
	for (size_t y = 0; y < t.height; y++) {
		if (y % t.rows_per_strip == 0 && !open_strip(&t, y / t.rows_per_strip, &s))
			return false;
		if (!read_row(&t, &s, im->rgb + y * t.width * 3))
			return false;
	}
	return true;
}
