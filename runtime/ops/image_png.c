/* SPDX-License-Identifier: MIT */
/*
 * image_png.c — PNG by libpng, through its simple interface: 8 bits per sample whatever the
 * file has; transparency is dropped, not mixed in.
 */
#include <config.h>

#ifdef HAVE_PNG

#include <string.h>

#include <png.h>

#include "runtime/memory.h"
#include "runtime/op.h"
#include "runtime/ops/image.h"

static bool rows(png_image *png, struct rt_image *im)
{
	size_t count = (size_t)png->width * png->height;
	uint8_t *rgba;

	if (!rt_image_room(im, png->width, png->height))
		return false;
	rgba = rt_memory_take(im->eval->memory, count * 4, 64);
	if (rgba == NULL) {
		im->no_room = true;
		return false;
	}
	png->format = PNG_FORMAT_RGBA;
	if (png_image_finish_read(png, NULL, rgba, 0, NULL) == 0)
		return false;
	for (size_t i = 0; i < count; i++)
		memcpy(im->rgb + 3 * i, rgba + 4 * i, 3);
	return true;
}

bool rt_image_png(struct rt_image *im)
{
	size_t reserved = (size_t)8 << 20; /* rows, and what chunks may hold */
	png_image png;
	bool ok;

	if (im->size < 8 || png_sig_cmp(im->data, 0, 8) != 0 || !rt_image_reserve(im, reserved))
		return false;
	memset(&png, 0, sizeof(png));
	png.version = PNG_IMAGE_VERSION;
	ok = png_image_begin_read_from_memory(&png, im->data, im->size) != 0 && rows(&png, im);
	png_image_free(&png);
	rt_image_unreserve(im, reserved);
	return ok;
}

#endif
