/* SPDX-License-Identifier: MIT */
/*
 * main() of a fuzz target without a fuzzer: runs each file it is given as it is, cut short, and
 * with bits flipped, always the same way.
 *
 *	replay [--cuts N] [--flips N] FILE…
 *
 * --cuts: how many prefixes of each file (0: none; more than its size: every one). --flips: how
 * many copies with one to four bits wrong. Prints the closing line; a finding is a crash.
 */
#include <config.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define FILE_MAX ((size_t)16 << 20)

static unsigned long passed;

/* A copy of exactly ${size} bytes, so that a sanitizer sees one byte past it. */
static void try(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (copy == NULL)
		exit(2);
	if (size > 0)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	passed++;
}

static void cut(const uint8_t *data, size_t size, unsigned long cuts)
{
	size_t step = cuts >= size ? 1 : size / cuts;

	for (size_t n = 0; n < size; n += step)
		try(data, n);
}

static void flip(uint8_t *data, size_t size, unsigned long flips)
{
	uint64_t state = 20;

	for (unsigned long i = 0; size > 0 && i < flips; i++) {
		size_t at[4];
		unsigned bit[4], count = 1 + (unsigned)(i & 3);

		for (unsigned k = 0; k < count; k++) {
			state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
			at[k] = (size_t)(state >> 33) % size;
			bit[k] = (unsigned)(state >> 30) & 7;
			data[at[k]] = (uint8_t)(data[at[k]] ^ (1u << bit[k]));
		}
		try(data, size);
		for (unsigned k = count; k-- > 0;)
			data[at[k]] = (uint8_t)(data[at[k]] ^ (1u << bit[k]));
	}
}

static bool replay(const char *path, unsigned long cuts, unsigned long flips)
{
	static uint8_t data[FILE_MAX];
	FILE *f = fopen(path, "rb");
	size_t size;

	if (f == NULL) {
		perror(path);
		return false;
	}
	size = fread(data, 1, sizeof(data), f);
	fclose(f);
	try(data, size);
	if (cuts > 0)
		cut(data, size, cuts);
	flip(data, size, flips);
	return true;
}

int main(int argc, char **argv)
{
	unsigned long cuts = 0, flips = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--cuts") == 0 && i + 1 < argc)
			cuts = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--flips") == 0 && i + 1 < argc)
			flips = strtoul(argv[++i], NULL, 10);
		else if (!replay(argv[i], cuts, flips))
			failed++;
	}
	printf("%lu passed, %d failed, 0 skipped\n", passed, failed);
	return failed > 0 || passed == 0 ? 1 : 0;
}
