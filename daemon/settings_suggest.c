/* SPDX-License-Identifier: MIT */
/*
 * settings_suggest.c — the nearest of the words that would have been right.  Called by
 * settings.c for its messages; must never decide anything.
 */
#include <config.h>

#include "daemon/settings_suggest.h"

#include <string.h>

/* Edits between two keys (Levenshtein), for keys of up to 31 characters. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[32];
	size_t n = strlen(b);

	if (n > 31 || strlen(a) > 31)
		return 99;
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			unsigned best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

const char *settings_suggest(const char *key, const char *const *known, size_t count)
{
	const char *best = NULL;
	unsigned least = 4;

	for (size_t i = 0; i < count; i++) {
		unsigned d = distance(key, known[i]);

		if (d < least) {
			least = d;
			best = known[i];
		}
	}
	return best;
}
