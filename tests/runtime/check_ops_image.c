/* SPDX-License-Identifier: MIT */
/*
 * ImageDecoder (ops/image_decoder.c, image_*.c): pictures written by hand in the formats that are
 * decoded here, whole and damaged.  What libraries decode is in the conformance suite.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"
#include "tests/lib/pbuild.h"
#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

enum { UINT8 = 2 };

/* A file under construction. */
struct bytes {
	uint8_t data[1024];
	size_t size;
};

static void put(struct bytes *b, const void *data, size_t size)
{
	ck_assert_uint_le(b->size + size, sizeof(b->data));
	memcpy(b->data + b->size, data, size);
	b->size += size;
}

static void text(struct bytes *b, const char *s)
{
	put(b, s, strlen(s));
}

/* ${count} bytes of a number, low first, or high first. */
static void little(struct bytes *b, uint32_t v, int count)
{
	for (int i = 0; i < count; i++)
		put(b, &(uint8_t){(uint8_t)(v >> 8 * i)}, 1);
}

static void big(struct bytes *b, uint32_t v, int count)
{
	for (int i = count - 1; i >= 0; i--)
		put(b, &(uint8_t){(uint8_t)(v >> 8 * i)}, 1);
}

/* ---- what a model makes of it ---------------------------------------------------------------- */

static void open_decoder(struct opened *o, const char *format)
{
	int64_t any[] = {-1};
	struct pbuild attrs = {0}, a = {0};

	pbuild_model(&o->m, 20);
	pbuild_input(&o->m, "x", UINT8, 1, any);
	pbuild_string(&a, 1, "pixel_format");
	pbuild_string(&a, 4, format);
	pbuild_int(&a, 20, 3);
	pbuild_message(&attrs, 5, &a);
	pbuild_node(&o->m, "ImageDecoder", "x", "y", &attrs);
	pbuild_output(&o->m, "y", UINT8);
	opened_open(o, NULL);
}

static struct rt_tensor decode(struct opened *o, const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size + 1); /* so that a sanitizer sees what is read beyond */
	struct rt_tensor in = {RT_U8, {1, {(int64_t)size}}, exact}, out;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, data, size);
	opened_run(o, &in, &out);
	free(exact);
	ck_assert_int_eq(out.shape.rank, 3);
	return out;
}

static void decodes_to(const struct bytes *b, int64_t height, int64_t width, const uint8_t *rgb)
{
	struct opened o = {.model = NULL};
	struct rt_tensor out;

	open_decoder(&o, "RGB");
	out = decode(&o, b->data, b->size);
	ck_assert_int_eq(out.shape.dims[0], height);
	ck_assert_int_eq(out.shape.dims[1], width);
	ck_assert_int_eq(out.shape.dims[2], 3);
	ck_assert_mem_eq(out.data, rgb, (size_t)(height * width * 3));
	/* Every beginning of it, and every byte changed: an empty picture or some picture. */
	for (size_t i = 0; i < b->size; i++)
		(void)decode(&o, b->data, i);
	for (size_t i = 0; i < b->size && i < 200; i++) {
		struct bytes bad = *b;

		bad.data[i] ^= 0xff;
		(void)decode(&o, bad.data, bad.size);
		bad.data[i] = 0x7f;
		(void)decode(&o, bad.data, bad.size);
	}
	opened_close(&o);
}

/* ---- BMP ------------------------------------------------------------------------------------- */

static void bmp_header(struct bytes *b, int32_t width, int32_t height, int bits, uint32_t how,
		       uint32_t colours, uint32_t extra)
{
	text(b, "BM");
	little(b, 0, 4);
	little(b, 0, 4);
	little(b, 54 + colours * 4 + extra, 4);
	little(b, 40, 4);
	little(b, (uint32_t)width, 4);
	little(b, (uint32_t)height, 4);
	little(b, 1, 2);
	little(b, (uint32_t)bits, 2);
	little(b, how, 4);
	for (int i = 0; i < 3; i++)
		little(b, 0, 4);
	little(b, colours, 4);
	little(b, 0, 4);
}

static const uint8_t four_pixels[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30};

/* Rows from below, each filled up to four bytes; or from above. */
START_TEST(bmp_24)
{
	static const uint8_t above[] = {0, 0, 255, 0, 255, 0, 0, 0};
	static const uint8_t below[] = {255, 0, 0, 30, 20, 10, 0, 0};
	struct bytes b = {.size = 0};

	bmp_header(&b, 2, _i ? -2 : 2, 24, 0, 0, 0);
	put(&b, _i ? above : below, 8);
	put(&b, _i ? below : above, 8);
	decodes_to(&b, 2, 2, four_pixels);
}
END_TEST

