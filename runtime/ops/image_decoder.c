/* SPDX-License-Identifier: MIT */
/*
 * image_decoder.c — ImageDecoder (ai.onnx 20): the bytes of a picture, uint8 [n], to
 * [height, width, channels].  What cannot be decoded gives an empty picture, as
 * the operator has it; what does not fit into memory is an error.
 */
#include <config.h>

#include <string.h>

#include "runtime/memory.h"
#include "runtime/ops/image.h"
#include "runtime/ops/ops.h"

enum pixels { RGB, BGR, GRAYSCALE };

struct decoder {
	enum pixels pixels;
};

bool rt_image_room(struct rt_image *im, size_t width, size_t height)
{
	if (width == 0 || height == 0 || width > RT_IMAGE_SIDE_MAX || height > RT_IMAGE_SIDE_MAX)
		return false;
	im->width = width;
	im->height = height;
	im->rgb = rt_memory_take(im->eval->memory, width * height * 3, 64);
	im->no_room |= im->rgb == NULL;
	return im->rgb != NULL;
}

bool rt_image_reserve(struct rt_image *im, size_t bytes)
{
	bool ok = rt_eval_count(im->eval, bytes);

	im->no_room |= !ok;
	return ok;
}

void rt_image_unreserve(struct rt_image *im, size_t bytes)
{
	rt_eval_uncount(im->eval, bytes);
}

static bool decode(struct rt_image *im)
{
	static rt_image_f *const formats[] = {
	    rt_image_bmp,      rt_image_pnm, rt_image_tiff,
#ifdef HAVE_JPEG
	    rt_image_jpeg,
#endif
#ifdef HAVE_PNG
	    rt_image_png,
#endif
#ifdef HAVE_WEBP
	    rt_image_webp,
#endif
#ifdef HAVE_JPEG2000
	    rt_image_jpeg2000,
#endif
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]) && !im->no_room; i++) {
		im->rgb = NULL;
		if (formats[i](im))
			return true;
	}
	return false;
}

/* ITU-R BT.601 luma in 16-bit fixed point, rounded. */
static void to_gray(const uint8_t *rgb, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++, rgb += 3)
		out[i] =
		    (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
}

static void to_bgr(const uint8_t *rgb, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++, rgb += 3, out += 3) {
		out[0] = rgb[2];
		out[1] = rgb[1];
		out[2] = rgb[0];
	}
}

static int decoder_bind(struct rt_bind *b, struct rt_error *err)
{
	struct decoder *d = b->state;

	if (rt_node_string_is(b->node, "pixel_format", "RGB", "RGB"))
		d->pixels = RGB;
	else if (rt_node_string_is(b->node, "pixel_format", "BGR", "RGB"))
		d->pixels = BGR;
	else if (rt_node_string_is(b->node, "pixel_format", "Grayscale", "RGB"))
		d->pixels = GRAYSCALE;
	else
		return rt_error_set(err, RT_MALFORMED,
				    "pixel_format is neither RGB, BGR nor Grayscale");
	return RT_OK;
}

static int decoder_eval(struct rt_eval *e, struct rt_error *err)
{
	const struct decoder *d = e->run.state;
	const struct rt_tensor *t = &e->run.in[0];
	struct rt_image im = {.eval = e, .data = t->data};
	struct rt_shape shape;
	size_t count;
	uint8_t *out;

	if (t->shape.rank != 1)
		return rt_error_set(err, RT_INPUT, "the bytes have %d dimensions", t->shape.rank);
	im.size = rt_tensor_bytes(t);
	if (!decode(&im)) {
		if (im.no_room)
			return rt_error_set(err, RT_BUDGET, "no memory left for a picture");
		im.width = im.height = 0;
	}
	shape = rt_shape_of(3, (int64_t)im.height, (int64_t)im.width,
			    (int64_t)(d->pixels == GRAYSCALE ? 1 : 3));
	out = rt_eval_output(e, 0, &shape);
	if (out == NULL)
		return rt_error_set(err, RT_BUDGET, "no memory left for a picture");
	count = im.width * im.height;
	if (d->pixels == GRAYSCALE)
		to_gray(im.rgb, count, out);
	else if (d->pixels == BGR)
		to_bgr(im.rgb, count, out);
	else if (count > 0)
		memcpy(out, im.rgb, count * 3);
	return RT_OK;
}

const struct rt_op rt_op_image_decoder = {
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .state_bytes = sizeof(struct decoder),
    .bind = decoder_bind,
    .eval = decoder_eval,
};
