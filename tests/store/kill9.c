/* SPDX-License-Identifier: MIT */
/*
 * kill9.c — a process that imports is killed at random instants.
 *
 *   tests/store/kill9            40 kills, a new seed each time (printed)
 *   KILL9_ROUNDS=200 KILL9_SEED=7 tests/store/kill9
 *
 * The child imports, removes and evicts models in a loop, keeps derived blobs, and
 * says on a pipe what it is about to do and, after the call returned, that it is done.  The parent
 * kills it with SIGKILL, opens the store, and proves
 *
 *   - what was acknowledged is there: every commit resolves, every one of its
 *     files has the right bytes, every revision means the commit last said;
 *   - what was not is there as a whole or not at all;
 *   - what was removed is gone;
 *   - what could be evicted is there as a whole or not at all, what is pinned is
 *     there; what is derived is right or absent;
 *   - tmp/ is empty, every blob on the disk has a row and every row a sound
 *     blob; at the end, when uploads have had their time, every blob a name.
 *
 * Contents follow from the seed and a number, so that the parent knows them
 * without being told.  TAP on stdout, one case per proof.
 */
#include <config.h>

#include "store/store.h"

#include <dirent.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	MODELS = 4,
	PINNED = 2, /* the first of them are never evicted */
	FILES_MAX = 4,
	BYTES_MAX = 100 * 1000,
	KILL_AFTER_US = 120 * 1000, /* at most, after the child is ready */
	EXPECTED_MAX = 100 * 1000,
};

static char dir[64];
static uint64_t seed;

/* ---- what a number stands for ------------------------------------------------------------- */

/* The next of a sequence of numbers (splitmix64). */
static uint64_t roll(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

/* Import number ${n}: which model, how many files; a file: how long, which bytes. */
static unsigned model_of(unsigned n)
{
	uint64_t s = seed ^ n;

	return (unsigned)(roll(&s) % MODELS);
}

static unsigned files_of(unsigned n)
{
	uint64_t s = seed ^ n ^ 0x1111;

	return 1 + (unsigned)(roll(&s) % FILES_MAX);
}

/* Every third first file is the same in many imports: shared blobs come and go. */
static size_t fill(unsigned n, unsigned file, uint8_t *out)
{
	uint64_t s = file == 0 && n % 3 == 0 ? seed ^ n % 9 : seed ^ ((uint64_t)n << 16 | file);
	size_t size = (size_t)(roll(&s) % BYTES_MAX);

	for (size_t i = 0; i < size; i += 8) {
		uint64_t word = roll(&s);

		memcpy(out + i, &word, size - i < 8 ? size - i : 8);
	}
	return size;
}

static void name_model(unsigned model, char out[16])
{
	snprintf(out, 16, "org/m%u", model);
}

/* ---- the child ------------------------------------------------------------------------------ */

static int pipe_out;

/* One line to the parent; a line is less than PIPE_BUF, so it arrives whole. */
static void say(const char *what, unsigned n, const char *commit)
{
	char line[128];
	int size = snprintf(line, sizeof(line), "%s %u %s\n", what, n, commit);

	if (write(pipe_out, line, (size_t)size) != size)
		_exit(3);
}

static void give_up(const struct store_error *err)
{
	fprintf(stderr, "# child: %s\n", err->text);
	_exit(2);
}

static void import_one(struct store *store, unsigned n)
{
	static uint8_t bytes[BYTES_MAX + 8];
	char model[16], path[16], commit[STORE_COMMIT_HEX + 1];
	struct store_error err;
	struct store_import *im;

	name_model(model_of(n), model);
	say("import", n, "-");
	if (store_import_begin(store, model, "main", &im, &err) != 0)
		give_up(&err);
	for (unsigned i = 0; i < files_of(n); i++) {
		struct store_digest digest;
		struct store_writer *w;
		size_t size = fill(n, i, bytes);

		snprintf(path, sizeof(path), "dir/%u.bin", i);
		if (store_writer_open(store, &w, &err) != 0 ||
		    store_writer_append(w, bytes, size / 2, &err) != 0 ||
		    store_writer_append(w, bytes + size / 2, size - size / 2, &err) != 0 ||
		    store_writer_commit(w, NULL, &digest, NULL, &err) != 0 ||
		    store_import_add(im, path, &digest, &err) != 0)
			give_up(&err);
	}
	if (store_import_commit(im, commit, &err) != 0)
		give_up(&err);
	say("imported", n, commit);
}

static void remove_one(struct store *store, unsigned model)
{
	struct store_error err;
	char name[16];
	int status;

	name_model(model, name);
	say("remove", model, "-");
	status = store_model_remove(store, name, NULL, &err);
	if (status != 0 && status != STORE_NOT_FOUND)
		give_up(&err);
	say("removed", model, "-");
}

static void pin(struct store *store, unsigned model)
{
	struct store_error err;
	char name[16];
	int status;

	name_model(model, name);
	status = store_model_pin(store, name, true, &err);
	if (status != 0 && status != STORE_NOT_FOUND)
		give_up(&err);
}

/* A quarter of all bytes shall go, and all old snapshots but one. */
static void evict(struct store *store, unsigned n)
{
	static const struct store_limits none = {.keep_snapshots = STORE_KEEP_ALL};
	struct store_evicted out;
	struct store_stats stats;
	struct store_error err;

	if (store_stats_get(store, &stats, &err) != 0)
		give_up(&err);
	say("evict", n, "-");
	store_evict_limits(store, &(struct store_limits){.max_bytes = 1 + stats.blob_bytes * 3 / 4,
							 .keep_snapshots = 1});
	if (store_evict(store, 0, NULL, NULL, &out, &err) != 0)
		give_up(&err);
	store_evict_limits(store, &none);
}

/* What is derived of the first file of import ${n}: its first 1,000 bytes, turned round. */
static size_t derive(const uint8_t *bytes, size_t size, uint8_t out[1000])
{
	size_t n = size < 1000 ? size : 1000;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)~bytes[i];
	return n;
}

