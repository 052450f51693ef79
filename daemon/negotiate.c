/* SPDX-License-Identifier: MIT */
/*
 * negotiate.c — Accept-Encoding and the Want-Digest fields.  Called by
 * handle_files.c and encode.c; must never allocate and never be lenient: half
 * of a value that was misread is worse than none.
 */
#include <config.h>

#include "daemon/negotiate.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* tchar of RFC 9110 §5.6.2 */
static bool token_char(char c)
{
	return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* ---- Accept-Encoding (RFC 9110 §12.5.3) ----------------------------------------- */

static const char *const names[CODING_COUNT] = {"identity", "gzip", "zstd"};

const char *negotiate_coding_name(enum negotiate_coding coding)
{
	return names[coding];
}

/* A qvalue (§12.4.2) in thousandths; its end, or NULL. */
static const char *qvalue(const char *s, int *ret_q)
{
	int scale = 100, q;

	if (*s != '0' && *s != '1')
		return NULL;
	q = (*s++ - '0') * 1000;
	if (*s == '.') {
		for (s++; digit(*s) && scale > 0; s++, scale /= 10)
			q += (*s - '0') * scale;
	}
	if (q > 1000)
		return NULL;
	*ret_q = q;
	return s;
}

/* One `coding;q=…` at ${s}: its end, or NULL. */
static const char *one_coding(const char *s, size_t *ret_size, int *ret_q)
{
	size_t size = 0;

	while (token_char(s[size]))
		size++;
	if (size == 0)
		return NULL;
	*ret_size = size;
	*ret_q = 1000;
	s = blanks(s + size);
	if (*s == ';') {
		s = blanks(s + 1);
		if ((*s != 'q' && *s != 'Q') || s[1] != '=')
			return NULL;
		s = qvalue(s + 2, ret_q);
		if (s == NULL)
			return NULL;
		s = blanks(s);
	}
	return *s == ',' || *s == '\0' ? s : NULL;
}

static bool same(const char *s, size_t size, const char *name)
{
	return strlen(name) == size && strncasecmp(s, name, size) == 0;
}

enum negotiate_coding negotiate_coding(const char *accept)
{
	int q[CODING_COUNT] = {-1, -1, -1};
	enum negotiate_coding best;
	const char *s = accept == NULL ? "" : blanks(accept);

	while (*s != '\0') {
		const char *name = s;
		size_t size;
		int value;

		if (*s == ',') {
			s = blanks(s + 1);
			continue;
		}
		s = one_coding(s, &size, &value);
		if (s == NULL)
			return CODING_IDENTITY;
		for (size_t i = 0; i < CODING_COUNT; i++) {
			if (same(name, size, names[i]) ||
			    (i == CODING_GZIP && same(name, size, "x-gzip")))
				q[i] = value;
		}
	}
	best = q[CODING_ZSTD] >= q[CODING_GZIP] ? CODING_ZSTD : CODING_GZIP;
	return q[best] <= 0 || q[best] < q[CODING_IDENTITY] ? CODING_IDENTITY : best;
}

/* ---- Want-Repr-Digest (RFC 9530 §4), a dictionary of RFC 8941 §3.2 ---------------- */

static bool key_char(char c)
{
	return digit(c) || (c >= 'a' && c <= 'z') || (c != '\0' && strchr("_-.*", c) != NULL);
}

static const char *key(const char *s)
{
	if (!(*s >= 'a' && *s <= 'z') && *s != '*')
		return NULL;
	while (key_char(*s))
		s++;
	return s;
}

/* Integer or Decimal (§3.3.1, §3.3.2); ${ret_value} is -1 unless it is an integer of 0 to 10. */
static const char *number(const char *s, int *ret_value)
{
	const char *begin;
	long value = 0;
	bool minus = *s == '-';

	s += minus;
	begin = s;
	for (; digit(*s); s++)
		value = value > 10 ? 11 : value * 10 + (*s - '0');
	if (s == begin || s - begin > 15)
		return NULL;
	*ret_value = value > 10 || (minus && value != 0) ? -1 : (int)value;
	if (*s == '.') {
		*ret_value = -1;
		begin = ++s;
		while (digit(*s))
			s++;
		if (s == begin || s - begin > 3)
			return NULL;
	}
	return s;
}

static const char *string(const char *s)
{
	for (s++; *s != '"'; s++) {
		if (*s == '\\' && s[1] != '"' && s[1] != '\\')
			return NULL;
		s += *s == '\\';
		if (*s < 0x20 || *s == 0x7f)
			return NULL;
	}
	return s + 1;
}

/* A bare item (§3.3): its end, or NULL. */
static const char *item(const char *s, int *ret_value)
{
	*ret_value = -1;
	if (digit(*s) || *s == '-')
		return number(s, ret_value);
	if (*s == '"')
		return string(s);
	if (*s == '?')
		return s[1] == '0' || s[1] == '1' ? s + 2 : NULL;
	if (*s == ':') {
		do
			s++;
		while (digit(*s) || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		       *s == '+' || *s == '/' || *s == '=');
		return *s == ':' ? s + 1 : NULL;
	}
	if (*s != '*' && !(*s >= 'a' && *s <= 'z') && !(*s >= 'A' && *s <= 'Z'))
		return NULL;
	while (token_char(*s) || *s == ':' || *s == '/')
		s++;
	return s;
}

/* `;name=value` as often as it comes (§3.1.2) */
static const char *parameters(const char *s)
{
	int ignored;

	while (s != NULL && *s == ';') {
		do
			s++;
		while (*s == ' ');
		s = key(s);
		if (s != NULL && *s == '=')
			s = item(s + 1, &ignored);
	}
	return s;
}

/* ( item item … ) (§3.1.1): never a preference, but no error either. */
static const char *inner_list(const char *s)
{
	int ignored;

	for (s++; s != NULL;) {
		while (*s == ' ')
			s++;
		if (*s == ')')
			return s + 1;
		s = parameters(item(s, &ignored));
		if (s != NULL && *s != ' ' && *s != ')')
			return NULL;
	}
	return NULL;
}

int negotiate_digest(const char *want, const char *algorithm)
{
	const char *s = want;
	int found = -1;

	if (s == NULL)
		return -1;
	while (*s == ' ')
		s++;
	for (;;) {
		const char *name = s;
		size_t size;
		int value = -1;

		s = key(s);
		if (s == NULL)
			return -1;
		size = (size_t)(s - name);
		if (*s == '=') {
			s++;
			s = *s == '(' ? inner_list(s) : item(s, &value);
		}
		s = parameters(s);
		if (s == NULL)
			return -1;
		if (strlen(algorithm) == size && memcmp(name, algorithm, size) == 0)
			found = value; /* the last one counts (§4.2.2) */
		s = blanks(s);
		if (*s == '\0')
			return found;
		if (*s != ',')
			return -1;
		s = blanks(s + 1);
	}
}
