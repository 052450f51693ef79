/* SPDX-License-Identifier: MIT */
/*
 * residency.c — the table of models in memory.  Called by handle_v2.c and
 * handle_admin.c on pool threads.  residency_load.c makes one from a stored file.
 *
 * One lock guards the table and every counter in it; it is never held while
 * something is loaded, run or freed.  An entry that is being loaded is in the
 * table already, so that whoever comes second waits for it.  The table itself
 * holds one reference to each entry.
 */
#include <config.h>

#include "daemon/residency.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/arena.h"
#include "daemon/context.h"
#include "daemon/fault.h"
#include "daemon/must.h"
#include "daemon/residency_alias.h"
#include "daemon/residency_load.h"
#include "daemon/runnable.h"
#include "daemon/text.h"

/*
 * Sessions per model: the team runs one at a time, so a second one is all that
 * helps, for those who parse a request or copy an answer meanwhile.
 */
#define SESSIONS_MAX 2
#define FAILED_MAX 32 /* models remembered as not runnable */

enum state { LOADING, READY, FAILED };

struct resident {
	struct residency *owner;
	struct resident *next;
	enum state state;
	unsigned refs;
	bool listed; /* in the table, which has a reference */
	char *model, *path;
	char commit[STORE_COMMIT_HEX + 1];
	struct residency_load load; /* READY */
	struct rt_session *idle[SESSIONS_MAX];
	unsigned idle_count, session_count;
	uint64_t runs, load_ns, arena_bytes;
	unsigned failed_http; /* FAILED */
	char *failed_text;
};

struct residency {
	struct store *store;
	struct rt_team *team;
	enum rt_cpu_level cpu_level;
	uint64_t memory_budget;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* an entry is no longer LOADING, or a session is free */
	struct resident *first;
	struct residency_aliases aliases;
	unsigned failed_count;
	uint64_t loads, load_failures, unloads;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void lock(struct residency *r)
{
	must(pthread_mutex_lock(&r->lock) == 0);
}

static void unlock(struct residency *r)
{
	must(pthread_mutex_unlock(&r->lock) == 0);
}

/* ---- the table --------------------------------------------------------------------- */

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
	if (r->team == NULL) {
		free(r);
		return NULL;
	}
	r->store = opts->store;
	r->cpu_level = opts->cpu_level;
	r->memory_budget = opts->memory_budget != 0 ? opts->memory_budget : half_of_memory();
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
		residency_unref(m);
	}
	residency_alias_release(&r->aliases);
	rt_team_free(r->team);
	must(pthread_cond_destroy(&r->changed) == 0);
	must(pthread_mutex_destroy(&r->lock) == 0);
	free(r);
}

/* Nobody knows ${m} any more. */
static void destroy(struct resident *m)
{
	while (m->idle_count > 0)
		rt_session_close(m->idle[--m->idle_count]);
	residency_load_close(&m->load);
	free(m->failed_text);
	free(m->model);
	free(m->path);
	free(m);
}

void residency_unref(struct resident *m)
{
	bool last;

	if (m == NULL)
		return;
	lock(m->owner);
	must(m->refs > 0);
	last = --m->refs == 0;
	unlock(m->owner);
	if (last)
		destroy(m);
}

/* Take ${m} out of the table; the table's reference is the caller's now.  Locked. */
static void unlist(struct residency *r, struct resident *m)
{
	struct resident **link = &r->first;

	must(m->listed);
	while (*link != m)
		link = &(*link)->next;
	*link = m->next;
	m->next = NULL;
	m->listed = false;
	if (m->state == FAILED)
		r->failed_count--;
}

/* Locked. */
static struct resident *find(struct residency *r, const char *commit, const char *path)
{
	for (struct resident *m = r->first; m != NULL; m = m->next) {
		if (strcmp(m->commit, commit) == 0 && strcmp(m->path, path) == 0)
			return m;
	}
	return NULL;
}

/* A new entry, LOADING, with references for the table and the caller.  Locked. */
static struct resident *add(struct residency *r, const struct runnable *what)
{
	struct resident *m = calloc(1, sizeof *m);

	if (m == NULL)
		return NULL;
	m->model = strdup(what->model);
	m->path = strdup(what->path);
	if (m->model == NULL || m->path == NULL) {
		free(m->model);
		free(m->path);
		free(m);
		return NULL;
	}
	memcpy(m->commit, what->file.commit, sizeof m->commit);
	m->owner = r;
	m->refs = 2;
	m->listed = true;
	m->next = r->first;
	r->first = m;
	return m;
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
		unlist(r, oldest);
	return oldest;
}

