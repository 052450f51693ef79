/* SPDX-License-Identifier: MIT */
/*
 * image_webp.c — WebP by libwebp; transparency is dropped, animations are not decoded.
 */
#include <config.h>

#ifdef HAVE_WEBP

#include <webp/decode.h>

#include "runtime/ops/image.h"

bool rt_image_webp(struct rt_image *im)
{
	WebPBitstreamFeatures f;
	size_t reserved;
	bool ok;

	if (WebPGetFeatures(im->data, im->size, &f) != VP8_STATUS_OK || f.has_animation ||
	    f.width < 1 || f.height < 1)
		return false;
	if (!rt_image_room(im, (size_t)f.width, (size_t)f.height))
		return false;
	reserved = im->width * im->height * 4 + (1 << 20); /* lossless ones: all of it as ARGB */
	if (!rt_image_reserve(im, reserved))
		return false;
	ok = WebPDecodeRGBInto(im->data, im->size, im->rgb, im->width * im->height * 3,
			       (int)im->width * 3) != NULL;
	rt_image_unreserve(im, reserved);
	return ok;
}

#endif
