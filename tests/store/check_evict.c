/* SPDX-License-Identifier: MIT */
/* check_evict.c — the quota and old snapshots: what goes, in which order, and what never does. */
#include <config.h>

#include "store/evict.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* What was told to go, one name after another. */
static char gone[4096];

static void note_gone(void *arg, const char *model, const char *commit)
{
	struct store_stats stats;

	ck_assert_ptr_eq(arg, gone);
	snprintf(gone + strlen(gone), sizeof(gone) - strlen(gone), "%s%s ", model,
		 commit != NULL ? "@" : "");
	/* nothing is locked: the store can be asked, and written */
	ok(store_stats_get(fx.store, &stats, &fx.err));
	ok(store_use_flush(fx.store, &fx.err));
}

static void limit(uint64_t max_bytes, uint64_t keep)
{
	gone[0] = '\0';
	store_evict_limits(fx.store, &(struct store_limits){.max_bytes = max_bytes,
							    .keep_snapshots = keep,
							    .gone = note_gone,
							    .arg = gone});
}

/* A text of ${size} characters that begins with ${name}; valid until the fourth call after this. */
static const char *text(const char *name, size_t size)
{
	static char texts[4][256];
	static unsigned next;
	char *t = texts[next++ % 4];

	memset(t, '.', size);
	t[size] = '\0';
	memcpy(t, name, strlen(name));
	return t;
}

/* A model of one file of ${size} bytes. */
static int try_import(const char *model, const char *revision, const char *name, size_t size)
{
	const char *content = text(name, size);
	struct store_digest digest;
	struct store_import *im;
	struct store_writer *w;
	int status;

	ok(store_writer_open(fx.store, &w, &fx.err));
	status = store_writer_append(w, content, size, &fx.err);
	if (status != 0) {
		store_writer_abort(w);
		return status;
	}
	ok(store_writer_commit(w, NULL, &digest, NULL, &fx.err));
	ok(store_import_begin(fx.store, model, revision, &im, &fx.err));
	ok(store_import_add(im, "f", &digest, &fx.err));
	return store_import_commit(im, fx.commit, &fx.err);
}

static void import(const char *model, size_t size)
{
	ok(try_import(model, "main", model, size));
}

static int nothing(void *arg, const struct store_model_info *info)
{
	(void)arg;
	(void)info;
	return 0;
}

/* Is the revision there?  Asking is not a use. */
static bool has_rev(const char *model, const char *revision)
{
	return store_model_find(fx.store, model, revision, nothing, NULL, NULL) == 0;
}

static bool has(const char *model)
{
	return has_rev(model, "main");
}

static void use(const char *model)
{
	struct store_file file;

	ok(store_file_find(fx.store, model, "main", "f", &file, &fx.err));
}

/* Everything that is in the store happened that long ago. */
static void time_passes(int64_t s)
{
	char sql[200];

	fixture_close();
	snprintf(sql, sizeof(sql),
		 "UPDATE snapshot SET made_s = made_s - %lld, used_s = max(0, used_s - %lld)",
		 (long long)s, (long long)s);
	fixture_sql(sql);
	fixture_open();
}

static struct store_stats stats(void)
{
	struct store_stats s;

	ok(store_stats_get(fx.store, &s, &fx.err));
	return s;
}

static void derive(const char *source, const char *kind, size_t size)
{
	struct store_digest digest = fixture_digest(source);
	struct store_derived made;

	ok(store_derived_put(fx.store, &digest, kind, text(kind, size), size, &made, &fx.err));
}

static bool has_derived(const char *source, const char *kind)
{
	struct store_digest digest = fixture_digest(source);
	struct store_derived found;

	return store_derived_find(fx.store, &digest, kind, &found, NULL) == 0;
}

/* Nothing on the disk that is not counted, and nothing wrong. */
static void expect_sound(void)
{
	struct store_verify seen;
	struct store_stats s = stats();

	ck_assert_int_eq(fixture_count("blobs"), (int)s.blobs);
	ck_assert_uint_eq(s.reserved_bytes, 0);
	ok(store_verify(fx.store, NULL, NULL, NULL, &seen, &fx.err));
	ck_assert_uint_eq(seen.damaged + seen.missing + seen.foreign, 0);
}

/* ---- the quota --------------------------------------------------------------------------------
 */

