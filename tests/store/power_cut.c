/* SPDX-License-Identifier: MIT */
/*
 * power_cut.c — the power goes at every moment of a store's life.
 *
 *   tests/store/power_cut             some moments; what is lost follows from a seed (printed)
 *   POWER_CUT=all tests/store/power_cut
 *   POWER_CUT_SEED=7 tests/store/power_cut
 *
 * A store is made, filled, changed, closed and opened again while disk.c remembers every change of
 * every file.  Then, for each moment and each way of losing what was not synced, a store is opened
 * on what the disk has left, and proves
 *
 *   - it opens by itself;
 *   - what was acknowledged is there, with the right bytes; what was removed is gone;
 *   - what was under way is there as a whole or not at all;
 *   - every blob that it has is sound: nothing unverified is served;
 *   - a download goes on, or begins anew, and ends with the right bytes;
 *   - it works: something is imported into it.
 *
 * TAP on stdout, one case per proof.
 */
#include <config.h>

#include "store/store.h"
#include "tests/store/disk.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MODELS = 3, FILES_EACH = 3, BYTES_MAX = 9000, PARTIAL_BYTES = 60000, STRIDE = 7 };

static char first_dir[64], second_dir[64];
static const char *const model_names[MODELS] = {"org/a", "b", "org/c"};

/* ---- contents --------------------------------------------------------------------------- */

/* File ${i} of version ${v} of a model; the last one of each is the same in all. */
static size_t fill(int model, int v, int i, uint8_t *out)
{
	uint32_t s = i == FILES_EACH - 1 ? 5 : (uint32_t)(1 + model * 100 + v * 10 + i);
	size_t size = 100 + s * 7919 % (BYTES_MAX - 100);

	for (size_t k = 0; k < size; k++) {
		s = s * 1103515245 + 12345;
		out[k] = (uint8_t)(s >> 16);
	}
	return size;
}

static void fill_partial(uint8_t *out)
{
	for (size_t k = 0; k < PARTIAL_BYTES; k++)
		out[k] = (uint8_t)(k * k >> 7 ^ k);
}

/* ---- the life of a store ------------------------------------------------------------------ */

static struct store *store;
static struct store_error err;

static void check(int status)
{
	if (status == 0)
		return;
	printf("Bail out! %s\n", err.text);
	exit(1);
}

static void open_store(const char *dir)
{
	check(store_open(&(struct store_opts){.dir = dir, .grace_s = 3600}, &store, &err));
}

static int put(int model, int v)
{
	static uint8_t bytes[BYTES_MAX];
	char commit[STORE_COMMIT_HEX + 1], path[8];
	struct store_import *im;
	int status = store_import_begin(store, model_names[model], "main", &im, &err);

	if (status != 0)
		return status;
	for (int i = 0; i < FILES_EACH && status == 0; i++) {
		size_t size = fill(model, v, i, bytes);
		struct store_digest digest;
		struct store_writer *w;

		snprintf(path, sizeof(path), "f%d", i);
		status = store_writer_open(store, &w, &err);
		if (status == 0)
			status = store_writer_append(w, bytes, size / 2, &err);
		if (status == 0)
			status = store_writer_append(w, bytes + size / 2, size - size / 2, &err);
		if (status == 0)
			status = store_writer_commit(w, NULL, &digest, NULL, &err);
		if (status == 0)
			status = store_import_add(im, path, &digest, &err);
	}
	return status != 0 ? status : store_import_commit(im, commit, &err);
}

static void begin(void)
{
	open_store(first_dir);
}

static void put_a1(void)
{
	check(put(0, 1));
}

static void put_b1(void)
{
	check(put(1, 1));
	check(store_model_pin(store, "b", true, &err));
}

static void put_a2(void)
{
	check(put(0, 2));
}

static void derive(void)
{
	static uint8_t bytes[BYTES_MAX];
	struct store_digest source;
	struct store_derived made;

	check(store_digest_of(bytes, fill(0, 2, 0, bytes), &source));
	check(store_derived_put(store, &source, "small", bytes, 50, &made, &err));
}

static const struct store_digest partial_key = {{1, 2, 3}};

static void download_half(void)
{
	static uint8_t bytes[PARTIAL_BYTES];
	struct store_partial *p;

	fill_partial(bytes);
	check(store_partial_open(store, &partial_key, &p, &err));
	check(store_partial_begin(p, PARTIAL_BYTES, "tag", &err));
	check(store_partial_write(p, 0, bytes, 20000, &err));
	check(store_partial_save(p, &err));
	check(store_partial_write(p, 40000, bytes + 40000, 10000, &err));
	check(store_partial_save(p, &err));
	store_partial_unref(p);
}

