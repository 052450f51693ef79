/* SPDX-License-Identifier: MIT */
/* evict.h — the quota, for the files of store/ that write.  See store.h for the rest. */
#ifndef LARDER_STORE_EVICT_H
#define LARDER_STORE_EVICT_H

#include "store/store.h"

#include <stdatomic.h>

struct store_conn;

/* Part of struct store. */
struct store_quota {
	atomic_uint_fast64_t max_bytes;      /* 0 = no limit */
	atomic_uint_fast64_t stored_bytes;   /* as of the last look into the index */
	atomic_uint_fast64_t reserved_bytes; /* promised to writers that are open */
	/* what went since the store was opened */
	atomic_uint_fast64_t derived, snapshots, models, blobs, bytes;
	/* guarded by the index's writer: */
	uint64_t keep_snapshots;
	store_gone_f *gone;
	void *arg;
};

void store_evict_init(struct store_quota *q);
/* store_evict_since(q): all that went. */
struct store_evicted store_evict_since(const struct store_quota *q);
/*
 * store_evict_reserve(store, bytes, err): promise ${bytes} to a writer, and
 * evict until there is room for them.  STORE_QUOTA, and nothing was evicted,
 * when there cannot be.  Not with the index's writer locked.
 */
int store_evict_reserve(struct store *store, uint64_t bytes,
			struct store_error *err) STORE_MUST_CHECK;
/* store_evict_release(store, bytes): that many of the promised bytes are stored, or not wanted. */
void store_evict_release(struct store *store, uint64_t bytes);
/*
 * store_evict_look(store, conn): read how much is stored.  With the index's
 * writer locked, after every change of it.
 */
void store_evict_look(struct store *store, struct store_conn *conn);
/*
 * store_evict_derived(store, bytes, err): make room for ${bytes} that are
 * derived, for which only other derived ones go.  Promises nothing.
 */
int store_evict_derived(struct store *store, uint64_t bytes,
			struct store_error *err) STORE_MUST_CHECK;
/*
 * store_evict_old(store, model_id): drop the snapshots of one model that
 * keep_snapshots does not keep.  What fails is left for the next time.
 */
void store_evict_old(struct store *store, int64_t model_id);

#endif
