/* SPDX-License-Identifier: MIT */
/*
 * residency.c — the models in memory: found, loaded, given out, run.  Called by
 * handle_v2.c and handle_admin.c on pool threads.  residency_table.c holds them,
 * residency_room.c decides which may stay, residency_load.c makes one from a
 * stored file, residency_session.c lends its sessions.  Must never hold the table's lock while it
 * loads, runs or frees.
 */
#include <config.h>

#include "daemon/residency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/residency_alias.h"
#include "daemon/residency_load.h"
#include "daemon/residency_pack.h"
#include "daemon/residency_room.h"
#include "daemon/residency_table.h"
#include "daemon/runnable.h"
#include "daemon/tally.h"

#include "daemon/must.h"

#define FAILED_MAX 32 /* models remembered as not runnable */
#define KEEP_MAX_S INT64_C(1000000000)

/* ---- the whole --------------------------------------------------------------------- */

static uint64_t half_of_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages / 2 * (uint64_t)size : 0;
}

struct residency *residency_new(const struct residency_opts *opts)
{
	struct residency *r = calloc(1, sizeof *r);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_condattr_t attr;
	int threads = opts->threads != 0 ? (int)opts->threads : (int)(cores > 0 ? cores : 1);

	if (r == NULL)
		return NULL;
	r->team = rt_team_new(threads);
	r->tallies = tally_book_new();
	if (r->team == NULL || r->tallies == NULL) {
		rt_team_free(r->team);
		tally_book_free(r->tallies);
		free(r);
		return NULL;
	}
	r->store = opts->store;
	r->cpu_level = opts->cpu_level;
	r->memory_budget = opts->memory_budget != 0 ? opts->memory_budget : half_of_memory();
	r->keep_s = opts->keep_alive_s > KEEP_MAX_S ? KEEP_MAX_S : opts->keep_alive_s;
	must(pthread_mutex_init(&r->lock, NULL) == 0);
	must(pthread_condattr_init(&attr) == 0);
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&r->changed, &attr) == 0);
	must(pthread_condattr_destroy(&attr) == 0);
	return r;
}

void residency_free(struct residency *r)
{
	if (r == NULL)
		return;
	while (r->first != NULL) {
		struct resident *m = r->first;

		must(m->refs == 1 && m->listed);
		r->first = m->next;
		m->listed = false;
		residency_table_unref(m);
	}
	tally_book_free(r->tallies);
	residency_alias_release(&r->aliases);
	rt_team_free(r->team);
	must(pthread_cond_destroy(&r->changed) == 0);
	must(pthread_mutex_destroy(&r->lock) == 0);
	free(r);
}

void residency_unref(struct resident *m)
{
	struct residency *r;
	bool now;

	if (m == NULL)
		return;
	r = m->owner;
	residency_table_lock(r);
	now = m->keep_s == 0;
	residency_table_unlock(r);
	residency_table_unref(m);
	if (now)
		residency_room_expire(r);
	residency_room_trim(r);
}

void residency_expire(struct residency *r)
{
	residency_room_expire(r);
}

void residency_keep_packed(struct residency *r)
{
	struct resident *m;

	do {
		residency_table_lock(r);
		for (m = r->first; m != NULL && (m->state != READY || m->is_kept); m = m->next)
			;
		if (m != NULL) {
			m->is_kept = true;
			m->refs++;
		}
		residency_table_unlock(r);
		if (m != NULL) {
			residency_pack_keep(&m->load, r->store);
			residency_table_unref(m);
		}
	} while (m != NULL);
}

bool residency_idle(struct residency *r)
{
	bool idle;

	residency_table_lock(r);
	idle = r->first == NULL;
	residency_table_unlock(r);
	return idle;
}

void residency_keep(struct resident *m, int64_t seconds)
{
	residency_table_lock(m->owner);
	m->keep_s = seconds < 0 ? -1 : seconds > KEEP_MAX_S ? KEEP_MAX_S : seconds;
	residency_table_unlock(m->owner);
}

/* ---- loading ------------------------------------------------------------------------ */

static int fail_as(const struct resident *m, const struct residency_want *want,
		   const char **ret_detail, struct fault *fault)
{
	if (ret_detail != NULL && strlen(m->failed_text) >= sizeof fault->text)
		*ret_detail = arena_copy(want->arena, m->failed_text, strlen(m->failed_text));
	return fault_set(fault, m->failed_http, "%s", m->failed_text);
}

/* The oldest failure goes when there are too many; it becomes the caller's.  Locked. */
static struct resident *oldest_failure(struct residency *r)
{
	struct resident *oldest = NULL;

	if (r->failed_count <= FAILED_MAX)
		return NULL;
	for (struct resident *m = r->first; m != NULL; m = m->next) {
		if (m->state == FAILED)
			oldest = m; /* new ones are put first */
	}
	if (oldest != NULL)
		residency_table_unlist(r, oldest);
	return oldest;
}

