/* SPDX-License-Identifier: MIT */
/*
 * cache.h — answers of store_file_find, kept in memory while the index has not
 * changed.  Bounded: a fixed number of slots, and long names are not kept.
 */
#ifndef LARDER_STORE_CACHE_H
#define LARDER_STORE_CACHE_H

#include "store/store.h"

struct store_cache; /* opaque */

/* The name of an answer: `model NUL revision NUL path` and its hash. */
struct store_cache_key {
	uint64_t hash;
	size_t size;
	char bytes[480];
};

int store_cache_new(struct store_cache **out, struct store_error *err) STORE_MUST_CHECK;
void store_cache_free(struct store_cache *cache); /* NULL is allowed */

/* store_cache_key: false when the names are too long to be kept. */
bool store_cache_key(const struct store_cache *cache, const char *model, const char *revision,
		     const char *path, struct store_cache_key *out);
/*
 * store_cache_find(cache, key, generation, now_s, file, ret_snapshot_id): the
 * answer that was put under ${key} at this ${generation}.  *ret_snapshot_id is
 * set when this is its first use in the second ${now_s}, and 0 otherwise.
 */
bool store_cache_find(struct store_cache *cache, const struct store_cache_key *key,
		      uint64_t generation, int64_t now_s, struct store_file *file,
		      int64_t *ret_snapshot_id);
/* store_cache_put: ${generation} is what it was before the index was asked. */
void store_cache_put(struct store_cache *cache, const struct store_cache_key *key,
		     uint64_t generation, int64_t now_s, int64_t snapshot_id,
		     const struct store_file *file);

#endif