START_TEST(bmp_32_and_bit_fields)
{
	static const uint8_t rgb[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 130, 0};
	struct bytes b = {.size = 0};

	bmp_header(&b, 2, -2, 16, 3, 0, 12);
	little(&b, 0xf800, 4);
	little(&b, 0x07e0, 4);
	little(&b, 0x001f, 4);
	little(&b, 0xf800, 2);
	little(&b, 0x07e0, 2);
	little(&b, 0x001f, 2);
	little(&b, 0xfc00, 2); /* green 32 of 63: 129.5 */
	decodes_to(&b, 2, 2, rgb);
	b.size = 0;
	bmp_header(&b, 2, -2, 32, 0, 0, 0);
	for (int i = 0; i < 4; i++)
		little(&b,
		       (uint32_t)(four_pixels[3 * i] << 16 | four_pixels[3 * i + 1] << 8 |
				  four_pixels[3 * i + 2]),
		       4);
	decodes_to(&b, 2, 2, four_pixels);
}
END_TEST

START_TEST(bmp_with_a_palette)
{
	static const uint8_t rgb[] = {1, 2, 3, 4, 5, 6, 4, 5, 6, 1, 2, 3, 4, 5, 6};

	for (int bits = 1; bits <= 8; bits = bits == 1 ? 4 : bits * 2) {
		static const uint8_t rows[][5] = {{0x68}, {0x01, 0x10, 0x10}, {0, 1, 1, 0, 1}};
		struct bytes b = {.size = 0};

		bmp_header(&b, 5, 1, bits, 0, 2, 0);
		little(&b, 0x010203, 4);
		little(&b, 0x040506, 4);
		put(&b, rows[bits / 4], 5);
		little(&b, 0, 3);
		decodes_to(&b, 1, 5, rgb);
	}
}
END_TEST

/* ---- PNM ------------------------------------------------------------------------------------- */

START_TEST(pnm_of_every_kind)
{
	static const uint8_t bits[] = {0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0};
	static const uint8_t gray[] = {0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255};
	static const uint8_t raw_bits[] = {0x80, 0x40}, raw_gray[] = {0, 85, 170, 255};
	static const uint8_t wide[] = {0, 0, 0x55, 0x55, 0xaa, 0xaa, 0xff, 0xff};
	struct bytes b = {.size = 0};

	text(&b, "P1 # bits\n2 2\n10\n 01");
	decodes_to(&b, 2, 2, bits);
	b.size = 0;
	text(&b, "P2\n2 2 3\n0 1\n2 3\n");
	decodes_to(&b, 2, 2, gray);
	b.size = 0;
	text(&b, "P3 2 2 255 255 0 0 0 255 0 0 0 255 10 20 30");
	decodes_to(&b, 2, 2, four_pixels);
	b.size = 0;
	text(&b, "P4\n2 2\n");
	put(&b, raw_bits, 2);
	decodes_to(&b, 2, 2, bits);
	b.size = 0;
	text(&b, "P5\n2 2\n255\n");
	put(&b, raw_gray, 4);
	decodes_to(&b, 2, 2, gray);
	b.size = 0;
	text(&b, "P5\n2 2\n65535\n");
	put(&b, wide, 8);
	decodes_to(&b, 2, 2, gray);
	b.size = 0;
	text(&b, "P6\n2 2\n255\n");
	put(&b, four_pixels, 12);
	decodes_to(&b, 2, 2, four_pixels);
}
END_TEST

/* ---- TIFF ------------------------------------------------------------------------------------ */

struct entry {
	uint32_t tag, type, count, value;
};

/* Header, directory, then what ${data} holds, which begins at 8 + 2 + 12 · count + 4. */
static void tiff(struct bytes *b, bool is_big, const struct entry *entries, int count,
		 const void *data, size_t size)
{
	void (*number)(struct bytes *, uint32_t, int) = is_big ? big : little;

	b->size = 0;
	text(b, is_big ? "MM" : "II");
	number(b, 42, 2);
	number(b, 8, 4);
	number(b, (uint32_t)count, 2);
	for (int i = 0; i < count; i++) {
		number(b, entries[i].tag, 2);
		number(b, entries[i].type, 2);
		number(b, entries[i].count, 4);
		if (entries[i].type == 3 && entries[i].count == 1) {
			number(b, entries[i].value, 2);
			number(b, 0, 2);
		} else {
			number(b, entries[i].value, 4);
		}
	}
	number(b, 0, 4);
	put(b, data, size);
}

#define SHORT 3
#define LONG 4

START_TEST(tiff_rgb_in_both_orders)
{
	const struct entry entries[] = {
	    {256, SHORT, 1, 2}, {257, SHORT, 1, 2}, {258, SHORT, 1, 8},
	    {259, SHORT, 1, 1}, {262, SHORT, 1, 2}, {273, LONG, 1, 8 + 2 + 12 * 9 + 4},
	    {277, SHORT, 1, 3}, {278, LONG, 1, 2},  {279, LONG, 1, 12},
	};
	struct bytes b;

	tiff(&b, _i, entries, 9, four_pixels, 12);
	decodes_to(&b, 2, 2, four_pixels);
}
END_TEST