START_TEST(what_was_not_used_for_longest_goes)
{
	import("a", 30);
	time_passes(1000);
	import("b", 30);
	time_passes(1000);
	import("c", 30);
	time_passes(1000);
	use("a"); /* noted in memory only */
	limit(100, STORE_KEEP_ALL);
	import("d", 30);
	ck_assert(has("a") && !has("b") && has("c") && has("d"));
	ck_assert_str_eq(gone, "b ");
	ck_assert_uint_eq(stats().blob_bytes, 90);
	import("e", 40); /* one is enough, the oldest of the two */
	ck_assert(has("a") && !has("c") && has("d") && has("e"));
	ck_assert_str_eq(gone, "b c ");
	ck_assert_uint_eq(stats().evicted.models, 2);
	ck_assert_uint_eq(stats().evicted.blobs, 2);
	ck_assert_uint_eq(stats().evicted.bytes, 60);
	ck_assert_uint_eq(stats().max_bytes, 100);
	expect_sound();
}
END_TEST

START_TEST(no_more_than_is_allowed_at_any_time)
{
	char name[16];

	limit(200, STORE_KEEP_ALL);
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		import(name, (size_t)(20 + i * 7 % 100));
		ck_assert_uint_le(stats().blob_bytes, 200);
		ck_assert(has(name));
	}
	expect_sound();
}
END_TEST

START_TEST(derived_ones_go_first_then_old_snapshots)
{
	char old[STORE_COMMIT_HEX + 1];

	ok(try_import("m", "main", "one", 30));
	memcpy(old, fx.commit, sizeof(old));
	ok(try_import("m", "main", "two", 30));
	import("n", 30);
	derive(text("n", 30), "gzip", 10);
	derive(text("n", 30), "zstd", 12);
	ck_assert(has_derived(text("n", 30), "zstd"));
	fixture_close();
	fixture_sql("UPDATE derived SET used_s = 5 WHERE kind = 'zstd'");
	fixture_sql("UPDATE snapshot SET made_s = 7 WHERE model_id = 2"); /* n is the oldest */
	fixture_open();
	limit(120, STORE_KEEP_ALL);
	import("o", 18);
	ck_assert(has_derived(text("n", 30), "gzip") && !has_derived(text("n", 30), "zstd"));
	import("p", 3);
	ck_assert(!has_derived(text("n", 30), "gzip"));
	ck_assert(has_rev("m", old) && has("n"));
	import("q", 12);
	ck_assert(!has_rev("m", old) && has("m") && has("n"));
	ck_assert_str_eq(gone, "m@ ");
	import("r", 40);
	ck_assert(has("m") && !has("n"));
	ck_assert_uint_eq(stats().evicted.derived, 2);
	ck_assert_uint_eq(stats().evicted.snapshots, 1);
	ck_assert_uint_eq(stats().evicted.models, 1);
	expect_sound();
}
END_TEST

START_TEST(derived_content_pushes_out_nothing_but_its_like)
{
	struct store_digest source = fixture_digest(text("m", 60));
	struct store_derived made;

	import("m", 60);
	import("n", 20);
	limit(100, STORE_KEEP_ALL);
	derive(text("m", 60), "gzip", 20);
	fixture_close();
	fixture_sql("UPDATE derived SET used_s = 5");
	fixture_open();
	limit(100, STORE_KEEP_ALL);
	derive(text("m", 60), "zstd", 15);
	ck_assert(!has_derived(text("m", 60), "gzip"));
	fails(store_derived_put(fx.store, &source, "br", text("br", 21), 21, &made, &fx.err),
	      STORE_QUOTA);
	ck_assert(has("m") && has("n"));
	expect_sound();
}
END_TEST

START_TEST(what_is_pinned_stays)
{
	import("a", 40);
	time_passes(1000);
	import("b", 40);
	ok(store_model_pin(fx.store, "a", true, &fx.err));
	limit(100, STORE_KEEP_ALL);
	import("c", 30);
	ck_assert(has("a") && !has("b") && has("c"));
	ok(store_model_pin(fx.store, "c", true, &fx.err));
	import("d", 30);
	fails(try_import("e", "main", "e", 31), STORE_QUOTA);
	ck_assert_msg(strstr(fx.err.text, "pinned") != NULL, "%s", fx.err.text);
	ck_assert(has("a") && has("c") && has("d")); /* nothing went for nothing */
	ok(store_model_pin(fx.store, "a", false, &fx.err));
	ok(try_import("e", "main", "e", 31));
	expect_sound();
}
END_TEST

