/* SPDX-License-Identifier: MIT */
/*
 * use.h — when each snapshot and derived blob was last used: noted in memory,
 * written now and then, so that a request never writes.
 */
#ifndef LARDER_STORE_USE_H
#define LARDER_STORE_USE_H

#include "store/store.h"

struct store_uses; /* opaque: id → Unix time, not yet in the index */

/* Both kinds of ids begin at 1; those of derived blobs are kept as negative ones. */
#define STORE_USE_DERIVED(id) (-(id))

int store_use_new(struct store_uses **out, struct store_error *err) STORE_MUST_CHECK;
void store_use_free(struct store_uses *uses); /* NULL is allowed */
/* store_use_note: out of memory, the note is lost; a last use is only a hint. */
void store_use_note(struct store_uses *uses, int64_t id, int64_t used_s);
/* store_use_of: the noted time, or 0. */
int64_t store_use_of(struct store_uses *uses, int64_t id);

#endif
