/* SPDX-License-Identifier: MIT */
/*
 * number_text.c — see number_text.h.  Reads as strtod does ("NaN", "INF", "1e-5");
 * an integer may have a fraction of nothing ("1.0").
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ops/convert.h"
#include "runtime/ops/number_text.h"

bool rt_number_text_read(struct rt_str s, enum rt_dtype t, void *to, int64_t i)
{
	char text[64], *end = text;

	if (s.size == 0 || s.size >= sizeof(text))
		return false;
	memcpy(text, s.bytes, s.size);
	text[s.size] = '\0';
	errno = 0;
	if (rt_convert_is_float(t)) {
		double x = strtod(text, &end);
		rt_convert_from_f64(t, &x, 1, to, i, true);
	} else {
		int64_t v = t == RT_U64 ? (int64_t)strtoull(text, &end, 10)
					: (int64_t)strtoll(text, &end, 10);
		if (*end == '.' || *end == 'e' || *end == 'E') { /* "1.0" as an integer */
			double x = strtod(text, &end);
			rt_convert_from_f64(RT_I64, &x, 1, &v, 0, true);
		}
		rt_convert_from_i64(t, &v, 1, to, i);
	}
	return end != text && *end == '\0';
}

/* Digits before the point; at least 1. */
static int whole_digits(double x)
{
	int digits = 1;

	x = fabs(x);
	while (x >= 10) {
		x /= 10;
		digits++;
	}
	return digits;
}

/* The fewest digits that read back as ${x}, which is of type ${t}. */
static int float_text(enum rt_dtype t, double x, char *out)
{
	double back;
	int n = 0;

	if (isnan(x))
		return snprintf(out, RT_NUMBER_TEXT, "NaN");
	if (isinf(x))
		return snprintf(out, RT_NUMBER_TEXT, x > 0 ? "INF" : "-INF");
	/* Whole numbers below 10^15 keep all their digits, so that they have no exponent. */
	for (int digits = x < 1e15 && x > -1e15 ? whole_digits(x) : 1; digits <= 17; digits++) {
		uint64_t bits;
		n = snprintf(out, RT_NUMBER_TEXT, "%.*g", digits, x);
		back = strtod(out, NULL);
		rt_convert_from_f64(t, &back, 1, &bits, 0, true);
		rt_convert_to_f64(t, &bits, 0, 1, &back);
		if (!(back < x) && !(back > x))
			break;
	}
	return n;
}

int rt_number_text(const struct rt_tensor *t, int64_t i, char *out)
{
	if (rt_convert_is_float(t->dtype))
		return float_text(t->dtype, rt_convert_get_f64(t, i), out);
	if (t->dtype == RT_U64)
		return snprintf(out, RT_NUMBER_TEXT, "%" PRIu64,
				(uint64_t)rt_convert_get_i64(t, i));
	if (t->dtype == RT_BOOL)
		return snprintf(out, RT_NUMBER_TEXT, "%s",
				rt_convert_get_i64(t, i) != 0 ? "True" : "False");
	return snprintf(out, RT_NUMBER_TEXT, "%" PRId64, rt_convert_get_i64(t, i));
}
