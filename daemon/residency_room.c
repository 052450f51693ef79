/* SPDX-License-Identifier: MIT */
/*
 * residency_room.c — see residency_room.h.  Called by residency.c.  Must never
 * take a model from somebody who uses it, and never free one under the lock.
 */
#include <config.h>

#include "daemon/residency_room.h"

#include <stdio.h>
#include <string.h>

#include "daemon/fault.h"
#include "daemon/residency_table.h"
#include "daemon/tally.h"

#define NS_PER_S 1000000000

uint64_t residency_room_cost(const struct resident *m)
{
	return m->load.mapped_bytes + rt_model_resident_bytes(m->load.model) +
	       m->session_count * m->arena_bytes;
}

uint64_t residency_room_used(const struct residency *r)
{
	uint64_t sum = 0;

	for (const struct resident *m = r->first; m != NULL; m = m->next) {
		if (m->state == READY)
			sum += residency_room_cost(m);
		else if (m->state == LOADING)
			sum += m->reserved;
	}
	return sum;
}

static bool unused(const struct resident *m)
{
	return m->state == READY && m->refs == 1;
}

static bool over(const struct residency *r, uint64_t more)
{
	return more > r->memory_budget || residency_room_used(r) > r->memory_budget - more;
}

/* Take the unused one that was used longest ago off the table; NULL: none.  Locked. */
static struct resident *oldest(struct residency *r)
{
	struct resident *found = NULL;

	for (struct resident *m = r->first; m != NULL; m = m->next) {
		if (unused(m) && (found == NULL || m->used_ns < found->used_ns))
			found = m;
	}
	if (found != NULL) {
		residency_table_unlist(r, found);
		r->evictions++;
	}
	return found;
}

/* Evict one.  Locked, but not while it is freed.  false: there is none. */
static bool evict_one(struct residency *r)
{
	struct resident *gone = oldest(r);

	if (gone == NULL)
		return false;
	residency_table_unlock(r);
	residency_table_unref(gone);
	residency_table_lock(r);
	return true;
}

/* The shards of a TensorFlow.js model: what lies beside its model.json and is named in it. */
struct shards {
	const void *json;
	size_t size;
	const char *path; /* of the model.json */
	size_t folder;    /* that much of ${path} */
	uint64_t bytes;
};

static int add_shard(void *arg, const struct store_file_info *info)
{
	struct shards *s = arg;
	char quoted[STORE_PATH_MAX + 3];
	int n;

	if (strncmp(info->path, s->path, s->folder) != 0 || strcmp(info->path, s->path) == 0)
		return 0;
	n = snprintf(quoted, sizeof quoted, "\"%s\"", info->path + s->folder);
	if (n > 0 && memmem(s->json, s->size, quoted, (size_t)n) != NULL &&
	    __builtin_add_overflow(s->bytes, info->size, &s->bytes))
		s->bytes = UINT64_MAX / 4;
	return 0;
}

/* Bytes of the file and, of a model.json, its shards. */
static uint64_t file_bytes(const struct residency *r, const struct runnable *what)
{
	const char *slash = strrchr(what->path, '/'), *dot = strrchr(what->path, '.');
	struct shards s = {.path = what->path,
			   .folder = slash != NULL ? (size_t)(slash - what->path) + 1 : 0};
	struct store_map *map;
	struct store_error err;

	if (dot == NULL || strcmp(dot, ".json") != 0 ||
	    store_map_open(r->store, &what->file.digest, &map, &err) != 0)
		return what->file.size;
	s.json = store_map_data(map);
	s.size = store_map_size(map);
	if (store_model_files(r->store, what->model, what->file.commit, add_shard, &s, &err) != 0)
		s.bytes = 0;
	store_map_unref(map);
	return what->file.size + s.bytes;
}

/* What it took the last time, or a guess: the files are mapped, and weights are packed. */
static uint64_t estimate(const struct resident *m, uint64_t files)
{
	uint64_t known = tally_cost(m->tally);

	return known != 0 ? known : files * 2;
}

int residency_room_take(struct resident *m, const struct runnable *what, const atomic_bool *cancel,
			struct fault *fault)
{
	struct residency *r = m->owner;
	uint64_t need, files = file_bytes(r, what);
	int status = 0;

	/* a guess that is too high must not refuse a model that fits */
	if (files > r->memory_budget)
		return fault_set(fault, 507,
				 "the model has %llu bytes, memory_budget is %llu bytes",
				 (unsigned long long)files, (unsigned long long)r->memory_budget);
	if (tally_cost(m->tally) > r->memory_budget)
		return fault_set(fault, 507,
				 "the model takes more memory than memory_budget, %llu bytes",
				 (unsigned long long)r->memory_budget);
	need = estimate(m, files);
	if (need > r->memory_budget)
		need = r->memory_budget;
	residency_table_lock(r);
	while (status == 0 && over(r, need)) {
		if (evict_one(r))
			continue;
		if (!residency_table_wait(r, cancel))
			status = fault_set(fault, 503, "cancelled while waiting for memory");
	}
	if (status == 0)
		m->reserved = need;
	residency_table_unlock(r);
	return status;
}

void residency_room_trim(struct residency *r)
{
	residency_table_lock(r);
	while (over(r, 0) && evict_one(r))
		;
	residency_table_unlock(r);
}

static bool expired(const struct resident *m, uint64_t now)
{
	return unused(m) && m->keep_s >= 0 && now >= m->used_ns + (uint64_t)m->keep_s * NS_PER_S;
}

void residency_room_expire(struct residency *r)
{
	uint64_t now = residency_table_now_ns();
	struct resident *m, *gone;

	do {
		gone = NULL;
		residency_table_lock(r);
		for (m = r->first; m != NULL && gone == NULL; m = m->next) {
			if (expired(m, now))
				gone = m;
		}
		if (gone != NULL) {
			residency_table_unlist(r, gone);
			r->unloads++;
		}
		residency_table_unlock(r);
		if (gone != NULL)
			residency_table_unref(gone);
	} while (gone != NULL);
}