/*
 * A model that is malformed or needs what there is not will be so until its
 * bytes change, and then its snapshot is another: remember it.  Anything else
 * (memory, the disk) is tried again.  Locked.
 */
static struct resident *settle(struct resident *m, int status, unsigned http, const char *text)
{
	struct residency *r = m->owner;
	bool lasting = status == RT_MALFORMED || status == RT_UNSUPPORTED || status == RT_NOT_FOUND;
	struct resident *gone = NULL;

	if (status == 0) {
		m->state = READY;
		r->loads++;
	} else {
		r->load_failures++;
		m->failed_http = http;
		m->failed_text = strdup(text);
		/* fanalyzer-suppress malloc-leak: m has it */
		if (m->failed_text == NULL)
			lasting = false;
		if (m->listed && !lasting) {
			residency_table_unlist(r, m);
			gone = m;
		}
		m->state = FAILED;
		if (m->listed) {
			r->failed_count++;
			gone = oldest_failure(r);
		}
	}
	must(pthread_cond_broadcast(&r->changed) == 0);
	return gone;
}

/* What it takes is known now.  One that is larger than the budget is closed again. */
static int check_cost(struct resident *m, struct rt_error *err)
{
	uint64_t budget = m->owner->memory_budget, cost = residency_room_cost(m);

	if (cost <= budget)
		return RT_OK;
	tally_weighed(m->tally, cost);
	residency_load_close(&m->load);
	return rt_error_set(err, RT_BUDGET,
			    "the model takes %llu bytes of memory, memory_budget is %llu bytes",
			    (unsigned long long)cost, (unsigned long long)budget);
}

/* It was too much before it was known how much. */
static int over_budget(struct resident *m, struct rt_error *err)
{
	uint64_t budget = m->owner->memory_budget;
	char why[200];

	(void)snprintf(why, sizeof why, "%.199s", err->text);
	tally_weighed(m->tally, budget + 1);
	return rt_error_set(err, RT_BUDGET, "%s; memory_budget is %llu bytes", why,
			    (unsigned long long)budget);
}

static int open_model(struct resident *m, const struct runnable *what, struct rt_error *err)
{
	struct residency *r = m->owner;
	struct residency_load_opts opts = {
	    .store = r->store,
	    .cpu_level = r->cpu_level,
	    .memory_budget = r->memory_budget,
	    .progress = &m->progress,
	};
	int status = residency_load_open(&m->load, what, &opts, err);

	if (status == RT_BUDGET)
		return over_budget(m, err);
	return status == RT_OK ? check_cost(m, err) : status;
}

/* ${m} is LOADING, and becomes READY or FAILED. */
static int load(struct resident *m, const struct runnable *what, const struct residency_want *want,
		const char **ret_detail, struct fault *fault)
{
	struct residency *r = m->owner;
	struct rt_error *err = calloc(1, sizeof *err);
	struct resident *gone;
	uint64_t begin, cost = 0;
	bool room = residency_room_take(m, what, want->cancel, fault) == 0;
	int status = RT_MEMORY;

	begin = residency_table_now_ns();
	if (room && err != NULL) {
		status = open_model(m, what, err);
		if (status != RT_OK)
			(void)fault_rt(fault, status, err->text);
	} else if (room) {
		(void)fault_set(fault, 503, "out of memory");
	}
	residency_table_lock(r);
	m->load_ns = residency_table_now_ns() - begin;
	if (status == RT_OK)
		cost = residency_room_cost(m);
	gone = settle(m, status, fault->http, room && err != NULL ? err->text : fault->text);
	residency_table_unlock(r);
	if (gone != NULL)
		residency_table_unref(gone);
	if (status == RT_OK)
		tally_loaded(m->tally, m->load_ns, cost);
	else if (m->failed_text != NULL)
		(void)fail_as(m, want, ret_detail, fault);
	free(err);
	return status == RT_OK ? 0 : -1;
}

/* Another thread loads ${m}.  Locked. */
static int wait_for(struct resident *m, const struct residency_want *want, struct fault *fault)
{
	while (m->state == LOADING) {
		if (!residency_table_wait(m->owner, want->cancel))
			return fault_set(fault, 503, "cancelled while the model was being loaded");
	}
	return 0;
}

/*
 * The short way: what these names meant the last time, if the revision is still
 * that snapshot and the model is there.  NULL: the long way.
 */
static struct resident *find_again(struct residency *r, const struct residency_want *want,
				   const char *revision)
{
	char path[STORE_PATH_MAX + 1], commit[STORE_COMMIT_HEX + 1];
	struct resident *m;
	struct store_file file;
	bool known;

	residency_table_lock(r);
	known = residency_alias_find(&r->aliases, want, path, commit);
	residency_table_unlock(r);
	if (!known || store_file_find(r->store, want->model, revision, path, &file, NULL) != 0 ||
	    strcmp(file.commit, commit) != 0)
		return NULL;
	residency_table_lock(r);
	m = residency_table_find(r, commit, path);
	if (m != NULL && m->state == READY)
		m->refs++;
	else
		m = NULL;
	residency_table_unlock(r);
	return m;
}