START_TEST(what_cannot_fit_takes_nothing_with_it)
{
	struct store_writer *w;
	struct store_evicted out;

	import("a", 40);
	import("b", 40);
	limit(100, STORE_KEEP_ALL);
	ok(store_writer_open(fx.store, &w, &fx.err));
	fails(store_writer_expect(w, 101, &fx.err), STORE_QUOTA);
	ck_assert(has("a") && has("b"));
	ok(store_writer_expect(w, 100, &fx.err));
	ck_assert(!has("a") && !has("b"));
	ck_assert_uint_eq(stats().reserved_bytes, 100);
	store_writer_abort(w);
	import("c", 40);
	fails(store_evict(fx.store, 101, NULL, NULL, &out, &fx.err), STORE_QUOTA);
	fails(store_evict(fx.store, UINT64_MAX, NULL, NULL, &out, &fx.err), STORE_QUOTA);
	ck_assert(has("c"));
	ok(store_evict(fx.store, 60, NULL, NULL, &out, &fx.err));
	ck_assert(has("c"));
	ok(store_evict(fx.store, 61, NULL, NULL, &out, &fx.err));
	ck_assert(!has("c"));
	ck_assert_uint_eq(out.models, 1);
	ck_assert_uint_eq(out.bytes, 40);
	expect_sound();
}
END_TEST

START_TEST(writers_share_the_quota)
{
	struct store_writer *a, *b;
	struct store_digest digest;

	limit(100, STORE_KEEP_ALL);
	ok(store_writer_open(fx.store, &a, &fx.err));
	ok(store_writer_open(fx.store, &b, &fx.err));
	ok(store_writer_append(a, text("a", 60), 60, &fx.err));
	fails(store_writer_append(b, text("b", 41), 41, &fx.err), STORE_QUOTA);
	fails(store_writer_append(b, "b", 1, &fx.err), STORE_QUOTA); /* it had failed */
	store_writer_abort(b);
	ok(store_writer_commit(a, NULL, &digest, NULL, &fx.err));
	ck_assert_uint_eq(stats().reserved_bytes, 0);
	ck_assert_uint_eq(stats().blob_bytes, 60);
	/* it is claimed: nothing may push it out before it has a name */
	fails(try_import("m", "main", "m", 41), STORE_QUOTA);
	ok(try_import("m", "main", "m", 40));
	ck_assert(store_blob_has(fx.store, &digest, NULL));
	expect_sound();
}
END_TEST

START_TEST(downloads_share_it_too)
{
	struct store_digest key = fixture_digest("key"), whole = fixture_digest(text("d", 50));
	struct store_digest other = fixture_digest("other"), digest;
	struct store_partial *p, *q;

	import("a", 40);
	limit(100, STORE_KEEP_ALL);
	ok(store_partial_open(fx.store, &key, &p, &fx.err));
	fails(store_partial_begin(p, 101, "", &fx.err), STORE_QUOTA);
	ck_assert(has("a"));
	ck_assert_int_eq(fixture_count("partial"), 0);
	ok(store_partial_begin(p, 50, "", &fx.err));
	ck_assert(has("a"));
	ck_assert_uint_eq(stats().reserved_bytes, 50);
	ok(store_partial_write(p, 0, text("d", 50), 50, &fx.err));
	ok(store_partial_save(p, &fx.err));
	ok(store_partial_open(fx.store, &other, &q, &fx.err));
	fails(store_partial_begin(q, 51, "", &fx.err), STORE_QUOTA);
	ok(store_partial_begin(q, 20, "", &fx.err)); /* a makes room */
	ck_assert(!has("a"));
	store_partial_discard(q);
	store_partial_unref(q);
	/* what an earlier process left takes its room when it is taken up again */
	store_partial_unref(p);
	ck_assert_uint_eq(stats().reserved_bytes, 0);
	ok(store_partial_open(fx.store, &key, &p, &fx.err));
	ck_assert_uint_eq(stats().reserved_bytes, 50);
	ok(store_partial_commit(p, &whole, &digest, &fx.err));
	ck_assert_uint_eq(stats().reserved_bytes, 0);
	ck_assert_uint_eq(stats().blob_bytes, 50);
	store_partial_unref(p);
	expect_sound();
}
END_TEST

