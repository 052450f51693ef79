/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the path of a request: a row or a refusal, and no decoded part that could climb out
 * of a folder or end early.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/route.h"
#include "tests/fuzz/fuzz.h"

/* Is one of the segments of ${part} `.`, `..` or empty? */
static bool climbs(const char *part)
{
	for (;;) {
		size_t n = strcspn(part, "/");

		if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && memcmp(part, "..", 2) == 0))
			return true;
		if (part[n] == '\0')
			return false;
		part += n + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fault fault;
	struct route_match match = {0};
	struct arena arena;
	char *path = malloc(size + 1);

	if (path == NULL)
		abort();
	path[0] = '/';
	if (size > 0)
		memcpy(path + 1, data, size);
	arena_init(&arena);
	if (route_find(GET, path, size + 1, &arena, &match, &fault) == 0 && match.route != NULL) {
		for (int i = 0; i < PART_COUNT; i++) {
			if (match.part[i] != NULL && climbs(match.part[i]))
				abort();
		}
	}
	arena_release(&arena);
	free(path);
	return 0;
}
