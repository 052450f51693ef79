/* SPDX-License-Identifier: MIT */
/* map.h — the table of mappings, for the files of store/.  See store.h for the rest. */
#ifndef LARDER_STORE_MAP_H
#define LARDER_STORE_MAP_H

#include "store/store.h"

struct store_maps; /* opaque: digest → mapping */

int store_map_table_new(struct store_maps **out, struct store_error *err) STORE_MUST_CHECK;
/*
 * store_map_table_close: drop the table.  Mappings that are referenced stay
 * valid and are unmapped by their last store_map_unref.  NULL is allowed.
 */
void store_map_table_close(struct store_maps *maps);
/*
 * store_map_forget(maps, digest): from now on this blob is mapped anew, because
 * its file was removed, replaced or found damaged.  Call it after the index
 * says so.
 */
void store_map_forget(struct store_maps *maps, const struct store_digest *digest);
/* store_map_count: mappings that exist, referenced or kept. */
uint64_t store_map_count(struct store_maps *maps);

#endif