START_TEST(what_is_taken_over_needs_room_too)
{
	struct store_digest digest = fixture_digest("content"), got;
	char hex[STORE_DIGEST_HEX + 1];
	uint64_t size;

	store_digest_hex(&digest, hex);
	import("a", 40);
	limit(45, STORE_KEEP_ALL);
	ok(store_model_pin(fx.store, "a", true, &fx.err));
	fixture_write_file(fixture_path("tmp/%s", hex), "content", 7);
	fails(store_writer_adopt(fx.store, &digest, &got, &size, &fx.err), STORE_QUOTA);
	ck_assert_int_eq(fixture_count("tmp"), 0);
	expect_sound();
}
END_TEST

START_TEST(an_evicted_file_is_not_remembered)
{
	struct store_file file;

	import("a", 40);
	use("a");
	limit(60, STORE_KEEP_ALL);
	import("b", 40);
	fails(store_file_find(fx.store, "a", "main", "f", &file, &fx.err), STORE_NOT_FOUND);
}
END_TEST

START_TEST(what_an_import_lists_stays)
{
	struct store_import *im;
	struct store_digest digest = fixture_digest(text("a", 40));

	import("a", 40);
	ok(store_import_begin(fx.store, "b", "main", &im, &fx.err));
	ok(store_import_add(im, "f", &digest, &fx.err));
	limit(60, STORE_KEEP_ALL);
	fails(try_import("c", "main", "c", 21), STORE_QUOTA);
	ck_assert(has("a")); /* it would not have helped */
	ok(store_import_commit(im, fx.commit, &fx.err));
	ok(try_import("c", "main", "c", 21));
	ck_assert(!has("a") && !has("b"));
}
END_TEST

START_TEST(what_is_mapped_stays_valid)
{
	struct store_digest digest = fixture_digest(text("a", 40));
	struct store_map *map, *again;

	import("a", 40);
	time_passes(1000);
	import("b", 40);
	ok(store_map_open(fx.store, &digest, &map, &fx.err));
	limit(100, STORE_KEEP_ALL);
	import("c", 40);
	ck_assert(!has("a") && has("b")); /* it was not used for longest, mapped or not */
	ck_assert_mem_eq(store_map_data(map), text("a", 40), 40);
	fails(store_map_open(fx.store, &digest, &again, &fx.err), STORE_NOT_FOUND);
	store_map_unref(map);
	expect_sound();
}
END_TEST

START_TEST(shared_content_frees_nothing_alone)
{
	/* a and b are the same bytes: both must go before c has room */
	ok(try_import("a", "main", "same", 60));
	time_passes(1000);
	ok(try_import("b", "main", "same", 60));
	time_passes(1000);
	import("keep", 20);
	limit(100, STORE_KEEP_ALL);
	import("c", 70);
	ck_assert(!has("a") && !has("b") && has("keep") && has("c"));
	expect_sound();
}
END_TEST

START_TEST(a_lowered_limit)
{
	struct store_evicted out;

	import("a", 40);
	time_passes(1000);
	import("b", 40);
	import("c", 40);
	ok(store_model_pin(fx.store, "c", true, &fx.err));
	limit(100, STORE_KEEP_ALL);
	ok(store_evict(fx.store, 0, note_gone, gone, &out, &fx.err));
	ck_assert_uint_eq(out.models, 1);
	ck_assert_uint_eq(out.bytes, 40);
	ck_assert_str_eq(gone, "a a "); /* whom the limits tell, and who asked */
	ck_assert(!has("a") && has("b"));
	limit(30, STORE_KEEP_ALL); /* less than what is pinned: as near as can be */
	ok(store_evict(fx.store, 0, NULL, NULL, &out, &fx.err));
	ck_assert(!has("b") && has("c"));
	ok(store_evict(fx.store, 0, NULL, NULL, &out, &fx.err));
	ck_assert_uint_eq(out.models + out.blobs + out.bytes, 0);
	limit(0, STORE_KEEP_ALL);
	ok(store_evict(fx.store, UINT64_MAX, NULL, NULL, &out, &fx.err)); /* no limit */
	import("d", 200);
	expect_sound();
}
END_TEST

START_TEST(more_than_one_round)
{
	struct store_evicted out;
	char name[16];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		import(name, 10);
	}
	limit(100, STORE_KEEP_ALL);
	ok(store_evict(fx.store, 0, NULL, NULL, &out, &fx.err));
	ck_assert_uint_eq(out.models, 190);
	ck_assert_uint_eq(stats().models, 10);
	ck_assert(has("m199") && !has("m189"));
	expect_sound();
}
END_TEST