static void derive_one(struct store *store, unsigned n)
{
	static uint8_t bytes[BYTES_MAX + 8];
	struct store_digest source;
	struct store_derived made;
	struct store_error err;
	uint8_t out[1000];
	size_t size = fill(n, 0, bytes);
	size_t made_size = derive(bytes, size, out);

	if (store_digest_of(bytes, size, &source) != 0 ||
	    store_derived_put(store, &source, "turned", out, made_size, &made, &err) != 0)
		give_up(&err);
}

static void child(unsigned first)
{
	struct store_opts opts = {.dir = dir, .grace_s = 1};
	struct store_error err;
	struct store *store;

	if (store_open(&opts, &store, &err) != 0)
		give_up(&err);
	say("ready", 0, "-");
	for (unsigned model = 0; model < PINNED; model++)
		pin(store, model); /* a kill may have come before that */
	for (unsigned n = first;; n++) {
		import_one(store, n);
		if (model_of(n) < PINNED)
			pin(store, model_of(n));
		if (n % 3 == 1)
			derive_one(store, n);
		if (n % 6 == 5)
			evict(store, n);
		if (n % 11 == 10)
			remove_one(store, n / 11 % MODELS);
	}
}

/* ---- what the parent expects ------------------------------------------------------------------
 */

static struct expected {
	unsigned n; /* import number */
	unsigned model;
	bool may_go; /* it was there when something was evicted */
	char commit[STORE_COMMIT_HEX + 1];
} expected[EXPECTED_MAX]; /* acknowledged, not removed */
static size_t expected_count;
static unsigned next_import;                           /* that no child has begun */
static int unsure_import;                              /* begun, not acknowledged; -1: none */
static int unsure_remove;                              /* the same for the removal of a model */
static char last_commit[MODELS][STORE_COMMIT_HEX + 1]; /* what main means; "" none */
static bool may_go[MODELS];                            /* or there is no such model any more */

static void forget_model(unsigned model)
{
	size_t kept = 0;

	for (size_t i = 0; i < expected_count; i++) {
		if (expected[i].model != model)
			expected[kept++] = expected[i];
	}
	expected_count = kept;
	last_commit[model][0] = '\0';
}

static void acknowledge(unsigned n, const char *commit)
{
	struct expected *e = &expected[expected_count++];

	e->n = n;
	e->model = model_of(n);
	e->may_go = false;
	may_go[e->model] = false;
	memcpy(e->commit, commit, sizeof(e->commit));
	memcpy(last_commit[e->model], commit, sizeof(e->commit));
}

/* Something was evicted, or is being: nobody knows what. */
static void doubt(void)
{
	for (unsigned model = PINNED; model < MODELS; model++)
		may_go[model] = true;
	for (size_t i = 0; i < expected_count; i++)
		expected[i].may_go = expected[i].model >= PINNED;
}

