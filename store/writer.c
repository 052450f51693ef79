/* SPDX-License-Identifier: MIT */
/*
 * writer.c — a blob being written, as DESIGN orders the steps: temporary file,
 * hash while streaming, fsync, rename, fsync of the folder, row in the index.
 * Called for uploads, imports and downloads.  It must never give a name to
 * bytes that were not hashed, nor a row to bytes that are not on the disk.
 *
 * The rename and the row happen while the index's writer is locked; so does
 * the removal of blobs (collect.c).  A blob can therefore not be taken away
 * between the two, and one that is written while an equal one is removed is
 * there afterwards.
 */
#include <config.h>

#include "store/blob.h"
#include "store/digest.h"
#include "store/evict.h"
#include "store/fsck.h"
#include "store/state.h"
#include "store/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* How much may wait in memory before the disk is told to begin: the fsync is short then. */
enum { WRITEBACK_BYTES = 8 * 1024 * 1024, PIECE_BYTES = 1024 * 1024 };

struct store_writer {
	struct store *store;
	struct store_hash *hash;
	int fd; /* of the temporary */
	char name[STORE_TEMP_NAME];
	uint64_t size;    /* bytes appended */
	uint64_t room;    /* bytes reserved */
	uint64_t started; /* bytes whose way to the disk has begun */
	int status;       /* the first failure; nothing is appended or committed after it */
};

int store_writer_open(struct store *store, struct store_writer **out, struct store_error *err)
{
	struct store_writer *w;
	int status;

	status = store_writable(store, err);
	if (status == 0)
		status = store_fsck_mark(store, err);
	if (status != 0)
		return status;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	w->store = store;
	status = store_digest_begin(&w->hash, err);
	if (status != 0)
		goto fail_free;
	status = store_folder_temp(&store->folder, w->name, &w->fd, err);
	if (status != 0)
		goto fail_drop;
	*out = w;
	return 0;

fail_drop:
	store_digest_drop(w->hash);
fail_free:
	free(w);
	return store_health_wrote(store, status, err);
}

int store_writer_expect(struct store_writer *w, uint64_t bytes, struct store_error *err)
{
	int status;

	if (bytes <= w->room)
		return 0;
	status = store_evict_reserve(w->store, bytes - w->room, err);
	if (status == 0)
		w->room = bytes;
	return status;
}

/* ---- a file that is there already ------------------------------------------------------ */

/* Give tmp/${hex} a name of ours, if it is a plain file of ours that has no other. */
static int take_file(struct store_writer *w, const char *hex, struct store_error *err)
{
	int tmp = w->store->folder.tmp;
	int fd = openat(tmp, hex, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int status = 0;

	if (fd < 0 && errno == ENOENT)
		return store_status_fail(err, STORE_NOT_FOUND, "there is no file to take over");
	if (fd < 0)
		status = store_status_errno(err, errno, "taking over a file");
	else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
		 st.st_uid != geteuid())
		status = store_status_fail(err, STORE_INVALID,
					   "what should be taken over is not a file of its own");
	if (status == 0 && (fchmod(fd, 0400) != 0 || renameat(tmp, hex, tmp, w->name) != 0))
		status = store_status_errno(err, errno, "taking over a file");
	if (status != 0) {
		(void)unlinkat(tmp, hex, 0); /* else the next open clears it away */
		if (fd >= 0)
			close(fd);
		return status;
	}
	close(w->fd);
	w->fd = fd;
	return 0;
}

