/* SPDX-License-Identifier: MIT */
/*
 * check_frame.c — frames to tensors (daemon/frame.c, resample.c, oip_frame.c).  What a
 * resize must give is computed here in doubles from the definition of the filter:
 * every output pixel from all input pixels.
 */
#include <config.h>

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/frame.h"
#include "daemon/oip.h"

Suite *check_frame(void);

static struct arena arena;
static struct fault fault;

static void setup(void)
{
	arena_init(&arena);
}

static void teardown(void)
{
	arena_release(&arena);
}

/* ---- resampling ------------------------------------------------------------------------- */

static double kernel(int filter, double x)
{
	double y = fabs(x), s;

	switch (filter) {
	case RESAMPLE_BOX:
		return x > -0.5 && x <= 0.5 ? 1 : 0;
	case RESAMPLE_BILINEAR:
		return y < 1 ? 1 - y : 0;
	case RESAMPLE_HAMMING:
		s = y == 0 ? 1 : sin(M_PI * y) / (M_PI * y);
		return y < 1 ? s * (0.54 + 0.46 * cos(M_PI * y)) : 0;
	case RESAMPLE_BICUBIC:
		if (y < 1)
			return 1.5 * y * y * y - 2.5 * y * y + 1;
		return y < 2 ? -0.5 * y * y * y + 2.5 * y * y - 4 * y + 2 : 0;
	default:
		if (y == 0)
			return 1;
		return y < 3 ? 3 * sin(M_PI * y) * sin(M_PI * y / 3) / (M_PI * M_PI * y * y) : 0;
	}
}

/* The weight of input pixel ${k} of ${n} in output pixel ${i} of ${m}; not normalised. */
static double weight(int filter, size_t n, size_t m, size_t i, size_t k)
{
	static const double supports[] = {0, 3, 1, 2, 0.5, 1};
	double scale = (double)n / (double)m, stretch = scale < 1 ? 1 : scale;
	double centre = ((double)i + 0.5) * scale, reach = supports[filter] * stretch;

	/* pixels whose centre lies within the support, rounded as integers are */
	if ((double)k < floor(fmax(centre - reach + 0.5, 0)) ||
	    (double)k >= floor(centre + reach + 0.5))
		return 0;
	return kernel(filter, ((double)k + 0.5 - centre) / stretch);
}

static double sample(const struct resample_picture *p, int filter, size_t w, size_t h, size_t x,
		     size_t y, size_t ch)
{
	double sum = 0, all = 0;

	for (size_t r = 0; r < p->height; r++) {
		double q = weight(filter, p->height, h, y, r), across = 0, whole = 0;

		for (size_t c = 0; c < p->width && q != 0; c++) {
			double u = weight(filter, p->width, w, x, c);

			across += u * p->pixels[(r * p->width + c) * p->channels + ch];
			whole += u;
		}
		if (q == 0)
			continue;
		/* what a filter with negative weights overshoots is cut off after each pass */
		sum += q * fmin(fmax(across / whole, 0), 255);
		all += q;
	}
	return fmin(fmax(sum / all, 0), 255);
}

static const struct {
	size_t from_w, from_h, to_w, to_h, channels;
} sizes[] = {{7, 5, 3, 2, 3},   {3, 2, 7, 5, 4},     {16, 16, 5, 9, 4},
	     {1, 1, 4, 4, 3},   {9, 9, 1, 1, 4},     {20, 3, 20, 8, 3},
	     {4, 30, 9, 30, 4}, {31, 17, 12, 17, 3}, {13, 11, 13, 11, 4}};

START_TEST(resampled)
{
	uint8_t in[16 * 16 * 4 * 4], out[32 * 32 * 3];
	struct resample_picture p = {in, sizes[_i].from_w, sizes[_i].from_h, sizes[_i].channels};
	size_t w = sizes[_i].to_w, h = sizes[_i].to_h;
	uint32_t seed = 1;

	for (size_t i = 0; i < sizeof(in); i++) {
		seed = seed * 1103515245 + 12345;
		in[i] = (uint8_t)(seed >> 16);
	}
	for (int filter = RESAMPLE_LANCZOS; filter < RESAMPLE_COUNT; filter++) {
		ck_assert_int_eq(resample_rgb(&p, (enum resample_filter)filter, w, h, out), 0);
		for (size_t i = 0; i < w * h * 3; i++) {
			double want = sample(&p, filter, w, h, i / 3 % w, i / 3 / w, i % 3);

			/* half a step of rounding after each pass, the first of them weighted */
			const double limit = 1.3;

			ck_assert_msg(fabs(out[i] - want) <= limit, "filter %d at %zu: %d, not %f",
				      filter, i, out[i], want);
		}
	}
}
END_TEST

