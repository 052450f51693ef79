/* SPDX-License-Identifier: MIT */
/*
 * Any text as the headers of a conditional or range request: lines of Range, If-Range, If-Match,
 * If-None-Match, If-Modified-Since, If-Unmodified-Since, in that order. Whatever is decided must
 * lie within the file.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/range.h"
#include "tests/fuzz/fuzz.h"

#define HEADERS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t lengths[] = {0, 1, 1000, UINT64_C(1) << 40};
	char *text = malloc(size + 1), *rest = text, *line[HEADERS] = {NULL};

	if (text == NULL)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	for (int i = 0; i < HEADERS && rest != NULL; i++) {
		line[i] = strsep(&rest, "\n");
		if (*line[i] == '\0')
			line[i] = NULL;
	}
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct range_ask ask = {.get = true,
					.range = line[0],
					.if_range = line[1],
					.if_match = line[2],
					.if_none_match = line[3],
					.if_modified_since = line[4],
					.if_unmodified_since = line[5],
					.etag = "\"abc\"",
					.modified_s = 1700000000,
					.length = lengths[i],
					.now_s = 1800000000};
		struct range_answer answer = {0};

		range_decide(&ask, &answer);
		if (answer.count > RANGE_MAX)
			abort();
		for (unsigned k = 0; answer.status == 206 && k < answer.count; k++) {
			if (answer.range[k].size == 0 || answer.range[k].offset > ask.length ||
			    answer.range[k].size > ask.length - answer.range[k].offset)
				abort();
		}
	}
	free(text);
	return 0;
}