/* Grey, 0 is white, in PackBits: 3 times 0, then 85, 170 as they are, then 255. */
START_TEST(tiff_pack_bits)
{
	static const uint8_t packed[] = {0xfe, 0, 0x80, 0x02, 85, 170, 255};
	static const uint8_t rgb[] = {255, 255, 255, 255, 255, 255, 255, 255, 255,
				      170, 170, 170, 85,  85,  85,  0,   0,   0};
	const struct entry entries[] = {
	    {256, SHORT, 1, 3}, {257, SHORT, 1, 2},
	    {258, SHORT, 1, 8}, {259, SHORT, 1, 32773},
	    {262, SHORT, 1, 0}, {273, LONG, 1, 8 + 2 + 12 * 8 + 4},
	    {278, LONG, 1, 2},  {279, LONG, 1, sizeof(packed)},
	};
	struct bytes b;

	tiff(&b, false, entries, 8, packed, sizeof(packed));
	decodes_to(&b, 2, 3, rgb);
}
END_TEST

/* A strip of its own for each of two rows; 4 bits with a palette. */
START_TEST(tiff_palette_and_strips)
{
	enum { AT = 8 + 2 + 12 * 8 + 4 };
	static const uint8_t rgb[] = {0, 0, 0, 17, 34, 51, 17, 34, 51, 0, 0, 0};
	const struct entry entries[] = {
	    {256, SHORT, 1, 2},     {257, SHORT, 1, 2},        {258, SHORT, 1, 4},
	    {262, SHORT, 1, 3},     {273, LONG, 2, AT},        {278, SHORT, 1, 1},
	    {279, LONG, 2, AT + 8}, {320, SHORT, 48, AT + 18},
	};
	struct bytes b, data = {.size = 0};

	little(&data, AT + 16, 4);
	little(&data, AT + 17, 4);
	little(&data, 1, 4);
	little(&data, 1, 4);
	little(&data, 0x0f, 1);
	little(&data, 0xf0, 1);
	for (int c = 0; c < 3; c++) {
		for (int i = 0; i < 16; i++)
			little(&data, i == 15 ? (uint32_t)(17 * (c + 1)) << 8 : 0, 2);
	}
	tiff(&b, false, entries, 8, data.data, data.size);
	decodes_to(&b, 2, 2, rgb);
}
END_TEST

/* ---- pixels, and what is no picture ---------------------------------------------------------- */

START_TEST(other_pixel_formats)
{
	static const uint8_t bgr[] = {0, 0, 255, 0, 255, 0, 255, 0, 0, 30, 20, 10};
	/* 0.299 R + 0.587 G + 0.114 B */
	static const uint8_t gray[] = {76, 150, 29, 18};
	struct bytes b = {.size = 0};
	struct opened o = {.model = NULL};
	struct rt_tensor out;

	text(&b, "P6\n2 2\n255\n");
	put(&b, four_pixels, 12);
	open_decoder(&o, "BGR");
	out = decode(&o, b.data, b.size);
	ck_assert_mem_eq(out.data, bgr, 12);
	opened_close(&o);
	open_decoder(&o, "Grayscale");
	out = decode(&o, b.data, b.size);
	ck_assert_int_eq(out.shape.dims[2], 1);
	ck_assert_mem_eq(out.data, gray, 4);
	out = decode(&o, (const uint8_t *)"no picture", 10);
	ck_assert_int_eq(out.shape.dims[0], 0);
	ck_assert_int_eq(out.shape.dims[1], 0);
	ck_assert_int_eq(out.shape.dims[2], 1);
	opened_close(&o);
}
END_TEST

/* Sides that the bytes cannot fill cost nothing; those that they can are paid for. */
START_TEST(large_sides)
{
	struct bytes b = {.size = 0};
	struct opened o = {.model = NULL};
	struct rt_tensor out;

	open_decoder(&o, "RGB");
	text(&b, "P6\n65535 65535\n255\n");
	out = decode(&o, b.data, b.size);
	ck_assert_int_eq(out.shape.dims[0], 0);
	b.size = 0;
	bmp_header(&b, INT32_MAX, INT32_MIN, 24, 0, 0, 0);
	out = decode(&o, b.data, b.size);
	ck_assert_int_eq(out.shape.dims[0], 0);
	ck_assert_uint_lt(rt_session_arena_bytes(o.session), 1 << 20);
	opened_close(&o);
}
END_TEST

Suite *check_runtime_ops_image(void)
{
	Suite *s = suite_create("runtime/ops/image");
	TCase *t = tcase_create("image");

	tcase_add_checked_fixture(t, opened_start, opened_stop);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, bmp_24, 0, 2);
	tcase_add_test(t, bmp_32_and_bit_fields);
	tcase_add_test(t, bmp_with_a_palette);
	tcase_add_test(t, pnm_of_every_kind);
	tcase_add_loop_test(t, tiff_rgb_in_both_orders, 0, 2);
	tcase_add_test(t, tiff_pack_bits);
	tcase_add_test(t, tiff_palette_and_strips);
	tcase_add_test(t, other_pixel_formats);
	tcase_add_test(t, large_sides);
	suite_add_tcase(s, t);
	return s;
}
