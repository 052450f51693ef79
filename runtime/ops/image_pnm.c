/* SPDX-License-Identifier: MIT */
/*
 * image_pnm.c — portable anymaps: P1 and P4 (bits, 1 is black), P2 and P5 (grey), P3 and P6
 * (colour), with samples of up to 16 bits.
 */
#include <config.h>

#include <string.h>

#include "runtime/ops/image.h"

struct pnm {
	const uint8_t *at, *end;
};

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_space(struct pnm *p)
{
	while (p->at < p->end && (is_space(*p->at) || *p->at == '#')) {
		if (*p->at == '#') {
			while (p->at < p->end && *p->at != '\n' && *p->at != '\r')
				p->at++;
		} else {
			p->at++;
		}
	}
}

static bool number(struct pnm *p, size_t most, size_t *out)
{
	size_t n = 0;

	skip_space(p);
	if (p->at == p->end || *p->at < '0' || *p->at > '9')
		return false;
	while (p->at < p->end && *p->at >= '0' && *p->at <= '9') {
		n = n * 10 + (size_t)(*p->at++ - '0');
		if (n > most)
			return false;
	}
	*out = n;
	return true;
}

/* The next sample of a plain or a raw file. */
static bool sample(struct pnm *p, bool plain, size_t most, size_t *out)
{
	if (plain)
		return number(p, most, out);
	if (p->end - p->at < (most > 255 ? 2 : 1))
		return false;
	*out = *p->at++;
	if (most > 255)
		*out = *out << 8 | *p->at++;
	if (*out > most)
		*out = most;
	return true;
}

/* One row of P1 or P4; digits of P1 need no blanks between them. */
static bool bit_row(struct pnm *p, bool plain, size_t width, uint8_t *out)
{
	for (size_t x = 0; x < width; x++, out += 3) {
		unsigned black;

		if (plain) {
			skip_space(p);
			if (p->at == p->end || (*p->at != '0' && *p->at != '1'))
				return false;
			black = *p->at++ == '1';
		} else {
			if (p->at == p->end)
				return false;
			black = *p->at >> (7 - x % 8) & 1;
			p->at += x % 8 == 7 || x == width - 1;
		}
		memset(out, black ? 0 : 255, 3);
	}
	return true;
}

static bool sample_row(struct pnm *p, int kind, size_t most, size_t width, uint8_t *out)
{
	int channels = kind == '3' || kind == '6' ? 3 : 1;
	bool plain = kind < '4';

	for (size_t x = 0; x < width; x++, out += 3) {
		for (int c = 0; c < channels; c++) {
			size_t value;

			if (!sample(p, plain, most, &value))
				return false;
			out[c] = (uint8_t)((value * 255 + most / 2) / most);
		}
		if (channels == 1)
			out[1] = out[2] = out[0];
	}
	return true;
}

bool rt_image_pnm(struct rt_image *im)
{
	struct pnm p = {im->data + 2, im->data + im->size};
	size_t width, height, most = 1, least;
	bool bits, ok = true;
	int kind;

	if (im->size < 3 || im->data[0] != 'P' || im->data[1] < '1' || im->data[1] > '6')
		return false;
	kind = im->data[1];
	bits = kind == '1' || kind == '4';
	if (!number(&p, RT_IMAGE_SIDE_MAX, &width) || !number(&p, RT_IMAGE_SIDE_MAX, &height) ||
	    (!bits && (!number(&p, 65535, &most) || most == 0)))
		return false;
	if (kind >= '4' && (p.at == p.end || !is_space(*p.at++)))
		return false;
	/* Before memory is asked for: a bit or a byte per pixel must be there. */
	least = kind == '4' ? (width + 7) / 8 * height : width * height;
	if (least > (size_t)(p.end - p.at) || !rt_image_room(im, width, height))
		return false;
	for (size_t y = 0; y < height && ok; y++) {
		uint8_t *row = im->rgb + y * width * 3;

		ok = bits ? bit_row(&p, kind == '1', width, row)
			  : sample_row(&p, kind, most, width, row);
	}
	return ok;
}
