/* SPDX-License-Identifier: MIT */
/*
 * name.c — which names are legal.  Called before a name reaches the index; it
 * never touches a disk.  Names are keys: nothing here is about file systems
 * but for one rule, that a model can be exported as a folder again.
 */
#include <config.h>

#include "store/name.h"

#include <string.h>

/* The smallest code point that needs n bytes; shorter forms of it are ill-formed. */
static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};

size_t store_name_char(const char *s, size_t size)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c;
	size_t n;

	if (size == 0)
		return 0;
	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f ? 1 : 0;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (size < n)
		return 0;
	c = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || c < 0xa0)
		return 0;
	return n;
}

/* Is this one legal segment?  ${size} bytes, no slash among them. */
static bool segment_ok(const char *s, size_t size)
{
	if (size == 0 || (size == 1 && s[0] == '.') || (size == 2 && s[0] == '.' && s[1] == '.'))
		return false;
	for (size_t at = 0; at < size;) {
		size_t n = store_name_char(s + at, size - at);

		if (n == 0 || s[at] == '\\')
			return false;
		at += n;
	}
	return true;
}

size_t store_name_segments(const char *s, size_t max_bytes)
{
	size_t size = strnlen(s, max_bytes + 1);
	size_t count = 0;

	if (size > max_bytes)
		return 0;
	for (size_t at = 0; at <= size; count++) {
		const char *slash = memchr(s + at, '/', size - at);
		size_t end = slash == NULL ? size : (size_t)(slash - s);

		if (!segment_ok(s + at, end - at))
			return 0;
		at = end + 1;
	}
	return count;
}

/*
 * `--` stands for the slash where no slash can stand.  For that to be read
 * back in one way only, no segment holds it, and none ends or begins with a
 * hyphen next to the slash.
 */
bool store_name_ok(const char *model)
{
	size_t count = store_name_segments(model, STORE_NAME_MAX);
	const char *slash = strchr(model, '/');

	if (count != 1 && count != 2)
		return false;
	if (strstr(model, "--") != NULL)
		return false;
	return slash == NULL || (slash[-1] != '-' && slash[1] != '-');
}

bool store_name_real(const char *model, char out[STORE_NAME_MAX + 1])
{
	size_t size = strnlen(model, STORE_NAME_MAX + 2);
	char name[STORE_NAME_MAX + 2];
	char *alias;

	if (size > STORE_NAME_MAX + 1)
		return false;
	memcpy(name, model, size);
	name[size] = '\0';
	alias = strchr(name, '/') == NULL ? strstr(name, "--") : NULL;
	if (alias != NULL) {
		*alias = '/';
		memmove(alias + 1, alias + 2, strlen(alias + 2) + 1);
	}
	if (!store_name_ok(name))
		return false;
	memcpy(out, name, strlen(name) + 1);
	return true;
}
