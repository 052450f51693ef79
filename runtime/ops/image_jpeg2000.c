/* SPDX-License-Identifier: MIT */
/*
 * image_jpeg2000.c — JPEG 2000 (JP2 files and bare codestreams) by OpenJPEG: grey and RGB of
 * up to 16 bits, one size for all components.
 */
#include <config.h>

#ifdef HAVE_JPEG2000

#include <string.h>

#include <openjpeg.h>

#include "runtime/ops/image.h"

struct source {
	const uint8_t *data;
	size_t size, at;
};

static OPJ_SIZE_T read_some(void *to, OPJ_SIZE_T wanted, void *arg)
{
	struct source *s = arg;
	size_t left = s->size - s->at;

	if (left == 0)
		return (OPJ_SIZE_T)-1;
	if (wanted > left)
		wanted = left;
	memcpy(to, s->data + s->at, wanted);
	s->at += wanted;
	return wanted;
}

static OPJ_OFF_T skip_some(OPJ_OFF_T wanted, void *arg)
{
	struct source *s = arg;

	if (wanted < 0 || (uint64_t)wanted > s->size - s->at)
		return -1;
	s->at += (size_t)wanted;
	return wanted;
}

static OPJ_BOOL seek_to(OPJ_OFF_T where, void *arg)
{
	struct source *s = arg;

	if (where < 0 || (uint64_t)where > s->size)
		return OPJ_FALSE;
	s->at = (size_t)where;
	return OPJ_TRUE;
}

/* One sample as 8 bits. */
static uint8_t byte_of(const opj_image_comp_t *c, size_t i)
{
	int64_t most = ((int64_t)1 << c->prec) - 1, v = c->data[i];

	if (c->sgnd)
		v += (int64_t)1 << (c->prec - 1);
	if (v < 0)
		v = 0;
	if (v > most)
		v = most;
	return (uint8_t)(c->prec == 8 ? v : (v * 255 + most / 2) / most);
}

static bool fits(const opj_image_t *image)
{
	if (image->numcomps != 1 && image->numcomps != 3 && image->numcomps != 4)
		return false;
	for (unsigned i = 0; i < image->numcomps; i++) {
		const opj_image_comp_t *c = &image->comps[i];

		if (c->w != image->comps[0].w || c->h != image->comps[0].h || c->prec < 1 ||
		    c->prec > 16)
			return false;
	}
	return image->color_space != OPJ_CLRSPC_CMYK && image->color_space != OPJ_CLRSPC_SYCC;
}

static bool decode(opj_codec_t *codec, opj_stream_t *stream, opj_image_t **image,
		   struct rt_image *im, size_t *reserved)
{
	if (!opj_read_header(stream, codec, image) || !fits(*image))
		return false;
	if (!rt_image_room(im, (*image)->comps[0].w, (*image)->comps[0].h))
		return false;
	*reserved = im->width * im->height * (*image)->numcomps * 12 + (1 << 20);
	if (!rt_image_reserve(im, *reserved)) {
		*reserved = 0;
		return false;
	}
	if (!opj_decode(codec, stream, *image) || !opj_end_decompress(codec, stream) ||
	    !fits(*image))
		return false;
	for (size_t i = 0; i < im->width * im->height; i++) {
		for (unsigned c = 0; c < 3; c++) {
			const opj_image_comp_t *from =
			    &(*image)->comps[(*image)->numcomps >= 3 ? c : 0];

			if (from->data == NULL)
				return false;
			im->rgb[3 * i + c] = byte_of(from, i);
		}
	}
	return true;
}

bool rt_image_jpeg2000(struct rt_image *im)
{
	static const uint8_t box[] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};
	static const uint8_t bare[] = {0xff, 0x4f, 0xff, 0x51};
	struct source source = {im->data, im->size, 0};
	opj_image_t *image = NULL;
	opj_dparameters_t parameters;
	opj_stream_t *stream;
	opj_codec_t *codec;
	size_t reserved = 0;
	bool ok = false, is_box;

	if (im->size < sizeof(box))
		return false;
	is_box = memcmp(im->data, box, sizeof(box)) == 0;
	if (!is_box && memcmp(im->data, bare, sizeof(bare)) != 0)
		return false;
	codec = opj_create_decompress(is_box ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
	stream = opj_stream_default_create(OPJ_TRUE);
	opj_set_default_decoder_parameters(&parameters);
	if (codec != NULL && stream != NULL && opj_setup_decoder(codec, &parameters)) {
		opj_stream_set_user_data(stream, &source, NULL);
		opj_stream_set_user_data_length(stream, im->size);
		opj_stream_set_read_function(stream, read_some);
		opj_stream_set_skip_function(stream, skip_some);
		opj_stream_set_seek_function(stream, seek_to);
		ok = decode(codec, stream, &image, im, &reserved);
	}
	rt_image_unreserve(im, reserved);
	opj_image_destroy(image);
	opj_stream_destroy(stream);
	opj_destroy_codec(codec);
	return ok;
}

#endif
