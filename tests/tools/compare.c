/* SPDX-License-Identifier: MIT */
/* compare.c — see compare.h.  Elements are widened to double (64-bit integers are compared as
 * integers, so nothing is lost). */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/compare.h"

static bool is_float(enum rt_dtype t)
{
	return t == RT_F32 || t == RT_F64 || t == RT_F16 || t == RT_BF16;
}

#define LOAD(type, var)                                                                            \
	type var;                                                                                  \
	memcpy(&var, (const char *)t->data + (size_t)i * sizeof var, sizeof var)

static double float_at(const struct rt_tensor *t, int64_t i)
{
	if (t->dtype == RT_F64) {
		LOAD(double, d);
		return d;
	}
	if (t->dtype == RT_F32) {
		LOAD(float, f);
		return (double)f;
	}
	LOAD(uint16_t, h);
	return (double)(t->dtype == RT_F16 ? rt_f16_to_f32(h) : rt_bf16_to_f32(h));
}

/* An element of a type of less than 8 bits: low bits first. */
static int64_t packed_at(const struct rt_tensor *t, int64_t i)
{
	unsigned bits = rt_dtype_bits(t->dtype);
	int64_t per_byte = 8 / bits;
	uint8_t b = ((const uint8_t *)t->data)[i / per_byte];

	return b >> ((unsigned)(i % per_byte) * bits) & ((1 << bits) - 1);
}

/* Integer types, bool, and other packed or 8-bit types as their bits. */
static int64_t int_at(const struct rt_tensor *t, int64_t i)
{
	switch (t->dtype) {
	case RT_U16: {
		LOAD(uint16_t, v);
		return v;
	}
	case RT_I16: {
		LOAD(int16_t, v);
		return v;
	}
	case RT_I32: {
		LOAD(int32_t, v);
		return v;
	}
	case RT_U32: {
		LOAD(uint32_t, v);
		return v;
	}
	case RT_I64:
	case RT_U64: {
		LOAD(int64_t, v);
		return v;
	}
	case RT_I8: {
		LOAD(int8_t, v);
		return v;
	}
	case RT_I4:
	case RT_I2: {
		int64_t v = packed_at(t, i), top = 1 << (rt_dtype_bits(t->dtype) - 1);
		return v >= top ? v - 2 * top : v;
	}
	default:
		return rt_dtype_bits(t->dtype) < 8 ? packed_at(t, i)
						   : ((const uint8_t *)t->data)[i];
	}
}

static bool str_equal(const struct rt_tensor *a, int64_t i, const struct rt_tensor *b, int64_t j)
{
	const struct rt_str *x = (const struct rt_str *)a->data + i;
	const struct rt_str *y = (const struct rt_str *)b->data + j;

	return x->size == y->size && (x->size == 0 || memcmp(x->bytes, y->bytes, x->size) == 0);
}

/* One element of each; *diff is their distance (0 for strings that agree, 1 otherwise). */
static bool element_same(const struct rt_tensor *got, int64_t i, const struct rt_tensor *want,
			 int64_t j, const struct compare_limits *l, double *diff)
{
	*diff = 0;
	if (got->dtype == RT_STR) {
		bool same = str_equal(got, i, want, j);
		*diff = same ? 0 : 1;
		return same;
	}
	if (!is_float(got->dtype)) {
		int64_t g = int_at(got, i), w = int_at(want, j);
		uint64_t d = g > w ? (uint64_t)g - (uint64_t)w : (uint64_t)w - (uint64_t)g;
		*diff = (double)d;
		return d <= (uint64_t)l->steps;
	}
	double g = float_at(got, i), w = float_at(want, j);
	if (isnan(g) || isnan(w)) {
		*diff = isnan(g) && isnan(w) ? 0 : (double)INFINITY;
		return isnan(g) && isnan(w);
	}
	if (isinf(g) || isinf(w)) {
		bool same = isinf(g) && isinf(w) && signbit(g) == signbit(w);
		*diff = same ? 0 : (double)INFINITY;
		return same;
	}
	*diff = fabs(g - w);
	return *diff <= l->atol + l->rtol * fabs(w);
}

static void element_text(const struct rt_tensor *t, int64_t i, char *buf, size_t size)
{
	if (t->dtype == RT_STR) {
		const struct rt_str *s = (const struct rt_str *)t->data + i;
		snprintf(buf, size, "\"%.*s\"", (int)(s->size > 40 ? 40 : s->size), s->bytes);
	} else if (is_float(t->dtype)) {
		snprintf(buf, size, "%.8g", float_at(t, i));
	} else {
		snprintf(buf, size, "%lld", (long long)int_at(t, i));
	}
}

static bool same_kind(const struct rt_tensor *got, const struct rt_tensor *want, char *text,
		      size_t size)
{
	char a[128], b[128];

	if (got->dtype != want->dtype) {
		snprintf(text, size, "type %s, not %s", rt_dtype_name(got->dtype),
			 rt_dtype_name(want->dtype));
		return false;
	}
	if (!rt_shape_equal(&got->shape, &want->shape)) {
		snprintf(text, size, "shape %s, not %s", rt_shape_text(&got->shape, a, sizeof a),
			 rt_shape_text(&want->shape, b, sizeof b));
		return false;
	}
	return true;
}

