/* SPDX-License-Identifier: MIT */
/* warm_job.h — what a job is made of, for the files of warm*.c.  Event loop. */
#ifndef LARDER_DAEMON_WARM_JOB_H
#define LARDER_DAEMON_WARM_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/pull.h"
#include "daemon/warm.h"
#include "store/store.h"

#define WARM_FILES_MAX 4000 /* of one job */
#define WARM_PATTERNS_MAX 256

enum warm_state { WARM_QUEUED, WARM_RUNNING, WARM_DONE, WARM_FAILED, WARM_CANCELLED };
enum warm_phase { WARM_LISTING, WARM_SORTING, WARM_FETCHING, WARM_NAMING, WARM_NAMED };

struct warm_file {
	struct warm_job *job;
	unsigned item;
	char *path;
	enum warm_state state;
	uint64_t done, total; /* bytes */
	bool stored;          /* digest is that of a blob */
	bool wanted;          /* of the listing that counts */
	bool spare;           /* the name has it; if its successor has not, it is let go */
	struct store_digest digest;
	struct pull_ticket *ticket;
	char error[500];
};

struct warm_item {
	struct upstream *up;
	char *upstream, *model, *revision;
	char **pattern;
	unsigned pattern_count;
	bool pin, unpin, globs;
	bool exact;      /* the name is to have these files and no others */
	json_t *digests; /* {path: SHA-256} that the files must have; NULL = none are known */
	bool refresh;    /* files that are gone are let go; not a person's job */
	bool only;       /* the name gets these files and no others */
	bool tree;       /* ask the other listing */
	char commit[41];
	enum warm_phase phase;
};

struct warm_job {
	struct warm *warm;
	char id[WARM_ID_CHARS + 1];
	enum warm_state state;
	bool prune;  /* at the end, what no manifest names goes */
	bool hidden; /* nobody asked for it by hand: not kept, not listed */
	int64_t made_s;
	struct warm_item *item;
	unsigned item_count, now; /* now: the item that is worked on */
	struct warm_file **file;
	size_t file_count, file_room;
	uint64_t best_done, best_total; /* what was said last */
	char error[600];
	/* the listing */
	struct fetch *fetch;
	char *body;
	size_t body_size, body_room;
	unsigned attempts;
	uint64_t retry_at_ms;
	char listed_commit[41];
	/* work of the pool */
	bool busy, saving, save_again, dirty;
	char *text;
	int status;
	struct store_error store_error;
	json_t *keeping; /* pool, while it prunes: the names that stay */
	struct pull_names_file *naming;
	size_t naming_count;
	json_t *listing; /* pool, while SORTING */
	char list_error[300];
	struct warm_watcher *watchers;
	bool changed;
	struct warm_job *next;
};

/* warm_job_parse(ask, job, fault_text): items of a body; false with a sentence. */
bool warm_job_parse(struct pull *pull, const json_t *ask, struct warm_job *job,
		    char fault_text[300]);
void warm_job_free(struct warm_job *job);
/* warm_job_file(job, item, path): found or made; NULL: too many, or out of memory. */
struct warm_file *warm_job_file(struct warm_job *job, unsigned item, const char *path);
/* warm_job_wants(item, path): one of its patterns fits, or it has none. */
bool warm_job_wants(const struct warm_item *item, const char *path);
/* warm_job_digest(item, path, out): which SHA-256 it must have; false: any. */
bool warm_job_digest(const struct warm_item *item, const char *path, struct store_digest *out);
const char *warm_job_state_name(enum warm_state state);
/* warm_job_load(w, text): from what warm_text wrote; NULL when it is not that. */
struct warm_job *warm_job_load(struct pull *pull, const char *text);
json_t *warm_job_json(const struct warm_job *job, bool all);

/*
 * warm_job_listing(body, size, …): pool: a Hub's answer about a revision.
 * NULL with a sentence; else a new reference to [{path, size, sha256?}].
 */
json_t *warm_job_listing(const char *body, size_t size, char ret_commit[41], char error[300]);

#endif
