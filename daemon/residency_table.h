/* SPDX-License-Identifier: MIT */
/*
 * residency_table.h — the table of models in memory.  Private to the
 * residency*.c files.
 *
 * One lock guards the table and every field of its entries that changes; it is
 * never held while something is loaded, run or freed.  An entry that is being
 * loaded is in the table already, so that whoever comes second waits for it.  The
 * table itself holds one reference to each entry.
 */
#ifndef LARDER_DAEMON_RESIDENCY_TABLE_H
#define LARDER_DAEMON_RESIDENCY_TABLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/residency_alias.h"
#include "daemon/residency_load.h"
#include "store/store.h"

struct tally;
struct tally_book;

/*
 * Sessions per model: the team runs one at a time, so a second one is all that
 * helps, for those who parse a request or copy an answer meanwhile.
 */
#define SESSIONS_MAX 2

enum resident_state { LOADING, READY, FAILED };

/* A thread that wants a session; on its stack. */
struct resident_waiter {
	struct resident_waiter *next;
};

struct resident {
	struct residency *owner;
	struct resident *next;
	enum resident_state state;
	unsigned refs; /* 1: only the table's, so that it may go */
	bool listed;   /* in the table, which has a reference */
	bool is_kept;  /* residency_keep_packed has looked at it */
	char *model, *path;
	char commit[STORE_COMMIT_HEX + 1];
	struct residency_load load; /* READY */
	struct rt_session *idle[SESSIONS_MAX];
	unsigned idle_count, session_count;
	struct resident_waiter *waiters; /* for one of them, in the order they came */
	struct residency_progress progress;
	uint64_t runs, load_ns, arena_bytes;
	uint64_t reserved;     /* LOADING: bytes that were granted to it */
	uint64_t used_ns;      /* CLOCK_MONOTONIC when it was last given back */
	int64_t keep_s;        /* how long it stays after that; < 0: until its memory is needed */
	struct tally *tally;   /* NULL when out of memory */
	atomic_uint batches;   /* residency_batch.c: that were run */
	atomic_bool unbatched; /* and that it must not be run so */
	unsigned failed_http;  /* FAILED */
	char *failed_text;
};

struct residency {
	struct store *store;
	struct rt_team *team;
	enum rt_cpu_level cpu_level;
	uint64_t memory_budget;
	int64_t keep_s;
	struct tally_book *tallies;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a state, a free session, an entry that nobody uses any more */
	struct resident *first; /* new ones are put first */
	struct residency_aliases aliases;
	unsigned failed_count;
	uint64_t loads, load_failures, unloads, evictions;
};

/* All but lock, new, unref and now are called with the lock held. */
void residency_table_lock(struct residency *r);
void residency_table_unlock(struct residency *r);
uint64_t residency_table_now_ns(void);

/* residency_table_find: the entry of that file, whatever its state; NULL. */
struct resident *residency_table_find(struct residency *r, const char *commit, const char *path);
/* residency_table_add: a new one, LOADING, with references for the table and the caller. */
struct resident *residency_table_add(struct residency *r, const struct runnable *what);
/* residency_table_unlist: the table's reference is the caller's now. */
void residency_table_unlist(struct residency *r, struct resident *m);
/* residency_table_unref(m): not under the lock; the last one frees. */
void residency_table_unref(struct resident *m);
/* residency_table_wait(r, cancel): a little, for r->changed; false: nobody waits for us. */
bool residency_table_wait(struct residency *r, const atomic_bool *cancel);

#endif
