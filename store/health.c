/* SPDX-License-Identifier: MIT */
/*
 * health.c — how the store is, in one answer: what could not be opened, what
 * the disk refused last, how many blobs are quarantined.  Called by the
 * daemon's status and, to try again, by its upkeep.  It must never make
 * anything worse: what works goes on while something else is tried again.
 */
#include <config.h>

#include "store/health.h"
#include "store/fsck.h"
#include "store/index.h"
#include "store/state.h"
#include "store/status.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void store_health_init(struct store_trouble *t)
{
	pthread_mutex_init(&t->lock, NULL);
	atomic_init(&t->status, 0);
}

void store_health_end(struct store_trouble *t)
{
	pthread_mutex_destroy(&t->lock);
}

int store_health_wrote(struct store *store, int status, const struct store_error *err)
{
	struct store_trouble *t = &store->trouble;

	if (status != 0 && status != STORE_FULL && status != STORE_IO && status != STORE_READONLY)
		return status; /* says nothing about the disk */
	if (status == 0 && atomic_load_explicit(&t->status, memory_order_relaxed) == 0)
		return status;
	pthread_mutex_lock(&t->lock);
	atomic_store(&t->status, status);
	if (status != 0 && err != NULL && err->status == status)
		t->why = *err;
	else
		(void)store_status_fail(&t->why, status, NULL);
	pthread_mutex_unlock(&t->lock);
	return status;
}

/* ---- asking ------------------------------------------------------------------------ */

/* How many blobs are quarantined; what cannot be counted is none. */
static uint64_t count_damaged(struct store *store)
{
	struct store_conn *conn;
	uint64_t count = 0;

	if (store_index_reader(store->index, &conn, NULL) != 0)
		return 0;
	if (store_index_row(conn, STMT_BLOB_COUNT_DAMAGED, NO_ARGS, NULL) == 1) {
		count = (uint64_t)store_index_int(conn, STMT_BLOB_COUNT_DAMAGED, 0);
		store_index_stop(conn, STMT_BLOB_COUNT_DAMAGED);
	}
	store_index_done(store->index, conn);
	return count;
}

static void say(struct store_health *out, const struct store_error *why)
{
	if (out->status != 0 || why->status == 0)
		return;
	out->status = why->status;
	snprintf(out->text, sizeof(out->text), "%s", why->text);
}

/* The last write that failed, if nothing was written since. */
static void say_trouble(struct store_trouble *t, struct store_health *out)
{
	if (atomic_load(&t->status) == 0)
		return;
	pthread_mutex_lock(&t->lock);
	if (atomic_load(&t->status) != 0)
		say(out, &t->why);
	pthread_mutex_unlock(&t->lock);
}

void store_health_get(struct store *store, struct store_health *out)
{
	struct store_error why, read, write;

	memset(out, 0, sizeof(*out));
	out->read_only = store->read_only;
	out->index_lost = store_index_is_lost(store->index, &why) && why.status != STORE_BUSY;
	if (out->index_lost)
		say(out, &why);
	else
		out->damaged = count_damaged(store);
	store_index_trouble(store->index, &read, &write);
	if (read.status == STORE_INDEX || write.status == STORE_INDEX)
		say(out, read.status == STORE_INDEX ? &read : &write);
	if (store->wants_write && out->read_only) {
		(void)store_status_fail(&why, STORE_READONLY, NULL);
		say(out, &why);
	}
	say(out, &read);
	say(out, &write);
	say_trouble(&store->trouble, out);
	if (out->status == 0 && out->damaged > 0) {
		(void)store_status_fail(&why, STORE_DAMAGED, "%llu blobs are damaged",
					(unsigned long long)out->damaged);
		say(out, &why);
	}
}

/* ---- trying again -------------------------------------------------------------------- */

/* The lock and the folders that only a writer has. */
static int begin_writing(struct store *store, struct store_error *err)
{
	struct store_folder f;
	int status = store_folder_open(store->dir, false, &f, err);

	if (status != 0)
		return status;
	/* readers use the other two all the time */
	close(f.dir);
	close(f.blobs);
	store->folder.lock = f.lock;
	store->folder.tmp = f.tmp;
	memcpy(store->folder.shelf, f.shelf, sizeof(f.shelf));
	store->folder.made = f.made;
	return 0;
}

static int recover(struct store *store, struct store_error *err)
{
	store->read_only = false;
	return store_fsck_open(store, err);
}

int store_health_retry(struct store *store, struct store_error *err)
{
	bool lost = store_index_is_lost(store->index, NULL);
	int status = 0;

	if (!lost && !(store->wants_write && store->read_only))
		return 0;
	if (!store_index_hold(store->index, STORE_BUSY, "the index is being opened"))
		return 0; /* it is being rebuilt */
	if (store->read_only && store->wants_write && store->folder.lock < 0)
		status = begin_writing(store, err);
	if (status == 0 && store->folder.tmp >= 0)
		status = store_folder_check_index(&store->folder, err);
	if (status == 0)
		status = store_index_swap(store->index, store->read_only && !store->wants_write,
					  NULL, NULL, err);
	store_index_release(store->index);
	if (status == 0)
		status = recover(store, err);
	if (status == 0)
		atomic_fetch_add(&store->generation, 1);
	return status;
}