static int hash_file(struct store_writer *w, struct store_error *err)
{
	uint8_t *piece = malloc(PIECE_BYTES);
	int status = 0;
	ssize_t n;

	if (piece == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	(void)posix_fadvise(w->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while ((n = read(w->fd, piece, PIECE_BYTES)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			status = store_status_errno(err, errno, "reading a file taken over");
		else
			status = store_writer_expect(w, w->size + (uint64_t)n, err);
		if (status == 0)
			status = store_digest_add(w->hash, piece, (size_t)n, err);
		if (status != 0)
			break;
		w->size += (uint64_t)n;
	}
	free(piece);
	return status;
}

int store_writer_adopt(struct store *store, const struct store_digest *digest,
		       struct store_digest *ret_digest, uint64_t *ret_size, struct store_error *err)
{
	char hex[STORE_DIGEST_HEX + 1];
	struct store_writer *w;
	int status = store_writer_open(store, &w, err);

	if (status != 0)
		return status;
	store_digest_hex(digest, hex);
	/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): a failure stays one */
	status = take_file(w, hex, err);
	if (status == 0)
		status = hash_file(w, err);
	if (status != 0) {
		store_writer_abort(w);
		return status;
	}
	return store_writer_commit(w, digest, ret_digest, ret_size, err);
}

/* ---- bytes ------------------------------------------------------------------------------- */

static int write_all(struct store_writer *w, const uint8_t *data, size_t size,
		     struct store_error *err)
{
	while (size > 0) {
		ssize_t n = write(w->fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return store_status_errno(err, n < 0 ? errno : EIO, "writing a blob");
		data += n;
		size -= (size_t)n;
		w->size += (uint64_t)n;
	}
	if (w->size - w->started >= WRITEBACK_BYTES) {
		/* only a hint: whatever goes wrong is reported by the fsync */
		(void)sync_file_range(w->fd, (off_t)w->started, (off_t)(w->size - w->started),
				      SYNC_FILE_RANGE_WRITE);
		w->started = w->size;
	}
	return 0;
}

int store_writer_append(struct store_writer *w, const void *data, size_t size,
			struct store_error *err)
{
	if (w->status != 0)
		return store_status_fail(err, w->status, "the blob could not be written before");
	if (size > (uint64_t)INT64_MAX - w->size)
		w->status = store_status_fail(err, STORE_FULL, "the blob is too large");
	if (w->status == 0)
		w->status = store_writer_expect(w, w->size + size, err);
	if (w->status == 0)
		w->status = store_digest_add(w->hash, data, size, err);
	if (w->status == 0)
		w->status = write_all(w, data, size, err);
	/* that it was taken means little before it was synced */
	return w->status == 0 ? 0 : store_health_wrote(w->store, w->status, err);
}

/* Free a writer; its temporary goes unless it became a blob. */
static void writer_free(struct store_writer *w, bool published)
{
	store_digest_drop(w->hash);
	store_evict_release(w->store, w->room);
	close(w->fd);
	if (!published)
		store_folder_drop_temp(&w->store->folder, w->name);
	free(w);
}

void store_writer_abort(struct store_writer *w)
{
	if (w != NULL)
		writer_free(w, false);
}

static int sync_file(struct store_writer *w, struct store_error *err)
{
	if (fsync(w->fd) != 0)
		return store_status_errno(err, errno, "syncing a blob");
	return 0;
}

/* The answer of store_blob_stored, without the lock: it may be outdated at once. */
static int seems_stored(struct store_writer *w, const struct store_digest *digest,
			struct store_error *err)
{
	struct store_conn *conn;
	int status = store_index_reader(w->store->index, &conn, err);

	if (status != 0)
		return status;
	status = store_blob_stored(w->store, conn, digest, w->size, err);
	store_index_done(w->store->index, conn);
	return status;
}

/* With the writer of the index locked: claim the blob that is stored, or publish this one. */
static int settle(struct store_writer *w, struct store_conn *conn,
		  const struct store_digest *digest, bool synced, bool *ret_published,
		  struct store_error *err)
{
	int status = store_blob_stored(w->store, conn, digest, w->size, err);

	if (status < 0)
		return status;
	if (status == 1)
		return store_index_exec(conn, STMT_BLOB_CLAIM,
					ARGS(A_DIGEST(digest), A_INT(store_now_s())), err);
	if (!synced) {
		/* it was removed since we looked without the lock */
		status = sync_file(w, err);
		if (status != 0)
			return status;
	}
	return store_blob_publish(w->store, conn, w->name, digest, w->size, ret_published, err);
}

/* The digest of what was appended, compared with ${expect}. */
static int finish_hash(struct store_writer *w, const struct store_digest *expect,
		       struct store_digest *out, struct store_error *err)
{
	struct store_hash *hash = w->hash;
	char want[STORE_DIGEST_HEX + 1];
	char got[STORE_DIGEST_HEX + 1];
	int status;

	if (w->status != 0)
		return store_status_fail(err, w->status, "the blob could not be written before");
	w->hash = NULL;
	status = store_digest_end(hash, out, err);
	if (status != 0 || expect == NULL || store_digest_equal(out, expect))
		return status;
	store_digest_hex(expect, want);
	store_digest_hex(out, got);
	return store_status_fail(err, STORE_DIGEST, "the content has SHA-256 %s instead of %s", got,
				 want);
}

int store_writer_commit(struct store_writer *w, const struct store_digest *expect,
			struct store_digest *ret_digest, uint64_t *ret_size,
			struct store_error *err)
{
	struct store_digest digest;
	struct store_conn *conn;
	bool published = false;
	bool synced = false;
	uint64_t size = w->size;
	int status;

	status = finish_hash(w, expect, &digest, err);
	if (status == 0)
		status = seems_stored(w, &digest, err);
	if (status == 0) {
		/* the long wait, while nothing is locked */
		status = sync_file(w, err);
		synced = true;
	}
	if (status >= 0) {
		conn = store_index_lock(w->store->index);
		status = settle(w, conn, &digest, synced, &published, err);
		store_evict_look(w->store, conn);
		store_evict_release(w->store, w->room); /* it is stored, or not wanted */
		w->room = 0;
		store_index_unlock(w->store->index);
	}
	store_health_wrote(w->store, status, err);
	writer_free(w, published);
	if (status != 0)
		return status;
	*ret_digest = digest;
	if (ret_size != NULL)
		*ret_size = size;
	return 0;
}