/* The rest of it, or all; 0 when its bytes are those of the digest. */
static int download_rest(void)
{
	static uint8_t bytes[PARTIAL_BYTES];
	struct store_digest digest, got;
	uint64_t offset, size;
	struct store_partial *p;
	int status;

	fill_partial(bytes);
	check(store_digest_of(bytes, PARTIAL_BYTES, &digest));
	status = store_partial_open(store, &partial_key, &p, &err);
	if (status == 0 && store_partial_size(p) != PARTIAL_BYTES)
		status = store_partial_begin(p, PARTIAL_BYTES, "tag", &err);
	while (status == 0 && store_partial_gap(p, 0, &offset, &size))
		status = store_partial_write(p, offset, bytes + offset, (size_t)size, &err);
	if (status == 0)
		status = store_partial_commit(p, &digest, &got, &err);
	store_partial_unref(p);
	return status;
}

static void download_whole(void)
{
	check(download_rest());
}

static void remove_b(void)
{
	check(store_model_remove(store, "b", NULL, &err));
}

static void put_c1(void)
{
	check(put(2, 1));
}

static void evict(void)
{
	struct store_evicted out;

	/* the old snapshot of org/a and what is derived */
	store_evict_limits(store, &(struct store_limits){.keep_snapshots = 0});
	check(store_evict(store, 0, NULL, NULL, &out, &err));
}

static void reopen(void)
{
	store_close(store);
	open_store(first_dir);
}

static void put_a3(void)
{
	check(put(0, 3));
}

static void end(void)
{
	store_close(store);
}

