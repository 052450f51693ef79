/* SPDX-License-Identifier: MIT */
/*
 * verify.c — every blob hashed again.  Called by the administration, on a
 * thread of its own.  It reads with read(2), never through a mapping, so that
 * a bad disk is an error and not a signal; and it holds the index's writer
 * only while it writes down what it found.
 */
#include <config.h>

#include "store/blob.h"
#include "store/digest.h"
#include "store/fsck.h"
#include "store/map.h"
#include "store/state.h"
#include "store/status.h"
#include "store/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One run over the store. */
struct run {
	struct store *store;
	store_verify_f *fn; /* may be NULL */
	void *arg;
	const atomic_bool *stop; /* may be NULL */
	struct store_verify seen;
};

enum verdict { WELL, DAMAGED, MISSING };

/* Hash the file behind ${fd}; what is wrong goes into ${what}.  Or a status. */
static int judge(const struct store_blob_row *row, int fd, const atomic_bool *stop, char what[100],
		 struct store_error *err)
{
	struct store_digest digest;
	uint64_t size = 0;
	int status = store_digest_of_fd(fd, stop, &digest, &size, err);

	if (status == STORE_IO) {
		snprintf(what, 100, "damaged: the disk cannot read it");
		return DAMAGED;
	}
	if (status != 0)
		return status;
	if (size != (uint64_t)row->size) {
		snprintf(what, 100, "damaged: %llu bytes instead of %llu", (unsigned long long)size,
			 (unsigned long long)row->size);
		return DAMAGED;
	}
	if (!store_digest_equal(&digest, &row->digest)) {
		snprintf(what, 100, "damaged: the content does not match its digest");
		return DAMAGED;
	}
	return WELL;
}

int store_verify_quarantine(struct store *store, const struct store_digest *digest, int fd,
			    struct store_error *err)
{
	struct store_conn *conn = store_index_lock(store->index);
	bool same = fd >= 0 ? store_folder_is(&store->folder, digest, fd)
			    : store_folder_size(&store->folder, digest) == -ENOENT;
	int status = 0;

	if (same)
		status = store_index_exec(conn, STMT_BLOB_DAMAGED, ARGS(A_DIGEST(digest)), err);
	if (status == 0 && same && store_index_changes(conn) > 0)
		status = 1;
	store_index_unlock(store->index);
	if (status == 1) {
		store_map_forget(store->maps, digest);
		atomic_fetch_add(&store->generation, 1);
	}
	return status;
}

static int report(struct run *run, const struct store_blob_row *row, enum verdict verdict,
		  const char *what)
{
	if (verdict == MISSING)
		run->seen.missing++;
	else
		run->seen.damaged++;
	return run->fn == NULL ? 0 : run->fn(run->arg, &row->digest, what);
}

/* What is known of a blob that a verify before this one found damaged. */
static int look_again(struct run *run, const struct store_blob_row *row)
{
	bool gone = store_folder_size(&run->store->folder, &row->digest) == -ENOENT;

	return report(run, row, gone ? MISSING : DAMAGED, gone ? "missing" : "quarantined");
}

static int look_at(struct run *run, const struct store_blob_row *row, struct store_error *err)
{
	char what[100] = "missing";
	int verdict = MISSING;
	int status;
	int fd;

	run->seen.blobs++;
	if (row->damaged)
		return look_again(run, row);
	fd = store_folder_blob(&run->store->folder, &row->digest);
	if (fd < 0 && fd != -ENOENT)
		return store_status_errno(err, -fd, "opening a blob");
	if (fd >= 0) {
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		verdict = judge(row, fd, run->stop, what, err);
		run->seen.bytes += (uint64_t)row->size;
	}
	status = verdict;
	if (verdict == DAMAGED || verdict == MISSING)
		status = store_verify_quarantine(run->store, &row->digest, fd, err);
	if (fd >= 0)
		close(fd);
	if (status != 1)
		return status;
	return report(run, row, (enum verdict)verdict, what);
}

static int next_page(struct store *store, struct store_blob_page *page, struct store_error *err)
{
	struct store_conn *conn;
	int status = store_index_reader(store->index, &conn, err);

	if (status != 0)
		return status;
	status = store_blob_next(conn, page, err);
	store_index_done(store->index, conn);
	return status;
}

static int look_at_all(struct run *run, struct store_error *err)
{
	struct store_blob_page *page = calloc(1, sizeof(*page));
	int status;

	if (page == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	do {
		status = next_page(run->store, page, err);
		for (size_t i = 0; status == 0 && i < page->count; i++)
			status = look_at(run, &page->rows[i], err);
	} while (status == 0 && page->count > 0);
	free(page);
	return status;
}

int store_verify(struct store *store, store_verify_f *fn, void *arg, const atomic_bool *stop,
		 struct store_verify *out, struct store_error *err)
{
	struct run run = {.store = store, .fn = fn, .arg = arg, .stop = stop};
	int status = store_writable(store, err);

	if (status == 0)
		status = look_at_all(&run, err);
	if (status == 0)
		status = store_fsck_sweep(store, &run.seen.foreign, err);
	if (status == 0)
		*out = run.seen;
	return status;
}

/* What the index says of the blob with row->digest; 1, 0 when it says nothing, or a status. */
static int find_row(struct store *store, struct store_blob_row *row, struct store_error *err)
{
	struct store_conn *conn;
	int status = store_index_reader(store->index, &conn, err);

	if (status != 0)
		return status;
	status = store_index_row(conn, STMT_BLOB_FIND, ARGS(A_DIGEST(&row->digest)), err);
	if (status == 1) {
		row->size = store_index_int(conn, STMT_BLOB_FIND, 0);
		row->damaged = store_index_int(conn, STMT_BLOB_FIND, 1) != 0;
		store_index_stop(conn, STMT_BLOB_FIND);
	}
	store_index_done(store->index, conn);
	return status;
}

int store_verify_blob(struct store *store, const struct store_digest *digest, store_verify_f *fn,
		      void *arg, const atomic_bool *stop, struct store_error *err)
{
	struct run run = {.store = store, .fn = fn, .arg = arg, .stop = stop};
	struct store_blob_row row = {.digest = *digest};
	int status = store_writable(store, err);

	if (status == 0)
		status = find_row(store, &row, err);
	if (status == 0)
		return store_status_fail(err, STORE_NOT_FOUND, "no such blob");
	return status < 0 ? status : look_at(&run, &row, err);
}
