/* SPDX-License-Identifier: MIT */
/*
 * oip_number.c — see oip_number.h.  Called by oip_data.c once per element, so the
 * usual numbers take a short way: up to 2^53 in digits and 10^22 in scale, the
 * quotient or product of two exact doubles is the nearest double (Clinger, "How to
 * read floating point numbers accurately", 1990).  The rest is the C library's.
 */
#include <config.h>

#include "daemon/oip_number.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What the text says: ±digits · 10^scale. */
struct decimal {
	bool negative, whole;
	bool exact; /* ${digits} holds all of them */
	uint64_t digits;
	int scale;
};

bool oip_number_is_integer(enum rt_dtype d)
{
	switch (d) {
	case RT_U8:
	case RT_I8:
	case RT_U16:
	case RT_I16:
	case RT_U32:
	case RT_I32:
	case RT_U64:
	case RT_I64:
		return true;
	default:
		return false;
	}
}

/* A run of digits at *p is appended to v->digits; how many there are. */
static size_t take_digits(const char **p, const char *end, struct decimal *v)
{
	const char *start = *p;

	for (; *p < end && **p >= '0' && **p <= '9'; ++*p) {
		if (__builtin_mul_overflow(v->digits, 10u, &v->digits) ||
		    __builtin_add_overflow(v->digits, (uint64_t)(**p - '0'), &v->digits))
			v->exact = false;
	}
	return (size_t)(*p - start);
}

/* Behind `e`: its value in *scale, held where nothing depends on more.  false: not one. */
static bool take_exponent(const char **p, const char *end, int *scale)
{
	bool negative = *p < end && **p == '-';
	int e = 0;
	const char *start;

	if (*p < end && (**p == '+' || **p == '-'))
		++*p;
	for (start = *p; *p < end && **p >= '0' && **p <= '9'; ++*p) {
		if (e < 100000)
			e = e * 10 + (**p - '0');
	}
	*scale += negative ? -e : e;
	return *p > start;
}

static bool scan(const char *text, size_t size, struct decimal *v)
{
	const char *p = text, *end = text + size, *first;
	size_t n;

	*v = (struct decimal){.whole = true, .exact = true};
	if (p < end && *p == '-') {
		v->negative = true;
		p++;
	}
	first = p;
	n = take_digits(&p, end, v);
	if (n == 0 || (n > 1 && *first == '0'))
		return false;
	if (p < end && *p == '.') {
		p++;
		n = take_digits(&p, end, v);
		if (n == 0 || n > 100000)
			v->exact = false;
		if (n == 0)
			return false;
		v->scale = v->exact ? -(int)n : 0;
		v->whole = false;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (!take_exponent(&p, end, &v->scale))
			return false;
		v->whole = false;
	}
	return p == end;
}

static enum oip_number integer(const struct decimal *v, enum rt_dtype d, void *at)
{
	unsigned bits = rt_dtype_bits(d);
	bool is_signed = d == RT_I8 || d == RT_I16 || d == RT_I32 || d == RT_I64;
	uint64_t most = UINT64_MAX >> (64 - bits + is_signed), least = is_signed ? most + 1 : 0;
	uint64_t value = v->negative ? UINT64_C(0) - v->digits : v->digits;

	if (!v->whole)
		return OIP_NUMBER_FRACTION;
	if (!v->exact || v->digits > (v->negative ? least : most))
		return OIP_NUMBER_RANGE;
	if (at != NULL)
		memcpy(at, &value, bits / 8); /* little-endian: oip_binary.c asserts it */
	return OIP_NUMBER_OK;
}

/* The short way; false: take the long one. */
static bool quick(const struct decimal *v, double *out)
{
	static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
				       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
				       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	double d = (double)v->digits;

	if (!v->exact || v->digits > UINT64_C(1) << 53 || v->scale < -22 || v->scale > 22)
		return false;
	d = v->scale < 0 ? d / power[-v->scale] : d * power[v->scale];
	*out = v->negative ? -d : d;
	return true;
}

/*
 * Whether rounding ${d} once more, to a float, could go wrong: only where the double
 * lies half-way between two floats, because the number itself may lie beside it.  The
 * short way gives no double so small that its float would be subnormal.
 */
static bool is_half_way(double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof bits);
	return (bits & 0x1fffffff) == 0x10000000;
}

enum oip_number oip_number_parse(const char *text, size_t size, enum rt_dtype d, void *at)
{
	struct decimal v;
	double wide;
	float narrow;

	if (!scan(text, size, &v))
		return OIP_NUMBER_NONE;
	if (d != RT_F32 && d != RT_F64)
		return integer(&v, d, at);
	if (d == RT_F64) {
		if (!quick(&v, &wide))
			wide = strtod(text, NULL);
		if (at != NULL && isfinite(wide))
			memcpy(at, &wide, sizeof wide);
		return isfinite(wide) ? OIP_NUMBER_OK : OIP_NUMBER_RANGE;
	}
	narrow = quick(&v, &wide) && !is_half_way(wide) ? (float)wide : strtof(text, NULL);
	if (at != NULL && isfinite(narrow))
		memcpy(at, &narrow, sizeof narrow);
	return isfinite(narrow) ? OIP_NUMBER_OK : OIP_NUMBER_RANGE;
}