/*
 * A model that is malformed or needs what there is not will be so until its
 * bytes change, and then its snapshot is another: remember it.  Anything else
 * (memory, the disk) is tried again.  Locked.
 */
static struct resident *settle(struct resident *m, int status, const char *text)
{
	struct residency *r = m->owner;
	bool lasting = status == RT_MALFORMED || status == RT_UNSUPPORTED || status == RT_NOT_FOUND;
	struct resident *gone = NULL;

	if (status == 0) {
		m->state = READY;
		r->loads++;
	} else {
		r->load_failures++;
		m->failed_http = fault_rt_http(status);
		m->failed_text = strdup(text);
		if (m->failed_text == NULL)
			lasting = false;
		if (m->listed && !lasting) {
			unlist(r, m);
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

static int load(struct resident *m, const struct runnable *what, const struct residency_want *want,
		const char **ret_detail, struct fault *fault)
{
	struct residency *r = m->owner;
	struct residency_load_opts opts = {
	    .store = r->store, .cpu_level = r->cpu_level, .memory_budget = r->memory_budget};
	struct rt_error *err = calloc(1, sizeof *err);
	struct resident *gone;
	uint64_t begin = now_ns();
	int status;

	if (err == NULL)
		status = RT_MEMORY;
	else
		status = residency_load_open(&m->load, what, &opts, err);
	lock(r);
	m->load_ns = now_ns() - begin;
	gone = settle(m, status, err != NULL ? err->text : "out of memory");
	unlock(r);
	residency_unref(gone);
	if (status != 0 && err != NULL)
		(void)fault_rt(fault, status, err->text);
	else if (status != 0)
		(void)fault_set(fault, 503, "out of memory");
	if (status != 0 && m->failed_text != NULL && fault->http != 503)
		(void)fail_as(m, want, ret_detail, fault);
	free(err);
	return status == 0 ? 0 : -1;
}

/* Wait a little for r->changed.  Locked.  false: nobody waits for us any more. */
static bool wait_a_little(struct residency *r, const atomic_bool *cancel)
{
	struct timespec t;

	if (cancel != NULL && atomic_load(cancel))
		return false;
	must(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	t.tv_nsec += 10000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	(void)pthread_cond_timedwait(&r->changed, &r->lock, &t);
	return true;
}

/* Another thread loads ${m}.  Locked. */
static int wait_for(struct resident *m, const struct residency_want *want, struct fault *fault)
{
	while (m->state == LOADING) {
		if (!wait_a_little(m->owner, want->cancel))
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

	lock(r);
	known = residency_alias_find(&r->aliases, want, path, commit);
	unlock(r);
	if (!known || store_file_find(r->store, want->model, revision, path, &file, NULL) != 0 ||
	    strcmp(file.commit, commit) != 0)
		return NULL;
	lock(r);
	m = find(r, commit, path);
	if (m != NULL && m->state == READY)
		m->refs++;
	else
		m = NULL;
	unlock(r);
	return m;
}

int residency_get(struct residency *r, const struct residency_want *want, struct resident **out,
		  const char **ret_detail, struct fault *fault)
{
	const char *revision = want->revision != NULL ? want->revision : "main";
	struct runnable what;
	struct resident *m;
	int status = 0;
	bool mine = false;

	if (ret_detail != NULL)
		*ret_detail = NULL;
	m = find_again(r, want, revision);
	if (m != NULL) {
		*out = m;
		return 0;
	}
	if (runnable_find(r->store, want->model, revision, want->file, &what, fault) != 0)
		return -1;
	lock(r);
	residency_alias_put(&r->aliases, want, what.path, what.file.commit);
	m = find(r, what.file.commit, what.path);
	if (m != NULL) {
		m->refs++;
		status = wait_for(m, want, fault);
	} else {
		m = add(r, &what);
		mine = m != NULL;
	}
	unlock(r);
	if (m == NULL)
		return fault_set(fault, 503, "out of memory");
	if (mine)
		status = load(m, &what, want, ret_detail, fault);
	else if (status == 0 && m->state == FAILED && m->failed_text != NULL)
		status = fail_as(m, want, ret_detail, fault);
	else if (status == 0 && m->state == FAILED)
		status = fault_set(fault, 503, "out of memory");
	if (status != 0) {
		residency_unref(m);
		return -1;
	}
	*out = m;
	return 0;
}

unsigned residency_unload(struct residency *r, const char *model, const char *commit)
{
	struct resident *gone = NULL, *m, *next;
	unsigned count = 0;

	lock(r);
	for (m = r->first; m != NULL; m = next) {
		bool named = (model != NULL && strcmp(m->model, model) == 0) ||
			     (commit != NULL && strcmp(m->commit, commit) == 0);

		next = m->next;
		if (!named || m->state == LOADING)
			continue;
		count += m->state == READY;
		unlist(r, m);
		m->next = gone;
		gone = m;
	}
	r->unloads += count;
	unlock(r);
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

const char *residency_platform(const struct resident *m)
{
	return rt_model_platform(m->load.model);
}

/* An idle session in *out, or leave for a new one (*out NULL); -1: cancelled. */
static int find_session(struct resident *m, const atomic_bool *cancel, struct rt_session **out,
			struct fault *fault)
{
	int status = 0;

	*out = NULL;
	lock(m->owner);
	while (m->idle_count == 0 && m->session_count == SESSIONS_MAX && status == 0) {
		if (!wait_a_little(m->owner, cancel))
			status = fault_set(fault, 503, "cancelled before the model was free");
	}
	if (status == 0 && m->idle_count > 0)
		*out = m->idle[--m->idle_count];
	else if (status == 0)
		m->session_count++;
	unlock(m->owner);
	return status;
}

/* One session less. */
static void drop_session(struct resident *m)
{
	lock(m->owner);
	m->session_count--;
	must(pthread_cond_broadcast(&m->owner->changed) == 0);
	unlock(m->owner);
}

int residency_take(struct resident *m, const atomic_bool *cancel, struct rt_session **out,
		   struct fault *fault)
{
	struct rt_error *err;
	int status;

	if (find_session(m, cancel, out, fault) != 0)
		return -1;
	if (*out != NULL)
		return 0;
	err = malloc(sizeof *err);
	status = err == NULL ? RT_MEMORY : rt_session_open(m->load.model, m->owner->team, out, err);
	if (status != 0) {
		(void)fault_rt(fault, status, err != NULL ? err->text : "");
		drop_session(m);
	}
	free(err);
	return status == 0 ? 0 : -1;
}

void residency_give(struct resident *m, struct rt_session *session, bool usable)
{
	bool keep;

	lock(m->owner);
	m->runs++;
	keep = usable && m->listed;
	if (usable)
		m->arena_bytes = rt_session_arena_bytes(session);
	if (keep) {
		m->idle[m->idle_count++] = session;
		must(pthread_cond_broadcast(&m->owner->changed) == 0);
	}
	unlock(m->owner);
	if (keep)
		return;
	rt_session_close(session);
	drop_session(m);
}

/* ---- numbers -------------------------------------------------------------------------------- */

void residency_each(struct residency *r, void (*fn)(void *arg, const struct residency_info *info),
		    void *arg)
{
	lock(r);
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
	unlock(r);
}

/* One metric of the Prometheus text format. */
static void metric(struct text *t, const char *name, const char *kind, const char *help,
		   uint64_t value)
{
	text_printf(t, "# HELP larder_%s %s\n# TYPE larder_%s %s\nlarder_%s %llu\n", name, help,
		    name, kind, name, (unsigned long long)value);
}

void residency_metrics(struct context *ctx, struct text *t)
{
	struct residency *r = ctx->residency;
	uint64_t loads, failures, unloads, heap = 0;
	unsigned loaded = 0;

	if (r == NULL)
		return;
	lock(r);
	loads = r->loads;
	failures = r->load_failures;
	unloads = r->unloads;
	for (struct resident *m = r->first; m != NULL; m = m->next) {
		if (m->state != READY)
			continue;
		loaded++;
		heap += rt_model_resident_bytes(m->load.model) + m->session_count * m->arena_bytes;
	}
	unlock(r);
	metric(t, "models_loaded", "gauge", "Models in memory", loaded);
	metric(t, "models_heap_bytes", "gauge", "Memory of models and their sessions", heap);
	metric(t, "model_loads_total", "counter", "Models that were loaded", loads);
	metric(t, "model_load_failures_total", "counter", "Loads that failed", failures);
	metric(t, "model_unloads_total", "counter", "Models that were unloaded", unloads);
}
