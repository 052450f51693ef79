/* SPDX-License-Identifier: MIT */
/* blob.h — the rows of blobs, for the files of store/. */
#ifndef LARDER_STORE_BLOB_H
#define LARDER_STORE_BLOB_H

#include "store/index.h"
#include "store/store.h"

enum { STORE_BLOB_PAGE = 256 };

struct store_blob_row {
	int64_t id;
	struct store_digest digest;
	int64_t size; /* bytes, as recorded */
	bool damaged;
};

/* Part of a walk over all blobs by id: start with {.after = 0}, go on until count is 0. */
struct store_blob_page {
	int64_t after;
	size_t count;
	struct store_blob_row rows[STORE_BLOB_PAGE];
};

/* store_blob_next(conn, page, err): the rows that follow those in ${page}. */
int store_blob_next(struct store_conn *conn, struct store_blob_page *page,
		    struct store_error *err) STORE_MUST_CHECK;
/*
 * store_blob_stored(store, conn, digest, size, err): 1 if the index has it,
 * not damaged, and its file is there with that size; 0 if not; or a status.
 */
int store_blob_stored(struct store *store, struct store_conn *conn,
		      const struct store_digest *digest, uint64_t size,
		      struct store_error *err) STORE_MUST_CHECK;
/*
 * store_blob_publish(store, conn, temp, digest, size, ret_named, err): gives the synced file
 * tmp/${temp} the name of ${digest}, and the row; with the index's writer locked.  ${*ret_named} is
 * set once the file has its name; it may be NULL.
 *
 * When the row fails for want of space it was certainly not written, and the file goes again;
 * after another failure of the index it may have been, so the file stays for the next open or
 * verify to judge (fsck.c).
 */
int store_blob_publish(struct store *store, struct store_conn *conn, const char *temp,
		       const struct store_digest *digest, uint64_t size, bool *ret_named,
		       struct store_error *err) STORE_MUST_CHECK;

#endif
