/* SPDX-License-Identifier: MIT */
/* collect.h — the removal of blobs that nothing names.  For the files of store/. */
#ifndef LARDER_STORE_COLLECT_H
#define LARDER_STORE_COLLECT_H

#include "store/store.h"

struct store_conn;

/*
 * store_collect(store, err): delete every blob that no file names, that is in
 * no open import, and that was not written within the grace period to be named
 * soon.  Mappings that are referenced stay valid.
 */
int store_collect(struct store *store, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_collect_locked(store, conn, gone, err): the same for those who have the
 * index's writer, outside of a transaction.  Adds what went to blobs and bytes
 * of ${gone}, also when it fails half-way; NULL is allowed.
 */
int store_collect_locked(struct store *store, struct store_conn *conn, struct store_evicted *gone,
			 struct store_error *err) STORE_MUST_CHECK;

#endif
