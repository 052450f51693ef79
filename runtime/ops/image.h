/* SPDX-License-Identifier: MIT */
/*
 * image.h — encoded pictures to rows of RGB.  Used by image_decoder.c; one file per
 * format.  Nothing of the bytes is trusted, and memory is asked for only through
 * rt_image_room.  Formats that need a library are there when configure finds it.
 */
#ifndef LARDER_RUNTIME_OPS_IMAGE_H
#define LARDER_RUNTIME_OPS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rt_eval;

#define RT_IMAGE_SIDE_MAX 65535

struct rt_image {
	struct rt_eval *eval; /* whose memory it takes */
	const uint8_t *data;  /* encoded */
	size_t size;
	size_t width, height;
	uint8_t *rgb; /* [height][width][3] */
	bool no_room; /* it is not the picture that is wrong */
};

/*
 * rt_image_room(im, width, height): make ${im->rgb}, zeroed; false when there is no memory, or
 * when no picture has such sides.
 */
bool rt_image_room(struct rt_image *im, size_t width, size_t height);
/* rt_image_reserve(im, bytes), _unreserve: count what a library takes behind our back. */
bool rt_image_reserve(struct rt_image *im, size_t bytes);
void rt_image_unreserve(struct rt_image *im, size_t bytes);

/* A decoder: false when the bytes are not of its format, or not whole. */
typedef bool rt_image_f(struct rt_image *im);
rt_image_f rt_image_bmp;
rt_image_f rt_image_pnm;
rt_image_f rt_image_tiff;
rt_image_f rt_image_jpeg;
rt_image_f rt_image_png;
rt_image_f rt_image_webp;
rt_image_f rt_image_jpeg2000;

#endif
