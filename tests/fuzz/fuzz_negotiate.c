/* SPDX-License-Identifier: MIT */
/*
 * Any text as Accept-Encoding and, after a line feed, as Want-Repr-Digest. A coding is chosen only
 * if it is named, a digest has a preference only if it is; and each of the two says the same with
 * another member in front that speaks of something else.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/negotiate.h"
#include "tests/fuzz/fuzz.h"

static void check(int ok)
{
	if (!ok)
		abort();
}

/* ${front}, then ${s}. */
static char *with(const char *front, const char *s)
{
	size_t n = strlen(front), m = strlen(s);
	char *both = malloc(n + m + 1);

	if (both == NULL)
		abort();
	memcpy(both, front, n);
	memcpy(both + n, s, m + 1);
	return both;
}

static void accept_encoding(const char *s)
{
	enum negotiate_coding coding = negotiate_coding(s);
	char *more = with("br;q=0.3, ", s);

	check(coding == CODING_IDENTITY || strcasestr(s, negotiate_coding_name(coding)) != NULL);
	check(negotiate_coding(more) == coding);
	free(more);
	/* what is refused is not chosen */
	more = with("gzip;q=0, zstd;q=0, ", s);
	if (strcasestr(s, "gzip") == NULL && strcasestr(s, "zstd") == NULL)
		check(negotiate_coding(more) == CODING_IDENTITY);
	free(more);
}

static void want_digest(const char *s)
{
	int preference = negotiate_digest(s, "sha-256");
	char *more = with("md5=1,", s);

	check(preference >= -1 && preference <= 10);
	check(preference == -1 || strstr(s, "sha-256=") != NULL);
	/* after a comma a tab may stand, in front of all it may not (RFC 8941 §4.2) */
	if (s[strspn(s, " ")] != '\t')
		check(negotiate_digest(more, "sha-256") == preference);
	free(more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *second;

	if (text == NULL)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	second = strchr(text, '\n');
	if (second != NULL)
		*second++ = '\0';
	accept_encoding(text);
	if (second != NULL)
		want_digest(second);
	free(text);
	return 0;
}
