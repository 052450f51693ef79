/* SPDX-License-Identifier: MIT */
/*
 * cache.c — the hot path of the data plane: names to bytes without the index.
 * Called by file.c only.  It must never answer from another generation than
 * the one it is asked for.
 *
 * One array of slots; a key may be in any of the WAYS slots from where its
 * hash points.  The one of them that was used least recently makes way.
 */
#include <config.h>

#include "store/cache.h"
#include "store/status.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	SLOTS = 8192, /* a power of two; full, the cache holds 1 to 5 MiB */
	WAYS = 4,
};

struct entry {
	uint64_t hash;
	uint64_t generation;
	int64_t snapshot_id;
	int64_t used_s; /* the second in which a use was last handed to the caller to note */
	uint64_t tick;  /* of its last use */
	struct store_file file;
	size_t key_size;
	char key[];
};

struct store_cache {
	uint64_t seed; /* so that nobody can choose names that meet in one slot */
	pthread_mutex_t lock;
	uint64_t tick; /* counts uses */
	struct entry *slots[SLOTS + WAYS];
};

int store_cache_new(struct store_cache **out, struct store_error *err)
{
	struct store_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return store_status_fail(err, STORE_MEMORY, NULL);
	if (getrandom(&cache->seed, sizeof(cache->seed), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(cache->seed))
		cache->seed = (uint64_t)(uintptr_t)cache;
	pthread_mutex_init(&cache->lock, NULL);
	*out = cache;
	return 0;
}

void store_cache_free(struct store_cache *cache)
{
	if (cache == NULL)
		return;
	for (size_t i = 0; i < SLOTS + WAYS; i++)
		free(cache->slots[i]);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

/* Eight bytes at a time, multiplied and folded; the tail is padded with zeros. */
static uint64_t hash_bytes(uint64_t seed, const char *p, size_t size)
{
	uint64_t h = seed ^ size;

	while (size > 0) {
		size_t n = size < 8 ? size : 8;
		uint64_t word = 0;

		memcpy(&word, p, n);
		h = (h ^ word) * 0x9fb21c651e98df25U;
		h ^= h >> 32;
		p += n;
		size -= n;
	}
	return h * 0x9e3779b97f4a7c15U;
}

bool store_cache_key(const struct store_cache *cache, const char *model, const char *revision,
		     const char *path, struct store_cache_key *out)
{
	const char *parts[] = {model, revision, path};
	size_t at = 0;

	for (size_t i = 0; i < 3; i++) {
		size_t room = sizeof(out->bytes) - at;
		size_t size = strnlen(parts[i], room);

		if (size == room)
			return false;
		memcpy(out->bytes + at, parts[i], size + 1);
		at += size + 1;
	}
	out->size = at;
	out->hash = hash_bytes(cache->seed, out->bytes, at);
	return true;
}

static struct entry **first_slot(struct store_cache *cache, uint64_t hash)
{
	return &cache->slots[hash >> 32 & (SLOTS - 1)];
}

static bool is_for(const struct entry *e, const struct store_cache_key *key)
{
	return e != NULL && e->hash == key->hash && e->key_size == key->size &&
	       memcmp(e->key, key->bytes, key->size) == 0;
}

bool store_cache_find(struct store_cache *cache, const struct store_cache_key *key,
		      uint64_t generation, int64_t now_s, struct store_file *file,
		      int64_t *ret_snapshot_id)
{
	struct entry **slot = first_slot(cache, key->hash);
	bool found = false;

	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i < WAYS && !found; i++) {
		struct entry *e = slot[i];

		if (!is_for(e, key) || e->generation != generation)
			continue;
		found = true;
		e->tick = ++cache->tick;
		*file = e->file;
		*ret_snapshot_id = e->used_s == now_s ? 0 : e->snapshot_id;
		e->used_s = now_s;
	}
	pthread_mutex_unlock(&cache->lock);
	return found;
}

/* The slot to put ${key} in: its own, a free or outdated one, or the one used least recently. */
static struct entry **choose(struct entry **slot, const struct store_cache_key *key,
			     uint64_t generation)
{
	struct entry **oldest = slot;

	for (size_t i = 0; i < WAYS; i++) {
		if (is_for(slot[i], key))
			return &slot[i];
	}
	for (size_t i = 0; i < WAYS; i++) {
		if (slot[i] == NULL || slot[i]->generation != generation)
			return &slot[i];
		if (slot[i]->tick < (*oldest)->tick)
			oldest = &slot[i];
	}
	return oldest;
}

void store_cache_put(struct store_cache *cache, const struct store_cache_key *key,
		     uint64_t generation, int64_t now_s, int64_t snapshot_id,
		     const struct store_file *file)
{
	struct entry *e = malloc(sizeof(*e) + key->size);
	struct entry **slot;
	struct entry *old;

	if (e == NULL)
		return; /* the next one asks the index again */
	*e = (struct entry){
	    .hash = key->hash,
	    .generation = generation,
	    .snapshot_id = snapshot_id,
	    .used_s = now_s,
	    .file = *file,
	    .key_size = key->size,
	};
	memcpy(e->key, key->bytes, key->size);
	pthread_mutex_lock(&cache->lock);
	e->tick = ++cache->tick;
	slot = choose(first_slot(cache, key->hash), key, generation);
	old = *slot;
	*slot = e;
	pthread_mutex_unlock(&cache->lock);
	free(old);
}
