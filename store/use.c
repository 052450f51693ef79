/* SPDX-License-Identifier: MIT */
/*
 * use.c — last uses that the index does not know yet.  Noted by file.c (at
 * most once a second and file) and derived.c, asked by model.c and evict.c, written by
 * store_use_flush and when the store is closed.  A kill loses what was noted since; it is never
 * more than a hint for the choice of what to evict.
 */
#include <config.h>

#include "store/index.h"
#include "store/state.h"
#include "store/status.h"
#include "store/use.h"

#include <pthread.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 64 };

struct use {
	int64_t id; /* of a snapshot, or STORE_USE_DERIVED; 0: an empty slot */
	int64_t used_s;
};

struct store_uses {
	pthread_mutex_t lock;
	struct use *slots; /* [slot_count], open addressing, never more than half full */
	size_t slot_count; /* a power of two */
	size_t count;
};

int store_use_new(struct store_uses **out, struct store_error *err)
{
	struct store_uses *uses = calloc(1, sizeof(*uses));

	if (uses != NULL)
		uses->slots = calloc(FIRST_SLOTS, sizeof(*uses->slots));
	if (uses == NULL || uses->slots == NULL) {
		free(uses);
		return store_status_fail(err, STORE_MEMORY, NULL);
	}
	uses->slot_count = FIRST_SLOTS;
	pthread_mutex_init(&uses->lock, NULL);
	*out = uses;
	return 0;
}

void store_use_free(struct store_uses *uses)
{
	if (uses == NULL)
		return;
	pthread_mutex_destroy(&uses->lock);
	free(uses->slots);
	free(uses);
}

/* The slot of an id, or the empty slot where it would go. */
static struct use *slot_of(struct use *slots, size_t slot_count, int64_t id)
{
	size_t i = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15U >> 20) & (slot_count - 1);

	while (slots[i].id != 0 && slots[i].id != id)
		i = (i + 1) & (slot_count - 1);
	return &slots[i];
}

static bool grow(struct store_uses *uses)
{
	size_t wider = uses->slot_count * 2;
	struct use *slots = calloc(wider, sizeof(*slots));

	if (slots == NULL)
		return false;
	for (size_t i = 0; i < uses->slot_count; i++) {
		if (uses->slots[i].id != 0)
			*slot_of(slots, wider, uses->slots[i].id) = uses->slots[i];
	}
	free(uses->slots);
	/* fanalyzer-suppress malloc-leak: uses has it */
	uses->slots = slots;
	uses->slot_count = wider;
	return true;
}

void store_use_note(struct store_uses *uses, int64_t id, int64_t used_s)
{
	struct use *u;

	pthread_mutex_lock(&uses->lock);
	u = slot_of(uses->slots, uses->slot_count, id);
	if (u->id == 0 && uses->count * 2 >= uses->slot_count)
		u = grow(uses) ? slot_of(uses->slots, uses->slot_count, id) : NULL;
	if (u != NULL) {
		if (u->id == 0)
			uses->count++;
		u->id = id;
		if (used_s > u->used_s)
			u->used_s = used_s;
	}
	pthread_mutex_unlock(&uses->lock);
}

int64_t store_use_of(struct store_uses *uses, int64_t id)
{
	int64_t used_s;

	pthread_mutex_lock(&uses->lock);
	used_s = slot_of(uses->slots, uses->slot_count, id)->used_s;
	pthread_mutex_unlock(&uses->lock);
	return used_s;
}

/* Write them all in one transaction. */
static int write_uses(struct store *store, const struct use *slots, size_t slot_count,
		      struct store_error *err)
{
	struct store_conn *conn = store_index_lock(store->index);
	int status = store_index_begin(conn, err);

	for (size_t i = 0; status == 0 && i < slot_count; i++) {
		int64_t id = slots[i].id;

		if (id > 0)
			status = store_index_exec(conn, STMT_SNAPSHOT_USED,
						  ARGS(A_INT(id), A_INT(slots[i].used_s)), err);
		else if (id < 0)
			status = store_index_exec(conn, STMT_DERIVED_USED,
						  ARGS(A_INT(-id), A_INT(slots[i].used_s)), err);
	}
	if (status == 0)
		status = store_index_commit(conn, err);
	else
		store_index_rollback(conn);
	store_index_unlock(store->index);
	return status;
}

int store_use_flush(struct store *store, struct store_error *err)
{
	struct store_uses *uses = store->uses;
	struct use *fresh = calloc(FIRST_SLOTS, sizeof(*fresh));
	struct use *slots;
	size_t slot_count;
	size_t count;
	int status = 0;

	if (fresh == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	pthread_mutex_lock(&uses->lock);
	slots = uses->slots;
	slot_count = uses->slot_count;
	count = uses->count;
	uses->slots = fresh;
	uses->slot_count = FIRST_SLOTS;
	uses->count = 0;
	pthread_mutex_unlock(&uses->lock);
	if (count > 0 && !store->read_only)
		status = write_uses(store, slots, slot_count, err);
	for (size_t i = 0; status != 0 && i < slot_count; i++) {
		if (slots[i].id != 0)
			store_use_note(uses, slots[i].id, slots[i].used_s);
	}
	/* fanalyzer-suppress malloc-leak: uses has it */
	free(slots);
	return status;
}
