/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the path of a request: a row or a refusal, the same for every method, and no decoded
 * part that could climb out of a folder or end early. And as a value of its query.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/route.h"
#include "daemon/utf8.h"
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

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* What a part or a query value may hold once it is decoded. */
static bool plain(const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f || c == '\\')
			return false;
	}
	return true;
}

static void check_match(enum route_method method, const struct route_match *m, unsigned allowed)
{
	unsigned bits = method == HEAD ? (unsigned)GET | HEAD : (unsigned)method;

	check((m->route != NULL) == ((allowed & bits) != 0));
	check((m->first != NULL) == (allowed != 0));
	if (m->route == NULL)
		return;
	check((m->route->methods & bits) != 0);
	for (int i = 0; i < PART_COUNT; i++) {
		const char *part = m->part[i];

		check(part == NULL ||
		      (!climbs(part) && plain(part) && utf8_ok(part, strlen(part))));
	}
	check(m->part[PART_DIGEST] == NULL ||
	      (strlen(m->part[PART_DIGEST]) == 64 &&
	       strspn(m->part[PART_DIGEST], "0123456789abcdef") == 64));
}

/* Every method sees the same rows; one that none of them takes sees all of their methods. */
static void find(const char *path, size_t size, struct arena *arena)
{
	static const enum route_method methods[] = {GET, HEAD, POST, PUT, DELETE};
	static struct fault fault;
	struct route_match all = {0};

	if (route_find(METHOD_OTHER, path, size, arena, &all, &fault) != 0) {
		check(fault.http == 400 || fault.http == 503);
		return;
	}
	check(all.route == NULL);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		struct route_match match = {0};

		check(route_find(methods[i], path, size, arena, &match, &fault) == 0);
		check_match(methods[i], &match, all.allowed);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *path = malloc(size + 1);
	struct arena arena;
	const char *value;

	if (path == NULL)
		abort();
	path[0] = '/';
	if (size > 0)
		memcpy(path + 1, data, size);
	arena_init(&arena);
	find(path, size + 1, &arena);
	value = route_decode(path + 1, size, &arena);
	if (value != NULL)
		check(plain(value) && strlen(value) <= size && utf8_ok(value, strlen(value)));
	arena_release(&arena);
	free(path);
	return 0;
}
