/* SPDX-License-Identifier: MIT */
/*
 * decimal.c — see decimal.h.  Called by chunk_border.c, chunk_list.c and partial_map.c; must never
 * take a sign, a space or a number that does not fit, as strtoull() and sscanf() do.
 */
#include <config.h>

#include "store/decimal.h"

bool store_decimal_read(const char **s, const char *end, uint64_t *out)
{
	const char *p = *s;
	uint64_t n = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	}
	if (p == *s)
		return false;
	*s = p;
	*out = n;
	return true;
}
