/* SPDX-License-Identifier: MIT */
/* check_rebuild.c — a lost or damaged index made again, and what of it cannot be. */
#include <config.h>

#include "store/state.h"
#include "tests/lib/fault.h"
#include "tests/store/faultfs.h"
#include "tests/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct store_rebuild seen;
static char bad[1000]; /* what was reported, a line each */

static int note_bad(void *arg, const struct store_digest *digest, const char *what)
{
	char hex[STORE_DIGEST_HEX + 1];

	(void)arg;
	store_digest_hex(digest, hex);
	snprintf(bad + strlen(bad), sizeof(bad) - strlen(bad), "%s %s\n", hex, what);
	return 0;
}

static int rebuild(void)
{
	bad[0] = '\0';
	return store_rebuild(fx.store, note_bad, NULL, NULL, &seen, &fx.err);
}

/* A few models with everything that there is to a name. */
static char old_commit[STORE_COMMIT_HEX + 1];

static void fill(void)
{
	fixture_import("org/a", "main", "f", "old", "same", "shared", NULL);
	memcpy(old_commit, fx.commit, sizeof(old_commit));
	fixture_import("org/a", "main", "f", "new", "same", "shared", NULL);
	fixture_import("org/a", "v1", "f", "new", "same", "shared", NULL);
	fixture_import("b", "refs/pr/1", "dir/\xc3\xa9 \xf0\x9f\xa6\x99", "b", "e", "", NULL);
	ok(store_model_pin(fx.store, "b", true, &fx.err));
}

/* Everything that a name can say, as one number; the same before and after. */
static long long sum_of_names(void)
{
	return fixture_sql(
	    "SELECT sum(length(m.name) * 7 + m.pinned * 1000 + length(r.name) * 13 + s.made_s +"
	    " unicode(s.commit_id) + s.file_count * 3 + s.size_bytes * 17 + length(f.path) * 11 +"
	    " unicode(hex(b.digest)) + b.size * 5 + b.names * 23 + b.claims * 100000) "
	    "FROM model m JOIN snapshot s ON s.model_id = m.id LEFT JOIN revision r "
	    "ON r.snapshot_id = s.id JOIN file f ON f.snapshot_id = s.id JOIN blob b "
	    "ON b.id = f.blob_id");
}

static void expect_all(void)
{
	ck_assert(fixture_reads("org/a", "main", "f", "new"));
	ck_assert(fixture_reads("org/a", "v1", "same", "shared"));
	ck_assert(fixture_reads("org/a", old_commit, "f", "old"));
	ck_assert(fixture_reads("b", "refs/pr/1", "dir/\xc3\xa9 \xf0\x9f\xa6\x99", "b"));
	ck_assert(fixture_reads("b", "refs/pr/1", "e", ""));
	ck_assert_int_eq(fixture_sql("SELECT pinned FROM model WHERE name = 'b'"), 1);
	ck_assert_int_eq(fixture_sql("SELECT pinned FROM model WHERE name = 'org/a'"), 0);
}

static void expect_lost(void)
{
	struct store_health health;
	struct store_file file;
	struct store_writer *w;

	store_health_get(fx.store, &health);
	ck_assert(health.index_lost);
	ck_assert_int_eq(health.status, STORE_INDEX);
	fails(store_file_find(fx.store, "b", "main", "e", &file, &fx.err), STORE_INDEX);
	fails(store_writer_open(fx.store, &w, &fx.err), STORE_INDEX);
	fails(store_model_remove(fx.store, "b", NULL, &fx.err), STORE_INDEX);
}

START_TEST(a_lost_index)
{
	struct store_health health;
	long long before;
	int blobs;

	fill();
	fixture_close();
	before = sum_of_names();
	blobs = fixture_count("blobs");
	unlink(fixture_path("index.sqlite"));
	/* nobody takes it for a new store and sweeps the blobs away */
	fails(store_open(&(struct store_opts){.dir = fx.dir}, &fx.store, &fx.err), STORE_INDEX);
	ck_assert_int_ne(access(fixture_path("index.sqlite"), F_OK), 0);
	fixture_write_file(fixture_path("index.sqlite"), "", 0);
	fails(store_open(&(struct store_opts){.dir = fx.dir}, &fx.store, &fx.err), STORE_INDEX);
	fixture_open_degraded();
	ok(store_use_flush(fx.store, &fx.err)); /* there is nothing to write */
	ok(rebuild());
	ck_assert_str_eq(bad, "");
	ck_assert_uint_eq(seen.blobs, (uint64_t)blobs);
	ck_assert_uint_eq(seen.models, 2);
	ck_assert_uint_eq(seen.snapshots, 3);
	ck_assert_uint_eq(seen.files, 6);
	ck_assert_uint_eq(seen.damaged + seen.missing + seen.lost + seen.recovered, 0);
	expect_all();
	store_health_get(fx.store, &health);
	ck_assert_int_eq(health.status, 0);
	ck_assert(!health.index_lost);
	fixture_import("c", "main", "f", "written", NULL);
	ok(store_model_remove(fx.store, "c", NULL, &fx.err));
	fixture_close();
	ck_assert_int_eq(sum_of_names(), before);
	ck_assert_int_eq(fixture_count("tmp"), 0);
	fixture_open();
	expect_all();
	ck_assert_int_eq(fixture_count("blobs"), blobs);
}
END_TEST

