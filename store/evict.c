/* SPDX-License-Identifier: MIT */
/*
 * evict.c — the quota, and what goes when it is reached.  Called by writers
 * for each piece (two atomic operations as long as there is room), after an
 * import, and by the administration.  It must never take what is pinned, what
 * an import is about to name, or anything at all for the sake of something
 * that cannot fit.
 *
 * How much fits: max_bytes ≥ stored_bytes + reserved_bytes.  Writers reserve
 * before they write, so that many at once stay within the quota together; what
 * they reserved becomes stored with the row of the blob.
 *
 * Names go in one transaction and blobs after them, as in every removal
 * (collect.c).  Who reads a file goes on: its mapping outlives its name.  That a
 * file is mapped spares nothing, for the daemon keeps mappings of what it sent
 * lately; last uses say better what is wanted.  A round ends with the index's writer unlocked, so
 * others get their turn while much has to go.
 */
#include <config.h>

#include "store/collect.h"
#include "store/evict.h"
#include "store/index.h"
#include "store/manifest.h"
#include "store/model.h"
#include "store/snapshot.h"
#include "store/state.h"
#include "store/status.h"
#include "store/use.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUND = 64 }; /* things that go in one transaction */

/* In the order in which they are taken. */
enum stage { DERIVED, SNAPSHOT, MODEL, STAGES };

/* id, bytes, model, commit: what goes first comes first */
static const enum store_stmt lists[STAGES] = {
    [DERIVED] = STMT_EVICT_DERIVED,
    [SNAPSHOT] = STMT_EVICT_SNAPSHOT,
    [MODEL] = STMT_EVICT_MODEL,
};

/* What was asked for, and what went so far. */
struct run {
	struct store_evicted sum;
	store_gone_f *fn; /* whom to tell besides the one of the limits; may be NULL */
	void *arg;
};

/* What one round takes. */
struct doomed {
	enum stage stage;
	size_t count;
	struct item {
		int64_t id;
		char model[STORE_NAME_MAX + 1];
		char commit[STORE_COMMIT_HEX + 1];
	} item[ROUND];
};

void store_evict_init(struct store_quota *q)
{
	atomic_init(&q->max_bytes, 0);
	atomic_init(&q->stored_bytes, 0);
	atomic_init(&q->reserved_bytes, 0);
	atomic_init(&q->derived, 0);
	atomic_init(&q->snapshots, 0);
	atomic_init(&q->models, 0);
	atomic_init(&q->blobs, 0);
	atomic_init(&q->bytes, 0);
	q->keep_snapshots = STORE_KEEP_ALL;
}

struct store_evicted store_evict_since(const struct store_quota *q)
{
	return (struct store_evicted){
	    .derived = atomic_load(&q->derived),
	    .snapshots = atomic_load(&q->snapshots),
	    .models = atomic_load(&q->models),
	    .blobs = atomic_load(&q->blobs),
	    .bytes = atomic_load(&q->bytes),
	};
}

/* ---- how much there is ----------------------------------------------------------------- */

void store_evict_look(struct store *store, struct store_conn *conn)
{
	/* where it cannot be read, the last figure is as good as any */
	if (store_index_row(conn, STMT_TOTAL_BYTES, NO_ARGS, NULL) != 1)
		return;
	atomic_store(&store->quota.stored_bytes,
		     (uint64_t)store_index_int(conn, STMT_TOTAL_BYTES, 0));
	store_index_stop(conn, STMT_TOTAL_BYTES);
}

/* How many bytes too many there would be with ${need} more. */
static uint64_t excess(struct store_quota *q, uint64_t need)
{
	uint64_t max = atomic_load(&q->max_bytes);
	uint64_t sum = atomic_load(&q->stored_bytes);

	if (max == 0)
		return 0;
	if (__builtin_add_overflow(sum, atomic_load(&q->reserved_bytes), &sum) ||
	    __builtin_add_overflow(sum, need, &sum))
		return UINT64_MAX;
	return sum > max ? sum - max : 0;
}

/* Promise ${need} bytes if they fit. */
static bool reserve(struct store_quota *q, uint64_t need)
{
	uint64_t reserved = atomic_load(&q->reserved_bytes);
	uint64_t max, sum;

	do {
		max = atomic_load(&q->max_bytes);
		if (__builtin_add_overflow(reserved, need, &sum))
			return false;
		if (max != 0 && (sum > max || atomic_load(&q->stored_bytes) > max - sum))
			return false;
	} while (!atomic_compare_exchange_weak(&q->reserved_bytes, &reserved, sum));
	return true;
}

void store_evict_release(struct store *store, uint64_t bytes)
{
	atomic_fetch_sub(&store->quota.reserved_bytes, bytes);
}

/* ---- what goes --------------------------------------------------------------------------- */

/* The current row of a list becomes part of the round. */
static void doom(struct store_conn *conn, enum store_stmt list, struct doomed *d)
{
	struct item *item = &d->item[d->count++];

	item->id = store_index_int(conn, list, 0);
	snprintf(item->model, sizeof(item->model), "%s", store_index_text(conn, list, 2));
	snprintf(item->commit, sizeof(item->commit), "%s", store_index_text(conn, list, 3));
}

