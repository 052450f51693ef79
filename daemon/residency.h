/* SPDX-License-Identifier: MIT */
/*
 * residency.h — the models that are in memory, ready to run.
 *
 * A model is loaded on first use, once however many ask for it, and shared.  It
 * is known by its snapshot and file: when a revision's name moves, requests that
 * have the old one go on with it, and the next ones load the new one.  What is
 * loaded stays within the memory budget: unused models make way, the one used
 * longest ago first, and one that finds no room waits until others are done.
 *
 * Threads.  All functions may be called from any thread; those marked *blocks*
 * only from the pool.
 */
#ifndef LARDER_DAEMON_RESIDENCY_H
#define LARDER_DAEMON_RESIDENCY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/oip.h"
#include "runtime/runtime.h"

struct arena;
struct context;
struct fault;
struct residency;
struct resident; /* one model in memory, counted */
struct store;
struct tally;
struct tally_book;
struct text;

struct residency_opts {
	struct store *store; /* borrowed until residency_free */
	unsigned threads;    /* of the team that runs models; 0 = one per core */
	enum rt_cpu_level cpu_level;
	uint64_t memory_budget; /* bytes; 0 = half of the machine's */
	int64_t keep_alive_s;   /* an unused model stays as long; < 0: until its memory is needed */
};

/* residency_new: NULL when out of memory. */
struct residency *residency_new(const struct residency_opts *opts);
/* residency_free(r): NULL is allowed; nobody may hold a resident any more. */
void residency_free(struct residency *r);

/* Which model. */
struct residency_want {
	const char *model;         /* `org/name` or `org--name` */
	const char *revision;      /* a name or commit; NULL = main */
	const char *file;          /* NULL = the one runnable file (runnable.h) */
	const atomic_bool *cancel; /* stop waiting when it turns true; NULL = never */
	struct arena *arena;       /* for ret_detail */
};
/*
 * residency_get(r, want, out, ret_detail, fault): the model, loaded if need be
 * (blocks), with a reference for the caller.  When it cannot be loaded the fault
 * says why, and *ret_detail (may be NULL) is the whole reason where that is longer
 * than a fault can hold.  A model that cannot run is remembered as such.
 */
int residency_get(struct residency *r, const struct residency_want *want, struct resident **out,
		  const char **ret_detail, struct fault *fault) RT_MUST_CHECK;
/* residency_unref(m): NULL is allowed; may unload it, or others (blocks a little). */
void residency_unref(struct resident *m);
/*
 * residency_keep(m, seconds): from now on ${m} stays that long after its last use, 0: not
 * longer than that, negative: until its memory is needed.
 */
void residency_keep(struct resident *m, int64_t seconds);
/* residency_expire(r): unload what nobody has used for its time; every few seconds (blocks). */
void residency_expire(struct residency *r);
/* residency_keep_packed(r): put packed weights of what was loaded into the store (blocks for as
 * long as writing takes); now and then. */
void residency_keep_packed(struct residency *r);
/* residency_idle(r): nothing is in memory, so nothing can expire. */
bool residency_idle(struct residency *r);
/* residency_tally(m): where its inferences are counted; NULL when memory was short. */
struct tally *residency_tally(const struct resident *m);
/* residency_tallies(r): of all models, also of those that are not loaded. */
struct tally_book *residency_tallies(const struct residency *r);

/* Borrowed as long as the reference is held. */
const struct oip_ports *residency_ports(const struct resident *m);
const char *residency_model(const struct resident *m); /* `org/name` */
const char *residency_commit(const struct resident *m);
const char *residency_file(const struct resident *m);
const char *residency_platform(const struct resident *m);

/*
 * residency_unload(r, model, commit): forget what was loaded under the name
 * ${model}, and what is of the snapshot ${commit}, whatever its name (either may be
 * NULL); returns how many.  Those who use them go on.
 */
unsigned residency_unload(struct residency *r, const char *model, const char *commit);

/* residency_look(r, commit, path, out): how far that file is; loads nothing, waits for nothing. */
enum residency_state {
	RESIDENCY_ABSENT, /* not in memory */
	RESIDENCY_LOADING,
	RESIDENCY_READY,
	RESIDENCY_FAILED, /* it cannot run; residency_get says why */
};
struct residency_sight {
	enum residency_state state;
	uint64_t done_bytes, total_bytes; /* of its files that were read in; once known */
};
void residency_look(struct residency *r, const char *commit, const char *path,
		    struct residency_sight *out);

/* What is in memory, for people and tests. */
struct residency_info {
	const char *model, *commit, *file;
	bool loading;
	uint64_t mapped_bytes; /* of the files it is made of */
	uint64_t heap_bytes;   /* packed weights, arenas of its sessions */
	uint64_t runs, load_ns;
	unsigned sessions;
};
/* residency_each(r, fn, arg): ${fn} is called under a lock: copy and return. */
void residency_each(struct residency *r, void (*fn)(void *arg, const struct residency_info *info),
		    void *arg);
/* residency_metrics(ctx, t): its part of /metrics; for metrics_source. */
void residency_metrics(struct context *ctx, struct text *t);

#endif