/* Values that are known: a step of 0 and 100 in twice the width. */
START_TEST(known)
{
	static const uint8_t in[2 * 3] = {0, 0, 0, 100, 100, 100};
	static const struct {
		enum resample_filter filter;
		uint8_t want[4];
	} rows[] = {
	    {RESAMPLE_NEAREST, {0, 0, 100, 100}},
	    {RESAMPLE_BOX, {0, 0, 100, 100}},
	    {RESAMPLE_BILINEAR, {0, 25, 75, 100}},
	};
	struct resample_picture p = {in, 2, 1, 3};
	uint8_t out[4 * 3];

	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(resample_rgb(&p, rows[i].filter, 4, 1, out), 0);
		for (size_t x = 0; x < 4; x++)
			ck_assert_uint_eq(out[3 * x + 1], rows[i].want[x]);
	}
}
END_TEST

/* ---- transforms -------------------------------------------------------------------------------
 */

static struct frame_spec parsed(const char *text)
{
	struct frame_spec s;
	json_t *root = json_loads(text, 0, NULL);

	ck_assert_ptr_nonnull(root);
	ck_assert_msg(frame_spec_parse(root, &s, &fault) == 0, "%s", fault.text);
	json_decref(root);
	return s;
}

START_TEST(wrong_words)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
	    {"[]", "object"},
	    {"{\"size\":0}", "size"},
	    {"{\"size\":{\"width\":1}}", "size"},
	    {"{\"size\":99999}", "size"},
	    {"{\"do_resize\":true}", "size"},
	    {"{\"resample\":9}", "resample"},
	    {"{\"resample\":\"2\"}", "resample"},
	    {"{\"image_mean\":[1,2]}", "image_mean"},
	    {"{\"image_std\":[1,0,1]}", "image_std"},
	    {"{\"image_std\":[1,\"a\",1]}", "image_std"},
	    {"{\"rescale_factor\":\"x\"}", "rescale_factor"},
	    {"{\"crop_size\":-1}", "crop_size"},
	    {"{\"channels\":\"gbr\"}", "channels"},
	    {"{\"letterbox\":{\"width\":1}}", "letterbox"},
	    {"{\"letterbox\":{\"width\":1,\"height\":1,\"fill\":256}}", "letterbox"},
	};
	struct frame_spec s;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *root = json_loads(rows[i].text, 0, NULL);

		ck_assert_ptr_nonnull(root);
		ck_assert_msg(frame_spec_parse(root, &s, &fault) == -1, "%s", rows[i].text);
		ck_assert_uint_eq(fault.http, 400);
		ck_assert_msg(strstr(fault.text, rows[i].says) != NULL, "%s: %s", rows[i].text,
			      fault.text);
		json_decref(root);
	}
}
END_TEST

/* Pixel (x, y) of the frame is R = x, G = y, B = 200, A = 7. */
static struct resample_picture gradient(size_t width, size_t height)
{
	uint8_t *p = arena_alloc(&arena, width * height * 4);

	for (size_t y = 0; y < height; y++) {
		for (size_t x = 0; x < width; x++)
			memcpy(p + (y * width + x) * 4, (uint8_t[]){(uint8_t)x, (uint8_t)y, 200, 7},
			       4);
	}
	return (struct resample_picture){p, width, height, 4};
}

static struct rt_port port_of(enum rt_dtype dtype, int64_t a, int64_t b, int64_t c)
{
	return (struct rt_port){
	    .name = "x", .dtype = dtype, .shape = rt_shape_of(4, (int64_t)-1, a, b, c)};
}