static bool take_line(const char *line)
{
	char what[16], commit[64];
	unsigned n;

	if (sscanf(line, "%15s %u %63s", what, &n, commit) != 3 || expected_count == EXPECTED_MAX)
		return false;
	if (strcmp(what, "import") == 0) {
		unsure_import = (int)n;
		next_import = n + 1;
	} else if (strcmp(what, "imported") == 0) {
		unsure_import = -1;
		acknowledge(n, commit);
	} else if (strcmp(what, "evict") == 0) {
		doubt();
	} else if (strcmp(what, "remove") == 0) {
		unsure_remove = (int)n;
	} else if (strcmp(what, "removed") == 0) {
		unsure_remove = -1;
		forget_model(n);
	}
	return true;
}

/* ---- proofs ---------------------------------------------------------------------------------- */

static const char *const proofs[] = {
    "acknowledged commits resolve and their files have the right bytes",
    "revisions mean the last acknowledged commit",
    "what was not acknowledged is whole or absent",
    "removed models are gone",
    "derived blobs are right or absent",
    "tmp is empty after open",
    "every blob on the disk has a row and every row a sound blob",
    "the child fails at nothing but being killed",
    "no litter: at the end every blob is named, and every manifest of something",
    "an index lost in the kill is made again from blobs and manifests",
};
enum { COMMITS, REVISIONS, WHOLE, REMOVED, DERIVED, TMP, SOUND, CHILD, LITTER, REBUILT, PROOFS };
static int failures[PROOFS];

static void disproved(int proof, int round, const char *why)
{
	if (failures[proof]++ < 5)
		printf("# round %d: %s: %s\n", round, proofs[proof], why);
}

/* Does a snapshot hold exactly the files of import ${n}? */
static bool holds(struct store *store, const char *model, const char *revision, unsigned n,
		  char why[100])
{
	static uint8_t bytes[BYTES_MAX + 8];
	struct store_error err = {.status = 0};
	struct store_file file;
	char path[16];

	for (unsigned i = 0; i <= files_of(n); i++) {
		struct store_map *map;
		size_t size;
		bool same;
		int status;

		snprintf(path, sizeof(path), "dir/%u.bin", i);
		status = store_file_find(store, model, revision, path, &file, &err);
		if (i == files_of(n))
			return status == STORE_NOT_FOUND;
		if (status == 0)
			status = store_map_open(store, &file.digest, &map, &err);
		if (status != 0) {
			snprintf(why, 100, "import %u: %.80s", n, err.text);
			return false;
		}
		size = fill(n, i, bytes);
		same = store_map_size(map) == size && file.size == size &&
		       memcmp(store_map_data(map), bytes, size) == 0;
		store_map_unref(map);
		if (!same) {
			snprintf(why, 100, "import %u: %s has the wrong bytes", n, path);
			return false;
		}
	}
	return true;
}

static int note_commit(void *arg, const struct store_model_info *info)
{
	memcpy(arg, info->commit, STORE_COMMIT_HEX + 1);
	return 0;
}

/* A removal that was cut off: did it happen? */
static void settle_remove(struct store *store, int round)
{
	char commit[STORE_COMMIT_HEX + 1], model[16];
	struct store_error err;

	if (unsure_remove < 0)
		return;
	name_model((unsigned)unsure_remove, model);
	if (store_model_find(store, model, "main", note_commit, commit, &err) == STORE_NOT_FOUND) {
		if (store_model_files(store, model, last_commit[unsure_remove], NULL, NULL, &err) !=
		    STORE_NOT_FOUND)
			disproved(WHOLE, round, "a removed revision left its snapshot");
		forget_model((unsigned)unsure_remove);
	}
	unsure_remove = -1;
}

/* An import that was cut off: main is as before, or it is all of the new one. */
static void settle_import(struct store *store, int round)
{
	char commit[STORE_COMMIT_HEX + 1], model[16], why[100] = "";
	struct store_error err;
	unsigned n = (unsigned)unsure_import;

	if (unsure_import < 0)
		return;
	unsure_import = -1;
	name_model(model_of(n), model);
	if (store_model_find(store, model, "main", note_commit, commit, &err) != 0 ||
	    strcmp(commit, last_commit[model_of(n)]) == 0)
		return;
	if (!holds(store, model, "main", n, why))
		disproved(WHOLE, round, why);
	acknowledge(n, commit);
}