/* Every row of ${want} has a row of ${got} of its own. */
static bool same_rows(const struct rt_tensor *got, const struct rt_tensor *want,
		      const struct compare_limits *l)
{
	int64_t rows = want->shape.rank > 0 ? want->shape.dims[0] : 1;
	int64_t width = rows > 0 ? rt_tensor_elems(want) / rows : 0;
	bool *taken = calloc((size_t)rows + 1, 1);
	bool all = taken != NULL;

	for (int64_t w = 0; all && w < rows; w++) {
		bool found = false;
		for (int64_t g = 0; !found && g < rows; g++) {
			double d;
			int64_t k = 0;
			/* fanalyzer-suppress possible-null-dereference: all says that there is */
			if (taken[g])
				continue;
			while (k < width &&
			       element_same(got, g * width + k, want, w * width + k, l, &d))
				k++;
			found = k == width;
			if (found)
				taken[g] = true;
		}
		all = found;
	}
	free(taken);
	return all;
}

bool compare_tensors(const struct rt_tensor *got, const struct rt_tensor *want,
		     const struct compare_limits *limits, double *ret_max, char *text, size_t size)
{
	int64_t n, bad = 0, first = -1;
	double max = 0;

	*ret_max = 0;
	if (!same_kind(got, want, text, size))
		return false;
	n = rt_tensor_elems(want);
	for (int64_t i = 0; i < n; i++) {
		double d;
		if (!element_same(got, i, want, i, limits, &d)) {
			if (first < 0)
				first = i;
			bad++;
		}
		if (d > max)
			max = d;
	}
	*ret_max = max;
	if (bad == 0)
		return true;
	if (limits->any_order && same_rows(got, want, limits))
		return true;
	char g[64], w[64];
	element_text(got, first, g, sizeof g);
	element_text(want, first, w, sizeof w);
	snprintf(text, size,
		 "%lld of %lld elements differ, largest by %.6g; first at %lld: %s, not %s",
		 (long long)bad, (long long)n, max, (long long)first, g, w);
	return false;
}

static double value_at(const struct rt_tensor *t, int64_t i)
{
	return is_float(t->dtype) ? float_at(t, i) : (double)int_at(t, i);
}

struct moments {
	double mean, deviation, zeros;
};

static struct moments moments_of(const struct rt_tensor *t, int64_t n)
{
	struct moments m = {0, 0, 0};

	for (int64_t i = 0; i < n; i++) {
		double v = value_at(t, i);
		m.mean += v / (double)n;
		m.zeros += (v >= 0 && v <= 0 ? 1.0 : 0.0) / (double)n;
	}
	for (int64_t i = 0; i < n; i++) {
		double v = value_at(t, i) - m.mean;
		m.deviation += v * v / (double)n;
	}
	m.deviation = sqrt(m.deviation);
	return m;
}

bool compare_statistics(const struct rt_tensor *got, const struct rt_tensor *want, char *text,
			size_t size)
{
	int64_t n;

	if (!same_kind(got, want, text, size))
		return false;
	n = rt_tensor_elems(want);
	if (n < 2 || want->dtype == RT_STR)
		return true;
	struct moments g = moments_of(got, n), w = moments_of(want, n);
	/* both are samples: the difference of two means has √2 standard errors; six of them */
	double wide = 6 * sqrt(2.0 / (double)n);
	double spread = g.deviation > w.deviation ? g.deviation : w.deviation;
	if (fabs(g.mean - w.mean) > wide * spread + 1e-6) {
		snprintf(text, size, "mean %.5g, not near %.5g", g.mean, w.mean);
		return false;
	}
	double p = w.zeros > g.zeros ? w.zeros : g.zeros;
	if (fabs(g.zeros - w.zeros) > wide * sqrt(p * (1 - p) + 1.0 / (double)n)) {
		snprintf(text, size, "%.4g of the elements are zero, not near %.4g", g.zeros,
			 w.zeros);
		return false;
	}
	return true;
}

double compare_max_abs(const struct rt_tensor *t)
{
	double max = 0;

	if (t->dtype == RT_STR)
		return 0;
	for (int64_t i = 0, n = rt_tensor_elems(t); i < n; i++) {
		double v = fabs(value_at(t, i));
		if (isfinite(v) && v > max)
			max = v;
	}
	return max;
}

bool compare_values(const struct rt_tensor *got, const struct rt_tensor *want,
		    const struct compare_limits *limits, double *ret_max, char *text, size_t size)
{
	const struct rt_list *g = got->data, *w = want->data;
	double max;
	bool ok = true;

	if (got->dtype == want->dtype && !rt_dtype_is_list(got->dtype))
		return compare_tensors(got, want, limits, ret_max, text, size);
	*ret_max = 0;
	if (got->dtype != want->dtype || g->count != w->count) {
		snprintf(text, size, "%s of %lld, not %s of %lld", rt_dtype_name(got->dtype),
			 rt_dtype_is_list(got->dtype) ? (long long)g->count : 0,
			 rt_dtype_name(want->dtype),
			 rt_dtype_is_list(want->dtype) ? (long long)w->count : 0);
		return false;
	}
	for (int64_t i = 0; i < g->count && ok; i++) {
		ok = compare_values(&g->items[i], &w->items[i], limits, &max, text, size);
		if (max > *ret_max)
			*ret_max = max;
	}
	return ok;
}
