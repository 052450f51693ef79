/* SPDX-License-Identifier: MIT */
/*
 * store.c — a store as a whole: its parts put together in order and taken
 * apart in reverse.  Called by the daemon's start and stop, and for figures.
 */
#include <config.h>

#include "store/cache.h"
#include "store/collect.h"
#include "store/fsck.h"
#include "store/health.h"
#include "store/index.h"
#include "store/map.h"
#include "store/state.h"
#include "store/status.h"
#include "store/use.h"

#include <errno.h>
#include <stdlib.h>

/* What a store that may degrade can do without. */
static bool may_degrade(const struct store_opts *opts, int status)
{
	return opts->degrade && (status == STORE_INDEX || status == STORE_IO ||
				 status == STORE_FULL || status == STORE_READONLY);
}

static int open_index(struct store *store, const struct store_opts *opts, struct store_error *err)
{
	struct store_error why, again;
	int status;

	/* SQLite opens it by its name, which must still be right after a chdir */
	store->dir = realpath(opts->dir, NULL);
	if (store->dir == NULL)
		return store_status_errno(err, errno, "finding the state folder");
	status = store->read_only ? 0 : store_folder_check_index(&store->folder, &why);
	if (status == 0)
		status = store_index_open(store->dir, store->read_only, &store->index, &why);
	if (status != 0 && status != STORE_INDEX && !store->read_only &&
	    may_degrade(opts, status) &&
	    store_index_open(store->dir, true, &store->index, &again) == 0) {
		store->read_only = store->wants_write = true;
		return 0;
	}
	if (status != 0 && may_degrade(opts, status))
		return store_index_lost(store->dir, store->read_only, &why, &store->index, err);
	return status == 0 ? 0 : store_status_fail(err, status, "%s", why.text);
}

static int open_folder(struct store *store, const struct store_opts *opts, struct store_error *err)
{
	int status = store_folder_open(opts->dir, opts->read_only, &store->folder, err);

	if (status != 0 && !opts->read_only && may_degrade(opts, status) &&
	    store_folder_open(opts->dir, true, &store->folder, NULL) == 0) {
		store->read_only = store->wants_write = true;
		return 0;
	}
	return status;
}

/* What a process before this one may have left. */
static int recover(struct store *store, const struct store_opts *opts, struct store_error *err)
{
	int status;

	if (store->read_only)
		return 0;
	if (store_index_is_lost(store->index, NULL)) {
		status = store_folder_sync_roots(&store->folder, err);
	} else {
		status = store_fsck_open(store, err);
		if (status == 0)
			status = store_collect(store, err);
	}
	/* a page of the index that cannot be read is no reason not to serve the others */
	return may_degrade(opts, status) ? 0 : status;
}

/* Take apart what was put together, however far that went. */
static void release(struct store *store)
{
	store_index_close(store->index);
	store_map_table_close(store->maps);
	store_cache_free(store->cache);
	store_use_free(store->uses);
	store_folder_close(&store->folder);
	store_health_end(&store->trouble);
	free(store->dir);
	free(store);
}

int store_open(const struct store_opts *opts, struct store **out, struct store_error *err)
{
	struct store *store = calloc(1, sizeof(*store));
	int status;

	if (store == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	atomic_init(&store->read_only, opts->read_only);
	store->grace_s = opts->grace_s > 0 ? opts->grace_s : STORE_GRACE_S;
	atomic_init(&store->generation, 1);
	atomic_init(&store->import_count, 0);
	store_evict_init(&store->quota);
	store_health_init(&store->trouble);
	status = open_folder(store, opts, err);
	if (status == 0)
		status = store_map_table_new(&store->maps, err);
	if (status == 0)
		status = store_cache_new(&store->cache, err);
	if (status == 0)
		status = store_use_new(&store->uses, err);
	if (status == 0)
		status = open_index(store, opts, err);
	if (status == 0)
		status = recover(store, opts, err);
	if (status != 0) {
		release(store);
		return status;
	}
	*out = store;
	return 0;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	if (!store->read_only) {
		/* both are only hints to the next process; it does well without */
		if (store_use_flush(store, NULL) == 0)
			store_fsck_closed(store);
	}
	release(store);
}

uint64_t store_generation(struct store *store)
{
	return atomic_load(&store->generation);
}

int store_stats_get(struct store *store, struct store_stats *out, struct store_error *err)
{
	const struct store_quota *q = &store->quota;
	struct store_conn *conn;
	int status = store_index_reader(store->index, &conn, err);

	if (status != 0)
		return status;
	status = store_index_row(conn, STMT_TOTAL, NO_ARGS, err);
	if (status == 1) {
		*out = (struct store_stats){
		    .models = (uint64_t)store_index_int(conn, STMT_TOTAL, 0),
		    .files = (uint64_t)store_index_int(conn, STMT_TOTAL, 1),
		    .blobs = (uint64_t)store_index_int(conn, STMT_TOTAL, 2),
		    .blob_bytes = (uint64_t)store_index_int(conn, STMT_TOTAL, 3),
		    .derived = (uint64_t)store_index_int(conn, STMT_TOTAL, 5),
		    .derived_bytes = (uint64_t)store_index_int(conn, STMT_TOTAL, 6),
		    .maps = store_map_count(store->maps),
		    .max_bytes = atomic_load(&q->max_bytes),
		    .reserved_bytes = atomic_load(&q->reserved_bytes),
		    .evicted = store_evict_since(q),
		};
		store_index_stop(conn, STMT_TOTAL);
	}
	store_index_done(store->index, conn);
	if (status == 0)
		return store_status_fail(err, STORE_INDEX, "index: the totals are missing");
	return status == 1 ? 0 : status;
}
