/* SPDX-License-Identifier: MIT */
/*
 * pull_names.h — which names (model, revision) are an upstream's, and what they
 * meant there when they were looked up last.  Kept over restarts.  A name that
 * is stored and not listed here is somebody's own: no upstream adds to it.
 * Event loop, but for pull_names_add.
 */
#ifndef LARDER_DAEMON_PULL_NAMES_H
#define LARDER_DAEMON_PULL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

struct context;
struct pull_names;
struct state_file_keeper;

struct pull_name {
	char *model, *revision, *upstream;
	char commit[41];   /* of the upstream; "" = it has none */
	int64_t checked_s; /* Unix time */
	bool kept;         /* it is written down: */
	bool stored;       /* something of it is stored */
	bool busy;         /* it is being looked up again */
	struct pull_name *next;
	size_t line;         /* pull_names.c: of the file; */
	unsigned line_bytes; /* 0: none */
};

/* pull_names_open(ctx): with what was written down.  NULL: logged. */
struct pull_names *pull_names_open(struct context *ctx);
void pull_names_close(struct pull_names *n); /* NULL is allowed */
bool pull_names_any(const struct pull_names *n);
/* pull_names_find: NULL when that name is no upstream's. */
struct pull_name *pull_names_find(struct pull_names *n, const char *model, const char *revision);
/* pull_names_set: what it means now; found or made; NULL: out of memory.  Not written down yet. */
struct pull_name *pull_names_set(struct pull_names *n, const char *model, const char *revision,
				 const char *upstream, const char *commit);
/* pull_names_keep: something of it is stored: write it down, soon. */
void pull_names_keep(struct pull_names *n, struct pull_name *name);
/*
 * pull_names_list(n, name, ret_version): it is kept: the list with it, for who has to know that it
 * is written before something of it is stored (state_file_put); the caller frees it.
 */
char *pull_names_list(struct pull_names *n, struct pull_name *name, uint64_t *ret_version);
/* pull_names_drop: it was listed, but nothing of it could be stored. */
void pull_names_drop(struct pull_names *n, struct pull_name *name);
/* pull_names_keeper(n): for state_file_put of what pull_names_list gave. */
struct state_file_keeper *pull_names_keeper(struct pull_names *n);

/* One more file of a name. */
struct pull_names_file {
	const char *path;
	struct store_digest digest;
};
/*
 * pull_names_add(store, model, revision, file, count, only, err): the
 * revision gets these files, besides those it has or, with ${only}, instead of
 * them.  One snapshot, one move of the name.  Pool thread.
 */
int pull_names_add(struct store *store, const char *model, const char *revision,
		   const struct pull_names_file *file, size_t count, bool only,
		   struct store_error *err) STORE_MUST_CHECK;

#endif
