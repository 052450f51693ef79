/* SPDX-License-Identifier: MIT */
/*
 * fixture.h — a store in a folder of its own, for the tests of store/.
 * fixture_setup and fixture_teardown go into tcase_add_checked_fixture.
 */
#ifndef LARDER_TESTS_STORE_FIXTURE_H
#define LARDER_TESTS_STORE_FIXTURE_H

#include "store/store.h"

#include <check.h>
#include <string.h>

#define SUITE(name) Suite *check_##name(void);
#include "tests/store/suites.def"
#undef SUITE

struct fixture {
	char parent[256]; /* a temporary folder, removed at the end */
	char dir[300];    /* the state folder in it */
	struct store *store;
	struct store_error err;
	char commit[STORE_COMMIT_HEX + 1]; /* of the last fixture_import */
};
extern struct fixture fx;

void fixture_setup(void); /* with an open, empty store */
void fixture_setup_closed(void);
void fixture_setup_disk(void); /* not in memory, where there is such a folder: for large blobs */
void fixture_teardown(void);
void fixture_open(void);
void fixture_close(void);
void fixture_reopen(void);
/*
 * fixture_crash(): leave the store as a SIGKILL at this moment would: the
 * folder is copied while the store is open, and the copy takes its place.
 * The store is closed afterwards.
 */
void fixture_crash(void);

/* fixture_open_degraded(): open what can be opened, as larderd does. */
void fixture_open_degraded(void);
/* fixture_empty(folder): remove every file in a folder of the state folder. */
void fixture_empty(const char *folder);

/* fixture_put(text): store it as a blob. */
struct store_digest fixture_put(const char *text);
struct store_digest fixture_put_bytes(const void *data, size_t size);
/* fixture_import(model, revision, path, text, …, NULL): put and import; fx.commit. */
void fixture_import(const char *model, const char *revision, ...) __attribute__((sentinel));
/* fixture_digest(text): the digest of a text, stored or not. */
struct store_digest fixture_digest(const char *text);

/* fixture_path(fmt, …): a path in the state folder; valid until the fourth call after this. */
const char *fixture_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *fixture_blob_path(const struct store_digest *digest);
void fixture_write_file(const char *path, const void *data, size_t size);
/* fixture_count(folder): entries of a folder of the state folder; of "blobs", all blobs. */
int fixture_count(const char *folder);
/* fixture_sql(sql): run it on the index, which must be closed; the first column of the first row.
 */
long long fixture_sql(const char *sql);
/* fixture_reads(model, revision, path, text): does that name give those bytes? */
bool fixture_reads(const char *model, const char *revision, const char *path, const char *text);
/* fixture_as_nobody(): from here on, permissions count (in forked tests, run by root). */
bool fixture_as_nobody(void);

/* ok(call): it returns 0.  fails(call, STATUS): it returns that, with a decent text. */
#define ok(call)                                                                                   \
	do {                                                                                       \
		int ok_ = (call);                                                                  \
		ck_assert_msg(ok_ == 0, "%s: %d %s", #call, ok_, fx.err.text);                     \
	} while (0)
#define fails(call, expected)                                                                      \
	do {                                                                                       \
		memset(&fx.err, 0, sizeof(fx.err));                                                \
		int fails_ = (call);                                                               \
		ck_assert_msg(fails_ == (expected), "%s: %d (%s) instead of %d", #call, fails_,    \
			      fx.err.text, (expected));                                            \
		fixture_check_error(fails_);                                                       \
	} while (0)
/* fixture_check_error(status): fx.err says so, in words, without a path of the machine. */
void fixture_check_error(int status);

#endif
