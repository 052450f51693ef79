/* SPDX-License-Identifier: MIT */
/*
 * state.h — struct store, for the files of store/ that work on a whole store.
 *
 * Order of locks: the index's writer first, then one of the small ones inside
 * maps, cache and uses, which are held for nanoseconds and nest in nothing.
 */
#ifndef LARDER_STORE_STATE_H
#define LARDER_STORE_STATE_H

#include "store/evict.h"
#include "store/folder.h"
#include "store/health.h"
#include "store/status.h"
#include "store/store.h"

#include <stdatomic.h>
#include <time.h>

#define STORE_GRACE_S (INT64_C(6) * 3600) /* default of store_opts.grace_s */

struct store {
	struct store_folder folder;
	struct store_index *index;
	struct store_maps *maps;
	struct store_cache *cache;
	struct store_uses *uses;
	struct store_quota quota;
	int64_t grace_s;
	atomic_bool read_only;
	bool wants_write; /* read-only for want of something better (health.c) */
	char *dir;        /* absolute, without links */
	struct store_trouble trouble;
	/* guarded by the index's writer: */
	bool dirty;     /* files and rows may differ, and the index says so */
	bool remains;   /* they do: a file without a row could not be avoided */
	bool unsettled; /* a commit failed that may yet come back (fsck.c, settle) */
	atomic_uint_fast64_t generation; /* changes when a name may mean something else */
	atomic_int_fast64_t import_count;
};

/* The wall clock in seconds; may be set back, so nothing relies on its order. */
static inline int64_t store_now_s(void)
{
	return (int64_t)time(NULL);
}

/* The first line of every function that writes. */
static inline int store_writable(const struct store *store, struct store_error *err)
{
	if (!atomic_load_explicit(&store->read_only, memory_order_relaxed))
		return 0;
	return store_status_fail(err, store->wants_write ? STORE_READONLY : STORE_INVALID,
				 "the store is open for reading only");
}

#endif
