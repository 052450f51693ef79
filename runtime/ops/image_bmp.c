/* SPDX-License-Identifier: MIT */
/*
 * image_bmp.c — Windows bitmaps (BITMAPCOREHEADER, BITMAPINFOHEADER and later): 1, 4 and 8
 * bits with a palette, 16, 24 and 32 bits, bit fields; top-down too.  Run-length
 * encoded ones are not decoded.
 */
#include <config.h>

#include "runtime/ops/image.h"

enum { RGB_PLAIN = 0, BIT_FIELDS = 3, ALPHA_BIT_FIELDS = 6 };

struct bmp {
	size_t offset;  /* of the rows */
	size_t palette; /* where it begins */
	size_t entry;   /* bytes of one of its entries */
	size_t colours;
	size_t width, height;
	bool top_down;
	unsigned bits;
	uint32_t mask[3]; /* R, G, B of 16 and 32 bits */
};

static uint32_t u16(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
	return u16(p) | u16(p + 2) << 16;
}

static bool read_masks(const struct rt_image *im, size_t header, uint32_t how, struct bmp *b)
{
	static const uint32_t plain[2][3] = {{0x7c00, 0x3e0, 0x1f}, {0xff0000, 0xff00, 0xff}};

	for (int i = 0; i < 3; i++)
		b->mask[i] = plain[b->bits == 32][i];
	if (how == RGB_PLAIN)
		return true;
	if ((how != BIT_FIELDS && how != ALPHA_BIT_FIELDS) || (b->bits != 16 && b->bits != 32) ||
	    im->size < 14 + 40 + 12)
		return false;
	for (size_t i = 0; i < 3; i++)
		b->mask[i] = u32(im->data + 14 + 40 + 4 * i);
	if (header == 40)
		b->palette += 12;
	return true;
}

static bool read_header(const struct rt_image *im, struct bmp *b)
{
	const uint8_t *p = im->data;
	size_t header;
	int64_t height;

	if (im->size < 14 + 12 || p[0] != 'B' || p[1] != 'M')
		return false;
	b->offset = u32(p + 10);
	header = u32(p + 14);
	b->palette = 14 + header;
	if (header == 12) {
		b->width = u16(p + 18);
		b->height = u16(p + 20);
		b->bits = u16(p + 24);
		b->entry = 3;
		b->colours = b->bits <= 8 ? (size_t)1 << b->bits : 0;
		return read_masks(im, header, RGB_PLAIN, b);
	}
	if (header < 40 || im->size < 14 + 40)
		return false;
	b->width = u32(p + 18);
	height = (int32_t)u32(p + 22);
	b->top_down = height < 0;
	b->height = (size_t)(height < 0 ? -height : height);
	b->bits = u16(p + 28);
	b->entry = 4;
	b->colours = u32(p + 46);
	if (b->colours == 0 && b->bits <= 8)
		b->colours = (size_t)1 << b->bits;
	return read_masks(im, header, u32(p + 30), b);
}

/* A field of a pixel, stretched to 8 bits. */
static uint8_t field(uint32_t pixel, uint32_t mask)
{
	uint32_t most, value;
	int shift;

	if (mask == 0)
		return 0;
	shift = __builtin_ctz(mask);
	most = mask >> shift;
	value = (pixel & mask) >> shift;
	return (uint8_t)(((uint64_t)value * 255 + most / 2) / most);
}

static void palette_pixel(const struct rt_image *im, const struct bmp *b, size_t colour,
			  uint8_t *out)
{
	const uint8_t *entry = im->data + b->palette + colour * b->entry;

	for (int i = 0; i < 3 && colour < b->colours; i++)
		out[i] = entry[2 - i];
}

static void read_row(const struct rt_image *im, const struct bmp *b, const uint8_t *row,
		     uint8_t *out)
{
	for (size_t x = 0; x < b->width; x++, out += 3) {
		if (b->bits <= 8) {
			size_t bit = x * b->bits;
			unsigned shift = 8 - b->bits - (unsigned)(bit % 8);

			palette_pixel(im, b, row[bit / 8] >> shift & ((1u << b->bits) - 1), out);
		} else if (b->bits == 24) {
			for (int i = 0; i < 3; i++)
				out[i] = row[3 * x + (size_t)(2 - i)];
		} else {
			uint32_t pixel = b->bits == 16 ? u16(row + 2 * x) : u32(row + 4 * x);

			for (int i = 0; i < 3; i++)
				out[i] = field(pixel, b->mask[i]);
		}
	}
}

bool rt_image_bmp(struct rt_image *im)
{
	struct bmp b = {.offset = 0};
	size_t stride;

	if (!read_header(im, &b) ||
	    (b.bits != 1 && b.bits != 4 && b.bits != 8 && b.bits != 16 && b.bits != 24 &&
	     b.bits != 32) ||
	    b.width > RT_IMAGE_SIDE_MAX || b.height > RT_IMAGE_SIDE_MAX)
		return false;
	if (b.bits <= 8 &&
	    (b.palette > im->size || b.colours > 256 || b.colours * b.entry > im->size - b.palette))
		return false;
	stride = (b.width * b.bits + 31) / 32 * 4;
	if (b.offset > im->size || b.height * stride > im->size - b.offset)
		return false;
	if (!rt_image_room(im, b.width, b.height))
		return false;
	for (size_t y = 0; y < b.height; y++)
		read_row(im, &b, im->data + b.offset + y * stride,
			 im->rgb + (b.top_down ? y : b.height - 1 - y) * b.width * 3);
	return true;
}
