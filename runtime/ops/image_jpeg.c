/* SPDX-License-Identifier: MIT */
/*
 * image_jpeg.c — JPEG by libjpeg-turbo: the slow integer transform and smooth chroma
 * upsampling, which the operator asks for.  The library gives up by jumping out.
 */
#include <config.h>

#ifdef HAVE_JPEG

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include "runtime/ops/image.h"

#define SCANS_MAX                                                                                  \
	500 /* of a progressive picture; tens are usual, each costs as much as the picture */

struct failure {
	struct jpeg_error_mgr manager;
	jmp_buf at;
};

static void give_up(j_common_ptr info)
{
	struct failure *f = (struct failure *)info->err;

	longjmp(f->at, 1);
}

static void count_scans(j_common_ptr info)
{
	if (((struct jpeg_decompress_struct *)info)->input_scan_number > SCANS_MAX)
		give_up(info);
}

static void say_nothing(j_common_ptr info)
{
	(void)info;
}

static bool rows(struct jpeg_decompress_struct *d, struct rt_image *im)
{
	(void)jpeg_start_decompress(d);
	if (d->output_components != 3 || d->output_width != im->width ||
	    d->output_height != im->height)
		return false;
	while (d->output_scanline < d->output_height) {
		JSAMPROW row = im->rgb + (size_t)d->output_scanline * im->width * 3;

		(void)jpeg_read_scanlines(d, &row, 1);
	}
	(void)jpeg_finish_decompress(d);
	/* A picture that ends too early is filled up with a warning. */
	return d->err->num_warnings == 0;
}

/* ${reserved} is counted for coefficients, which a progressive picture needs all of. */
static bool decompress(struct jpeg_decompress_struct *d, struct rt_image *im, size_t *reserved)
{
	jpeg_mem_src(d, im->data, im->size);
	if (jpeg_read_header(d, TRUE) != JPEG_HEADER_OK)
		return false;
	if (d->num_components != 1 && d->num_components != 3)
		return false; /* CMYK has no one way to RGB */
	if (!rt_image_room(im, d->image_width, d->image_height))
		return false;
	*reserved = im->width * im->height * 6 + (1 << 20);
	if (!rt_image_reserve(im, *reserved)) {
		*reserved = 0;
		return false;
	}
	d->out_color_space = JCS_RGB;
	d->dct_method = JDCT_ISLOW;
	d->do_fancy_upsampling = TRUE;
	return rows(d, im);
}

bool rt_image_jpeg(struct rt_image *im)
{
	struct jpeg_decompress_struct d;
	struct jpeg_progress_mgr progress = {.progress_monitor = count_scans};
	struct failure failure;
	volatile size_t reserved = 0;
	volatile bool ok = false;

	if (im->size < 3 || im->data[0] != 0xff || im->data[1] != 0xd8 || im->data[2] != 0xff)
		return false;
	d.err = jpeg_std_error(&failure.manager);
	failure.manager.error_exit = give_up;
	failure.manager.output_message = say_nothing;
	if (setjmp(failure.at) == 0) {
		size_t bytes = 0;

		jpeg_create_decompress(&d);
		d.progress = &progress;
		ok = decompress(&d, im, &bytes);
		reserved = bytes;
	} else {
		ok = false;
	}
	jpeg_destroy_decompress(&d);
	rt_image_unreserve(im, reserved);
	return ok;
}

#endif
