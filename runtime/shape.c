/* SPDX-License-Identifier: MIT */
/*
 * shape.c — shapes and the checked arithmetic on them.  Every count that a
 * model or a request names passes here before memory is asked for.
 */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/tensor.h"

#define EMPTY_MAX (INT64_MAX / 64) /* product of the dims that are not 0 */

bool rt_shape_elems(const struct rt_shape *s, int64_t *out)
{
	int64_t n = 1;
	bool zero = false;

	if (s->rank < 0 || s->rank > RT_RANK_MAX)
		return false;
	for (int i = 0; i < s->rank; i++) {
		if (s->dims[i] < 0)
			return false;
		zero |= s->dims[i] == 0;
		if (s->dims[i] != 0 && __builtin_mul_overflow(n, s->dims[i], &n))
			return false;
	}
	/* Where there is a 0, strides and the like are products of the others, in bytes. */
	if (zero && n > EMPTY_MAX)
		return false;
	*out = zero ? 0 : n;
	return true;
}

bool rt_shape_bytes(const struct rt_shape *s, enum rt_dtype t, size_t *out)
{
	int64_t n;
	unsigned bits = rt_dtype_bits(t);
	size_t bytes;

	if (bits == 0 || !rt_shape_elems(s, &n))
		return false;
	if (bits < 8) {
		*out = (size_t)n / (8 / bits) + ((size_t)n % (8 / bits) != 0);
		return true;
	}
	if (__builtin_mul_overflow((size_t)n, (size_t)(bits / 8), &bytes) || bytes > INT64_MAX)
		return false;
	*out = bytes;
	return true;
}

bool rt_shape_equal(const struct rt_shape *a, const struct rt_shape *b)
{
	if (a->rank != b->rank)
		return false;
	for (int i = 0; i < a->rank; i++) {
		if (a->dims[i] != b->dims[i])
			return false;
	}
	return true;
}

char *rt_shape_text(const struct rt_shape *s, char *buf, size_t size)
{
	size_t at = 0;
	int n;

	if (size == 0)
		return buf;
	if (s->rank < 0) {
		(void)snprintf(buf, size, "[...]");
		return buf;
	}
	for (int i = 0; i < s->rank && at < size; i++) {
		if (s->dims[i] < 0)
			n = snprintf(buf + at, size - at, "%s?", i == 0 ? "[" : ",");
		else
			n = snprintf(buf + at, size - at, "%s%lld", i == 0 ? "[" : ",",
				     (long long)s->dims[i]);
		if (n < 0)
			break;
		at += (size_t)n;
	}
	if (at < size)
		(void)snprintf(buf + at, size - at, "%s", s->rank == 0 ? "[]" : "]");
	return buf;
}

struct rt_shape rt_shape_of(int rank, ...)
{
	struct rt_shape s = {.rank = rank};
	va_list ap;

	must(rank >= 0 && rank <= RT_RANK_MAX);
	va_start(ap, rank);
	for (int i = 0; i < rank; i++)
		s.dims[i] = va_arg(ap, int64_t);
	va_end(ap);
	return s;
}
