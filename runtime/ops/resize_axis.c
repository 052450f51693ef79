/* SPDX-License-Identifier: MIT */
/*
 * resize_axis.c — one axis of Resize: from an output index to a coordinate of
 * the input (coordinate_transformation_mode), and from there to neighbours and
 * weights (mode, nearest_mode, antialias, exclude_outside).  Called by infer.
 *
 * The neighbours of coordinate x begin at base + start, where base = ⌈x⌉ − 1 and
 * ratio = x − base lies in (0, 1].  Antialiasing stretches the filter by 1/scale
 * when shrinking.
 */
#include <config.h>

#include <math.h>

#include "runtime/ops/resize.h"

#define TABLE_MAX (INT64_C(1) << 26) /* entries */

/* Where output ${j} lies in the input; NAN: outside of a crop. */
static double coordinate(enum rt_resize_place place, int64_t j, int64_t in, int64_t out,
			 double scale, const double roi[2])
{
	double width = scale * (double)in, x = (double)j, n = (double)in;

	switch (place) {
	case RT_RESIZE_ALIGN_CORNERS:
		return out == 1 ? 0 : x * (n - 1) / (width - 1);
	case RT_RESIZE_ASYMMETRIC:
		return x / scale;
	case RT_RESIZE_PYTORCH_HALF_PIXEL:
		return out == 1 ? -0.5 : (x + 0.5) / scale - 0.5;
	case RT_RESIZE_HALF_PIXEL_SYMMETRIC:
		return n / 2 * (1 - (double)out / width) + (x + 0.5) / scale - 0.5;
	case RT_RESIZE_CROP:
		x = out == 1 ? (roi[1] - roi[0]) * (n - 1) / 2
			     : x * (roi[1] - roi[0]) * (n - 1) / (width - 1);
		x += roi[0] * (n - 1);
		return x < 0 || x > n - 1 ? (double)NAN : x;
	default:
		return (x + 0.5) / scale - 0.5;
	}
}

/* The cubic filter at distance ${x} (Keys, 1981). */
static double cubic(double a, double x)
{
	x = fabs(x);
	if (x <= 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* First neighbour relative to the base; there are 2 − 2 · first of them. */
static int64_t first_tap(const struct rt_resize_how *how, double scale)
{
	double reach = how->mode == RT_RESIZE_CUBIC ? 2 : 1;

	if (how->antialias && scale < 1)
		return (int64_t)floor(-reach / scale) + 1;
	return how->mode == RT_RESIZE_CUBIC ? -1 : 0;
}

/* The weight of the neighbour ${k} steps from the base. */
static double weight(const struct rt_resize_how *how, double scale, int64_t k, double ratio)
{
	double x = ((double)k - ratio) * (how->antialias && scale < 1 ? scale : 1);

	if (how->mode == RT_RESIZE_CUBIC)
		return cubic(how->cubic_a, x);
	return fabs(x) < 1 ? 1 - fabs(x) : 0;
}

static int64_t clamped(int64_t i, int64_t n)
{
	return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static int64_t nearest(enum rt_resize_round how, double x, double scale)
{
	double low = floor(x);

	switch (how) {
	case RT_RESIZE_FLOOR:
		return (int64_t)low;
	case RT_RESIZE_CEIL:
		return (int64_t)ceil(x);
	case RT_RESIZE_SIMPLE:
		return (int64_t)(scale < 1 ? ceil(x) : low);
	case RT_RESIZE_PREFER_CEIL:
		return (int64_t)low + (x - low >= 0.5);
	default:
		return (int64_t)low + (x - low > 0.5);
	}
}

static void interpolate(const struct rt_resize_how *how, double scale, double x, int64_t first,
			struct rt_resize_axis *axis, int64_t j)
{
	int64_t base = (int64_t)ceil(x) - 1, *from = axis->from + j * axis->taps;
	double ratio = x - (double)base, sum = 0, *w = axis->weights + j * axis->taps;

	for (int64_t k = 0; k < axis->taps; k++) {
		int64_t i = base + first + k;
		w[k] = weight(how, scale, first + k, ratio);
		if (how->exclude_outside && (i < 0 || i >= axis->in))
			w[k] = 0;
		from[k] = clamped(i, axis->in);
		sum += w[k];
	}
	for (int64_t k = 0; k < axis->taps; k++)
		w[k] = sum > 0 || sum < 0 ? w[k] / sum : 0;
}

int rt_resize_axis_make(struct rt_infer *f, const struct rt_resize_how *how, int64_t in,
			int64_t out, double scale, const double roi[2], struct rt_resize_axis *axis,
			struct rt_error *err)
{
	int64_t first = 0, entries;
	bool identity = in == out;

	*axis = (struct rt_resize_axis){.in = in, .out = out, .taps = 1};
	if (how->mode != RT_RESIZE_NEAREST) {
		if (!(scale > 1e-6))
			return rt_error_set(err, RT_INPUT, "scale %g", scale);
		first = first_tap(how, scale);
		axis->taps = 2 - 2 * first;
	}
	if (__builtin_mul_overflow(out, axis->taps, &entries) || entries > TABLE_MAX)
		return rt_error_set(err, RT_BUDGET, "an axis of %lld from %lld", (long long)out,
				    (long long)in);
	axis->from = rt_infer_alloc(f, (size_t)(entries + 1) * sizeof(*axis->from));
	axis->weights = rt_infer_alloc(f, (size_t)(entries + 1) * sizeof(*axis->weights));
	if (axis->from == NULL || axis->weights == NULL)
		return rt_error_set(err, RT_MEMORY, "out of memory");
	for (int64_t j = 0; j < out; j++) {
		double x = coordinate(how->place, j, in, out, scale, roi);

		if (!isnan(x)) /* far outside is the edge anyway; keeps what follows in range */
			x = fmin(fmax(x, -1e9), (double)in + 1e9);
		if (isnan(x)) {
			axis->from[j * axis->taps] = -1;
			identity = false;
		} else if (how->mode == RT_RESIZE_NEAREST) {
			x = (double)(float)x; /* a scale is a float32: halves shall be halves */
			axis->from[j] = clamped(nearest(how->round, x, scale), in);
			axis->weights[j] = 1;
			identity &= axis->from[j] == j;
		} else {
			interpolate(how, scale, x, first, axis, j);
			identity &= !(x < (double)j) && !(x > (double)j);
		}
	}
	axis->identity = identity;
	return RT_OK;
}
