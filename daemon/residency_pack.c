/* SPDX-License-Identifier: MIT */
/*
 * residency_pack.c — see residency_pack.h.  Called by residency_load.c and
 * residency.c on pool threads, without the lock.  Must never fail a load: what is
 * not found, or cannot be kept, is packed again.
 */
#include <config.h>

#include "daemon/residency_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A weight that many nodes share is packed for each: so many times the files are not worth it. */
#define TIMES_MAX 4

static void kind_of(enum rt_cpu_level level, char kind[STORE_KIND_MAX + 1])
{
	snprintf(kind, STORE_KIND_MAX + 1, "packed:%s", rt_cpu_level_name(level));
}

/* Of the model's bytes and all external data, in the order in which they were asked for. */
static bool key_of(const struct residency_load *l, size_t count, struct store_digest *out)
{
	struct store_digest *all = calloc(count + 1, sizeof *all);
	bool ok = all != NULL;

	_Static_assert(sizeof out->bytes == RT_PACKED_KEY, "a key is a digest");
	for (size_t i = 0; ok && i < count; i++)
		all[i] = *store_map_digest(l->maps[i]);
	ok = ok && store_digest_of(all, count * sizeof *all, out) == 0;
	free(all);
	return ok;
}

bool residency_pack_known(struct store *store, const struct store_digest *source,
			  enum rt_cpu_level level)
{
	char kind[STORE_KIND_MAX + 1];
	struct store_derived derived;

	kind_of(level, kind);
	return store_derived_find(store, source, kind, &derived, NULL) == 0;
}

void residency_pack_find(struct residency_load *l, const struct residency_load_opts *opts,
			 struct rt_packed *out)
{
	char kind[STORE_KIND_MAX + 1];
	struct store_derived derived;
	struct store_digest key;
	struct store_map *map;

	l->file_count = l->map_count;
	if (!key_of(l, l->file_count, &key))
		return;
	memcpy(out->key, key.bytes, sizeof out->key);
	kind_of(opts->cpu_level, kind);
	if (store_derived_find(opts->store, store_map_digest(l->maps[0]), kind, &derived, NULL) !=
	    0)
		return;
	map = residency_load_map(l, opts, &derived.digest);
	if (map != NULL)
		out->image = (struct rt_bytes){store_map_data(map), store_map_size(map)};
}

void residency_pack_keep(const struct residency_load *l, struct store *store)
{
	char kind[STORE_KIND_MAX + 1];
	struct rt_packed_parts packed;
	struct store_part *parts;
	struct store_derived derived;
	struct store_digest key;

	if (l->file_count == 0 || !key_of(l, l->file_count, &key) ||
	    rt_model_packed_parts(l->model, key.bytes, &packed) != RT_OK)
		return;
	parts = calloc(packed.count + 1, sizeof *parts);
	if (parts != NULL && packed.size >= RESIDENCY_PACK_LEAST &&
	    packed.size / TIMES_MAX <= l->mapped_bytes) {
		for (size_t i = 0; i < packed.count; i++)
			parts[i] = (struct store_part){packed.parts[i].data, packed.parts[i].size};
		kind_of(rt_model_cpu_level(l->model), kind);
		/* no room is no error here */
		(void)!store_derived_put_parts(store, store_map_digest(l->maps[0]), kind, parts,
					       packed.count, &derived, NULL);
	}
	free(parts);
	rt_packed_parts_release(&packed);
}
