/* SPDX-License-Identifier: MIT */
/*
 * utf8.c — well-formed UTF-8, by the table of RFC 3629 §4.  Called by route.c
 * for what clients send and by text.c for what goes out.
 */
#include <config.h>

#include "daemon/utf8.h"

size_t utf8_width(const char *s, size_t size)
{
	const unsigned char *b = (const unsigned char *)s;
	unsigned char low = 0x80, high = 0xbf;
	size_t width;

	if (size == 0)
		return 0;
	if (b[0] < 0x80)
		return 1;
	if (b[0] >= 0xc2 && b[0] <= 0xdf)
		width = 2;
	else if (b[0] >= 0xe0 && b[0] <= 0xef)
		width = 3;
	else if (b[0] >= 0xf0 && b[0] <= 0xf4)
		width = 4;
	else
		return 0;
	if (size < width)
		return 0;
	/* the second byte shuts out overlong forms, surrogates and what is too large */
	if (b[0] == 0xe0)
		low = 0xa0;
	else if (b[0] == 0xed)
		high = 0x9f;
	else if (b[0] == 0xf0)
		low = 0x90;
	else if (b[0] == 0xf4)
		high = 0x8f;
	if (b[1] < low || b[1] > high)
		return 0;
	for (size_t i = 2; i < width; i++) {
		if (b[i] < 0x80 || b[i] > 0xbf)
			return 0;
	}
	return width;
}

bool utf8_ok(const char *s, size_t size)
{
	size_t i = 0;

	while (i < size) {
		size_t width = utf8_width(s + i, size - i);

		if (width == 0)
			return false;
		i += width;
	}
	return true;
}

size_t utf8_cut(const char *s, size_t size)
{
	size_t n = size;

	while (n > 0 && n + 4 > size) {
		if (((unsigned char)s[n - 1] & 0xc0) != 0x80)
			return utf8_width(s + n - 1, size - n + 1) == 0 ? n - 1 : size;
		n--;
	}
	return size;
}
