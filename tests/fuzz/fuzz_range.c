/* SPDX-License-Identifier: MIT */
/*
 * Any text as the headers of a conditional or range request: lines of Range, If-Range, If-Match,
 * If-None-Match, If-Modified-Since, If-Unmodified-Since, in that order. Whatever is decided must
 * follow from a header that is there, and lie within the file, each byte once.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/range.h"
#include "tests/fuzz/fuzz.h"

#define HEADERS 6

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* Parts: not empty, inside of the file, neither overlapping nor touching. */
static void check_parts(const struct range_ask *ask, const struct range_answer *a)
{
	check(a->count >= 1 && a->count <= RANGE_MAX);
	for (unsigned i = 0; i < a->count; i++) {
		const struct range *r = &a->range[i];

		check(r->size > 0 && r->offset < ask->length && r->size <= ask->length - r->offset);
		for (unsigned k = 0; k < i; k++) {
			const struct range *o = &a->range[k];

			check(o->offset + o->size < r->offset || r->offset + r->size < o->offset);
		}
	}
}

static void check_answer(const struct range_ask *ask, const struct range_answer *a)
{
	switch (a->status) {
	case 200:
		check(a->count == 0);
		break;
	case 206:
		check(ask->get && ask->range != NULL);
		check_parts(ask, a);
		break;
	case 304:
		check((ask->get || ask->head) &&
		      (ask->if_none_match != NULL || ask->if_modified_since != NULL));
		break;
	case 412:
		check(ask->if_match != NULL || ask->if_unmodified_since != NULL ||
		      (ask->if_none_match != NULL && !ask->get && !ask->head));
		break;
	case 416:
		check(ask->get && ask->range != NULL && a->count == 0);
		break;
	default:
		check(false);
	}
}

static void decide(const struct range_ask *asked)
{
	struct range_answer get = {0}, head = {0}, post = {0};
	struct range_ask ask = *asked;

	ask.get = true;
	range_decide(&ask, &get);
	check_answer(&ask, &get);
	ask.get = false;
	ask.head = true;
	range_decide(&ask, &head);
	check_answer(&ask, &head);
	check(head.status == (get.status == 206 || get.status == 416 ? 200 : get.status));
	ask.head = false;
	range_decide(&ask, &post);
	check_answer(&ask, &post);
}

/* A date that is read is printed as one that is read the same. */
static void dates(const char *s)
{
	int64_t at, again;
	char text[32];

	if (s == NULL || !range_date_parse(s, 1800000000, &at) || at < 0)
		return;
	range_date_print(at, text);
	check(range_date_parse(text, 1800000000, &again) && again == at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t lengths[] = {
	    0, 1, 1000, UINT64_C(1) << 40, (UINT64_C(1) << 63) - 1, UINT64_MAX,
	};
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
		dates(line[i]);
	}
	for (int i = 2; i < 4; i++) {
		if (line[i] != NULL && range_etag_listed(line[i], "\"abc\"", false))
			check(range_etag_listed(line[i], "\"abc\"", true));
	}
	for (size_t i = 0; i < 2 * sizeof(lengths) / sizeof(*lengths); i++) {
		decide(&(struct range_ask){.range = line[0],
					   .if_range = line[1],
					   .if_match = line[2],
					   .if_none_match = line[3],
					   .if_modified_since = line[4],
					   .if_unmodified_since = line[5],
					   .etag = "\"abc\"",
					   .modified_s = i % 2 == 0 ? 1700000000 : 0,
					   .length = lengths[i / 2],
					   .now_s = 1800000000});
	}
	free(text);
	return 0;
}
