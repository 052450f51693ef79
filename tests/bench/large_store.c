/* SPDX-License-Identifier: MIT */
/*
 * large_store.c — a store of thousands of models, and what the common calls
 * cost in it.  By hand:
 *
 *   make tests/bench/large-store
 *   tests/bench/large-store [--models 5000] [--files 20] [--blobs 2000] DIR
 *
 * DIR becomes the state folder (in /dev/shm it is made in seconds); one that
 * holds a store already is only measured.  Files share the given number of
 * small blobs.  Prints one JSON line: milliseconds to open, microseconds per
 * call, the list as a whole in milliseconds, resident memory in KiB before the
 * store was opened and after.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

static unsigned models = 5000, files = 20, blobs = 2000;
static struct store *store;
static struct store_error err;

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static long resident_kib(void)
{
	long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL || fscanf(f, "%ld %ld", &size, &resident) != 2)
		resident = 0;
	if (f != NULL)
		fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void check(int status, const char *what)
{
	if (status == 0)
		return;
	fprintf(stderr, "large-store: %s: %s\n", what, err.text);
	exit(1);
}

static void name_model(unsigned m, char out[64])
{
	snprintf(out, 64, "org-%u/model-with-a-name-%u", m % 97, m);
}

static void name_file(unsigned f, char out[64])
{
	snprintf(out, 64, "onnx/part-%u/weights-%u.bin", f % 3, f);
}

/* ---- making it ------------------------------------------------------------------------ */

static struct store_digest put(unsigned n)
{
	struct store_digest digest;
	struct store_writer *w;
	char text[64];

	snprintf(text, sizeof(text), "content %u\n", n);
	check(store_writer_open(store, &w, &err), "open");
	check(store_writer_append(w, text, strlen(text), &err), "append");
	check(store_writer_commit(w, NULL, &digest, NULL, &err), "commit");
	return digest;
}

static void make(void)
{
	struct store_digest *digests = calloc(blobs, sizeof(*digests));
	char commit[STORE_COMMIT_HEX + 1], name[64];
	unsigned turn = 0;

	if (digests == NULL)
		exit(1);
	for (unsigned i = 0; i < blobs; i++)
		digests[i] = put(i);
	for (unsigned m = 0; m < models; m++) {
		struct store_import *im;

		name_model(m, name);
		check(store_import_begin(store, name, "main", &im, &err), "import");
		for (unsigned f = 0; f < files; f++) {
			name_file(f, name);
			turn = turn * 1103515245 + 12345;
			check(store_import_add(im, name, &digests[turn / 65536 % blobs], &err),
			      "add");
		}
		check(store_import_commit(im, commit, &err), "name");
	}
	free(digests);
}

/* ---- measuring it --------------------------------------------------------------------- */

static int count(void *arg, const struct store_model_info *info)
{
	(void)info;
	++*(unsigned *)arg;
	return 0;
}

/* Microseconds per call of store_file_find over names that are all different. */
static double find_us(unsigned calls)
{
	struct store_file file;
	double begin = now_ms();

	for (unsigned i = 0; i < calls; i++) {
		char model[64], path[64];

		name_model(i * 7919 % models, model);
		name_file(i % files, path);
		check(store_file_find(store, model, "main", path, &file, &err), "find");
	}
	return (now_ms() - begin) * 1e3 / calls;
}

static void measure(const char *dir)
{
	struct store_opts opts = {.dir = dir};
	struct store_stats stats;
	long before = resident_kib(), opened;
	double begin = now_ms(), open_ms, cold_us, again_us, hot_us, list_ms;
	unsigned listed = 0;

	check(store_open(&opts, &store, &err), "open");
	open_ms = now_ms() - begin;
	opened = resident_kib();
	check(store_stats_get(store, &stats, &err), "stats");
	cold_us = find_us(5000);
	again_us = find_us(5000); /* from memory where it is among the 8,192 */
	models = models < 100 ? models : 100;
	(void)find_us(1000);
	hot_us = find_us(100000);
	begin = now_ms();
	check(store_model_list(store, count, &listed, &err), "list");
	list_ms = now_ms() - begin;
	printf("{\"models\":%" PRIu64 ",\"files\":%" PRIu64 ",\"blobs\":%" PRIu64
	       ",\"open_ms\":%.2f,\"find_cold_us\":%.2f,\"find_again_us\":%.2f,"
	       "\"find_hot_us\":%.3f,\"list_ms\":%.2f,\"listed\":%u,\"rss_before_kib\":%ld,"
	       "\"rss_open_kib\":%ld}\n",
	       stats.models, stats.files, stats.blobs, open_ms, cold_us, again_us, hot_us, list_ms,
	       listed, before, opened);
	store_close(store);
}

static bool read_options(int argc, char **argv, const char **dir)
{
	for (int i = 1; i < argc; i++) {
		unsigned *to = strcmp(argv[i], "--models") == 0  ? &models
			       : strcmp(argv[i], "--files") == 0 ? &files
			       : strcmp(argv[i], "--blobs") == 0 ? &blobs
								 : NULL;

		if (to == NULL && *dir == NULL && argv[i][0] != '-')
			*dir = argv[i];
		else if (to != NULL && i + 1 < argc)
			*to = (unsigned)strtoul(argv[++i], NULL, 10);
		else
			return false;
	}
	return *dir != NULL && models > 0 && files > 0 && blobs > 0;
}

int main(int argc, char **argv)
{
	struct store_stats stats;
	const char *dir = NULL;

	if (!read_options(argc, argv, &dir)) {
		fputs("usage: large-store [--models N] [--files N] [--blobs N] DIR\n", stderr);
		return 2;
	}
	check(store_open(&(struct store_opts){.dir = dir}, &store, &err), "open");
	check(store_stats_get(store, &stats, &err), "stats");
	if (stats.models == 0)
		make();
	store_close(store);
	measure(dir);
	return 0;
}