START_TEST(a_damaged_index)
{
	char noise[8192], found[8192];
	int fd;

	fill();
	fixture_close();
	memset(noise, 0x5a, sizeof(noise));
	fixture_write_file(fixture_path("index.sqlite"), noise, sizeof(noise));
	fails(store_open(&(struct store_opts){.dir = fx.dir}, &fx.store, &fx.err), STORE_INDEX);
	fixture_open_degraded();
	fails(store_stats_get(fx.store, &(struct store_stats){0}, &fx.err), STORE_INDEX);
	ok(rebuild());
	expect_all();
	/* the damaged one is set aside, and so is the next */
	fd = open(fixture_path("index.aside-1.sqlite"), O_RDONLY);
	ck_assert_int_eq(read(fd, found, sizeof(found)), sizeof(found));
	ck_assert_mem_eq(found, noise, sizeof(noise));
	close(fd);
	ok(rebuild());
	expect_all();
	ck_assert_int_eq(access(fixture_path("index.aside-2.sqlite"), F_OK), 0);
}
END_TEST

START_TEST(lost_is_lost_for_every_call)
{
	struct store_digest digest = fixture_digest("new");
	struct store_import *im;
	struct store_verify v;
	struct store_map *map;

	fill();
	fixture_close();
	unlink(fixture_path("index.sqlite"));
	fixture_open_degraded();
	expect_lost();
	fails(store_verify(fx.store, NULL, NULL, NULL, &v, &fx.err), STORE_INDEX);
	fails(store_map_open(fx.store, &digest, &map, &fx.err), STORE_INDEX);
	ck_assert(!store_blob_has(fx.store, &digest, NULL));
	ok(store_import_begin(fx.store, "m", "main", &im, &fx.err));
	fails(store_import_add(im, "f", &digest, &fx.err), STORE_INDEX);
	fails(store_import_commit(im, fx.commit, &fx.err), STORE_INDEX);
	ok(store_import_begin(fx.store, "m", "main", &im, &fx.err));
	store_import_abort(im);
	fixture_close(); /* and again, nothing is swept away */
	fixture_open_degraded();
	ok(rebuild());
	expect_all();
}
END_TEST

START_TEST(a_healthy_index_while_it_is_used)
{
	struct store_digest digest = fixture_digest("new");
	struct store_import *im;
	struct store_writer *w;
	struct store_map *map;

	fill();
	ok(store_map_open(fx.store, &digest, &map, &fx.err));
	ok(store_writer_open(fx.store, &w, &fx.err));
	ok(store_writer_append(w, "late", 4, &fx.err));
	ok(store_import_begin(fx.store, "m", "main", &im, &fx.err));
	ok(store_import_add(im, "f", &digest, &fx.err));
	ok(rebuild());
	ck_assert_mem_eq(store_map_data(map), "new", 3);
	store_map_unref(map);
	/* a write that was begun ends well; an import has to be begun again */
	ok(store_writer_commit(w, NULL, &digest, NULL, &fx.err));
	fails(store_import_commit(im, fx.commit, &fx.err), STORE_INVALID);
	expect_all();
	fixture_import("m", "main", "f", "late", NULL);
	ck_assert(fixture_reads("m", "main", "f", "late"));
}
END_TEST

START_TEST(blobs_are_hashed_again)
{
	struct store_digest hurt = fixture_digest("new"), gone = fixture_digest("b");
	struct store_digest unnamed;
	struct store_map *map;
	char want[400], hex[STORE_DIGEST_HEX + 1];

	fill();
	unnamed = fixture_put("waits for its name");
	fixture_close();
	fixture_write_file(fixture_blob_path(&hurt), "nEw", 3);
	unlink(fixture_blob_path(&gone));
	unlink(fixture_path("index.sqlite"));
	fixture_open_degraded();
	ok(rebuild());
	ck_assert_uint_eq(seen.damaged, 1);
	ck_assert_uint_eq(seen.missing, 1);
	store_digest_hex(&hurt, hex);
	snprintf(want, sizeof(want), "%s damaged: the content does not match its digest\n", hex);
	store_digest_hex(&gone, hex);
	snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s missing\n", hex);
	ck_assert_str_eq(bad, want);
	fails(store_map_open(fx.store, &hurt, &map, &fx.err), STORE_DAMAGED);
	fails(store_map_open(fx.store, &gone, &map, &fx.err), STORE_DAMAGED);
	ck_assert(fixture_reads("org/a", old_commit, "f", "old"));
	ck_assert(store_blob_has(fx.store, &unnamed, NULL));
	fixture_reopen();
	ck_assert(store_blob_has(fx.store, &unnamed, NULL));
	fixture_put("new"); /* written anew, it is well */
	fixture_put("b");
	expect_all();
}
END_TEST