/* Which version of each model is there once it is done; 0 none. */
static const struct step {
	void (*run)(void);
	int after[MODELS];
} steps[] = {
    {begin, {0, 0, 0}},  {put_a1, {1, 0, 0}},         {put_b1, {1, 1, 0}},
    {put_a2, {2, 1, 0}}, {derive, {2, 1, 0}},         {download_half, {2, 1, 0}},
    {evict, {2, 1, 0}},  {download_whole, {2, 1, 0}}, {remove_b, {2, 0, 0}},
    {put_c1, {2, 0, 1}}, {reopen, {2, 0, 1}},         {put_a3, {3, 0, 1}},
    {end, {3, 0, 1}},
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

/* Mark 2n: step n has begun; 2n + 1: it was acknowledged. */
static void live(void)
{
	disk_watch(first_dir);
	for (int n = 0; n < STEPS; n++) {
		disk_mark(2 * n);
		steps[n].run();
		disk_mark(2 * n + 1);
	}
	disk_rest();
}

/* ---- proofs -----------------------------------------------------------------------------------
 */

static const char *const proofs[] = {
    "it opens by itself",
    "what was acknowledged is there, what was removed is gone",
    "what was under way is there as a whole or not at all",
    "every blob is sound, and nothing is left in tmp",
    "a download goes on, or begins anew, and ends with the right bytes",
    "it works: something is imported into it",
};
enum { OPENS, ACKNOWLEDGED, WHOLE, SOUND, DOWNLOAD, WORKS, PROOFS };
static int failures[PROOFS];
static bool quiet;

static void disproved(int proof, size_t moment, int loss, uint64_t seed, const char *why)
{
	char what[300];

	disk_what(moment, what, sizeof(what));
	if (failures[proof]++ < 5 && !quiet)
		printf("# moment %zu (mark %d, after %s), loss %d, seed %" PRIu64 ": %s: %s\n",
		       moment, disk_marked(moment), what, loss, seed, proofs[proof], why);
}

static int no_model(void *arg, const struct store_model_info *info)
{
	(void)arg;
	(void)info;
	return 0;
}

/* Whether a model is there in that very version; 0: not at all. */
static bool is_version(int model, int v)
{
	static uint8_t bytes[BYTES_MAX];
	struct store_file file;
	char path[8];

	if (v == 0)
		return store_model_find(store, model_names[model], "main", no_model, NULL, &err) ==
		       STORE_NOT_FOUND;
	for (int i = 0; i < FILES_EACH; i++) {
		size_t size = fill(model, v, i, bytes);
		struct store_map *map;
		bool same;

		snprintf(path, sizeof(path), "f%d", i);
		if (store_file_find(store, model_names[model], "main", path, &file, &err) != 0 ||
		    store_map_open(store, &file.digest, &map, &err) != 0)
			return false;
		same = store_map_size(map) == size && memcmp(store_map_data(map), bytes, size) == 0;
		store_map_unref(map);
		if (!same)
			return false;
	}
	return true;
}

static bool is_empty(const char *folder)
{
	char path[80];
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", second_dir, folder);
	d = opendir(path);
	if (d == NULL)
		return false;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n == 2;
}

static void prove_models(size_t moment, int loss, uint64_t seed)
{
	static const int none[MODELS];
	int mark = disk_marked(moment);
	const int *before = mark < 1 ? none : steps[(mark - 1) / 2].after;
	const int *after = mark < 0 ? none : steps[mark / 2].after;
	char why[80];

	for (int m = 0; m < MODELS; m++) {
		if (is_version(m, before[m]) || (after[m] != before[m] && is_version(m, after[m])))
			continue;
		snprintf(why, sizeof(why), "%s is not version %d%s", model_names[m], before[m],
			 after[m] == before[m] ? "" : ", nor the next");
		disproved(after[m] == before[m] ? ACKNOWLEDGED : WHOLE, moment, loss, seed, why);
	}
}

static void prove(size_t moment, int loss, uint64_t seed)
{
	struct store_opts opts = {.dir = second_dir, .grace_s = 3600};
	struct store_verify seen = {0};
	int status;

	disk_clear(second_dir);
	disk_restore(moment, (enum disk_loss)loss, seed, second_dir);
	if (store_open(&opts, &store, &err) != 0) {
		disproved(OPENS, moment, loss, seed, err.text);
		return;
	}
	prove_models(moment, loss, seed);
	if (store_verify(store, NULL, NULL, NULL, &seen, &err) != 0)
		disproved(SOUND, moment, loss, seed, err.text);
	else if (seen.damaged + seen.missing + seen.foreign != 0 || !is_empty("tmp"))
		disproved(SOUND, moment, loss, seed,
			  "damaged, missing or foreign blobs, or litter");
	status = download_rest();
	if (status == STORE_DIGEST)
		status = download_rest();
	if (status != 0)
		disproved(DOWNLOAD, moment, loss, seed, err.text);
	if (put(1, 7) != 0 || !is_version(1, 7))
		disproved(WORKS, moment, loss, seed, err.text);
	store_close(store);
}

/* What is restored when nothing is lost is what is there: no change was missed. */
static bool same_tree(void)
{
	disk_clear(second_dir);
	disk_restore(disk_moments() - 1, DISK_KEEPS_ALL, 0, second_dir);
	return disk_same(first_dir, second_dir);
}

/* The proofs can fail: a disk that does not sync loses what was acknowledged. */
static bool notices_lies(void)
{
	int noticed;

	disk_lie(true);
	quiet = true;
	for (size_t moment = 5; moment < disk_moments(); moment += 37)
		prove(moment, DISK_KEEPS_NAMES, 1);
	noticed = failures[OPENS] + failures[ACKNOWLEDGED] + failures[SOUND];
	memset(failures, 0, sizeof(failures));
	quiet = false;
	disk_lie(false);
	return noticed > 0;
}

static void make_dir(char out[64], const char *name)
{
	snprintf(out, 64, "%s/larder-%s-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", name);
	if (mkdtemp(out) == NULL) {
		printf("Bail out! no folder\n");
		exit(1);
	}
}

int main(void)
{
	const char *how = getenv("POWER_CUT"), *given = getenv("POWER_CUT_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	size_t stride = how != NULL && strcmp(how, "all") == 0 ? 1 : STRIDE, tried = 0;
	bool same, noticed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	make_dir(first_dir, "first");
	make_dir(second_dir, "second");
	live();
	same = same_tree();
	noticed = notices_lies();
	printf("# POWER_CUT_SEED=%" PRIu64 ", %zu moments\n", seed, disk_moments());
	for (size_t moment = seed % stride; moment < disk_moments(); moment += stride) {
		for (int loss = 0; loss < DISK_LOSSES; loss++, tried++)
			prove(moment, loss, seed + moment);
		for (uint64_t again = 1; again < 3; again++, tried++)
			prove(moment, DISK_KEEPS_SOME, seed + moment + again * 1000003);
	}
	printf("# the power went %zu times\n", tried);
	for (int i = 0; i < PROOFS; i++)
		printf("%sok %d - %s\n", failures[i] == 0 ? "" : "not ", i + 1, proofs[i]);
	printf("%sok %d - no change was missed\n", same ? "" : "not ", PROOFS + 1);
	printf("%sok %d - a disk that lies is noticed\n", noticed ? "" : "not ", PROOFS + 2);
	printf("1..%d\n", PROOFS + 2);
	disk_clear(first_dir);
	disk_clear(second_dir);
	(void)rmdir(first_dir);
	(void)rmdir(second_dir);
	return 0;
}
