/* SPDX-License-Identifier: MIT */
/* partial.h — a download, for partial*.c; see store.h for the rest. */
#ifndef LARDER_STORE_PARTIAL_H
#define LARDER_STORE_PARTIAL_H

#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct run {
	uint64_t begin, end;
};

#define STORE_PARTIAL_NEW_MAX 32u

struct store_partial {
	struct store *store;
	struct store_digest key;
	char name[STORE_DIGEST_HEX + 1];
	int dir, fd; /* partial/, and the data; -1 where there is none */
	atomic_uint refs;
	bool finished; /* committed or discarded: nothing is kept any more */
	uint64_t size; /* bytes; STORE_PARTIAL_UNKNOWN before begin */
	uint64_t room; /* bytes reserved (evict.h) */
	void *data;    /* [size], read-only; NULL before begin or when size is 0 */
	struct store_hash *hash;
	uint64_t hashed; /* bytes in ${hash}, from the start */
	bool checked;    /* all of them: ${digest} is that of the whole */
	struct store_digest digest;
	uint64_t unsynced;
	char tag[STORE_PARTIAL_TAG_MAX + 1];
	int map;            /* the map on the disk, to be added to; -1: it has to be written anew */
	uint64_t map_bytes; /* of it */
	struct run fresh[STORE_PARTIAL_NEW_MAX]; /* what came since it was written */
	unsigned fresh_count;
	pthread_mutex_t lock; /* for what follows */
	struct run *runs;     /* in order, not touching each other */
	size_t run_count, run_room;
	uint64_t arrived, saved; /* bytes in runs; of those, in the map on the disk */
	struct store_partial *next;
};

/* store_partial_add(p, begin, end): those bytes are there.  With the lock.  false: out of memory.
 */
bool store_partial_add(struct store_partial *p, uint64_t begin, uint64_t end);

/* store_partial_map_read(p): size, tag and runs, of an earlier process; false: there are none. */
bool store_partial_map_read(struct store_partial *p);
/* store_partial_map_note(p, begin, end): those bytes came; store_partial_save writes it down. */
void store_partial_map_note(struct store_partial *p, uint64_t begin, uint64_t end);
/* store_partial_map_forget(p): nothing is written, and nothing has come. */
void store_partial_map_forget(struct store_partial *p);

#endif