START_TEST(manifests_that_are_lost)
{
	char name[32];
	struct store_digest digest = fixture_digest("b");
	char hex[STORE_DIGEST_HEX + 1];
	char b_commit[STORE_COMMIT_HEX + 1];

	fill();
	memcpy(b_commit, fx.commit, sizeof(b_commit));
	fixture_close();
	unlink(fixture_path("index.sqlite"));
	unlink(fixture_path("snapshots/%s", old_commit));
	store_digest_hex(&digest, hex); /* the model `b` is named as the text "b" hashes */
	fixture_write_file(fixture_path("models/%s", hex), "larder model 1\nname c\n", 22);
	fixture_open_degraded();
	ok(rebuild());
	ck_assert_uint_eq(seen.lost, 2);
	ck_assert_uint_eq(seen.recovered, 1);
	ck_assert_uint_eq(seen.models, 1);
	ck_assert(fixture_reads("org/a", "main", "f", "new"));
	ck_assert(!fixture_reads("org/a", old_commit, "f", "old"));
	snprintf(name, sizeof(name), "recovered/%.12s", b_commit);
	ck_assert(fixture_reads(name, "main", "dir/\xc3\xa9 \xf0\x9f\xa6\x99", "b"));
	fixture_reopen();
	ck_assert(fixture_reads(name, "main", "e", ""));
}
END_TEST

START_TEST(a_store_of_before_manifests)
{
	fill();
	fixture_close();
	unlink(fixture_path("index.sqlite"));
	fixture_empty("models");
	fixture_empty("snapshots");
	fixture_open_degraded();
	ok(rebuild());
	ck_assert_uint_eq(seen.models, 0);
	ck_assert_uint_eq(seen.blobs, 5);
	fixture_reopen();
	ck_assert_int_eq(fixture_count("blobs"), 5); /* for as long as a new blob would wait */
}
END_TEST

/* ---- faults --------------------------------------------------------------------------------- */

static const enum fault_call calls[] = {
    FAULT_WRITE,    FAULT_READ,     FAULT_FSYNC,     FAULT_RENAME,
    FAULT_OPEN,     FAULT_STAT,     FAULT_OPENDIR,   FAULT_MALLOC,
    FAULT_DIGEST,   FAULT_UNLINK,   FAULT_SQL_WRITE, FAULT_SQL_FULL,
    FAULT_SQL_SYNC, FAULT_SQL_READ, FAULT_SQL_OPEN,  FAULT_SQL_MALLOC,
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static bool all_there(void)
{
	return fixture_reads("org/a", "main", "f", "new") &&
	       fixture_reads("org/a", old_commit, "f", "old") &&
	       fixture_reads("b", "refs/pr/1", "e", "");
}

START_TEST(every_call_of_a_rebuild)
{
	fill();
	fixture_close();
	faultfs_install();
	fixture_open();
	for (int n = 1;; n += 1 + n / 20) {
		bool fired;
		int status;

		ck_assert_int_lt(n, 100000);
		fault_arm(calls[_i], n);
		status = rebuild();
		fired = fault_disarm();
		if (status != 0)
			fixture_check_error(status);
		else if (seen.damaged + seen.lost + seen.recovered == 0)
			ck_assert(all_there());
		/* a disk that could not be read then can be read now */
		if (n % 2 == 0) {
			fixture_crash();
			fixture_open_degraded();
		}
		ok(rebuild());
		ck_assert_uint_eq(seen.damaged + seen.missing + seen.lost, 0);
		ck_assert_msg(all_there(), "%s %d", fault_name(calls[_i]), n);
		ck_assert_int_eq(fixture_count("tmp"), 0);
		if (!fired)
			break;
	}
}
END_TEST

Suite *check_store_rebuild(void)
{
	Suite *s = suite_create("store_rebuild");
	TCase *t = tcase_create("rebuild");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
	tcase_add_test(t, a_lost_index);
	tcase_add_test(t, a_damaged_index);
	tcase_add_test(t, lost_is_lost_for_every_call);
	tcase_add_test(t, a_healthy_index_while_it_is_used);
	tcase_add_test(t, blobs_are_hashed_again);
	tcase_add_test(t, manifests_that_are_lost);
	tcase_add_test(t, a_store_of_before_manifests);
	tcase_add_loop_test(t, every_call_of_a_rebuild, 0, CALLS);
	suite_add_tcase(s, t);
	return s;
}