/* As much of one stage as seems to make up for ${over} bytes. */
static int choose(struct store_conn *conn, enum stage stage, uint64_t over, struct doomed *d,
		  struct store_error *err)
{
	const enum store_stmt list = lists[stage];
	uint64_t sum = 0;
	int status;

	d->stage = stage;
	d->count = 0;
	store_index_start(conn, list, NO_ARGS);
	while ((status = store_index_next(conn, list, err)) == 1) {
		sum += (uint64_t)store_index_int(conn, list, 1);
		doom(conn, list, d);
		if (sum >= over || d->count == ROUND) {
			store_index_stop(conn, list);
			return 0;
		}
	}
	return status;
}

/* The snapshots that keep_snapshots does not keep. */
static int choose_old(struct store *store, struct store_conn *conn, int64_t first, int64_t last,
		      struct doomed *d, struct store_error *err)
{
	uint64_t keep = store->quota.keep_snapshots;
	int status;

	d->stage = SNAPSHOT;
	d->count = 0;
	if (keep > INT64_MAX)
		return 0;
	store_index_start(conn, STMT_EVICT_OLD, ARGS(A_INT(first), A_INT(last), A_INT(keep)));
	while ((status = store_index_next(conn, STMT_EVICT_OLD, err)) == 1) {
		doom(conn, STMT_EVICT_OLD, d);
		if (d->count == ROUND) {
			store_index_stop(conn, STMT_EVICT_OLD);
			return 0;
		}
	}
	return status;
}

static int drop_item(struct store_conn *conn, enum stage stage, int64_t id, struct store_error *err)
{
	if (stage == DERIVED)
		return store_index_exec(conn, STMT_EVICT_DERIVED_DROP, ARGS(A_INT(id)), err);
	if (stage == SNAPSHOT)
		return store_snapshot_drop(conn, id, err);
	return store_model_drop(conn, id, err);
}

/* All of a round, in one transaction. */
static int drop_rows(struct store *store, struct store_conn *conn, const struct doomed *d,
		     struct store_error *err)
{
	int status = store_manifest_begin(store, conn, err);

	if (status != 0)
		return status;
	for (size_t i = 0; status == 0 && i < d->count; i++)
		status = drop_item(conn, d->stage, d->item[i].id, err);
	if (status == 0)
		return store_manifest_commit(store, conn, err);
	store_manifest_rollback(conn);
	return status;
}

/* Names, then blobs.  What went is added to run->sum, also when the rest fails. */
static int drop(struct store *store, struct store_conn *conn, struct doomed *d, struct run *run,
		struct store_error *err)
{
	struct store_quota *q = &store->quota;
	struct store_evicted gone = {.blobs = 0};
	int status = drop_rows(store, conn, d, err);

	if (status != 0) {
		d->count = 0;
		return status;
	}
	atomic_fetch_add(&store->generation, 1);
	status = store_collect_locked(store, conn, &gone, err);
	if (d->stage == DERIVED)
		gone.derived = d->count;
	else if (d->stage == SNAPSHOT)
		gone.snapshots = d->count;
	else
		gone.models = d->count;
	atomic_fetch_add(&q->derived, gone.derived);
	atomic_fetch_add(&q->snapshots, gone.snapshots);
	atomic_fetch_add(&q->models, gone.models);
	atomic_fetch_add(&q->blobs, gone.blobs);
	atomic_fetch_add(&q->bytes, gone.bytes);
	run->sum.derived += gone.derived;
	run->sum.snapshots += gone.snapshots;
	run->sum.models += gone.models;
	run->sum.blobs += gone.blobs;
	run->sum.bytes += gone.bytes;
	return status;
}

/* End a round: unlock, then say what went. */
static void unlock_and_tell(struct store *store, const struct run *run, const struct doomed *d)
{
	store_gone_f *gone = store->quota.gone;
	void *arg = store->quota.arg;

	store_index_unlock(store->index);
	for (size_t i = 0; i < d->count && d->stage != DERIVED; i++) { /* without any: no stage */
		const char *commit = d->stage == SNAPSHOT ? d->item[i].commit : NULL;

		if (gone != NULL)
			gone(arg, d->item[i].model, commit);
		if (run->fn != NULL)
			run->fn(run->arg, d->item[i].model, commit);
	}
}

/* ---- old snapshots ------------------------------------------------------------------------ */

/* Those of the models ${first} to ${last}, and blobs that nothing keeps. */
static int drop_old(struct store *store, int64_t first, int64_t last, struct run *run,
		    struct store_error *err)
{
	struct doomed *d = malloc(sizeof(*d));
	int status;

