/* SPDX-License-Identifier: MIT */
/*
 * resample.c — see resample.h.  Called by frame.c.  Weights are fixed-point
 * numbers of 22 bits, rounded once per output pixel and pass.
 */
#include <config.h>

#include "daemon/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/must.h"

#define BITS 22 /* 32 less 8 of the pixel less 2 for the overshoot of a sum */

/* ---- filters, each 0 beyond its support ------------------------------------------------ */

static double box(double x)
{
	return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double triangle(double x)
{
	x = fabs(x);
	return x < 1.0 ? 1.0 - x : 0.0;
}

static double sinc(double x)
{
	x *= M_PI;
	return x == 0.0 ? 1.0 : sin(x) / x;
}

static double hamming(double x)
{
	x = fabs(x);
	return x < 1.0 ? sinc(x) * (0.54 + 0.46 * cos(M_PI * x)) : 0.0;
}

/* Keys' cubic with a = -0.5. */
static double cubic(double x)
{
	const double a = -0.5;

	x = fabs(x);
	if (x < 1.0)
		return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
	return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

static double lanczos(double x)
{
	return fabs(x) < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

static const struct {
	double (*at)(double x);
	double support;
} filters[RESAMPLE_COUNT] = {
    [RESAMPLE_LANCZOS] = {lanczos, 3.0}, [RESAMPLE_BILINEAR] = {triangle, 1.0},
    [RESAMPLE_BICUBIC] = {cubic, 2.0},   [RESAMPLE_BOX] = {box, 0.5},
    [RESAMPLE_HAMMING] = {hamming, 1.0},
};

/* ---- weights of one side ----------------------------------------------------------------- */

struct taps {
	size_t room;     /* weights per output pixel */
	size_t *first;   /* [to]: the first input pixel */
	size_t *count;   /* [to] */
	int32_t *weight; /* [to][room], fixed point */
};

static void taps_release(struct taps *t)
{
	free(t->first);
	free(t->count);
	free(t->weight);
}

/* The weights of output pixel ${i}; they sum up to one. */
static void tap(struct taps *t, enum resample_filter filter, size_t from, double scale, size_t i,
		double *w)
{
	double stretch = scale < 1.0 ? 1.0 : scale;
	double support = filters[filter].support * stretch;
	double centre = ((double)i + 0.5) * scale, sum = 0.0;
	double low = centre - support + 0.5, high = centre + support + 0.5;
	size_t first = low < 0.0 ? 0 : (size_t)low;
	size_t end = high > (double)from ? from : (size_t)high;

	must(end > first && end - first <= t->room);
	for (size_t k = first; k < end; k++) {
		w[k - first] = filters[filter].at(((double)k - centre + 0.5) / stretch);
		sum += w[k - first];
	}
	for (size_t k = 0; k < end - first; k++)
		t->weight[i * t->room + k] =
		    (int32_t)lround((sum != 0.0 ? w[k] / sum : w[k]) * (1 << BITS));
	t->first[i] = first;
	t->count[i] = end - first;
}

static int taps_init(struct taps *t, enum resample_filter filter, size_t from, size_t to)
{
	double scale = (double)from / (double)to, stretch = scale < 1.0 ? 1.0 : scale;
	double *w;

	*t = (struct taps){.room = (size_t)ceil(filters[filter].support * stretch) * 2 + 1};
	t->first = calloc(to, sizeof(*t->first));
	t->count = calloc(to, sizeof(*t->count));
	t->weight = calloc(to * t->room, sizeof(*t->weight));
	w = calloc(t->room, sizeof(*w));
	if (t->first == NULL || t->count == NULL || t->weight == NULL || w == NULL) {
		free(w);
		taps_release(t);
		return -1;
	}
	for (size_t i = 0; i < to; i++)
		tap(t, filter, from, scale, i, w);
	free(w);
	return 0;
}

static uint8_t clip(int32_t v)
{
	v >>= BITS;
	return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

/* ---- passes ---------------------------------------------------------------------------------- */

/* One row to ${width} pixels of three bytes. */
static void across(const struct taps *t, const uint8_t *row, size_t channels, size_t width,
		   uint8_t *out)
{
	for (size_t x = 0; x < width; x++) {
		const int32_t *w = t->weight + x * t->room;
		const uint8_t *p = row + t->first[x] * channels;
		int32_t r = 1 << (BITS - 1), g = r, b = r;

		for (size_t k = 0; k < t->count[x]; k++, p += channels) {
			r += p[0] * w[k];
			g += p[1] * w[k];
			b += p[2] * w[k];
		}
		out[3 * x] = clip(r);
		out[3 * x + 1] = clip(g);
		out[3 * x + 2] = clip(b);
	}
}

/* Rows of ${bytes} bytes to one row. */
static void down(const struct taps *t, const uint8_t *rows, size_t bytes, size_t y, int32_t *sum,
		 uint8_t *out)
{
	const int32_t *w = t->weight + y * t->room;

	for (size_t i = 0; i < bytes; i++)
		sum[i] = 1 << (BITS - 1);
	for (size_t k = 0; k < t->count[y]; k++) {
		const uint8_t *row = rows + (t->first[y] + k) * bytes;

		for (size_t i = 0; i < bytes; i++)
			sum[i] += row[i] * w[k];
	}
	for (size_t i = 0; i < bytes; i++)
		out[i] = clip(sum[i]);
}

static int filtered(const struct resample_picture *from, enum resample_filter filter, size_t width,
		    size_t height, uint8_t *out)
{
	struct taps h = {.room = 0}, v = {.room = 0};
	uint8_t *middle = calloc(from->height * width, 3);
	int32_t *sum = calloc(width * 3, sizeof(*sum));
	int rc = -1;

	if (middle == NULL || sum == NULL || taps_init(&h, filter, from->width, width) != 0)
		goto out;
	if (taps_init(&v, filter, from->height, height) != 0) {
		taps_release(&h);
		goto out;
	}
	for (size_t y = 0; y < from->height; y++)
		across(&h, from->pixels + y * from->width * from->channels, from->channels, width,
		       middle + y * width * 3);
	for (size_t y = 0; y < height; y++)
		down(&v, middle, width * 3, y, sum, out + y * width * 3);
	taps_release(&h);
	taps_release(&v);
	rc = 0;
out:
	free(middle);
	free(sum);
	return rc;
}

/* The pixel under the centre of each output pixel. */
static void nearest(const struct resample_picture *from, size_t width, size_t height, uint8_t *out)
{
	for (size_t y = 0; y < height; y++) {
		size_t sy = (2 * y + 1) * from->height / (2 * height);

		for (size_t x = 0; x < width; x++) {
			size_t sx = (2 * x + 1) * from->width / (2 * width);

			memcpy(out, from->pixels + (sy * from->width + sx) * from->channels, 3);
			out += 3;
		}
	}
}

int resample_rgb(const struct resample_picture *from, enum resample_filter filter, size_t width,
		 size_t height, uint8_t *out)
{
	must(from->width - 1 < RESAMPLE_SIZE_MAX && from->height - 1 < RESAMPLE_SIZE_MAX);
	must(width - 1 < RESAMPLE_SIZE_MAX && height - 1 < RESAMPLE_SIZE_MAX);
	must((unsigned)filter < RESAMPLE_COUNT && (from->channels == 3 || from->channels == 4));
	if (filter == RESAMPLE_NEAREST || (width == from->width && height == from->height)) {
		nearest(from, width, height, out);
		return 0;
	}
	return filtered(from, filter, width, height, out);
}
