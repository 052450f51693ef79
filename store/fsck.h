/* SPDX-License-Identifier: MIT */
/* fsck.h — index and folder brought together again.  For the files of store/. */
#ifndef LARDER_STORE_FSCK_H
#define LARDER_STORE_FSCK_H

#include "store/store.h"

struct store_conn;

/*
 * store_fsck_open(store, err): empty tmp/; and, after a process that did not
 * close the store, store_fsck_sweep.
 */
int store_fsck_open(struct store *store, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_fsck_mark(store, err): note in the index, before files and rows may
 * differ, that the next open has to look.  Free after the first time.
 * store_fsck_mark_locked is for those who have the index's writer, outside of
 * a transaction.
 */
int store_fsck_mark(struct store *store, struct store_error *err) STORE_MUST_CHECK;
int store_fsck_mark_locked(struct store *store, struct store_conn *conn,
			   struct store_error *err) STORE_MUST_CHECK;
/* store_fsck_closed(store): note that they agree. */
void store_fsck_closed(struct store *store);
/*
 * store_fsck_sweep(store, ret_foreign, err): remove blobs that have no row, and
 * mark rows that have no file as damaged.
 */
int store_fsck_sweep(struct store *store, uint64_t *ret_foreign,
		     struct store_error *err) STORE_MUST_CHECK;

#endif