static int count_in(const char *folder)
{
	char path[80];
	int count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", dir, folder);
	d = opendir(path);
	if (d == NULL)
		return -1;
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count - 2;
}

static void prove_models(struct store *store, int round)
{
	for (unsigned model = 0; model < MODELS; model++) {
		char commit[STORE_COMMIT_HEX + 1] = "", name[16];
		struct store_error err;
		int status;

		name_model(model, name);
		status = store_model_find(store, name, "main", note_commit, commit, &err);
		if (may_go[model] && status == STORE_NOT_FOUND)
			last_commit[model][0] = '\0';
		may_go[model] = false;
		if (last_commit[model][0] == '\0' && status != STORE_NOT_FOUND)
			disproved(REMOVED, round, name);
		if (last_commit[model][0] != '\0' && strcmp(commit, last_commit[model]) != 0)
			disproved(REVISIONS, round, name);
	}
}

/* Commits that may have been evicted, and were, are not expected any more. */
static void settle_evictions(struct store *store)
{
	size_t kept = 0;

	for (size_t i = 0; i < expected_count; i++) {
		struct expected *e = &expected[i];
		char commit[STORE_COMMIT_HEX + 1], model[16];

		name_model(e->model, model);
		if (e->may_go && store_model_find(store, model, e->commit, note_commit, commit,
						  NULL) == STORE_NOT_FOUND)
			continue;
		e->may_go = false;
		expected[kept++] = *e;
	}
	expected_count = kept;
}

static void prove_derived(struct store *store, unsigned n, int round)
{
	static uint8_t bytes[BYTES_MAX + 8];
	size_t size = fill(n, 0, bytes);
	struct store_derived found;
	struct store_digest source;
	struct store_error err;
	struct store_map *map;
	uint8_t want[1000];
	size_t want_size = derive(bytes, size, want);

	if (store_digest_of(bytes, size, &source) != 0 ||
	    store_derived_find(store, &source, "turned", &found, &err) != 0)
		return;
	if (store_map_open(store, &found.digest, &map, &err) != 0) {
		disproved(DERIVED, round, err.text);
		return;
	}
	if (store_map_size(map) != want_size || found.size != want_size ||
	    memcmp(store_map_data(map), want, want_size) != 0)
		disproved(DERIVED, round, "wrong bytes");
	store_map_unref(map);
}

/*
 * As if the disk had lost the index in the moment of the kill; all that is
 * expected of the store afterwards stays the same.
 */
