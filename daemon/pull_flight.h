/* SPDX-License-Identifier: MIT */
/*
 * pull_flight.h — one file on its way from an upstream to the store, for the
 * files of pull*.c.  Event loop only.
 *
 *   OPENING ──► ASKING ──► (LISTING) ──► BEGINNING ──► COMING ──► ENDING ──► OVER
 *                 │  └───────────────────────────────────┘ (resumed)  ▲
 *                 └───────────────────────────────────────────────────┘ (stored already)
 *   any of them ──► OVER (failed)
 *
 *   OPENING    pool: what an earlier process left
 *   ASKING     the first answer is awaited
 *   LISTING    an update: its chunk list is awaited
 *   BEGINNING  pool: the file is made, and filled with chunks that are stored
 *   COMING     bytes come; waiters may read
 *   ENDING     pool: hashed, synced, published
 *   OVER       told to whoever listens; gone with the last reference
 */
#ifndef LARDER_DAEMON_PULL_FLIGHT_H
#define LARDER_DAEMON_PULL_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "daemon/fetch.h"
#include "daemon/upstream.h"
#include "store/store.h"

struct context;
struct pull_flight;
struct pull_marks;
struct pull_names;

enum pull_flight_state {
	FLIGHT_OPENING,
	FLIGHT_ASKING,
	FLIGHT_LISTING,
	FLIGHT_BEGINNING,
	FLIGHT_COMING,
	FLIGHT_ENDING,
	FLIGHT_OVER
};

/* Somebody who is told when something changed; may take itself out while being told. */
struct pull_listener {
	void (*changed)(struct pull_listener *l, struct pull_flight *f);
	bool listed;
	bool patient; /* has time: a job, not a page */
	bool whole;   /* wants all of it */
	bool hungry;  /* waits for the byte at ${at} */
	uint64_t at;
	uint64_t need; /* bytes from there that it wants at all; 0 = who knows */
	bool told;     /* in this round */
	struct pull_listener *next;
};

#define PULL_LANES 4

/* One transfer. */
struct pull_lane {
	struct pull_flight *flight;
	struct fetch *fetch;      /* NULL = idle */
	uint64_t begin, at, end;  /* bytes of the file; ${at} is the next that comes */
	bool first, over, paused; /* over: what comes still is not wanted */
};

struct pull_piece;

/* What an answer said that cannot be acted upon inside libcurl. */
enum pull_verdict {
	VERDICT_NONE,
	VERDICT_STORED,  /* its content is in the store already */
	VERDICT_PIN,     /* the name moved on: ask by the commit */
	VERDICT_STALE,   /* what an earlier process left is of another content */
	VERDICT_CHANGED, /* the content changed between two answers */
	VERDICT_FLOOD,   /* more than it may be, of a size that nobody said */
};

struct pull_flight {
	struct pull_flights *all;
	enum pull_flight_state state;
	unsigned refs;
	struct upstream *up;
	char *model, *revision, *path;
	char want_commit[41]; /* "" = any */
	bool publish;         /* give it its name when it is here */
	bool sticky;          /* all of it is wanted, also when nobody listens any more */

	/* from the first answer, or an earlier process */
	uint64_t size; /* FETCH_UNKNOWN before */
	char mark[FETCH_MARK_MAX], commit[41];
	bool has_digest;
	struct store_digest digest;
	struct store_partial *partial;
	bool resumed, confirmed; /* left by an earlier process; an answer said the same */
	bool verified;           /* all of it is here, and its digest is right */
	bool sizeless;           /* the size is known at the end only */
	/* an update out of chunks (pull_delta.c) */
	struct pull_delta *delta; /* the list, while it is of use */
	bool kin, any;            /* an older version is stored; anything is */
	bool seeded;              /* some of it is from the store */
	bool plain;               /* no (more) chunks */
	bool unasked;             /* the whole file comes, although a part was asked for */
	unsigned life; /* counts beginnings: bytes given out before are of another content */

	struct pull_lane lane[PULL_LANES];
	enum pull_verdict verdict;
	bool pinned, unranged, no_ranges, restarted;
	struct pull_piece *queue, *batch; /* to be written; being written */
	size_t queued, batched;           /* bytes of them */
	bool busy;                        /* the pool has the partial */
	uint64_t came, since_ms;          /* bytes from the upstream since then */
	unsigned attempts;
	uint64_t retry_at_ms, arrived_then;

	bool failing, done, dormant, absent;
	unsigned http, retry_after_s; /* failed: as an answer */
	char error[500];

	struct pull_listener *listeners;
	bool telling, dirty;
	/* pool */
	int status;
	struct store_error store_error;
	char *names; /* the list of names, with this one; written before it is stored */
	uint64_t names_version;
	struct pull_flight *next, **link;
};

struct pull_flights {
	struct context *ctx;
	struct fetcher *fetcher;
	struct pull_names *names;
	struct pull_marks *marks;
	struct pull_flight *first;
	struct pull_piece *spare; /* not in use now */
	unsigned spare_count;
	uv_idle_t kick;   /* some are dirty */
	uv_timer_t later; /* one waits for its retry */
	unsigned open;    /* handles that are not closed; all->arg is freed with the last */
	bool stopped;
	/* it is not there: so the same need not be asked for a while */
	void (*absent)(void *arg, const struct pull_flight *f);
	void *arg;
};

void pull_flight_init(struct pull_flights *all, struct context *ctx, struct fetcher *fetcher,
		      struct pull_names *names, struct pull_marks *marks);
/* pull_flight_stop(all): fail all; no flight begins after it. */
void pull_flight_stop(struct pull_flights *all);
/*
 * pull_flight_get(all, up, model, revision, path, commit): the flight of that
 * file, begun if there is none.  The caller has a reference.  NULL: out of memory.
 */
struct pull_flight *pull_flight_get(struct pull_flights *all, struct upstream *up,
				    const char *model, const char *revision, const char *path,
				    const char *commit);
void pull_flight_unref(struct pull_flight *f); /* NULL is allowed */
/* pull_flight_listen: ${l} is the caller's until it is taken out; adds a reference. */
void pull_flight_listen(struct pull_flight *f, struct pull_listener *l);
void pull_flight_leave(struct pull_flight *f, struct pull_listener *l);
/* pull_flight_kick(f): look at it in the next turn of the loop. */
void pull_flight_kick(struct pull_flight *f);
/* pull_flight_fail(f, http, fmt, …): it is over; the text is put behind upstream, model and file.
 */
void pull_flight_fail(struct pull_flight *f, unsigned http, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* pull_flight_turn(f): a transfer ended: others of its upstream may begin theirs. */
void pull_flight_turn(struct pull_flight *f);
/* pull_flight_patient(f): somebody who has time waits for it. */
bool pull_flight_patient(const struct pull_flight *f);
/* pull_flight_whole(f): somebody wants all of it. */
bool pull_flight_whole(const struct pull_flight *f);
/* pull_flight_key: under which the bytes of a file are kept while they come. */
void pull_flight_key(const char *upstream, const char *model, const char *revision,
		     const char *path, struct store_digest *out);
/* pull_flight_readable(f, at): bytes from ${at} on that may be given to a client now. */
uint64_t pull_flight_readable(const struct pull_flight *f, uint64_t at);

#endif