/* One try.  1: again, whoever was loading it was cancelled. */
static int get_once(struct residency *r, const struct residency_want *want,
		    const struct runnable *what, struct resident **out, const char **ret_detail,
		    struct fault *fault)
{
	struct resident *m;
	int status = 0;
	bool mine = false;

	residency_table_lock(r);
	m = residency_table_find(r, what->file.commit, what->path);
	if (m != NULL) {
		m->refs++;
		status = wait_for(m, want, fault);
	} else {
		m = residency_table_add(r, what);
		mine = m != NULL;
	}
	residency_table_unlock(r);
	if (m == NULL)
		return fault_set(fault, 503, "out of memory");
	if (mine)
		status = load(m, what, want, ret_detail, fault);
	else if (status == 0 && m->state == FAILED && m->failed_http == 503)
		status = 1;
	else if (status == 0 && m->state == FAILED && m->failed_text != NULL)
		status = fail_as(m, want, ret_detail, fault);
	else if (status == 0 && m->state == FAILED)
		status = fault_set(fault, 503, "out of memory");
	if (status != 0) {
		residency_table_unref(m);
		return status;
	}
	*out = m;
	return 0;
}

int residency_get(struct residency *r, const struct residency_want *want, struct resident **out,
		  const char **ret_detail, struct fault *fault)
{
	const char *revision = want->revision != NULL ? want->revision : "main";
	struct runnable what;
	struct resident *m;
	int status;

	if (ret_detail != NULL)
		*ret_detail = NULL;
	m = find_again(r, want, revision);
	if (m != NULL) {
		*out = m;
		return 0;
	}
	if (runnable_find(r->store, want->model, revision, want->file, &what, fault) != 0)
		return -1;
	residency_table_lock(r);
	residency_alias_put(&r->aliases, want, what.path, what.file.commit);
	residency_table_unlock(r);
	do
		status = get_once(r, want, &what, out, ret_detail, fault);
	while (status > 0);
	return status;
}

unsigned residency_unload(struct residency *r, const char *model, const char *commit)
{
	struct resident *gone = NULL, *m, *next;
	unsigned count = 0;

	residency_table_lock(r);
	for (m = r->first; m != NULL; m = next) {
		bool named = (model != NULL && strcmp(m->model, model) == 0) ||
			     (commit != NULL && strcmp(m->commit, commit) == 0);

		next = m->next;
		if (!named || m->state == LOADING)
			continue;
		count += m->state == READY;
		residency_table_unlist(r, m);
		m->next = gone;
		gone = m;
	}
	r->unloads += count;
	residency_table_unlock(r);
	for (; gone != NULL; gone = next) {
		next = gone->next;
		residency_unref(gone);
	}
	return count;
}

/* ---- using one -------------------------------------------------------------------------- */

const struct oip_ports *residency_ports(const struct resident *m)
{
	return &m->load.ports;
}

const char *residency_model(const struct resident *m)
{
	return m->model;
}

const char *residency_commit(const struct resident *m)
{
	return m->commit;
}

const char *residency_file(const struct resident *m)
{
	return m->path;
}

struct tally *residency_tally(const struct resident *m)
{
	return m->tally;
}

struct tally_book *residency_tallies(const struct residency *r)
{
	return r->tallies;
}

const char *residency_platform(const struct resident *m)
{
	return rt_model_platform(m->load.model);
}

/* ---- looking on, and numbers ---------------------------------------------------------- */

void residency_look(struct residency *r, const char *commit, const char *path,
		    struct residency_sight *out)
{
	struct resident *m;

	*out = (struct residency_sight){.state = RESIDENCY_ABSENT};
	residency_table_lock(r);
	m = residency_table_find(r, commit, path);
	if (m != NULL) {
		out->state = m->state == READY     ? RESIDENCY_READY
			     : m->state == LOADING ? RESIDENCY_LOADING
						   : RESIDENCY_FAILED;
		out->done_bytes = atomic_load(&m->progress.done);
		out->total_bytes = atomic_load(&m->progress.total);
	}
	residency_table_unlock(r);
}

void residency_each(struct residency *r, void (*fn)(void *arg, const struct residency_info *info),
		    void *arg)
{
	residency_table_lock(r);
	for (struct resident *m = r->first; m != NULL; m = m->next) {
		bool ready = m->state == READY;

		if (m->state == FAILED)
			continue;
		fn(arg, &(struct residency_info){
			    .model = m->model,
			    .commit = m->commit,
			    .file = m->path,
			    .loading = m->state == LOADING,
			    .mapped_bytes = ready ? m->load.mapped_bytes : 0,
			    .heap_bytes = ready ? rt_model_resident_bytes(m->load.model) +
						      m->session_count * m->arena_bytes
						: 0,
			    .runs = m->runs,
			    .load_ns = m->load_ns,
			    .sessions = m->session_count,
			});
	}
	residency_table_unlock(r);
}
