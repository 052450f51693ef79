/* SPDX-License-Identifier: MIT */
/*
 * residency_pack.h — packed weights of a model, kept in the store as a derived blob
 * of its file, so that the next load maps them.  Private to residency*.c.
 */
#ifndef LARDER_DAEMON_RESIDENCY_PACK_H
#define LARDER_DAEMON_RESIDENCY_PACK_H

#include "daemon/residency_load.h"

/* Less than that is packed again each time. */
#define RESIDENCY_PACK_LEAST ((size_t)1 << 20) /* bytes */

/* residency_pack_known(store, source, level): whether the store has something packed of that file.
 * It may still turn out to be of no use. */
bool residency_pack_known(struct store *store, const struct store_digest *source,
			  enum rt_cpu_level level);
/*
 * residency_pack_find(l, opts, out): for rt_packed_f: the key of all files of ${l}, and what is
 * stored, mapped and read in, or nothing.  The map stays with ${l}.
 */
void residency_pack_find(struct residency_load *l, const struct residency_load_opts *opts,
			 struct rt_packed *out);
/*
 * residency_pack_keep(l, store): put into the store what was packed when ${l} was opened, if it is
 * worth it and was not found there.  Failure costs the next load, nothing else.  Blocks for as
 * long as writing takes.
 */
void residency_pack_keep(const struct residency_load *l, struct store *store);

#endif