START_TEST(cropped)
{
	struct frame_spec s = parsed("{\"crop_size\":{\"width\":4,\"height\":2},"
				     "\"image_mean\":[0.5,0,1],\"image_std\":[0.5,0.25,2]}");
	struct resample_picture p = gradient(10, 8);
	struct rt_port port = port_of(RT_F32, 3, 2, 4);
	struct rt_tensor t;
	const float *f;

	ck_assert_msg(frame_apply(&p, &s, &port, &arena, &t, &fault) == 0, "%s", fault.text);
	ck_assert_int_eq(t.shape.dims[1], 3);
	f = t.data;
	for (int y = 0; y < 2; y++) {
		for (int x = 0; x < 4; x++) {
			/* the middle of 10 by 8: columns 3 to 6, rows 3 and 4 */
			ck_assert_float_eq_tol(f[y * 4 + x], (float)(((3 + x) / 255.0 - 0.5) / 0.5),
					       1e-6F);
			ck_assert_float_eq_tol(f[8 + y * 4 + x], (float)((3 + y) / 255.0 / 0.25),
					       1e-6F);
			ck_assert_float_eq_tol(f[16 + y * 4 + x], (float)((200 / 255.0 - 1) / 2),
					       1e-6F);
		}
	}
}
END_TEST

START_TEST(channels_last_bgr_bytes)
{
	struct frame_spec s = parsed("{\"channels\":\"bgr\"}");
	struct resample_picture p = gradient(3, 2);
	struct rt_port port = port_of(RT_U8, 2, 3, 3);
	struct rt_tensor t;
	const uint8_t *b;

	/* 3 at both ends: channels first wins only where it fits */
	port.shape.dims[1] = -1;
	ck_assert_msg(frame_apply(&p, &s, &port, &arena, &t, &fault) == 0, "%s", fault.text);
	b = t.data;
	for (int i = 0; i < 6; i++) {
		ck_assert_uint_eq(b[i * 3], 200);
		ck_assert_int_eq(b[i * 3 + 1], i / 3);
		ck_assert_int_eq(b[i * 3 + 2], i % 3);
	}
}
END_TEST

START_TEST(shortest_edge)
{
	struct frame_spec s = parsed("{\"size\":{\"shortest_edge\":6},\"do_rescale\":false,"
				     "\"crop_size\":6}");
	struct resample_picture p = gradient(24, 12);
	struct rt_port port = port_of(RT_F32, 3, 6, 6);
	struct rt_tensor t;

	ck_assert_msg(frame_apply(&p, &s, &port, &arena, &t, &fault) == 0, "%s", fault.text);
	/* 24 by 12 becomes 12 by 6; its middle column 6 lies at 12.5 of 24, and 3 at 6.5 */
	ck_assert_float_eq_tol(((const float *)t.data)[0], 6.5F, 0.6F);
	ck_assert_float_eq_tol(((const float *)t.data)[5], 16.5F, 0.6F);
}
END_TEST

START_TEST(letterboxed)
{
	struct frame_spec s = parsed("{\"letterbox\":{\"width\":8,\"height\":8},"
				     "\"do_rescale\":false}");
	struct resample_picture p = gradient(16, 8);
	struct rt_port port = port_of(RT_F32, 3, 8, 8);
	struct rt_tensor t;
	const float *b;

	ck_assert_msg(frame_apply(&p, &s, &port, &arena, &t, &fault) == 0, "%s", fault.text);
	b = (const float *)t.data + 128; /* blue: 200 in rows 2 to 5, 114 beyond */
	for (int y = 0; y < 8; y++)
		ck_assert_float_eq(b[y * 8 + 3], y >= 2 && y < 6 ? 200.0F : 114.0F);
}
END_TEST

START_TEST(does_not_fit)
{
	struct frame_spec s = parsed("{\"size\":5}");
	struct resample_picture p = gradient(3, 3);
	struct rt_port port = port_of(RT_F32, 3, 4, 5);
	struct rt_tensor t;

	ck_assert_int_eq(frame_apply(&p, &s, &port, &arena, &t, &fault), -1);
	ck_assert_ptr_nonnull(strstr(fault.text, "5 by 5 pixels, the model takes 5 by 4"));
	port.shape = rt_shape_of(2, (int64_t)1, (int64_t)3);
	ck_assert_int_eq(frame_apply(&p, &s, &port, &arena, &t, &fault), -1);
	ck_assert_ptr_nonnull(strstr(fault.text, "takes no picture"));
}
END_TEST

/* ---- in a request -----------------------------------------------------------------------------
 */

