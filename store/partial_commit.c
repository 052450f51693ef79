/* SPDX-License-Identifier: MIT */
/*
 * partial_commit.c — a download that is complete becomes a blob.  It must never
 * give a name to bytes whose digest is not right.
 *
 * The file is linked into tmp/, and from there on goes the way that writer.c
 * goes; partial/KEY is removed last.  A kill in between costs no byte of the
 * download.
 */
#include <config.h>

#include "store/blob.h"
#include "store/digest.h"
#include "store/evict.h"
#include "store/fsck.h"
#include "store/partial.h"
#include "store/state.h"
#include "store/status.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* The digest of the whole, once. */
static int digest_of(struct store_partial *p, struct store_error *err)
{
	struct store_hash *hash;
	int status;

	if (p->checked)
		return 0;
	if (p->size == STORE_PARTIAL_UNKNOWN || store_partial_run(p, 0) < p->size)
		return store_status_fail(err, STORE_INVALID, "the download is not complete");
	if (p->hash == NULL)
		return store_status_fail(err, STORE_INVALID, "the download could not be hashed");
	status = store_partial_hash(p, UINT64_MAX, err);
	if (status != 0)
		return status;
	hash = p->hash;
	p->hash = NULL;
	status = store_digest_end(hash, &p->digest, err);
	p->checked = status == 0;
	return status;
}

int store_partial_check(struct store_partial *p, const struct store_digest *expect,
			struct store_error *err)
{
	char want[STORE_DIGEST_HEX + 1], got[STORE_DIGEST_HEX + 1];
	int status = digest_of(p, err);

	if (status != 0 || expect == NULL || store_digest_equal(&p->digest, expect))
		return status;
	store_partial_discard(p);
	store_digest_hex(expect, want);
	store_digest_hex(&p->digest, got);
	return store_status_fail(err, STORE_DIGEST, "the content has SHA-256 %s instead of %s", got,
				 want);
}

/* Link, rename, row; with the index's writer locked. */
static int publish(struct store_partial *p, struct store_conn *conn,
		   const struct store_digest *digest, struct store_error *err)
{
	struct store *store = p->store;
	char name[STORE_TEMP_NAME];
	int fd, status;

	status = store_folder_temp(&store->folder, name, &fd, err);
	if (status != 0)
		return status;
	close(fd);
	store_folder_drop_temp(&store->folder, name);
	if (linkat(p->dir, p->name, store->folder.tmp, name, 0) != 0)
		return store_status_errno(err, errno, "publishing a download");
	return store_blob_publish(store, conn, name, digest, p->size, NULL, err);
}

int store_partial_commit(struct store_partial *p, const struct store_digest *expect,
			 struct store_digest *ret_digest, struct store_error *err)
{
	struct store_digest digest;
	struct store_conn *conn;
	int status = store_partial_check(p, expect, err);

	digest = p->digest;
	if (status == 0)
		status = store_partial_save(p, err);
	if (status == 0 && (fchmod(p->fd, 0400) != 0 || fsync(p->fd) != 0))
		status = store_status_errno(err, errno, "syncing a download");
	if (status == 0)
		status = store_fsck_mark(p->store, err);
	if (status != 0)
		return status;
	conn = store_index_lock(p->store->index);
	status = store_blob_stored(p->store, conn, &digest, p->size, err);
	if (status == 1)
		status = store_index_exec(conn, STMT_BLOB_CLAIM,
					  ARGS(A_DIGEST(&digest), A_INT(store_now_s())), err);
	else if (status == 0)
		status = publish(p, conn, &digest, err);
	store_evict_look(p->store, conn);
	if (status == 0) {
		store_evict_release(p->store, p->room); /* they are stored */
		p->room = 0;
	}
	store_index_unlock(p->store->index);
	if (status != 0)
		return status;
	store_partial_discard(p); /* its bytes have another name now */
	*ret_digest = digest;
	return 0;
}