static void lose_index(int round)
{
	static const char *const names[] = {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"};
	struct store_opts opts = {.dir = dir, .grace_s = 1, .degrade = true};
	struct store_health health;
	struct store_rebuild seen;
	struct store_error err;
	struct store *store;
	char path[80];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	if (store_open(&opts, &store, &err) != 0) {
		disproved(REBUILT, round, err.text);
		return;
	}
	store_health_get(store, &health);
	if (health.index_lost && store_rebuild(store, NULL, NULL, NULL, &seen, &err) != 0)
		disproved(REBUILT, round, err.text);
	else if (health.index_lost && seen.damaged + seen.missing + seen.lost + seen.recovered != 0)
		disproved(REBUILT, round, "something was lost");
	store_close(store);
}

static void prove(int round)
{
	struct store_opts opts = {.dir = dir, .grace_s = 1};
	struct store_verify seen;
	struct store_error err;
	struct store *store;
	char why[100] = "";

	if (store_open(&opts, &store, &err) != 0) {
		disproved(COMMITS, round, err.text);
		return;
	}
	if (count_in("tmp") != 0)
		disproved(TMP, round, "files in tmp");
	settle_remove(store, round);
	settle_import(store, round);
	prove_models(store, round);
	settle_evictions(store);
	for (size_t i = 0; i < expected_count; i++) {
		char model[16];

		name_model(expected[i].model, model);
		if (!holds(store, model, expected[i].commit, expected[i].n, why))
			disproved(COMMITS, round, why);
		prove_derived(store, expected[i].n, round);
	}
	if (store_verify(store, NULL, NULL, NULL, &seen, &err) != 0)
		disproved(SOUND, round, err.text);
	else if (seen.damaged + seen.missing + seen.foreign != 0)
		disproved(SOUND, round, "damaged, missing or foreign blobs");
	store_close(store);
}

/* After the grace period: as many blobs as different contents are named, and none more. */
static int add_named(void *arg, const struct store_file_info *info)
{
	uint64_t *count = arg;

	(void)info;
	++*count;
	return 0;
}

static void prove_no_litter(int rounds)
{
	struct store_opts opts = {.dir = dir, .grace_s = 1};
	struct store_stats stats;
	struct store_error err;
	struct store *store;
	char model[16];
	uint64_t named = 0;

	sleep(3);
	if (store_open(&opts, &store, &err) != 0 || store_stats_get(store, &stats, &err) != 0) {
		disproved(LITTER, rounds, err.text);
		return;
	}
	printf("# at the end %" PRIu64 " blobs (%" PRIu64 " derived), %" PRIu64
	       " files, %zu commits\n",
	       stats.blobs, stats.derived, stats.files, expected_count);
	for (size_t i = 0; i < expected_count; i++) {
		name_model(expected[i].model, model);
		if (store_model_files(store, model, expected[i].commit, add_named, &named, &err) !=
		    0)
			disproved(LITTER, rounds, err.text);
	}
	if (stats.blobs - stats.derived > named)
		disproved(LITTER, rounds, "more blobs than named files");
	for (unsigned m = 0; m < MODELS; m++) {
		int status;

		name_model(m, model);
		status = store_model_remove(store, model, NULL, &err);
		if (status != 0 && status != STORE_NOT_FOUND)
			disproved(LITTER, rounds, err.text);
	}
	if (store_stats_get(store, &stats, &err) != 0 || stats.blobs != 0)
		disproved(LITTER, rounds, "blobs without a model");
	if (count_in("snapshots") + count_in("models") + count_in("tmp") != 0)
		disproved(LITTER, rounds, "manifests without a model");
	store_close(store);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* Everything that the child said before it died. */
static void listen(FILE *in, int round)
{
	char line[128];

	while (fgets(line, sizeof(line), in) != NULL) {
		if (!take_line(line))
			disproved(CHILD, round, line);
	}
}

static bool run(int round, uint64_t *dice)
{
	unsigned wait_us = (unsigned)(roll(dice) % KILL_AFTER_US);
	char ready[16];
	int ends[2];
	int status;
	FILE *in;
	pid_t pid;

	fflush(NULL);
	if (pipe(ends) != 0)
		return false;
	/* the child may get ahead of us by as much as the pipe holds, and no more is needed */
	pid = fork();
	if (pid < 0)
		return false;
	if (pid == 0) {
		close(ends[0]);
		pipe_out = ends[1];
		child(next_import);
		_exit(0);
	}
	close(ends[1]);
	in = fdopen(ends[0], "r");
	/* one kill in eight falls into the start, when the child opens and recovers */
	if (in != NULL && roll(dice) % 8 != 0 && fgets(ready, sizeof(ready), in) == NULL)
		disproved(CHILD, round, "it never was ready");
	usleep(wait_us);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		disproved(CHILD, round, "it ended by itself");
	if (in != NULL) {
		listen(in, round);
		fclose(in);
	}
	if (round % 3 == 0)
		lose_index(round);
	prove(round);
	return in != NULL;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static uint64_t number(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

int main(void)
{
	int rounds = (int)number("KILL9_ROUNDS", 40);
	uint64_t dice;
	int failed = 0;

	seed = number("KILL9_SEED", (uint64_t)time(NULL) * 1000003U ^ (uint64_t)getpid());
	dice = seed;
	unsure_import = unsure_remove = -1;
	snprintf(dir, sizeof(dir), "/tmp/store-kill9.XXXXXX");
	if (mkdtemp(dir) == NULL) {
		perror("mkdtemp");
		return 99;
	}
	printf("# KILL9_SEED=%" PRIu64 " KILL9_ROUNDS=%d\n", seed, rounds);
	for (int round = 1; round <= rounds; round++) {
		if (!run(round, &dice)) {
			perror("fork");
			return 99;
		}
	}
	prove_no_litter(rounds);
	printf("# %u imports begun in %d kills\n", next_import, rounds);
	for (int i = 0; i < PROOFS; i++) {
		printf("%s %d - %s\n", failures[i] == 0 ? "ok" : "not ok", i + 1, proofs[i]);
		failed += failures[i] != 0;
	}
	printf("1..%d\n", (int)PROOFS);
	if (failed == 0)
		nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	else
		printf("# left as it is: %s\n", dir);
	return failed != 0;
}
