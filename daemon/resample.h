/* SPDX-License-Identifier: MIT */
/*
 * resample.h — an RGB picture in another size, as Pillow makes it, which is what
 * the image processors of the Hub's models were trained behind: filters with
 * antialiasing (their support grows as the picture shrinks), columns first, 8 bits
 * between the passes.  Pure; any thread.
 *
 * Source: Pillow, documentation of Image.resize and of its filters ("Concepts",
 * section Filters); nearest takes the pixel under the centre.
 */
#ifndef LARDER_DAEMON_RESAMPLE_H
#define LARDER_DAEMON_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* The numbers that preprocessor_config.json has in `resample`. */
enum resample_filter {
	RESAMPLE_NEAREST = 0,
	RESAMPLE_LANCZOS = 1,
	RESAMPLE_BILINEAR = 2,
	RESAMPLE_BICUBIC = 3,
	RESAMPLE_BOX = 4,
	RESAMPLE_HAMMING = 5,
	RESAMPLE_COUNT
};

#define RESAMPLE_SIZE_MAX 16384 /* pixels of a side */

/* Rows of pixels of ${channels} bytes, of which the first three are R, G and B. */
struct resample_picture {
	const uint8_t *pixels;
	size_t width, height, channels; /* channels: 3 or 4 */
};

/*
 * resample_rgb(from, filter, width, height, out): ${out} is [height][width][3].  0, or -1
 * when memory is short.  Sides are 1..RESAMPLE_SIZE_MAX.
 */
int resample_rgb(const struct resample_picture *from, enum resample_filter filter, size_t width,
		 size_t height, uint8_t *out) __attribute__((warn_unused_result));

#endif