static int request(const char *shape, const char *datatype, const char *transform, size_t bytes,
		   const struct frame_spec *stored, struct oip_request *out)
{
	static struct rt_port in, result;
	static const struct rt_port *ins[] = {&in}, *outs[] = {&result};
	struct oip_ports ports = {1, 1, ins, outs, stored};
	char *body = arena_zalloc(&arena, 4096), size[16];
	int n;

	in = port_of(RT_F32, 3, 2, 2);
	result = (struct rt_port){.name = "y", .dtype = RT_F32};
	n = snprintf(
	    body, 2048,
	    "{\"inputs\":[{\"name\":\"x\",\"shape\":%s,\"datatype\":\"%s\",\"parameters\":{"
	    "\"binary_data_size\":%zu,\"transform\":%s}}]}",
	    shape, datatype, bytes, transform);
	memset(body + n, 51, bytes);
	(void)snprintf(size, sizeof(size), "%d", n);
	return oip_parse((struct rt_bytes){body, (size_t)n + bytes}, size, &ports, &arena, out,
			 &fault);
}

START_TEST(in_a_request)
{
	struct frame_spec stored = parsed("{\"size\":2}");
	struct oip_request rq;

	ck_assert_msg(request("[4,4,4]", "UINT8", "true", 64, &stored, &rq) == 0, "%s", fault.text);
	ck_assert_int_eq(rq.inputs[0].dtype, RT_F32);
	ck_assert_int_eq(rq.inputs[0].shape.dims[1], 3);
	for (int i = 0; i < 12; i++)
		ck_assert_float_eq_tol(((const float *)rq.inputs[0].data)[i], 0.2F, 1e-6F);
	ck_assert_msg(request("[1,3,5,3]", "UINT8", "{\"size\":2}", 45, NULL, &rq) == 0, "%s",
		      fault.text);
}
END_TEST

START_TEST(in_a_wrong_request)
{
	static const struct {
		const char *shape, *datatype, *transform;
		size_t bytes;
		const char *says;
	} rows[] = {
	    {"[4,4,4]", "UINT8", "true", 64, "no preprocessor_config.json"},
	    {"[4,4,4]", "UINT8", "1", 64, "must be true or an object"},
	    {"[4,4,4]", "UINT8", "{\"size\":3}", 64, "3 by 3 pixels"},
	    {"[4,4,2]", "UINT8", "{\"size\":2}", 32, "a frame has the shape"},
	    {"[0,4,4]", "UINT8", "{\"size\":2}", 0, "a frame has the shape"},
	    {"[64]", "UINT8", "{\"size\":2}", 64, "neither JPEG, PNG nor WebP"},
	    {"[4,4,4]", "INT8", "{\"size\":2}", 64, "UINT8"},
	    {"[4,4,4]", "UINT8", "{\"size\":2}", 63, "63"},
	    {"[2,4,4,4]", "UINT8", "{\"size\":2}", 128, "a frame has the shape"},
	};
	struct oip_request rq;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(request(rows[i].shape, rows[i].datatype, rows[i].transform,
					 rows[i].bytes, NULL, &rq),
				 -1);
		ck_assert_uint_eq(fault.http, 400);
		ck_assert_msg(strstr(fault.text, rows[i].says) != NULL, "%s", fault.text);
	}
}
END_TEST

/* ---- encoded pictures
 * ---------------------------------------------------------------------------- */

/*
 * Made by libjpeg-turbo and libwebp, and the PNG by hand with zlib: 2 by 2 pixels of (10,20,30),
 * (40,50,60), (70,80,90), (250,0,255) as PNG and lossless WebP; 8 by 8 pixels of 200 as JPEG.
 */
static const char png_hex[] =
    "89504e470d0a1a0a0000000d4948445200000002000000020802000000fdd49a7300000016494441"
    "5478da63e01291d330b261700b88fac5f01f00108503bc34f7dfc50000000049454e44ae426082";
static const char webp_hex[] =
    "5249464638000000574542505650384c2b0000002f014000001f20164c7110dd130b260a11cc9fb1"
    "4b209098b43fe5f31ffd0b00c8a46d436d772da2fff10100";
static const char jpeg_hex[] =
    "ffd8ffdb004300010101010101010101010101010101010101010101010101010101010101010101"
    "01010101010101010101010101010101010101010101010101010101010101ffc0000b0800080008"
    "01011100ffc4001400010000000000000000000000000000000affc4001410010000000000000000"
    "0000000000000000ffda0008010100003f00480fffd9";

/* A request with ${hex} as its picture for a model that takes ${side} by ${side}; cut off after
 * ${most} bytes. */