/* Several importers at once; each model is there when its import returned, or was evicted whole. */
static void *import_many(void *arg)
{
	unsigned who = *(unsigned *)arg;

	for (unsigned i = 0; i < 25; i++) {
		struct store_digest digest;
		struct store_import *im;
		struct store_writer *w;
		struct store_error err;
		char content[64], model[16], commit[STORE_COMMIT_HEX + 1];
		int status;

		snprintf(model, sizeof(model), "t%u-%u", who, i);
		snprintf(content, sizeof(content), "%-50s", model);
		if (store_writer_open(fx.store, &w, &err) != 0)
			return NULL;
		status = store_writer_append(w, content, 50, &err);
		if (status != 0) {
			store_writer_abort(w);
			/* all room may be taken by what the others have not named yet */
			if (status == STORE_QUOTA)
				continue;
			return NULL;
		}
		if (store_writer_commit(w, NULL, &digest, NULL, &err) != 0 ||
		    store_import_begin(fx.store, model, "main", &im, &err) != 0)
			return NULL;
		if (store_import_add(im, "f", &digest, &err) != 0 ||
		    store_import_commit(im, commit, &err) != 0)
			return NULL;
		if (i % 7 == 0) {
			struct store_evicted out;

			if (store_evict(fx.store, 50, NULL, NULL, &out, &err) != 0 &&
			    err.status != STORE_QUOTA)
				return NULL;
		}
	}
	return arg;
}

static atomic_bool watching;

/* The quota holds at every moment. */
static void *watch(void *arg)
{
	while (atomic_load(&watching)) {
		struct store_stats s;
		struct store_error err;

		if (store_stats_get(fx.store, &s, &err) != 0 || s.blob_bytes > 300)
			return NULL;
	}
	return arg;
}

START_TEST(many_at_once)
{
	static unsigned who[4] = {0, 1, 2, 3};
	pthread_t importer[4], watcher;
	void *result;

	store_evict_limits(fx.store, &(struct store_limits){.max_bytes = 300});
	atomic_store(&watching, true);
	ck_assert_int_eq(pthread_create(&watcher, NULL, watch, who), 0);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&importer[i], NULL, import_many, &who[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(importer[i], &result), 0);
		ck_assert_ptr_eq(result, &who[i]);
	}
	atomic_store(&watching, false);
	ck_assert_int_eq(pthread_join(watcher, &result), 0);
	ck_assert_ptr_nonnull(result);
	ck_assert_uint_gt(stats().evicted.models, 10);
	expect_sound();
}
END_TEST

/* ---- old snapshots ------------------------------------------------------------------------------
 */

/* ${count} snapshots of m, one after the other under the same name; commits[0] is the first. */
static char commits[8][STORE_COMMIT_HEX + 1];

static void import_in_turn(int count)
{
	char name[8];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		ok(try_import("m", "main", name, 20));
		memcpy(commits[i], fx.commit, sizeof(fx.commit));
	}
}

START_TEST(so_many_old_snapshots_are_kept)
{
	limit(0, 2);
	import_in_turn(5);
	ck_assert(!has_rev("m", commits[0]) && !has_rev("m", commits[1]));
	ck_assert(has_rev("m", commits[2]) && has_rev("m", commits[3]) && has("m"));
	ck_assert_str_eq(gone, "m@ m@ ");
	ck_assert_uint_eq(stats().blobs, 3);
	expect_sound();
}
END_TEST

START_TEST(none_or_all_of_them)
{
	limit(0, 0);
	import_in_turn(3);
	ck_assert_uint_eq(stats().blobs, 1);
	ck_assert(has_rev("m", commits[2]));
	limit(0, STORE_KEEP_ALL);
	import_in_turn(3);
	ck_assert_uint_eq(stats().blobs, 3);
}
END_TEST

START_TEST(a_name_keeps_a_snapshot)
{
	ok(try_import("m", "v1", "v0", 20));
	limit(0, 1);
	import_in_turn(4); /* the first is also v1 */
	ck_assert(has_rev("m", "v1") && has_rev("m", commits[0]));
	ck_assert(!has_rev("m", commits[1]));
	ck_assert(has_rev("m", commits[2]) && has_rev("m", commits[3]));
	/* without its name it is the oldest of two */
	ok(store_model_remove(fx.store, "m", "v1", &fx.err));
	ck_assert(!has_rev("m", commits[0]));
}
END_TEST

