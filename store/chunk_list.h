/* SPDX-License-Identifier: MIT */
/* chunk_list.h — lists of blobs, for chunk_seed.c; see store.h for the rest. */
#ifndef LARDER_STORE_CHUNK_LIST_H
#define LARDER_STORE_CHUNK_LIST_H

#include "store/store.h"

/*
 * store_chunk_list_get(store, digest, may_make, stop, out, err): the list of a
 * blob: the one that is kept or, with ${may_make}, a new one, which is kept if
 * there is room.  STORE_NOT_FOUND.
 */
int store_chunk_list_get(struct store *store, const struct store_digest *digest, bool may_make,
			 bool (*stop)(void), struct store_chunk_list *out,
			 struct store_error *err) STORE_MUST_CHECK;

#endif