static int picture(const char *hex, const char *datatype, int64_t side, size_t most,
		   struct oip_request *out)
{
	static struct rt_port in, result;
	static const struct rt_port *ins[] = {&in}, *outs[] = {&result};
	struct oip_ports ports = {1, 1, ins, outs, NULL};
	bool text = strcmp(datatype, "BYTES") == 0;
	unsigned char *body = arena_zalloc(&arena, 4096);
	size_t bytes = strlen(hex) / 2 < most ? strlen(hex) / 2 : most, at;
	uint32_t length = (uint32_t)bytes;
	char size[24], shape[24];

	in = port_of(RT_F32, 3, side, side);
	result = (struct rt_port){.name = "y", .dtype = RT_F32};
	(void)snprintf(shape, sizeof(shape), "%zu", text ? (size_t)1 : bytes);
	at = (size_t)snprintf((char *)body, 1024,
			      "{\"inputs\":[{\"name\":\"x\",\"shape\":[%s],\"datatype\":\"%s\","
			      "\"parameters\":{\"binary_data_size\":%zu,\"transform\":"
			      "{\"do_rescale\":false}}}]}",
			      shape, datatype, bytes + (text ? 4 : 0));
	(void)snprintf(size, sizeof(size), "%zu", at);
	if (text) {
		memcpy(body + at, &length, 4);
		at += 4;
	}
	for (size_t i = 0; i < bytes; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		body[at++] = (unsigned char)strtoul(two, NULL, 16);
	}
	return oip_parse((struct rt_bytes){body, at}, size, &ports, &arena, out, &fault);
}

#define ALL ((size_t)-1)

static void check_four(const char *hex, const char *datatype)
{
	static const float want[12] = {10, 40, 70, 250, 20, 50, 80, 0, 30, 60, 90, 255};
	struct oip_request rq;

	ck_assert_msg(picture(hex, datatype, 2, ALL, &rq) == 0, "%s", fault.text);
	for (int i = 0; i < 12; i++)
		ck_assert_float_eq(((const float *)rq.inputs[0].data)[i], want[i]);
}

#ifdef HAVE_PNG
START_TEST(encoded_png)
{
	check_four(png_hex, "UINT8");
	check_four(png_hex, "BYTES");
}
END_TEST
#endif

#ifdef HAVE_WEBP
START_TEST(encoded_webp)
{
	check_four(webp_hex, "UINT8");
}
END_TEST
#endif

#ifdef HAVE_JPEG
START_TEST(encoded_jpeg)
{
	struct oip_request rq;

	ck_assert_msg(picture(jpeg_hex, "UINT8", 8, ALL, &rq) == 0, "%s", fault.text);
	for (int i = 0; i < 192; i++)
		ck_assert_float_eq(((const float *)rq.inputs[0].data)[i], 200.0F);
}
END_TEST
#endif

/* Cut off anywhere: never a picture, never a crash. */
START_TEST(encoded_and_cut_off)
{
	static const char *const all[] = {
#ifdef HAVE_PNG
	    png_hex,
#endif
#ifdef HAVE_WEBP
	    webp_hex,
#endif
#ifdef HAVE_JPEG
	    jpeg_hex,
#endif
	    "424d"};
	struct oip_request rq;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (size_t most = 0; most + 12 < strlen(all[i]) / 2 || most < 2; most++) {
			ck_assert_int_eq(picture(all[i], "UINT8", i == 2 ? 8 : 2, most, &rq), -1);
			ck_assert_uint_eq(fault.http, 400);
			ck_assert_ptr_nonnull(strstr(fault.text, "the picture is "));
		}
	}
}
END_TEST

Suite *check_frame(void)
{
	Suite *s = suite_create("frame");
	TCase *t = tcase_create("frame");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, resampled, 0, (int)(sizeof(sizes) / sizeof(sizes[0])));
	tcase_add_test(t, known);
	tcase_add_test(t, wrong_words);
	tcase_add_test(t, cropped);
	tcase_add_test(t, channels_last_bgr_bytes);
	tcase_add_test(t, shortest_edge);
	tcase_add_test(t, letterboxed);
	tcase_add_test(t, does_not_fit);
	tcase_add_test(t, in_a_request);
	tcase_add_test(t, in_a_wrong_request);
#ifdef HAVE_PNG
	tcase_add_test(t, encoded_png);
#endif
#ifdef HAVE_WEBP
	tcase_add_test(t, encoded_webp);
#endif
#ifdef HAVE_JPEG
	tcase_add_test(t, encoded_jpeg);
#endif
	tcase_add_test(t, encoded_and_cut_off);
	suite_add_tcase(s, t);
	return s;
}