START_TEST(who_reads_a_snapshot_is_not_disturbed)
{
	struct store_digest digest = fixture_digest(text("v0", 20));
	struct store_file file;
	struct store_map *map;

	import_in_turn(1);
	limit(0, 1);
	ok(store_file_find(fx.store, "m", commits[0], "f", &file, &fx.err));
	ok(store_map_open(fx.store, &digest, &map, &fx.err));
	import_in_turn(2);
	ck_assert(has_rev("m", commits[0]));
	import_in_turn(3);
	fails(store_file_find(fx.store, "m", commits[0], "f", &file, &fx.err), STORE_NOT_FOUND);
	ck_assert_mem_eq(store_map_data(map), text("v0", 20), 20);
	store_map_unref(map);
	expect_sound();
}
END_TEST

START_TEST(of_a_pinned_model_all_stay)
{
	struct store_evicted out;

	limit(0, 0);
	import_in_turn(1);
	ok(store_model_pin(fx.store, "m", true, &fx.err));
	import_in_turn(3);
	ck_assert_uint_eq(stats().blobs, 3);
	ok(store_model_pin(fx.store, "m", false, &fx.err));
	ok(store_evict(fx.store, 0, NULL, NULL, &out, &fx.err));
	ck_assert_uint_eq(out.snapshots, 2);
	ck_assert_uint_eq(stats().blobs, 1);
}
END_TEST

START_TEST(each_model_has_its_own)
{
	struct store_evicted out;

	for (int i = 0; i < 3; i++) {
		char name[8];

		snprintf(name, sizeof(name), "x%d", i);
		ok(try_import("x", "main", name, 20));
		snprintf(name, sizeof(name), "y%d", i);
		ok(try_import("y", "main", name, 20));
	}
	limit(0, 1);
	ok(store_evict(fx.store, 0, NULL, NULL, &out, &fx.err));
	ck_assert_uint_eq(out.snapshots, 2);
	ck_assert_uint_eq(stats().blobs, 4);
	ok(try_import("x", "main", "x3", 20)); /* only its own model's */
	ck_assert_uint_eq(stats().blobs, 4);
}
END_TEST

START_TEST(read_only_has_no_limits)
{
	struct store_evicted out;

	import("a", 40);
	fixture_close();
	ok(store_open(&(struct store_opts){.dir = fx.dir, .read_only = true}, &fx.store, &fx.err));
	limit(10, 0);
	fails(store_evict(fx.store, 0, NULL, NULL, &out, &fx.err), STORE_INVALID);
	ck_assert(has("a"));
}
END_TEST

Suite *check_store_evict(void)
{
	Suite *s = suite_create("store_evict");
	TCase *t = tcase_create("quota");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, what_was_not_used_for_longest_goes);
	tcase_add_test(t, no_more_than_is_allowed_at_any_time);
	tcase_add_test(t, derived_ones_go_first_then_old_snapshots);
	tcase_add_test(t, derived_content_pushes_out_nothing_but_its_like);
	tcase_add_test(t, what_is_pinned_stays);
	tcase_add_test(t, what_cannot_fit_takes_nothing_with_it);
	tcase_add_test(t, writers_share_the_quota);
	tcase_add_test(t, downloads_share_it_too);
	tcase_add_test(t, what_is_taken_over_needs_room_too);
	tcase_add_test(t, an_evicted_file_is_not_remembered);
	tcase_add_test(t, what_an_import_lists_stays);
	tcase_add_test(t, what_is_mapped_stays_valid);
	tcase_add_test(t, shared_content_frees_nothing_alone);
	tcase_add_test(t, a_lowered_limit);
	tcase_add_test(t, more_than_one_round);
	tcase_add_test(t, many_at_once);
	suite_add_tcase(s, t);
	t = tcase_create("old");
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, so_many_old_snapshots_are_kept);
	tcase_add_test(t, none_or_all_of_them);
	tcase_add_test(t, a_name_keeps_a_snapshot);
	tcase_add_test(t, who_reads_a_snapshot_is_not_disturbed);
	tcase_add_test(t, of_a_pinned_model_all_stay);
	tcase_add_test(t, each_model_has_its_own);
	tcase_add_test(t, read_only_has_no_limits);
	suite_add_tcase(s, t);
	return s;
}