	if (d == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	do {
		struct store_conn *conn = store_index_lock(store->index);

		status = choose_old(store, conn, first, last, d, err);
		if (status == 0 && d->count > 0)
			status = drop(store, conn, d, run, err);
		else
			d->count = 0;
		unlock_and_tell(store, run, d);
	} while (status == 0 && d->count > 0);
	free(d);
	return status;
}

void store_evict_old(struct store *store, int64_t model_id)
{
	struct run run = {.fn = NULL};

	/* the import is done; what stays now goes with the next, or with store_evict */
	int status = drop_old(store, model_id, model_id, &run, NULL);

	(void)status;
}

/* ---- the quota ----------------------------------------------------------------------------- */

/* What is wanted of some rounds. */
struct want {
	uint64_t need;
	enum stage last; /* no later stage than this */
	bool take;       /* reserve them; else it is enough that they would fit */
	bool begun;
};

static bool has_room(struct store_quota *q, const struct want *want)
{
	return want->take ? reserve(q, want->need) : excess(q, want->need) == 0;
}

/* Would they fit if everything went that can go?  If not, nothing shall go. */
static int could_fit(struct store *store, struct store_conn *conn, const struct want *want,
		     struct store_error *err)
{
	struct store_quota *q = &store->quota;
	uint64_t max = atomic_load(&q->max_bytes);
	uint64_t kept;
	int status = store_index_row(conn, STMT_EVICT_KEPT,
				     ARGS(A_INT(store_now_s()), A_INT(store->grace_s)), err);

	if (status != 1)
		return status;
	kept =
	    (uint64_t)store_index_int(conn, STMT_EVICT_KEPT, 0) + atomic_load(&q->reserved_bytes);
	store_index_stop(conn, STMT_EVICT_KEPT);
	if (kept <= max && want->need <= max - kept)
		return 0;
	return store_status_fail(err, STORE_QUOTA,
				 "the store may hold %" PRIu64 " bytes, of which %" PRIu64
				 " are pinned or just arriving: %" PRIu64 " more do not fit",
				 max, kept, want->need);
}

/* With the writer locked: 1 when there is room, 0 when something went, or a status. */
static int make_some_room(struct store *store, struct store_conn *conn, struct want *want,
			  struct doomed *d, struct run *run, struct store_error *err)
{
	struct store_quota *q = &store->quota;
	int status;

	d->count = 0;
	store_evict_look(store, conn);
	if (!want->begun) {
		want->begun = true;
		status = store_collect_locked(store, conn, &run->sum, err);
		if (status != 0)
			return status;
	}
	if (has_room(q, want))
		return 1;
	if (want->need > 0 && want->last == MODEL) {
		status = could_fit(store, conn, want, err);
		if (status != 0)
			return status;
	}
	for (int stage = DERIVED; stage <= (int)want->last && d->count == 0; stage++) {
		status = choose(conn, (enum stage)stage, excess(q, want->need), d, err);
		if (status != 0)
			return status;
	}
	if (d->count > 0)
		return drop(store, conn, d, run, err);
	return store_status_fail(err, STORE_QUOTA,
				 "the store holds %" PRIu64 " of %" PRIu64
				 " bytes, and nothing more can go",
				 atomic_load(&q->stored_bytes), atomic_load(&q->max_bytes));
}

static int make_room(struct store *store, struct want want, struct run *run,
		     struct store_error *err)
{
	struct doomed *d;
	int status;

	/* the index is asked for the order of last uses; without these it is a worse one */
	status = store_use_flush(store, NULL);
	(void)status;
	d = malloc(sizeof(*d));
	if (d == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	do {
		struct store_conn *conn = store_index_lock(store->index);

		status = make_some_room(store, conn, &want, d, run, err);
		unlock_and_tell(store, run, d);
	} while (status == 0);
	free(d);
	return status < 0 ? status : 0;
}

int store_evict_reserve(struct store *store, uint64_t bytes, struct store_error *err)
{
	struct run run = {.fn = NULL};

	if (reserve(&store->quota, bytes))
		return 0;
	return make_room(store, (struct want){.need = bytes, .last = MODEL, .take = true}, &run,
			 err);
}

int store_evict_derived(struct store *store, uint64_t bytes, struct store_error *err)
{
	struct run run = {.fn = NULL};

	if (excess(&store->quota, bytes) == 0)
		return 0;
	return make_room(store, (struct want){.need = bytes, .last = DERIVED}, &run, err);
}

void store_evict_limits(struct store *store, const struct store_limits *limits)
{
	struct store_quota *q = &store->quota;
	struct store_conn *conn;

	if (store->read_only)
		return;
	conn = store_index_lock(store->index);
	atomic_store(&q->max_bytes, limits->max_bytes);
	q->keep_snapshots = limits->keep_snapshots;
	q->gone = limits->gone;
	q->arg = limits->arg;
	store_evict_look(store, conn);
	store_index_unlock(store->index);
}

int store_evict(struct store *store, uint64_t room_bytes, store_gone_f *fn, void *arg,
		struct store_evicted *out, struct store_error *err)
{
	struct run run = {.fn = fn, .arg = arg};
	int status = store_writable(store, err);

	if (status == 0)
		status = drop_old(store, 1, INT64_MAX, &run, err);
	if (status == 0)
		status =
		    make_room(store, (struct want){.need = room_bytes, .last = MODEL}, &run, err);
	*out = run.sum;
	/* without a wish, as near to the quota as can be is what was asked for */
	return status == STORE_QUOTA && room_bytes == 0 ? 0 : status;
}
